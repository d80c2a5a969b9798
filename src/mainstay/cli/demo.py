"""`mainstay demo`: redundant, fault tolerant and reliable systems side by side, each losing an instance."""

import asyncio
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import typer
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mainstay.cli import option, show
from mainstay.cli.talk import ask
from mainstay.drill.demo import demo as drill
from mainstay.drill.demo.demo import PLANS, Result


def demo(json: option.Json = False) -> None:
    """Kill an instance of three systems under load, and count what users saw. Takes about half a minute.

    Ends with 0 if it came out as it has to: about half of the requests failed without failover, none with,
    and all while the only instance was down.
    """
    board = _Board(quiet=json)
    with tempfile.TemporaryDirectory(prefix="mainstay-demo-") as folder, board:
        results = asyncio.run(drill.run(Path(folder), ask, board.tell))
    fine = all(result.as_expected for result in results)
    if json:
        show.data({"version": 1, "as_expected": fine, "systems": [result.record() for result in results]})
    else:
        _report(results)
        if not fine:
            wrong = ", ".join(result.plan.title for result in results if not result.as_expected)
            show.news(f"[red]this did not come out as it has to: {wrong}[/]")
    raise typer.Exit(0 if fine else 1)


class _Board:
    """The three systems while they run: a bar for each second, and what happens."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._bars = {plan.name: Text() for plan in PLANS}
        self._sent = {plan.name: 0 for plan in PLANS}
        self._failed = {plan.name: 0 for plan in PLANS}
        self._state = {plan.name: "" for plan in PLANS}
        self._live = (
            Live(console=show.err, refresh_per_second=8) if show.err.is_terminal and not quiet else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *problem: object) -> None:
        if self._live is not None:
            self._live.stop()

    def tell(self, name: str, news: dict[str, Any]) -> None:
        """Take what happened to a system."""
        event = news["event"]
        if event == "second":
            self._sent[name] += news["ended"]
            self._failed[name] += news["failed"]
            self._bars[name].append_text(show.bar(news["ended"], news["failed"]))
        words = {
            "starting": "starting",
            "up": "up",
            "killed": f"killed {news.get('instance')} (kill -9 {news.get('pid')})",
            "back": f"back after {news.get('seconds', 0):.1f} s",
        }
        if event in words:
            self._state[name] = words[event]
        if self._quiet:
            return
        if self._live is not None:
            self._live.update(self._table())
        elif event in words:
            show.news(f"{name:>10}: {words[event]}")
        elif event == "second":
            show.news(
                f"{name:>10}: second {news['second']:2}: {news['ended']:4} answered, {news['failed']:4} failed"
            )

    def _table(self) -> Table:
        table = Table(
            "system",
            "each second",
            show.right("requests"),
            show.right("failed"),
            "now",
            box=None,
            pad_edge=False,
        )
        for plan in PLANS:
            failed = self._failed[plan.name]
            table.add_row(
                plan.title,
                self._bars[plan.name],
                f"{self._sent[plan.name]:,}",
                Text(f"{failed:,}", style="red" if failed else "green"),
                self._state[plan.name],
            )
        return table


def _report(results: list[Result]) -> None:
    table = Table(
        "", *(result.plan.title for result in results), box=None, pad_edge=False, header_style="bold"
    )
    for name, cell in _ROWS:
        table.add_row(name, *map(cell, results))
    show.out.print()
    show.out.print(table)
    show.out.print()
    for result in results:
        show.out.print(Text.assemble((f"{result.plan.title}: ", "bold"), result.plan.because))


def _backups(result: Result) -> Text:
    count = result.plan.instances
    return Text(f"yes, {count} instances", "green") if count > 1 else Text("no, 1 instance", "red")


def _survives(result: Result) -> Text:
    return Text("no", "red") if result.tally.failed else Text("yes", "green")


def _how_often(result: Result) -> Text:
    trouble = result.tally.longest_trouble
    return Text(f"once, for {trouble.seconds:.1f} s", "red") if trouble else Text("never", "green")


def _failed(result: Result) -> Text:
    return Text(f"{result.tally.failed:,}", "red" if result.tally.failed else "green")


def _nothing(result: Result) -> str:
    del result
    return ""


def _outage(result: Result) -> str:
    longest = result.tally.longest_outage
    return f"{longest.seconds if longest else 0.0:.2f} s"


def _p99(seconds: float) -> str:
    return "-" if math.isnan(seconds) else show.millis(seconds)


_ROWS: tuple[tuple[str, Callable[[Result], Text | str]], ...] = (
    ("Do we have backups?", _backups),
    ("Can we survive failures?", _survives),
    ("How often did it fail?", _how_often),
    ("", _nothing),
    ("requests", lambda result: f"{result.tally.sent:,}"),
    ("failed", _failed),
    ("failed while one was dead", lambda result: f"{result.share:.0%} of {result.during:,}"),
    ("longest with nobody served", _outage),
    ("dead instance back after", lambda result: f"{result.repair:.1f} s"),
    ("p99 before the kill", lambda result: _p99(result.tally.before.p99)),
    ("p99 while one was dead", lambda result: _p99(result.tally.during.p99)),
    ("p99 afterwards", lambda result: _p99(result.tally.after.p99)),
    ("orders carried out twice", lambda result: str(result.doubled)),
)
