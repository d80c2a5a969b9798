import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.dice import Dice
from mainstay.base.errors import SpecError
from mainstay.base.facts import (
    HealthChanged,
    InstanceEjected,
    InstanceReturned,
    PanicBegan,
    PanicEnded,
)
from mainstay.base.outcome import CANCELLED, FAILED, OK, REFUSED, RESET, STALE, TIMEOUT
from mainstay.redundancy.bond import Hashed, Named
from mainstay.redundancy.health import DOWN, DRAINING, SUSPECT, UNKNOWN, UP, Health, HealthSpec
from mainstay.redundancy.instance import Instance
from mainstay.redundancy.outlier import OutlierSpec
from mainstay.redundancy.pool import Pool, PoolSpec

CHECKS = HealthSpec(down_after=2, up_after=1)
OUTLIERS = PoolSpec(outlier=OutlierSpec(refused=1, base=2.0, cap=10.0))


def member(name, zone="", generation=1, known_up=True, up_since=None):
    health = Health(CHECKS, known_up=known_up)
    return Instance("web", name, generation, "127.0.0.1", 1, health=health, zone=zone, up_since=up_since)


class Stage:
    """A pool, its members, and what it told."""

    def __init__(self, *members, spec=OUTLIERS, dice=None):
        self.facts = []
        self.pool = Pool(spec, "web", dice or Dice(7), self.facts.append)
        self.pool.replace(0.0, members)

    def picked(self, now=0.0, tried=(), times=60):
        chosen = {self.pool.pick(now, tried) for _ in range(times)}
        return {None if it is None else it.name for it in chosen}

    def told(self, kind):
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def take_down(self, instance, now=0.0):
        self.pool.failed(now, instance)
        self.pool.failed(now, instance)


def test_the_defaults_are_power_of_two_no_slow_start_and_outliers_ejected():
    spec = PoolSpec()

    assert (spec.balance, spec.slow_start, spec.outlier) == ("power_of_two", 0.0, OutlierSpec())


def test_an_unknown_way_to_balance_is_refused():
    with pytest.raises(SpecError) as refusal:
        PoolSpec(balance="random")

    assert str(refusal.value) == "balance must be one of power_of_two, round_robin, least, not random"


def test_a_negative_slow_start_is_refused():
    with pytest.raises(SpecError) as refusal:
        PoolSpec(slow_start=-1)

    assert str(refusal.value) == "slow_start must be at least 0, not -1"


def test_an_empty_pool_has_nobody_and_does_not_panic():
    stage = Stage()

    assert stage.pool.pick(0.0) is None
    assert stage.pool.usable(0.0) == []
    assert not stage.pool.panicking
    assert stage.facts == []


def test_a_pool_that_was_never_told_its_members_is_empty():
    pool = Pool(PoolSpec(), "web", Dice(1))

    assert pool.pick(0.0) is None
    assert pool.usable(0.0) == []


def test_whoever_is_up_is_picked():
    stage = Stage(member("a"), member("b"), member("c"))

    assert stage.picked() == {"a", "b", "c"}


def test_the_balance_and_slow_start_of_the_spec_are_used():
    fresh, old = member("fresh", up_since=0.0), member("old", up_since=-90.0)
    stage = Stage(fresh, old, spec=PoolSpec(balance="round_robin", slow_start=20.0))

    turns = [stage.pool.pick(0.0).name for _ in range(11)]

    assert turns.count("fresh") == 1


def test_the_dice_of_the_pool_are_thrown(loaded):
    stage = Stage(member("a"), member("b"), dice=loaded(0.1, 0.9, 0.1))

    picked = [stage.pool.pick(0.0).name for _ in range(3)]

    assert picked == ["a", "b", "a"]


def test_a_new_one_is_not_picked_before_its_first_success():
    new = member("new", known_up=False)
    stage = Stage(member("a"), new)

    before = stage.picked()
    stage.pool.passed(3.0, new)

    assert before == {"a"}
    assert stage.picked(3.0) == {"a", "new"}
    assert new.up_since == 3.0
    assert stage.facts == [
        HealthChanged(
            at=3.0,
            service="web",
            instance="new",
            generation=1,
            before="unknown",
            after="up",
            because="passed its checks",
        )
    ]


