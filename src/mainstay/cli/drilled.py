"""What drills have shown: handed out after a run, and by `mainstay drill show` and `mainstay drill history`."""

import time
from typing import Annotated, Any

import typer

from mainstay.base.errors import MainstayError, SpecError
from mainstay.base.units import parse_duration
from mainstay.cli import forms, matrix, option, show
from mainstay.drill.cell import Cell, cells, chosen, named, pairs
from mainstay.drill.fault.plug import kinds
from mainstay.drill.form.figure import played
from mainstay.drill.form.junit import junit as as_junit
from mainstay.drill.form.markdown import LIMIT
from mainstay.drill.form.markdown import markdown as as_markdown
from mainstay.drill.form.page import page
from mainstay.drill.history import History
from mainstay.drill.standing import standing
from mainstay.system.load import load
from mainstay.system.schema import System


def hand_out(report: dict[str, Any], to: forms.Forms, *, json: bool) -> None:
    """Print a report, and write its other forms.

    Raises:
        Exit: one could not be written.
    """
    if json:
        show.data(report)
    else:
        matrix.matrix(report)
    try:
        write(report, to)
    except MainstayError as problem:
        raise forms.could_not(problem) from None


def write(report: dict[str, Any], to: forms.Forms) -> None:
    """Write the forms of a report that are wanted.

    Raises:
        EnvironmentProblem: one cannot be written.
    """
    there = 0
    if to.markdown is not None and forms.is_summary(to.markdown) and to.markdown.exists():
        there = to.markdown.stat().st_size  # GitHub shows so much of all that is in it
    to.write(
        {
            "junit": lambda: as_junit(report),
            "markdown": lambda: as_markdown(report, max(0, LIMIT - there)),
            "html": lambda: page(report),
        }
    )


def known(  # noqa: PLR0913, PLR0917 - its options
    file: option.File = None,
    run_dir: option.Run = None,
    fault: option.Faults = None,
    target: option.Targets = None,
    cell: option.Cells = None,
    within: Annotated[
        str | None,
        typer.Option(help="Only what was shown in the last so long counts, as in 10m.", show_default=False),
    ] = None,
    json: option.Json = False,
    junit: forms.Junit = None,
    markdown: forms.Markdown = None,
    html: forms.Html = None,
) -> None:
    """Show the newest that is known of every drill that the system file implies, and what is missing.

    Ends with 0 if every cell is as expected, with 1 if one is not, is stale, or was never drilled, and with 2 if that cannot
    be told.
    """
    to = forms.Forms(junit, markdown, html)
    try:
        to.check()
        system = load(file)
        reports = History(option.run_dir(system.file, run_dir).path).reports()
        asked = wanted(system, fault, target, cell)
        since = time.time() - parse_duration(within) if within is not None else 0.0
    except MainstayError as problem:
        raise forms.could_not(problem) from None
    planned = len(cells(system, kinds()))
    report = standing(
        system, asked, (one for one in reports if one["at"] >= since), time.time(), planned=planned
    )
    if not any(played(row) for row in report["cells"]):
        show.news(
            "no drill of this system has been run; `mainstay drill run --quick` runs those that say most"
        )
    hand_out(report, to, json=json)
    raise typer.Exit(0 if report["met"] else 1)


def history(file: option.File = None, run_dir: option.Run = None, json: option.Json = False) -> None:
    """List the runs of drills, the newest last."""
    directory = option.run_dir(file, run_dir)
    runs = [_run(report) for report in History(directory.path).reports()]
    if json:
        show.data({"version": 1, "runs": runs})
    elif runs:
        show.table(matrix.RUNS, runs)
    else:
        show.news(f"no drill has been run yet, or none is kept at '{directory.path}'")


def wanted(  # noqa: PLR0913 - the options by which drills are chosen
    system: System,
    fault: list[str] | None,
    target: list[str] | None,
    cell: list[str] | None,
    *,
    quick: bool = False,
    both: bool = False,
) -> list[Cell]:
    """Give the cells that the options of a command ask for.

    Raises:
        SpecError: there are none.
    """
    every = cells(system, kinds(show.warning))
    if cell:
        if fault or target or both:
            raise SpecError("--cell names a drill as a whole: leave out --fault, --target and --pairs")
        return named(every, cell)
    found = chosen(every, fault or (), target or (), quick=quick)
    if not both:
        return found
    if not (made := pairs(found)):
        raise SpecError("no two of these drills break different instances")
    return made


def _run(report: dict[str, Any]) -> dict[str, Any]:
    names = ("run", "at", "live", "length", "rate", "seed", "mainstay", "fingerprint", "met", "worst")
    rows = report["cells"]
    return {
        **{name: report[name] for name in names},
        "cells": len(rows),
        "as_expected": sum(row["met"] for row in rows),
    }
