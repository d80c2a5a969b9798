"""Which of several fails more than chance would allow.

If all fail at one rate, the failures that there were fall on each by its share of the time alone. So of `n` failures, those of one
with a share `p` of the exposure are binomial, and the chance of so many or more is exact, however few there are (Przyborowski and
Wilenski, Biometrika 31, 1940). Who looks at many finds something by chance: each chance is taken times as many as were looked
at (Bonferroni).
"""

from collections.abc import Mapping
from typing import NamedTuple

from mainstay.base.errors import SpecError

SIGNIFICANT = 0.05
"""The chance below which something is told."""


class Excess(NamedTuple):
    """One that fails more often than its share."""

    name: str
    failures: int
    of: int
    """Failures of all."""
    share: float
    """Its share of the exposure."""
    p: float
    """The chance of so many or more, times as many as were looked at."""


def excess(told: Mapping[str, tuple[int, float]], least: float = SIGNIFICANT) -> list[Excess]:
    """Give those that fail more than chance would allow, the most striking first.

    Args:
        told: By name, how often each failed, and for how long it could have.
        least: The chance below which one is told.

    Raises:
        SpecError: numbers that cannot be.
    """
    if any(failures < 0 or exposure < 0 for failures, exposure in told.values()):
        raise SpecError("failures and exposures must be 0 or more")
    count = sum(failures for failures, _ in told.values())
    every = sum(exposure for _, exposure in told.values())
    if len(told) <= 1 or not count or not every:
        return []
    found = [
        Excess(name, failures, count, exposure / every, p)
        for name, (failures, exposure) in told.items()
        if (p := min(1.0, len(told) * _so_many(failures, count, exposure / every))) < least
    ]
    return sorted(found, key=lambda one: one.p)


def _so_many(failures: int, of: int, share: float) -> float:
    """Give the chance of so many failures or more among all."""
    if not failures or share >= 1:
        return 1.0
    if share <= 0:
        return 0.0
    from scipy.special import betainc  # noqa: PLC0415 - takes a while to load, and only reports need it

    return float(betainc(failures, of - failures + 1, share))
