"""What happened: facts in the past tense, frozen, each with the version of its shape.

A fact is made only when something *changes*; requests are counted, not told one by one. `at` is in
seconds since 1970 (UTC) when a driver made the fact, and in the caller's own monotonic seconds when a
machine did; the driver that records a machine's fact translates it.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that happened."""

    version: ClassVar[int] = 1
    """The version of this fact's shape; it grows when a field changes its meaning."""

    at: float
    """When it happened, in seconds."""

    def record(self) -> dict[str, Any]:
        """Give the fact as plain values, with its name and version."""
        return {"fact": type(self).__name__, "version": self.version, **asdict(self)}


Emit = Callable[[Fact], None]
"""Takes a fact and returns at once; it may not call back into the one that told it."""


def ignore(fact: Fact) -> None:
    """Take a fact and forget it."""
    del fact


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceFact(Fact):
    """Something that happened to one life of an instance."""

    service: str
    instance: str
    generation: int


class InstanceStarted(InstanceFact):
    """A process was started; it does not take traffic yet."""


class InstanceAdopted(InstanceFact):
    """A restarted supervisor found this life still running, and watches it again."""


class InstanceBecameReady(InstanceFact):
    """It answered its first health check and may take traffic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceExited(InstanceFact):
    """Its process ended without having been asked to."""

    reason: str
    """`exit code 1`, `killed by SIGKILL`, `not ready within 30s`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceStopped(InstanceFact):
    """Its process ended because it was asked to."""

    reason: str
    """`exit code 0`; `killed by SIGKILL` when it did not end by itself in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthChanged(InstanceFact):
    """Its health moved along its table."""

    before: str
    after: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceEjected(InstanceFact):
    """Traffic showed it to be an outlier; it is left out until `until`."""

    because: str
    until: float


class InstanceReturned(InstanceFact):
    """Its ejection is over; it takes traffic again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceDoubted(InstanceFact):
    """An answer of it is overdue by far: until `until`, or until it is heard of, it is asked after all others."""

    waited: float
    """Seconds for which the answer had been waited for."""
    until: float


