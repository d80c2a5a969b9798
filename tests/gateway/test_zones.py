"""Zones, over real sockets."""

from dataclasses import replace

from mainstay.redundancy.outlier import OutlierSpec


async def ask(rig, count=40):
    """Ask so often, and give how many requests each origin has got for it."""
    before = [len(origin.requests) for origin in rig.origins]
    client = await rig.client()
    for _ in range(count):
        assert (await client.ask(rig.get())).status == 200
    return [len(origin.requests) - had for origin, had in zip(rig.origins, before, strict=True)]


def in_zones(rig, zones):
    rig.rows = [replace(row, zone=zone) for row, zone in zip(rig.rows, zones, strict=True)]
    rig.apply()


async def test_when_two_instances_of_a_zone_die_the_rest_of_it_is_asked_last(rig):
    await rig.up(6, pool={"outlier": OutlierSpec()})
    in_zones(rig, "aaabbb")
    everybody = await ask(rig)

    rig.rows = rig.rows[2:]
    rig.apply()

    assert all(everybody)
    first, second, rest, *others = await ask(rig)
    assert (first, second, rest) == (0, 0, 0)
    assert all(others)
    assert [fact["zone"] for fact in rig.line.facts("ZoneShunned")] == ["a"]
    assert rig.route.counted()["shunned"] == ["a"]


async def test_a_zone_that_is_back_gets_requests_again(rig):
    await rig.up(6, pool={"outlier": OutlierSpec()})
    in_zones(rig, "aaabbb")
    rows = rig.rows
    rig.rows = rows[2:]
    rig.apply()

    rig.rows = [*(replace(row, generation=2) for row in rows[:2]), *rows[2:]]
    rig.apply()

    assert [fact["zone"] for fact in rig.line.facts("ZoneRefilled")] == ["a"]
    assert sum((await ask(rig, 200))[:3]) > 0


async def test_traffic_stays_in_the_gateways_own_zone_and_what_that_lacks_goes_elsewhere(rig):
    await rig.up(4, pool={"zone": "a", "balance": "power_of_two"})
    in_zones(rig, "aabb")
    whole = await ask(rig)

    rig.rows = rig.rows[1:]
    rig.apply()
    lacking = await ask(rig, 200)

    assert sum(whole[:2]) == 40
    assert lacking[0] == 0
    assert 50 < lacking[1] < 150
    assert all(lacking[2:])


async def test_what_fails_in_the_own_zone_is_tried_again_in_another(rig):
    first, second, *others = await rig.up(4, pool={"zone": "a"})
    in_zones(rig, "aabb")
    first.answer = second.answer = lambda request: rig.DROP

    assert (await rig.ask(rig.get())).status == 200

    assert len(first.requests) + len(second.requests) == 1
    assert sum(len(origin.requests) for origin in others) == 1
