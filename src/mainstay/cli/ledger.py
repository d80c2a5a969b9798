"""`mainstay ledger`: the file in which all that was seen is kept."""

import contextlib
import json as as_json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from mainstay.base.errors import EnvironmentProblem, MainstayError
from mainstay.base.moment import stamp
from mainstay.cli import option, show
from mainstay.cli.incident import ledger
from mainstay.ledger.audit import audit
from mainstay.ledger.parcel import bring_in, lines
from mainstay.ledger.store import opened

app = typer.Typer(
    name="ledger",
    help="Check, copy, export and import what was seen of a system.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def verify(file: option.File = None, run_dir: option.Run = None, json: option.Json = False) -> None:
    """See whether the ledger is sound: the file is whole, and all sums agree. Ends with 1 if it is not."""
    with ledger(option.run_dir(file, run_dir)) as store:
        problems = audit(store)
    if json:
        show.data({"version": 1, "sound": not problems, "problems": problems})
    elif problems:
        for problem in problems:
            show.warning(problem)
    else:
        show.news("the ledger is sound")
    raise typer.Exit(1 if problems else 0)


@app.command()
def backup(
    to: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; it must not be there yet.")],
    file: option.File = None,
    run_dir: option.Run = None,
) -> None:
    """Copy the ledger as it is now, also while the system runs."""
    if to.exists():
        raise EnvironmentProblem(f"'{to}' is there already; a backup writes over nothing")
    with ledger(option.run_dir(file, run_dir)) as store:
        store.copy_to(to)
    show.news(f"copied to '{to}'")


@app.command()
def export(
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Only from the day (in UTC) of this moment on, as in 2026-11-25.",
            show_default=False,
        ),
    ] = None,
    file: option.File = None,
    run_dir: option.Run = None,
) -> None:
    """Print the ledger as JSON, one object a line."""
    begin = 0.0 if since is None else stamp(since, "--since")
    with ledger(option.run_dir(file, run_dir)) as store:
        for line in lines(store, begin):
            sys.stdout.write(as_json.dumps(line, separators=(",", ":")) + "\n")


@app.command("import")
def import_(
    told: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="What `mainstay ledger export` printed; `-` is standard input."),
    ],
    file: option.File = None,
    run_dir: option.Run = None,
    json: option.Json = False,
) -> None:
    """Add an export to the ledger of a system that does not run: all of it, or nothing; what is there already is not added again."""
    run = option.run_dir(file, run_dir)
    with contextlib.ExitStack() as stack:
        try:
            text = sys.stdin if str(told) == "-" else stack.enter_context(told.open(encoding="utf-8"))
        except OSError as problem:
            said = (problem.strerror or str(problem)).lower()
            raise EnvironmentProblem(f"cannot read '{told}': {said}") from problem
        run.take()
        stack.callback(run.release)
        store, trouble = opened(run.ledger, time.time())
        stack.enter_context(store)
        if trouble is not None:
            raise MainstayError(trouble)
        with store.writing():
            new = bring_in(store, text)
    if json:
        show.data({"version": 1, "new": dict(new)})
    else:
        words = ", ".join(f"{count:,} {kind}{_plural(kind, count)}" for kind, count in new.items())
        show.news(f"imported: {words or 'nothing that was not there'}")


def _plural(kind: str, count: int) -> str:
    return "" if count == 1 or kind.endswith("s") else "s"
