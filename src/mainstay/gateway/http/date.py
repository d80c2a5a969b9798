"""Dates as HTTP writes them (RFC 9110 §5.6.7)."""

import re
from datetime import UTC, datetime

from mainstay.gateway.http.grammar import length

_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_FIXED = re.compile(
    rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) (%b) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
    % b"|".join(_MONTHS)
)


def until(value: bytes, now: float) -> float | None:
    """Give the seconds from now to a date, at least 0; None when it is none, or in one of the obsolete forms.

    Args:
        value: As it was written.
        now: Seconds since 1970 (UTC).
    """
    found = _FIXED.fullmatch(value)
    if found is None:
        return None
    day, year, hour, minute, second = (length(found[at]) for at in (1, 3, 4, 5, 6))
    try:
        date = datetime(year, _MONTHS.index(found[2]) + 1, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None
    return max(0.0, date.timestamp() - now)
