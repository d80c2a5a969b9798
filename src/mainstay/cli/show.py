"""What the commands print: tables for people, JSON for programs; data on stdout, news on stderr."""

import json
import math
import sys
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Column
from rich.text import Text

from mainstay.base.errors import MainstayError, OtherFileError, SystemFileError
from mainstay.base.units import format_duration
from mainstay.ledger.figure import percent
from mainstay.supervisor.report import lines
from mainstay.system.certificate import WARNED

# A file or a pipe has no width that lines would have to be broken for.
out = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 160)

_LITTLE = 0.25
"""The share of an error budget below which it is told in yellow."""
_BARS = " ▁▂▃▄▅▆▇█"
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
        if any(problem.line for problem in error.problems) and not isinstance(error, OtherFileError):
            err.print(f"{count} problem{'s' if count != 1 else ''} in the system file; nothing was changed")
    else:
        err.print(Text("mainstay: ", style="red").append(Text(str(error), style="default")), soft_wrap=True)


def bug(name: str) -> None:
    """Say that this is our fault."""
    err.print(f"[red]{name}: this is a bug in Mainstay; please report it with the lines above[/]")


def news(text: str) -> None:
    """Say what has been done."""
    err.print(text, soft_wrap=True)


def warning(text: str) -> None:
    """Say what somebody should look into, though it goes on."""
    err.print(Text(text, style="yellow"), soft_wrap=True)


def bar(ended: int, failed: int) -> Text:
    """Draw what users saw in a second: green and whole when none failed, else red, by the share that did."""
    share = failed / ended if ended else 0.0
    return Text(_BARS[max(1, round(8 * share)) if share else 8], style="red" if share else "green")


def trial(report: dict[str, Any]) -> None:
    """Say how a canary was found well."""
    news("\n".join([f"{report['instance']} {report['because']}", *lines(report)]))


def status(state: dict[str, Any]) -> None:
    """Print the state of a system."""
    pids = " ".join(str(worker["pid"]) for worker in state["workers"]) or "none"
    out.print(
        Text.assemble(
            (state["system"], "bold"),
            f"  {state['phase']} for {span(state['uptime'])}  supervisor {state['supervisor_pid']}",
            f"  gateway workers {pids}",
        ),
        soft_wrap=True,
    )
    out.print()
    # Only what passes connections on as they are has bytes to show.
    tunnels = any(row.get("received") or row.get("sent") for row in state["services"])
    table([*_SERVICE, *_TUNNELS] if tunnels else _SERVICE, state["services"])
    out.print()
    table(_INSTANCE, state["instances"])
    if objectives := state.get("objectives"):  # a supervisor of a former version has none
        out.print()
        table(_OBJECTIVE, objectives)
    for row in state["services"]:
        if row.get("panicking"):
            out.print(Text(f"{row['service']}: panic: no instance is usable, so all are used", style="red"))
        for zone in row.get("shunned", ()):
            out.print(
                Text(f"{row['service']}: zone {zone} is asked last: instances there failed", style="yellow")
            )
    for row in state.get("faults", ()):  # a supervisor of a former version tells of none
        to = ", ".join(row["instances"])
        left = f"for {row['ends_in']:.0f}s more unless renewed"
        out.print(
            Text(
                f"{row['service']}: a fault on purpose, {row['fault']} ({row['id']}), to {to}, {left}",
                style="yellow",
            ),
            soft_wrap=True,
        )
    for row in state.get("marks", ()):
        out.print(Text(mark(row, time.time()), style="yellow"), soft_wrap=True)
    for row in state["instances"]:
        _troubles(row)
    _certificates(state.get("certificates", []))  # a supervisor of a former version has none


def _certificates(certificates: list[dict[str, Any]]) -> None:
    if not certificates:
        return
    out.print()
    table(_CERTIFICATE, certificates)
    for row in certificates:
        if row["trouble"] is not None:
            out.print(Text(f"its new files cannot be used: {row['trouble']}", style="yellow"), soft_wrap=True)


def mark(row: dict[str, Any], now: float) -> str:
    """Say that something is being worked on, or broken on purpose."""
    until = "until it is ended" if row["until"] is None else f"for {span(row['until'] - now)} more"
    return (
        f"{row['service'] or 'all services'}: {row['state']} {until}, which is not charged: {row['reason']}"
    )


