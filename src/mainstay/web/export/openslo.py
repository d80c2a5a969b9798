"""Objectives as OpenSLO v1 writes them, with queries over our own metrics of Prometheus (github.com/OpenSLO/OpenSLO)."""

from typing import Any

from mainstay.base.units import format_duration
from mainstay.reliability.objective import OCCURRENCES, RATIO_TIMESLICES, TIMESLICES
from mainstay.system.objective import Objective, told
from mainstay.system.schema import System
from mainstay.web.export.query import Promised, good, promised, total

VERSION = "openslo/v1"
METHODS = {OCCURRENCES: "Occurrences", TIMESLICES: "Timeslices", RATIO_TIMESLICES: "RatioTimeslices"}
"""What OpenSLO calls how a budget is counted."""
CALENDAR = {"week": "1w", "month": "1M", "quarter": "1Q", "year": "1Y"}
"""How OpenSLO writes periods of the calendar."""
NAME, LATENCY = "mainstay/objective", "mainstay/latency"
"""Annotations that tell us again what OpenSLO has no field for."""
# A Monday, and the first of a month, of a quarter and of a year: any period of the calendar may begin there.
_BEGINNING = "2024-01-01 00:00:00"
_WINDOW = "5m"

Document = dict[str, Any]


def slos(system: System, match: str = "") -> list[Document]:
    """Give an SLO for each objective of a system, as plain values.

    Args:
        system: Whose objectives.
        match: What else has to match in every query, as in `job="shop"`.
    """
    found = []
    for one in promised(system):
        objective = system.services[one.service].objective
        assert objective is not None
        found.append(_slo(one, objective, match))
    return found


def _slo(one: Promised, objective: Objective, match: str) -> Document:
    name = f"{one.service}-{one.name.replace('.', '-')}"
    told_again = {NAME: one.name}
    if one.spec.latency is not None:
        told_again[LATENCY] = format_duration(one.spec.latency)
    target: Document = {"displayName": told(one.name, one.spec), "target": one.spec.target}
    if one.spec.sliced:
        target["timeSliceWindow"] = objective.slice
    if one.spec.method == TIMESLICES:
        target["timeSliceTarget"] = one.spec.slice_target or one.spec.target
    return {
        "apiVersion": VERSION,
        "kind": "SLO",
        "metadata": {"name": name, "displayName": f"{one.service} {one.name}", "annotations": told_again},
        "spec": {
            "description": f"{told(one.name, one.spec)}, promised to the users of {one.service}",
            "service": one.service,
            "indicator": {
                "metadata": {"name": name},
                "spec": {
                    "ratioMetric": {
                        "counter": False,
                        "good": _metric(good(one, "rate", _WINDOW, match)),
                        "total": _metric(total(one, "rate", _WINDOW, match)),
                    }
                },
            },
            "timeWindow": [_window(objective)],
            "budgetingMethod": METHODS[one.spec.method],
            "objectives": [target],
        },
    }


def _metric(query: str) -> Document:
    return {"metricSource": {"type": "Prometheus", "spec": {"query": query}}}


def _window(objective: Objective) -> Document:
    if isinstance(objective.over, float):
        return {"duration": _duration(objective.over), "isRolling": True}
    return {
        "duration": CALENDAR[objective.over],
        "isRolling": False,
        "calendar": {"startTime": _BEGINNING, "timeZone": objective.time_zone},
    }


def _duration(seconds: float) -> str:
    """Write whole minutes, hours or days, which is all that OpenSLO knows."""
    for unit, length in (("d", 86400), ("h", 3600)):
        if seconds % length == 0:
            return f"{seconds / length:.0f}{unit}"
    return f"{max(1, round(seconds / 60))}m"
