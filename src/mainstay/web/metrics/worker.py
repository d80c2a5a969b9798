"""Metrics of the gateway's own processes, and of what they have in common."""

from collections.abc import Iterator
from typing import Any

from prometheus_client import Metric

from mainstay.control import Control
from mainstay.web.metrics.family import counter, gauge

_WORKER = ("worker",)
_SUMS = (
    ("access_log_lines", "Lines that were written to the access log."),
    ("access_log_lines_dropped", "Lines that the access log lacks, because the disk was too slow or full."),
    ("spans", "Spans that were sent to the collector."),
    ("spans_dropped", "Spans that were not, because the collector was too slow or away."),
)
"""What workers count of themselves, by its name here and there."""


def workers(control: Control) -> Iterator[Metric]:
    """Give what is known of each worker, and of all together."""
    there, tally = control.workers(), control.tally
    known = sorted({one["worker"] for one in there} | set(control.worker_exits) | set(tally.numbers()))
    yield counter(
        "worker_restarts",
        "Times that the gateway worker ended unasked, and was replaced.",
        _WORKER,
        (((str(number),), control.worker_exits[number]) for number in known),
    )
    yield counter(
        "worker_cpu_seconds",
        "Processor time of the gateway worker, in user mode and in the kernel, and of those before it.",
        _WORKER,
        (((str(number),), tally.worker(number)["cpu_micros"] / 1e6) for number in known),
    )
    yield gauge(
        "worker_loop_lag_seconds",
        "The longest that a timer of the worker had to wait for its turn, within the last 30 to 60 seconds.",
        _WORKER,
        (((str(one["worker"]),), tally.lag(one["pid"])) for one in there),
    )
    yield gauge(
        "worker_table_version",
        "Version of the routing table that the worker applies.",
        _WORKER,
        (((str(one["worker"]),), one["table"]) for one in there),
    )
    sums = tally.gateway()
    for metric, about in _SUMS:
        yield counter(metric, about, (), [((), sums[metric])])
    yield counter(
        "reloads",
        "Times that the system file was to be taken up anew, by what came of it.",
        ("outcome",),
        (((word,), control.reloads[word]) for word in ("done", "failed")),
    )
    yield gauge("table_version", "Version of the routing table.", (), [((), control.table)])


def certificates(rows: list[dict[str, Any]]) -> Iterator[Metric]:
    """Give what is known of each certificate that is shown to anybody."""
    yield gauge(
        "certificate_expiry_timestamp_seconds",
        "When the certificate expires, in seconds since 1970.",
        ("key", "name"),
        (((row["key"], row["name"]), row["until"]) for row in rows),
    )
    yield gauge(
        "certificate_trouble",
        "1 while the files that are there now cannot be used, and the certificate before them goes on.",
        ("key",),
        (((row["key"],), row["trouble"] is not None) for row in rows),
    )