def changes(told: list[dict[str, Any]], *, done: bool) -> None:
    """Print what a reload has changed, or would change."""
    for change in told:
        keys = f": {', '.join(change['keys'])}" if change["keys"] else ""
        out.print(Text(f"{change['what']} {change['how']}{keys}"), soft_wrap=True)
    if not told:
        news("nothing has changed")
    elif not done:
        news("nothing was changed: this is what a reload would do")


Cell = Callable[[dict[str, Any]], Text | str]
Figures = tuple[str, bool, int, Cell]
"""A column: its name, whether it is a figure, how little it matters (what matters least is left out first when the
terminal is narrow), and how it is written."""


def _up(row: dict[str, Any]) -> Text:
    whole = row["up"] == row["instances"]
    return Text(
        f"{row['up']}/{row['instances']}", style="green" if whole else "yellow" if row["up"] else "red"
    )


def _state(row: dict[str, Any]) -> Text:
    return Text(row["state"], style=_COLOURS.get(row["state"], ""))


def _failures(row: dict[str, Any]) -> Text:
    return Text(f"{row['failures']:,}", style="red" if row["failures"] else "")


def _memory(row: dict[str, Any]) -> str:
    return "-" if row["memory"] is None else f"{row['memory'] / 2**20:,.0f} MiB"


def _over(row: dict[str, Any]) -> str:
    return row["over"] if isinstance(row["over"], str) else format_duration(row["over"])


def _percent(share: float) -> str:
    # Rounded down: 99.9996 % is not 100 %.
    return f"{math.floor(share * 1e5) / 1e3:.3f}%"


def _between(row: dict[str, Any]) -> str:
    return "-" if row["low"] is None else f"{_percent(row['low'])} and {_percent(row['high'])}"


def _left(row: dict[str, Any]) -> Text | str:
    left = row["budget_left"]
    if left is None:
        return "-"
    return Text(f"{left:.1%}", style="red" if left <= 0 else "yellow" if left < _LITTLE else "green")


_SERVICE: list[Figures] = [
    ("service", False, 0, lambda row: row["service"]),
    ("listen", False, 2, lambda row: row["listen"] or "-"),
    ("up", True, 0, _up),
    ("30 days", True, 3, lambda row: percent(row.get("availability"))),
    ("requests", True, 0, lambda row: f"{row['requests']:,}"),
    ("failed", True, 0, _failures),
    ("retried", True, 1, lambda row: f"{row['retries']:,}"),
    ("in flight", True, 2, lambda row: str(row["in_flight"])),
    ("p50", True, 1, lambda row: millis(row["p50"])),
    ("p99", True, 0, lambda row: millis(row["p99"])),
]
_TUNNELS: list[Figures] = [
    ("received", True, 3, lambda row: bytes_(row.get("received", 0))),
    ("sent", True, 3, lambda row: bytes_(row.get("sent", 0))),
]
_INSTANCE: list[Figures] = [
    ("instance", False, 0, lambda row: row["instance"]),
    ("zone", False, 2, lambda row: row["zone"] or "-"),
    ("gen", True, 3, lambda row: str(row["generation"])),
    ("pid", True, 0, lambda row: _or_dash(row["pid"])),
    ("port", True, 2, lambda row: _or_dash(row["port"])),
    ("state", False, 0, _state),
    ("uptime", True, 1, lambda row: span(row["uptime"])),
    ("restarts", True, 0, lambda row: str(row["restarts"])),
    ("in flight", True, 4, lambda row: str(row["in_flight"])),
    ("requests", True, 1, lambda row: f"{row['requests']:,}"),
    ("failed", True, 2, _failures),
    ("p50", True, 4, lambda row: millis(row["p50"])),
    ("p99", True, 3, lambda row: millis(row["p99"])),
    ("cpu", True, 3, lambda row: "-" if row["cpu"] is None else f"{row['cpu']:.0%}"),
    ("memory", True, 3, _memory),
]
_OBJECTIVE: list[Figures] = [
    ("service", False, 0, lambda row: row["service"]),
    ("promise", False, 0, lambda row: row["promise"]),
    ("over", False, 1, _over),
    ("so far", True, 0, lambda row: "-" if row["ratio"] is None else _percent(row["ratio"])),
    ("95% between", False, 2, _between),
    ("of requests", True, 1, lambda row: f"{row['events']:,}"),
    ("budget left", True, 0, _left),
    (
        "alert",
        False,
        0,
        lambda row: Text(", ".join(row["alerts"]) or "-", style="red" if row["alerts"] else ""),
    ),
]
_CERTIFICATE: list[Figures] = [
    ("certificate", False, 0, lambda row: row["name"]),
    ("names", True, 2, lambda row: str(len(row["names"]))),
    ("expires in", True, 0, lambda row: _expiry(row["until"] - time.time())),
    ("key", False, 1, lambda row: row["key"]),
]
_GAP = 2


