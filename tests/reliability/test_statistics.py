"""Worked numbers of others, to the digits that they give."""

from itertools import accumulate, pairwise
from math import inf, isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.errors import SpecError
from mainstay.reliability import growth, objective, rate, trend, uptime
from mainstay.reliability.coverage import interval as coverage
from mainstay.reliability.lifetime import survival, weibull
from mainstay.reliability.recurrence import History, mean_cumulative
from mainstay.reliability.repair import repair

# NIST/SEMATECH e-Handbook 8.2.3.4 and 8.4.5.2.
NIST = [5, 40, 43, 175, 389, 712, 747, 795, 1299, 1478]
# MIL-HDBK-189 (1981), Appendix C.
TANK = [
    2.6, 16.5, 16.5, 17.0, 21.4, 29.1, 33.3, 56.5, 63.1, 70.6, 73.0, 77.7, 93.9, 95.5, 98.1, 101.1, 132.0,
    142.2, 147.7, 149.0, 167.2, 190.7, 193.0, 198.7, 251.9, 282.5, 286.1,
]  # fmt: skip
# The failure-truncated set of the reliawiki and of the `reliability` package's documentation.
GROWING = [
    2.7, 10.3, 12.5, 30.6, 57.0, 61.3, 80.0, 109.5, 125.0, 128.6, 143.8, 167.9, 229.2, 296.7, 320.6, 328.2,
    366.2, 396.7, 421.1, 438.2, 501.2, 620.0,
]  # fmt: skip
# Modarres, example 5.11, by the `reliability` package's documentation.
GAPS = [
    104, 131, 1597, 59, 4, 503, 157, 6, 118, 173, 114, 62, 101, 216, 106, 140, 1, 102, 3, 393, 96, 232, 89, 61,
    37, 293, 7, 165, 87, 99,
]  # fmt: skip


@pytest.mark.parametrize(
    ("told", "mtbf", "low", "high"),
    [
        ({"exposure": 800, "failures": 2, "confidence": 0.9}, 400, 127.069, 2251.229),
        ({"exposure": 1600, "failures": 10, "until_failure": True}, 160, 93.6505, 333.6539),
        ({"exposure": 1510, "failures": 7}, 215.7143, 104.6962, 536.5335),
        ({"exposure": 19520, "failures": 7, "confidence": 0.8}, 2788.5714, 1658.3248534993454, 5011.8534),
    ],
)
def test_mean_times_between_failures_of_nist_and_mil_hdbk_338b(
    told: dict[str, float], mtbf: float, low: float, high: float
) -> None:
    found = rate.mtbf(**told)  # type: ignore[arg-type]

    assert found.mtbf == pytest.approx(mtbf, rel=1e-6)
    assert found.interval == pytest.approx((low, high), rel=1e-6)


@pytest.mark.parametrize(
    ("exposure", "failures", "confidence", "until_failure", "bound"),
    [
        (1600, 10, 0.95, True, 101.8770),
        (1510, 7, 0.95, False, 114.8454),
        (10000, 6, 0.8, False, 1101.8815940201118),
        (2.995732, 0, 0.95, False, 1.0),  # the rule of three
    ],
)
def test_one_sided_bounds(
    exposure: float, failures: int, confidence: float, until_failure: bool, bound: float
) -> None:
    found = rate.at_least(exposure, failures, confidence, until_failure=until_failure)

    assert found == pytest.approx(bound, rel=1e-6)


@pytest.mark.parametrize(
    ("failures", "confidence", "low", "high"),
    [
        (1, 0.6, 0.3340, 4.4814), (1, 0.95, 0.1795, 39.4979), (2, 0.8, 0.3758, 3.7607), (3, 0.9, 0.3869, 3.6689),
        (5, 0.95, 0.4285, 3.0798), (10, 0.6, 0.7326, 1.3719), (20, 0.95, 0.6475, 1.6371),
    ],
)  # fmt: skip
def test_the_table_of_factors_of_nist(failures: int, confidence: float, low: float, high: float) -> None:
    found = rate.mtbf(float(failures), failures, confidence).interval

    assert found == pytest.approx((low, high), abs=6e-5)


def test_without_a_failure_there_is_a_lower_bound_and_no_upper() -> None:
    found = rate.mtbf(100.0, 0)

    assert (found.mtbf, found.interval.high) == (inf, inf)
    assert found.interval.low == pytest.approx(33.3808, rel=1e-5)


