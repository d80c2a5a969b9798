import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.errors import SpecError
from mainstay.base.histogram import bucket
from mainstay.reliability.account import Account, total
from mainstay.reliability.coverage import interval as exact
from mainstay.reliability.objective import (
    OCCURRENCES,
    RATIO_TIMESLICES,
    TIMESLICES,
    Events,
    ObjectiveSpec,
    budget,
    events,
    interval,
    measured,
)

MINUTES = 14 * 24 * 60


def asked(good: int, bad: int, **more: int) -> Account:
    return Account({"requests": good + bad, "failures": bad, "status_2xx": good, "status_5xx": bad, **more})


def spent(method: str, attacked: int) -> float:
    """Two weeks of OpenSLO's example: 99 % succeed, and 1 % while it is attacked, for so many minutes."""
    spec = ObjectiveSpec(target=0.95, method=method, slice=60)
    slices = [asked(1, 99)] * attacked + [asked(99, 1)] * (MINUTES - attacked)
    spending = budget(spec, measured(spec, slices), MINUTES * 60).consumed
    assert spending is not None
    return spending


def test_by_occurrences_the_failures_of_openslos_example_burn_the_budget() -> None:
    spec = ObjectiveSpec(target=0.95)

    # 336,000 requests in two weeks: 5 % of them, 99 of 100 of which fail in the attack.
    found = budget(spec, measured(spec, [asked(336_000 - 16_800, 16_800)]), MINUTES * 60)

    assert found.allowed == pytest.approx(16_800)
    assert found.allowed * 0.99 == pytest.approx(16_632)
    assert found.consumed == pytest.approx(1)
    assert found.left == pytest.approx(0)


def test_by_timeslices_the_attack_of_openslos_example_may_last_for_16_hours_48_minutes() -> None:
    longest = 16 * 60 + 48

    assert spent(TIMESLICES, longest) == pytest.approx(1)
    assert spent(TIMESLICES, longest + 1) > 1


def test_by_ratio_timeslices_it_may_last_for_about_13_hours_45_minutes() -> None:
    assert spent(RATIO_TIMESLICES, 13 * 60 + 40) < 1 < spent(RATIO_TIMESLICES, 13 * 60 + 45)


def test_a_week_at_99_95_percent_has_a_budget_of_5_minutes_2_4_seconds() -> None:
    spec = ObjectiveSpec(target=0.9995, method=TIMESLICES)

    assert budget(spec, measured(spec, []), 7 * 86400).allowed * spec.slice == pytest.approx(302.4)


def test_the_status_decides_what_is_good_and_an_answer_that_was_cut_is_not() -> None:
    account = Account(
        {"requests": 10, "failures": 3, "status_2xx": 5, "status_4xx": 3, "status_5xx": 2, "cancelled": 7}
    )

    assert events(ObjectiveSpec(target=0.9), account) == Events(7, 10)
    assert events(ObjectiveSpec(target=0.9, good=("2xx", "3xx")), account) == Events(4, 10)


def test_an_answer_in_a_bucket_that_goes_beyond_the_limit_is_not_within_it() -> None:
    account = Account({}, {bucket(0.2): 5, bucket(0.299): 3, bucket(0.9): 2})

    assert events(ObjectiveSpec(target=0.9, latency=0.3), account) == Events(5, 10)


def test_nothing_asked_spends_nothing_and_tells_nothing() -> None:
    for method in (OCCURRENCES, TIMESLICES, RATIO_TIMESLICES):
        spec = ObjectiveSpec(target=0.99, method=method)

        found = measured(spec, [Account(), Account()])

        assert found.ratio is None
        assert budget(spec, found, 3600).spent == 0
    assert budget(ObjectiveSpec(target=0.99), found, 3600).left is None


def test_a_slice_is_as_good_as_its_own_target_says() -> None:
    slices = [asked(9, 1), asked(8, 2), asked(10, 0)]

    found = measured(ObjectiveSpec(target=0.99, method=TIMESLICES, slice_target=0.9), slices)

    assert (found.good, found.valid, found.bad_events, found.events) == (2, 3, 3, 30)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=8))
def test_by_occurrences_it_does_not_matter_how_the_time_was_cut(parts: list[tuple[int, int]]) -> None:
    spec = ObjectiveSpec(target=0.9)
    accounts = [asked(good, bad) for good, bad in parts]

    assert measured(spec, accounts) == measured(spec, [total(accounts)])


def test_the_interval_is_near_the_exact_one_and_contains_the_share() -> None:
    for good, valid in ((9_990, 10_000), (99, 100), (100, 100), (50, 100)):
        found, sure = interval(good, valid), exact(good, valid)

        assert found.has(good / valid)
        assert found.low == pytest.approx(sure.low, abs=0.01)
        assert found.high == pytest.approx(sure.high, abs=0.01)
    # Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263.
    assert interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    "wrong", [{"target": 1.0}, {"target": 0.0}, {"target": 0.9, "method": "x"}, {"target": 0.9, "slice": 0}]
)
def test_what_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SpecError):
        ObjectiveSpec(**wrong)  # type: ignore[arg-type] # so it is

    with pytest.raises(SpecError):
        interval(2, 1)