def table(columns: list[Figures], rows: list[dict[str, Any]]) -> None:
    """Print a table that fits: unwrapped lines to a file, the columns that matter most to a narrow terminal."""
    cells = {name: [_text(write(row)) for row in rows] for name, _, _, write in columns}
    wide = {name: max(len(name), *(len(cell) for cell in cells[name]), 0) for name in cells}
    for least in range(max(rank for _, _, rank, _ in columns), -1, -1):
        shown = [(name, figure) for name, figure, rank, _ in columns if rank <= least]
        if not out.is_terminal or sum(wide[name] + _GAP for name, _ in shown) - _GAP <= out.width:
            break
    for number in range(-1, len(rows)):
        line = Text()
        for name, figure in shown:
            cell = _text(name, "bold") if number < 0 else cells[name][number].copy()
            cell.align("right" if figure else "left", wide[name])
            line.append_text(cell).append(" " * _GAP)
        line.rstrip()
        out.print(line, soft_wrap=True)


def _text(value: Text | str, style: str = "") -> Text:
    return value if isinstance(value, Text) else Text(value, style=style)


def _troubles(row: dict[str, Any]) -> None:
    """Say why an instance is not as it should be, or was not."""
    now = time.time()
    last, probe = row["last_exit"], row["last_probe"]
    if row.get("ejected"):
        workers = "a gateway worker" if row["ejected"] == 1 else f"{row['ejected']} gateway workers"
        out.print(Text(f"{row['instance']}: left out by {workers}, for its traffic", style="yellow"))
    if last is not None:
        said = f"{row['instance']}: last exit {span(now - last['at'])} ago: {last['reason']}"
        if row["next_try"] is not None:
            said += f"; next try in {max(0.0, row['next_try'] - now):.1f}s"
        out.print(Text(said, style="yellow"))
        if row["state"] != "up":
            for line in last["log"][-12:]:
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


def bytes_(count: int) -> str:
    """Write a number of bytes, with a fraction where it is small."""
    size, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and len(units) > 1:  # noqa: PLR2004 - the step between units
        size /= 1024
        del units[0]
    return f"{size:,.1f} {units[0]}" if 0 < size < 10 and units[0] != "B" else f"{size:,.0f} {units[0]}"  # noqa: PLR2004 - likewise


