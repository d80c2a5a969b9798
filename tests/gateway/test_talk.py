"""Health checks of services that do not speak HTTP."""

import asyncio
import contextlib

import pytest

from mainstay.base.probe import Talk
from mainstay.gateway.check import check


@contextlib.asynccontextmanager
async def server(script):
    listening = await asyncio.start_server(script, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await listening.wait_closed()


async def ping(reader, writer):
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        if await reader.readuntil(b"\n") == b"PING\r\n":
            writer.write(b"-LOADING\r\n+PO")
            await writer.drain()
            await asyncio.sleep(0.01)
            writer.write(b"NG\r\n")
            await writer.drain()
    writer.close()


async def silent(reader, writer):
    with contextlib.suppress(OSError):
        await reader.read()
    writer.close()


async def babble(reader, writer):
    with contextlib.suppress(OSError):
        for _ in range(100):
            writer.write(b"x" * 65536)
            await writer.drain()
    writer.close()


async def hang_up(reader, writer):
    writer.close()


@pytest.mark.parametrize(
    ("script", "talk", "ok", "said"),
    [
        (ping, Talk(), True, "accepted a connection"),
        (silent, Talk(), True, "accepted a connection"),
        (ping, Talk("PING\r\n", "+PONG"), True, "the expected answer"),
        (ping, Talk("QUIT\r\n", "+PONG"), False, "connection closed without an answer"),
        (ping, Talk("PING\r\n", "+QUEUED"), False, "not the expected answer"),
        (hang_up, Talk("", "220 "), False, "connection closed without an answer"),
        (silent, Talk("", "220 "), False, "no answer within 200ms"),
        (babble, Talk("", "220 "), False, "not the expected answer"),
    ],
)
async def test_a_service_is_asked_in_its_own_words(script, talk, ok, said):
    async with server(script) as port:
        result = await check("127.0.0.1", port, None, 0.2 if said.startswith("no answer") else 5.0, talk)

    assert (result.ok, result.said) == (ok, said)


async def test_a_port_at_which_nobody_listens_is_down():
    async with server(silent) as port:
        pass

    assert (await check("127.0.0.1", port, None, 1.0, Talk())).said == "connection refused"
