import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.dice import Dice
from mainstay.base.facts import InstanceEjected
from mainstay.base.outcome import FAILED, OK, REFUSED, RESET
from mainstay.redundancy.health import Health, HealthSpec
from mainstay.redundancy.instance import Instance
from mainstay.redundancy.outlier import OutlierSpec
from mainstay.redundancy.pool import Pool, PoolSpec
from mainstay.redundancy.spare import can_spare


class Stage:
    """A pool of so many, all of them up."""

    def __init__(self, count, **spec):
        self.facts = []
        self.pool = Pool(PoolSpec(outlier=OutlierSpec(**spec)), "web", Dice(3), self.facts.append)
        self.members = [
            Instance("web", f"web-{n}", 1, "127.0.0.1", 1, health=Health(HealthSpec(), known_up=True))
            for n in range(count)
        ]
        self.pool.replace(0.0, self.members)
        self.now = 10.0

    def go(self, rounds, *scripts, gap=0.01):
        for turn in range(rounds):
            self.now += gap
            for member, script in zip(self.members, scripts, strict=True):
                if script:
                    self.pool.observe(self.now, member, script[turn % len(script)])

    def out(self):
        return sorted({fact.instance for fact in self.facts if isinstance(fact, InstanceEjected)})


THIRD = [OK, OK, FAILED]


def test_all_that_are_quite_dead_are_spared_while_another_one_answers():
    stage = Stage(3)

    stage.go(5, [REFUSED], [REFUSED], [OK])

    assert stage.out() == ["web-0", "web-1"]


def test_nine_dead_of_ten_are_spared():
    stage = Stage(10)

    stage.go(5, *[[RESET]] * 9, [OK])

    assert len(stage.out()) == 9


@pytest.mark.parametrize(("count", "spared"), [(2, 1), (3, 1), (4, 2), (5, 2)])
def test_when_all_are_dead_the_share_stays(count, spared):
    stage = Stage(count)
    stage.go(50, *[[OK]] * count)

    stage.go(20, *[[REFUSED]] * count)

    assert len(stage.out()) == spared


def test_of_two_of_three_that_serve_badly_one_stays_since_nobody_knows_whether_the_third_can_carry_all():
    stage = Stage(3)

    stage.go(400, THIRD, THIRD, [OK])

    assert stage.out() in (["web-0"], ["web-1"])


def test_both_go_when_the_third_was_seen_to_carry_as_much():
    stage = Stage(3)
    stage.go(1000, [OK], [OK], [OK], gap=0.0025)

    stage.go(500, THIRD, THIRD, [OK])

    assert stage.out() == ["web-0", "web-1"]


def test_one_that_has_begun_to_fail_itself_carries_nothing_for_others():
    stage = Stage(3)
    stage.go(50, [OK], [OK], [OK])

    stage.go(2, [REFUSED], [REFUSED], [FAILED])

    assert stage.out() == ["web-0"]


def test_those_that_are_down_stay_for_nobody():
    stage = Stage(2)
    stage.go(5, [], [OK])
    for _ in range(2):
        stage.pool.failed(stage.now, stage.members[1])

    assert not can_spare(stage.members, stage.members[:1], 0.0, serves=False)


def test_by_windows_of_another_length_what_was_carried_must_be_seen_anew():
    stage = Stage(3)
    stage.go(1000, [OK], [OK], [OK], gap=0.0025)
    stage.pool.configure(stage.now, PoolSpec(outlier=OutlierSpec(window=10.0)))

    assert [member.outlier.carries for member in stage.members] == [0, 0, 0]


@given(
    st.lists(st.lists(st.sampled_from([OK, OK, REFUSED, FAILED]), max_size=6), min_size=1, max_size=6),
    st.floats(0, 1),
    st.booleans(),
)
def test_the_last_one_is_never_spared_and_the_share_always_is_enough(scripts, keep, serves):
    stage = Stage(len(scripts))
    stage.go(6, *scripts)

    assert not can_spare(stage.members, stage.members, keep, serves=serves)
    for count in range(len(scripts)):
        staying = [member for member in stage.members[count:] if member.ejected_until is None]
        if staying and len(staying) >= keep * len(scripts):
            assert can_spare(stage.members, stage.members[:count], keep, serves=serves)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 200))
def test_whoever_answers_nothing_can_always_be_spared_beside_those_who_are_well(dead, alive, rounds):
    stage = Stage(dead + alive)

    stage.go(rounds + 2, *[[REFUSED]] * dead, *[[OK]] * alive)

    assert len(stage.out()) == dead
