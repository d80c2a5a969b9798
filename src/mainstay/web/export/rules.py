"""Recording and alerting rules of Prometheus for the objectives of a system, with the same windows and rates as Mainstay's own."""

from typing import Any

from mainstay.base.units import format_share
from mainstay.reliability.burn import SEVERITIES, Pair, pairs
from mainstay.system.objective import told
from mainstay.system.schema import System
from mainstay.web.export.query import Promised, bad, bound, length, promised, total

ERRORS = "mainstay:objective_error_ratio:rate"
"""What a recorded share of bad events is called, before its window."""
COUNT = "mainstay:objective_bad_events:increase"
"""What a recorded number of them is called, likewise."""
ALERT = "MainstayErrorBudgetBurns"

Rules = dict[str, Any]


def rules(system: System, match: str = "") -> Rules:
    """Give the file of rules as plain values.

    Args:
        system: Whose objectives.
        match: What else has to match in every query, as in `job="shop"`.
    """
    groups = []
    for one in promised(system):
        found = pairs(one.spec, one.period)
        if one.spec.latency is not None and bound(one.spec.latency) is None:
            continue
        name = f"mainstay-{one.service}-{one.name}"
        groups += [
            {"name": f"{name}-record", "rules": _recorded(one, found, match)},
            {"name": f"{name}-alert", "rules": _alerts(one, found)},
        ]
    return {"groups": groups}


def remarks(system: System) -> list[str]:
    """Say where the rules are not what Mainstay itself counts."""
    found = []
    for one in promised(system):
        who = f"{one.service} {one.name}"
        if one.spec.sliced:
            found.append(
                f"{who}: counted by {one.spec.method} in Mainstay, and by occurrences here;"
                " what is left of its budget is mainstay_objective_budget_left"
            )
        if one.spec.latency is None:
            continue
        least = bound(one.spec.latency)
        if least is None:
            found.append(f"{who}: left out, since no bucket of the metric is so fast")
        elif least != one.spec.latency:
            found.append(
                f"{who}: the bucket of the metric that is nearest below the limit ends at {least * 1000:g}ms"
            )
    return found


def _recorded(one: Promised, found: list[Pair], match: str) -> list[Rules]:
    windows = sorted({seconds for pair in found for seconds in (pair.short, pair.long)})
    ratios = [
        {
            "record": f"{ERRORS}{(window := length(seconds))}",
            "expr": f"({bad(one, 'rate', window, match)}) / ({total(one, 'rate', window, match)})",
            "labels": {"objective": one.name},
        }
        for seconds in windows
    ]
    counts = [
        {
            "record": f"{COUNT}{(window := length(seconds))}",
            "expr": bad(one, "increase", window, match),
            "labels": {"objective": one.name},
        }
        for seconds in sorted({pair.long for pair in found})
    ]
    return ratios + counts


def _alerts(one: Promised, found: list[Pair]) -> list[Rules]:
    promise = told(one.name, one.spec)
    return [
        {
            "alert": ALERT,
            "expr": " or ".join(_condition(one, pair) for pair in mine),
            "labels": {"severity": severity},
            "annotations": {
                "summary": f"{one.service} {one.name} is in danger: {promise} was promised",
                "description": (
                    f"The error budget of {format_share(round(1 - one.spec.target, 9))} is spent more than"
                    f" {min(pair.burn for pair in mine):g} times too fast."
                ),
            },
        }
        for severity in SEVERITIES
        if (mine := [pair for pair in found if pair.severity == severity])
    ]


def _condition(one: Promised, pair: Pair) -> str:
    who = f'{{service="{one.service}", objective="{one.name}"}}'
    most = f"{pair.burn * (1 - one.spec.target):.9g}"
    long, short = length(pair.long), length(pair.short)
    return (
        f"({ERRORS}{long}{who} > {most} and {ERRORS}{short}{who} > {most}"
        f" and {COUNT}{long}{who} >= {one.spec.at_least})"
    )
