"""The counts of all workers, added up; what a dead one had counted is kept."""

from collections import Counter
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from mainstay.gateway.histogram import merged, quantile

_SUMS = ("requests", "failures", "broken", "cancelled", "refused", "retries", "received", "sent")


@dataclass(slots=True)
class Totals:
    """All that was ever counted of a service, over all workers; none of it is ever less than it was."""

    sums: Counter[str] = field(default_factory=Counter)
    """`requests`, `failures`, `broken`, `cancelled`, `refused` and `retries`; bytes `received` and `sent` in tunnels."""
    classes: Counter[int] = field(default_factory=Counter)
    """Answered requests by the first digit of the status."""
    durations: dict[int, int] = field(default_factory=dict)
    """Answered requests by bucket of their latency."""
    micros: int = 0
    """The sum of these latencies, in microseconds."""
    attempts: Counter[str] = field(default_factory=Counter)
    """Attempts by instance, over all of its lives."""
    failed: Counter[str] = field(default_factory=Counter)
    """Those of them that failed."""

    def add(self, counts: Mapping[str, Any]) -> None:
        """Add what one worker has counted."""
        # Workers of a former version, which a new supervisor takes over, do not tell all of it.
        self.sums.update({key: counts.get(key, 0) for key in _SUMS})
        self.classes.update(dict(enumerate(counts.get("classes", ()))))
        self.durations = merged((self.durations, _buckets(counts.get("durations", {}))))
        self.micros += counts.get("micros", 0)
        for instance, (attempts, failed) in counts.get("attempts", {}).items():
            self.attempts[instance] += attempts
            self.failed[instance] += failed


class Tally:
    """Counts by worker, and the sums of those who are gone.

    A worker is known by a number that no other living one has: that of its process.
    """

    def __init__(self) -> None:
        self._latest: dict[int, dict[str, Any]] = {}
        self._past: dict[str, Totals] = {}
        self._past_sums: Counter[str] = Counter()
        self._past_lives: dict[tuple[str, str, int], Counter[str]] = {}

    def take(self, worker: int, counts: dict[str, Any]) -> None:
        """Take what a worker has counted since it began."""
        self._latest[worker] = counts

    def lost(self, worker: int) -> None:
        """Keep the last counts of a worker that ended."""
        counts = self._latest.pop(worker, {"services": {}})
        self._past_sums.update(counts.get("sums", {}))
        for name, service in counts["services"].items():
            self._past.setdefault(name, Totals()).add(service)
            for part in service["instances"]:
                life = (name, part["instance"], part["generation"])
                lives = self._past_lives.setdefault(life, Counter())
                lives.update({"requests": part["requests"], "failures": part["failures"]})

    def clients(self, worker: int) -> int:
        """Give the number of client connections that a worker has."""
        counts = self._latest.get(worker)
        return int(counts["clients"]) if counts else 0

    def gateway(self) -> Counter[str]:
        """Give what was ever counted of the workers as such, and of no service."""
        sums = Counter(self._past_sums)
        for counts in self._latest.values():
            sums.update(counts.get("sums", {}))
        return sums

    def totals(self, name: str) -> Totals:
        """Give all that was ever counted of a service."""
        totals = deepcopy(self._past.get(name, Totals()))
        for part in self._parts(name):
            totals.add(part)
        return totals

    def service(self, name: str) -> dict[str, Any]:
        """Give the sums for a service, with p50 and p99 in seconds (None without requests)."""
        parts = self._parts(name)
        past = self._past.get(name, Totals()).sums
        sums: dict[str, Any] = {key: past[key] + sum(part.get(key, 0) for part in parts) for key in _SUMS}
        sums["in_flight"] = sum(part["in_flight"] for part in parts)
        sums["panicking"] = any(part["panicking"] for part in parts)
        return sums | _quantiles(parts)

    def instance(self, service: str, name: str, generation: int) -> dict[str, Any]:
        """Give the sums for one life of an instance; its failures are attempts that failed there."""
        parts = [
            part
            for counts in self._parts(service)
            for part in counts["instances"]
            if part["instance"] == name and part["generation"] == generation
        ]
        past = self._past_lives.get((service, name, generation), Counter())
        return {
            "requests": past["requests"] + sum(part["requests"] for part in parts),
            "failures": past["failures"] + sum(part["failures"] for part in parts),
            "health": [part["health"] for part in parts],
            **_now(parts),
            **_quantiles(parts),
        }

    def instances(self, service: str) -> dict[str, dict[str, int]]:
        """Give how it is with each instance of a service now, over all of its lives that the workers know."""
        parts: dict[str, list[dict[str, Any]]] = {}
        for counts in self._parts(service):
            for part in counts["instances"]:
                parts.setdefault(part["instance"], []).append(part)
        return {name: _now(its) for name, its in parts.items()}

    def _parts(self, service: str) -> list[dict[str, Any]]:
        return [
            counts["services"][service] for counts in self._latest.values() if service in counts["services"]
        ]


def _now(parts: list[dict[str, Any]]) -> dict[str, int]:
    return {
        "in_flight": sum(part["in_flight"] for part in parts),
        "ejected": sum(part["ejected"] for part in parts),
        "breakers_open": sum(part["breaker"] not in (None, "closed") for part in parts),
    }


def _buckets(counts: Mapping[str, int]) -> dict[int, int]:
    """Read a histogram as it comes over the line: JSON has no numbers for keys."""
    return {int(index): count for index, count in counts.items()}


def _quantiles(parts: Iterable[dict[str, Any]]) -> dict[str, float | None]:
    counts = merged(_buckets(part["latency"]) for part in parts)
    return {"p50": quantile(counts, 0.5), "p99": quantile(counts, 0.99)}
