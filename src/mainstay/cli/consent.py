"""Asking before the running system is touched: what our users would send there, and whether they may."""

import sys
from collections import Counter

import typer

from mainstay.base.errors import NotRunning, SpecError
from mainstay.cli import show
from mainstay.drill.load.visit import UNWANTED, visits
from mainstay.drill.stage.entry import entries
from mainstay.supervisor.rundir import RunDir
from mainstay.system.schema import System


def running(system: System, run: RunDir) -> None:
    """See that a system runs.

    Raises:
        NotRunning: it does not.
    """
    if run.holder() is None:
        raise NotRunning(
            f"'{system.name}' does not run: there is no supervisor at '{run.path}'; `mainstay up` starts it,"
            " and --isolated takes a private copy"
        )


def load(system: System, rate: float | None, *, writes: bool) -> str:
    """Say what our users send to a system.

    Args:
        system: The system.
        rate: How many come each second, to each entry point; None: what the system file says.
        writes: Whether they send writes.

    Raises:
        MainstayError: it cannot be told, or is nothing.
    """
    told = system.drills.load
    rate = float(told.rate if rate is None else rate)
    users, left = visits(told, entries(system), rate, system.folder, writes=writes)
    said = f"{sum(visit.rate for visit in users):g} requests a second of its own are sent meanwhile"
    each = Counter[str]()
    for visit in users:
        each.update(visit.writes())
    if each:
        said += f", of which {', '.join(f'{often:.3g} {route}' for route, often in each.items())} change something"
    without = dict.fromkeys(one.what for one in left if one.why == UNWANTED)
    return f"{said}, without {', '.join(without)}, which --writes adds" if without else said


def ask(what: str, otherwise: str) -> None:
    """Ask whether something may be done.

    Args:
        what: What that is.
        otherwise: Options that need no answer.

    Raises:
        SpecError: nobody is there to be asked.
        Abort: the answer is no.
    """
    if not sys.stdin.isatty():
        raise SpecError(f"{what}: tell --yes to have that done, or {otherwise}")
    # Not `news`: names of paths may have brackets in them.
    show.err.print(what, markup=False, soft_wrap=True)
    typer.confirm("Go on?", abort=True, err=True)
