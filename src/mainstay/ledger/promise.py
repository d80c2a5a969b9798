"""How objectives stand, as a ledger has it: what was counted in their periods, what is left, and how fast it goes.

Times that are not charged (maintenance, drills) are left out, as exactly as the ledger still knows when requests came.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from mainstay.ledger.store import SERVICE, Row, Store, Subject
from mainstay.reliability.burn import Reading, burn, pairs
from mainstay.reliability.interval import Interval
from mainstay.reliability.objective import Budget, Measure, ObjectiveSpec, budget, interval, measured
from mainstay.system.objective import Objective, Period, told


class Standing(NamedTuple):
    """How one objective of a service stands."""

    service: str
    name: str
    """`availability`, or a percentile as in `p99`."""
    objective: Objective
    spec: ObjectiveSpec
    period: Period
    measure: Measure
    budget: Budget

    @property
    def interval(self) -> Interval | None:
        """Between what and what the share of good events lies, at 95 %; None while there were none."""
        return interval(self.measure.good, self.measure.valid) if self.measure.valid else None

    def record(self) -> dict[str, Any]:
        """Give it as plain values."""
        between = self.interval
        return {
            "service": self.service,
            "objective": self.name,
            "promise": told(self.name, self.spec),
            "target": self.spec.target,
            "latency": self.spec.latency,
            "budgeting": self.spec.method,
            "since": self.period.since,
            "until": self.period.until,
            "ratio": self.measure.ratio,
            "low": between.low if between else None,
            "high": between.high if between else None,
            "events": self.measure.events,
            "bad_events": self.measure.bad_events,
            "budget_allowed": self.budget.allowed,
            "budget_spent": self.budget.spent,
            "budget_left": self.budget.left,
        }


def standings(store: Store, service: str, objective: Objective, now: float) -> list[Standing]:
    """Give how the objectives of a service stand.

    Args:
        store: The ledger, open for reading.
        service: Its name.
        objective: What the system file promises.
        now: Seconds since 1970.
    """
    period = objective.period(now)
    found = []
    for name, spec in objective.specs().items():
        measure = counted(store, service, spec, period.since, min(now, period.until))
        found.append(
            Standing(service, name, objective, spec, period, measure, budget(spec, measure, period.seconds))
        )
    return found


def counted(store: Store, service: str, spec: ObjectiveSpec, since: float, until: float) -> Measure:
    """Give what an objective has counted in a period, without the times that are not charged."""
    return measured(spec, (row.account for row in _rows(store, service, spec, since, until)))


def readings(store: Store, service: str, spec: ObjectiveSpec, period: float, now: float) -> list[Reading]:
    """Give what was counted in the windows of an objective's alerts.

    Args:
        store: The ledger, open for reading.
        service: Its name.
        spec: The objective.
        period: Seconds that its budget is for.
        now: Seconds since 1970.
    """
    return [
        Reading(
            pair,
            counted(store, service, spec, now - pair.long, now),
            counted(store, service, spec, now - pair.short, now),
        )
        for pair in pairs(spec, period)
    ]


def rates(spec: ObjectiveSpec, found: list[Reading]) -> dict[float, float | None]:
    """Give the burn rate of every window, by its seconds."""
    return {
        seconds: burn(spec, measure)
        for reading in found
        for seconds, measure in (
            (reading.pair.short, reading.short),
            (reading.pair.long, reading.long),
        )
    }


def _rows(store: Store, service: str, spec: ObjectiveSpec, since: float, until: float) -> Iterator[Row]:
    subject = Subject(SERVICE, service, service)
    for begin, end in _charged(store, service, since, until):
        if spec.sliced:
            # A slice that reaches into a time that is not charged is not looked at; the one that goes on now is.
            whole = end if end == until else end - spec.slice + 1
            yield from store.slices(subject, begin, whole, spec.slice)
        else:
            yield from store.rows(subject, begin, end)


def _charged(store: Store, service: str, since: float, until: float) -> Iterator[tuple[float, float]]:
    at = since
    for mark in store.marks(service, since, until):
        if mark.since > at:
            yield at, mark.since
        at = max(at, mark.until)
    if at < until:
        yield at, until