def test_only_new_ones_are_nobody_and_no_panic():
    stage = Stage(member("a", known_up=False))

    assert stage.pool.pick(0.0) is None
    assert not stage.pool.panicking


def test_one_that_is_up_is_preferred_to_a_suspect():
    shaky = member("shaky")
    stage = Stage(shaky, member("a"), member("b"))

    stage.pool.failed(1.0, shaky)

    assert shaky.health.state is SUSPECT
    assert stage.picked(1.0) == {"a", "b"}
    assert [it.name for it in stage.pool.usable(1.0)] == ["a", "b", "shaky"]


def test_suspects_are_picked_when_none_is_up_and_that_is_no_panic():
    a, b = member("a"), member("b")
    stage = Stage(a, b)

    stage.pool.failed(1.0, a)
    stage.pool.failed(1.0, b)

    assert stage.picked(1.0) == {"a", "b"}
    assert not stage.pool.panicking


def test_a_suspect_is_the_next_when_all_that_are_up_were_tried():
    a, shaky = member("a"), member("shaky")
    stage = Stage(a, shaky)
    stage.pool.failed(1.0, shaky)

    assert stage.picked(1.0, (a,)) == {"shaky"}


def test_one_that_is_down_is_not_picked():
    a = member("a")
    stage = Stage(a, member("b"))

    stage.take_down(a)

    assert a.health.state is DOWN
    assert stage.picked() == {"b"}
    assert stage.picked(tried=(a,)) == {"b"}


def test_a_suspect_keeps_its_place_in_the_slow_start_and_one_that_was_down_does_not():
    a = member("a", up_since=1.0)
    stage = Stage(a)

    stage.pool.failed(2.0, a)
    kept = a.up_since
    stage.pool.failed(3.0, a)
    lost = a.up_since
    stage.pool.passed(4.0, a)

    assert (kept, lost, a.up_since) == (1.0, None, 4.0)


def test_health_hears_the_time_of_its_news():
    a, b = member("a", known_up=False), member("b")
    stage = Stage(a, b)

    stage.pool.passed(1.0, a)
    risen = a.health.since
    stage.pool.failed(2.0, a)
    stage.pool.drain(3.0, b)

    assert (risen, a.health.since, b.health.since) == (1.0, 2.0, 3.0)


def test_what_changes_nothing_is_not_told():
    a = member("a")
    stage = Stage(a)

    stage.pool.passed(1.0, a)
    stage.pool.drain(2.0, a)
    stage.pool.drain(3.0, a)
    stage.pool.failed(3.0, a)

    assert [(fact.at, fact.before, fact.after, fact.because) for fact in stage.facts] == [
        (2.0, "up", "draining", "is being stopped")
    ]


def test_news_of_a_life_that_is_gone_is_ignored():
    gone = member("a")
    stage = Stage(gone)
    stage.pool.replace(1.0, [member("a", generation=2)])

    stage.pool.drain(2.0, gone)
    stage.pool.failed(2.0, gone)
    stage.pool.passed(2.0, gone)
    stage.pool.observe(2.0, gone, REFUSED)

    assert stage.facts == []
    assert gone.health.state is UP
    assert gone.ejected_until is None


def test_a_first_success_of_a_life_that_is_gone_is_ignored():
    gone = member("a", known_up=False)
    stage = Stage()

    stage.pool.passed(2.0, gone)

    assert gone.health.state is UNKNOWN
    assert stage.facts == []


def test_a_draining_one_is_never_picked_not_even_in_panic():
    a, b = member("a"), member("b")
    stage = Stage(a, b)

    stage.pool.drain(1.0, a)
    stage.take_down(b, 1.0)

    assert stage.picked(1.0) == {"b"}
    assert stage.picked(1.0, (b,)) == {None}
    assert stage.pool.panicking


def test_when_all_look_sick_all_are_used_and_that_is_said():
    a, b, new = member("a"), member("b"), member("new", known_up=False)
    stage = Stage(a, b, new)

    stage.take_down(a, 1.0)
    calm = stage.pool.panicking
    stage.take_down(b, 2.0)
    picked = stage.picked(2.0)
    panic = stage.pool.panicking
    stage.pool.passed(3.0, a)

    assert (calm, panic, stage.pool.panicking) == (False, True, False)
    assert picked == {"a", "b"}
    assert stage.picked(3.0) == {"a"}
    told = [fact for fact in stage.facts if not isinstance(fact, HealthChanged)]
    assert told == [PanicBegan(at=2.0, service="web"), PanicEnded(at=3.0, service="web")]