class InstanceTrusted(InstanceFact):
    """The doubt about it is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerMoved(InstanceFact):
    """Its circuit breaker moved along its table."""

    before: str
    after: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneFact(Fact):
    """Something that happened to the instances that a service has in one zone."""

    service: str
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneShunned(ZoneFact):
    """Instances of it failed together: until `until`, or until one is back, the rest of them is asked after all others."""

    until: float


class ZoneRefilled(ZoneFact):
    """It gets its share of the traffic again, by and by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverloadBegan(Fact):
    """The service does not keep up with what is asked of it: it is given less at once, and the rest waits or is refused."""

    service: str
    limit: int
    """Requests that a worker gives it at once, to begin with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverloadEnded(Fact):
    """The service keeps up again."""

    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PanicBegan(Fact):
    """No instance of the service looks usable, so all of them are used."""

    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PanicEnded(Fact):
    """Enough instances of the service look usable again."""

    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFact(Fact):
    """Something that happened to a certificate of the system file."""

    key: str
    """Where it stands in the system file: `listeners.public.tls`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificatesChanged(CertificateFact):
    """Its files, or those beside it, have changed, and new connections are made by them."""

    names: list[str]
    """What people know the certificates by that are used now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificatesRejected(CertificateFact):
    """Its files, or those beside it, have changed, and cannot be used: the former go on."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateNearedExpiry(CertificateFact):
    """It expires soon, or has expired; told once a day."""

    name: str
    """What people know it by."""
    until: float
    """When it expires, in seconds since 1970."""
    days: int
    """Whole days until then; below 0 when it has expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemReloaded(Fact):
    """The system file was read again, and the system is what it says."""

    changes: list[str]
    """`services.web replaced`, `listeners.main added`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadFailed(Fact):
    """The system file was read again, and not applied."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded(Fact):
    """The supervisor and all gateway workers are what is installed now."""

    before: str
    """The version that ran: `0.1.0`."""
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeFailed(Fact):
    """The supervisor is what is installed now, and a gateway worker that it started does not serve: old ones go on."""

    before: str
    after: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStarted(Fact):
    """A gateway worker was started."""

    worker: int
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerExited(Fact):
    """A gateway worker ended without having been asked to."""

    worker: int
    pid: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStopped(Fact):
    """A gateway worker whose place another one had taken, or nobody was to have, has ended."""

    worker: int
    pid: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultFact(Fact):
    """Something that happened to a fault that somebody has asked for, on the connections to some instances."""

    id: str
    kind: str
    """`latency`, `errors`, and the others that docs/reference/faults.md has."""
    service: str
    instances: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultBegan(FaultFact):
    """Somebody has asked for a fault on connections to instances; unless it is renewed, it lasts until `until`."""

    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultEnded(FaultFact):
    """A fault that somebody had asked for is over."""

    reason: str
    """`ended`, `all ended`, or `lease over`: nobody has renewed it in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLogBroke(Fact):
    """Lines of the access log can no longer be written; requests are answered as before."""

    path: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLogMended(Fact):
    """Lines of the access log can be written again."""

    path: str
    lost: int
    """Lines that are missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStoreBroke(Fact):
    """Idempotency keys of a service can no longer be written down; requests that carry one are refused."""

    service: str
    path: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStoreMended(Fact):
    """Idempotency keys of a service can be written down again."""

    service: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanExportBroke(Fact):
    """The collector takes no spans any more; requests are answered as before."""

    collector: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanExportMended(Fact):
    """The collector takes spans again."""

    collector: str
    lost: int
    """Spans that are missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultUndone(Fact):
    """A fault that a killed drill had left behind was undone at the start."""

    what: str
    """`freeze at web-1`."""
    trouble: str
    """Why it could not be; empty when it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkFact(Fact):
    """Something that happened to a time which is not charged."""

    state: str
    """`maintenance` or `drill`."""
    service: str
    """Of which service; empty for all of them."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkBegan(MarkFact):
    """Somebody has said that a service is being worked on, or broken on purpose: until `until`, or until it is ended."""

    until: float | None


class MarkEnded(MarkFact):
    """That is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerBroke(Fact):
    """The ledger cannot be written, or was damaged or removed and begins anew; all else goes on."""

    path: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerMended(Fact):
    """The ledger can be written again."""

    path: str
    lost: int
    """Pieces of it that are missing: that time is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStepped(Fact):
    """The machine's clock was set, or the machine has slept: how anything was in between is unknown to the ledger."""

    by: float
    """Seconds forward; below 0: back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFact(Fact):
    """Something that happened to an incident: a time in which users of a service had trouble."""

    service: str
    began: float
    """When it began, in seconds since 1970."""
    failed: int
    """Requests that have failed in it by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentBegan(IncidentFact):
    """So many requests to a service fail that it is no chance, or nobody serves."""

    blame: str
    """What broke first: `web-1`, `zone a`; empty when nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentEnded(IncidentFact):
    """Nothing has failed for a while, and all that was lost is back."""

    mitigated: float
    """When the last request failed, or somebody served again."""
    recovered: float
    """When all was back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFact(Fact):
    """Something that happened to an alert, of which there is one for each objective and severity."""

    service: str
    objective: str
    """`availability`, or a percentile as in `p99`."""
    severity: str
    """`page` or `ticket`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFired(AlertFact):
    """An error budget is spent so fast that somebody has to know."""

    promise: str
    """`99.9% good`."""
    burn: float
    """How many times faster than it may be, in the long window."""
    window: float
    """Seconds of that window."""
    bad_events: int
    """Events in it that were bad."""
    events: int
    """All events in it."""
    budget_left: float | None
    """The share of the budget that is left; below 0 when the objective is missed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertResolved(AlertFact):
    """The budget is no longer spent so fast."""

    lasted: float
    """Seconds since it fired."""
    because: str
    """`the short window is good`, or that there is no such objective any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertNotDelivered(Fact):
    """Somebody could not be told of an alert, however often it was tried."""

    destination: str
    """`webhook https://hooks.example`: without what may be a secret."""
    because: str
