"""`mainstay drill`: break the system on purpose, under load, and see what users see."""

import asyncio
from typing import Annotated, Any

import typer

from mainstay.base.errors import MainstayError, SpecError
from mainstay.cli import matrix, option, show
from mainstay.cli.talk import ask
from mainstay.drill.campaign import LENGTHS, Campaign, Wish
from mainstay.drill.cell import cells, chosen, pairs
from mainstay.system.load import load

_COULD_NOT = 2

app = typer.Typer(
    name="drill",
    help="Break the system on purpose, under load, and count what users saw.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Faults = Annotated[
    list[str] | None,
    typer.Option("--fault", help="Only this kind of fault; may be told several times.", show_default=False),
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target", help="Only at this service, zone, or the gateway; likewise.", show_default=False
    ),
]
Quick = Annotated[
    bool, typer.Option("--quick", help="Only the faults that say most, each for a few seconds.")
]
Full = Annotated[bool, typer.Option("--full", help="Each fault for a quarter of a minute.")]
Pairs = Annotated[bool, typer.Option("--pairs", help="Two faults at the same time, at different instances.")]


@app.command()
def plan(  # noqa: PLR0913, PLR0917 - its options
    file: option.File = None,
    fault: Faults = None,
    target: Targets = None,
    quick: Quick = False,
    full: Full = False,
    pairs: Pairs = False,
    json: option.Json = False,
) -> None:
    """List every drill that the system file implies, what it breaks, and how long all of them take."""
    system = load(file)
    wanted = _wanted(cells(system), fault, target, quick=quick, both=pairs)
    seconds = LENGTHS[_length(quick=quick, full=full)].usual * len(wanted)
    if json:
        show.data(
            {
                "version": 1,
                "system": system.name,
                "seconds": seconds,
                "cells": [matrix.planned(cell) for cell in wanted],
            }
        )
    else:
        matrix.plan(wanted, seconds)


@app.command()
def run(  # noqa: PLR0913, PLR0917 - its options
    file: option.File = None,
    run_dir: option.Run = None,
    fault: Faults = None,
    target: Targets = None,
    quick: Quick = False,
    full: Full = False,
    pairs: Pairs = False,
    rps: Annotated[
        float | None,
        typer.Option(
            help="Requests a second at each entry point; by default what the system file says.",
            min=1,
            max=100_000,
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Replays one schedule of users and one of chance.")] = 1,
    json: option.Json = False,
) -> None:
    """Run drills, and print the survival matrix.

    Ends with 0 if every cell is as expected, with 1 if one is not, and with 2 if they could not be run.
    """
    try:
        system = load(file)
        wish = Wish(length=_length(quick=quick, full=full), rate=rps, seed=seed)
        wanted = _wanted(cells(system), fault, target, quick=quick, both=pairs)
        board = matrix.Board(quiet=json)
        with board:
            campaign = Campaign(system, option.run_dir(system.file, run_dir), wish, ask=ask, tell=board.tell)
            report = asyncio.run(campaign.run(wanted))
    except MainstayError as problem:
        show.problem(problem)
        raise typer.Exit(_COULD_NOT) from None
    _show(report, json=json)
    raise typer.Exit(0 if report["met"] else 1)


def _show(report: dict[str, Any], *, json: bool) -> None:
    if json:
        show.data(report)
    else:
        matrix.matrix(report)


def _wanted(
    all_: list[Any], fault: list[str] | None, target: list[str] | None, *, quick: bool, both: bool
) -> list[Any]:
    found = chosen(all_, fault or (), target or (), quick=quick)
    if not both:
        return found
    made = pairs(found)
    if not made:
        raise SpecError("no two of these drills break different instances")
    return made


def _length(*, quick: bool, full: bool) -> str:
    if quick and full:
        raise SpecError("--quick and --full cannot both be told")
    return "quick" if quick else "full" if full else "standard"
