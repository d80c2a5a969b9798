"""`mainstay check`: the three questions in one screen, each with its answer, the evidence, and what to do next."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from mainstay.base.errors import EnvironmentProblem
from mainstay.cli import option, show
from mainstay.control.questions import NO, UNPROVED, YES, Answer, backups, frequency, survival
from mainstay.drill.cell import cells
from mainstay.drill.fault.plug import kinds
from mainstay.drill.history import History
from mainstay.drill.standing import standing
from mainstay.ledger.promise import Past, standings
from mainstay.ledger.report import report as summed_up
from mainstay.ledger.store import reading
from mainstay.redundancy.audit.loss import losses
from mainstay.redundancy.audit.report import report as audited
from mainstay.redundancy.structure.bounds import Bounds
from mainstay.supervisor.rundir import RunDir
from mainstay.system.load import load
from mainstay.system.plan import plan_of
from mainstay.system.schema import System

_ORDER = 2
_STYLES = {YES: "green", NO: "red", UNPROVED: "yellow"}


def check(
    file: option.File = None,
    run_dir: option.Run = None,
    over: Annotated[str, typer.Option(metavar="DURATION", help="How far back the ledger is asked.")] = "30d",
    strict: Annotated[
        bool, typer.Option("--strict", help="End with 1 also when an answer is unproved.")
    ] = False,
    json: option.Json = False,
) -> None:
    """Answer the three questions: do we have backups, can we survive failures, how often does it fail?

    Each answer is yes, no or unproved, with the evidence, its age, and what to do next. Ends with 1 if one of them is no.
    """
    system, now = load(file), time.time()
    run = option.run_dir(system.file, run_dir)
    found = [
        _backups(system, file),
        _survival(system, run, now),
        _frequency(system, run, now, option.duration("--over", over)),
    ]
    if json:
        show.data({"version": 1, "system": system.name, "answers": [one.record() for one in found]})
    else:
        _print(system.name, found)
    bad = {NO, UNPROVED} if strict else {NO}
    raise typer.Exit(1 if any(one.answer in bad for one in found) else 0)


def _backups(system: System, file: Path | None) -> Answer:
    plan = plan_of(system)
    found = losses(plan, plan.entries(), _ORDER, Bounds())
    return backups(audited(plan, str(file or system.file), found, [], []))


def _survival(system: System, run: RunDir, now: float) -> Answer:
    every = cells(system, kinds())
    return survival(standing(system, every, History(run.path).reports(), now), now)


def _frequency(system: System, run: RunDir, now: float, over: float) -> Answer:
    targets = {
        name: service.objective.availability
        for name, service in system.services.items()
        if service.objective is not None and service.objective.availability is not None
    }
    try:
        with reading(run.ledger) as store:
            report = summed_up(store, now - over, now, list(system.services))
            promises = [
                one.record()
                for name, service in system.services.items()
                if service.objective is not None
                for one in standings(Past(store, name), service.objective, now)
            ]
    except EnvironmentProblem as problem:
        return frequency(None, targets, str(problem))
    return frequency(report, targets, promises=promises)


def _print(name: str, found: list[Answer]) -> None:
    show.out.print(Text(name, style="bold"))
    for one in found:
        show.out.print()
        aged = f"  ({show.span(one.age)} old)" if one.age is not None else ""
        show.out.print(
            Text.assemble(
                (one.question, "bold"),
                "  ",
                (one.answer, _STYLES[one.answer]),
                (f"  {one.idea}{aged}", "dim"),
            )
        )
        for line in one.evidence:
            show.out.print(Text(f"  {line}"), soft_wrap=True)
    if steps := [step for one in found for step in one.next]:
        show.out.print()
        show.out.print(Text("Next", style="bold"))
        for step in dict.fromkeys(steps):
            show.out.print(Text(f"  {step}"), soft_wrap=True)