def test_in_panic_one_that_was_tried_is_not_picked_again():
    a, b = member("a"), member("b")
    stage = Stage(a, b)
    stage.take_down(a)
    stage.take_down(b)

    assert stage.picked(tried=(a,)) == {"b"}
    assert stage.picked(tried=(a, b)) == {None}


def test_one_that_was_tried_is_not_picked_and_when_all_were_nobody_is():
    a, b, c = member("a"), member("b"), member("c")
    stage = Stage(a, b, c)

    assert stage.picked(tried=(a,)) == {"b", "c"}
    assert stage.picked(tried=[a, c]) == {"b"}
    assert stage.picked(tried=(a, b, c)) == {None}


def test_another_zone_comes_before_the_zone_that_was_tried():
    a1, a2, b1, b2 = member("a1", "a"), member("a2", "a"), member("b1", "b"), member("b2", "b")
    stage = Stage(a1, a2, b1, b2)

    assert stage.picked(tried=(a1,)) == {"b1", "b2"}
    assert stage.picked(tried=(a1, b1)) == {"a2", "b2"}
    assert stage.picked(tried=(a1, b1, b2)) == {"a2"}


def test_one_that_is_up_in_the_tried_zone_comes_before_a_suspect_elsewhere():
    a1, a2, b1 = member("a1", "a"), member("a2", "a"), member("b1", "b")
    stage = Stage(a1, a2, b1)
    stage.pool.failed(0.0, b1)

    assert stage.picked(tried=(a1,)) == {"a2"}


def test_an_outlier_is_left_out_until_its_ejection_is_over(loaded):
    a = member("a")
    stage = Stage(a, member("b"), dice=loaded(0.5))

    stage.pool.observe(10.0, a, REFUSED)
    during = stage.pool.pick(11.9, ()).name
    others = stage.pool.usable(11.9)
    after = {it.name for it in stage.pool.usable(12.0)}

    assert during == "b"
    assert [it.name for it in others] == ["b"]
    assert after == {"a", "b"}
    assert a.ejected_until is None
    assert stage.facts == [
        InstanceEjected(
            at=10.0, service="web", instance="a", generation=1, because="refused", until=pytest.approx(12.0)
        ),
        InstanceReturned(at=12.0, service="web", instance="a", generation=1),
    ]


def test_an_ejection_ends_when_somebody_is_picked_too():
    a = member("a")
    stage = Stage(a, member("b"))
    stage.pool.observe(10.0, a, REFUSED)

    assert stage.picked(a.ejected_until) == {"a", "b"}
    assert a.ejected_until is None


def test_the_earliest_of_two_ejections_ends_first(loaded):
    a, b, c, d = (member(name) for name in "abcd")
    stage = Stage(a, b, c, d, dice=loaded(0.5))
    stage.pool.observe(10.0, a, REFUSED)
    stage.pool.observe(10.5, b, REFUSED)

    seen = [{it.name for it in stage.pool.usable(now)} for now in (11.9, 12.0, 12.4, 12.5)]

    assert seen == [set("cd"), set("acd"), set("acd"), set("abcd")]


def test_an_outcome_below_its_limit_ejects_nobody():
    a = member("a")
    stage = Stage(a, member("b"))

    for outcome in (OK, RESET, RESET, OK, RESET, STALE, CANCELLED, TIMEOUT, FAILED):
        stage.pool.observe(1.0, a, outcome)

    assert stage.facts == []
    assert a.ejected_until is None


@pytest.mark.parametrize("outcome", [REFUSED, RESET, TIMEOUT])
def test_one_that_fails_is_asked_last_for_a_moment_and_nobody_is_told(outcome):
    a = member("a")
    stage = Stage(a, member("b"), spec=PoolSpec(outlier=OutlierSpec(base=2.0)))

    stage.pool.observe(1.0, a, outcome)

    assert stage.picked(2.9) == {"b"}
    assert stage.picked(3.0) == {"a", "b"}
    assert stage.facts == []


