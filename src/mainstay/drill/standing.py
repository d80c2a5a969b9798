"""How a system stands: the newest that its drills have shown of every cell, by what its file allows now.

A report of this kind has no run of its own: `run`, `length`, `rate`, `seed` and `live` are None, and each cell tells its.
Coverage is of all trials of the system as it is, not of the newest alone.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mainstay.drill.allowance import Allowance, allowance
from mainstay.drill.cell import Cell
from mainstay.drill.history import latest
from mainstay.drill.report import accept, fingerprint, whole
from mainstay.drill.verdict import DEGRADED, INVALID, OUTAGE, STALE, SURVIVED, Expectation, Judgement
from mainstay.system.schema import System

_BY_NUMBERS = (SURVIVED, DEGRADED, OUTAGE)
"""Verdicts that may be as expected, by their numbers; the others never are."""


def standing(
    system: System,
    asked: Sequence[Cell],
    reports: Iterable[Mapping[str, Any]],
    now: float,
    planned: int | None = None,
) -> dict[str, Any]:
    """Give the report of what is known.

    Args:
        system: As it is.
        asked: The cells that are asked for.
        reports: Of its drills, the oldest first.
        now: Seconds since 1970.
        planned: How many cells it implies; None: those that are asked for are all.
    """
    mark = fingerprint(system)
    today = dt.datetime.fromtimestamp(now, dt.UTC).date()
    trials: list[dict[str, Any]] = []
    known = latest(asked, _counted(reports, mark, trials), mark, now)
    rows = [_by(row, allowance(system, cell, today)) for cell, row in zip(asked, known, strict=True)]
    terms = {
        "fingerprint": mark,
        "run": None,
        "at": now,
        "live": None,
        "length": None,
        "rate": None,
        "seed": None,
    }
    return whole(system, terms, rows, len(asked) if planned is None else planned, trials)


def _counted(
    reports: Iterable[Mapping[str, Any]], mark: str, trials: list[dict[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """Pass reports on, and write down the trials of the system as it is: so that none has to be held for longer."""
    for report in reports:
        if report["fingerprint"] == mark:
            trials += [
                {name: row.get(name, INVALID) for name in ("class", "measured")} for row in report["cells"]
            ]
        yield report


def _by(row: dict[str, Any], told: Allowance) -> dict[str, Any]:
    """Judge what was measured by what is allowed now, which may be something else than when it was."""
    if "measured" not in row or row["verdict"] == STALE:
        return row
    because = row["because"].removesuffix(f"; accepted: {row['accepted']}")
    # One that was called off has not shown the rest.
    met = row["measured"] in _BY_NUMBERS and not row["aborted"] and _within(row, told.expected)
    judged = accept(Judgement(row["measured"], because, met), told.accepted)
    return {
        **row,
        "expected": told.expected.words(),
        "verdict": judged.verdict,
        "because": judged.because,
        "met": judged.met,
        "accepted": told.accepted or None,
    }


def _within(row: Mapping[str, Any], expected: Expectation) -> bool:
    slowest = row["latency"]["during"]["p99"]
    return (
        row["failed"] <= expected.failed * row["sent"]
        and (expected.gap is None or row["gap"] <= expected.gap)
        and (expected.latency is None or (slowest is not None and slowest <= expected.latency))
    )
