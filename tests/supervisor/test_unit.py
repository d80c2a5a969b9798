import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.dice import Dice
from mainstay.base.errors import SpecError
from mainstay.supervisor.unit import (
    DRAINING,
    READY,
    RESTING,
    STARTING,
    STOPPED,
    STOPPING,
    TRANSITIONS,
    WAITING,
    Drain,
    Kill,
    Publish,
    Rest,
    Retire,
    Start,
    State,
    Terminate,
    Unit,
    UnitSpec,
)

SPEC = UnitSpec(delay=1.0, cap=8.0, ready_within=30.0, drain=5.0, stop_timeout=10.0)


class Longest(Dice):
    """Chance that always falls on the highest number."""

    def between(self, low, high):
        return high


def _unit(spec=SPEC, dice=None):
    generations = iter(range(1, 1000))
    return Unit(spec, dice or Longest(0), lambda: next(generations))


@pytest.fixture
def unit():
    return _unit()


@pytest.fixture
def started(unit):
    unit.begin(0.0)
    return unit


@pytest.fixture
def ready(started):
    started.ready(1.0, 1)
    return started


def test_a_new_one_waits_for_nothing_but_to_be_begun(unit):
    assert (unit.state, unit.due, unit.generation, unit.failures, unit.late) == (WAITING, None, 0, 0, None)


def test_it_is_begun(unit):
    orders = unit.begin(100.0)

    assert orders == [Start(1)]
    assert (unit.state, unit.generation, unit.due) == (STARTING, 1, 130.0)


def test_it_is_published_when_it_is_ready(started):
    orders = started.ready(1.0, 1)

    assert orders == [Publish()]
    assert (started.state, started.due) == (READY, None)


def test_a_crash_takes_it_out_of_rotation_first_and_then_it_rests(ready):
    orders = ready.exited(2.0, 1)

    assert orders == [Publish(), Rest(3.0)]
    assert (ready.state, ready.due) == (RESTING, 3.0)


def test_a_crash_before_it_was_ready_publishes_nothing_and_counts_as_a_failure(started):
    orders = started.exited(2.0, 1)

    assert orders == [Rest(3.0)]
    assert started.failures == 1


def test_after_its_rest_a_new_life_begins(ready):
    ready.exited(2.0, 1)

    orders = ready.tick(3.0)

    assert orders == [Start(2)]
    assert (ready.state, ready.generation, ready.due) == (STARTING, 2, 33.0)


def test_nothing_is_done_before_it_is_due(ready):
    ready.exited(2.0, 1)

    assert ready.tick(2.999) == []
    assert ready.state is RESTING


def test_nothing_is_done_when_nothing_is_due(ready):
    assert ready.tick(1e9) == []


def test_each_crash_doubles_the_rest_up_to_the_cap(started):
    rests, now = [], 0.0
    for generation in range(1, 7):
        [rest] = started.exited(now, generation)
        rests.append(rest.until - now)
        now = rest.until
        started.tick(now)

    assert rests == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_a_thousand_crashes_are_still_the_cap(started):
    started._crashes = 10_000

    assert started.exited(0.0, 1) == [Rest(8.0)]


def test_a_crash_after_a_stable_life_counts_as_the_first_one(started):
    for generation, now in ((1, 0.0), (2, 1.0), (3, 3.0)):
        started.exited(now, generation)
        started.tick(now + 8.0)
    # The fourth life began at 11 and lasts longer than the cap of 8.
    started.ready(12.0, 4)

    orders = started.exited(19.001, 4)

    assert orders == [Publish(), Rest(pytest.approx(20.001))]


def test_a_life_just_as_long_as_the_cap_is_not_stable_yet(started):
    started.exited(0.0, 1)
    started.tick(1.0)

    assert started.exited(9.0, 2) == [Rest(11.0)]


@given(st.integers(0, 2**32))
def test_rests_differ_by_up_to_a_half(seed):
    unit = _unit(dice=Dice(seed))
    unit.begin(0.0)

    [rest] = unit.exited(0.0, 1)

    assert 0.5 <= rest.until <= 1.0


