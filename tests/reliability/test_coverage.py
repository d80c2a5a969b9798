import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.errors import SpecError
from mainstay.reliability.coverage import interval, lower_bound, needed


@pytest.mark.parametrize(("trials", "bound"), [(59, 0.95), (299, 0.99)])
def test_the_number_of_clean_trials_that_a_coverage_takes(trials: int, bound: float) -> None:
    # Powell et al. 1993: 0.95 ** 59 = 0.0485, 0.99 ** 299 = 0.0495.
    assert lower_bound(trials, trials) >= bound
    assert lower_bound(trials - 1, trials - 1) < bound
    assert needed(bound) == trials


@pytest.mark.parametrize(
    ("survived", "trials", "low", "high"),
    [
        # The interval of Clopper and Pearson as scipy.stats.beta.ppf gives it.
        (8, 10, 0.443905, 0.974789),
        (95, 100, 0.887166, 0.983568),
        (0, 20, 0.0, 0.168433),
        (20, 20, 0.831567, 1.0),
        (1, 2, 0.012579, 0.987421),
    ],
)
def test_intervals_are_those_of_the_beta_distribution(
    survived: int, trials: int, low: float, high: float
) -> None:
    found = interval(survived, trials)

    assert found.low == pytest.approx(low, abs=1e-6)
    assert found.high == pytest.approx(high, abs=1e-6)


def test_without_a_trial_nothing_is_known() -> None:
    assert lower_bound(0, 0) == 0.0
    assert interval(0, 0) == (0.0, 1.0)


@given(st.integers(1, 400), st.data())
def test_the_bound_is_where_so_many_would_be_survived_in_one_case_of_twenty(
    trials: int, data: st.DataObject
) -> None:
    survived = data.draw(st.integers(1, trials))

    bound = lower_bound(survived, trials)

    seen = sum(
        math.comb(trials, k) * bound**k * (1 - bound) ** (trials - k) for k in range(survived, trials + 1)
    )
    assert seen == pytest.approx(0.05, rel=1e-6)
    assert bound <= survived / trials
    assert bound <= lower_bound(min(survived + 1, trials), trials) or survived == trials


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: lower_bound(3, 2),
        lambda: lower_bound(-1, 2),
        lambda: lower_bound(1, 2, 1.0),
        lambda: needed(1.0),
        lambda: needed(0.9, 0.0),
    ],
)
def test_numbers_that_cannot_be_are_refused(wrong: "object") -> None:
    with pytest.raises(SpecError):
        wrong()  # type: ignore[operator]
