"""The report of a run: plain values, of which every other form is made; docs/reference/drill-report.md tells its shape."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mainstay import __version__
from mainstay.drill.cell import Cell
from mainstay.drill.conductor import Course
from mainstay.drill.fault.kind import CLASSES
from mainstay.drill.load.tally import Latency
from mainstay.drill.reading import routes, timeline
from mainstay.drill.verdict import (
    ACCEPTED,
    DEGRADED,
    INVALID,
    NOT_RUN,
    SURVIVED,
    Expectation,
    Judgement,
    Seen,
    plain,
    worst,
)
from mainstay.reliability.coverage import lower_bound, needed
from mainstay.reliability.interval import CONFIDENCE
from mainstay.system.schema import System

VERSION = 1
"""The version of the report's shape; it grows when a field changes its meaning or goes."""
PLAYED = frozenset(
    {
        "because",
        "met",
        "sent",
        "failed",
        "failures",
        "gap",
        "lasted",
        "detected",
        "failover",
        "recovered",
        "latency",
    }
    | {
        "retries",
        "hedges",
        "generator",
        "routes",
        "timeline",
        "at",
        "seed",
        "run",
        "reproduce",
        "class",
        "verdict",
    }
)
"""What the line of a cell that was played has beside its name, as far as somebody relies on it."""
WANTED = 0.95
"""The coverage that a report tells the missing runs for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is the same for every cell of a run."""

    run: str
    """Its name."""
    at: float
    """When it began, in seconds since 1970."""
    live: bool
    seed: int
    length: str
    """`quick`, `standard` or `full`."""
    rate: float
    fingerprint: str
    writes: bool = False
    """Whether the live system got writes."""


def fingerprint(system: System) -> str:
    """Give what changes when the system does, but for its name and how it is drilled: what was shown of another proves nothing.

    It is of what the file says, and not of the defaults: with another key in the schema, no system is another one.
    """
    told = system.model_dump(mode="json", exclude={"name", "drills"}, exclude_unset=True, warnings=False)
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def row(  # noqa: PLR0913, PLR0917 - all that is known of it
    cell: Cell,
    course: Course,
    seen: Seen,
    judgement: Judgement,
    expected: Expectation,
    accepted: str,
    terms: Terms,
) -> dict[str, Any]:
    """Give what a report says of a cell that was played."""
    judged = accept(judgement, accepted)
    gap = seen.gap
    return {
        **head(cell),
        "expected": expected.words(),
        "verdict": judged.verdict,
        "measured": judgement.verdict,
        "because": judged.because,
        "met": judged.met,
        "accepted": accepted or None,
        "sent": seen.sent,
        "failed": seen.failed,
        "failures": dict(sorted(seen.failures.items())),
        "gap": plain(gap.seconds if gap is not None else 0.0),
        "lasted": plain(max(0.0, course.over - course.broken)),
        "detected": plain(seen.detected),
        "failover": plain(seen.served_again),
        "recovered": plain(seen.recovered),
        "latency": {name: _latency(getattr(seen, name)) for name in ("before", "during", "after")},
        "retries": seen.retries,
        "hedges": seen.hedges,
        "writes": _writes(seen),
        "human": seen.human,
        "confirmed": seen.confirmed or None,
        "aborted": course.aborted or None,
        "generator": {"lag_p99": plain(seen.lag), "unsent": seen.unsent},
        "routes": routes(course),
        "timeline": timeline(course),
        "at": course.wall,
        "seed": terms.seed,
        "run": terms.run,
        "reproduce": reproduce(cell, terms),
    }


def head(cell: Cell) -> dict[str, Any]:
    """Give what is known of a cell before it is played."""
    return {
        "cell": cell.name,
        "fault": "+".join(part.kind.name for part in cell.parts),
        "target": "+".join(part.target.name for part in cell.parts),
        "class": cell.kind.family,
        "title": " and ".join(part.kind.title for part in cell.parts),
        "breaks": sorted(cell.touches),
    }


