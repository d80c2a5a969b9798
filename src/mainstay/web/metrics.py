"""What Prometheus is told: made anew from the counts and the supervisor's rows whenever somebody asks.

Names and units follow Prometheus' conventions: base units, `_total` for what only grows. A life that ends takes none
of its instance's counts with it, and neither does a worker.
"""

import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.registry import Collector

from mainstay import __version__
from mainstay.control import Control
from mainstay.gateway.histogram import upper
from mainstay.gateway.tally import Totals

STATES = (
    *("waiting", "starting", "up", "suspect", "down", "frozen"),
    *("draining", "stopping", "crash loop", "stopped"),
)
"""The states of instances; each has a series, also while none is in it, so that an alert finds it."""

BOUNDS = tuple(range(55, 192, 4))
"""Buckets of ours at whose upper bounds those of Prometheus end: two to every doubling from 512 µs to 67 s.
All of ours would be 140 series for each service; these put a quantile off by at most a half, mostly less."""

_SERVICE = ("service",)
_INSTANCE = ("service", "instance")
_CLASSES = (1, 2, 3, 4, 5)
_SUMS = (
    (
        "request_failures",
        "failures",
        "Answers of 5xx, the gateway's own among them, and answers that were cut.",
    ),
    ("responses_broken", "broken", "Answers that were cut because the instance died in the middle of them."),
    ("requests_cancelled", "cancelled", "Requests that the client gave up."),
    ("requests_refused", "refused", "Requests that the gateway refused for what they are."),
    ("retries", "retries", "Further attempts at requests."),
)
_NOW = (
    ("attempts_in_flight", "in_flight", "Attempts in progress at the instance."),
    ("instance_ejected", "ejected", "Workers that leave the instance out because its traffic failed."),
    ("breakers_open", "breakers_open", "Workers whose circuit breaker for the instance is not closed."),
)
_GATEWAY_SUMS = {
    "tls_handshakes": "TLS handshakes of clients that succeeded.",
    "tls_handshake_failures": "TLS handshakes of clients that failed, were given up, or took too long.",
    "access_log_lines": "Lines that were written to the access log.",
    "access_log_lines_dropped": "Lines that the access log lacks, because the disk was too slow or full.",
}
"""What workers count of themselves, by its name here and there."""

Samples = Iterable[tuple[tuple[str, ...], float]]
"""Values by those of the labels."""


