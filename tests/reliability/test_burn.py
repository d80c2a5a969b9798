import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.reliability.burn import (
    FIRING,
    PAGE,
    PAIRS,
    QUIET,
    RESOLVED,
    TICKET,
    TRANSITIONS,
    Alert,
    Pair,
    Reading,
    burn,
    burns,
    pairs,
)
from mainstay.reliability.objective import TIMESLICES, Measure, ObjectiveSpec

MONTH = 30 * 86400.0
SPEC = ObjectiveSpec(target=0.999)
FAST = PAIRS[0]


def of(bad: int, valid: int) -> Measure:
    return Measure(valid - bad, valid, bad, valid)


def reading(long: Measure, short: Measure, pair: Pair = FAST) -> Reading:
    return Reading(pair, long, short)


def test_windows_and_rates_are_the_workbooks() -> None:
    assert pairs(SPEC, MONTH) == [
        Pair(PAGE, 14.4, 3600, 300),
        Pair(PAGE, 6, 6 * 3600, 1800),
        Pair(TICKET, 1, 3 * 86400, 6 * 3600),
    ]
    for pair, share in zip(PAIRS, (0.02, 0.05, 0.1), strict=True):
        assert pair.burn == pytest.approx(share * MONTH / pair.long)
        assert pair.short * 12 == pair.long


def test_windows_of_other_periods_grow_and_shrink_with_them() -> None:
    assert [pair.long for pair in pairs(SPEC, 60 * 86400)] == [7200, 43200, 6 * 86400]
    assert [(pair.long, pair.short) for pair in pairs(SPEC, 3600)] == [(720, 60)] * 3
    sliced = ObjectiveSpec(target=0.999, method=TIMESLICES, slice=3600)
    assert [pair.short for pair in pairs(sliced, MONTH)] == [3600, 3600, 21600]


def test_a_rate_that_more_than_everything_would_have_to_fail_for_is_left_out() -> None:
    assert [pair.burn for pair in pairs(ObjectiveSpec(target=0.9), MONTH)] == [6, 1]


def test_the_rate_is_that_of_what_may_fail() -> None:
    assert burn(SPEC, of(144, 10_000)) == pytest.approx(14.4)
    assert burn(SPEC, of(0, 0)) is None


def test_both_windows_have_to_burn() -> None:
    much, little = of(200, 10_000), of(100, 10_000)

    assert burns(SPEC, reading(much, much))
    assert not burns(SPEC, reading(much, little))
    assert not burns(SPEC, reading(little, much))
    assert not burns(SPEC, reading(much, of(0, 0)))


def test_of_few_requests_a_single_failure_is_an_accident() -> None:
    assert not burns(SPEC, reading(of(1, 10), of(1, 2)))
    assert burns(SPEC, reading(of(5, 10), of(1, 2)))


def test_it_is_told_once_and_once_that_it_is_over() -> None:
    alert, much, good = Alert(SPEC), of(200, 10_000), of(0, 1000)

    told = [
        alert.judge(1, [reading(much, much)]),
        alert.judge(2, [reading(much, much)]),
        alert.judge(3, [reading(much, of(0, 0))]),
        alert.judge(4, [reading(much, good)]),
        alert.judge(5, [reading(much, good)]),
        alert.judge(6, [reading(much, good)]),
    ]

    assert told == [FIRING, None, None, RESOLVED, None, None]
    assert (alert.state, alert.since) == (QUIET, None)


def test_what_was_told_before_a_restart_is_not_told_again() -> None:
    alert, much = Alert(SPEC, since=5.0), of(200, 10_000)

    assert alert.judge(7, [reading(much, much)]) is None
    assert alert.since == 5.0
    assert alert.judge(8, []) is RESOLVED


_MEASURES = st.tuples(st.integers(0, 30), st.integers(0, 1000)).map(lambda two: of(min(two), two[1]))
_LOOKS = st.lists(st.lists(st.builds(Reading, st.sampled_from(PAIRS), _MEASURES, _MEASURES), max_size=3))


@given(_LOOKS)
def test_it_moves_along_its_table_and_never_tells_the_same_twice(looks: list[list[Reading]]) -> None:
    alert, told = Alert(SPEC), []
    moves = {(before, after) for (before, _), after in TRANSITIONS.items()}

    for now, readings in enumerate(looks):
        before = alert.state
        news = alert.judge(now, readings)
        assert before is alert.state or (before, alert.state) in moves
        assert (alert.since is None) is (alert.state is QUIET)
        told += [news] if news is not None else []

    assert told == ([FIRING, RESOLVED] * len(told))[: len(told)]
