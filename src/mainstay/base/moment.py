"""Moments as people write them: `2026-11-25`, `2026-11-25T13:30`; always UTC."""

import calendar
import time

from mainstay.base.errors import SpecError

_FORMS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S")


def moment(at: float) -> str:
    """Write a moment: `2026-11-25 13:29 UTC`."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def stamp(written: str, where: str) -> float:
    """Read a moment, in seconds since 1970.

    Args:
        written: What a person wrote; a `Z` at the end may be there.
        where: The option, for the message.

    Raises:
        SpecError: it is none.
    """
    for form in _FORMS:
        try:
            return float(calendar.timegm(time.strptime(written.removesuffix("Z"), form)))
        except ValueError:
            continue
    raise SpecError(f"{where}: '{written}' is no time; write 2026-11-25 or 2026-11-25T13:30, in UTC")
