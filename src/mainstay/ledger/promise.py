"""How objectives stand, as a ledger has it: what was counted in their periods, what is left, and how fast it goes.

Times that are not charged (maintenance, drills) are left out, as exactly as the ledger still knows when requests came.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from mainstay.ledger.store import SERVICE, Store, Subject
from mainstay.reliability.account import Account, total
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


class Past:
    """What was counted of a service, without the times that are not charged; each period is read once for all its objectives."""

    def __init__(self, store: Store, service: str) -> None:
        """Read nothing yet.

        Args:
            store: The ledger, open for reading.
            service: Its name.
        """
        self.service = service
        self._store = store
        self._known: dict[tuple[float, float, int], list[Account]] = {}

    def accounts(self, since: float, until: float, seconds: int = 0) -> list[Account]:
        """Give what was counted in a period.

        Args:
            since: When it begins, in seconds since 1970.
            until: When it ends.
            seconds: Of each slice, where slices count; 0: all of it as one.
        """
        key = (since, until, seconds)
        if key not in self._known:
            self._known[key] = self._slices(*key) if seconds else [self._all(since, until)]
        return self._known[key]

    def _all(self, since: float, until: float) -> Account:
        subject = Subject(SERVICE, self.service, self.service)
        return total(
            row.account
            for begin, end in self._charged(since, until)
            for row in self._store.rows(subject, begin, end)
        )

    def _slices(self, since: float, until: float, seconds: int) -> list[Account]:
        subject = Subject(SERVICE, self.service, self.service)
        return [
            row.account
            for begin, end in self._charged(since, until)
            # A slice that reaches into a time that is not charged is not looked at; the one that goes on now is.
            for row in self._store.slices(subject, begin, end if end == until else end - seconds + 1, seconds)
        ]

    def _charged(self, since: float, until: float) -> Iterator[tuple[float, float]]:
        at = since
        for mark in self._store.marks(self.service, since, until):
            if mark.since > at:
                yield at, mark.since
            at = max(at, mark.until)
        if at < until:
            yield at, until


def standings(past: Past, objective: Objective, now: float) -> list[Standing]:
    """Give how the objectives of a service stand.

    Args:
        past: What was counted of it.
        objective: What the system file promises.
        now: Seconds since 1970.
    """
    period = objective.period(now)
    found = []
    for name, spec in objective.specs().items():
        measure = counted(past, spec, period.since, min(now, period.until))
        left = budget(spec, measure, period.seconds)
        found.append(Standing(past.service, name, objective, spec, period, measure, left))
    return found


def counted(past: Past, spec: ObjectiveSpec, since: float, until: float) -> Measure:
    """Give what an objective has counted in a period."""
    return measured(spec, past.accounts(since, until, spec.slice if spec.sliced else 0))


def readings(past: Past, spec: ObjectiveSpec, period: float, now: float) -> list[Reading]:
    """Give what was counted in the windows of an objective's alerts.

    Args:
        past: What was counted of the service.
        spec: The objective.
        period: Seconds that its budget is for.
        now: Seconds since 1970.
    """
    return [
        Reading(pair, *(counted(past, spec, now - window, now) for window in (pair.long, pair.short)))
        for pair in pairs(spec, period)
    ]


def rates(spec: ObjectiveSpec, found: list[Reading]) -> dict[float, float | None]:
    """Give the burn rate of every window, by its seconds."""
    return {
        seconds: burn(spec, measure)
        for reading in found
        for seconds, measure in ((reading.pair.short, reading.short), (reading.pair.long, reading.long))
    }
