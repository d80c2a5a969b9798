"""How much of what can fail is survived, and how sure that is: the coverage of fault tolerance.

Each drill is one trial that was survived or not. The true share of failures of that class that the system survives
is not known; what `n` trials say of it is the interval of Clopper and Pearson (Biometrika 26, 1934), which contains the
truth in at least as many cases as it promises, whatever the truth is. Of 59 clean trials follows a coverage of at least
0.95, of 299 one of at least 0.99, with a confidence of 95 %.
"""

import math
from typing import TYPE_CHECKING, NamedTuple

from mainstay.base.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIDENCE = 0.95
"""The confidence that is usual, and told beside every bound."""
_STEPS = 60


class Interval(NamedTuple):
    """Between what and what a share lies."""

    low: float
    high: float


def lower_bound(survived: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """Give the share of failures that is survived at least, with so much confidence (one-sided).

    Args:
        survived: How many trials were survived.
        trials: How many there were; without any, nothing is known, and the bound is 0.
        confidence: Above 0 and below 1.

    Raises:
        SpecError: numbers that cannot be.
    """
    _refuse(survived, trials, confidence)
    if not survived:
        return 0.0
    if survived == trials:
        return float((1 - confidence) ** (1 / trials))
    # The share at which so many or more would be survived in one case of 20.
    return _solve(lambda share: _at_least(survived, trials, share), 1 - confidence)


def interval(survived: int, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """Give the two-sided interval of Clopper and Pearson for the share of failures that is survived.

    Raises:
        SpecError: numbers that cannot be.
    """
    each = (1 + confidence) / 2
    low = lower_bound(survived, trials, each)
    high = 1.0 - lower_bound(trials - survived, trials, each)
    return Interval(low, high)


def needed(coverage: float, confidence: float = CONFIDENCE) -> int:
    """Give how many trials, all of them survived, show a coverage of at least so much.

    Raises:
        SpecError: numbers that cannot be.
    """
    if not 0 < coverage < 1:
        raise SpecError(f"coverage must be above 0 and below 1, not {coverage}")
    _refuse(0, 0, confidence)
    return math.ceil(math.log(1 - confidence) / math.log(coverage))


def _refuse(survived: int, trials: int, confidence: float) -> None:
    if not 0 <= survived <= trials:
        raise SpecError(f"survived must be from 0 to the {trials} trials, not {survived}")
    if not 0 < confidence < 1:
        raise SpecError(f"confidence must be above 0 and below 1, not {confidence}")


def _at_least(count: int, trials: int, share: float) -> float:
    """Give the probability of `count` or more successes in so many trials of this share."""
    known = math.log(share), math.log1p(-share)
    whole = math.lgamma(trials + 1)
    return math.fsum(
        math.exp(
            whole - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + k * known[0] + (trials - k) * known[1]
        )
        for k in range(count, trials + 1)
    )


def _solve(rising: "Callable[[float], float]", wanted: float) -> float:
    """Give where a function that rises from 0 to 1 has a value, by halving."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < wanted else (low, middle)
    return low
