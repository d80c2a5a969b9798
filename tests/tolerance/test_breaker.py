from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.dice import Dice
from mainstay.base.errors import SpecError
from mainstay.base.facts import BreakerMoved
from mainstay.base.outcome import CANCELLED, FAILED, OK, REFUSED, RESET, STALE, TIMEOUT
from mainstay.tolerance.breaker import (
    CLOSED,
    HALF_OPEN,
    OPEN,
    TRANSITIONS,
    Breaker,
    BreakerSpec,
)

SPEC = BreakerSpec(window=10.0, minimum=4, rate=0.5, rest=2.0, cap=10.0, probes=2, ramp=0.0, lost=60.0)


def breaker_of(loaded, spec=SPEC, roll=0.5):
    return Breaker(spec, loaded(roll))


def settle(breaker, now, *outcomes):
    for outcome in outcomes:
        breaker.settle(now, breaker.admit(now), outcome)


def trip(breaker, now=0.0):
    settle(breaker, now, *[RESET] * 4)
    assert breaker.state is OPEN
    return breaker


def test_the_defaults_need_twenty_attempts_and_half_of_them_failed():
    spec = BreakerSpec()

    assert (spec.window, spec.minimum, spec.rate, spec.rest, spec.cap) == (10.0, 20, 0.5, 1.0, 30.0)
    assert (spec.probes, spec.ramp, spec.lost, spec.count_failed) == (3, 5.0, 60.0, False)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"window": 0.0}, "window must be above 0, not 0"),
        ({"minimum": 0}, "minimum must be above 0, not 0"),
        ({"rate": 0.0}, "rate must be above 0, not 0"),
        ({"rate": 1.1}, "rate must be from 0 to 1, not 1.1"),
        ({"rest": 0.0}, "rest must be above 0, not 0"),
        ({"cap": 0.5}, "cap must be at least 1, not 0.5"),
        ({"probes": 0}, "probes must be above 0, not 0"),
        ({"ramp": -1.0}, "ramp must be at least 0, not -1"),
        ({"lost": 0.0}, "lost must be above 0, not 0"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(SpecError) as refusal:
        BreakerSpec(**wrong)

    assert str(refusal.value) == message


def test_a_new_one_is_closed_and_admits_all(loaded):
    breaker = breaker_of(loaded)

    permits = [breaker.admit(0.0) for _ in range(100)]

    assert breaker.state is CLOSED
    assert None not in permits
    assert breaker.reopens_at is None


def test_it_does_not_trip_below_its_minimum(loaded):
    breaker = breaker_of(loaded)

    settle(breaker, 0.0, RESET, RESET, RESET)

    assert breaker.state is CLOSED


def test_it_trips_at_its_minimum_and_rate(loaded):
    breaker = breaker_of(loaded)

    settle(breaker, 5.0, OK, OK, RESET, RESET)

    assert breaker.state is OPEN
    assert breaker.reopens_at == pytest.approx(7.0)


def test_it_does_not_trip_below_its_rate(loaded):
    breaker = breaker_of(loaded)

    settle(breaker, 0.0, OK, OK, OK, RESET, RESET, OK, RESET)

    assert breaker.state is CLOSED


def test_success_does_not_trip_it(loaded):
    breaker = breaker_of(loaded)

    settle(breaker, 0.0, RESET, RESET, RESET, OK)

    assert breaker.state is CLOSED


@pytest.mark.parametrize("outcome", [REFUSED, RESET, TIMEOUT])
def test_every_failure_that_is_the_instances_fault_counts(loaded, outcome):
    breaker = breaker_of(loaded)

    settle(breaker, 0.0, *[outcome] * 4)

    assert breaker.state is OPEN


def test_an_answer_of_5xx_is_an_answer(loaded):
    breaker = breaker_of(loaded)

    settle(breaker, 0.0, *[FAILED] * 40, RESET, RESET, RESET, RESET)

    assert breaker.state is CLOSED


def test_an_answer_of_5xx_is_a_failure_where_it_is_counted(loaded):
    breaker = breaker_of(loaded, BreakerSpec(minimum=4, count_failed=True))

    settle(breaker, 0.0, *[FAILED] * 4)

    assert breaker.state is OPEN


@pytest.mark.parametrize("outcome", [STALE, CANCELLED])
def test_what_proves_nothing_does_not_count_while_closed(loaded, outcome):
    breaker = breaker_of(loaded)

    settle(breaker, 0.0, *[outcome] * 50, RESET, RESET, RESET)
    before = breaker.state
    settle(breaker, 0.0, RESET)

    assert before is CLOSED
    assert breaker.state is OPEN


def test_failures_older_than_the_window_are_forgotten(loaded):
    breaker = breaker_of(loaded)

    settle(breaker, 0.0, RESET, RESET, RESET)
    settle(breaker, 10.0, RESET)

    assert breaker.state is CLOSED


def test_open_it_admits_probes_as_soon_as_somebody_else_has_found_the_instance_well(loaded):
    breaker = trip(breaker_of(loaded))
    assert breaker.admit(0.1) is None

    breaker.relent(0.2)

    assert breaker.admit(0.2) is not None
    assert breaker.state is HALF_OPEN
    breaker.relent(0.3)
    assert breaker.state is HALF_OPEN


def test_only_a_closed_one_can_do_without_its_ramp(loaded):
    breaker = breaker_of(loaded)
    assert breaker.spare() == breaker.admit(0.0)

    trip(breaker)

    assert breaker.spare() is None
    breaker.admit(9.0)
    assert breaker.spare() is None


def test_open_it_admits_nobody_until_it_has_rested(loaded):
    breaker = trip(breaker_of(loaded))

    assert breaker.admit(1.99) is None
    assert breaker.state is OPEN
    assert breaker.admit(2.0) is not None
    assert breaker.state is HALF_OPEN
    assert breaker.reopens_at is None


@pytest.mark.parametrize(("roll", "rest"), [(0.0, 1.8), (1.0, 2.2)])
def test_its_rest_is_jittered_by_a_tenth(loaded, roll, rest):
    assert trip(breaker_of(loaded, roll=roll)).reopens_at == pytest.approx(rest)


def test_half_open_it_admits_its_probes_and_not_one_more(loaded):
    breaker = trip(breaker_of(loaded))

    permits = [breaker.admit(2.0) for _ in range(50)]

    assert sum(permit is not None for permit in permits) == 2
    assert breaker.state is HALF_OPEN


def test_it_closes_when_all_its_probes_succeeded(loaded):
    breaker = trip(breaker_of(loaded))
    one, other = breaker.admit(2.0), breaker.admit(2.0)

    breaker.settle(2.1, one, OK)
    between = breaker.state
    breaker.settle(2.2, other, FAILED)

    assert between is HALF_OPEN
    assert breaker.state is CLOSED


def test_probes_whose_answers_go_on_for_hours_have_succeeded(loaded):
    breaker = trip(breaker_of(loaded))
    permits = [breaker.admit(3.0), breaker.admit(3.0)]

    for permit in permits:
        breaker.begun(3.1, permit)
    breaker.settle(9999.0, permits[0], RESET)

    assert breaker.state is CLOSED


def test_that_an_answer_begins_means_nothing_while_all_is_well(loaded):
    breaker = breaker_of(loaded)
    permits = [breaker.admit(0.0) for _ in range(4)]

    for permit in permits:
        breaker.begun(0.1, permit)
        breaker.settle(0.2, permit, RESET)

    assert breaker.state is OPEN


def test_a_success_lets_no_further_probe_in(loaded):
    breaker = trip(breaker_of(loaded))
    one = breaker.admit(2.0)
    breaker.admit(2.0)

    breaker.settle(2.1, one, OK)

    assert breaker.admit(2.1) is None


def test_one_failed_probe_reopens_it_and_it_rests_longer(loaded):
    breaker = trip(breaker_of(loaded))
    one, other = breaker.admit(2.0), breaker.admit(2.0)
    breaker.settle(2.1, one, OK)

    breaker.settle(3.0, other, RESET)

    assert breaker.state is OPEN
    assert breaker.reopens_at == pytest.approx(7.0)
    assert breaker.admit(6.9) is None


def test_after_a_relapse_all_probes_must_succeed_again(loaded):
    breaker = trip(breaker_of(loaded))
    one, other = breaker.admit(2.0), breaker.admit(2.0)
    breaker.settle(2.0, one, OK)
    breaker.settle(3.0, other, RESET)

    settle(breaker, 7.0, OK)
    half = breaker.state
    settle(breaker, 7.0, OK)

    assert (half, breaker.state) == (HALF_OPEN, CLOSED)


def test_its_rest_doubles_up_to_the_cap(loaded):
    breaker, rests, now = trip(breaker_of(loaded)), [], 0.0

    for _ in range(4):
        now = breaker.reopens_at
        settle(breaker, now, RESET)
        rests.append(breaker.reopens_at - now)

    assert rests == pytest.approx([4.0, 8.0, 10.0, 10.0])


def recovered_at(breaker, now):
    settle(breaker, now, OK, OK)
    assert breaker.state is CLOSED
    return breaker


@pytest.mark.parametrize(("after", "rest"), [(9.9, 4.0), (10.0, 2.0)])
def test_having_been_closed_for_long_it_rests_shortly_again(loaded, after, rest):
    breaker = recovered_at(trip(breaker_of(loaded)), 2.0)
    now = 2.0 + after

    trip(breaker, now)

    assert breaker.reopens_at - now == pytest.approx(rest)


def test_tripping_again_and_again_rests_no_longer_than_the_cap(loaded):
    breaker, now = breaker_of(loaded), 0.0
    for _ in range(6):
        trip(breaker, now)
        rested = breaker.reopens_at - now
        now = breaker.reopens_at
        recovered_at(breaker, now)

    assert rested == pytest.approx(10.0)


def test_once_closed_it_has_forgotten_why_it_tripped(loaded):
    breaker = recovered_at(trip(breaker_of(loaded)), 2.0)

    settle(breaker, 2.0, RESET, RESET, RESET)

    assert breaker.state is CLOSED


@pytest.mark.parametrize("outcome", [OK, RESET, CANCELLED])
def test_late_news_from_before_the_trip_changes_nothing(loaded, outcome):
    breaker = breaker_of(loaded)
    late = [breaker.admit(0.0) for _ in range(5)]
    trip(breaker)

    breaker.settle(1.0, late[0], outcome)
    still_open = breaker.state
    probes = [breaker.admit(2.0), breaker.admit(2.0)]
    breaker.settle(2.1, late[1], outcome)
    breaker.settle(2.1, late[2], outcome)

    assert still_open is OPEN
    assert breaker.state is HALF_OPEN
    assert breaker.admit(2.1) is None
    assert None not in probes


def test_late_news_from_before_the_last_two_trips_is_not_counted(loaded):
    breaker = recovered_at(trip(breaker_of(loaded)), 2.0)
    late = [breaker.admit(2.0) for _ in range(4)]
    trip(breaker, 2.0)
    recovered_at(breaker, 6.0)

    for permit in late:
        breaker.settle(6.0, permit, RESET)

    assert breaker.state is CLOSED
    trip(breaker, 6.0)


def test_a_late_probe_of_an_earlier_rest_changes_nothing(loaded):
    breaker = trip(breaker_of(loaded))
    early, late = breaker.admit(2.0), breaker.admit(2.0)
    breaker.settle(2.1, early, RESET)
    breaker.admit(7.0)

    breaker.settle(7.1, late, RESET)

    assert breaker.state is HALF_OPEN


@pytest.mark.parametrize("outcome", [STALE, CANCELLED])
def test_a_probe_that_proved_nothing_gives_its_place_back(loaded, outcome):
    breaker = trip(breaker_of(loaded))
    one = breaker.admit(2.0)
    breaker.admit(2.0)
    full = breaker.admit(2.0)

    breaker.settle(2.1, one, outcome)

    assert full is None
    assert breaker.state is HALF_OPEN
    assert breaker.admit(2.1) is not None
    assert breaker.admit(2.1) is None


def test_a_place_given_back_twice_is_still_one_place(loaded):
    breaker = trip(breaker_of(loaded))
    one = breaker.admit(2.0)

    for _ in range(5):
        breaker.settle(2.1, one, CANCELLED)
    admitted = [breaker.admit(2.1) for _ in range(5)]

    assert sum(permit is not None for permit in admitted) == 2


def test_places_given_back_after_a_success_are_only_those_that_are_needed(loaded):
    breaker = trip(breaker_of(loaded))
    one, other = breaker.admit(2.0), breaker.admit(2.0)
    breaker.settle(2.1, one, OK)

    breaker.settle(2.1, other, CANCELLED)
    breaker.settle(2.1, other, CANCELLED)
    admitted = [breaker.admit(2.1) for _ in range(5)]

    assert sum(permit is not None for permit in admitted) == 1


def test_places_given_back_while_closed_are_none_of_the_probes(loaded):
    breaker = breaker_of(loaded)
    settle(breaker, 0.0, *[CANCELLED] * 9)
    trip(breaker)

    admitted = [breaker.admit(2.0) for _ in range(9)]

    assert sum(permit is not None for permit in admitted) == 2


def test_probes_that_never_come_back_are_taken_for_lost(loaded):
    breaker = trip(breaker_of(loaded))
    lost = [breaker.admit(2.0), breaker.admit(12.0)]

    admitted = [breaker.admit(now) for now in (61.9, 62.0, 71.9, 72.0, 72.0)]
    for permit in lost:
        breaker.settle(73.0, permit, RESET)

    assert [permit is not None for permit in admitted] == [False, True, False, True, False]
    assert breaker.state is HALF_OPEN
    breaker.settle(74.0, admitted[1], OK)
    breaker.settle(74.0, admitted[3], OK)
    assert breaker.state is CLOSED


def test_lost_probes_are_replaced_only_as_far_as_success_is_missing(loaded):
    breaker = trip(breaker_of(loaded))
    settle(breaker, 2.0, OK)
    breaker.admit(2.0)

    fresh = [breaker.admit(62.0), breaker.admit(62.0)]
    breaker.settle(62.0, fresh[0], OK)

    assert fresh[1] is None
    assert breaker.state is CLOSED


def test_a_probe_settled_twice_counts_once(loaded):
    breaker = trip(breaker_of(loaded))
    one = breaker.admit(2.0)

    breaker.settle(2.1, one, OK)
    breaker.settle(2.1, one, OK)

    assert breaker.state is HALF_OPEN


RAMPED = BreakerSpec(minimum=4, rest=2.0, probes=2, ramp=10.0)


@pytest.mark.parametrize(
    ("after", "roll", "admitted"),
    [
        (0.0, 0.09, True),
        (0.0, 0.11, False),
        (5.0, 0.54, True),
        (5.0, 0.56, False),
        (9.9, 0.98, True),
        (9.9, 0.999, False),
        (10.0, 1.0, True),
        (99.0, 1.0, True),
    ],
)
def test_after_closing_admission_rises_from_a_tenth_to_all(loaded, after, roll, admitted):
    breaker = recovered_at(trip(breaker_of(loaded, RAMPED)), 2.0)
    breaker._dice.rolls[:] = [roll]

    permit = breaker.admit(2.0 + after)

    assert (permit is not None) is admitted


@pytest.mark.parametrize(("now", "admitted"), [(12.5, False), (17.0, True)])
def test_the_ramp_begins_when_it_has_closed_and_not_when_its_probes_began(loaded, now, admitted):
    breaker = trip(breaker_of(loaded, RAMPED))
    for permit in [breaker.admit(2.0), breaker.admit(2.0)]:
        breaker.settle(7.0, permit, OK)
    breaker._dice.rolls[:] = [1.0]

    permit = breaker.admit(now)

    assert (permit is not None) is admitted


def test_once_ramped_up_no_dice_are_thrown(loaded):
    breaker = recovered_at(trip(breaker_of(loaded, RAMPED)), 2.0)
    breaker.admit(12.0)
    breaker._dice.rolls[:] = [1.0]

    # Time stands before the ramp's end only to show that it is not looked at again.
    assert breaker.admit(2.0) is not None


def test_without_a_ramp_all_are_admitted_at_once(loaded):
    breaker = recovered_at(trip(breaker_of(loaded)), 2.0)
    breaker._dice.rolls[:] = [1.0]

    assert breaker.admit(2.0) is not None


def test_it_tells_every_move_and_who_it_guards(loaded):
    moves = []
    breaker = Breaker(SPEC, loaded(0.5), moves.append, who=("web", "web-2", 7))
    trip(breaker, 1.0)
    settle(breaker, 3.0, RESET)
    settle(breaker, 7.0, OK, OK)

    told = [(move.at, move.before, move.after, move.because) for move in moves]

    assert told == [
        (1.0, "closed", "open", "too many failures"),
        (3.0, "open", "half-open", "has rested"),
        (3.0, "half-open", "open", "a probe failed"),
        (7.0, "open", "half-open", "has rested"),
        (7.0, "half-open", "closed", "its probes succeeded"),
    ]
    assert moves[0] == BreakerMoved(
        at=1.0,
        service="web",
        instance="web-2",
        generation=7,
        before="closed",
        after="open",
        because="too many failures",
    )
    assert {(before, because, after) for _, before, after, because in told} == {
        (state.value, signal.value, after.value) for (state, signal), after in TRANSITIONS.items()
    }


def test_unless_told_it_guards_nobody_in_particular(loaded):
    moves = []

    trip(Breaker(SPEC, loaded(0.5), moves.append))

    assert (moves[0].service, moves[0].instance, moves[0].generation) == ("", "", 0)


steps = st.tuples(
    st.floats(0.0, 4.0),
    st.booleans(),
    st.sampled_from([OK, OK, RESET, RESET, REFUSED, TIMEOUT, FAILED, STALE, CANCELLED]),
)
specs = st.builds(
    BreakerSpec,
    minimum=st.integers(1, 4),
    rest=st.just(1.0),
    probes=st.integers(1, 3),
    ramp=st.sampled_from([0.0, 2.0]),
    lost=st.sampled_from([5.0, 60.0]),
    count_failed=st.booleans(),
)


@given(specs, st.lists(steps, max_size=80), st.integers(0, 9))
def test_whatever_happens_it_moves_only_along_its_table(spec, script, seed):
    moves, held, now = [], [], 0.0
    breaker = Breaker(spec, Dice(seed), moves.append)
    for gap, asks, outcome in script:
        now += gap
        if asks and (permit := breaker.admit(now)) is not None:
            held.append(permit)
        elif held:
            breaker.settle(now, held.pop(0), outcome)
        assert (breaker.reopens_at is not None) is (breaker.state is OPEN)

    edges = {(state.value, signal.value, after.value) for (state, signal), after in TRANSITIONS.items()}
    assert {(move.before, move.because, move.after) for move in moves} <= edges
    assert all(one.after == next_.before for one, next_ in pairwise(moves))


@given(specs, st.lists(steps, max_size=60), st.integers(0, 9))
def test_whatever_happens_it_can_always_close_again(spec, script, seed):
    breaker, now = Breaker(spec, Dice(seed)), 0.0
    for gap, asks, outcome in script:
        now += gap
        if asks:
            breaker.admit(now)
        elif (permit := breaker.admit(now)) is not None:
            breaker.settle(now, permit, outcome)

    # However many permits were lost: longer than any rest, and longer than any probe may take.
    now += max(40.0, spec.lost)
    for _ in range(4):
        if (permit := breaker.admit(now)) is not None:
            breaker.settle(now, permit, OK)

    assert breaker.state is CLOSED


def test_by_another_spec_it_stays_open_and_what_was_counted_still_counts(loaded):
    tripped, counting = trip(breaker_of(loaded)), breaker_of(loaded)
    settle(counting, 0.0, RESET, RESET)
    strict = BreakerSpec(window=10.0, minimum=3, rest=2.0, cap=10.0)

    tripped.configure(strict)
    counting.configure(strict)
    settle(counting, 0.0, RESET)

    assert (tripped.state, tripped.admit(1.0)) == (OPEN, None)
    assert counting.state is OPEN


def test_over_another_window_counting_begins_anew_where_it_stands(loaded):
    breaker = breaker_of(loaded)
    settle(breaker, 0.0, RESET, RESET, RESET)

    breaker.configure(BreakerSpec(window=5.0, minimum=4))
    settle(breaker, 0.0, RESET)

    assert breaker.state is CLOSED


def test_with_fewer_probes_asked_for_one_that_has_proved_enough_is_not_stuck(loaded):
    breaker = trip(breaker_of(loaded))
    settle(breaker, 5.0, OK)
    assert breaker.state is HALF_OPEN

    breaker.configure(BreakerSpec(window=10.0, minimum=4, rest=2.0, cap=10.0, probes=1))
    settle(breaker, 5.0, OK)

    assert breaker.state is CLOSED


@pytest.mark.parametrize("ramp", [0.0, 1.0])
def test_with_a_shorter_ramp_it_admits_all_the_sooner(loaded, ramp):
    slow = BreakerSpec(window=10.0, minimum=4, rest=2.0, cap=10.0, probes=1, ramp=50.0)
    breaker = trip(breaker_of(loaded, slow, roll=0.99))
    settle(breaker, 5.0, OK)
    assert (breaker.state, breaker.admit(6.5)) == (CLOSED, None)

    breaker.configure(BreakerSpec(window=10.0, minimum=4, rest=2.0, cap=10.0, probes=1, ramp=ramp))

    assert breaker.admit(6.5) is not None


def test_a_longer_rest_holds_from_the_next_time_on(loaded):
    breaker = trip(breaker_of(loaded))

    breaker.configure(BreakerSpec(window=10.0, minimum=4, rest=4.0, cap=10.0, probes=1, ramp=0.0))
    settle(breaker, 5.0, OK)
    settle(breaker, 20.0, *[RESET] * 4)

    assert breaker.reopens_at == pytest.approx(24.0, abs=0.5)