def unplayed(cell: Cell, because: str, verdict: str = NOT_RUN) -> dict[str, Any]:
    """Give what a report says of a cell that was not played."""
    return {**head(cell), "verdict": verdict, "because": because, "met": verdict == ACCEPTED}


def reproduce(cell: Cell, terms: Terms) -> str:
    """Give the command that plays a cell once more."""
    if cell.beside is None:
        words = ["mainstay drill run", f"--fault {cell.kind.name}", f"--target {cell.target.name}"]
    else:
        words = ["mainstay drill run", f"--cell {cell.name}"]
    if terms.length != "standard":
        words.append(f"--{terms.length}")
    words += [f"--rps {terms.rate:g}", f"--seed {terms.seed}", *(["--live"] if terms.live else [])]
    words += ["--writes"] if terms.live and terms.writes else []
    return " ".join(words)


def report(system: System, terms: Terms, rows: Sequence[dict[str, Any]], planned: int) -> dict[str, Any]:
    """Give the report of a run.

    Args:
        system: What was drilled.
        terms: What was the same for all.
        rows: A line for each cell.
        planned: How many cells the system file implies.
    """
    return whole(system, asdict(terms), rows, planned, rows)


def whole(
    system: System,
    terms: Mapping[str, Any],
    rows: Sequence[dict[str, Any]],
    planned: int,
    trials: Iterable[Mapping[str, Any]],
) -> dict[str, Any]:
    """Give a report.

    Args:
        system: What was drilled.
        terms: Those of `Terms`, by name; None for what is not the same for all.
        rows: A line for each cell.
        planned: How many cells the system file implies.
        trials: The lines that coverage is told by.
    """
    return {
        "version": VERSION,
        "mainstay": __version__,
        "system": system.name,
        "file": str(system.file),
        "fingerprint": terms["fingerprint"],
        "run": terms["run"],
        "at": terms["at"],
        "live": terms["live"],
        "length": terms["length"],
        "rate": terms["rate"],
        "seed": terms["seed"],
        "planned": planned,
        "met": all(one["met"] for one in rows) and bool(rows),
        "worst": worst([one["verdict"] for one in rows]),
        "coverage": coverage(trials),
        "cells": list(rows),
    }


def accept(judgement: Judgement, reason: str) -> Judgement:
    """Give what an outcome counts as where there is a reason to accept it; empty for none."""
    # What proves nothing cannot be accepted: nobody knows what there would be to accept.
    if judgement.met or not reason or judgement.verdict == INVALID:
        return judgement
    return Judgement(ACCEPTED, f"{judgement.because}; accepted: {reason}", met=True)


def coverage(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Give for each class of faults how many trials were survived, and what that shows at least.

    What proves nothing, or was not run, is no trial. One in which the fault was survived slowly is survived: users were
    served.
    """
    trials: dict[str, list[bool]] = {}
    for one in rows:
        if one.get("measured", INVALID) not in (INVALID, NOT_RUN):
            trials.setdefault(one["class"], []).append(one["measured"] in (SURVIVED, DEGRADED))
    return [
        {
            "class": name,
            "trials": len(trials[name]),
            "survived": sum(trials[name]),
            "at_least": round(lower_bound(sum(trials[name]), len(trials[name])), 4),
            "confidence": CONFIDENCE,
            "clean_runs_for_95": needed(WANTED),
        }
        for name in CLASSES
        if name in trials
    ]


def _latency(latency: Latency) -> dict[str, Any]:
    return {name: plain(value) for name, value in latency._asdict().items()}


def _writes(seen: Seen) -> dict[str, int] | None:
    orders = seen.orders
    if orders is None:
        return None
    return {
        "acknowledged": orders.acknowledged,
        "executed": orders.executed,
        "lost": len(orders.lost),
        "twice": len(orders.twice),
        "unknown": len(orders.unknown),
    }
