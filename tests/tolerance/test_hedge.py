from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.errors import SpecError
from mainstay.tolerance.hedge import HedgeSpec, SuspicionSpec, Waits


def learnt(*seconds, at=1.0):
    waits = Waits()
    for one in seconds:
        waits.learn(one)
    waits.judge(at)
    return waits


def test_nothing_is_unusual_as_long_as_little_is_known():
    waits = learnt(*[0.01] * 99)

    assert (waits.late, waits.overdue) == (inf, inf)


def test_late_is_what_one_in_twenty_is_and_overdue_is_twice_what_one_in_a_thousand_is():
    waits = learnt(*[0.010] * 940, *[0.030] * 59, *[0.100] * 1)

    assert waits.late == pytest.approx(0.030, rel=0.13)
    assert waits.overdue == pytest.approx(0.060, rel=0.13)


def test_what_was_long_ago_is_forgotten_when_enough_is_known_since():
    waits = learnt(*[1.0] * 200, at=20.0)
    for at in (30.0, 40.0):
        for _ in range(100):
            waits.learn(0.01)
        waits.judge(at)

    waits.judge(41.0)

    assert waits.late == pytest.approx(0.01, rel=0.13)


def test_what_is_asked_little_is_remembered_for_longer():
    waits = learnt(*[0.01] * 100, at=20.0)

    for at in range(30, 200):
        waits.judge(float(at))

    assert waits.late == pytest.approx(0.01, rel=0.13)


def test_after_a_doubt_that_was_wrong_it_takes_twice_as_long_to_the_next_for_a_while():
    waits = learnt(*[0.01] * 100)
    before = waits.overdue

    waits.excuse()
    waits.judge(2.0)
    after = waits.overdue
    for at in range(3, 300):
        waits.judge(float(at))

    assert after == pytest.approx(2 * before, rel=0.02)
    assert waits.overdue == before


def test_excuses_do_not_add_up_for_ever():
    waits = learnt(*[0.01] * 100)
    before = waits.overdue

    for _ in range(100):
        waits.excuse()
    waits.judge(2.0)

    assert waits.overdue < 33 * before


@given(st.lists(st.floats(0.0, 100.0), min_size=100, max_size=300))
def test_what_is_overdue_is_late(seconds):
    waits = learnt(*seconds)

    assert 0 < waits.late < waits.overdue


@given(st.lists(st.floats(0.0, 100.0), min_size=100, max_size=300))
def test_at_most_a_twentieth_is_late(seconds):
    waits = learnt(*seconds)

    assert sum(one > waits.late for one in seconds) <= len(seconds) / 20


@pytest.mark.parametrize("after", [0, -1])
def test_a_second_attempt_from_the_start_is_refused(after):
    with pytest.raises(SpecError):
        HedgeSpec(after=after)


def test_silence_cannot_be_negative():
    with pytest.raises(SpecError):
        SuspicionSpec(least=-0.1)
