"""Metrics by service: what clients asked, and what they got."""

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

from prometheus_client import Metric

from mainstay.gateway.tally import Totals
from mainstay.tolerance.key import ANSWER, DOUBT, OUTGROW, RELEASE
from mainstay.tolerance.order import Because
from mainstay.web.metrics.family import BOUNDS, Samples, counter, gauge, histogram

_SERVICE = ("service",)
_CLASSES = (1, 2, 3, 4, 5)
_SUMS = (
    (
        "request_failures",
        "failures",
        "Answers of 5xx, the gateway's own among them, and answers that were cut.",
    ),
    ("responses_broken", "broken", "Answers that were cut because the instance died in the middle of them."),
    ("requests_cancelled", "cancelled", "Requests that the client gave up."),
    ("retries", "retries", "Further attempts at requests, after one that failed."),
    ("hedges", "hedges", "Second attempts at requests, beside one that was late."),
    ("hedges_won", "hedges_won", "Second attempts that had their answer before the one that was late."),
    ("requests_shed", "shed", "Requests that were refused because there was no room at the service."),
    ("fallbacks", "fallbacks", "Requests for which the service's fallback stood in."),
    ("tunnel_received_bytes", "received", "Bytes that came from clients through tunnels: TCP, and upgrades."),
    ("tunnel_sent_bytes", "sent", "Bytes that went to clients through tunnels: TCP, and upgrades."),
)
OWN = ("no_instance", "unreachable", "circuit_open", "overloaded", "broken_answer", "timeout", "slow_request")
"""Reasons of our own answers once it is known for which service a request is."""
KEYS = ("taken", ANSWER.value, OUTGROW.value, DOUBT.value, RELEASE.value, "replayed")
"""What becomes of writes with an idempotency key."""
CAUSES = tuple(because.name.lower() for because in Because if because is not Because.CANCELLED)
"""Why requests are not tried (again)."""


def requests(totals: Mapping[str, Totals], now: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    """Give what is known of each service's requests: of all time, and of this moment."""
    yield counter(
        "requests",
        "Answered requests by class of the status.",
        (*_SERVICE, "class"),
        (((name, f"{digit}xx"), one.classes[digit]) for name, one in totals.items() for digit in _CLASSES),
    )
    for metric, key, about in _SUMS:
        yield counter(metric, about, _SERVICE, (((name,), one.sums[key]) for name, one in totals.items()))
    for word in ("up", "down"):
        yield counter(
            f"user_{word}_seconds",
            f"Time of users in which the service was {word} to them, added up over all of them.",
            _SERVICE,
            (((name,), one.sums[f"user_{word}"] / 1000) for name, one in totals.items()),
        )
    yield counter(
        "own_answers",
        "Requests that the gateway answered itself, by its reason.",
        (*_SERVICE, "reason"),
        (((name, word), one.own[word]) for name, one in totals.items() for word in {*OWN, *one.own}),
    )
    yield counter(
        "requests_given_up",
        "Requests that failed and were not tried (again), by why.",
        (*_SERVICE, "because"),
        (
            ((name, word), one.because[word])
            for name, one in totals.items()
            for word in {*CAUSES, *one.because}
        ),
    )
    yield counter(
        "idempotency_keys",
        "What became of writes with an idempotency key that the gateway looks after.",
        (*_SERVICE, "event"),
        (((name, word), one.keys[word]) for name, one in totals.items() for word in KEYS),
    )
    yield histogram(
        "request_duration_seconds",
        "Time from a request's head to the last byte of its answer.",
        _SERVICE,
        BOUNDS,
        (((name,), one.durations, one.micros / 1e6) for name, one in totals.items()),
    )
    yield _now("requests_in_flight", "Requests in progress.", now, "in_flight")
    yield _now("requests_parked", "Requests that wait for an instance.", now, "parked")
    yield _now("requests_queued", "Requests that wait for room at the service.", now, "queued")
    yield gauge(
        "concurrency_limit",
        "Requests that the service is given at once; +Inf while there is no limit.",
        _SERVICE,
        (((name,), inf if one["limit"] is None else one["limit"]) for name, one in now.items()),
    )
    yield _now("tunnels_open", "Tunnels that are open.", now, "tunnels")
    yield gauge(
        "zones_shunned",
        "Zones whose instances a worker asks last, because others there failed.",
        _SERVICE,
        (((name,), len(one["shunned"])) for name, one in now.items()),
    )
    yield _now("panicking", "1 while a worker finds no usable instance, and uses all.", now, "panicking")


def _now(metric: str, about: str, now: Mapping[str, Mapping[str, Any]], key: str) -> Metric:
    samples: Samples = (((name,), one[key]) for name, one in now.items())
    return gauge(metric, about, _SERVICE, samples)
