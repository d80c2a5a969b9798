import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.errors import SpecError
from mainstay.reliability.users import Users, doubling, minimal_ratio


def ratio(users: Users) -> float:
    return users.up / (users.up + users.down)


def test_an_hour_with_an_outage_of_15_minutes_is_75_percent_however_often_users_try_again() -> None:
    """The sanity check of the paper: the share of requests is lower, since who fails tries again."""
    users, good, all_ = Users(), 0, 0
    for second in range(3600):
        down = 900 <= second < 1800
        for user in range(10):
            if down or second % 10 == user:
                users.see(float(second), user, not down)
                good += not down
                all_ += 1
    users.advance(3600.0)

    assert ratio(users) == pytest.approx(0.75, abs=0.005)
    assert good / all_ < 0.25


def test_a_state_lasts_until_the_same_user_says_otherwise_or_is_silent_for_too_long() -> None:
    users = Users(cutoff=30.0)

    users.see(100.0, "a", True)
    users.see(105.0, "a", False)
    users.see(110.0, "b", True)
    users.see(125.0, "a", True)
    users.advance(1000.0)

    assert users.down == 20.0
    assert users.up == 5.0 + 30.0 + 30.0
    assert len(users) == 0


def test_what_is_in_the_middle_is_added_up_so_far() -> None:
    users = Users(cutoff=30.0)
    users.see(100.0, "a", False)

    users.advance(103.0)

    assert (users.up, users.down) == (0.0, 3.0)


def test_who_has_not_asked_for_longest_makes_room() -> None:
    users = Users(cutoff=100.0, most=2)
    users.see(0.0, "a", True)
    users.see(1.0, "b", True)
    users.see(2.0, "a", True)

    users.see(3.0, "c", True)
    users.advance(10.0)

    assert len(users) == 2
    assert users.up == (3 - 0) + (3 - 1) + 2 * 7


EVENTS = st.lists(st.tuples(st.floats(0.0, 50.0), st.integers(0, 4), st.booleans()), max_size=60)


@given(EVENTS, st.floats(0.5, 40.0))
def test_the_sums_are_those_of_each_user_alone(events: list[tuple[float, int, bool]], cutoff: float) -> None:
    users, at = Users(cutoff=cutoff), 0.0
    of: dict[int, list[tuple[float, bool]]] = {}
    for pause, key, good in events:
        at += pause
        users.see(at, key, good)
        of.setdefault(key, []).append((at, good))
    users.advance(at + 1000)

    sums = {True: 0.0, False: 0.0}
    for told in of.values():
        ends = [*(when for when, _ in told[1:]), at + 1000]
        for (since, good), until in zip(told, ends, strict=True):
            sums[good] += min(until - since, cutoff)
    assert users.up == pytest.approx(sums[True], abs=1e-6)
    assert users.down == pytest.approx(sums[False], abs=1e-6)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=40))
def test_the_minimal_ratio_is_that_of_the_worst_window_and_never_falls_as_windows_double(
    series: list[tuple[int, int]],
) -> None:
    found = minimal_ratio(series, list(doubling(len(series))))

    for width, ratio, at in found:
        part = series[at : at + width]
        good, all_ = sum(one[0] for one in part), sum(map(sum, part))
        assert ratio == pytest.approx(good / all_)
        for other in range(len(series) - width + 1):
            part = series[other : other + width]
            if sum(map(sum, part)):
                assert ratio <= sum(one[0] for one in part) / sum(map(sum, part)) + 1e-9
    ratios = [window.ratio for window in found]
    assert all(low <= high + 1e-9 for low, high in itertools.pairwise(ratios))


def test_the_knee_is_as_long_as_the_incident() -> None:
    series = [(0.0, 10.0) if 40 <= minute < 44 else (10.0, 0.0) for minute in range(128)]

    found = {window.width: window.ratio for window in minimal_ratio(series, list(doubling(128)))}

    assert [found[width] for width in (1, 2, 4, 8, 16, 128)] == [0.0, 0.0, 0.0, 0.5, 0.75, 1 - 4 / 128]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(SpecError, match="above 0"):
        Users(cutoff=0)
    with pytest.raises(SpecError, match="1 or more"):
        minimal_ratio([(1, 0)], [0])
    assert minimal_ratio([(0, 0)], [1, 2]) == []