def test_no_rest_may_be_asked_for_once_but_not_for_ever():
    unit = _unit(UnitSpec(delay=0.0, cap=8.0))
    unit.begin(0.0)

    [first] = unit.exited(0.0, 1)
    unit.tick(0.0)
    [second] = unit.exited(0.0, 2)

    assert (first.until, second.until) == (0.0, 0.1)


def test_failures_in_a_row_are_counted_until_one_becomes_ready(started):
    started.exited(0.0, 1)
    started.tick(1.0)
    started.exited(1.0, 2)
    assert started.failures == 2
    started.tick(3.0)

    started.ready(4.0, 3)

    assert started.failures == 0


def test_what_is_not_ready_in_time_is_ended_and_tried_again(started):
    assert started.tick(29.9) == []

    orders = started.tick(30.0)

    assert orders == [Terminate()]
    assert started.late == "not ready within 30s"
    assert started.failures == 1
    assert started.tick(39.9) == []
    assert started.tick(40.0) == [Kill()]
    assert started.tick(50.0) == []
    # Its life lasted longer than the cap, so the rest is a first one.
    assert started.exited(41.0, 1) == [Rest(42.0)]
    assert started.failures == 1
    assert started.tick(42.0) == [Start(2)]
    assert started.late is None


def test_an_answer_that_comes_too_late_does_not_make_it_ready(started):
    started.tick(30.0)

    assert started.ready(30.1, 1) == []
    assert started.state is STARTING


def test_a_stop_drains_then_asks_then_insists(ready):
    assert ready.stop(10.0) == [Publish(), Drain(5.0)]
    assert (ready.state, ready.due) == (DRAINING, 15.0)
    assert ready.drained(11.0, 1) == [Publish(), Terminate()]
    assert (ready.state, ready.due) == (STOPPING, 21.0)
    assert ready.tick(21.0) == [Kill()]
    assert ready.exited(22.0, 1) == [Retire()]
    assert (ready.state, ready.due) == (STOPPED, None)


def test_draining_has_an_end(ready):
    ready.stop(10.0)

    assert ready.tick(15.0) == [Publish(), Terminate()]
    assert ready.state is STOPPING


def test_an_exit_in_the_middle_of_draining_is_the_end(ready):
    ready.stop(10.0)

    assert ready.exited(11.0, 1) == [Publish(), Retire()]
    assert ready.state is STOPPED
    assert ready.drained(11.0, 1) == []


@pytest.mark.parametrize("prepare", [lambda unit: None, lambda unit: (unit.begin(0.0), unit.exited(0.0, 1))])
def test_what_does_not_run_is_stopped_at_once(unit, prepare):
    prepare(unit)

    assert unit.stop(0.5) == [Retire()]
    assert (unit.state, unit.due) == (STOPPED, None)


def test_what_is_starting_is_stopped_without_draining(started):
    assert started.stop(1.0) == [Terminate()]
    assert (started.state, started.due) == (STOPPING, 11.0)


@pytest.mark.parametrize("move", [lambda unit: None, lambda unit: unit.drained(1.0, 1)])
def test_a_second_stop_changes_nothing(ready, move):
    ready.stop(1.0)
    move(ready)
    before = ready.state, ready.due

    assert ready.stop(2.0) == []
    assert (ready.state, ready.due) == before


def test_what_has_stopped_stays_so(ready):
    ready.stop(1.0)
    ready.exited(1.0, 1)

    assert ready.stop(2.0) == []
    assert ready.hurry(2.0) == []
    assert ready.exited(2.0, 1) == []
    assert ready.ready(2.0, 1) == []
    assert ready.tick(1e9) == []
    assert ready.state is STOPPED


def test_hurry_kills_what_is_ready(ready):
    assert ready.hurry(1.0) == [Publish(), Kill()]
    assert (ready.state, ready.due) == (STOPPING, None)


def test_hurry_kills_what_is_starting_draining_or_stopping(started):
    assert started.hurry(1.0) == [Kill()]
    assert started.hurry(2.0) == [Kill()]

    draining = _unit()
    draining.begin(0.0)
    draining.ready(0.0, 1)
    draining.stop(0.0)
    assert draining.hurry(1.0) == [Publish(), Kill()]
    assert draining.state is STOPPING


