"""How long lives last, when some of them are not over yet: those are *censored*, and say that they lasted at least so long.

To leave them out would count only what died early. Two ways to look at the same lives: `weibull` fits a law, whose shape tells
whether what is old fails more often than what is young; `survival` assumes nothing (Kaplan and Meier, 1958).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from mainstay.base.errors import SpecError
from mainstay.reliability.interval import CONFIDENCE, Interval, refuse_confidence

_STEPS = 200
_SMALL = 1e-12


class Weibull(NamedTuple):
    """A law of lives."""

    shape: float
    """Below 1 lives fail young, at 1 at any age alike, above 1 they wear out."""
    scale: float
    """The life that 63 % do not reach, in seconds."""
    likelihood: float
    """The logarithm of the likelihood at these values."""
    shape_interval: Interval
    scale_interval: Interval
    confidence: float

    @property
    def mean(self) -> float:
        """The mean life, in seconds."""
        return self.scale * math.gamma(1 + 1 / self.shape)

    def survives(self, age: float) -> float:
        """Give the share of lives that reach an age."""
        return math.exp(-((age / self.scale) ** self.shape))


def weibull(
    ended: Sequence[float], going_on: Sequence[float] = (), confidence: float = CONFIDENCE
) -> Weibull:
    """Fit Weibull's law by maximum likelihood, with intervals from the observed information on logarithms.

    Args:
        ended: The lengths of lives that have ended by failing, in seconds.
        going_on: Those of lives that have not, or were ended by somebody.
        confidence: Of the intervals.

    Raises:
        SpecError: fewer than two different lengths that have ended, or lengths that cannot be.
    """
    refuse_confidence(confidence)
    every = [*ended, *going_on]
    if len(set(ended)) < 2 or min(every) <= 0 or not all(map(math.isfinite, every)):  # noqa: PLR2004 - a line takes two
        raise SpecError("Weibull's law takes at least two different lives that have ended, all above 0")
    logs, count = [math.log(one) for one in every], len(ended)
    top, mean = max(logs), sum(map(math.log, ended)) / count

    def slope(shape: float) -> float:
        # With the longest life taken out, nothing overflows.
        weights = [math.exp(shape * (one - top)) for one in logs]
        return sum(w * one for w, one in zip(weights, logs, strict=True)) / sum(weights) - 1 / shape - mean

    low, high = _SMALL, 1.0
    while slope(high) < 0:
        high *= 2
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    shape = (low + high) / 2
    scale = math.exp(top + math.log(sum(math.exp(shape * (one - top)) for one in logs) / count) / shape)
    return _with_intervals(shape, scale, ended, logs, confidence)


def _with_intervals(
    shape: float, scale: float, ended: Sequence[float], logs: Sequence[float], confidence: float
) -> Weibull:
    from scipy.special import ndtri  # noqa: PLC0415 - takes a while to load, and only reports need it

    count = len(ended)
    away = [one - math.log(scale) for one in logs]
    grown = [math.exp(shape * one) for one in away]
    likelihood = sum(math.log(shape / scale) + (shape - 1) * math.log(one / scale) for one in ended) - sum(
        grown
    )
    # Second derivatives by log(shape) and log(scale).
    first = sum(
        w * shape * one * (1 + shape * one) for w, one in zip(grown, away, strict=True)
    ) - shape * sum(math.log(one / scale) for one in ended)
    mixed = shape * (count - sum(w * (1 + shape * one) for w, one in zip(grown, away, strict=True)))
    second = shape**2 * sum(grown)
    determinant = first * second - mixed**2
    z = float(ndtri((1 + confidence) / 2))
    by_shape, by_scale = (math.exp(z * math.sqrt(one / determinant)) for one in (second, first))
    return Weibull(
        shape,
        scale,
        likelihood,
        Interval(shape / by_shape, shape * by_shape),
        Interval(scale / by_scale, scale * by_scale),
        confidence,
    )


class Step(NamedTuple):
    """A step of the share of lives that reach an age."""

    age: float
    at_risk: int
    """Lives that had reached it, and could have ended then."""
    ended: int
    survives: float
    """The share that lives longer."""
    deviation: float
    """Its standard error (Greenwood)."""


def survival(ended: Sequence[float], going_on: Sequence[float] = ()) -> list[Step]:
    """Give the share of lives that reach each age, step by step.

    Args:
        ended: The lengths of lives that have ended by failing.
        going_on: Those of lives that have not; of the same length as one that ended, they lasted longer.

    Raises:
        SpecError: a length is below 0.
    """
    every = sorted([*ended, *going_on])
    if every and every[0] < 0:
        raise SpecError(f"a life cannot last {every[0]} seconds")
    steps, share, spread = [], 1.0, 0.0
    for age in sorted(set(ended)):
        at_risk = sum(one >= age for one in every)
        died = sum(one == age for one in ended)
        share *= 1 - died / at_risk
        spread += died / (at_risk * (at_risk - died)) if at_risk > died else 0.0
        steps.append(Step(age, at_risk, died, share, share * math.sqrt(spread)))
    return steps
