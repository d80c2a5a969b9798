import asyncio

import pytest

from mainstay.gateway import upstream
from mainstay.gateway.upstream import IDLE

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_a_get_on_a_stale_connection_is_sent_again_on_a_new_one_and_nobody_is_charged(rig):
    origin = await rig.up()
    client = await rig.client()
    await client.ask(rig.get())

    async def once(request):
        request.writer.close()
        origin.answer = lambda r: OK

    origin.answer = once
    answer = await client.ask(rig.get())

    assert answer.status == 200
    assert rig.members[0].failures == 0
    assert rig.route.retries == 1


async def test_after_one_stale_connection_no_other_old_one_is_tried(rig):
    origin = await rig.up()
    gate = asyncio.Event()

    async def wait(request):
        await gate.wait()
        return OK

    origin.answer = wait
    clients = [await rig.client() for _ in range(5)]
    for client in clients:
        client.send(rig.get())
    await rig.until(lambda: len(origin.requests) == 5)
    gate.set()
    for client in clients:
        await client.answer()
    assert len(rig.members[0].idle) == 5
    old = set(origin.open)

    origin.answer = lambda r: rig.DROP if r.writer in old else OK
    answer = await clients[0].ask(rig.get())

    assert answer.status == 200
    assert rig.route.retries == 1


async def test_a_post_is_never_sent_on_a_connection_that_has_been_idle_for_long(rig):
    origin = await rig.up()
    client = await rig.client()
    await client.ask(rig.get())
    rig.members[0].idle[-1].idle_since -= upstream.FRESH + 0.1

    await client.ask(rig.request("POST", "/", body=b"x"))
    assert origin.connections == 2
    rig.members[0].idle.rotate(1)
    await client.ask(rig.get())

    # The old one was kept for what may be repeated.
    assert origin.connections == 2


async def test_a_post_is_not_sent_on_a_connection_that_has_something_to_read(rig):
    origin = await rig.up()
    client = await rig.client()
    await client.ask(rig.get())
    (idle,) = rig.members[0].idle
    idle.transport.pause_reading()
    origin.requests[0].writer.close()
    await rig.until(lambda: not origin.open)
    await asyncio.sleep(0.01)

    answer = await client.ask(rig.request("POST", "/", body=b"x"))

    assert answer.status == 200
    assert origin.connections == 2


async def test_idle_connections_are_closed_before_the_instance_closes_them(rig):
    origin = await rig.up()
    origin.answer = lambda r: b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=3\r\nContent-Length: 2\r\n\r\nok"
    answer = await rig.ask(rig.get())
    (member,) = rig.members
    (idle,) = member.idle

    member.sweep(idle.idle_since + 1.9)
    assert not idle.closed
    member.sweep(idle.idle_since + 2.1)

    assert idle.closed
    assert answer.get("keep-alive") is None
    await rig.until(lambda: not member.idle)


async def test_how_long_an_instance_keeps_idle_connections_is_learnt_from_when_it_ends_them(rig):
    origin = await rig.up()
    rests = []
    for _ in range(2):
        await rig.ask(rig.get())
        began = rig.loop.time()
        await asyncio.sleep(0.3)
        for writer in list(origin.open):
            writer.close()
        await rig.until(lambda: not rig.members[0].connections)
        rests.append(rig.loop.time() - began)

    assert 0.2 < rig.members[0].keeps < min(rests)
    await rig.ask(rig.get())
    assert next(iter(rig.members[0].connections)).keep_for == rig.members[0].keeps


@pytest.mark.parametrize("rests", [(0.05, 0.05), (1.0, 2.0), (3.0,), (2.0, 0.1, 1.0)])
async def test_from_what_may_be_chance_nothing_is_learnt(rig, rests):
    await rig.up()
    member = rig.members[0]

    for rest in rests:
        member.ended_idle(rest)

    assert member.keeps == IDLE


async def test_what_was_learnt_only_becomes_less(rig):
    await rig.up()
    member = rig.members[0]

    for rest in (2.0, 2.1, 3.0, 3.0):
        member.ended_idle(rest)

    assert member.keeps == pytest.approx(1.6)


@pytest.mark.parametrize("together", [True, False])
async def test_bytes_after_an_answer_are_never_the_next_one(rig, together):
    origin = await rig.up()
    poison = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
    client = await rig.client()

    origin.answer = lambda r: OK + poison if together else OK
    first = await client.ask(rig.get())
    if not together:
        origin.requests[0].writer.write(poison)
    await rig.until(lambda: not rig.members[0].connections)
    origin.answer = lambda r: OK
    second = await client.ask(rig.get())

    assert (first.body, second.body) == (b"ok", b"ok")
    assert origin.connections == 2


async def test_a_body_after_a_head_answer_is_never_the_next_one(rig):
    origin = await rig.up()
    client = await rig.client()

    origin.answer = lambda r: OK
    first = await client.ask(rig.request("HEAD", "/"), bodiless=True)
    second = await client.ask(rig.get())

    assert first.get("content-length") == "2"
    assert second.body == b"ok"
    assert origin.connections == 2


async def test_an_instance_that_says_close_is_asked_on_a_new_connection(rig):
    origin = await rig.up()
    origin.answer = lambda r: b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    client = await rig.client()

    answers = [await client.ask(rig.get()) for _ in range(2)]

    assert [a.get("connection") for a in answers] == [None, None]
    assert origin.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 099 No\r\nContent-Length: 2\r\n\r\nok",
    ],
)
async def test_an_answer_that_cannot_be_trusted_is_a_502(rig, answer):
    origin = await rig.up()
    origin.answer = lambda r: answer

    got = await rig.ask(rig.request("POST", "/", body=b"x"))

    assert got.status == 502
    assert len(origin.requests) == 1
    await rig.until(lambda: not rig.members[0].connections)


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 30000),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 5000),
        (b"", b"HTTP/1.1 103 Early\r\n\r\n" * 1000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"x" * 30000),
    ],
    ids=["header", "headers", "interim", "trailer"],
)
async def test_an_answer_that_never_comes_to_a_body_is_given_up(rig, start, piece):
    origin = await rig.up()
    sent = 0

    async def answer(request):
        nonlocal sent
        request.writer.write(start)
        while sent < 100_000_000:
            request.writer.write(piece)
            sent += len(piece)
            await request.writer.drain()

    origin.answer = answer
    client = await rig.client()
    client.send(rig.request("POST", "/", "Connection: close", body=b"x"))
    await client.rest()

    await rig.until(lambda: not rig.members[0].connections)
    assert rig.members[0].failures == 1
    assert sent < 20_000_000