class MetricsOf(Collector):
    """Collects the metrics of one running system."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def collect(self) -> Iterator[Metric]:
        """Give all metrics as they are now."""
        control = self._control
        rows = control.rows()
        served = [name for name, service in control.system.services.items() if service.listen is not None]
        totals = {name: control.tally.totals(name) for name in served}
        yield InfoMetricFamily(
            "mainstay_build",
            "The version that runs.",
            value={"version": __version__, "python": platform.python_version()},
        )
        yield from _requests(totals)
        yield from self._requests_now(served)
        yield from self._attempts(totals, rows)
        yield from _instances(rows)
        yield from _certificates(control.certificates())
        yield from self._gateway()

    def _requests_now(self, served: list[str]) -> Iterator[Metric]:
        now = {name: self._control.tally.service(name) for name in served}
        yield _gauge(
            "requests_in_flight",
            "Requests in progress.",
            _SERVICE,
            (((name,), one["in_flight"]) for name, one in now.items()),
        )
        yield _gauge(
            "panicking",
            "1 while a worker finds no usable instance, and uses all.",
            _SERVICE,
            (((name,), one["panicking"]) for name, one in now.items()),
        )

    def _attempts(self, totals: Mapping[str, Totals], rows: list[dict[str, Any]]) -> Iterator[Metric]:
        tally, ejections = self._control.tally, self._control.ejections
        # Those that have not been asked yet stand at 0, so that their first failure is seen to be an increase.
        known = {(row["service"], row["instance"]): None for row in rows if row["service"] in totals}
        known |= {(name, instance): None for name, one in totals.items() for instance in one.attempts}
        yield _counter(
            "attempts",
            "Attempts at the instance: a request that was retried counts at each that it was sent to.",
            _INSTANCE,
            (((name, instance), totals[name].attempts[instance]) for name, instance in known),
        )
        yield _counter(
            "attempt_failures",
            "Attempts that failed at the instance.",
            _INSTANCE,
            (((name, instance), totals[name].failed[instance]) for name, instance in known),
        )
        yield _counter(
            "ejections",
            "Times that a worker left the instance out because its traffic failed.",
            _INSTANCE,
            ((key, ejections[key]) for key in known),
        )
        now = {name: tally.instances(name) for name in totals}
        for metric, key, about in _NOW:
            yield _gauge(
                metric,
                about,
                _INSTANCE,
                (((name, one), now[name].get(one, {}).get(key, 0)) for name, one in known),
            )

    def _gateway(self) -> Iterator[Metric]:
        control = self._control
        workers = control.workers()
        known = sorted({worker["worker"] for worker in workers} | set(control.worker_exits))
        yield _gauge(
            "client_connections",
            "Connections of clients that are open.",
            ("worker",),
            (((str(one["worker"]),), one["clients"]) for one in workers),
        )
        yield _counter(
            "worker_restarts",
            "Times that the gateway worker ended unasked, and was replaced.",
            ("worker",),
            (((str(number),), control.worker_exits[number]) for number in known),
        )
        yield _gauge(
            "worker_table_version",
            "Version of the routing table that the worker applies.",
            ("worker",),
            (((str(one["worker"]),), one["table"]) for one in workers),
        )
        sums = control.tally.gateway()
        for metric, about in _GATEWAY_SUMS.items():
            yield _counter(metric, about, (), [((), sums[metric])])
        yield _gauge("table_version", "Version of the routing table.", (), [((), control.table)])


def _requests(totals: Mapping[str, Totals]) -> Iterator[Metric]:
    yield _counter(
        "requests",
        "Answered requests by class of the status.",
        (*_SERVICE, "class"),
        (((name, f"{digit}xx"), one.classes[digit]) for name, one in totals.items() for digit in _CLASSES),
    )
    for metric, key, about in _SUMS:
        yield _counter(metric, about, _SERVICE, (((name,), one.sums[key]) for name, one in totals.items()))
    for key, whose in (("received", "from clients"), ("sent", "to clients")):
        yield _counter(
            f"tunnel_{key}_bytes",
            f"Bytes that went {whose} through tunnels: TCP connections, and upgraded ones.",
            _SERVICE,
            (((name,), one.sums[key]) for name, one in totals.items()),
        )
    durations = HistogramMetricFamily(
        "mainstay_request_duration_seconds",
        "Time from a request's head to the last byte of its answer.",
        labels=_SERVICE,
    )
    for name, one in totals.items():
        durations.add_metric([name], buckets=_cumulated(one.durations), sum_value=one.micros / 1e6)
    yield durations


def _cumulated(counts: Mapping[int, int]) -> list[tuple[str, float]]:
    buckets: list[tuple[str, float]] = []
    seen, rest = 0, sorted(counts.items(), reverse=True)
    for bound in BOUNDS:
        while rest and rest[-1][0] <= bound:
            seen += rest.pop()[1]
        buckets.append((repr(upper(bound)), seen))
    return [*buckets, ("+Inf", sum(counts.values()))]


def _instances(rows: list[dict[str, Any]]) -> Iterator[Metric]:
    # While one life replaces another, both have a row.
    up: Counter[tuple[str, ...]] = Counter()
    states: Counter[tuple[str, ...]] = Counter()
    restarts: dict[tuple[str, ...], int] = {}
    for row in rows:
        key = (row["service"], row["instance"])
        up[key] |= row["serves"]
        states.update({(*key, state): int(state == row["state"]) for state in STATES})
        restarts[key] = row["restarts"]
    yield _gauge("instance_up", "1 while the instance takes requests.", _INSTANCE, up.items())
    yield _gauge(
        "instance_state",
        "Lives of the instance in the state: 1 or 0, and 2 states at once while one life replaces another.",
        (*_INSTANCE, "state"),
        states.items(),
    )
    yield _counter(
        "instance_restarts",
        "Times that the instance was started again because it had ended.",
        _INSTANCE,
        restarts.items(),
    )


def _certificates(rows: list[dict[str, Any]]) -> Iterator[Metric]:
    yield _gauge(
        "certificate_expiry_timestamp_seconds",
        "When the certificate expires, in seconds since 1970.",
        ("key", "name"),
        (((row["key"], row["name"]), row["until"]) for row in rows),
    )
    yield _gauge(
        "certificate_trouble",
        "1 while the files that are there now cannot be used, and the certificate before them goes on.",
        ("key",),
        (((row["key"],), row["trouble"] is not None) for row in rows),
    )


def _gauge(name: str, about: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    family = GaugeMetricFamily(f"mainstay_{name}", about, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _counter(name: str, about: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    family = CounterMetricFamily(f"mainstay_{name}", about, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family
