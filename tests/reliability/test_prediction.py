"""Predictions: numbers with their uncertainty in, an availability with its interval out."""

from dataclasses import replace

import numpy as np
import pytest

from mainstay.base.errors import SpecError
from mainstay.reliability.interval import Interval
from mainstay.reliability.model import parameter
from mainstay.reliability.model.chain import Group, available
from mainstay.reliability.model.downtime import YEAR
from mainstay.reliability.model.parameter import ASSUMED, DECLARED, MEASURED, UNPROVED, assumed, declared
from mainstay.reliability.model.prediction import Component, by_units, changes, matter, predict, worse_from

HOUR, DAY = 3600.0, 86400.0
WEB = Component(
    name="web",
    units=2,
    mtbf=declared(6000 * HOUR),
    mttr=declared(HOUR),
    coverage=declared(0.95),
    failover=declared(10),
    recovery=declared(300),
    crew=1,
)
DB = Component(name="db", units=1, mtbf=declared(90 * DAY), mttr=declared(HOUR))


def _drawn(one: parameter.Parameter) -> np.ndarray:
    return one.law(np.random.default_rng(5), 20_000)


def test_what_was_declared_gives_the_value_of_the_formula_and_no_width() -> None:
    found = predict([WEB], seed=1)

    assert found.available == pytest.approx(0.9999976767, abs=5e-11)
    assert found.interval == pytest.approx((found.available, found.available))


@pytest.mark.parametrize(
    "one",
    [
        parameter.mtbf(800 * HOUR, 2),
        parameter.mttr([60.0, 300.0]),
        parameter.mttr([60, 70, 90, 200, 400, 1000]),
        parameter.coverage(29, 30),
        parameter.mean([0.0, 0.0, 0.5, 2.0]),
    ],
)
def test_draws_agree_with_the_interval_that_is_told(one: parameter.Parameter) -> None:
    low, high = np.quantile(_drawn(one), (0.025, 0.975))

    assert one.origin == MEASURED
    assert one.interval == pytest.approx((low, high), rel=0.3)


def test_each_number_tells_where_it_comes_from() -> None:
    assert (declared(3).origin, declared(3).events) == (DECLARED, None)
    assert assumed(3).origin == ASSUMED
    assert parameter.mtbf(100, 3).events == 3
    assert parameter.mtbf(100, 0).value is None
    assert parameter.mtbf(100, 0).interval.high == float("inf")
    assert parameter.coverage(0, 0).origin == UNPROVED
    assert parameter.coverage(0, 0).value is None
    assert parameter.coverage(10, 10).interval.high == 1
    assert parameter.coverage(0, 10).interval.low == 0


def test_equal_times_have_no_spread() -> None:
    assert parameter.mean([0.0, 0.0]).interval == Interval(0, 0)


def test_what_no_drill_has_shown_is_a_range_from_no_coverage_to_all() -> None:
    found = predict([replace(WEB, coverage=parameter.unproved())], seed=1)

    assert not found.is_proved
    assert found.interval == pytest.approx((0.9999721767, 0.9999990188), abs=5e-11)


def test_coverage_of_a_single_instance_plays_no_part() -> None:
    alone = replace(WEB, units=1, coverage=parameter.unproved())

    assert predict([alone], seed=1).available == pytest.approx(0.9998333611, abs=5e-11)


def test_the_same_seed_gives_the_same_prediction_and_another_one_nearly() -> None:
    measured = replace(WEB, mtbf=parameter.mtbf(1e8, 5), coverage=parameter.coverage(28, 30))

    first, again, other = (predict([measured], seed) for seed in (1, 1, 2))

    assert first == again
    assert first != other
    assert first.available == pytest.approx(other.available, abs=1e-5)


def test_the_component_that_costs_most_comes_first() -> None:
    found = matter([WEB, DB], seed=1)

    assert [name for name, _ in found] == ["db", "web"]
    assert found[0][1] == pytest.approx(1 - 1 / (1 + 1 / (90 * 24)), rel=1e-4)


def test_one_more_takes_away_where_it_is_one_more_that_may_fail_over() -> None:
    found = {(one.component, one.what): one.gain for one in changes([WEB, DB], seed=1)}

    assert found["db", "one more"] > 0
    assert found["web", "one more"] < 0
    assert found["web", "every failure survived"] > found["web", "failover in half the time"] > 0


def test_of_few_drills_it_is_not_said_that_more_is_worse() -> None:
    shown = replace(WEB, coverage=parameter.coverage(5, 5), failover=declared(0))

    found = worse_from([shown], "web", 3, seed=1)

    assert found is None
    assert worse_from([replace(shown, coverage=declared(0.9))], "web", 3, seed=1) == 3
    assert worse_from([replace(shown, coverage=parameter.unproved())], "web", 3, seed=1) is None


def test_the_gain_of_a_change_has_an_interval_that_compares_like_with_like() -> None:
    unsure = replace(WEB, mtbf=parameter.mtbf(1e8, 5))

    found = next(one for one in changes([unsure, DB], seed=1) if one.what == "failover in half the time")

    low, high = found.interval
    assert 0 < low < found.gain < high


def test_what_one_more_is_worth_is_not_known_while_coverage_is_unproved() -> None:
    alone = replace(WEB, units=1, coverage=parameter.unproved())

    found = {one.what: one for one in changes([alone], seed=1)}

    # From 87.5854 minutes a year down to 14.6239 or 0.5157.
    low, high = (60 * share for share in (87.5854 - 14.6239, 87.5854 - 0.5157))
    assert [one * YEAR for one in found["one more"].interval] == pytest.approx([low, high], abs=0.01)
    assert set(found) == {"one more", "repairs in half the time"}


def test_the_curve_over_replicas_is_that_of_the_chain() -> None:
    found = by_units([WEB, DB], "db", 3, seed=1)

    group = Group(units=3, mtbf=90 * DAY, mttr=HOUR, crew=3)
    assert [count for count, _ in found] == [1, 2, 3]
    assert found[-1][1].available == pytest.approx(available(group) * 0.9999976767, abs=1e-9)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: parameter.mtbf(0, 1), "exposure must be above 0"),
        (lambda: parameter.mttr([]), "at least one"),
        (lambda: parameter.mttr([0.0]), "must be above 0"),
        (lambda: parameter.mean([]), "at least one"),
        (lambda: parameter.coverage(3, 2), "from 0 to the 2 trials"),
        (lambda: parameter.share(1.5), "from 0 to 1"),
        (lambda: declared(-1), "0 or more"),
        (lambda: replace(WEB, needed=3), "web: needed must be from 1 to the 2 instances"),
    ],
)
def test_what_cannot_be_is_refused(wrong: object, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        wrong()  # type: ignore[operator]
