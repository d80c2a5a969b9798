import asyncio
import time
from dataclasses import replace

from mainstay.base.facts import InstanceEjected
from mainstay.base.outcome import REFUSED
from mainstay.gateway.table import Door, Rule, Table
from mainstay.redundancy.health import HealthSpec
from mainstay.redundancy.outlier import OutlierSpec
from mainstay.redundancy.pool import PoolSpec
from mainstay.tolerance.breaker import CLOSED, HALF_OPEN, BreakerSpec
from mainstay.tolerance.call import CallSpec

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
QUICK = HealthSpec(every=0.05, timeout=0.04)


def waiting(origin):
    gate = asyncio.Event()

    async def answer(request):
        await gate.wait()
        return OK

    origin.answer = answer
    return gate


async def test_a_table_keeps_the_lives_that_it_still_has(rig):
    await rig.up(2)
    client = await rig.client()
    for _ in range(2):
        await client.ask(rig.get())
    first, second = rig.members

    rig.rows = [rig.rows[0], rig.row(rig.origins[1], 2, generation=2)]
    rig.apply()

    assert rig.members[0] is first
    assert rig.members[1] is not second
    assert len(first.idle) == 1
    assert rig.members[1].key == ("web-2", 2)
    await rig.until(lambda: not second.connections)


async def test_a_draining_instance_is_told_idle_exactly_when_its_last_request_has_left(rig):
    origin = await rig.up()
    gate = waiting(origin)
    clients = [await rig.client() for _ in range(2)]
    for client in clients:
        client.send(rig.get())
    await rig.until(lambda: len(origin.requests) == 2)

    rig.rows = [rig.row(origin, 1, state="draining")]
    rig.apply()
    clients[0].abort()
    await rig.until(lambda: rig.route.cancelled == 1)
    assert rig.line.idle() == []
    gate.set()
    answer = await clients[1].answer()

    assert answer.status == 200
    assert rig.line.idle() == [("web-1", 1)]
    await rig.until(lambda: not origin.open)


async def test_a_draining_instance_without_requests_is_idle_at_once_and_loses_its_idle_connections(rig):
    origin = await rig.up()
    await rig.ask(rig.get())
    assert rig.members[0].idle

    rig.rows = [rig.row(origin, 1, state="draining")]
    rig.apply()
    answer = await rig.ask(rig.get())

    assert rig.line.idle() == [("web-1", 1)]
    assert answer.status == 503
    assert len(origin.requests) == 1
    await rig.until(lambda: not origin.open)


async def test_requests_under_way_survive_new_settings_and_hold_back_the_drain(rig):
    origin = await rig.up()
    gate = waiting(origin)
    client = await rig.client()
    client.send(rig.get())
    await rig.until(lambda: origin.requests)

    rig.settings = replace(rig.settings, hold=1)
    rig.apply()
    assert rig.route.counted()["instances"][0]["in_flight"] == 1
    rig.rows = [rig.row(origin, 1, state="draining")]
    rig.apply()
    assert rig.line.idle() == []
    gate.set()
    answer = await client.answer()

    assert answer.status == 200
    assert rig.line.idle() == [("web-1", 1)]
    assert rig.route.settings.hold == 1


async def test_a_failing_check_frees_waiting_gets_and_leaves_posts_alone(rig):
    sick, well = await rig.up(2, health=QUICK, path="/health")
    rows, rig.rows = rig.rows, rig.rows[:1]
    rig.apply()
    sick.answer = lambda r: asyncio.sleep(30) if r.target != b"/health" else OK
    get, post = await rig.client(), await rig.client()
    get.send(rig.get("/get"))
    post.send(rig.request("POST", "/post", body=b"x"))
    await rig.until(lambda: {b"/get", b"/post"} <= {r.target for r in sick.requests})
    rig.rows = rows
    rig.apply()

    sick.answer = lambda r: asyncio.sleep(30)
    answer = await get.answer()

    assert answer.status == 200
    assert b"/get" in {r.target for r in well.requests}
    assert rig.line.facts("HealthChanged")[-1]["after"] == "down"
    assert len(rig.members[0].busy) == rig.route.in_flight == 1
    post.abort()


async def test_in_panic_nobody_is_sent_away(rig):
    origin = await rig.up(health=QUICK, path="/health")
    gate = asyncio.Event()

    async def answer(request):
        await gate.wait()
        return OK

    origin.answer = answer
    client = await rig.client()
    client.send(rig.get("/get"))
    await rig.until(lambda: rig.line.facts("PanicBegan"))
    gate.set()

    assert (await client.answer()).status == 200
    assert [r.target for r in origin.requests].count(b"/get") == 1


async def test_new_settings_are_checked_by_their_own_spec(rig):
    origin = await rig.up(health=HealthSpec(every=30.0), path="/old")

    rig.settings = replace(rig.settings, health=QUICK)
    rig.rows = [replace(rig.rows[0], path="/new")]
    rig.apply()
    await rig.until(lambda: origin.requests)

    assert {r.target for r in origin.requests} == {b"/new"}
    origin.answer = lambda r: b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
    await rig.until(lambda: rig.members[0].health.state.value == "down")


