"""What an audit found, as one value that every form is made from."""

from collections.abc import Collection, Sequence
from typing import Any

from mainstay.redundancy.audit.loss import Loss, listed, singles
from mainstay.redundancy.audit.plan import Plan
from mainstay.redundancy.audit.rule import Finding

HOST = "this host"


def report(  # noqa: PLR0913, PLR0917 - all that is told
    plan: Plan,
    file: str,
    found: Collection[Loss],
    findings: Sequence[Finding],
    unused: Sequence[str],
    remarks: Sequence[str] = (),
) -> dict[str, Any]:
    """Give the report; `docs/reference/json.md` describes it.

    Args:
        plan: The system.
        file: Its file, as it was named.
        found: What stops each entry point.
        findings: What the rules say.
        unused: What the baseline accepts and no rule finds.
        remarks: What was not understood of the file.
    """
    own = _own(plan, found)
    points = [
        {
            "part": each.part,
            "kind": "instance" if plan.groups[each.service].runs else "address",
            "service": each.service,
            "stops": each.stops,
            "comes_back": each.comes_back,
            "sentence": each.sentence,
        }
        for each in singles(plan, found)
    ]
    return {
        "version": 1,
        "system": plan.name,
        "file": file,
        "entries": [_entry(plan, loss) for loss in found],
        "single_points_of_failure": [*points, *(each for each in own if each["stops"])],
        "cut_sets": [
            {"entry": loss.entry, "order": len(names), "parts": list(names)}
            for loss in found
            for names in loss.cut_sets
        ],
        "mainstay": own,
        "findings": [_finding(each, file) for each in findings],
        "unused": list(unused),
        "remarks": list(remarks),
    }


def _entry(plan: Plan, loss: Loss) -> dict[str, Any]:
    return {
        "entry": loss.entry,
        "parts": loss.parts,
        "by_order": loss.by_order,
        "survives": {
            "one": loss.survives(1),
            "two": loss.survives(2) if len(loss.by_order) > 1 else None,
            "zone": not loss.zones if plan.zones else None,
        },
        "zones": loss.zones,
        "left_out": sum(loss.by_order) - len(loss.cut_sets),
    }


def _finding(finding: Finding, file: str) -> dict[str, Any]:
    return {
        "rule": finding.rule.id,
        "severity": finding.rule.severity,
        "path": finding.path,
        "file": file,
        "line": finding.line,
        "column": finding.column,
        "message": finding.message,
        "fix": finding.rule.fix,
        "accepted": finding.accepted or None,
    }


def _own(plan: Plan, found: Collection[Loss]) -> list[dict[str, Any]]:
    """Say what Mainstay itself may lose: it is a part of the system too."""
    entries = [loss.entry for loss in found]
    if plan.containers:
        return [
            _part(
                HOST,
                "host",
                entries,
                f"losing this host stops {listed(entries)}: Docker Compose runs all on one",
            )
        ]
    workers = "one for each processor" if plan.workers is None else str(plan.workers)
    return [
        _part(
            HOST,
            "host",
            entries,
            f"losing this host stops {listed(entries)}: everything that Mainstay runs is on it",
        ),
        _part(
            "a gateway worker",
            "gateway",
            [],
            f"of the gateway's workers ({workers}), the connections of one that dies are cut, and others take new ones"
            if plan.workers != 1
            else "when the gateway's one worker dies, its connections are cut, and new ones wait for the next worker",
        ),
        _part(
            "the supervisor",
            "supervisor",
            [],
            "losing the supervisor stops nothing, but what dies while it is away is not started again",
        ),
    ]


def _part(name: str, kind: str, stops: list[str], sentence: str) -> dict[str, Any]:
    return {
        "part": name,
        "kind": kind,
        "service": None,
        "stops": stops,
        "comes_back": kind != "host",
        "sentence": sentence,
    }
