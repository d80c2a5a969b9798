"""One cell of the matrix: a system, a fault, twelve seconds of users, and what they saw."""

import time
from dataclasses import dataclass

from benchmarks.survival import reading
from benchmarks.survival.faults import QUEUE, TRAFFIC, Fault
from benchmarks.survival.instances import Arrival
from benchmarks.survival.queues import Watch
from benchmarks.survival.system import System, answers
from benchmarks.survival.users import Users

LEAD = 1.2
"""Seconds from the start of the loads to the first request: they are processes that have to come up."""
CAPACITY = 10
"""Milliseconds that an instance needs for a request when it is to be overloaded: 100 a second each, 300 in all."""
CALM, TIMES = 1 / 3, 3
"""Requests before and after an overload, and during it, as multiples of the capacity."""


@dataclass(frozen=True, kw_only=True)
class Times:
    """When it happens, in seconds from the first request."""

    fault: float = 4.0
    healed: float = 8.0
    end: float = 12.0
    rate: float = 300.0
    """Requests per second."""
    patience: float = 5.0
    """What users have of it, in seconds."""


OVERLOADED = 2.0
"""Patience of users of what is overloaded: who waits longer has gone."""


def play(system: System, fault: Fault, times: Times, seed: int) -> reading.Entry:
    """Load it, break it, mend it, and see."""
    site = system.site
    answers(site.port, f"{type(system).__name__} ({site.folder / 'log'})")
    patience = OVERLOADED if fault.overload else times.patience
    users = Users(site.folder, site.port, seed=seed, patience=patience)
    try:
        begin = time.monotonic() + LEAD
        _come(users, fault, times, begin)
        broken, healed, arrivals = _break(system, fault, begin, times)
        seen = users.gone()
    finally:
        users.close()
    told = reading.Told(
        begin=begin,
        broken=broken,
        healed=healed,
        journal=system.instances.journal(),
        arrivals=arrivals,
        facts=system.told(),
    )
    return reading.entry(seen, told)


def capacity(fault: Fault) -> int:
    """Give what an instance needs for a request, if it is to be overloaded."""
    return CAPACITY if fault.overload else 0


def _come(users: Users, fault: Fault, times: Times, begin: float) -> None:
    if not fault.overload:
        users.come(times.rate, times.end, begin)
        return
    calm = times.rate * CALM
    users.come(calm, times.end, begin)
    users.come(times.rate * TIMES - calm, times.healed - times.fault, begin + times.fault)


def _break(
    system: System, fault: Fault, begin: float, times: Times
) -> tuple[float, float, list[list[Arrival]] | None]:
    """Break it and mend it in time; give when that was, and what reached each broken instance."""
    _until(begin + times.fault)
    broken = fault.who(system)
    ports = [system.instances.look(name).port for name in broken]
    watches = [Watch(port) for port in ports] if fault.seen == QUEUE else []
    try:
        since = time.monotonic()
        fault.begin(system)
        _until(begin + times.healed)
        until = time.monotonic()
    finally:
        for watch in watches:
            watch.close()
    fault.heal(system)
    if fault.seen == QUEUE:
        return since, until, [watch.arrivals for watch in watches]
    return (
        since,
        until,
        [system.instances.arrivals(name) for name in broken] if fault.seen == TRAFFIC else None,
    )


def _until(at: float) -> None:
    time.sleep(max(0.0, at - time.monotonic()))
