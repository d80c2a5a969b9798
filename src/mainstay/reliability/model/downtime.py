"""Downtime: availability as people feel it."""

from mainstay.reliability.model.covered import refuse_share

YEAR = 365 * 86400.0
"""Seconds; no leap year."""


def downtime(available: float) -> float:
    """Give the seconds a year of being down.

    Raises:
        SpecError: it is no share.
    """
    refuse_share(available)
    return (1 - available) * YEAR


def steady(mtbf: float, mttr: float) -> float:
    """Give the availability of one unit that fails and is repaired; it may never fail.

    Args:
        mtbf: Seconds of working, on average, before it fails; may be infinite.
        mttr: Seconds of repair, on average; may be infinite.
    """
    if mttr == 0 or mtbf == float("inf"):
        return 1.0
    return 1 / (1 + mttr / mtbf) if mtbf else 0.0