def fact(record: dict[str, Any]) -> str:
    """Write a fact as a line for people."""
    who = record.get("instance") or record.get("service") or record.get("key")
    who = who or (f"gateway worker {record['worker']}" if "worker" in record else "system")
    words = {
        "InstanceStarted": "started",
        "InstanceAdopted": "found running, watched again",
        "InstanceBecameReady": "ready",
        "InstanceReturned": "back after ejection",
        "InstanceDoubted": (
            f"in doubt by gateway worker {record.get('worker')}: silent for {millis(record.get('waited'))}"
        ),
        "InstanceTrusted": f"no longer in doubt by gateway worker {record.get('worker')}",
        "SystemReloaded": f"reloaded: {', '.join(record.get('changes', ()))}",
        "ReloadFailed": f"not reloaded: {record.get('reason')}",
        "Upgraded": f"upgraded from {record.get('before')} to {record.get('after')}",
        "IncidentBegan": f"has trouble{_first_of(record)}",
        "IncidentEnded": f"is well again; {record.get('failed')} requests failed",
        "MarkBegan": f"has a time of {record.get('state')}, which is not charged: {record.get('reason')}",
        "MarkEnded": f"no longer has a time of {record.get('state')}: {record.get('reason')}",
        "LedgerBroke": f"does not keep its ledger '{record.get('path')}': {record.get('because')}",
        "LedgerMended": f"keeps its ledger '{record.get('path')}' again; {record.get('lost')} entries are missing",
        "AlertFired": _fired(record),
        "AlertResolved": (
            f"{record.get('objective')} ({record.get('severity')}) no longer in danger, after"
            f" {span(record.get('lasted'))}: {record.get('because')}"
        ),
        "AlertNotDelivered": f"could not tell {record.get('destination')} of an alert: {record.get('because')}",
        "ClockStepped": (
            f"the clock was set by {record.get('by')} s, or the machine has slept: the ledger knows nothing of that time"
        ),
        "FaultUndone": (
            f"a drill had left behind {record.get('what')}: {record.get('trouble') or 'it is undone'}"
        ),
        "UpgradeFailed": f"not upgraded: {record.get('reason')}",
        "ZoneShunned": (
            f"of zone {record.get('zone')} asked last by gateway worker {record.get('worker')}: instances there failed"
        ),
        "ZoneRefilled": (
            f"of zone {record.get('zone')} given its share again by gateway worker {record.get('worker')}"
        ),
        "OverloadBegan": (
            f"does not keep up: gateway worker {record.get('worker')} gives it {record.get('limit')} requests at once"
        ),
        "OverloadEnded": f"keeps up again with what gateway worker {record.get('worker')} gives it",
        "PanicBegan": "no usable instance is left: all are used",
        "PanicEnded": "has usable instances again",
        "WorkerStarted": f"started, pid {record.get('pid')}",
        "WorkerStopped": f"finished, pid {record.get('pid')}",
        "FaultBegan": (
            f"has a fault on purpose, {record.get('kind')} ({record.get('id')}),"
            f" on the gateway's connections to {', '.join(record.get('instances', ()))}"
        ),
        "FaultEnded": f"no longer has the fault {record.get('kind')} ({record.get('id')}): {record.get('reason')}",
        "AccessLogBroke": (
            f"cannot write '{record.get('path')}': {record.get('because')}; requests are answered as before"
        ),
        "KeyStoreBroke": (
            f"cannot write '{record.get('path')}': {record.get('because')}; writes with an idempotency key are refused"
        ),
        "KeyStoreMended": f"writes '{record.get('path')}' again",
        "SpanExportBroke": (
            f"cannot send spans to {record.get('collector')}: {record.get('because')}; requests are answered as before"
        ),
        "SpanExportMended": f"sends spans to {record.get('collector')} again; {record.get('lost')} are missing",
        "AccessLogMended": f"writes '{record.get('path')}' again; {record.get('lost')} lines are missing",
    }
    name = record["fact"]
    if name in words:
        return f"{who} {words[name]}"
    if name == "InstanceStopped":
        return f"{who} stopped: {record['reason']}"
    if name in ("InstanceExited", "WorkerExited"):
        return f"{who} ended: {record['reason']}"
    if name == "InstanceEjected":
        return f"{who} ejected by gateway worker {record.get('worker')}: {record['because']}"
    if name in ("HealthChanged", "BreakerMoved"):
        what = "health" if name == "HealthChanged" else "circuit breaker"
        where = f" (seen by gateway worker {record['worker']})" if "worker" in record else ""
        return f"{who} {what}: {record['before']} -> {record['after']}{where}"
    return f"{who} {_OF_CERTIFICATES[name](record) if name in _OF_CERTIFICATES else name}"


def _first_of(record: dict[str, Any]) -> str:
    return f", and {record['blame']} was the first to fail" if record.get("blame") else ""


def _fired(record: dict[str, Any]) -> str:
    left = record.get("budget_left")
    return (
        f"{record.get('objective')} in danger ({record.get('severity')}): {record.get('promise')} was promised, and"
        f" {record.get('bad_events')} of {record.get('events')} were bad in {span(record.get('window'))}"
        + (
            ""
            if left is None
            else f"; {left:.0%} of the budget is left"
            if left > 0
            else "; the budget is spent"
        )
    )


_OF_CERTIFICATES: dict[str, Callable[[dict[str, Any]], str]] = {
    "CertificatesChanged": lambda record: (
        f"taken up anew, for {', '.join(record['names'])}" if record["names"] else "taken up anew"
    ),
    "CertificatesRejected": lambda record: f"goes on as it was: {record['reason']}",
    "CertificateNearedExpiry": lambda record: (
        f"({record['name']}) has expired"
        if record["days"] < 0
        else f"({record['name']}) expires in {span(record['until'] - record['at'])}"
    ),
}


def right(name: str) -> Column:
    """Give a column of figures."""
    return Column(name, justify="right")


def _expiry(seconds: float) -> Text:
    if seconds <= 0:
        return Text("expired", style="red")
    return Text(span(seconds), style="yellow" if seconds < WARNED * 86400 else "")


def _or_dash(value: object) -> str:
    return "-" if value is None else str(value)
