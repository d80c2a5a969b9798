"""What the gateway is to keep, and whether it did.

A ratio is the median of the ratios of the rounds: both were measured within a minute of each other, so what slows
the machine for a while slows both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

OURS = "mainstay"
COMPILED = "compiled"
Results = dict[str, Any]
"""`cost`, `latency`: what is measured, then who, then one entry for each round; the other parts likewise."""


@dataclass(frozen=True)
class Bound:
    """One thing that is to hold."""

    title: str
    measure: Callable[[Results, str], float | None]
    """Of this build of ours; None: it was not measured in this run."""
    limit: float
    unit: str = ""
    least: bool = False
    """The limit is the least that is wanted, not the most."""

    def verdict(self, value: float) -> str:
        """Say whether it is met, or by how much it is not."""
        if (value >= self.limit) if self.least else (value <= self.limit):
            return "met"
        return f"missed by {abs(value / self.limit - 1):.0%}"


def ratio(
    entries: dict[str, list[dict[str, float]]], key: str, theirs: str, ours: str = OURS
) -> float | None:
    """Give ours as a share of theirs."""
    mine, other = entries.get(ours), entries.get(theirs)
    if not mine or not other:
        return None
    return median(a[key] / b[key] for a, b in zip(mine, other, strict=True))


def _cost(case: str, theirs: str, key: str = "cpu_us") -> Callable[[Results, str], float | None]:
    return lambda results, who: ratio(results.get("cost", {}).get(case, {}), key, theirs, who)


def _idle(results: Results, who: str) -> float | None:
    found = results.get("idle", {}).get(who)
    return median(entry["octets"] for entry in found) / 1024 if found else None


def _workers(results: Results, who: str) -> float | None:
    return ratio(results.get("workers", {}), "capacity", "1", "2") if who == OURS else None


def _table(key: str) -> Callable[[Results, str], float | None]:
    def measure(results: Results, who: str) -> float | None:
        found = results.get("table", {}).get("new") if who == OURS else None
        return median(entry[key] for entry in found) * 1000 if found else None

    return measure


def _throughput(results: Results, who: str) -> float | None:
    cost = _cost("1mib", "envoy", "cpu_s_gib")(results, who)
    return 1 / cost if cost else None


BOUNDS = (
    Bound("CPU per request, 12 headers, against Envoy", _cost("get12", "envoy"), 0.60, "x"),
    Bound("CPU per request, 12 headers, against Traefik", _cost("get12", "traefik"), 0.45, "x"),
    Bound("CPU per request, 12 headers, against Caddy", _cost("get12", "caddy"), 0.60, "x"),
    Bound("CPU per request, 12 headers, against HAProxy", _cost("get12", "haproxy"), 2.0, "x"),
    Bound("the same, to be tried for", _cost("get12", "haproxy"), 1.2, "x"),
    Bound("1 MiB answers, bytes for a CPU second, against Envoy", _throughput, 1.0, "x", least=True),
    Bound("a new connection for each, CPU, against Envoy", _cost("new", "envoy"), 1.0, "x"),
    Bound("memory of an idle kept-alive connection", _idle, 10, "KiB"),
    Bound("two workers against one, requests for a second of the busiest", _workers, 1.8, "x", least=True),
    Bound("a table of 10,000 instances, time until applied", _table("seconds"), 100, "ms"),
    Bound("a table of 10,000 instances, longest pause", _table("pause"), 20, "ms"),
)


def judged(results: Results, who: str) -> list[tuple[Bound, float | None]]:
    """Give every bound with what was measured of a build of ours."""
    return [(bound, bound.measure(results, who)) for bound in BOUNDS]
