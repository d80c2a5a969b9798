"""`mainstay incident`: times in which users had trouble, and what people note about them."""

import time
from typing import Annotated, Any

import typer

from mainstay.base.errors import MainstayError, NotRunning, SpecError
from mainstay.cli import option, show
from mainstay.ledger.store import SERVICE, Filed, Store, opened, reading
from mainstay.supervisor.rundir import RunDir

app = typer.Typer(
    name="incident",
    help="Times in which users had trouble, and what people note about them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command("list")
def list_(
    file: option.File = None,
    run_dir: option.Run = None,
    service: Annotated[
        str | None, typer.Option("--service", help="Only of this service.", show_default=False)
    ] = None,
    over: Annotated[str, typer.Option("--over", help="How far back, as in 7d.")] = "30d",
    json: option.Json = False,
) -> None:
    """List the incidents of late: when, for how long, who had trouble, and what broke first."""
    now = time.time()
    with ledger(option.run_dir(file, run_dir)) as store:
        known(store, [service] if service is not None else [])
        found = store.incidents(now - option.duration("--over", over), now + 1, service)
    if json:
        show.data({"version": 1, "incidents": [record(one) for one in found]})
    elif not found:
        show.news(f"no incident in the last {over}")
    else:
        listed([record(one) for one in found])


@app.command()
def note(
    number: Annotated[
        int, typer.Argument(help="The incident's number, as `mainstay incident list` tells it.")
    ],
    text: Annotated[str, typer.Argument(help="What there is to say about it.")],
    file: option.File = None,
    run_dir: option.Run = None,
) -> None:
    """Note something about an incident: the cause, a ticket, what was done."""
    if not text.strip():
        raise SpecError("a note must say something")
    run, now = option.run_dir(file, run_dir), time.time()
    with ledger(run):
        pass  # there is one, and it can be read: a note must not begin a ledger
    store, trouble = opened(run.ledger, now)
    with store:
        if trouble is not None:
            raise MainstayError(trouble)
        with store.writing():
            known = store.note(number, now, text.strip())
    if not known:
        raise MainstayError(f"there is no incident {number}; `mainstay incident list` tells which there are")
    show.news(f"noted about incident {number}")


def ledger(run: RunDir) -> Store:
    """Open the ledger of a system.

    Raises:
        NotRunning: it has never run, so there is none.
        EnvironmentProblem: it cannot be read.
    """
    if not run.ledger.exists():
        raise NotRunning(f"there is no ledger at '{run.ledger}': `mainstay up` begins one")
    return reading(run.ledger)


def known(store: Store, wanted: list[str]) -> list[str]:
    """Give the services that were asked for, each once.

    Raises:
        SpecError: the ledger has nothing of one of them.
    """
    there = [subject.name for subject in store.subjects(SERVICE)]
    for name in wanted:
        if name not in there:
            raise SpecError(f"--service: the ledger has no '{name}'; it has: {', '.join(there) or 'none'}")
    return list(dict.fromkeys(wanted))


def listed(rows: list[dict[str, Any]]) -> None:
    """Print incidents, and what people noted about them."""
    if not rows:
        show.news("no incident in this time")
        return
    show.table(_COLUMNS, rows)
    for row in rows:
        for one in row["notes"]:
            show.out.print(
                f"{row['incident']}: {_clock(one['at'])} {one['text']}", soft_wrap=True, markup=False
            )


def record(one: Filed) -> dict[str, Any]:
    """Give an incident as plain values."""
    incident = one.incident
    return {
        "incident": one.number,
        **incident.record(),
        "seconds": incident.mitigated - incident.began if incident.mitigated is not None else None,
        "to_detect": max(0.0, incident.detected - incident.began) if incident.detected is not None else None,
        "to_recover": incident.recovered - incident.began if incident.recovered is not None else None,
        "notes": [{"at": at, "text": text} for at, text in one.notes],
    }


def _clock(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))


def _span(name: str) -> show.Cell:
    return lambda row: "-" if row[name] is None else f"{row[name]:.1f} s"


_COLUMNS: list[show.Figures] = [
    ("incident", True, 0, lambda row: str(row["incident"])),
    ("service", False, 0, lambda row: row["service"]),
    ("began (UTC)", False, 0, lambda row: _clock(row["began"])),
    ("state", False, 1, lambda row: row["state"]),
    ("lasted", True, 0, _span("seconds")),
    ("failed", True, 0, lambda row: f"{row['failed']:,} of {row['requests']:,}"),
    ("detected after", True, 3, _span("to_detect")),
    ("recovered after", True, 2, _span("to_recover")),
    ("first to fail", False, 1, lambda row: row["blame"] or "-"),
    ("because", False, 4, lambda row: row["because"] or "-"),
    ("drill", False, 4, lambda row: "yes" if row["drill"] else ""),
]
