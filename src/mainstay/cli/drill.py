"""`mainstay drill`: break the system on purpose, under load, and see what users see."""

import asyncio
import contextlib
import os
import select
import signal
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from mainstay.base.errors import MainstayError, NotRunning, SpecError
from mainstay.cli import consent, drilled, matrix, option, show, toolkit, toxiproxy
from mainstay.cli.board import Board
from mainstay.cli.forms import COULD_NOT, Forms, Html, Junit, Markdown, could_not
from mainstay.cli.haltable import haltable
from mainstay.cli.talk import ask
from mainstay.drill.abort import read
from mainstay.drill.campaign import LENGTHS, Campaign, Wish
from mainstay.drill.cell import Cell
from mainstay.drill.fault.intent import undo_left
from mainstay.drill.form.figure import counted, played
from mainstay.drill.history import History
from mainstay.reliability.span import DRILL
from mainstay.supervisor.rundir import RunDir
from mainstay.system.load import load
from mainstay.system.schema import System
from mainstay.system.twin import relocated

_PATIENCE = 90.0
"""Seconds for a drill that is told to end: a private copy has to be taken down in order."""

app = typer.Typer(
    name="drill",
    help="Break the system on purpose, under load, and count what users saw.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Quick = Annotated[
    bool, typer.Option("--quick", help="Only the faults that say most, each for a few seconds.")
]
Full = Annotated[bool, typer.Option("--full", help="Each fault for a quarter of a minute.")]
Pairs = Annotated[bool, typer.Option("--pairs", help="Two faults at the same time, at different instances.")]


@app.command()
def plan(  # noqa: PLR0913, PLR0917 - its options
    file: option.File = None,
    fault: option.Faults = None,
    target: option.Targets = None,
    cell: option.Cells = None,
    quick: Quick = False,
    full: Full = False,
    pairs: Pairs = False,
    json: option.Json = False,
) -> None:
    """List every drill that the system file implies, what it breaks, and how long all of them take."""
    system = load(file)
    wanted = drilled.wanted(system, fault, target, cell, quick=quick, both=pairs)
    seconds = LENGTHS[_length(quick=quick, full=full)].usual * len(wanted)
    if json:
        show.data(
            {
                "version": 1,
                "system": system.name,
                "seconds": seconds,
                "cells": [matrix.planned(cell) for cell in wanted],
                "relocated": relocated(system),
            }
        )
    else:
        matrix.plan(wanted, seconds, relocated(system))


@app.command()
def run(  # noqa: PLR0913, PLR0917 - its options
    file: option.File = None,
    run_dir: option.Run = None,
    fault: option.Faults = None,
    target: option.Targets = None,
    cell: option.Cells = None,
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
    seed: Annotated[
        int, typer.Option(help="Replays one schedule of users and one of chance.", min=0, max=2**53 - 1)
    ] = 1,
    live: Annotated[
        bool | None,
        typer.Option(
            "--live/--isolated",
            help="On the system that runs, or on a private copy; by default as the system file says.",
            show_default=False,
        ),
    ] = None,
    abort_on: Annotated[
        list[str] | None,
        typer.Option(
            "--abort-on",
            help="Call it off when so much fails for so long, as in 20%/3s, or when this command fails; several times.",
            show_default=False,
        ),
    ] = None,
    writes: option.Writes = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Break the running system without asking.")
    ] = False,
    json: option.Json = False,
    junit: Junit = None,
    markdown: Markdown = None,
    html: Html = None,
) -> None:
    """Run drills, and print the survival matrix.

    Ends with 0 if every cell is as expected, with 1 if one is not, and with 2 if they could not be run, or were halted (by
    Ctrl-C as well), after which the matrix of those that were finished is printed.
    """
    forms = Forms(junit, markdown, html)
    try:
        forms.check()
        system = load(file)
        on_live = system.drills.on == "live" if live is None else live
        directory = option.run_dir(system.file, run_dir)
        if on_live:
            consent.running(system, directory)
        wish = Wish(
            length=_length(quick=quick, full=full),
            rate=rps,
            seed=seed,
            live=on_live,
            writes=writes,
            abort=read(abort_on, max(1, round(system.drills.abort.after))) if abort_on else None,
        )
        wanted = drilled.wanted(system, fault, target, cell, quick=quick, both=pairs)
        if on_live and not yes:
            _ask_first(system, wanted, wish)
        with Board(quiet=json) as board:
            campaign = Campaign(system, directory, wish, ask=ask, tell=board.tell)
            report, halted = _report(campaign, wanted)
    except typer.Abort:
        show.news("nothing was broken")
        raise typer.Exit(COULD_NOT) from None
    except MainstayError as problem:
        raise could_not(problem) from None
    if halted:
        show.news("it was halted; all that was broken is mended")
    if not halted or any(map(played, report["cells"])):
        drilled.hand_out(report, forms, json=json)
    raise typer.Exit(COULD_NOT if halted else 0 if report["met"] else 1)


