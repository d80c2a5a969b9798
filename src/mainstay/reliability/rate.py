"""How often something fails: the mean time between failures, and how sure that is.

Failures that come by chance alone, at a rate that does not change (a homogeneous Poisson process), leave after `r` of them
in a time `T` an estimate of `T / r` and a chi-square interval around it (NIST/SEMATECH e-Handbook 8.4.5.1; MIL-HDBK-338B
8.3.2.5). Without a failure there is no estimate, and yet a lower bound: the "rule of three" at 95 %. Whether the rate does not
change is another question, which `trend` answers.
"""

import math
from typing import NamedTuple

from mainstay.base.errors import SpecError
from mainstay.reliability.interval import CONFIDENCE, Interval, chi2, refuse_confidence


class Rate(NamedTuple):
    """The mean time between failures of something that was watched for a while."""

    exposure: float
    """How long it was watched, or the sum over all that were, in seconds."""
    failures: int
    mtbf: float
    """Seconds; infinite when nothing failed."""
    interval: Interval
    """Two-sided. Without a failure it has no upper end, and its lower one is one-sided."""
    confidence: float


def mtbf(
    exposure: float, failures: int, confidence: float = CONFIDENCE, *, until_failure: bool = False
) -> Rate:
    """Estimate the mean time between failures.

    Args:
        exposure: Seconds of watching, all units together.
        failures: How many there were.
        confidence: Of the interval.
        until_failure: Whether the watching ended with the last failure, not at a time that was fixed before.

    Raises:
        SpecError: numbers that cannot be.
    """
    _refuse(exposure, failures, confidence)
    if not failures:
        return Rate(exposure, 0, math.inf, Interval(at_least(exposure, 0, confidence), math.inf), confidence)
    alpha = 1 - confidence
    freedom = 2 * failures if until_failure else 2 * failures + 2
    low = 2 * exposure / chi2(1 - alpha / 2, freedom)
    high = 2 * exposure / chi2(alpha / 2, 2 * failures)
    return Rate(exposure, failures, exposure / failures, Interval(low, high), confidence)


def at_least(
    exposure: float, failures: int, confidence: float = CONFIDENCE, *, until_failure: bool = False
) -> float:
    """Give the mean time between failures that is exceeded with so much confidence (one-sided), in seconds.

    Raises:
        SpecError: numbers that cannot be.
    """
    _refuse(exposure, failures, confidence)
    if until_failure and not failures:
        raise SpecError("failures must be 1 or more when the watching ended with one")
    freedom = 2 * failures if until_failure else 2 * failures + 2
    return 2 * exposure / chi2(confidence, freedom)


def _refuse(exposure: float, failures: int, confidence: float) -> None:
    if not 0 <= exposure < math.inf:
        raise SpecError(f"exposure must be 0 or more, not {exposure}")
    if failures < 0:
        raise SpecError(f"failures must be 0 or more, not {failures}")
    refuse_confidence(confidence)
