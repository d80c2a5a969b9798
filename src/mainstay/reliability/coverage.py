"""How much of what can fail is survived, and how sure that is: the coverage of fault tolerance.

Each drill is one trial that was survived or not. The true share of failures of that class that the system survives
is not known; what `n` trials say of it is the interval of Clopper and Pearson (Biometrika 26, 1934), which contains the
truth in at least as many cases as it promises, whatever the truth is. Of 59 clean trials follows a coverage of at least
0.95, of 299 one of at least 0.99, with a confidence of 95 %.
"""

import math

from mainstay.base.errors import SpecError
from mainstay.reliability.interval import CONFIDENCE, Interval, refuse_confidence


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
    from scipy.special import betaincinv  # noqa: PLC0415 - takes a while to load, and only reports need it

    return float(betaincinv(survived, trials - survived + 1, 1 - confidence))


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
    refuse_confidence(confidence)