def _report(campaign: Campaign, wanted: Sequence[Cell]) -> tuple[dict[str, Any], bool]:
    """Play them; gives the report, and whether it was halted, so that it is of what was finished until then."""
    try:
        return asyncio.run(haltable(campaign.run(wanted))), False
    except asyncio.CancelledError:
        return campaign.report(), True


app.command("show")(drilled.known)
app.command("history")(drilled.history)
app.command()(toolkit.chaos)
app.command()(toolkit.export)
app.command()(toxiproxy.toxiproxy)


@app.command()
def undo(file: option.File = None, run_dir: option.Run = None, json: option.Json = False) -> None:
    """Undo whatever drills have left broken. It may be run at any time, and any number of times.

    Ends with 1 if something could not be undone.
    """
    directory = option.run_dir(file, run_dir)
    history = History(directory.path)
    done, left = undo_left(history.intents, held=True)
    history.sweep()
    done += _clear(directory)
    if json:
        show.data({"version": 1, "undone": done, "left": left})
    else:
        for what in done:
            show.news(f"undone: {what}")
        for what in left:
            show.news(f"[red]not undone: {what}[/]")
        if not done and not left:
            show.news("nothing is left to undo")
    raise typer.Exit(1 if left else 0)


@app.command()
def halt(file: option.File = None, run_dir: option.Run = None) -> None:
    """End the drill that runs, at once, and undo what it has broken.

    Ends with 4 if none runs.
    """
    directory = option.run_dir(file, run_dir)
    history = History(directory.path)
    runner = history.runner()
    if runner is not None:
        _end(runner)
    _, left = undo_left(history.intents, held=True)
    _clear(directory)
    if left:
        raise MainstayError(f"not all that was broken could be mended: {'; '.join(left)}")
    if runner is None:
        raise NotRunning(
            f"no drill runs at '{directory.path}'; `mainstay drill undo` undoes what one has left"
        )
    show.news(f"the drill, pid {runner}, has ended; all that was broken is mended")


def _clear(directory: RunDir) -> list[str]:
    """End what a running system bears of drills: faults of traffic, and times that are not charged; give what it was."""
    done: list[str] = []
    if directory.holder() is None:
        return done
    with contextlib.suppress(MainstayError):
        ended = ask(directory, "/v1/faults/end", {})["faults"]
        done += [f"{one['fault']} at {', '.join(one['instances'])}" for one in ended]
        for mark in ask(directory, "/v1/marks")["marks"]:
            if mark["state"] == DRILL:
                ask(directory, f"/v1/marks/{mark['mark']}/end", {})
                done.append(f"{mark['service'] or 'all'}: a time that is not charged, for {mark['reason']}")
    return done


def _end(pid: int) -> None:
    """Have a process end, and wait for it; one that does not is killed, and its faults end by their leases."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(watched, signal.SIGTERM)
        if not select.select([watched], [], [], _PATIENCE)[0]:
            signal.pidfd_send_signal(watched, signal.SIGKILL)
            select.select([watched], [], [], _PATIENCE)
    except ProcessLookupError:
        return
    finally:
        os.close(watched)


def _ask_first(system: System, wanted: Sequence[Cell], wish: Wish) -> None:
    """Name what will be broken and what will be sent, and ask whether it may be.

    Raises:
        SpecError: nobody is there to be asked.
    """
    broken = sorted({name for cell in wanted for name in cell.touches})
    sent = consent.load(system, wish.rate, writes=wish.writes)
    what = (
        f"{counted(len(wanted), 'drill')} of '{system.name}', which runs, will break {', '.join(broken) or 'Mainstay itself'},"
        f"{' one after another,' if len(wanted) > 1 else ''} while users are served; {sent}"
    )
    consent.ask(what, "--isolated")


def _length(*, quick: bool, full: bool) -> str:
    if quick and full:
        raise SpecError("--quick and --full cannot both be told")
    return "quick" if quick else "full" if full else "standard"
