"""Figures as people read them. What is not known is a dash."""

import math

NONE = "–"  # noqa: RUF001 - a dash is what is meant
_SPANS = ((365 * 86400, "y"), (86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_MOST_DIGITS = 7
_FEW = 10
_AGES = 100 * 365 * 86400.0


def percent(value: float | None) -> str:
    """Write a share with two digits of what is missing to all of it: `99.953 %`, `97 %`, `100 %`."""
    if value is None:
        return NONE
    digits = _digits(value)
    # Never more than it was: 100 % only for all of it.
    cut = math.floor(value * 100 * 10**digits + 1e-6) / 10**digits
    return f"{cut:.{digits}f} %"


def between(low: float | None, high: float | None) -> str:
    """Write an interval of shares: `99.91 to 99.98 %`."""
    if low is None or high is None:
        return NONE
    return f"{percent(low).removesuffix(' %')} to {percent(high)}"


def span(seconds: float | None) -> str:
    """Write a time with its two largest units: `3 d 4 h`, `12 min 5 s`, `0.35 s`."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
    if seconds >= _AGES:
        return "over 100 y"  # of so little, no more than that can be said
    if seconds < _FEW:
        return f"{seconds:.2g} s" if seconds else "0 s"
    left = round(seconds)
    parts: list[str] = []
    for size, unit in _SPANS:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {unit}")
    return " ".join(part for part in parts[:2] if not part.startswith("0 "))


def latency(seconds: float | None) -> str:
    """Write a latency: `1.5 ms`, `120 ms`, `2.4 s`."""
    if seconds is None:
        return NONE
    if seconds >= 1:
        return f"{seconds:.1f} s"
    millis = seconds * 1000
    return f"{millis:.1f} ms" if millis < _FEW else f"{millis:.0f} ms"


def counted(count: int, noun: str) -> str:
    """Write a number of things: `1 failure`, `3 failures`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def chance(p: float) -> str:
    """Write a chance: `0.013`, `below 0.0001`."""
    return "below 0.0001" if p < 1e-4 else f"{p:.2g}"  # noqa: PLR2004 - nobody needs it closer


def _digits(value: float) -> int:
    missing = 1 - value
    if missing <= 0 or value <= 0:
        return 0
    return max(0, min(_MOST_DIGITS, math.ceil(-math.log10(missing)) - 1))
