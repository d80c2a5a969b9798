"""The report as Markdown, for those who read it beside code."""

from collections.abc import Mapping
from typing import Any

from mainstay.base.moment import moment
from mainstay.ledger.figure import between, latency, percent, span
from mainstay.ledger.page import NOTE, title

_HEAD = (
    "| service | by time | 95 % interval | outages | down | unknown | requests | good | p50 | p99 |\n| --- |"
    + " ---: |" * 9
)
_INSTANCES = (
    "| instance | zone | there for | by time | 95 % interval | exits | of these on purpose |\n| --- | --- |"
    + " ---: |" * 5
)


def markdown(report: Mapping[str, Any]) -> str:
    """Write a report as Markdown of GitHub's kind."""
    rows = report["services"]
    parts = [
        f"## {_text(report['system'])}: {_text(title(report))}",
        f"{moment(report['since'])} to {moment(report['until'])}",
        "\n".join([_HEAD, *map(_service, rows)]),
    ]
    for row in rows:
        parts += [f"### {_text(row['service'])}", "\n".join(f"- {_text(line)}" for line in row["told"])]
        if row["instances"]:
            parts.append("\n".join([_INSTANCES, *map(_instance, row["instances"])]))
    return "\n\n".join([*parts, NOTE]) + "\n"


def _service(row: Mapping[str, Any]) -> str:
    time, requests = row["time"], row["requests"]
    return _row(
        row["service"],
        percent(time["availability"]),
        between(time["low"], time["high"]),
        f"{time['outages']:,}",
        span(time["down"]),
        span(time["unknown"]),
        f"{requests['valid']:,}",
        percent(requests["availability"]),
        latency(requests["p50"]),
        latency(requests["p99"]),
    )


def _instance(row: Mapping[str, Any]) -> str:
    return _row(
        row["instance"],
        row["zone"],
        span(row["present"]),
        percent(row["availability"]),
        between(row["low"], row["high"]),
        f"{row['exits']:,}",
        f"{row['on_purpose']:,}",
    )


def _row(*cells: str) -> str:
    return f"| {' | '.join(map(_text, cells))} |"


def _text(text: str) -> str:
    """Keep words words: a name is no markup."""
    return "".join(f"\\{char}" if char in "\\`*_[]<>|#" else char for char in text)
