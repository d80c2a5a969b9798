"""How the rate of failures changes with time: the power law of Crow (AMSAA; MIL-HDBK-189C).

By a time `t` there were `lambda t**beta` failures on average. Below 1, `beta` says that failures become rarer; at 1 it is the
constant rate of `rate`; above, they become more frequent. The times are those of one system that is repaired each time.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from mainstay.base.errors import SpecError
from mainstay.reliability.interval import CONFIDENCE, Interval, chi2, refuse_confidence

_LEAST = 2
_STEPS = 200


class Growth(NamedTuple):
    """A power law that was fitted to failures."""

    beta: float
    """Its shape, by maximum likelihood."""
    unbiased: float
    """The same, corrected for the bias that few failures give it."""
    scale: float
    """`lambda`, for times in the unit that they were told in."""
    end: float
    failures: int
    interval: Interval
    """Of `beta`."""
    confidence: float

    def expected(self, at: float) -> float:
        """Give how many failures there are on average until a time."""
        return float(self.scale * at**self.beta)

    def intensity(self, at: float) -> float:
        """Give the rate of failures at a time."""
        return float(self.scale * self.beta * at ** (self.beta - 1))

    @property
    def mtbf(self) -> float:
        """The mean time between failures as it is at the end."""
        return 1 / self.intensity(self.end)

    def mtbf_interval(self, confidence: float = CONFIDENCE) -> Interval:
        """Give the interval of the mean time between failures at the end, of a watching that ended at a time fixed before.

        An approximation around the estimate by the unbiased shape (Crow; NIST/SEMATECH e-Handbook 8.4.5.2). Its upper end is
        infinite for so few failures that nothing bounds it.
        """
        from scipy.special import ndtri  # noqa: PLC0415 - takes a while to load, and only reports need it

        refuse_confidence(confidence)
        count, z = self.failures, float(ndtri((1 + confidence) / 2))
        now = self.end / (count * self.unbiased)
        low = now * count * (count - 1) / (count + z**2 / 4 + math.sqrt(count * z**2 / 2 + z**4 / 16)) ** 2
        below = count - z * math.sqrt(count / 2)
        return Interval(low, now * count * (count - 1) / below**2 if below > 0 else math.inf)


def misfit(times: Sequence[float], end: float) -> float:
    """Give how badly a power law fits: the statistic of Cramér and von Mises as MIL-HDBK-189 has it, 0 for a perfect fit.

    Args:
        times: When each failure came, from the beginning, ascending.
        end: When the watching ended.

    Raises:
        SpecError: as `fit`.
    """
    shape, count = fit(times, end).unbiased, len(times)
    steps = (
        ((at / end) ** shape - (2 * place - 1) / (2 * count)) ** 2 for place, at in enumerate(times, start=1)
    )
    return 1 / (12 * count) + math.fsum(steps)


def fit(times: Sequence[float], end: float | None = None, confidence: float = CONFIDENCE) -> Growth:
    """Fit a power law to the times of failures.

    Args:
        times: When each failure came, from the beginning, ascending.
        end: When the watching ended; None: with the last failure.
        confidence: Of the interval of `beta`.

    Raises:
        SpecError: too few failures, or times that cannot be.
    """
    ordered = list(times)
    refuse_confidence(confidence)
    if len(ordered) < _LEAST + (end is None):
        raise SpecError(f"a power law takes at least {_LEAST + (end is None)} failures, not {len(ordered)}")
    over = ordered[-1] if end is None else end
    if ordered[0] <= 0 or any(b < a for a, b in pairwise(ordered)) or ordered[-1] > over:
        raise SpecError("times must be ascending, after the beginning and not after the end")
    count = len(ordered)
    logs = sum(math.log(over / at) for at in ordered)
    if not logs:
        raise SpecError("all failures came at the same time, which is the end")
    beta = count / logs
    freedom = 2 * (count - 1) if end is None else 2 * count
    alpha = 1 - confidence
    interval = Interval(
        beta * chi2(alpha / 2, freedom) / (2 * count), beta * chi2(1 - alpha / 2, freedom) / (2 * count)
    )
    unbiased = beta * (count - 2 if end is None else count - 1) / count
    return Growth(beta, unbiased, count / over**beta, over, count, interval, confidence)


def fit_grouped(ends: Sequence[float], counts: Sequence[int]) -> tuple[float, float]:
    """Fit a power law to how many failures came in each of several spans (MIL-HDBK-189C 6.2.3).

    Args:
        ends: When each span ended; the first began at 0.
        counts: How many failures came in it.

    Returns:
        `beta` and `lambda`.

    Raises:
        SpecError: fewer than two spans with failures, or spans that cannot be.
    """
    if (
        len(ends) != len(counts)
        or any(b <= a for a, b in pairwise([0.0, *ends]))
        or min(counts, default=0) < 0
    ):
        raise SpecError("spans must be ascending, and each have a count of 0 or more")
    if sum(count > 0 for count in counts) < _LEAST:
        raise SpecError("a power law takes failures in at least two spans")
    spans = [(start, end, count) for (start, end), count in zip(pairwise([0.0, *ends]), counts, strict=True)]
    over = ends[-1]

    def slope(beta: float) -> float:
        total = 0.0
        for start, end, count in spans:
            grown, before = end**beta, start**beta
            later = start**beta * math.log(start) if start else 0.0
            total += count * ((grown * math.log(end) - later) / (grown - before) - math.log(over))
        return total

    low, high = 1e-6, 1e-6 * 2
    while slope(high) > 0:
        high *= 2
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    beta = (low + high) / 2
    return beta, sum(counts) / over**beta
