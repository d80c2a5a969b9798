"""Metrics by instance: what it was asked, what it said, and how it is."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import Metric

from mainstay.base.histogram import STEPS
from mainstay.base.outcome import CHARGED
from mainstay.control import Control
from mainstay.gateway.tally import Totals
from mainstay.tolerance.breaker import State
from mainstay.web.metrics.family import COARSE, counter, gauge, histogram

STATES = (
    *("waiting", "starting", "up", "suspect", "down", "frozen"),
    *("draining", "stopping", "crash loop", "stopped"),
)
"""The states of instances; each has a series, also while none is in it, so that an alert finds it."""

_INSTANCE = ("service", "instance")
_SUMS = (
    (
        "attempts",
        "Attempts at the instance: a request that was retried counts at each that it was sent to.",
        "attempts",
    ),
    ("upstream_connections_opened", "Connections that were made to the instance.", "opened"),
    (
        "upstream_received_bytes",
        "Bytes of answers that came from the instance, before encryption.",
        "received",
    ),
    ("upstream_sent_bytes", "Bytes of requests that were sent to the instance, before encryption.", "sent"),
)
_OUTCOMES = tuple(outcome.name.lower() for outcome in sorted(CHARGED))
_CLASSES = (1, 2, 3, 4, 5)
_NOW = (
    ("attempts_in_flight", "in_flight", "Attempts in progress at the instance."),
    ("instance_ejected", "ejected", "Workers that leave the instance out because its traffic failed."),
    ("instance_doubted", "doubted", "Workers that ask the instance last because it is silent."),
)
_BREAKERS = tuple(state.value for state in State)

Key = tuple[str, str]
"""A service's name, and an instance's."""


def attempts(control: Control, totals: Mapping[str, Totals], rows: list[dict[str, Any]]) -> Iterator[Metric]:
    """Give what the gateway knows of each instance."""
    # Those that have not been asked yet stand at 0, so that their first failure is seen to be an increase.
    known: dict[Key, Counter[str]] = {
        (row["service"], row["instance"]): Counter() for row in rows if row["service"] in totals
    }
    known |= {
        (name, instance): score for name, one in totals.items() for instance, score in one.scores.items()
    }
    for metric, about, key in _SUMS:
        yield counter(metric, about, _INSTANCE, ((who, score[key]) for who, score in known.items()))
    yield counter(
        "attempt_failures",
        "Attempts that failed at the instance, by how they ended.",
        (*_INSTANCE, "outcome"),
        (((*who, word), score[f"failed {word}"]) for who, score in known.items() for word in _OUTCOMES),
    )
    yield counter(
        "responses",
        "Answers of the instance by class of the status, those among them that were not passed on.",
        (*_INSTANCE, "class"),
        (
            ((*who, f"{digit}xx"), score[f"answers {digit}"])
            for who, score in known.items()
            for digit in _CLASSES
        ),
    )
    yield histogram(
        "attempt_duration_seconds",
        "Time from when a request was sent to the instance to the last byte of its answer.",
        _INSTANCE,
        COARSE,
        ((who, _took(score), score["micros"] / 1e6) for who, score in known.items()),
    )
    yield from _moves(control, known)
    yield from _at_the_moment(control, known)


def _took(score: Counter[str]) -> dict[int, int]:
    return {
        int(name[5:]) * STEPS + STEPS - 1: count for name, count in score.items() if name.startswith("took ")
    }


def _moves(control: Control, known: Mapping[Key, Counter[str]]) -> Iterator[Metric]:
    yield counter(
        "ejections",
        "Times that a worker left the instance out because its traffic failed.",
        _INSTANCE,
        ((who, control.ejections[who]) for who in known),
    )
    yield counter(
        "breaker_openings",
        "Times that a worker's circuit breaker for the instance opened.",
        _INSTANCE,
        ((who, control.breaker_openings[who]) for who in known),
    )


def _at_the_moment(control: Control, known: Mapping[Key, Counter[str]]) -> Iterator[Metric]:
    now = {name: control.tally.instances(name) for name in {service for service, _ in known}}
    there: dict[Key, Mapping[str, Any]] = {(name, one): now[name].get(one, {}) for name, one in known}
    for metric, key, about in _NOW:
        yield gauge(metric, about, _INSTANCE, ((who, its.get(key, 0)) for who, its in there.items()))
    yield gauge(
        "breakers",
        "Workers whose circuit breaker for the instance is in the state.",
        (*_INSTANCE, "state"),
        (
            ((*who, state), its.get("breakers", {}).get(state, 0))
            for who, its in there.items()
            for state in _BREAKERS
        ),
    )
    yield gauge(
        "upstream_connections",
        "Connections to the instance that are open, and in use or idle; those of TCP services are attempts in flight.",
        (*_INSTANCE, "state"),
        (
            ((*who, state), its.get("idle", 0) if state == "idle" else its.get("used", 0))
            for who, its in there.items()
            for state in ("used", "idle")
        ),
    )


def instances(rows: list[dict[str, Any]]) -> Iterator[Metric]:
    """Give what the supervisor knows of each instance."""
    # While one life replaces another, both have a row.
    up: Counter[tuple[str, ...]] = Counter()
    states: Counter[tuple[str, ...]] = Counter()
    restarts: dict[tuple[str, ...], int] = {}
    for row in rows:
        key = (row["service"], row["instance"])
        up[key] |= row["serves"]
        states.update({(*key, state): int(state == row["state"]) for state in STATES})
        restarts[key] = row["restarts"]
    yield gauge("instance_up", "1 while the instance takes requests.", _INSTANCE, up.items())
    yield gauge(
        "instance_state",
        "Lives of the instance in the state: 1 or 0, and 2 states at once while one life replaces another.",
        (*_INSTANCE, "state"),
        states.items(),
    )
    yield counter(
        "instance_restarts",
        "Times that the instance was started again because it had ended.",
        _INSTANCE,
        restarts.items(),
    )
