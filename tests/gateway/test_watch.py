from dataclasses import replace

from mainstay.gateway import slices, watch
from mainstay.redundancy.health import HealthSpec

QUICK = HealthSpec(every=0.05, timeout=2.0)


async def test_more_instances_than_may_be_checked_at_once_wait_for_their_turn(rig, monkeypatch):
    monkeypatch.setattr(watch, "MOST", 100)
    await rig.up(1, health=QUICK)
    rig.rows = [replace(rig.rows[0], instance=f"web-{n}") for n in range(20)]
    begun, ticks = [], []
    monkeypatch.setattr(watch.Watch, "begin", lambda one, _: begun.append(one.member.name))
    begin = rig.worker.watches._begin

    def tick():
        before = len(begun)
        begin()
        ticks.append(len(begun) - before)

    monkeypatch.setattr(rig.worker.watches, "_begin", tick)
    rig.apply()

    await rig.until(lambda: len(begun) >= 20)

    assert max(ticks) == 2
    assert set(begun) == {f"web-{n}" for n in range(20)}


async def test_one_that_left_while_it_waited_for_its_turn_is_not_checked(rig, monkeypatch):
    monkeypatch.setattr(watch, "TICK", 30.0)
    origin = await rig.up(1, health=QUICK, path="/healthz")
    watches = rig.worker.watches
    await rig.until(lambda: watches._waiting)

    rig.rows = []
    rig.apply()
    watches._begin()

    assert not watches.tasks
    assert not origin.requests


async def test_a_large_table_is_prepared_while_requests_are_answered(rig, monkeypatch):
    monkeypatch.setattr(slices, "SLICE", 0.0)
    await rig.up(1)
    rig.rows = [replace(rig.rows[0], instance=f"web-{n}") for n in range(2000)]
    seen = []

    def look():
        seen.append(len(rig.members))
        if len(rig.members) == 1:
            rig.worker.loop.call_soon(look)

    look()
    await rig.worker.take(rig.table())

    assert len(seen) > 10
    assert set(seen) <= {1, 2000}
    assert len(rig.members) == 2000
    assert (await rig.ask(rig.get("/"))).status == 200
