"""What becomes of a connection that goes over to another protocol, case by case: no byte is lost, added or read."""

import asyncio

import pytest

from conformance.recorder import OK, Recorder
from conformance.table import load, wire_bytes
from conformance.wire import Message, take_answer

CASES = load("upgrade")
_END = b"\r\n\r\n"


async def heads(client, count):
    """Read so many answers, and the head by which the protocol changes."""
    raw = b""
    while True:
        at, found = 0, 0
        while found < count and (taken := take_answer(raw, at)) is not None:
            at, found = taken[1], found + 1
        end = raw.find(_END, at)
        if found == count and end >= 0:
            return Message(raw[at : end + 4]), raw[end + 4 :]
        piece = await client.reader.read(65536)
        assert piece, raw
        raw += piece


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_case(rig, case):
    before = case.get("before", 0)
    answers = [{"pieces": [OK]}] * before
    origin = Recorder([*answers, {"pieces": [wire_bytes(case["origin"])], "then": "raw"}])
    await rig.up(0)
    await origin.listen()
    rig.origins.append(origin)
    rig.rows.append(rig.row(origin, 1))
    rig.apply()
    client = await rig.client()
    heard = wire_bytes(case["heard"])

    async with asyncio.timeout(10):
        client.send(wire_bytes(case["send"]))
        head, raw = await heads(client, before)
        for piece in case["then"]:
            client.send(wire_bytes(piece))
            await asyncio.sleep(0.003)
        client.writer.write_eof()
        raw += await client.rest()
        client.close()
        await rig.until(rig.idle)

    assert not origin.faults
    assert raw == heard
    assert head.first.startswith(b"HTTP/1.1 101 ")
    assert head.all("connection") == [b"upgrade"]
    assert head.all("upgrade") == [b"websocket"]
    for name in ("content-length", "transfer-encoding", "keep-alive", "te"):
        assert not head.all(name)
    assert len(origin.messages) == before + 1
    (offer,) = origin.messages[-1:]
    assert (offer.all("connection"), offer.all("upgrade")) == ([b"upgrade"], [b"websocket"])
    # What the instance got is what the client sent behind its offer, whenever it came.
    assert heard.endswith(origin.raw)
    assert origin.raw.endswith(wire_bytes("".join(case["then"])))
