"""Figures of a report as people read them; a dash stands for what is not known."""

import time
from collections.abc import Mapping
from typing import Any

NONE = "–"  # noqa: RUF001 - a dash is what is meant
_SPANS = ((86400, "day"), (3600, "hour"), (60, "minute"))


def seconds(value: float | None) -> str:
    """Write a time: `1.90 s`."""
    return NONE if value is None else f"{value:.2f} s"


def millis(value: float | None) -> str:
    """Write a latency: `12 ms`."""
    if value is None:
        return NONE
    return f"{value * 1000:.1f} ms" if value < 0.01 else f"{value * 1000:,.0f} ms"  # noqa: PLR2004 - a digit more for small ones


def failed(row: Mapping[str, Any]) -> str:
    """Write how many of how many failed: `37 of 4,000`."""
    return f"{row['failed']:,} of {row['sent']:,}" if played(row) else NONE


def percentiles(row: Mapping[str, Any]) -> str:
    """Write what 99 of 100 answers took before, during and after the fault, in milliseconds: `12 / 80 / 13`."""
    if not played(row):
        return NONE
    values = [row["latency"][window]["p99"] for window in ("before", "during", "after")]
    return " / ".join(NONE if value is None else f"{value * 1000:,.0f}" for value in values)


def kinds(row: Mapping[str, Any]) -> str:
    """Write how requests failed: `30 status 503, 7 timeout`."""
    return ", ".join(f"{count:,} {kind}" for kind, count in row["failures"].items()) or "none"


def ago(age: float) -> str:
    """Write an age with its largest unit: `3 days`."""
    for size, unit in _SPANS:
        if age >= size:
            return counted(int(age // size), unit)
    return "under a minute"


def counted(count: int, noun: str, several: str = "") -> str:
    """Write a number of things: `1 cell`, `3 cells`."""
    return f"{count:,} {noun if count == 1 else several or f'{noun}s'}"


def stamp(at: float) -> str:
    """Write a moment as ISO 8601 has it, in UTC: `2026-11-25T13:29:50`."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))


def length(row: Mapping[str, Any]) -> float:
    """Give how long users were watched in a cell, in seconds."""
    steps = [line for lines in row.get("timeline", {}).values() for line in lines]
    return max((line[0] for line in steps), default=0.0) - min((line[0] for line in steps), default=0.0)


def played(row: Mapping[str, Any]) -> bool:
    """Tell whether a cell was played, so that there are numbers."""
    return "measured" in row
