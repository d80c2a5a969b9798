"""What Mainstay is to keep in each row, and whether it did."""

from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.survival.cell import CAPACITY
from benchmarks.survival.faults import FAULTS
from benchmarks.survival.instances import COUNT
from benchmarks.survival.matrix import Results, doubled, entries, middle, systems, total
from benchmarks.survival.ours import NAME, PROXY

WORK = "10"
"""The set that the bounds are told for."""
TIMES, TIMES_WAITING = 3, 6
"""How much longer than without a fault the p99 may be; and where waiting is the fault."""
KNOWN = {"freeze": 150, "slow": 150, "zone-freeze": 150}
"""Milliseconds from the first request that is not answered until no more go there."""
EXIT = 10
"""Milliseconds until the end of a process is known."""
GOOD = 0.9
"""Goodput under overload, as a share of what the instances can do."""
PEAK = COUNT * 1000 / CAPACITY
"""Requests per second that all instances together can do in that row."""
SERVED = 1000
"""Milliseconds: half of the patience of users in that row, so that what is served is served in time."""
WELL_AGAIN = 5000
"""Milliseconds from the beginning of an overload of four seconds: a second later all is as before."""


class Verdict(NamedTuple):
    """One bound in one row."""

    fault: str
    what: str
    found: float | None
    limit: float
    least: bool = False

    @property
    def met(self) -> bool:
        """Whether it was kept."""
        if self.found is None:
            return False
        return self.found >= self.limit if self.least else self.found <= self.limit


def judged(results: Results, who: str = NAME) -> list[Verdict]:
    """Give every bound of every row that was measured."""
    return [
        one for fault in FAULTS for one in _row(results, fault, who) if entries(results, WORK, fault, who)
    ]


def _row(results: Results, fault: str, who: str) -> Iterator[Verdict]:
    found = entries(results, WORK, fault, who)
    yield Verdict(fault, "POSTs executed twice", doubled(found), 0)
    yield Verdict(fault, "acknowledged but lost", total(found, "lost"), 0)
    if FAULTS[fault].overload:
        yield Verdict(fault, "goodput, requests/s", middle(found, "goodput"), GOOD * PEAK, least=True)
        yield Verdict(fault, "p99 in ms of what is served", middle(found, "p99"), SERVED)
        yield Verdict(fault, "ms until the last failure", middle(found, "last_failure") or 0, WELL_AGAIN)
        return
    yield Verdict(fault, "GETs failed", total(found, "failed.get"), 0)
    yield Verdict(fault, "keyed POSTs failed", total(found, "failed.keyed"), 0)
    best = _best(results, fault, "failed.post")
    if best is not None:
        yield Verdict(fault, "POSTs failed, best peer", middle(found, "failed.post"), best)
    if (avoidable := middle(found, "avoidable")) is not None:
        yield Verdict(fault, "POSTs failed although known", avoidable, 0)
    yield from _slower(results, fault, who)
    if fault in KNOWN:
        yield Verdict(fault, "ms until known", middle(found, "detect"), KNOWN[fault])
    if who == NAME and fault in ("kill", "zone-kill"):
        yield Verdict(fault, "ms until the exit is told", middle(found, "exit_told"), EXIT)


def _slower(results: Results, fault: str, who: str) -> Iterator[Verdict]:
    if fault == "none":
        return
    p99 = middle(entries(results, WORK, fault, who), "p99")
    usual = middle(entries(results, WORK, "none", who), "p99")
    if usual is not None:
        times = TIMES_WAITING if FAULTS[fault].waits else TIMES
        yield Verdict(fault, f"p99 in ms, {times} x none", p99, times * usual)
    best = _best(results, fault, "p99")
    if best is not None:
        yield Verdict(fault, "p99 in ms, best peer", p99, best)


def _best(results: Results, fault: str, key: str) -> float | None:
    """Give the least of the peers' medians; None: there is no peer in this row."""
    peers = [name for name in systems(results, WORK) if not name.startswith((NAME, PROXY))]
    known = [middle(found, key) for name in peers if (found := entries(results, WORK, fault, name))]
    return min((one for one in known if one is not None), default=None)
