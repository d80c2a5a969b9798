"""The matrix: for each fault and system the figures of each round, and their medians."""

import math
from statistics import median
from typing import Any

from benchmarks.survival.reading import KEYED, UNKEYED, Entry

OURS = ("mainstay", "addresses")
Results = dict[str, Any]
"""`cells`: by milliseconds of work, then fault, then system, an entry for each round; null: that cannot happen to it."""


def keep(results: Results, work: str, fault: str, name: str, entry: Entry | None) -> None:
    """Put an entry where it belongs."""
    row = results["cells"].setdefault(work, {}).setdefault(fault, {})
    row.setdefault(name, []).append(entry)


def systems(results: Results, work: str) -> list[str]:
    """Give those that were measured: ours first, whatever was measured first."""
    rows = results["cells"].get(work, {}).values()
    measured = [name for name in results["versions"] if any(name in row for row in rows)]
    return sorted(measured, key=lambda name: (*OURS, name.split()[0]).index(name.split()[0]))


def entries(results: Results, work: str, fault: str, name: str) -> list[Entry]:
    """Give the rounds of one cell."""
    found = results["cells"].get(work, {}).get(fault, {}).get(name, [])
    return [entry for entry in found if entry is not None]


def value(entry: Entry, key: str) -> float | None:
    """Give a figure by its name, as in `failed.get`; None: it is not known, or never came."""
    at: Any = entry
    for word in key.split("."):
        at = at.get(word) if isinstance(at, dict) else None
    return at if isinstance(at, int | float) else None


def middle(found: list[Entry], key: str) -> float | None:
    """Give the median of a figure. One that never came counts as later than all others."""
    known = [math.inf if (one := value(entry, key)) is None else one for entry in found]
    result = median(known) if known else math.inf
    return result if math.isfinite(result) else None


def total(found: list[Entry], key: str) -> int:
    """Add a count up over all rounds: what may never happen is not smoothed away."""
    return sum(int(value(entry, key) or 0) for entry in found)


def doubled(found: list[Entry]) -> int:
    """Give the POSTs that were executed twice, in all rounds."""
    return sum(total(found, f"doubled.{name}") for name in (UNKEYED, KEYED))