def test_one_that_answers_badly_twice_in_a_row_is_asked_last():
    a = member("a")
    stage = Stage(a, member("b"), spec=PoolSpec(outlier=OutlierSpec(base=2.0)))

    stage.pool.observe(1.0, a, FAILED)
    once = stage.picked(1.0)
    stage.pool.observe(1.0, a, FAILED)

    assert (once, stage.picked(1.0)) == ({"a", "b"}, {"b"})


def test_one_that_failed_has_its_turn_again_as_soon_as_it_answers():
    a = member("a")
    stage = Stage(a, member("b"), spec=PoolSpec(outlier=OutlierSpec(base=2.0)))
    stage.pool.observe(1.0, a, RESET)

    stage.pool.observe(1.1, a, OK)

    assert stage.picked(1.1) == {"a", "b"}
    assert not a.on_trial


def test_when_all_fail_half_of_them_stay_in_front():
    members = [member(name) for name in "abcd"]
    stage = Stage(*members, spec=PoolSpec(outlier=OutlierSpec(base=2.0)))

    for one in members:
        stage.pool.observe(1.0, one, RESET)

    assert len(stage.pool.up(1.0)) == 2


def test_who_comes_back_is_on_trial_until_it_has_answered(loaded):
    a = member("a")
    stage = Stage(a, member("b"), dice=loaded(0.5))
    stage.pool.observe(10.0, a, REFUSED)

    stage.pool.pick(12.0)
    before = a.on_trial
    stage.pool.observe(12.1, a, OK)

    assert (before, a.on_trial) == (13.0, 0.0)


def test_a_second_ejection_lasts_longer(loaded):
    a = member("a")
    stage = Stage(a, member("b"), dice=loaded(0.5))
    stage.pool.observe(10.0, a, REFUSED)
    stage.pool.usable(12.0)

    stage.pool.observe(12.0, a, REFUSED)

    assert a.ejected_until == pytest.approx(16.0)


def test_late_failures_do_not_lengthen_an_ejection(loaded):
    a = member("a")
    stage = Stage(a, member("b"), dice=loaded(0.5))
    stage.pool.observe(10.0, a, REFUSED)

    stage.pool.observe(11.0, a, REFUSED)

    assert a.ejected_until == pytest.approx(12.0)
    assert len(stage.facts) == 1


@pytest.mark.parametrize(
    ("keep", "size", "ejected"),
    [(0.5, 1, 0), (0.5, 2, 1), (0.5, 3, 1), (0.5, 4, 2), (0.5, 5, 2), (0.0, 3, 2), (1.0, 3, 0), (0.25, 4, 3)],
)
def test_the_share_that_is_kept_is_never_ejected(keep, size, ejected):
    members = [member(str(place)) for place in range(size)]
    stage = Stage(*members, spec=PoolSpec(outlier=OutlierSpec(refused=1, keep=keep)))

    for it in members:
        stage.pool.observe(1.0, it, REFUSED)

    assert [it.ejected_until is not None for it in members] == [True] * ejected + [False] * (size - ejected)
    assert not stage.pool.panicking


def test_those_that_are_down_or_new_do_not_count_as_kept():
    a, b, down, new = member("a"), member("b"), member("down"), member("new", known_up=False)
    stage = Stage(a, b, down, new)
    stage.take_down(down)

    stage.pool.observe(1.0, a, REFUSED)

    assert a.ejected_until is None


def test_a_draining_one_is_no_part_of_what_must_be_kept():
    members = [member(str(place)) for place in range(3)]
    stage = Stage(*members)
    stage.pool.drain(0.0, members[2])

    stage.pool.observe(1.0, members[0], REFUSED)

    assert members[0].ejected_until is not None


def test_a_suspect_may_be_ejected_and_counts_as_kept():
    a, b = member("a"), member("b")
    stage = Stage(a, b)
    stage.pool.failed(0.0, a)
    stage.pool.failed(0.0, b)

    stage.pool.observe(1.0, a, REFUSED)

    assert a.ejected_until is not None
    assert stage.picked(1.0) == {"b"}


def test_one_that_is_down_already_is_not_ejected():
    a = member("a")
    stage = Stage(a, member("b"), member("c"))
    stage.take_down(a)

    stage.pool.observe(1.0, a, REFUSED)

    assert a.ejected_until is None


