"""Durations, sizes and shares as people write them: `500ms`, `64KiB`, `99.95%`.

Each kind has a pair: `parse_*` reads what a person wrote and refuses all else, naming what is allowed;
`format_*` writes a value so that reading it gives the value back.
"""

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from mainstay.base.errors import SpecError

DURATION_UNITS: Mapping[str, int] = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
"""What a duration may be written in, each in milliseconds."""

SIZE_UNITS: Mapping[str, int] = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
"""What a size may be written in, each in bytes: `KB` is 1,000 and `KiB` 1,024 (IEC 80000-13)."""

# ASCII digits only: `\d` would let the digits of every script through. Twelve of them are more than any
# machine has of anything, and bound the work that one scalar can cause.
NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
DURATION_PATTERN = rf"^(?:0|{NUMBER}(?:{'|'.join(DURATION_UNITS)}))$"
"""A regular expression (also of ECMA 262, for JSON Schema) of every duration that can be read."""
SIZE_PATTERN = rf"^(?:0|{NUMBER}(?:{'|'.join(SIZE_UNITS)}))$"
"""Likewise of every size."""
SHARE_PATTERN = rf"^{NUMBER}%$"
"""Likewise of every share; that it is at most 100% is beyond a pattern."""

_WRITTEN = re.compile(rf"({NUMBER})([A-Za-z%]+)")
_BARE = re.compile(NUMBER)


def parse_duration(written: object) -> float:
    """Read a duration such as `500ms`, `1s` or `30d`, in seconds; 0 needs no unit.

    Raises:
        SpecError: it is not a duration; the message names the units.
    """
    return float(_quantity(written, "duration", DURATION_UNITS, "500ms") / 1000)


def format_duration(seconds: float) -> str:
    """Write seconds in the largest unit that needs no fraction, else in `s` or `ms`: `2m`, `90s`, `1.5s`, `0.5ms`."""
    exact = Fraction(_rounded(Decimal(repr(float(seconds)))))
    if not exact:
        return "0"
    for unit in ("d", "h", "m", "s"):
        count = exact * 1000 / DURATION_UNITS[unit]
        if count.denominator == 1:
            return f"{count.numerator}{unit}"
    return f"{_plain(exact)}s" if abs(exact) > 1 else f"{_plain(exact * 1000)}ms"


def parse_size(written: object) -> int:
    """Read a size such as `64KiB` or `1MB`, in bytes; 0 needs no unit.

    Raises:
        SpecError: it is not a size, or not a whole number of bytes; the message names the units.
    """
    size = _quantity(written, "size", SIZE_UNITS, "64KiB")
    if size.denominator != 1:
        raise SpecError(f"{_found(written)} is not a whole number of bytes")
    return size.numerator


def format_size(size: int) -> str:
    """Write bytes in the largest unit that needs no fraction, binary ones first: 65536 is `64KiB`."""
    for unit in ("GiB", "MiB", "KiB", "GB", "MB", "KB"):
        if size and size % SIZE_UNITS[unit] == 0:
            return f"{size // SIZE_UNITS[unit]}{unit}"
    return f"{size}B" if size else "0"


def parse_share(written: object) -> float:
    """Read a share such as `99.95%`, from 0 to 1.

    Raises:
        SpecError: it is not a share, or above 100%.
    """
    share = _quantity(written, "share", {"%": 1}, "20%") / 100
    if share > 1:
        raise SpecError(f"{_found(written)} is more than 100%")
    return float(share)


def format_share(share: float) -> str:
    """Write a share from 0 to 1 in percent: 0.9995 is `99.95%`."""
    return f"{_plain(Fraction(_rounded(Decimal(repr(float(share))) * 100)))}%"


def _quantity(written: object, kind: str, units: Mapping[str, int], example: str) -> Fraction:
    if written in (0, "0") and written is not False and kind != "share":
        return Fraction(0)
    text = str(written)
    if isinstance(written, str) and (match := _WRITTEN.fullmatch(text)) and match[2] in units:
        return Fraction(match[1]) * units[match[2]]
    if not isinstance(written, bool) and _BARE.fullmatch(text):
        raise SpecError(f"{_found(written)} has no unit: write {_choice([f'{text}{u}' for u in units])}")
    what = "%" if kind == "share" else f"one of {', '.join(units)}"
    raise SpecError(f"{_found(written)} is not a {kind}: write a number and {what}, as in {example}")


def _found(written: object) -> str:
    return f"'{written}'" if isinstance(written, str) else str(written)


def _choice(words: list[str]) -> str:
    return " or ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def _rounded(number: Decimal) -> Decimal:
    # Nine decimals: nanoseconds, and as fine as a share can be written.
    return number.quantize(Decimal("1e-9"), ROUND_HALF_EVEN)


def _plain(number: Fraction) -> str:
    text = f"{_rounded(Decimal(number.numerator) / Decimal(number.denominator)):f}"
    return text.rstrip("0").rstrip(".")
