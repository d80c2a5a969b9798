"""What a route counts for good: nothing of it goes when latencies are forgotten, or when a life ends."""

import asyncio
import json
from dataclasses import replace


def waiting(origin):
    """Have an origin keep its answers until the gate is opened."""
    gate = asyncio.Event()

    async def answer(request):
        await gate.wait()
        return b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"

    origin.answer = answer
    return gate


async def test_latencies_that_are_forgotten_stay_in_the_sums(rig):
    await rig.up()
    for _ in range(3):
        await rig.ask(rig.get())
        rig.route.turn()

    counted = rig.route.counted()

    assert sum(counted["latency"].values()) == 1
    assert sum(counted["durations"].values()) == counted["requests"] == 3
    assert 0 < counted["micros"] < 10e6


async def test_attempts_at_a_life_that_left_are_kept_to_the_last(rig):
    origin = await rig.up(call={"hedge": None, "retry": None})
    gate = waiting(origin)
    client = await rig.client()
    client.send(rig.get())
    await rig.until(lambda: origin.requests)

    rig.rows = [rig.row(origin, 1, generation=2)]
    rig.apply()
    before = dict(rig.route.counted()["scores"]["web-1"])
    gate.set()
    answer = await client.answer()

    assert answer.status == 500
    after = rig.route.counted()["scores"]["web-1"]
    assert (before["attempts"], "failed failed" in before) == (1, False)
    assert (after["attempts"], after["failed failed"], after["answers 5"]) == (1, 1, 1)
    assert after["received"] > before.get("received", 0)
    assert all(after[key] >= count for key, count in before.items())
    assert rig.route.counted()["instances"][0]["requests"] == 0


async def test_attempts_under_former_settings_are_kept(rig):
    origin = await rig.up()
    await rig.ask(rig.get())
    gate = waiting(origin)
    client = await rig.client()
    client.send(rig.get())
    await rig.until(lambda: len(origin.requests) == 2)

    rig.settings = replace(rig.settings, hold=1)
    rig.apply()
    before = rig.route.counted()["scores"]["web-1"]["attempts"]
    gate.set()
    await client.answer()
    await rig.ask(rig.get())

    after = rig.route.counted()["scores"]["web-1"]
    assert (before, after["attempts"], after["failed failed"]) == (2, 3, 2)


async def test_what_is_told_piece_by_piece_is_what_was_counted(rig):
    await rig.up(3)
    await rig.ask(rig.get())

    told = json.loads("".join(rig.worker.told()))
    counted = json.loads(json.dumps(rig.worker.counted()))

    assert told["sums"].keys() == counted["sums"].keys()
    assert told | {"sums": 0} == counted | {"sums": 0}
    assert len(told["services"]["web"]["instances"]) == 3