def test_one_held_back_by_the_share_is_ejected_by_its_next_failure_when_there_is_room():
    a, b = member("a"), member("b", known_up=False)
    stage = Stage(a, b)
    stage.pool.observe(1.0, a, REFUSED)
    held = a.ejected_until
    stage.pool.passed(2.0, b)

    stage.pool.observe(3.0, a, REFUSED)

    assert held is None
    assert a.ejected_until is not None


def test_the_ejected_are_used_in_panic_and_panic_ends_with_the_ejection(loaded):
    a, b = member("a"), member("b")
    stage = Stage(a, b, dice=loaded(0.5))
    stage.pool.observe(10.0, a, REFUSED)

    stage.take_down(b, 11.0)
    panic = stage.pool.panicking
    used = {it.name for it in stage.pool.usable(11.0)}
    back = [it.name for it in stage.pool.usable(12.0)]

    assert panic
    assert used == {"a", "b"}
    assert back == ["a"]
    assert not stage.pool.panicking
    assert stage.facts[-1] == PanicEnded(at=12.0, service="web")


def test_without_outliers_traffic_ejects_nobody():
    a = member("a")
    stage = Stage(a, member("b"), spec=PoolSpec(outlier=None))

    for _ in range(50):
        stage.pool.observe(1.0, a, REFUSED)

    assert a.outlier is None
    assert stage.picked(1.0) == {"a", "b"}


def test_a_record_from_another_pool_ejects_nobody_where_there_are_no_outliers():
    a, b = member("a"), member("b")
    Stage(a, b)
    stage = Stage(a, b, spec=PoolSpec(outlier=None))

    stage.pool.observe(1.0, a, REFUSED)

    assert a.ejected_until is None


def test_replaced_members_are_picked_and_the_gone_are_not():
    a, b, c = member("a"), member("b"), member("c")
    stage = Stage(a, b)

    stage.pool.replace(1.0, [b, c])

    assert stage.picked(1.0) == {"b", "c"}
    assert stage.pool.members == [b, c]
    assert c.up_since == 1.0
    stage.pool.observe(1.0, c, REFUSED)
    assert stage.picked(1.0) == {"b"}


def test_a_life_that_is_a_member_already_goes_on_as_it_is():
    a, b = member("a", up_since=-5.0), member("b")
    stage = Stage(a, b)
    stage.pool.observe(1.0, a, REFUSED)

    stage.pool.replace(2.0, [member("a"), b])

    assert stage.pool.members[0] is a
    assert a.ejected_until is not None
    assert a.up_since == -5.0
    assert stage.pool.pick(2.0) is b


def test_a_member_that_came_up_before_is_not_started_slowly_again():
    a = member("a")
    stage = Stage(a)
    record = a.outlier

    stage.pool.replace(9.0, [a])

    assert a.up_since == 0.0
    assert a.outlier is record


def test_a_new_generation_starts_with_a_clean_record():
    a, b = member("a"), member("b")
    stage = Stage(a, b)
    stage.pool.observe(1.0, a, REFUSED)
    reborn = member("a", generation=2)

    stage.pool.replace(2.0, [reborn, b])

    assert stage.pool.members == [reborn, b]
    assert reborn.ejected_until is None
    assert reborn.outlier is not a.outlier
    assert reborn.up_since == 2.0
    assert stage.picked(2.0) == {"a", "b"}


def test_a_new_life_that_is_not_up_has_not_begun_its_slow_start():
    new = member("new", known_up=False)

    Stage(new)

    assert new.up_since is None


def test_a_pool_needs_nobody_to_tell():
    a = member("a")
    pool = Pool(PoolSpec(), "web", Dice(1))
    pool.replace(0.0, iter([a]))

    pool.failed(1.0, a)

    assert a.health.state is SUSPECT


steps = st.tuples(
    st.floats(0.0, 3.0),
    st.sampled_from(["passed", "failed", "drain", "pick", "replace", *"ooo", "observe", "observe"]),
    st.integers(0, 3),
    st.sampled_from([OK, REFUSED, RESET, TIMEOUT, FAILED, STALE, CANCELLED]),
)


