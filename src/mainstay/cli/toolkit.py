"""`mainstay drill chaos` and `mainstay drill export`: experiments of Chaos Toolkit, run here, and ours, written for it."""

import asyncio
import contextlib
import json as encoding
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from mainstay.base.errors import EnvironmentProblem, MainstayError, SpecError
from mainstay.cli import consent, matrix, option, show
from mainstay.cli.forms import COULD_NOT, could_not
from mainstay.cli.haltable import haltable
from mainstay.cli.talk import ask
from mainstay.drill.campaign import LENGTHS
from mainstay.drill.cell import cells, chosen
from mainstay.drill.fault.plug import kinds
from mainstay.drill.stage import stage
from mainstay.drill.stage.stage import Stage
from mainstay.drill.toolkit import variable
from mainstay.drill.toolkit.experiment import HYPOTHESIS, ROLLBACKS, Experiment, read
from mainstay.drill.toolkit.export import experiment, file_name
from mainstay.drill.toolkit.run import COMPLETED, INTERRUPTED, Run, Terms, failures
from mainstay.drill.toolkit.watch import variables, watched
from mainstay.supervisor.rundir import RunDir
from mainstay.system.file import find
from mainstay.system.load import load


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """Which system is watched, and how."""

    file: Path | None
    run_dir: Path | None
    isolated: bool
    load: bool
    writes: bool
    rate: float | None
    seed: int


def chaos(  # noqa: PLR0913, PLR0917 - its options
    experiment_file: Annotated[
        Path,
        typer.Argument(metavar="EXPERIMENT", help="The experiment, in JSON or YAML.", show_default=False),
    ],
    journal: Annotated[Path, typer.Option(help="Where the journal is written to.")] = Path("journal.json"),
    rollback_strategy: Annotated[
        str | None,
        typer.Option(help=f"When rollbacks are played: {', '.join(ROLLBACKS)}.", show_default=False),
    ] = None,
    hypothesis_strategy: Annotated[
        str | None,
        typer.Option(help=f"When the hypothesis is checked: {', '.join(HYPOTHESIS)}.", show_default=False),
    ] = None,
    hypothesis_frequency: Annotated[
        float,
        typer.Option(help="Seconds from one check to the next while the method goes on.", min=0.01, max=3600),
    ] = 1.0,
    var: Annotated[
        list[str] | None,
        typer.Option(
            "--var", help="A value of the configuration, as in NAME=VALUE; several times.", show_default=False
        ),
    ] = None,
    file: option.File = None,
    run_dir: option.Run = None,
    isolated: Annotated[bool, typer.Option("--isolated", help="On a private copy of the system.")] = False,
    no_load: Annotated[bool, typer.Option("--no-load", help="Without our own users.")] = False,
    rps: Annotated[
        float | None,
        typer.Option(help="Our users a second, at each entry point.", min=1, max=100_000, show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="Replays one schedule of users.")] = 1,
    writes: option.Writes = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Send our users to the running system without asking.")
    ] = False,
    json: option.Json = False,
) -> None:
    """Run an experiment of Chaos Toolkit, count what users see meanwhile, and write its journal.

    Ends with 0 if the hypothesis held, with 1 if it did not, and with 2 if it could not be run, or was interrupted.
    """
    wish = _Wish(
        file=file, run_dir=run_dir, isolated=isolated, load=not no_load, writes=writes, rate=rps, seed=seed
    )
    try:
        told = read(experiment_file)
        terms = Terms(
            values=_pairs(var or []),
            rollbacks=_one_of(
                "--rollback-strategy", rollback_strategy or told.strategy("rollbacks"), ROLLBACKS
            ),
            hypothesis=_one_of(
                "--hypothesis-strategy", hypothesis_strategy or told.strategy("hypothesis"), HYPOTHESIS
            ),
            frequency=hypothesis_frequency,
            tell=(lambda _: None) if json else _tell,
        )
        for what in told.ignored():
            show.warning(f"not played: {what}")
        if not yes:
            _ask_first(wish)
        made = asyncio.run(haltable(_run(told, terms, wish)))
        _keep(journal, made)
    except typer.Abort:
        show.news("nothing was done")
        raise typer.Exit(COULD_NOT) from None
    except asyncio.CancelledError:
        show.news("it was interrupted before it began")
        raise typer.Exit(COULD_NOT) from None
    except MainstayError as problem:
        raise could_not(problem) from None
    if json:
        show.data(made)
    else:
        _show(made, journal)
    raise typer.Exit(_code(made))


def export(  # noqa: PLR0913, PLR0917 - its options
    to: Annotated[
        Path, typer.Option(help="The folder that the experiments are written to.", show_default=False)
    ],
    file: option.File = None,
    fault: option.Faults = None,
    target: option.Targets = None,
    length: Annotated[
        str, typer.Option(help=f"How long each fault lasts: {', '.join(LENGTHS)}.")
    ] = "standard",
    live: Annotated[bool, typer.Option("--live", help="On the running system, without a question.")] = False,
    json: option.Json = False,
) -> None:
    """Write drills as experiments that Chaos Toolkit runs, one file for each."""
    system = load(file)
    wanted = chosen(cells(system, kinds(show.warning)), fault or (), target or ())
    times = LENGTHS[_one_of("--length", length, tuple(LENGTHS))]
    files = {
        to / file_name(cell): experiment(system, cell, length=length, times=times, live=live)
        for cell in wanted
    }
    try:
        to.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise EnvironmentProblem(
            f"cannot write '{to}': {(problem.strerror or str(problem)).lower()}"
        ) from problem
    for path, made in files.items():
        _keep(path, made)
    if json:
        show.data({"version": 1, "files": [str(path) for path in files]})
    else:
        show.news(f"{len(files)} experiments are in {escape(str(to))}")


