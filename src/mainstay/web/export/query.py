"""PromQL over our own metrics for what an objective counts."""

from typing import NamedTuple

from mainstay.base.histogram import upper
from mainstay.base.units import format_duration
from mainstay.reliability.objective import GOOD, ObjectiveSpec
from mainstay.system.schema import System
from mainstay.web.metrics.family import BOUNDS

REQUESTS = "mainstay_requests_total"
FAILURES = "mainstay_request_failures_total"
DURATIONS = "mainstay_request_duration_seconds"
SERVED = "mainstay_objective_budget_left"


class Promised(NamedTuple):
    """One objective of a system."""

    service: str
    name: str
    spec: ObjectiveSpec
    period: float
    """Seconds that the budget is for."""


def promised(system: System) -> list[Promised]:
    """Give all objectives of a system."""
    return [
        Promised(service, name, spec, about.objective.nominal)
        for service, about in system.services.items()
        if about.objective is not None
        for name, spec in about.objective.specs().items()
    ]


def bound(limit: float) -> float | None:
    """Give the bound of the metric's buckets that is nearest below a limit; None when all are above it."""
    return max((upper(index) for index in BOUNDS if upper(index) <= limit), default=None)


def total(one: Promised, function: str, window: str, match: str = "") -> str:
    """Give how many events there were.

    Args:
        one: The objective.
        function: `rate` or `increase`.
        window: As Prometheus writes it: `5m`.
        match: What else has to match, as in `job="shop"`.
    """
    metric = REQUESTS if one.spec.latency is None else f"{DURATIONS}_count"
    return _sum(function, metric, window, one.service, match)


def good(one: Promised, function: str, window: str, match: str = "") -> str:
    """Give how many of them were good; the arguments are those of `total`."""
    if one.spec.latency is None:
        return f"{total(one, function, window, match)} - ({bad(one, function, window, match)})"
    least = bound(one.spec.latency)
    label = f'le="{least!r}"' if least is not None else 'le="none"'
    return _sum(function, f"{DURATIONS}_bucket", window, one.service, match, label)


def bad(one: Promised, function: str, window: str, match: str = "") -> str:
    """Give how many of them were bad; the arguments are those of `total`."""
    if one.spec.latency is not None:
        return f"{total(one, function, window, match)} - {good(one, function, window, match)}"
    failures = _sum(function, FAILURES, window, one.service, match)
    if others := "|".join(each for each in GOOD if each not in one.spec.good):
        classes = f'class=~"{others}"'
        failures += f" + {_sum(function, REQUESTS, window, one.service, match, classes)}"
    return failures


def length(seconds: float) -> str:
    """Write a time as Prometheus does, which knows no fractions."""
    written = format_duration(round(seconds))
    return written if "." not in written else f"{round(seconds)}s"


def _sum(function: str, metric: str, window: str, service: str, *matches: str) -> str:
    found = ", ".join([f'service="{service}"', *(one for one in matches if one)])
    return f"sum by (service) ({function}({metric}{{{found}}}[{window}]))"
