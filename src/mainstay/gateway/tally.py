"""The counts of all workers, added up; what a dead one had counted is kept."""

from collections import Counter
from typing import Any

from mainstay.gateway.histogram import merged, quantile

_SUMS = ("requests", "failures", "broken", "cancelled", "refused", "retries")


class Tally:
    """Counts by worker, and the sums of those who are gone."""

    def __init__(self) -> None:
        self._latest: dict[int, dict[str, Any]] = {}
        self._past: dict[str, Counter[str]] = {}
        self._past_lives: dict[tuple[str, str, int], Counter[str]] = {}

    def take(self, worker: int, counts: dict[str, Any]) -> None:
        """Take what a worker has counted since it began."""
        self._latest[worker] = counts

    def lost(self, worker: int) -> None:
        """Keep the last counts of a worker that ended."""
        counts = self._latest.pop(worker, {"services": {}})
        for name, service in counts["services"].items():
            past = self._past.setdefault(name, Counter())
            past.update({key: service[key] for key in _SUMS})
            for part in service["instances"]:
                life = (name, part["instance"], part["generation"])
                lives = self._past_lives.setdefault(life, Counter())
                lives.update({"requests": part["requests"], "failures": part["failures"]})

    def clients(self, worker: int) -> int:
        """Give the number of client connections that a worker has."""
        counts = self._latest.get(worker)
        return int(counts["clients"]) if counts else 0

    def service(self, name: str) -> dict[str, Any]:
        """Give the sums for a service, with p50 and p99 in seconds (None without requests)."""
        parts = [c["services"][name] for c in self._latest.values() if name in c["services"]]
        past = self._past.get(name, Counter())
        sums: dict[str, Any] = {key: past[key] + sum(part[key] for part in parts) for key in _SUMS}
        sums["in_flight"] = sum(part["in_flight"] for part in parts)
        sums["panicking"] = any(part["panicking"] for part in parts)
        return sums | _quantiles(parts)

    def instance(self, service: str, name: str, generation: int) -> dict[str, Any]:
        """Give the sums for one life of an instance; its failures are attempts that failed there."""
        parts = [
            part
            for counts in self._latest.values()
            for part in counts["services"].get(service, {"instances": ()})["instances"]
            if part["instance"] == name and part["generation"] == generation
        ]
        past = self._past_lives.get((service, name, generation), Counter())
        return {
            "requests": past["requests"] + sum(part["requests"] for part in parts),
            "failures": past["failures"] + sum(part["failures"] for part in parts),
            "in_flight": sum(part["in_flight"] for part in parts),
            "health": [part["health"] for part in parts],
            "ejected": sum(part["ejected"] for part in parts),
            "breakers_open": sum(part["breaker"] not in (None, "closed") for part in parts),
        } | _quantiles(parts)


def _quantiles(parts: list[dict[str, Any]]) -> dict[str, float | None]:
    counts = merged({int(index): n for index, n in part["latency"].items()} for part in parts)
    return {"p50": quantile(counts, 0.5), "p99": quantile(counts, 0.99)}