def test_the_availability_of_trivedi_example_10_27() -> None:
    assert uptime.interval(999, 1, 1, 1) == pytest.approx((0.962428, 0.999974), abs=1e-6)
    assert uptime.interval(9990, 10, 10, 10) == pytest.approx((0.997539, 0.999594), abs=1e-6)
    assert uptime.interval(999, 1, 1, 1, 0.9).low == pytest.approx(0.981336, abs=1e-6)
    assert uptime.interval(9990, 10, 10, 10, 0.9).low == pytest.approx(0.997878, abs=1e-6)
    assert uptime.interval(10, 0, 1, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("availability", "hours"), [(0.99, 296.6), (0.999, 2992.7), (0.9999, 29954), (0.99999, 299567)]
)
def test_how_long_something_must_be_watched_to_show_so_many_nines(availability: float, hours: float) -> None:
    found = uptime.needed(availability, 1.0)

    assert found == pytest.approx(hours, rel=5e-4)
    assert uptime.without_outage(found, 1.0) == pytest.approx(availability, rel=1e-9)


def test_nines() -> None:
    assert uptime.nines(0.999) == pytest.approx(3)
    assert uptime.nines(1.0) == inf
    assert uptime.nines(0.0) == 0.0


def test_the_trends_of_nist() -> None:
    assert trend.laplace(NIST, 1500)[:2] == pytest.approx((-1.326949, 0.184525), abs=1e-6)
    assert trend.military(NIST, 1500)[:2] == pytest.approx((37.228081, 0.0219727), abs=1e-6)
    assert trend.reversals(NIST).statistic == 33
    assert {one(NIST, 1500).direction for one in (trend.laplace, trend.military)} == {1}


def test_a_trend_that_ends_with_a_failure() -> None:
    found = trend.laplace(list(accumulate(GAPS)))

    assert found.statistic == pytest.approx(2.409438, abs=1e-6)
    assert found.direction == -1


def test_the_power_laws_of_nist_mil_hdbk_189_and_others() -> None:
    nist, tank, growing = growth.fit(NIST, 1500), growth.fit(TANK, 300, 0.9), growth.fit(GROWING)
    worse = growth.fit(list(accumulate(GAPS)))

    assert nist.beta == pytest.approx(0.5372288660341876, rel=1e-12)
    assert nist.unbiased == pytest.approx(0.4835059794307689, rel=1e-12)
    assert (tank.beta, tank.scale, tank.unbiased) == pytest.approx(
        (0.7163392624, 0.4538418614, 0.6898081786), rel=1e-9
    )
    assert (tank.intensity(300), tank.mtbf) == pytest.approx((0.0644705336, 15.5109620), rel=1e-8)
    assert tank.interval == pytest.approx((0.505632, 0.957152), abs=1e-6)
    assert tank.expected(300) == pytest.approx(27)
    assert (growing.beta, growing.scale, growing.mtbf) == pytest.approx(
        (0.61421040, 0.42394221, 45.883004), rel=1e-7
    )
    assert (worse.beta, worse.scale) == pytest.approx((1.588053, 3.70273e-05), rel=1e-6)


def test_the_mean_time_between_failures_at_the_end_of_a_growth_of_nist_8_4_5_2() -> None:
    found = growth.fit(NIST, 1500)

    assert found.mtbf_interval(0.8) == pytest.approx((157.7138, 548.5566), rel=1e-6)
    assert 1500 / (10 * found.unbiased) == pytest.approx(310.234, rel=1e-6)
    assert growth.fit([1.0, 2.0], 3.0).mtbf_interval(0.99).high == inf


def test_how_badly_a_power_law_fits_as_mil_hdbk_189_has_it() -> None:
    assert growth.misfit(TANK, 300) == pytest.approx(0.0910611224, rel=1e-9)


def test_a_power_law_of_grouped_failures() -> None:
    beta, scale = growth.fit_grouped([20, 40, 60, 80, 100], [13, 16, 5, 8, 7])

    assert (beta, scale) == pytest.approx((0.7528508868, 1.5293056974), rel=1e-9)
    ends = [scale * end**beta for end in (0, 20, 40, 60, 80, 100)]
    assert [later - sooner for sooner, later in pairwise(ends)] == pytest.approx(
        [14.58733262, 9.99406591, 8.77483841, 8.06635685, 7.57740622], rel=1e-7
    )


def test_the_lives_of_nist_8_4_1_3_of_which_half_were_not_over() -> None:
    found = weibull([54, 187, 216, 240, 244, 335, 361, 373, 375, 386], [500] * 10)

    assert (found.scale, found.shape, found.likelihood) == pytest.approx(
        (606.52756, 1.720797, -75.134618), rel=1e-6
    )
    assert found.mean == pytest.approx(540.737, rel=1e-6)
    assert found.scale_interval == pytest.approx((405.089, 908.135), rel=1e-6)
    assert found.shape_interval == pytest.approx((0.971266, 3.048745), rel=1e-6)
    assert found.survives(found.scale) == pytest.approx(0.36788, abs=1e-5)


