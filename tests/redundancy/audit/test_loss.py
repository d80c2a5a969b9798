"""What may be lost, held against systems whose cut sets can be counted by hand."""

import pytest

from mainstay.base.errors import TooLarge
from mainstay.redundancy.audit.loss import losses, singles
from mainstay.redundancy.audit.plan import Group, Part, Plan
from mainstay.redundancy.structure.bounds import Bounds


def group(name, count=2, zones=(), **told):
    parts = tuple(Part(f"{name}-{n + 1}", zones[n % len(zones)] if zones else "") for n in range(count))
    return Group(name=name, parts=parts, **told)


def plan(*groups, **told):
    return Plan(name="shop", groups={one.name: one for one in groups}, **told)


VOTING = plan(
    group("vote", listens=True, needs=("worker", "redis")),
    group("worker", needs=("redis", "db")),
    group("redis", 1),
    group("db", 1),
    group("result", 1, listens=True, needs=("db",)),
)


def lost(told, entry, order=2):
    return losses(told, [entry], order, Bounds())[0]


def test_a_vote_is_not_counted_without_redis_or_db_or_both_of_those_that_are_two():
    found = lost(VOTING, "vote")

    assert sorted(map(sorted, found.cut_sets)) == [
        ["db-1"],
        ["redis-1"],
        ["vote-1", "vote-2"],
        ["worker-1", "worker-2"],
    ]
    assert found.by_order == [2, 2]
    assert not found.survives(1)


def test_each_single_point_says_whom_it_stops():
    found = losses(VOTING, VOTING.entries(), 2, Bounds())

    assert VOTING.entries() == ["vote", "result"]
    assert [each.sentence for each in singles(VOTING, found)] == [
        "losing redis-1 stops vote, until it is started again",
        "losing db-1 stops vote and result, until it is started again",
        "losing result-1 stops result, until it is started again",
    ]


def test_what_is_not_started_again_or_is_somebody_elses_stays_away():
    told = plan(
        group("web", listens=True, needs=("db", "pay")),
        group("db", 1, restart=False),
        group("pay", 1, runs=False),
    )

    found = singles(told, losses(told, ["web"], 1, Bounds()))

    assert [each.comes_back for each in found] == [False, False]


def test_three_instances_survive_the_loss_of_any_two():
    told = plan(group("web", 3, listens=True))

    found = lost(told, "web", order=3)

    assert found.by_order == [0, 0, 1]
    assert found.survives(2)
    assert not found.survives(3)


def test_a_zone_stops_what_has_nothing_elsewhere():
    told = plan(
        group("web", zones=("a", "b"), listens=True, needs=("db",)),
        group("db", 1, zones=("a",)),
        zones=("a", "b"),
    )

    found = lost(told, "web")

    assert found.zones == ["a"]


def test_what_stands_in_for_a_service_has_to_be_lost_as_well():
    told = plan(group("web", 1, listens=True, stand_in="spare"), group("spare", 1, listens=True))

    found = lost(told, "web")

    assert [set(names) for names in found.cut_sets] == [{"web-1", "spare-1"}]


def test_what_the_service_needs_is_not_made_up_for_by_its_stand_in():
    # Its own instances are still asked then, and answer with errors.
    told = plan(
        group("web", 1, listens=True, stand_in="spare", needs=("db",)), group("spare", 1), group("db", 1)
    )

    found = lost(told, "web")

    assert set(found.cut_sets[0]) == {"db-1"}
    assert found.by_order == [1, 1]


def test_two_may_stand_in_for_one_another():
    told = plan(
        group("web", 1, listens=True, stand_in="spare"),
        group("spare", 1, listens=True, stand_in="web"),
        zones=(),
    )

    assert lost(told, "web").by_order == [0, 1]
    assert lost(told, "spare").by_order == [0, 1]


def test_a_stand_in_that_needs_the_service_itself_is_none():
    told = plan(group("web", 1, listens=True, stand_in="spare"), group("spare", 2, needs=("web",)))

    assert lost(told, "web").cut_sets == [("web-1",)]


def test_users_come_to_what_listens_and_nobody_needs():
    assert plan(group("web", listens=True, needs=("api",)), group("api", listens=True)).entries() == ["web"]
    assert plan(group("job", needs=("db",)), group("db")).entries() == ["job"]
    assert plan(group("job", needs=("db",)), group("db", listens=True)).entries() == ["db"]


def test_a_thousand_services_are_no_more_than_can_be_borne():
    told = plan(
        *(group(f"s{n}", needs=(f"s{n + 1}",) if n < 999 else (), listens=n == 0) for n in range(1000))
    )

    assert lost(told, "s0").by_order == [0, 1000]
    with pytest.raises(TooLarge):
        losses(told, ["s0"], 2, Bounds(steps=100))
