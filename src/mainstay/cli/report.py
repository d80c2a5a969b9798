"""`mainstay report`: how often it fails, from the ledger; also while nothing runs."""

import time
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.text import Text

from mainstay.base.errors import MainstayError, SpecError
from mainstay.base.moment import moment, stamp
from mainstay.cli import forms, option, show
from mainstay.cli.incident import known, ledger, listed, record
from mainstay.ledger.figure import between, latency, percent, span
from mainstay.ledger.markdown import markdown as as_markdown
from mainstay.ledger.page import page
from mainstay.ledger.promise import Past, standings
from mainstay.ledger.report import report as summed_up
from mainstay.ledger.store import Store
from mainstay.reliability.summary import REPAIR
from mainstay.supervisor.rundir import RunDir
from mainstay.system.load import load

_OVER = "30d"


class _Period(NamedTuple):
    since: float
    until: float


def report(  # noqa: PLR0913, PLR0917 - its options; typer passes them by name
    file: option.File = None,
    run_dir: option.Run = None,
    service: Annotated[
        list[str] | None,
        typer.Option("--service", help="Only this service; may be told several times.", show_default=False),
    ] = None,
    over: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="The period's length, up to now or to --until; 30d unless told.",
            show_default=False,
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Its beginning instead, as in 2026-11-25 or 2026-11-25T13:30, in UTC.",
            show_default=False,
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Its end, likewise; by default now.", show_default=False),
    ] = None,
    repair: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="How long an outage is taken to last where none was seen; 5m unless told.",
            show_default=False,
        ),
    ] = None,
    incidents: Annotated[
        bool, typer.Option("--incidents", help="List the times in which users had trouble as well.")
    ] = False,
    json: option.Json = False,
    markdown: forms.Markdown = None,
    html: forms.Html = None,
) -> None:
    """Tell how available each service was, how often it failed, for how long, and how sure all of that is.

    Reads the ledger, also while nothing runs. Every number has its 95 % interval, and the number of events behind it.
    """
    wanted = forms.Forms(markdown=markdown, html=html)
    wanted.check()
    period = _period(over, since, until, time.time())
    assumed = REPAIR if repair is None else option.duration("--repair", repair)
    run = option.run_dir(file, run_dir)
    with ledger(run) as store:
        told = {
            "system": _name(file, run),
            **summed_up(store, *period, known(store, service or []), assumed),
        }
        _add_objectives(told, store, file, period.until)
        filed = [
            record(one) for one in store.incidents(*period) if not service or one.incident.service in service
        ]
        if incidents:
            told["incidents"] = filed
    wanted.write({"markdown": lambda: as_markdown(told), "html": lambda: page(told)})
    if json:
        show.data(told)
        return
    _print(told)
    if incidents:
        show.out.print()
        listed(filed)


def _add_objectives(told: dict[str, Any], store: Store, file: Path | None, now: float) -> None:
    """Add how the objectives of each service stand, where the system file can be read and promises something."""
    try:
        services = load(file).services
    except MainstayError:
        return
    for row in told["services"]:
        name = row["service"]
        objective = services[name].objective if name in services else None
        if objective is None:
            continue
        row["objectives"] = [one.record() for one in standings(Past(store, name), objective, now)]
        row["told"] = [*row["told"], *map(_promised, row["objectives"])]


def _promised(row: dict[str, Any]) -> str:
    if not row["events"]:
        return f"It promises {row['promise']}: nothing was counted for that."
    left = row["budget_left"]
    if left < 0:
        budget = f"the error budget is spent {1 - left:,.1f} times over"
    else:
        budget = f"{'all' if not row['bad_events'] else f'{left:.0%}'} of the error budget is left"
    return (
        f"It promises {row['promise']}: {budget}; {row['bad_events']:,.0f} of"
        f" {row['events']:,.0f} were not good."
    )


def _name(file: Path | None, run: RunDir) -> str:
    try:
        return load(file).name
    except MainstayError:  # what was seen of it is still worth to be told
        return run.path.absolute().parent.name


def _period(over: str | None, since: str | None, until: str | None, now: float) -> _Period:
    if over is not None and since is not None:
        raise SpecError("--over and --since both say when the period begins: tell one of them")
    end = now if until is None else min(now, stamp(until, "--until"))
    begin = stamp(since, "--since") if since is not None else end - option.duration("--over", over or _OVER)
    if begin >= end:
        raise SpecError("the period must begin before it ends, and before now")
    return _Period(begin, end)


def _print(told: dict[str, Any]) -> None:
    since, until = moment(told["since"]), moment(told["until"])
    show.out.print(f"{since} to {until}", soft_wrap=True)
    rows = told["services"]
    if not rows:
        show.news("the ledger knows of no service yet")
        return
    for row in rows:
        show.out.print()
        show.out.print(Text(row["service"], style="bold"))
        for line in row["told"]:
            show.out.print(Text(f"  {line}"), soft_wrap=not show.out.is_terminal)
    show.out.print()
    show.table(_SERVICES, rows)
    instances = [{**one, "service": row["service"]} for row in rows for one in row["instances"]]
    if instances:
        show.out.print()
        show.table(_INSTANCES, instances)


def _exits(row: dict[str, Any]) -> str:
    on_purpose = f" ({row['on_purpose']} on purpose)" if row["on_purpose"] else ""
    return f"{row['exits']:,}{on_purpose}"


_SERVICES: list[show.Figures] = [
    ("service", False, 0, lambda row: row["service"]),
    ("by time", True, 0, lambda row: percent(row["time"]["availability"])),
    ("95 % interval", True, 1, lambda row: between(row["time"]["low"], row["time"]["high"])),
    ("outages", True, 0, lambda row: f"{row['time']['outages']:,}"),
    ("down", True, 0, lambda row: span(row["time"]["down"])),
    ("unknown", True, 2, lambda row: span(row["time"]["unknown"])),
    ("requests", True, 1, lambda row: f"{row['requests']['valid']:,}"),
    ("good", True, 0, lambda row: percent(row["requests"]["availability"])),
    ("p50", True, 2, lambda row: latency(row["requests"]["p50"])),
    ("p99", True, 1, lambda row: latency(row["requests"]["p99"])),
]
_INSTANCES: list[show.Figures] = [
    ("instance", False, 0, lambda row: row["instance"]),
    ("zone", False, 2, lambda row: row["zone"] or "-"),
    ("there for", True, 1, lambda row: span(row["present"])),
    ("by time", True, 0, lambda row: percent(row["availability"])),
    ("95 % interval", True, 1, lambda row: between(row["low"], row["high"])),
    ("exits", True, 0, _exits),
]
