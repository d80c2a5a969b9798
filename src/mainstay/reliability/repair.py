"""How long repairs take, told in a way that few of them bear: as a distribution, and with what it cannot show.

Times to repair are skewed: a few long ones make the mean, and of some dozens of incidents the mean says next to nothing
(Davidovič, Incident Metrics in SRE, 2021). So it is never told alone: with the median, the ninth decile, an interval, and the
least change that a sample of this size would show at all.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from mainstay.base.dice import Dice
from mainstay.base.errors import SpecError
from mainstay.reliability.interval import CONFIDENCE, Interval, refuse_confidence

_POWER = 0.8
_DRAWS = 2000
_LEAST = 2
_LEAST_CHANCE = 1e-12


class Repair(NamedTuple):
    """Times to repair, in seconds."""

    repairs: int
    mean: float
    """What is called MTTR."""
    median: float
    ninth: float
    """The ninth decile: one in ten took longer."""
    interval: Interval
    """Of the mean, for times whose logarithms are normal; from 0 to infinity for fewer than two."""
    spread: float
    """The standard deviation of the logarithms."""
    visible: float
    """The least change of the typical time that two samples of this size would show, as a factor: 1.5 means that only what takes
    half as long again, or two thirds, can be told from chance (five in a hundred, four in five times)."""
    confidence: float


def repair(times: Sequence[float], confidence: float = CONFIDENCE, seed: int = 1) -> Repair | None:
    """Sum up times to repair; None when there are none.

    Args:
        times: Seconds, each above 0.
        confidence: Of the interval of the mean.
        seed: Of the draws that the interval is made from.

    Raises:
        SpecError: a time that cannot be.
    """
    refuse_confidence(confidence)
    if not times:
        return None
    if any(not 0 < one < math.inf for one in times):
        raise SpecError("times to repair must be above 0")
    ranked = sorted(times)
    logs = [math.log(one) for one in ranked]
    count, mean = len(ranked), sum(ranked) / len(ranked)
    middle = sum(logs) / count
    spread = (
        math.sqrt(sum((one - middle) ** 2 for one in logs) / (count - 1)) if count >= _LEAST else math.nan
    )
    return Repair(
        count,
        mean,
        _percentile(ranked, 0.5),
        _percentile(ranked, 0.9),
        _mean_interval(middle, spread, count, confidence, seed),
        spread,
        _visible(spread, count),
        confidence,
    )


def _mean_interval(middle: float, spread: float, count: int, confidence: float, seed: int) -> Interval:
    """Give the interval of a log-normal mean by the generalized pivot of Krishnamoorthy and Mathew (2003)."""
    if count < _LEAST:
        return Interval(0.0, math.inf)
    import numpy as np  # noqa: PLC0415 - takes a while to load, and only reports need it
    from scipy.special import gammaincinv, ndtri  # noqa: PLC0415 - likewise

    if not spread:
        return Interval(math.exp(middle), math.exp(middle))
    dice = Dice(seed)
    # Never 0, of which there is no quantile.
    chances = 1.0 - np.array([dice.random() for _ in range(2 * _DRAWS)])
    normal = ndtri(np.clip(chances[:_DRAWS], _LEAST_CHANCE, 1 - _LEAST_CHANCE))
    freedom = (count - 1) / 2
    variance = spread**2 * freedom / gammaincinv(freedom, chances[_DRAWS:])
    drawn = sorted((middle - normal * np.sqrt(variance / count) + variance / 2).tolist())
    low, high = (_percentile(drawn, share) for share in ((1 - confidence) / 2, (1 + confidence) / 2))
    return Interval(math.exp(low), math.exp(min(high, 700.0)))


def _visible(spread: float, count: int) -> float:
    if count < _LEAST:
        return math.inf
    from scipy.special import ndtri  # noqa: PLC0415 - likewise

    away = float(ndtri((1 + CONFIDENCE) / 2)) + float(ndtri(_POWER))
    return math.exp(min(away * spread * math.sqrt(2 / count), 700.0))


def _percentile(ranked: Sequence[float], share: float) -> float:
    """Give the percentile by nearest rank."""
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]
