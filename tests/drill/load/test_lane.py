import asyncio
import time

from mainstay.drill.load.lane import Lane


async def running(seconds, stall=0.0):
    lane = Lane()
    await lane.open()
    lane.begin(time.monotonic())
    await asyncio.sleep(0.05)
    time.sleep(stall)  # noqa: ASYNC251 - this is the stall
    await asyncio.sleep(seconds)
    lane.close()
    await asyncio.sleep(0)
    return lane


async def test_the_echo_answers():
    lane = await running(0.2)

    told = lane.record()
    assert told["asked"] == len(lane.took) > 3
    assert 0 <= told["p50"] <= told["p99"] <= told["max"]


async def test_a_stall_of_the_generator_is_seen_by_every_question_that_fell_due_in_it():
    lane = await running(0.1, stall=0.3)

    late = [took for took in lane.took if took > 0.05]
    assert lane.record()["max"] >= 0.27
    assert len(late) >= 10


async def test_a_lane_that_was_never_asked_has_no_figures():
    lane = Lane()
    await lane.open()

    lane.close()
    await asyncio.sleep(0)

    assert lane.record() == {"asked": 0, "p50": None, "p99": None, "max": None}
