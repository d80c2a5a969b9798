"""The line of requests that may not be sent yet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.errors import SpecError
from mainstay.tolerance.line import Line, LineSpec


def test_first_come_is_first_served_while_it_empties_now_and_then():
    line = Line(LineSpec())
    for name in "abc":
        line.add(1.0, name, 1)

    assert [line.next(1.05) for _ in range(4)] == ["a", "b", "c", None]


def test_first_come_is_first_served_while_nobody_waits_long_though_somebody_always_does():
    line = Line(LineSpec())
    line.add(0.0, 0, 1)
    served = []

    for turn in range(1, 101):
        line.add(turn * 0.04, turn, 1)
        served.append(line.next(turn * 0.04))

    assert served == list(range(100))
    assert line.patience(4.0) == 1.0


def test_the_newest_goes_first_when_somebody_has_waited_for_a_while():
    line = Line(LineSpec())
    for at, name in enumerate("abc"):
        line.add(1.0 + at, name, 1)

    assert [line.next(3.1), line.next(3.1), line.next(3.1)] == ["c", "b", "a"]


def test_under_stress_nobody_waits_long():
    line = Line(LineSpec(wait=2.0))
    before = line.patience(1.0)

    line.add(1.0, "a", 1)
    during = line.patience(1.2)
    line.next(1.3)
    after = line.patience(1.4)

    assert (before, during, after) == (2.0, 0.1, 2.0)


def test_the_more_important_goes_first():
    line = Line(LineSpec())
    for name, importance in (("a", 2), ("b", 1), ("c", 0), ("d", 1)):
        line.add(1.0, name, importance)

    assert [line.next(1.0) for _ in range(4)] == ["c", "b", "d", "a"]


def test_when_it_is_full_the_less_important_makes_way():
    line = Line(LineSpec(most=2))
    line.add(1.0, "a", 2)
    line.add(1.0, "b", 1)

    assert line.add(1.0, "c", 1) == "a"
    assert line.add(1.0, "d", 1) == "d"
    assert line.length == 2


def test_without_time_to_wait_there_is_no_line():
    line = Line(LineSpec(wait=0))

    assert line.add(1.0, "a", 0) == "a"
    assert line.length == 0


def test_who_waits_no_longer_is_let_go_of_and_twice_is_no_harm():
    line = Line(LineSpec())
    line.add(1.0, "a", 1)

    line.remove("a")
    line.remove("a")

    assert (line.length, line.next(1.0)) == (0, None)


@pytest.mark.parametrize("wrong", [{"wait": -1}, {"most": 0}])
def test_a_line_that_cannot_be_is_refused(wrong):
    with pytest.raises(SpecError):
        LineSpec(**wrong)


@given(
    st.lists(st.tuples(st.sampled_from(["add", "next", "remove"]), st.integers(0, 2), st.floats(0.0, 0.3)))
)
def test_everybody_leaves_it_once(script):
    line, now, there, came = Line(LineSpec(most=3)), 0.0, set(), 0
    for deed, importance, gap in script:
        now += gap
        if deed == "add":
            came += 1
            gone = line.add(now, came, importance)
            there.add(came)
            assert gone is None or gone in there
            there.discard(gone)
        elif deed == "next":
            one = line.next(now)
            assert (one is None) is (not there)
            there.discard(one)
        elif there:
            line.remove(min(there))
            there.discard(min(there))
        assert line.length == len(there) <= 3