def test_hurry_ends_what_does_not_run(unit):
    assert unit.hurry(0.0) == [Retire()]


def test_news_of_a_former_life_is_ignored(ready):
    ready.exited(2.0, 1)
    ready.tick(3.0)

    assert ready.exited(3.1, 1) == []
    assert ready.ready(3.1, 1) == []
    assert ready.state is STARTING
    ready.ready(3.2, 2)
    ready.stop(4.0)
    assert ready.drained(4.0, 1) == []
    assert ready.state is DRAINING


def test_a_second_exit_of_one_life_is_ignored(ready):
    ready.exited(2.0, 1)

    assert ready.exited(2.0, 1) == []
    assert ready.due == 3.0


@pytest.mark.parametrize(("become_ready", "orders"), [(False, [Retire()]), (True, [Publish(), Retire()])])
def test_without_restart_an_exit_is_the_end(become_ready, orders):
    unit = _unit(UnitSpec(restart=False))
    unit.begin(0.0)
    if become_ready:
        unit.ready(0.0, 1)

    assert unit.exited(1.0, 1) == orders
    assert (unit.state, unit.due) == (STOPPED, None)


def test_a_running_life_is_taken_over(unit):
    orders = unit.resume(100.0, 7, ready=True)

    assert orders == [Publish()]
    assert (unit.state, unit.generation, unit.due) == (READY, 7, None)


def test_a_life_that_is_not_ready_is_taken_over_with_all_its_time_before_it(unit):
    orders = unit.resume(100.0, 7, ready=False)

    assert orders == []
    assert (unit.state, unit.generation, unit.due) == (STARTING, 7, 130.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"ready_within": 0.0}, "ready_within must be above 0, not 0.0"),
        ({"delay": -1.0}, "delay must not be below 0, not -1.0"),
        ({"drain": -1.0}, "drain must not be below 0, not -1.0"),
        ({"stop_timeout": -0.5}, "stop_timeout must not be below 0, not -0.5"),
        ({"delay": 2.0, "cap": 1.0}, r"cap must be at least delay \(2.0\), not 1.0"),
    ],
)
def test_what_cannot_be_is_refused(values, message):
    with pytest.raises(SpecError, match=f"^{message}$"):
        UnitSpec(**values)


def test_zero_is_allowed_where_it_means_something():
    UnitSpec(delay=0.0, drain=0.0, stop_timeout=0.0, cap=0.0)


events = st.sampled_from(["begin", "ready", "exited", "stop", "drained", "hurry", "tick"])
steps = st.tuples(events, st.integers(0, 2), st.floats(0, 40))


@given(st.lists(steps, max_size=80), st.booleans())
def test_whatever_happens_it_moves_only_along_its_table(script, restart):
    unit, now, processes = _unit(UnitSpec(restart=restart, delay=1.0, cap=8.0)), 0.0, 0
    moves = {(before, after) for (before, _), after in TRANSITIONS.items()}
    for event, age, gap in script:
        now, before = now + gap, unit.state
        if event in ("ready", "exited", "drained"):
            orders = getattr(unit, event)(now, unit.generation - age)
        elif event != "begin" or before is WAITING:
            orders = getattr(unit, event)(now)
        else:
            continue

        path = {(before, unit.state)}
        if event == "hurry" and before is READY:
            path = {(READY, DRAINING), (DRAINING, unit.state)}
        assert before is unit.state or path <= moves
        # There is never more than one process, and an end is told by exactly one Retire.
        processes += sum(isinstance(order, Start) for order in orders)
        processes -= event == "exited" and age == 0 and before not in (WAITING, RESTING, STOPPED)
        assert processes == (unit.state not in (WAITING, RESTING, STOPPED))
        assert orders.count(Retire()) == (unit.state is STOPPED and before is not STOPPED)


def test_every_state_can_be_reached_and_left_but_the_last():
    assert set(TRANSITIONS.values()) == set(State) - {WAITING}
    assert {before for before, _ in TRANSITIONS} == set(State) - {STOPPED}
