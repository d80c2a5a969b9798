import asyncio
import os
import signal

import pytest

from mainstay.base.errors import CanaryRejected, MainstayError, Refused
from mainstay.redundancy.canary import CanarySpec, Score
from mainstay.supervisor.supervisor import Supervisor

SPEC = CanarySpec(watch=600.0, requests=100)


def counted(world, canary, others=Score(300)):  # noqa: B008 - it is frozen
    world.gate.counted = {("web-1", 1): others, ("web-2", 1): others, ("web-1", 2): canary}


def trial(world, spec=SPEC):
    return asyncio.ensure_future(world.supervisor.restart("web", spec))


@pytest.fixture
async def web(world, server) -> Supervisor:
    supervisor = world.make({"web": server(instances=2)})
    await supervisor.start()
    return supervisor


async def test_the_old_one_stays_in_rotation_beside_the_canary_until_the_verdict(world, web):
    trying = trial(world, CanarySpec(watch=0.3, requests=0))
    await world.until(lambda: world.gate.looks)
    during = world.rotation()

    report = await trying

    assert sorted(during) == [("web-1", 1, "up"), ("web-1", 2, "up"), ("web-2", 1, "up")]
    assert world.rotation() == [("web-1", 2, "up"), ("web-2", 2, "up")]
    assert (report.instance, report.generation, report.verdict.value) == ("web-1", 2, "well")
    assert [life.on_trial for life in world.state.lives] == [False, False]


async def test_a_worse_one_drains_and_goes_and_nobody_else_was_touched(world, web):
    before = world.rows()
    trying = trial(world)
    await world.until(lambda: world.gate.looks)

    counted(world, Score(10, 10))
    with pytest.raises(CanaryRejected, match="web-1 fails more than the others") as told:
        await trying

    assert world.rotation() == [("web-1", 1, "up"), ("web-2", 1, "up")]
    assert [row["pid"] for row in world.rows()] == [row["pid"] for row in before]
    assert [(name, generation) for name, generation, _ in world.gate.asked] == [("web-1", 2)]
    assert told.value.figures["canary"]["failures"] == 10
    assert told.value.figures["others"]["requests"] == 600
    assert str(told.value).splitlines()[2] == "others: 600 requests, 0 failures, no answers"


async def test_what_the_others_were_asked_before_does_not_count(world, web):
    world.gate.counted = {("web-1", 1): Score(300, 300), ("web-2", 1): Score(300, 300)}
    trying = trial(world)
    await world.until(lambda: world.gate.looks)

    world.gate.counted = {life: Score(400, 300) for life in world.gate.counted} | {("web-1", 2): Score(9, 9)}

    with pytest.raises(CanaryRejected, match="fails more"):
        await trying


async def test_one_that_dies_is_taken_back_at_once_and_not_started_again(world, web):
    trying = trial(world)
    await world.until(lambda: world.gate.looks)

    os.kill(world.rows(generation=2)[0]["pid"], signal.SIGKILL)
    with pytest.raises(CanaryRejected, match=r"web-1 has ended \(killed by SIGKILL\)"):
        await trying

    assert world.rotation() == [("web-1", 1, "up"), ("web-2", 1, "up")]
    assert len(world.rows()) == 2


async def test_one_that_is_frozen_is_taken_back(world, web):
    trying = trial(world)
    await world.until(lambda: world.gate.looks)

    os.kill(world.rows(generation=2)[0]["pid"], signal.SIGSTOP)
    with pytest.raises(CanaryRejected, match="web-1 is frozen"):
        await trying

    assert len(world.rows()) == 2


async def test_a_system_that_is_stopped_waits_for_no_verdict(world, web):
    trying = trial(world)
    await world.until(lambda: world.gate.looks)

    await web.stop()

    with pytest.raises(Refused, match="is being stopped"):
        await trying
    assert world.told("InstanceStopped")


async def test_who_takes_over_in_the_middle_of_a_trial_keeps_the_old_one(world, server, web):
    trying = trial(world)
    await world.until(lambda: world.gate.looks)
    await web.abandon()
    with pytest.raises(Refused):
        await trying

    after = world.make({"web": server(instances=2)})
    await after.start()

    await world.until(lambda: len(world.rows()) == 2)
    assert world.rotation() == [("web-1", 1, "up"), ("web-2", 1, "up")]


async def test_what_takes_no_traffic_cannot_be_tried(world, server):
    service = server()
    del service["listen"]
    service.pop("health", None)
    supervisor = world.make({"web": service})
    await supervisor.start()

    with pytest.raises(MainstayError, match="web takes no traffic that could tell"):
        await supervisor.restart("web", SPEC)
