"""How a run of drills goes: live on a terminal, line by line elsewhere."""

import math
from collections.abc import Callable, Iterable
from typing import Any, Self

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mainstay.cli import show
from mainstay.cli.matrix import led_back, verdict

_SHOWN = 24
"""Seconds that are drawn: as many as a narrow terminal has room for."""


class Board:
    """Takes the news of a run, and shows them on standard error."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._lanes: dict[str, _Lane] = {}
        self._stage = ""
        self._live = (
            Live(console=show.err, refresh_per_second=8, transient=True)
            if show.err.is_terminal and not quiet
            else None
        )

    def __enter__(self) -> Self:
        """Begin."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *problem: object) -> None:
        """End."""
        if self._live is not None:
            self._live.stop()

    def tell(self, news: dict[str, Any]) -> None:
        """Take news."""
        if self._quiet:
            return
        if news["event"] in _SAID:
            for line in _SAID[news["event"]](news):
                show.err.print(line, soft_wrap=True)
        self._take(news)
        if self._live is not None:
            self._live.update(self._drawn())
        elif news["event"] in _SAID_ELSEWHERE:
            show.err.print(_SAID_ELSEWHERE[news["event"]](news), soft_wrap=True)

    def _take(self, news: dict[str, Any]) -> None:
        event, cell = news["event"], news.get("cell", "")
        if event == "cell":
            self._lanes[cell] = _Lane(f"{news['number']:>3} of {news['of']}", cell)
        elif event == "verdict":
            self._lanes.pop(cell, None)
        elif event in ("starting", "stopping"):
            self._stage = f"{event} a private copy of the system"
        elif event in ("up", "stopped"):
            self._stage = ""
        elif lane := self._lanes.get(cell):
            lane.take(news)

    def _drawn(self) -> Group:
        table = Table.grid(padding=(0, 2))
        for lane in self._lanes.values():
            table.add_row(*lane.columns())
        return Group(*([Text(self._stage, style="dim")] if self._stage else []), table)


class _Lane:
    """A drill that goes on."""

    def __init__(self, number: str, cell: str) -> None:
        self._number = number
        self._cell = cell
        self._now = "before the fault"
        self._seconds: dict[int, tuple[int, int]] = {}
        self._seen: set[tuple[str, int]] = set()

    def take(self, news: dict[str, Any]) -> None:
        event = news["event"]
        if event == "second":
            self._second(news["entry"], news["second"], news["ended"], news["failed"])
        elif event == "breaking":
            self._now = "broken"
        elif event == "mended":
            self._now = "mended"
        elif event == "back":
            back = news["seconds"]
            self._now = f"all back after {back:.1f} s" if math.isfinite(back) else "not all is back"

    def _second(self, entry: str, second: int, ended: int, failed: int) -> None:
        if (entry, second) in self._seen:
            # It is played once more.
            self._seen.clear()
            self._seconds.clear()
            self._now = "before the fault"
        self._seen.add((entry, second))
        so_far = self._seconds.get(second, (0, 0))
        self._seconds[second] = (so_far[0] + ended, so_far[1] + failed)

    def columns(self) -> tuple[Text, ...]:
        failed = sum(count for _, count in self._seconds.values())
        bars = [show.bar(*self._seconds[second]) for second in sorted(self._seconds)[-_SHOWN:]]
        return (
            Text(self._number, style="dim", no_wrap=True),
            Text(self._cell, no_wrap=True),
            Text.assemble(*bars, no_wrap=True),
            Text(f"{failed:,} failed", style="red" if failed else "green", no_wrap=True),
            Text(self._now, style="dim", no_wrap=True, overflow="ellipsis"),
        )


def _ended(news: dict[str, Any]) -> Iterable[Text]:
    word = verdict(news)
    word.pad_right(max(0, 13 - len(word)))
    yield Text("  ").append_text(word).append(f" {news['cell']}: {news['because']}", style="default")


def _left_out(news: dict[str, Any]) -> Iterable[Text]:
    for each in news["requests"]:
        yield Text(f"not sent: {each['what']} ({each['times']}): {each['why']}")


def _relocated(news: dict[str, Any]) -> Iterable[Text]:
    yield Text(led_back(news["keys"]), style="dim")


def _undone(news: dict[str, Any]) -> Iterable[Text]:
    yield Text(f"undone, from a former drill: {news['what']}")


def _not_kept(news: dict[str, Any]) -> Iterable[Text]:
    yield Text(f"the report was not kept: {news['because']}", style="yellow")


def _not_marked(news: dict[str, Any]) -> Iterable[Text]:
    yield Text(
        f"this time will be charged as if nobody had broken anything: {news['because']}", style="yellow"
    )


_SAID = {
    "not_marked": _not_marked,
    "verdict": _ended,
    "left_out": _left_out,
    "relocated": _relocated,
    "undone": _undone,
    "not_kept": _not_kept,
}
"""What stays on the screen."""
_SAID_ELSEWHERE: dict[str, Callable[[dict[str, Any]], Text]] = {
    "cell": lambda news: Text(f"{news['number']:>3} of {news['of']} {news['cell']}", style="dim"),
    "starting": lambda _: Text("starting a private copy of the system", style="dim"),
    "stopping": lambda _: Text("stopping a private copy of the system", style="dim"),
}
"""What is said where nothing can be drawn."""
