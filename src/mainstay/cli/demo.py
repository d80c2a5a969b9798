"""`mainstay demo`: redundant, fault tolerant and reliable systems side by side, each losing an instance."""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

import typer
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mainstay.cli import option, show
from mainstay.cli.talk import ask
from mainstay.drill import demo as drill
from mainstay.drill.demo import PLANS, Result

_BARS = " ▁▂▃▄▅▆▇█"


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
        self._live = Live(console=show.err, refresh_per_second=8) if show.err.is_terminal and not quiet else None

    def __enter__(self) -> "_Board":
        if self._live is not None:
            self._live.__enter__()
        return self

    def __exit__(self, *problem: Any) -> None:
        if self._live is not None:
            self._live.__exit__(*problem)

    def tell(self, name: str, news: dict[str, Any]) -> None:
        """Take what happened to a system."""
        event = news["event"]
        if event == "second":
            self._sent[name] += news["ended"]
            self._failed[name] += news["failed"]
            share = news["failed"] / news["ended"] if news["ended"] else 0.0
            self._bars[name].append(
                _BARS[8 if not share else max(1, round(8 * share))], style="red" if share else "green"
            )
        words = {
            "starting": "starting",
            "up": "up",
            "killed": f"killed {news.get('instance')} (kill -9 {news.get('pid')})",
            "back": f"the instance is back after {news.get('seconds', 0):.1f} s",
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
            show.news(f"{name:>10}: second {news['second']:2}: {news['ended']:4} answered, {news['failed']:4} failed")

    def _table(self) -> Table:
        table = Table("system", "each second", show.right("requests"), show.right("failed"), "now", box=None, pad_edge=False)
        for plan in PLANS:
            failed = self._failed[plan.name]
            table.add_row(
                plan.title, self._bars[plan.name], f"{self._sent[plan.name]:,}",
                Text(f"{failed:,}", style="red" if failed else "green"), self._state[plan.name],
            )
        return table


def _report(results: list[Result]) -> None:
    show.out.print()
    show.out.print(_questions(results))
    show.out.print()
    show.out.print(_figures(results))
    show.out.print()
    for result in results:
        show.out.print(Text.assemble((f"{result.plan.title}: ", "bold"), result.plan.because), soft_wrap=not sys.stdout.isatty())


def _questions(results: list[Result]) -> Table:
    table = Table("", "Do we have backups?", "Can we survive failures?", "How often did it fail?", box=None, pad_edge=False,
                  header_style="bold")
    for result in results:
        count = result.plan.instances
        backups = Text(f"yes, {count} instances", style="green") if count > 1 else Text("no, 1 instance", style="red")
        failed = result.tally.failed
        survives = (
            Text(f"no, {failed:,} requests failed", style="red") if failed else Text("yes, no request failed", style="green")
        )
        trouble = result.tally.longest_trouble
        often = (
            Text(f"for users once in {drill.SECONDS:.0f} s, for {trouble.seconds:.1f} s", style="red")
            if trouble
            else Text(f"for users never in {drill.SECONDS:.0f} s", style="green")
        )
        table.add_row(Text(result.plan.title, style="bold"), backups, survives, often)
    return table


def _figures(results: list[Result]) -> Table:
    names = ("requests", "failed", "while it was dead", "longest outage", "repair", "p99 before", "during", "after", "doubled")
    table = Table("", *map(show.right, names), box=None, pad_edge=False, header_style="bold")
    for result in results:
        seen = result.tally
        outage = seen.longest_outage.seconds if seen.longest_outage else 0.0
        table.add_row(
            Text(result.plan.title, style="bold"), f"{seen.sent:,}",
            Text(f"{seen.failed:,}", style="red" if seen.failed else "green"),
            f"{result.during_failed:,} of {result.during:,} ({result.share:.0%})", f"{outage:.2f} s",
            f"{result.repair:.1f} s", _p99(seen.before.p99), _p99(seen.during.p99), _p99(seen.after.p99),
            str(result.doubled),
        )
    return table


def _p99(seconds: float) -> str:
    return "-" if seconds != seconds else show.millis(seconds)  # noqa: PLR0124 - not a number: nobody was answered
