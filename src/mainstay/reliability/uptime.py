"""The share of time in which something is up, and how sure that is.

For times of being up and of being down that are both exponential, the ratio of their sums follows Fisher's F (Trivedi,
Probability and Statistics, 2nd ed., ch. 10). Of few outages it says little, and the interval says so.
"""

import math
from functools import lru_cache

from mainstay.base.errors import SpecError
from mainstay.reliability.interval import CONFIDENCE, Interval, refuse_confidence
from mainstay.reliability.rate import at_least

_ALL = 1.0


def interval(up: float, down: float, ups: int, downs: int, confidence: float = CONFIDENCE) -> Interval:
    """Give between what and what the availability lies.

    Args:
        up: Seconds of being up, all spans together.
        down: Seconds of being down.
        ups: How many spans of being up there were.
        downs: How many of being down.
        confidence: Two-sided.

    Raises:
        SpecError: numbers that cannot be.
    """
    _refuse(up, down, ups, downs, confidence)
    if not downs or not ups:
        return Interval(0.0, 1.0)
    alpha, ratio = 1 - confidence, down / up
    # rho_hat / rho follows F(2 downs, 2 ups), so that rho lies between rho_hat over its quantiles.
    high = ratio / _f(alpha / 2, 2 * downs, 2 * ups)
    low = ratio / _f(1 - alpha / 2, 2 * downs, 2 * ups)
    return Interval(1 / (1 + high), 1 / (1 + low))


def without_outage(watched: float, repair: float, confidence: float = CONFIDENCE) -> float:
    """Give what the availability is at least, of something that was up all the time (one-sided).

    Args:
        watched: Seconds.
        repair: Seconds that an outage would take.
        confidence: Of the bound.

    Raises:
        SpecError: numbers that cannot be.
    """
    if not 0 <= repair < math.inf:
        raise SpecError(f"repair must be 0 or more, not {repair}")
    least = at_least(watched, 0, confidence)
    return least / (least + repair) if least + repair else 0.0


def nines(availability: float) -> float:
    """Give an availability as a number of nines: 0.999 is 3; infinite for 1.

    Raises:
        SpecError: it is no share.
    """
    if not 0 <= availability <= _ALL:
        raise SpecError(f"availability must be from 0 to 1, not {availability}")
    return math.inf if availability == _ALL else -math.log10(1 - availability)


def needed(availability: float, repair: float, confidence: float = CONFIDENCE) -> float:
    """Give for how many seconds, without an outage, something has to be watched to show so much availability.

    Args:
        availability: What is to be shown, below 1.
        repair: Seconds that an outage would take.
        confidence: One-sided.

    Raises:
        SpecError: numbers that cannot be.
    """
    refuse_confidence(confidence)
    if not 0 < availability < _ALL or not 0 < repair < math.inf:
        raise SpecError(
            f"availability must be above 0 and below 1, and repair above 0, not {availability}, {repair}"
        )
    return repair * availability / (1 - availability) * -math.log(1 - confidence)


def _refuse(up: float, down: float, ups: int, downs: int, confidence: float) -> None:
    refuse_confidence(confidence)
    if not 0 < up < math.inf or not 0 <= down < math.inf:
        raise SpecError(f"times of being up and down must be above 0, and 0 or more, not {up} and {down}")
    if ups < 0 or downs < 0:
        raise SpecError(f"there cannot be {ups} spans of being up and {downs} of being down")


@lru_cache(maxsize=4096)
def _f(share: float, over: int, under: int) -> float:
    # Asked for again and again: hundreds of instances have a few failures each, and it takes a millisecond.
    from scipy.special import fdtri  # noqa: PLC0415 - takes a while to load, and only reports need it

    return float(fdtri(over, under, share))