def test_survival_by_hand() -> None:
    steps = survival([1, 2, 2, 4], [3, 5])

    assert [(one.age, one.at_risk, one.ended) for one in steps] == [(1, 6, 1), (2, 5, 2), (4, 2, 1)]
    assert [one.survives for one in steps] == pytest.approx([5 / 6, 1 / 2, 1 / 4])
    assert steps[0].deviation == pytest.approx((5 / 6 * 1 / 6 / 6) ** 0.5)


def test_the_mean_cumulative_function_has_the_variance_of_nelson() -> None:
    units = [
        History([5, 10, 15], 17), History([6, 13, 17], 19), History([12, 20, 25], 26), History([13, 15], 24),
        History([16, 22, 25], 28),
    ]  # fmt: skip

    points = mean_cumulative(units)

    assert [one.age for one in points] == [5, 6, 10, 12, 13, 15, 16, 17, 20, 22, 25]
    assert [one.mean for one in points] == pytest.approx(
        [0.2, 0.4, 0.6, 0.8, 1.2, 1.6, 1.8, 2.0, 2.33333, 2.66667, 3.66667], abs=1e-5
    )
    assert [one.variance for one in points][:3] == pytest.approx([0.032, 0.048, 0.128])
    assert points[-1].variance == pytest.approx(0.145185, abs=1e-6)
    assert all(one.interval.low < one.mean < one.interval.high for one in points)


@pytest.mark.parametrize(
    ("good", "all_", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718),
        (29, 30, 0.8333, 0.9941), (10, 10, 0.7225, 1), (59, 59, 0.9389, 1), (299, 299, 0.9873, 1),
    ],
)  # fmt: skip
def test_the_score_intervals_of_newcombe_1998(good: int, all_: int, low: float, high: float) -> None:
    assert objective.interval(good, all_) == pytest.approx((low, high), abs=6e-5)


@pytest.mark.parametrize(
    ("survived", "trials", "low", "high"),
    [
        (81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0, 0.1684), (1, 29, 0.0009, 0.1776),
        (29, 30, 0.8278305443665873, 0.9991564290733695), (10, 10, 0.6915, 1), (299, 299, 0.9877, 1),
    ],
)  # fmt: skip
def test_the_intervals_of_newcombe_1998(survived: int, trials: int, low: float, high: float) -> None:
    assert coverage(survived, trials) == pytest.approx((low, high), abs=5e-5)


def test_times_to_repair_are_never_told_without_how_little_they_show() -> None:
    found = repair([10, 20, 30, 40, 500])
    single = repair([10])

    assert found is not None
    assert (found.repairs, found.mean, found.median, found.ninth) == (5, 120, 30, 500)
    assert found.interval.low < 120 < found.interval.high
    assert found.visible > 10
    assert single is not None
    assert (single.interval, single.visible) == ((0.0, inf), inf)
    assert isnan(single.spread)
    assert repair([]) is None


@given(st.lists(st.floats(0.1, 1e6), min_size=1, max_size=60))
def test_times_to_repair_are_in_order(times: list[float]) -> None:
    found = repair(times)

    assert found is not None
    assert min(times) <= found.median <= found.ninth <= max(times)
    assert found.interval.low <= found.interval.high
    assert found.visible >= 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: rate.mtbf(-1, 0),
        lambda: rate.mtbf(inf, 0),
        lambda: rate.mtbf(1, -1),
        lambda: rate.mtbf(1, 1, 1.0),
        lambda: rate.at_least(1, 0, until_failure=True),
        lambda: uptime.interval(0, 1, 1, 1),
        lambda: uptime.interval(1, -1, 1, 1),
        lambda: uptime.interval(1, 1, -1, 1),
        lambda: uptime.nines(1.1),
        lambda: uptime.needed(1.0, 1),
        lambda: uptime.without_outage(1, -1),
        lambda: trend.laplace([1], 2),
        lambda: trend.laplace([2, 1], 3),
        lambda: trend.laplace([1, 4], 3),
        lambda: trend.laplace([], None),
        lambda: growth.fit([1], 2),
        lambda: growth.fit([3, 2], 4),
        lambda: growth.fit([2, 2], 2),
        lambda: growth.fit_grouped([1, 2], [1]),
        lambda: growth.fit_grouped([1, 2], [1, 0]),
        lambda: weibull([1.0]),
        lambda: weibull([1.0, 0.0]),
        lambda: survival([-1.0]),
        lambda: mean_cumulative([History([5], 4)]),
        lambda: repair([0.0]),
    ],
)
def test_what_cannot_be_is_refused(wrong: "object") -> None:
    with pytest.raises(SpecError):
        wrong()  # type: ignore[operator]
