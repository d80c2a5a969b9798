"""Answers that go on for long: each piece is passed on at once, also while the next is not there yet."""

import asyncio

import pytest

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
FRAMING = {
    "chunks": (b"Transfer-Encoding: chunked\r\n", lambda event: b"%x\r\n%b\r\n" % (len(event), event)),
    "until the end": (b"Connection: close\r\n", lambda event: event),
    "a length beyond what is held": (b"Content-Length: 1000000\r\n", lambda event: event),
}


@pytest.mark.parametrize(("head", "framed"), FRAMING.values(), ids=FRAMING)
@pytest.mark.parametrize("minor", [0, 1])
async def test_an_event_arrives_before_the_next_one_is_made(rig, head, framed, minor):
    origin = await rig.up()
    arrived = asyncio.Semaphore(0)

    async def stream(request):
        request.writer.write(EVENTS + head + b"\r\n")
        for number in range(5):
            request.writer.write(framed(b"data: %d\n\n" % number))
            await arrived.acquire()
        await request.reader.read()

    origin.answer = stream
    client = await rig.client()

    client.send(b"GET /events HTTP/1.%d\r\nHost: a\r\n\r\n" % minor)
    async with asyncio.timeout(5):
        await client.reader.readuntil(b"\r\n\r\n")
        for number in range(5):
            await client.reader.readuntil(b"data: %d\n\n" % number)
            arrived.release()

    client.abort()


async def test_the_head_of_a_stream_arrives_before_its_first_event(rig):
    origin = await rig.up()

    async def wait(request):
        request.writer.write(EVENTS + b"Transfer-Encoding: chunked\r\n\r\n")
        await request.reader.read()

    origin.answer = wait
    client = await rig.client()
    client.send(rig.get("/events"))

    async with asyncio.timeout(5):
        head = await client.reader.readuntil(b"\r\n\r\n")

    assert b"text/event-stream" in head
    client.abort()


async def test_a_stream_ends_at_the_instance_when_its_client_leaves(rig):
    origin = await rig.up()

    async def stream(request):
        request.writer.write(EVENTS + b"Transfer-Encoding: chunked\r\n\r\n")
        while not request.reader.at_eof():
            request.writer.write(b"3\r\n:\n\n\r\n")
            await asyncio.sleep(0.01)
        return rig.DROP

    origin.answer = stream
    client = await rig.client()
    client.send(rig.get("/events"))
    await client.reader.readuntil(b"\r\n\r\n")

    # It may still listen, for all that its end says; that it does not is seen by the next event.
    client.close()

    await rig.until(lambda: not origin.open)
    assert rig.members[0].failures == 0


async def test_a_comment_now_and_then_keeps_a_stream(rig):
    origin = await rig.up(idle=0.3)

    async def stream(request):
        request.writer.write(EVENTS + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(8):
            request.writer.write(b"3\r\n:\n\n\r\n")
            await asyncio.sleep(0.06)
        request.writer.write(b"0\r\n\r\n")

    origin.answer = stream

    answer = await rig.ask(rig.get("/events"))

    assert answer.body == b":\n\n" * 8
