"""What somebody is told of an alert: the JSON of webhooks and commands, and Alertmanager's own. docs/reference/alerts.md tells it."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from mainstay.base.facts import AlertFired
from mainstay.base.units import format_duration

FIRING, RESOLVED, TEST = "firing", "resolved", "test"
VERSION = 1
LASTS = 240.0
"""Seconds for which Alertmanager believes that an alert goes on when it is not told again: four times as long as the pause between two
tellings, as Prometheus has it."""

Notice = dict[str, Any]


def notice(system: str, fact: Mapping[str, Any], fired: Mapping[str, Any]) -> Notice:
    """Make what is told of an alert.

    Args:
        system: The system's name.
        fact: The `AlertFired` or `AlertResolved` that is to be told.
        fired: The `AlertFired` that it began with.
    """
    status = FIRING if fact["fact"] == AlertFired.__name__ else RESOLVED
    return {
        "version": VERSION,
        "status": status,
        "system": system,
        **{key: fact[key] for key in ("service", "objective", "severity", "at")},
        "since": fired["at"],
        "promise": fired["promise"],
        "burn_rate": fired["burn"],
        "window": fired["window"],
        "events": fired["events"],
        "bad_events": fired["bad_events"],
        "budget_left": fired["budget_left"],
        "text": _text(system, status, fired),
    }


def trial(system: str, now: float) -> Notice:
    """Make an alert that says that it is only a test."""
    fired = {
        "fact": AlertFired.__name__,
        "service": "test",
        "objective": "availability",
        "severity": "page",
        "at": now,
        "promise": "99.9% good",
        "burn": 0.0,
        "window": 3600.0,
        "events": 0,
        "bad_events": 0,
        "budget_left": 1.0,
    }
    said = f"{system}: this is a test of Mainstay's alerts; nothing is wrong"
    return notice(system, fired, fired) | {"status": TEST, "text": said}


def for_alertmanager(told: Notice, now: float) -> list[dict[str, Any]]:
    """Write it as Alertmanager's API v2 takes it, at `POST /api/v2/alerts`."""
    ends = now + LASTS if told["status"] == FIRING else now
    return [
        {
            "labels": {
                "alertname": "MainstayTest" if told["status"] == TEST else "MainstayErrorBudgetBurns",
                **{key: told[key] for key in ("system", "service", "objective", "severity")},
            },
            "annotations": {"summary": told["text"], "promise": told["promise"]},
            "startsAt": _iso(told["since"]),
            "endsAt": _iso(max(ends, told["since"] + 1)),
        }
    ]


def _text(system: str, status: str, fired: Mapping[str, Any]) -> str:
    who = f"{system}: {fired['service']} {fired['objective']}"
    if status == RESOLVED:
        # Not that all is well: what was spent is spent.
        return f"{who} no longer spends its error budget too fast"
    left = fired["budget_left"]
    budget = (
        "" if left is None else f"; {left:.0%} of the budget is left" if left > 0 else "; the budget is spent"
    )
    return (
        f"{who} is in danger ({fired['severity']}): {fired['promise']} was promised, and {fired['bad_events']} of"
        f" {fired['events']} were bad in {format_duration(fired['window'])}{budget}"
    )


def _iso(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
