"""Reading a course: which numbers a verdict is given by, and what stands in the report beside it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import inf, isfinite, nan
from typing import Any

from mainstay.drill.cell import Cell
from mainstay.drill.conductor import Course
from mainstay.drill.load.record import Record
from mainstay.drill.load.tally import Fault, Latency, Orders, Stretch, Tally, hit, percentile, tally
from mainstay.drill.verdict import Seen

BIN = 0.1
"""Seconds of one step of the timeline: the time in which people notice a delay."""
_WARNING = "CertificateNearedExpiry"
_WELL = ("up", "suspect")
_LOSS = (
    "InstanceExited",
    "InstanceEjected",
    "InstanceDoubted",
    "ZoneShunned",
    "WorkerExited",
    "WorkerStarted",
)


def seen(cell: Cell, course: Course, orders: Orders | None) -> Seen:
    """Give what a verdict is given by.

    Users of several entry points are counted together; of the times that they waited, those of the entry count that
    got the slowest of them, and of the times without an answer, the longest.

    Args:
        cell: What was done.
        course: What happened.
        orders: What became of the writes; None when nobody can tell.
    """
    tallies = [_tally(course, records) for records in course.records.values()]
    slowest = max(tallies, key=lambda one: _known(one.during.p99), default=None)
    during, after = _of_all(tallies, "during"), _of_all(tallies, "after")
    failed = _failed(course)
    return Seen(
        confirmed=course.confirmed,
        trouble=course.trouble,
        aborted=course.aborted,
        before=_merged(_of_all(tallies, "before"), slowest.before if slowest is not None else None),
        during=_merged(during, slowest.during if slowest is not None else None),
        after=_merged(after, slowest.after if slowest is not None else None),
        failures=Counter(_how(record) for record in failed),
        gap=max((one.longest_outage for one in tallies if one.longest_outage), key=_seconds, default=None),
        served_again=max([0.0, *(record.at - (course.broken - course.began) for record in failed)]),
        detected=_detected(cell, course),
        recovered=max(0.0, course.back - course.over),
        failing_after=sum(part.failed for part in after),
        lag=course.lag,
        unsent=course.unsent,
        orders=orders,
        retries=course.retries,
        hedges=course.hedges,
    )


def counted(course: Course) -> dict[str, list[Record]]:
    """Give the records of each entry point without those of the warm-up."""
    warm = course.counted - course.began
    return {
        name: [record for record in records if record.at >= warm] for name, records in course.records.items()
    }


def timeline(course: Course) -> dict[str, list[list[float | int | None]]]:
    """Give what users of each entry point saw, step by step.

    Returns:
        For each entry point a line for each tenth of a second: when it begins (in seconds from the fault), how many
        came, how many of those failed, and the median and the longest latency of the others in seconds.
    """
    return {name: _steps(records, course.broken - course.began) for name, records in counted(course).items()}


def routes(course: Course) -> dict[str, dict[str, int]]:
    """Give for each entry point and route how many came from the fault on, and how many of those failed."""
    found: dict[str, dict[str, int]] = {}
    at = course.broken - course.began
    for name, records in counted(course).items():
        for record in records:
            if hit(record, at):
                row = found.setdefault(f"{name} {record.route}", {"sent": 0, "failed": 0})
                row["sent"] += 1
                row["failed"] += record.failed
    return found


def _tally(course: Course, records: Iterable[Record]) -> Tally:
    warm = course.counted - course.began
    ended = course.back if isfinite(course.back) else inf
    fault = Fault(course.broken - course.began, ended - course.began)
    return tally((record for record in records if record.at >= warm), [fault])


def _of_all(tallies: Sequence[Tally], window: str) -> list[Latency]:
    return [getattr(one, window) for one in tallies]


def _merged(parts: Sequence[Latency], times: Latency | None) -> Latency:
    sent, failed = sum(part.sent for part in parts), sum(part.failed for part in parts)
    return Latency(
        sent, failed, *((times.p50, times.p99, times.max) if times is not None else (nan, nan, nan))
    )


def _failed(course: Course) -> list[Record]:
    at = course.broken - course.began
    return [
        record
        for records in counted(course).values()
        for record in records
        if record.failed and hit(record, at)
    ]


def _how(record: Record) -> str:
    return f"status {record.status}" if record.outcome == "status" else record.outcome


def _detected(cell: Cell, course: Course) -> float:
    """Give when the system first told something that shows that it noticed; `nan` when it never did."""
    times = [fact["at"] for fact in course.facts if _shows(cell, fact)]
    return max(0.0, min(times) - course.wall) if times else nan


def _shows(cell: Cell, fact: Mapping[str, Any]) -> bool:
    instance = fact.get("instance")
    if instance is not None and cell.touches and instance not in cell.touches:
        return False
    if fact["fact"] == _WARNING:
        return cell.kind.name == "certificate"
    if fact["fact"] == "HealthChanged":
        return fact["after"] not in _WELL
    if fact["fact"] == "BreakerMoved":
        return bool(fact["after"] == "open")
    return fact["fact"] in _LOSS


def _steps(records: Sequence[Record], broken: float) -> list[list[float | int | None]]:
    bins: dict[int, list[Record]] = {}
    for record in records:
        bins.setdefault(int((record.at - broken) // BIN), []).append(record)
    return [
        _step(number, bins.get(number, []))
        for number in range(min(bins, default=0), max(bins, default=-1) + 1)
    ]


def _step(number: int, records: Sequence[Record]) -> list[float | int | None]:
    served = sorted(record.latency for record in records if not record.failed)
    return [
        round(number * BIN, 3),
        len(records),
        len(records) - len(served),
        round(percentile(served, 0.5), 5) if served else None,
        round(served[-1], 5) if served else None,
    ]


def _known(value: float) -> float:
    return value if isfinite(value) else -1.0


def _seconds(stretch: Stretch) -> float:
    return stretch.seconds
