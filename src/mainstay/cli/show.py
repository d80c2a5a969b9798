"""What the commands print: tables for people, JSON for programs; data on stdout, news on stderr."""

import json
import math
import sys
import time
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from mainstay.base.errors import MainstayError, SystemFileError

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

_COLOURS = {
    "up": "green",
    "suspect": "yellow",
    "starting": "cyan",
    "waiting": "cyan",
    "draining": "yellow",
    "stopping": "yellow",
    "down": "red",
    "frozen": "red",
    "crash loop": "red",
    "stopped": "dim",
}


def data(value: dict[str, Any]) -> None:
    """Print JSON."""
    json.dump(value, sys.stdout, indent=2, allow_nan=False)
    sys.stdout.write("\n")


def problem(error: MainstayError) -> None:
    """Say what went wrong."""
    if isinstance(error, SystemFileError):
        for line in error.lines():
            err.print(Text(line, style="red"), soft_wrap=True)
        count = len(error.problems)
        err.print(f"{count} problem{'s' if count != 1 else ''} in the system file; nothing was changed")
    else:
        err.print(Text("mainstay: ", style="red").append(Text(str(error), style="default")), soft_wrap=True)


def bug(name: str) -> None:
    """Say that this is our fault."""
    err.print(f"[red]{name}: this is a bug in Mainstay; please report it with the lines above[/]")


def news(text: str) -> None:
    """Say what has been done."""
    err.print(text, soft_wrap=True)


def status(state: dict[str, Any]) -> None:
    """Print the state of a system."""
    out.print(Text.assemble((state["system"], "bold"), f"  {state['phase']} for {span(state['uptime'])}"
                            f"  supervisor {state['supervisor_pid']}"
                            f"  gateway workers {' '.join(str(w['pid']) for w in state['workers']) or 'none'}"))
    services = Table("service", "listen", *map(right, ("up", "requests", "failed", "retried", "in flight", "p50", "p99")),
                     box=None, header_style="bold", pad_edge=False)
    for row in state["services"]:
        whole = row["up"] == row["instances"]
        services.add_row(
            row["service"], row["listen"] or "-",
            Text(f"{row['up']}/{row['instances']}", style="green" if whole else "red" if not row["up"] else "yellow"),
            f"{row['requests']:,}", Text(f"{row['failures']:,}", style="red" if row["failures"] else ""),
            f"{row['retries']:,}", str(row["in_flight"]), millis(row["p50"]), millis(row["p99"]),
        )
    out.print()
    out.print(services)
    out.print()
    out.print(_instances(state["instances"]))
    for row in state["instances"]:
        _troubles(row)


def _instances(rows: Iterable[dict[str, Any]]) -> Table:
    keys = map(right, ("gen", "pid", "port"))
    more = map(right, ("uptime", "restarts", "in flight", "requests", "failed", "p50", "p99", "cpu", "memory"))
    table = Table("instance", "zone", *keys, "state", *more, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(
            row["instance"], row["zone"] or "-", str(row["generation"]), _or_dash(row["pid"]), _or_dash(row["port"]),
            Text(row["state"], style=_COLOURS.get(row["state"], "")), span(row["uptime"]), str(row["restarts"]),
            str(row["in_flight"]), f"{row['requests']:,}",
            Text(f"{row['failures']:,}", style="red" if row["failures"] else ""),
            millis(row["p50"]), millis(row["p99"]),
            "-" if row["cpu"] is None else f"{row['cpu']:.0%}",
            "-" if row["memory"] is None else f"{row['memory'] / 2**20:,.0f} MiB",
        )
    return table


def _troubles(row: dict[str, Any]) -> None:
    """Say why an instance is not as it should be, or was not."""
    now = time.time()
    last, probe = row["last_exit"], row["last_probe"]
    if last is not None:
        said = f"{row['instance']}: last exit {span(now - last['at'])} ago: {last['reason']}"
        if row["next_try"] is not None:
            said += f"; next try in {max(0.0, row['next_try'] - now):.1f}s"
        out.print(Text(said, style="yellow"))
        if row["state"] != "up":
            for line in last["log"][-5:]:
                out.print(Text(f"    {line}", style="dim"), soft_wrap=True)
    if row["state"] != "up" and probe is not None and not probe["ok"]:
        out.print(Text(f"{row['instance']}: last health check: {probe['said']}", style="yellow"))


def span(seconds: float | None) -> str:
    """Write a time span with its two largest units."""
    if seconds is None:
        return "-"
    left = math.floor(max(0.0, seconds))
    parts: list[str] = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        count, left = divmod(left, size)
        if count or parts or unit == "s":
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])


def millis(seconds: float | None) -> str:
    """Write a latency in milliseconds."""
    if seconds is None:
        return "-"
    value = seconds * 1000
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"  # noqa: PLR2004 - a digit more for small ones


def fact(record: dict[str, Any]) -> str:
    """Write a fact as a line for people."""
    who = record.get("instance") or record.get("service") or f"gateway worker {record.get('worker')}"
    words = {
        "InstanceStarted": "started",
        "InstanceAdopted": "found running, watched again",
        "InstanceBecameReady": "ready",
        "InstanceStopped": "stopped",
        "InstanceReturned": "back after ejection",
        "PanicBegan": "no usable instance is left: all are used",
        "PanicEnded": "has usable instances again",
        "WorkerStarted": f"started, pid {record.get('pid')}",
    }
    name = record["fact"]
    if name in words:
        return f"{who} {words[name]}"
    if name in ("InstanceExited", "WorkerExited"):
        return f"{who} ended: {record['reason']}"
    if name == "InstanceEjected":
        return f"{who} ejected by gateway worker {record.get('worker')}: {record['because']}"
    if name in ("HealthChanged", "BreakerMoved"):
        what = "health" if name == "HealthChanged" else "circuit breaker"
        where = f" (seen by gateway worker {record['worker']})" if "worker" in record else ""
        return f"{who} {what}: {record['before']} -> {record['after']}{where}"
    return f"{who} {name}"


def right(name: str) -> Column:
    """Give a column of figures."""
    return Column(name, justify="right")


def _or_dash(value: object) -> str:
    return "-" if value is None else str(value)
