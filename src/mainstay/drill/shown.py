"""What drills have shown of failing over: the trials that a prediction takes coverage from.

Counted is the loss of one instance, or of a zone, alone: by faults of the classes that the ledger takes for a failure, those in
which a part is gone or says nothing. Drills of another state of the system file prove nothing of this one.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from mainstay.drill.fault.kind import CRASH, INSTANCE, KINDS, OMISSION, ZONE
from mainstay.drill.verdict import DEGRADED, INVALID, NOT_RUN, SURVIVED

_LOSSES = (CRASH, OMISSION)


class Shown(NamedTuple):
    """What was shown of failing over."""

    survived: int
    trials: int
    failovers: list[float]
    """How long users were without it in each trial that was survived, in seconds; 0 where nobody was."""


def of_instances(service: str, rows: Iterable[Mapping[str, Any]]) -> Shown:
    """Give what was shown of the loss of an instance of a service."""
    return _shown(row for row in rows if _aims(row, INSTANCE) and _is_of(service, row["target"]))


def of_zones(rows: Iterable[Mapping[str, Any]]) -> Shown:
    """Give what was shown of the loss of a zone."""
    return _shown(row for row in rows if _aims(row, ZONE))


def trials(reports: Iterable[Mapping[str, Any]], fingerprint: str) -> list[dict[str, Any]]:
    """Give the lines of all cells that were played of a system as it is, and prove something."""
    wanted = ("fault", "target", "measured", "failover")
    return [
        {name: row.get(name) for name in wanted}
        for report in reports
        if report["fingerprint"] == fingerprint
        for row in report["cells"]
        if row.get("measured", INVALID) not in (INVALID, NOT_RUN)
    ]


def _aims(row: Mapping[str, Any], aim: str) -> bool:
    kind = KINDS.get(row["fault"])
    return kind is not None and kind.aim == aim and (aim == ZONE or kind.family in _LOSSES)


def _is_of(service: str, target: str) -> bool:
    name, _, number = target.rpartition("-")
    return target == service or (name == service and number.isdigit())


def _shown(rows: Iterable[Mapping[str, Any]]) -> Shown:
    played = list(rows)
    survived = [row for row in played if row["measured"] in (SURVIVED, DEGRADED)]
    return Shown(len(survived), len(played), [row["failover"] or 0.0 for row in survived])