@given(st.lists(steps, max_size=60), st.sampled_from([0.0, 0.5, 1.0]))
def test_whatever_happens_only_members_that_may_be_are_picked(script, keep):
    facts, now = [], 0.0
    pool = Pool(PoolSpec(outlier=OutlierSpec(refused=1, reset=1, keep=keep)), "web", Dice(3), facts.append)
    pool.replace(0.0, [member(str(place), "ab"[place % 2], known_up=place < 2) for place in range(4)])

    for gap, deed, place, outcome in script:
        now += gap
        one = pool.members[place]
        if deed in {"passed", "failed", "drain"}:
            getattr(pool, deed)(now, one)
        elif deed == "replace":
            reborn = member(one.name, one.zone, one.generation + 1, known_up=False)
            pool.replace(now, [reborn if it is one else it for it in pool.members])
        elif deed == "observe":
            pool.observe(now, one, outcome)

        picked = pool.pick(now)
        well = [it for it in pool.members if it.health.usable and it.ejected_until is None]
        sick = [it for it in pool.members if it.health.state not in {UNKNOWN, DRAINING}]
        assert pool.panicking is (not well and bool(sick))
        assert picked in (well or sick or [None])
        if any(it.health.state is UP for it in well):
            assert picked.health.state is UP
        assert all(it.ejected_until is None or it.ejected_until > now for it in well)

    panics = [type(fact) for fact in facts if isinstance(fact, PanicBegan | PanicEnded)]
    assert panics == [PanicBegan, PanicEnded] * (len(panics) // 2) + [PanicBegan] * (len(panics) % 2)


def test_by_another_spec_an_ejected_member_stays_ejected():
    stage = Stage(member("a"), member("b"), member("c"))
    stage.pool.observe(0.0, stage.pool.members[0], REFUSED)

    stage.pool.configure(1.0, PoolSpec(balance="least", outlier=OutlierSpec(refused=3)))

    assert stage.picked(1.0) == {"b", "c"}
    assert stage.picked(3.0) == {"a", "b", "c"}
    assert not stage.told(PanicBegan)


def test_with_another_way_to_balance_the_next_one_is_chosen_by_it():
    stage = Stage(member("a"), member("b"), spec=PoolSpec(balance="round_robin"))
    stage.pool.members[0].in_flight = 5

    stage.pool.configure(0.0, PoolSpec(balance="least"))

    assert stage.picked(times=20) == {"b"}


def test_without_outlier_detection_the_ejected_are_back_and_nobody_is_ejected_any_more():
    stage = Stage(member("a"), member("b"), member("c"))
    stage.pool.observe(0.0, stage.pool.members[0], REFUSED)

    stage.pool.configure(0.1, PoolSpec(outlier=None))
    stage.pool.observe(0.2, stage.pool.members[1], REFUSED)

    assert stage.picked(0.2) == {"a", "b", "c"}
    assert stage.told(InstanceReturned)


def test_with_outlier_detection_from_now_on_members_are_watched():
    stage = Stage(member("a"), member("b"), spec=PoolSpec(outlier=None))

    stage.pool.configure(0.0, OUTLIERS)
    stage.pool.observe(0.0, stage.pool.members[0], REFUSED)

    assert stage.picked() == {"b"}


def test_members_that_are_no_longer_checked_are_used_again():
    stage = Stage(member("a"), member("b"))
    stage.take_down(stage.pool.members[0])

    stage.pool.check_by(1.0, None)

    assert stage.picked(1.0) == {"a", "b"}
    assert stage.told(HealthChanged)[-1].after == "up"


# --- bonds ---


def tied(stage, bond, now=0.0, tried=()):
    return {stage.pool.pick(now, tried, bond).name for _ in range(30)}


@pytest.mark.parametrize("bond", [Named("b"), Hashed(b"ada")])
def test_what_is_tied_stays_where_it_is(bond):
    stage = Stage(*(member(name) for name in "abcd"))

    chosen = tied(stage, bond)

    assert len(chosen) == 1
    assert isinstance(bond, Hashed) or chosen == {"b"}


def test_what_is_tied_to_nobody_there_is_chosen_for_as_usual():
    stage = Stage(*(member(name) for name in "abc"))

    assert tied(stage, Named("z")) == {"a", "b", "c"}
    assert not stage.pool.holds(0.0, Named("z"))


def test_what_is_tied_stays_while_its_instance_is_only_suspect():
    a, b = member("a"), member("b")
    stage = Stage(a, b)
    stage.pool.failed(0.0, b)

    assert tied(stage, Named("b")) == {"b"}
    assert stage.pool.holds(0.0, Named("b"))
    assert stage.picked() == {"a"}


def test_what_is_tied_goes_elsewhere_while_its_instance_is_down_and_comes_back():
    a, b = member("a"), member("b")
    stage = Stage(a, b)

    stage.take_down(b)
    away = tied(stage, Named("b")), stage.pool.holds(0.0, Named("b"))
    stage.pool.passed(0.0, b)

    assert away == ({"a"}, False)
    assert tied(stage, Named("b")) == {"b"}


def test_what_is_tied_leaves_who_is_drained_or_ejected():
    a, b, c = member("a"), member("b"), member("c")
    stage = Stage(a, b, c)

    stage.pool.drain(0.0, b)
    stage.pool.observe(0.0, c, REFUSED)

    assert tied(stage, Named("b")) == {"a"}
    assert tied(stage, Named("c")) == {"a"}
    assert tied(stage, Named("c"), now=60.0) == {"c"}


def test_the_next_life_of_an_instance_takes_what_was_tied_to_it():
    a, b = member("a"), member("b")
    stage = Stage(a, b)

    stage.pool.drain(0.0, b)
    stage.pool.replace(0.0, [a, b, member("b", generation=2)])

    assert {stage.pool.pick(0.0, (), Named("b")).key for _ in range(9)} == {("b", 2)}


def test_what_is_tied_is_tried_elsewhere_in_another_zone_first():
    bond = Hashed(b"ada")
    stage = Stage(*(member(name, zone) for name, zone in zip("abcdef", "xxyyzz", strict=True)))
    first = stage.pool.pick(0.0, (), bond)

    second = {stage.pool.pick(0.0, (first,), bond) for _ in range(30)}
    third = {stage.pool.pick(0.0, (first, *second), bond) for _ in range(30)}

    assert len(second) == len(third) == 1
    assert len({first.zone, second.pop().zone, third.pop().zone}) == 3


def test_in_panic_what_is_tied_stays_with_its_own():
    a, b = member("a"), member("b")
    stage = Stage(a, b)
    stage.take_down(a)
    stage.take_down(b)

    assert stage.pool.panicking
    assert tied(stage, Named("b")) == {"b"}


def test_without_anybody_nothing_is_tied():
    stage = Stage()

    assert stage.pool.pick(0.0, (), Hashed(b"ada")) is None
    assert not stage.pool.holds(0.0, Hashed(b"ada"))


def test_however_many_bonds_strangers_make_up_few_are_remembered():
    stage = Stage(member("a"), member("b"))

    for number in range(10_000):
        stage.pool.pick(0.0, (), Hashed(b"%d" % number))

    assert len(stage.pool._bound) <= 4096


@given(
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["passed", "failed", "drain"])), max_size=20),
    st.binary(max_size=4),
)
def test_workers_that_see_the_same_choose_the_same(events, value):
    stages = [
        Stage(*(member(name) for name in order), dice=Dice(seed))
        for order, seed in (("abcde", 1), ("edcba", 2))
    ]
    for stage in stages:
        known = {one.name: one for one in stage.pool.members}
        for place, what in events:
            getattr(stage.pool, what)(0.0, known["abcde"[place]])

    chosen = [stage.pool.pick(0.0, (), Hashed(value)) for stage in stages]

    assert len({None if one is None else one.name for one in chosen}) == 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["passed", "failed", "refused", "drain", "wait"]),
            st.integers(0, 7),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_sorting_one_member_anew_gives_what_sorting_all_of_them_gives(events):
    stage = Stage(*(member(f"m{n}", known_up=n % 4 != 0) for n in range(8)))
    pool, now = stage.pool, 0.0
    members = list(pool.members)
    for what, which, late in events:
        now += 2.5 if late else 0.1
        if what == "refused":
            pool.observe(now, members[which], REFUSED)
        elif what != "wait":
            getattr(pool, what)(now, members[which])
    one_by_one = (pool.usable(now), pool.panicking)

    pool._sort(now)

    assert one_by_one == (pool.usable(now), pool.panicking)
