"""The counts of all workers, added up; what a dead one had counted is kept."""

from collections import Counter
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mainstay.base.histogram import merged, quantile
from mainstay.base.probe import ProbeResult
from mainstay.redundancy.canary import Score

_SUMS = (
    *("requests", "failures", "broken", "cancelled", "refused", "retries", "hedges", "hedges_won", "shed"),
    *("fallbacks", "received", "sent", "user_up", "user_down"),
)


_OF_LIVES = ("requests", "failures", "overtaken")
"""What is kept of each life of an instance when a worker ends. Workers of a former version do not tell all of it."""


class Seen(NamedTuple):
    """How one worker sees one life of an instance."""

    health: str
    """The state of its health."""
    probe: ProbeResult | None
    """What its last check found; None before the first, and while it is not checked."""


@dataclass(slots=True)
class Totals:
    """All that was ever counted of a service, over all workers; none of it is ever less than it was."""

    sums: Counter[str] = field(default_factory=Counter)
    """`requests`, `failures`, `broken`, `cancelled`, `refused`, `retries`, `hedges`, `hedges_won`, `shed` and `fallbacks`; bytes `received` and `sent` in tunnels;
    milliseconds of users, `user_up` and `user_down`."""
    classes: Counter[int] = field(default_factory=Counter)
    """Answered requests by the first digit of the status."""
    durations: dict[int, int] = field(default_factory=dict)
    """Answered requests by bucket of their latency."""
    micros: int = 0
    """The sum of these latencies, in microseconds."""
    own: Counter[str] = field(default_factory=Counter)
    """Our own answers by their reason."""
    because: Counter[str] = field(default_factory=Counter)
    """Requests that were not tried (again) by why."""
    keys: Counter[str] = field(default_factory=Counter)
    """What became of writes with an idempotency key that the gateway looks after."""
    scores: dict[str, Counter[str]] = field(default_factory=dict)
    """By instance, over all of its lives: `attempts`, and what else `Upstream.counted` has."""

    def add(self, counts: Mapping[str, Any]) -> None:
        """Add what one worker has counted."""
        # Workers of a former version, which a new supervisor takes over, do not tell all of it.
        self.sums.update({key: counts.get(key, 0) for key in _SUMS})
        self.classes.update(dict(enumerate(counts.get("classes", ()))))
        self.durations = merged((self.durations, _buckets(counts.get("durations", {}))))
        self.micros += counts.get("micros", 0)
        self.own.update(counts.get("own", {}))
        self.because.update(counts.get("because", {}))
        self.keys.update(counts.get("keys", {}))
        for instance, score in counts.get("scores", {}).items():
            self.scores.setdefault(instance, Counter()).update(score)


@dataclass(slots=True)
class Listened:
    """What was counted at a listening socket, over all workers."""

    sums: Counter[str] = field(default_factory=Counter)
    """What only grows, by the names that `Traffic.counted` gives it."""
    now: dict[int, Counter[str]] = field(default_factory=dict)
    """What is there now, by the worker's number."""


