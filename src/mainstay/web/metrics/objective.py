"""Metrics by objective: what was promised, what users got, and what is left of the error budget."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import Metric

from mainstay.reliability.burn import SEVERITIES
from mainstay.web.metrics.family import gauge

_OBJECTIVE = ("service", "objective")
_GAUGES = (
    ("objective_target", "target", "The share of events that has to be good."),
    ("objective_ratio", "ratio", "The share that was good, in the budget's period."),
    ("objective_ratio_low", "low", "The lower end of its 95 % interval."),
    ("objective_ratio_high", "high", "The upper end of its 95 % interval."),
    ("objective_events", "events", "Requests behind it."),
    ("objective_bad_events", "bad_events", "Requests among them that were bad."),
    (
        "objective_budget_left",
        "budget_left",
        "The share of the error budget that is left, below 0 when it is missed.",
    ),
)


def objectives(rows: Sequence[Mapping[str, Any]]) -> Iterator[Metric]:
    """Give how each objective stands; what is not known has no sample."""
    for metric, key, about in _GAUGES:
        yield gauge(
            metric,
            about,
            _OBJECTIVE,
            (((row["service"], row["objective"]), row[key]) for row in rows if row[key] is not None),
        )
    yield gauge(
        "objective_burn_rate",
        "How many times faster than it may be the budget is spent, by the length of the window in seconds.",
        (*_OBJECTIVE, "window"),
        (
            ((row["service"], row["objective"], window), rate)
            for row in rows
            for window, rate in row["burn_rates"].items()
            if rate is not None
        ),
    )
    yield gauge(
        "objective_alert",
        "Whether an alert is firing.",
        (*_OBJECTIVE, "severity"),
        (
            ((row["service"], row["objective"], severity), float(severity in row["alerts"]))
            for row in rows
            for severity in SEVERITIES
        ),
    )
