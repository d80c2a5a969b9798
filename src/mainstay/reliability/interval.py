"""Intervals: between what and what something lies, as far as is known."""

from typing import NamedTuple

from mainstay.base.errors import SpecError

CONFIDENCE = 0.95
"""The confidence that is usual, and told beside every interval."""


class Interval(NamedTuple):
    """Between what and what something lies."""

    low: float
    high: float

    def has(self, value: float) -> bool:
        """Tell whether a value is within."""
        return self.low <= value <= self.high


def refuse_confidence(confidence: float) -> None:
    """Refuse a confidence that cannot be.

    Raises:
        SpecError: it is not above 0 and below 1.
    """
    if not 0 < confidence < 1:
        raise SpecError(f"confidence must be above 0 and below 1, not {confidence}")


def chi2(share: float, freedom: int) -> float:
    """Give the value below which `share` (0 to 1) of a chi-square distribution with `freedom` degrees of freedom lies."""
    from scipy.special import gammaincinv  # noqa: PLC0415 - takes a while to load, and only reports need it

    return 2 * float(gammaincinv(freedom / 2, share))