async def _run(written: Experiment, terms: Terms, wish: _Wish) -> dict[str, Any]:
    """Run it, watched by our users where there is a system."""
    with tempfile.TemporaryDirectory(prefix="mainstay-chaos-") as folder:
        async with _stage(wish, Path(folder)) as where:
            over = {**(variables(where) if where is not None else {}), **terms.values}
            told = written.told
            terms = replace(
                terms,
                values=variable.configuration(told.get("configuration") or {}, os.environ, over),
                secrets=variable.secrets(told.get("secrets") or {}, os.environ),
                environ={"MAINSTAY_RUN_DIR": str(where.run.path)} if where is not None else {},
            )
            run = Run(written, terms)
            if where is None or not wish.load:
                return await run.journal()
            rate = wish.rate if wish.rate is not None else float(where.system.drills.load.rate)
            writes = wish.writes or not where.live
            async with watched(where, rate, wish.seed, Path(folder), writes=writes) as seen:
                journal = await run.journal()
            return journal | {"extensions": [seen]}


@asynccontextmanager
async def _stage(wish: _Wish, folder: Path) -> AsyncIterator[Stage | None]:
    """Have the system that is watched: a private copy, the one that runs, or none."""
    if wish.isolated:
        system = load(wish.file)
        env = system.drills.env
        async with stage.private(system, folder / "copy", ask, _copied, env) as where:
            yield where
        return
    run = _running(wish)
    if run is None:
        yield None
        return
    async with stage.live(load(wish.file), run, ask) as where:
        yield where


def _running(wish: _Wish) -> RunDir | None:
    """Give the run directory of the system that runs, if one does."""
    if wish.file is None and find(Path()) is None:
        return None
    run = option.run_dir(wish.file, wish.run_dir)
    return run if run.holder() is not None else None


def _ask_first(wish: _Wish) -> None:
    """Ask whether our users may come to the system that runs, if they would.

    Raises:
        SpecError: nobody is there to be asked.
    """
    if wish.isolated or not wish.load or _running(wish) is None:
        return
    system = load(wish.file)
    sent = consent.load(system, wish.rate, writes=wish.writes)
    consent.ask(f"the experiment is of '{system.name}', which runs; {sent}", "--no-load, or --isolated")


def _pairs(told: list[str]) -> dict[str, str]:
    for one in told:
        if "=" not in one or one.startswith("="):
            raise SpecError(f"--var {one}: write NAME=VALUE")
    return {name: value for name, _, value in (one.partition("=") for one in told)}


def _one_of(name: str, told: str, allowed: tuple[str, ...]) -> str:
    if told not in allowed:
        raise SpecError(f"{name}: found '{told}', allowed: {', '.join(allowed)}")
    return told


def _keep(path: Path, journal: dict[str, Any]) -> None:
    try:
        path.write_text(encoding.dumps(journal, indent=2) + "\n", encoding="utf-8")
    except OSError as problem:
        raise EnvironmentProblem(
            f"cannot write '{path}': {(problem.strerror or str(problem)).lower()}"
        ) from problem


def _code(journal: dict[str, Any]) -> int:
    if journal["status"] == INTERRUPTED:
        return COULD_NOT
    return 0 if journal["status"] == COMPLETED and not journal["deviated"] else 1


def _copied(news: dict[str, Any]) -> None:
    """Say of a private copy only what is other in it."""
    if news["event"] == "relocated":
        show.news(escape(matrix.led_back(news["keys"])))


def _tell(record: dict[str, Any]) -> None:
    """Say how an activity went."""
    activity = record["activity"]
    good = record["status"] == "succeeded" and record.get("tolerance_met", True)
    how = "done" if good else "out of tolerance"
    if record["status"] == "failed":
        how = record["exception"][0]
    show.news(
        f"{activity['type']:>7} {escape(activity['name'])}: [{'green' if good else 'red'}]{escape(how)}[/]"
    )


def _show(journal: dict[str, Any], path: Path) -> None:
    told = "deviated" if journal["deviated"] else journal["status"]
    count = len(failures(journal))
    more = f"; {count} check{'s' if count != 1 else ''} of the hypothesis failed" if count else ""
    show.out.print(
        f"{journal['experiment']['title']}: {told} after {journal['duration']:.1f} s{more}", markup=False
    )
    for one in journal.get("extensions", []):
        for name, seen in one["users"].items():
            longest = max((outage["seconds"] for outage in seen["outages"]), default=0.0)
            line = f"users of {name}: {seen['failed']} of {seen['sent']} requests failed, nobody served for {longest:.2f} s"
            show.out.print(line, markup=False)
    with contextlib.suppress(ValueError):
        path = path.relative_to(Path.cwd())
    show.news(f"the journal is in {escape(str(path))}")
