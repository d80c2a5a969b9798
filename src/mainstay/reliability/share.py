"""Good requests among valid ones, and how sure that share is when failures come in clusters.

Requests are not independent: what fails one mostly fails its neighbours. To count each as a trial of its own would make an interval
that is far too narrow. So the period is cut into blocks (hours, say), and the variance is taken from how the blocks differ; as many
independent requests as would vary so much are the *effective* ones, of which Wilson's interval is made (the first-order correction
of Rao and Scott, Biometrics 48, 1992).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from mainstay.base.errors import SpecError
from mainstay.reliability import coverage
from mainstay.reliability.interval import CONFIDENCE, Interval, refuse_confidence

LEAST_BLOCKS = 10
"""Below so many blocks with requests, their differences say nothing of the variance."""


class Share(NamedTuple):
    """Good ones among valid ones."""

    good: int
    valid: int
    share: float | None
    """None without any."""
    interval: Interval
    """Two-sided; from 0 to 1 without any."""
    blocks: int
    """Into how many blocks with requests the period was cut."""
    effective: float | None
    """As many independent requests would be as sure; None when the blocks could not tell, and each request counts as independent,
    which makes the interval too narrow."""
    confidence: float


def share(blocks: Sequence[tuple[int, int]], confidence: float = CONFIDENCE) -> Share:
    """Estimate the share of good ones.

    Args:
        blocks: Of each block, how many were good, and how many there were.
        confidence: Of the interval.

    Raises:
        SpecError: more good ones than there were.
    """
    refuse_confidence(confidence)
    if any(not 0 <= good <= valid for good, valid in blocks):
        raise SpecError("good ones must be from 0 to all that are valid")
    used = [(good, valid) for good, valid in blocks if valid]
    good, valid = sum(one for one, _ in used), sum(one for _, one in used)
    if not valid:
        return Share(0, 0, None, Interval(0.0, 1.0), 0, None, confidence)
    part = good / valid
    if len(used) < LEAST_BLOCKS or good in (0, valid):
        exact = coverage.interval(good, valid, confidence)
        return Share(good, valid, part, exact, len(used), None, confidence)
    effective = valid / _effect(used, part, valid)
    return Share(good, valid, part, _wilson(part, effective, confidence), len(used), effective, confidence)


def _effect(blocks: Sequence[tuple[int, int]], part: float, valid: int) -> float:
    """Give by how much the variance is larger than that of independent requests, at least 1."""
    count = len(blocks)
    residuals = sum((good - part * size) ** 2 for good, size in blocks)
    variance = count / (count - 1) * residuals / valid**2
    return max(1.0, variance / (part * (1 - part) / valid))


def _wilson(part: float, trials: float, confidence: float) -> Interval:
    from scipy.special import ndtri  # noqa: PLC0415 - takes a while to load, and only reports need it

    z = float(ndtri((1 + confidence) / 2))
    under = 1 + z**2 / trials
    middle = (part + z**2 / (2 * trials)) / under
    away = z / under * math.sqrt(part * (1 - part) / trials + z**2 / (4 * trials**2))
    return Interval(max(0.0, middle - away), min(1.0, middle + away))
