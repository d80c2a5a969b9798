import asyncio

import pytest

from gateway.conftest import DROP
from mainstay.gateway.check import check


@pytest.fixture
async def told():
    """Give what a check tells of a server that answers with these bytes, or hangs up, or says nothing."""
    servers, tasks = [], set()

    async def ask(*answer, path="/healthz", limit=5.0):
        asked = []

        async def serve(reader, writer):
            tasks.add(asyncio.current_task())
            try:
                asked.append(await reader.readuntil(b"\r\n\r\n"))
                for part in answer:
                    if part is None:
                        await asyncio.Event().wait()
                    elif part is not DROP:
                        writer.write(part)
                        await writer.drain()
            except (OSError, asyncio.CancelledError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        servers.append(server)
        result = await check("127.0.0.1", server.sockets[0].getsockname()[1], path, limit)
        return result.ok, result.said, asked[0].split(b" HTTP")[0]

    yield ask
    for server in servers:
        server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(
    ("status", "ok"), [(200, True), (204, True), (301, True), (404, False), (503, False)]
)
async def test_two_and_three_hundreds_are_good_when_something_was_asked_for(told, status, ok):
    said = f"HTTP {status}" if ok else f"HTTP {status} instead of 2xx or 3xx"

    assert await told(b"HTTP/1.1 %d Fine\r\n\r\n" % status) == (ok, said, b"GET /healthz")


async def test_any_answer_is_good_when_nothing_in_particular_was_asked_for(told):
    assert await told(b"HTTP/1.0 501\r\n\r\n", path=None) == (True, "HTTP 501", b"OPTIONS *")


async def test_an_answer_may_come_in_pieces(told):
    pieces = [bytes([byte]) for byte in b"HTTP/1.1 200 OK\r\n"]

    assert (await told(*pieces))[:2] == (True, "HTTP 200")


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\n",
        b"HTTP/1.1 200",
        b"HTTP/2 200\r\n",
        b"HTTP/1.1 999 No\r\n",
        b"x" * 70000,
    ],
)
async def test_what_is_no_http_is_bad(told, answer):
    assert (await told(answer))[:2] == (False, "not an HTTP answer")


async def test_who_hangs_up_without_an_answer_is_bad(told):
    assert (await told(DROP))[:2] == (False, "connection closed without an answer")


async def test_who_does_not_answer_in_time_is_bad(told):
    assert (await told(None, limit=0.05))[:2] == (False, "no answer within 50ms")


async def test_where_nobody_listens_is_bad(told):
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()

    result = await check("127.0.0.1", port, None, 5.0)

    assert (result.ok, result.said) == (False, "connection refused")
