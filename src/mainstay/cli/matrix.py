"""How drills are shown on a terminal: the plan, the survival matrix, and the runs."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.text import Text

from mainstay.base.moment import moment
from mainstay.cli import show
from mainstay.drill.cell import Cell
from mainstay.drill.form.figure import ago, counted, played
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


MANY = 200
"""Drills of a plan above which only the first are listed: that is about an hour of them, and nobody reads so many lines."""
_FIRST = 20


def planned(cell: Cell) -> dict[str, Any]:
    """Give a cell of the plan as plain values."""
    return {
        **head(cell),
        "does": [part.kind.does for part in cell.parts],
        "undone": [part.kind.undone for part in cell.parts],
    }


def plan(cells: Sequence[Cell], seconds: float, relocated: Sequence[str] = ()) -> None:
    """Print a plan.

    Args:
        cells: What is played.
        seconds: How long that takes.
        relocated: The keys whose values lead to a private copy in place of the system.
    """
    many = len(cells) > MANY
    rows = [planned(cell) for cell in (cells[:_FIRST] if many else cells)]
    # How a fault is made is a sentence each: for a terminal that has room for it, and for --json.
    show.table(_PLAN if show.out.is_terminal else [one for one in _PLAN if one[0] != "how"], rows)
    if many:
        show.out.print(f"... and {len(cells) - _FIRST:,} more; of each class of faults:")
        for name, count in Counter(_classes(cell) for cell in cells).most_common():
            show.out.print(f"{count:>7,}  {name}")
    show.news(f"{counted(len(cells), 'drill')}, about {show.span(seconds)} in all")
    if many:
        show.news("choose some by --fault, --target, --quick or --cell; --json lists all of them")
    if relocated:
        show.news(escape(led_back(relocated)))


def led_back(keys: Sequence[str]) -> str:
    """Say which values are others in a private copy."""
    return f"in the private copy, these lead to the copy itself: {', '.join(keys)}"


def _classes(cell: Cell) -> str:
    return " and ".join(sorted(part.kind.family for part in cell.parts))


def matrix(report: dict[str, Any]) -> None:
    """Print a survival matrix, and what it says in all."""
    rows = report["cells"]
    # How long ago is known of what several runs have shown.
    show.table([*_MATRIX, _AGE] if any("age" in row for row in rows) else _MATRIX, rows)
    show.out.print()
    for row in rows:
        if played(row) and (not row["met"] or row["verdict"] == ACCEPTED):
            _explain(row)
    gaps = Counter((row["verdict"], row["because"]) for row in rows if not played(row))
    for (verdict, because), count in gaps.items():
        show.out.print(
            f"{counted(count, 'cell')}: [dim]{verdict.replace('_', ' ')}[/] {escape(because)}", soft_wrap=True
        )
    for one in report["coverage"]:
        show.out.print(f"{one['class']}: {one['survived']:,} of {one['trials']:,} survived{_wanting(one)}")


def _wanting(one: Mapping[str, Any]) -> str:
    """Say what is missing for a coverage of 95 %."""
    if one["survived"] < one["trials"]:
        return ""
    more = one["clean_runs_for_95"] - one["trials"]
    return (
        f"; {counted(more, 'more clean run')} would show 95 %"
        if more > 0
        else f", at least {100 * one['at_least']:.1f} % of all"
    )


def _explain(row: dict[str, Any]) -> None:
    """Say why a cell is not as expected, or how it is accepted."""
    line = Text(f"{row['cell']}: ", style="bold").append(verdict(row))
    show.out.print(line.append(Text(f" {row['because']}", style="default not bold")), soft_wrap=True)
    if not row["met"] and row["verdict"] != STALE:
        show.out.print(Text(f"    {row['reproduce']}", style="dim"), soft_wrap=True)


def _style(row: dict[str, Any]) -> str:
    return _STYLES.get(row["verdict"], "red")


def verdict(row: dict[str, Any]) -> Text:
    """Write a verdict in its colour."""
    return Text(row["verdict"].replace("_", " "), style=_style(row))


def _failed(row: dict[str, Any]) -> Text:
    if "sent" not in row:
        return Text("-")
    return Text(f"{row['failed']:,}/{row['sent']:,}", style="red" if row["failed"] else "")


def _seconds(name: str) -> Any:  # noqa: ANN401 - a cell of a table
    return lambda row: "-" if row.get(name) is None else f"{row[name]:.2f} s"


def _as_expected(row: dict[str, Any]) -> Text:
    return Text(str(row["as_expected"]), style="green" if row["met"] else "red")


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
    ("expected", False, 7, lambda row: row.get("expected", "-")),
    ("verdict", False, 0, verdict),
    ("failed", True, 0, _failed),
    ("gap", True, 1, _seconds("gap")),
    ("detect", True, 4, _seconds("detected")),
    ("failover", True, 5, _seconds("failover")),
    ("recover", True, 2, _seconds("recovered")),
    ("p99 b/d/a ms", True, 3, _p99),
    ("retries", True, 6, lambda row: str(row.get("retries", "-"))),
    ("hedges", True, 8, lambda row: str(row.get("hedges", "-"))),
]
_AGE: show.Figures = ("age", True, 1, lambda row: ago(row["age"]) if "age" in row else "-")
RUNS: list[show.Figures] = [
    ("run", False, 2, lambda row: row["run"]),
    ("began", False, 0, lambda row: moment(row["at"])),
    ("length", False, 1, lambda row: row["length"]),
    ("on", False, 0, lambda row: "the running system" if row["live"] else "a copy"),
    ("cells", True, 0, lambda row: str(row["cells"])),
    ("as expected", True, 0, _as_expected),
    ("worst", False, 0, lambda row: verdict({"verdict": row["worst"]})),
]
"""The columns of the runs."""