class Tally:
    """Counts by worker, and the sums of those who are gone.

    A worker is known by a number that no other living one has: that of its process.
    """

    def __init__(self) -> None:
        self._latest: dict[int, dict[str, Any]] = {}
        # What they tell of each life, made when it is first asked for: all of it is, each time that anybody looks.
        self._lives: dict[int, dict[str, dict[tuple[str, int], dict[str, Any]]]] = {}
        self._past: dict[str, Totals] = {}
        self._gone: frozenset[int] = frozenset()
        self._past_workers: dict[int, Counter[str]] = {}
        self._past_listeners: dict[str, Counter[str]] = {}
        self._past_lives: dict[tuple[str, str, int], Counter[str]] = {}

    def take(self, worker: int, counts: dict[str, Any]) -> None:
        """Take what a worker has counted since it began."""
        self._latest[worker] = counts
        self._lives.pop(worker, None)

    def lost(self, worker: int) -> None:
        """Keep the last counts of a worker that ended."""
        if worker in self._latest:
            self._gone |= {worker}
        counts = self._latest.pop(worker, {"services": {}})
        self._lives.pop(worker, None)
        if "sums" in counts:
            self._past_workers.setdefault(counts["worker"], Counter()).update(counts["sums"])
        for name, listener in counts.get("listeners", {}).items():
            self._past_listeners.setdefault(name, Counter()).update(listener["sums"])
        for name, service in counts["services"].items():
            # Another one, since somebody may be reading the former, see `snapshot`.
            self._past[name] = deepcopy(self._past.get(name, Totals()))
            self._past[name].add(service)
            for part in service["instances"]:
                life = (name, part["instance"], part["generation"])
                lives = self._past_lives.setdefault(life, Counter())
                lives.update({key: part.get(key, 0) for key in _OF_LIVES})

    def snapshot(self) -> "Tally":
        """Give the counts of services as they are now, for another thread; what comes later is not in it."""
        made = Tally()
        # What was told is never changed, only replaced; so are the sums of those who are gone.
        made._latest, made._past = dict(self._latest), dict(self._past)
        made._gone = self._gone
        return made

    @property
    def heard(self) -> frozenset[int]:
        """The numbers of all workers that ever told what they counted."""
        return self._gone | self._latest.keys()

    def clients(self, worker: int) -> int:
        """Give the number of client connections that a worker has."""
        counts = self._latest.get(worker)
        return int(counts["clients"]) if counts else 0

    def lag(self, worker: int) -> float:
        """Give the longest that a timer of a worker had to wait of late, in seconds."""
        return float(self._latest.get(worker, {}).get("lag", 0.0))

    def numbers(self) -> set[int]:
        """Give the numbers of all workers that ever told anything."""
        return {*self._past_workers, *(counts["worker"] for counts in self._told())}

    def worker(self, number: int) -> Counter[str]:
        """Give what was ever counted of the workers of that number as such, and of no service."""
        sums = Counter(self._past_workers.get(number, {}))
        for counts in self._told():
            if counts["worker"] == number:
                sums.update(counts["sums"])
        return sums

    def gateway(self) -> Counter[str]:
        """Give the same of all workers together."""
        sums: Counter[str] = Counter()
        for number in self.numbers():
            sums.update(self.worker(number))
        return sums

    def listener(self, name: str) -> Listened:
        """Give all that was ever counted at a listening socket, and how it is there now."""
        found = Listened(Counter(self._past_listeners.get(name, {})))
        for counts in self._told():
            part = counts.get("listeners", {}).get(name)
            if part is not None:
                found.sums.update(part["sums"])
                # One that finishes is there beside the one that has taken its place.
                found.now.setdefault(counts["worker"], Counter()).update(part["now"])
        return found

    def _told(self) -> list[dict[str, Any]]:
        # Workers of a former version, which a new supervisor takes over, tell less.
        return [counts for counts in self._latest.values() if "sums" in counts]

    def totals(self, name: str) -> Totals:
        """Give all that was ever counted of a service."""
        totals = deepcopy(self._past.get(name, Totals()))
        for part in self._parts(name):
            totals.add(part)
        return totals

    def of_worker(self, worker: int) -> dict[str, Totals]:
        """Give what one living worker has counted of each service since it began."""
        found: dict[str, Totals] = {}
        for name, part in self._latest.get(worker, {"services": {}})["services"].items():
            found[name] = Totals()
            found[name].add(part)
        return found

    def service(self, name: str) -> dict[str, Any]:
        """Give the sums for a service, with p50 and p99 in seconds (None without requests)."""
        parts = self._parts(name)
        past = self._past.get(name, Totals()).sums
        sums: dict[str, Any] = {key: past[key] + sum(part.get(key, 0) for part in parts) for key in _SUMS}
        sums["in_flight"] = sum(part["in_flight"] for part in parts)
        sums["parked"] = sum(part.get("parked", 0) for part in parts)
        sums["queued"] = sum(part.get("queued", 0) for part in parts)
        limits = [limit for part in parts if (limit := part.get("limit")) is not None]
        sums["limit"] = sum(limits) if limits else None
        sums["tunnels"] = sum(part.get("tunnels", 0) for part in parts)
        sums["panicking"] = any(part["panicking"] for part in parts)
        sums["shunned"] = sorted({zone for part in parts for zone in part.get("shunned", ())})
        return sums | _quantiles(parts)

    def instance(self, service: str, name: str, generation: int) -> dict[str, Any]:
        """Give the sums for one life of an instance; its failures are attempts that failed there."""
        parts = self._of(service, name, generation)
        past = self._past_lives.get((service, name, generation), Counter())
        return {
            "requests": past["requests"] + sum(part["requests"] for part in parts),
            "failures": past["failures"] + sum(part["failures"] for part in parts),
            "health": [part["health"] for part in parts],
            **_now(parts),
            **_quantiles(parts),
        }

    def scores(self, service: str) -> dict[tuple[str, int], Score]:
        """Give what was counted of each life that a worker knows, by instance and generation."""
        lives: dict[tuple[str, int], list[dict[str, Any]]] = {}
        for counts in self._parts(service):
            for part in counts["instances"]:
                lives.setdefault((part["instance"], part["generation"]), []).append(part)
        return {life: self._score((service, *life), parts) for life, parts in lives.items()}

    def _score(self, life: tuple[str, str, int], parts: list[dict[str, Any]]) -> Score:
        past, now = self._past_lives.get(life, Counter[str]()), _now(parts)
        requests, failures, overtaken = (
            past[key] + sum(part.get(key, 0) for part in parts) for key in _OF_LIVES
        )
        left_out = now["ejected"] + now["breakers_open"] > 0
        return Score(
            requests, failures, overtaken, left_out, merged(_buckets(part["latency"]) for part in parts)
        )

    def seen(self, service: str, name: str, generation: int) -> list[Seen]:
        """Give how each worker that has it sees one life of an instance."""
        # Workers of a former version, which a new supervisor takes over, do not tell what they heard.
        return [
            Seen(part["health"], ProbeResult(*probe) if (probe := part.get("probe")) else None)
            for part in self._of(service, name, generation)
        ]

    def instances(self, service: str) -> dict[str, dict[str, Any]]:
        """Give how it is with each instance of a service now, over all of its lives that the workers know."""
        parts: dict[str, list[dict[str, Any]]] = {}
        for counts in self._parts(service):
            for part in counts["instances"]:
                parts.setdefault(part["instance"], []).append(part)
        return {name: _now(its) | _further(its) for name, its in parts.items()}

    def _of(self, service: str, name: str, generation: int) -> list[dict[str, Any]]:
        life = (name, generation)
        found = (self._index(worker, service).get(life) for worker in self._latest)
        return [part for part in found if part is not None]

    def _index(self, worker: int, service: str) -> dict[tuple[str, int], dict[str, Any]]:
        indexes = self._lives.setdefault(worker, {})
        if service not in indexes:
            told = self._latest[worker]["services"].get(service, {"instances": ()})
            indexes[service] = {(part["instance"], part["generation"]): part for part in told["instances"]}
        return indexes[service]

    def _parts(self, service: str) -> list[dict[str, Any]]:
        return [
            counts["services"][service] for counts in self._latest.values() if service in counts["services"]
        ]


def _now(parts: list[dict[str, Any]]) -> dict[str, int]:
    return {
        "in_flight": sum(part["in_flight"] for part in parts),
        "ejected": sum(part["ejected"] for part in parts),
        "doubted": sum(part.get("doubted", False) for part in parts),
        "breakers_open": sum(part["breaker"] not in (None, "closed") for part in parts),
    }


def _further(parts: list[dict[str, Any]]) -> dict[str, Any]:
    idle = sum(part.get("idle", 0) for part in parts)
    return {
        "idle": idle,
        "used": sum(part.get("connections", 0) for part in parts) - idle,
        "breakers": Counter(part["breaker"] for part in parts if part["breaker"] is not None),
    }


def _buckets(counts: Mapping[str, int]) -> dict[int, int]:
    """Read a histogram as it comes over the line: JSON has no numbers for keys."""
    return {int(index): count for index, count in counts.items()}


def _quantiles(parts: Iterable[dict[str, Any]]) -> dict[str, float | None]:
    counts = merged(_buckets(part["latency"]) for part in parts)
    return {"p50": quantile(counts, 0.5), "p99": quantile(counts, 0.99)}
