"""How drills are shown on a terminal: the plan, how it goes, and the survival matrix."""

import math
from collections.abc import Sequence
from typing import Any, Self

from rich.text import Text

from mainstay.cli import show
from mainstay.drill.cell import Cell
from mainstay.drill.report import head
from mainstay.drill.verdict import ACCEPTED, DEGRADED, INVALID, NOT_RUN, STALE, SURVIVED

_STYLES = {
    SURVIVED: "green",
    DEGRADED: "yellow",
    ACCEPTED: "cyan",
    STALE: "dim",
    NOT_RUN: "dim",
    INVALID: "magenta",
}


def planned(cell: Cell) -> dict[str, Any]:
    """Give a cell of the plan as plain values."""
    return {
        **head(cell),
        "does": [part.kind.does for part in cell.parts],
        "undone": [part.kind.undone for part in cell.parts],
    }


def plan(cells: Sequence[Cell], seconds: float) -> None:
    """Print a plan."""
    rows = [planned(cell) for cell in cells]
    show.table(_PLAN, rows)
    show.news(f"{len(cells)} drills, about {show.span(seconds)} in all")


def matrix(report: dict[str, Any]) -> None:
    """Print a survival matrix, and what it says in all."""
    show.table(_MATRIX, report["cells"])
    show.out.print()
    for row in report["cells"]:
        if not row["met"] or row["verdict"] == ACCEPTED:
            line = Text(f"{row['cell']}: ", style="bold").append(
                Text(f"{row['verdict']} ", style=_style(row))
            )
            show.out.print(line.append(Text(row["because"], style="default")), soft_wrap=True)
            if not row["met"] and "reproduce" in row:
                show.out.print(Text(f"    {row['reproduce']}", style="dim"), soft_wrap=True)
    for one in report["coverage"]:
        show.out.print(
            f"{one['class']}: {one['survived']} of {one['trials']} survived; coverage at least"
            f" {one['at_least']:.3f} with {one['confidence']:.0%} confidence"
        )


def _style(row: dict[str, Any]) -> str:
    return _STYLES.get(row["verdict"], "red")


def _verdict(row: dict[str, Any]) -> Text:
    return Text(row["verdict"].replace("_", " "), style=_style(row))


def _failed(row: dict[str, Any]) -> Text:
    if "sent" not in row:
        return Text("-")
    return Text(f"{row['failed']:,}/{row['sent']:,}", style="red" if row["failed"] else "")


def _seconds(name: str) -> Any:  # noqa: ANN401 - a cell of a table
    return lambda row: "-" if row.get(name) is None else f"{row[name]:.2f} s"


def _p99(row: dict[str, Any]) -> str:
    if "latency" not in row:
        return "-"
    return "/".join(_millis(row["latency"][name]["p99"]) for name in ("before", "during", "after"))


def _millis(seconds: float | None) -> str:
    return "-" if seconds is None or math.isnan(seconds) else f"{seconds * 1000:.0f}"


_PLAN: list[show.Figures] = [
    ("fault", False, 0, lambda row: row["fault"]),
    ("target", False, 0, lambda row: row["target"]),
    ("class", False, 2, lambda row: row["class"]),
    ("breaks", False, 1, lambda row: ", ".join(row["breaks"]) or "-"),
    ("how", False, 3, lambda row: row["does"][0]),
]
_MATRIX: list[show.Figures] = [
    ("fault", False, 0, lambda row: row["fault"]),
    ("target", False, 0, lambda row: row["target"]),
    ("expected", False, 4, lambda row: row.get("expected", "-")),
    ("verdict", False, 0, _verdict),
    ("failed", True, 0, _failed),
    ("gap", True, 1, _seconds("gap")),
    ("detect", True, 2, _seconds("detected")),
    ("failover", True, 2, _seconds("failover")),
    ("recover", True, 1, _seconds("recovered")),
    ("p99 b/d/a ms", True, 1, _p99),
    ("retries", True, 3, lambda row: str(row.get("retries", "-"))),
    ("hedges", True, 4, lambda row: str(row.get("hedges", "-"))),
]


class Board:
    """How a run goes, line by line."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *problem: object) -> None:
        """End."""

    def tell(self, news: dict[str, Any]) -> None:
        """Take news."""
        if self._quiet:
            return
        if news["event"] == "cell":
            show.news(f"[dim]{news['number']:>3} of {news['of']}[/] {news['cell']}")
        elif news["event"] == "verdict":
            show.err.print(Text("           ").append_text(_verdict(news)).append(f"  {news['because']}"))
        elif news["event"] in ("starting", "stopping"):
            show.news(f"[dim]{news['event']} a private copy of the system[/]")
        elif news["event"] == "left_out":
            for each in news["requests"]:
                show.err.print(Text(f"not sent: {each['what']} ({each['times']}): {each['why']}"))
        elif news["event"] == "undone":
            show.news(f"undone, from a former drill: {news['what']}")
