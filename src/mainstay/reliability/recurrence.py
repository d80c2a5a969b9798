"""How many times units of one kind have failed by an age, on average: the mean cumulative function (Nelson, 2003).

It assumes nothing of how failures come, and takes units that were watched for different times. Where it bends upwards, units
fail more often as they grow older; where two kinds differ by more than their intervals, they differ.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from mainstay.base.errors import SpecError
from mainstay.reliability.interval import CONFIDENCE, Interval, refuse_confidence


class History(NamedTuple):
    """What one unit went through, in seconds of its own age."""

    failures: Sequence[float]
    end: float
    """How long it was watched."""


class Point(NamedTuple):
    """The mean cumulative function at an age at which one or several units failed."""

    age: float
    mean: float
    """Failures of a unit by this age, on average."""
    variance: float
    """Of that mean, as Nelson has it: robust, since the failures of one unit need not be independent."""
    interval: Interval


def mean_cumulative(units: Sequence[History], confidence: float = CONFIDENCE) -> list[Point]:
    """Give the mean cumulative function of several units.

    Args:
        units: What each went through.
        confidence: Of the intervals, which are on the logarithm, so that they do not go below 0.

    Raises:
        SpecError: a unit failed after its end, or before its beginning.
    """
    from scipy.special import ndtri  # noqa: PLC0415 - takes a while to load, and only reports need it

    refuse_confidence(confidence)
    for unit in units:
        if any(not 0 <= at <= unit.end for at in unit.failures):
            raise SpecError(f"a unit that was watched for {unit.end} seconds cannot fail outside of them")
    z = float(ndtri((1 + confidence) / 2))
    # For each unit, how far it is above what is expected of one: their squares are the variance.
    mean, above = 0.0, [0.0] * len(units)
    points = []
    for age in sorted({at for unit in units for at in unit.failures}):
        risk = [number for number, unit in enumerate(units) if unit.end >= age]
        failed = {number: sum(at == age for at in units[number].failures) for number in risk}
        step = sum(failed.values()) / len(risk)
        mean += step
        for number in risk:
            above[number] += (failed[number] - step) / len(risk)
        variance = sum(one**2 for one in above)
        spread = math.exp(z * math.sqrt(variance) / mean)
        points.append(Point(age, mean, variance, Interval(mean / spread, mean * spread)))
    return points