async def test_a_service_that_left_the_table_is_not_routed_to(rig):
    await rig.up(health=QUICK)

    rig.worker.apply(Table(version=99, doors={"web": Door(rules=[Rule(service="web")])}))

    assert (await rig.ask(rig.get())).status == 503
    assert not any(member.watch for member in rig.members)


async def test_facts_are_told_in_wall_time(rig):
    await rig.up()
    now = rig.loop.time()
    rig.worker.tell(
        InstanceEjected(at=now, service="web", instance="web-1", generation=1, because="reset", until=now + 5)
    )

    (fact,) = rig.line.facts("InstanceEjected")
    assert abs(fact["at"] - time.time()) < 1
    assert abs(fact["until"] - fact["at"] - 5) < 0.001


async def test_other_settings_keep_connections_ejections_and_what_was_counted(rig):
    origins = await rig.up(3, pool={"outlier": OutlierSpec(refused=1, base=30.0)}, breaker=BreakerSpec())
    client = await rig.client()
    for _ in range(3):
        await client.ask(rig.get())
    rig.route.pool.observe(rig.loop.time(), rig.members[0], REFUSED)
    rig.members[1].breaker.state = HALF_OPEN
    before = list(rig.members)

    rig.settings = replace(
        rig.settings,
        idle=1.0,
        call=CallSpec(attempt=1.0, request=3.0),
        pool=PoolSpec(balance="least", outlier=OutlierSpec(refused=5)),
        breaker=BreakerSpec(rate=0.9),
        health=HealthSpec(),
    )
    rig.apply()
    await client.ask(rig.get())

    assert rig.members == before
    assert [member.ejected_until is not None for member in rig.members] == [True, False, False]
    assert rig.members[1].breaker.state is HALF_OPEN
    assert [origin.connections for origin in origins] == [1, 1, 1]
    assert rig.route.policy.spec.attempt == 1.0
    assert sum(member.requests for member in rig.members) == 4


async def test_a_breaker_that_is_switched_off_and_on_again_is_a_new_one(rig):
    origin = await rig.up(breaker=BreakerSpec())
    gate = waiting(origin)
    client = await rig.client()
    client.send(rig.get())
    await rig.until(lambda: origin.requests)

    rig.settings = replace(rig.settings, breaker=None)
    rig.apply()
    off = rig.members[0].breaker
    rig.settings = replace(rig.settings, breaker=BreakerSpec())
    rig.apply()
    gate.set()

    assert (await client.answer()).status == 200
    assert off is None
    assert rig.members[0].breaker.state is CLOSED


async def test_checks_that_are_switched_off_end_and_what_was_down_is_used(rig):
    sick, _ = await rig.up(2, health=QUICK, path="/health")
    sick.answer = lambda r: b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
    await rig.until(lambda: rig.members[0].health.state.value == "down")

    rig.settings = replace(rig.settings, health=None)
    rig.apply()

    assert not any(member.watch for member in rig.members)
    assert rig.members[0].health.usable


async def test_two_lives_of_one_service_are_each_checked_by_what_their_own_definition_asks_for(rig):
    old, new = await rig.up(2, health=QUICK, path="/old")
    old.requests.clear()
    new.requests.clear()

    rig.rows = [rig.rows[0], replace(rig.rows[1], generation=2, path="/new")]
    rig.apply()
    await rig.until(lambda: {b"/new"} == {r.target for r in new.requests[-1:]} and old.requests)

    assert {r.target for r in old.requests} == {b"/old"}


async def test_what_an_instance_is_told_as_host_can_change_while_it_lives(rig):
    origin = await rig.up()
    client = await rig.client()
    await client.ask(rig.get())

    rig.rows = [replace(rig.rows[0], authority="own.example")]
    rig.apply()
    await client.ask(rig.get())

    assert [r.get("host") for r in origin.requests] == ["example.test", "own.example"]
    assert origin.connections == 1


async def test_another_protocol_may_be_spoken_at_the_same_place_by_who_comes_from_now_on(rig):
    origin = await rig.up()
    before = await rig.client()
    await before.ask(rig.get())
    door = Door(rules=[Rule(service="web")], tcp=True)

    rig.worker.apply(
        Table(version=9, doors={"web": door}, services={"web": rig.settings}, rows=rig.rows, workers=1)
    )
    await rig.worker.serve()
    tunnel = await rig.client()
    raw = await tunnel.ask(rig.get("/raw"))
    late = await before.ask(rig.get("/late"))
    tunnel.close()

    assert raw.get("via") is None
    assert [r.get("via") is None for r in origin.requests] == [False, True, False]
    assert (late.status, late.get("connection")) == (200, "close")
    assert rig.worker.listeners.keys() == {"web"}
