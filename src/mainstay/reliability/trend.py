"""Whether failures come more or less often as time goes on: without that, one mean time between them says little.

Three tests, which look for different things (NIST/SEMATECH e-Handbook 8.2.3.4):

======================== ================================================================================
Laplace                  whether failures lie early or late: best for a rate that changes exponentially
military handbook        the same for a power of time (MIL-HDBK-189): best for a system that is being improved
reverse arrangements     whether the gaps between failures grow: for any change that goes one way
======================== ================================================================================
"""

import math
from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

from mainstay.base.errors import SpecError

_LEAST = 2


class Trend(NamedTuple):
    """What a test found."""

    statistic: float
    p: float
    """The chance of a trend at least as strong, either way, if there is none."""
    direction: int
    """1: failures become rarer; -1: they become more frequent; 0: neither."""


def laplace(times: Sequence[float], end: float | None = None) -> Trend:
    """Test by where failures lie on average.

    Args:
        times: When each failure came, in seconds from the beginning, ascending.
        end: When the watching ended; None: with the last failure.

    Raises:
        SpecError: too few failures, or times that cannot be.
    """
    inner, over = _checked(times, end)
    count = len(inner)
    score = math.sqrt(12 * count) * (sum(inner) / count - over / 2) / over
    return Trend(score, _two_sided(score), _sign(-score))


def military(times: Sequence[float], end: float | None = None) -> Trend:
    """Test by the logarithms of times, which is best for what follows a power of time; chi-square.

    Args:
        times: As for `laplace`.
        end: Likewise.

    Raises:
        SpecError: likewise.
    """
    from scipy.special import gammainc  # noqa: PLC0415 - takes a while to load, and only reports need it

    inner, over = _checked(times, end)
    statistic = 2 * sum(math.log(over / at) for at in inner)
    below = float(gammainc(len(inner), statistic / 2))
    return Trend(statistic, min(1.0, 2 * min(below, 1 - below)), _sign(below - 0.5))


def reversals(times: Sequence[float]) -> Trend:
    """Test by how many pairs of gaps have the later one longer; the normal approximation, fit from about ten failures on.

    Args:
        times: As for `laplace`.

    Raises:
        SpecError: likewise.
    """
    inner, _ = _checked([*times], math.inf)
    gaps = [later - sooner for sooner, later in pairwise([0.0, *inner])]
    count = len(gaps)
    longer = sum(sooner < later for sooner, later in combinations(gaps, 2))
    mean = count * (count - 1) / 4
    deviation = math.sqrt((2 * count + 5) * (count - 1) * count / 72)
    # Half a step towards the mean, for a count that moves in whole ones.
    score = max(0.0, abs(longer - mean) - 0.5) / deviation
    return Trend(float(longer), _two_sided(score), _sign(longer - mean))


def _checked(times: Sequence[float], end: float | None) -> tuple[list[float], float]:
    ordered = list(times)
    if any(later < sooner for sooner, later in pairwise([0.0, *ordered])):
        raise SpecError("times must be ascending, and not before the beginning")
    over = ordered[-1] if end is None and ordered else end
    # The last failure says nothing of its own when it has ended the watching.
    inner = ordered[:-1] if end is None else ordered
    if len(inner) < _LEAST or over is None:
        raise SpecError(f"a trend takes at least {_LEAST} failures, not {len(inner)}")
    if inner[0] <= 0 or inner[-1] > over:
        raise SpecError("times must be after the beginning and not after the end")
    return inner, over


def _two_sided(score: float) -> float:
    return math.erfc(abs(score) / math.sqrt(2))


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
