"""`mainstay predict`: what availability is to be expected, and what would change it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from mainstay.base.errors import EnvironmentProblem, SpecError
from mainstay.base.units import parse_duration
from mainstay.cli import option, show
from mainstay.cli.curve import drawing
from mainstay.control.forecast import SIMULATED, Evidence, Settings, beyond, settings
from mainstay.control.foretold import foretold
from mainstay.drill.history import History
from mainstay.drill.report import fingerprint
from mainstay.drill.shown import trials
from mainstay.ledger.figure import between, percent, span
from mainstay.ledger.report import report
from mainstay.ledger.store import SERVICE, reading
from mainstay.ledger.watched import watched
from mainstay.supervisor.rundir import RunDir
from mainstay.system.load import load
from mainstay.system.schema import System

_WORTH = 1.0
"""Seconds a year: a change that is worth less is not told in figures."""


def predict(  # noqa: PLR0913, PLR0917 - its options; typer passes them by name
    file: option.File = None,
    run_dir: option.Run = None,
    service: Annotated[
        list[str] | None,
        typer.Option("--service", help="Only this service; may be told several times.", show_default=False),
    ] = None,
    told: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME.KEY=VALUE",
            help="What if: `instances`, `needed`, `mtbf`, `mttr`, `coverage`, `failover` or `recovery` of a service, of"
            " `zone` or of `host`, as in web.instances=5; with --simulate also `shape` (above 1: ageing), and `window` and"
            " `every` of maintenance. May be told several times.",
            show_default=False,
        ),
    ] = None,
    over: Annotated[
        str, typer.Option(metavar="DURATION", help="How far back the ledger is looked at.")
    ] = "90d",
    simulate: Annotated[
        bool,
        typer.Option(
            "--simulate",
            help="Simulate it as well: with ageing, maintenance windows, and zones that take their instances with them.",
        ),
    ] = False,
    crew: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many are repaired at once, in all; with --simulate.", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draws that intervals are made from.")] = 1,
    json: option.Json = False,
    svg: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw downtime against replicas, as an SVG picture.", show_default=False
        ),
    ] = None,
) -> None:
    """Tell which availability is to be expected, with its interval, beside what was observed.

    Takes what there is from the system file, how often it fails from the ledger, and what is survived from drills. What nobody
    has measured or told is assumed, and marked; coverage without a drill is unproved, and gives a range.
    """
    system = load(file)
    wanted = _known(system, service or [])
    evidence, observed = _evidence(system, option.run_dir(system.file, run_dir), _seconds(over))
    what_if: Settings = settings(told or [], system)
    played = beyond(system, evidence, what_if, crew)
    if not simulate:
        _refuse(what_if, crew)
    found = foretold(
        system, evidence, what_if, observed, seed, wanted, simulated=played if simulate else None
    )
    if svg is not None:
        _write(svg, drawing(found))
    if json:
        show.data(found)
    else:
        _print(found, simulated=simulate)


def _known(system: System, wanted: list[str]) -> list[str]:
    for name in wanted:
        if name not in system.services:
            raise SpecError(f"--service: there is no '{name}'; there are: {', '.join(system.services)}")
    return list(dict.fromkeys(wanted))


def _refuse(told: Settings, crew: int | None) -> None:
    """Refuse what only the simulator would take note of."""
    only = [f"--set {name}.{key}" for name, keys in told.told.items() for key in SIMULATED if key in keys]
    if crew is not None:
        only.append("--crew")
    if only:
        raise SpecError(f"{only[0]}: no formula knows of that; add --simulate")


def _seconds(over: str) -> float:
    try:
        return parse_duration(over)
    except SpecError as problem:
        raise SpecError(f"--over: {problem}") from None


def _evidence(system: System, run: RunDir, over: float) -> tuple[Evidence, dict[str, Any]]:
    until = time.time()
    shown = trials(History(run.path).reports(), fingerprint(system))
    if not run.ledger.exists():
        return Evidence({}, shown), {}
    since = until - over
    with reading(run.ledger) as store:
        named = [one.name for one in store.subjects(SERVICE) if one.name in system.services]
        seen = {name: watched(store, name, since, until) for name in named}
        rows = report(store, since, until, named)["services"] if named else []
    return Evidence(seen, shown), {row["service"]: row["time"] for row in rows}


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise EnvironmentProblem(f"--svg: cannot write '{path}': {problem.strerror}") from problem


def _print(found: dict[str, Any], *, simulated: bool) -> None:
    for row in found["services"]:
        show.out.print(Text(row["service"], style="bold"))
        for line in lines(row):
            show.out.print(Text(f"  {line}"), soft_wrap=True)
        show.out.print()
        show.table(_NUMBERS, list(_numbers(row)))
        show.out.print()
    if simulated and not all(row["proved"] for row in found["services"]):
        show.news("what is unproved is not simulated; tell a coverage, as in `--set web.coverage=95%`")
    if found["left_out"]:
        what = " and ".join("a zone" if name == "zone" else "the host" for name in found["left_out"])
        show.news(
            f"left out, as nothing is known of how often that happens: the loss of {what};"
            " tell it, as in `--set host.mtbf=300d --set host.mttr=1h`"
        )


def lines(row: dict[str, Any]) -> list[str]:
    """Say what is to be expected of a service, in sentences."""
    said = [_expected(row), *_simulation(row["simulated"]), _beside(row), _blame(row["costs"])]
    said += [_worth(one) for one in row["changes"]]
    return [*said, *_best(row["replicas"])]


def _expected(row: dict[str, Any]) -> str:
    least, most = span(row["downtime_low"]), span(row["downtime_high"])
    if row["proved"] and least == most:
        return f"Expected: {percent(row['availability'])}, that is {least} of being down a year."
    if row["proved"]:
        return (
            f"Expected: {percent(row['availability'])} ({between(row['low'], row['high'])}), that is"
            f" {span(row['downtime'])} of being down a year ({least} to {most})."
        )
    return (
        f"Unproved: from {percent(row['low'])} to {percent(row['high'])}, that is {least} to {most} of being down a year."
        " Drills have not shown of each of its parts that its loss is survived: `mainstay drill run` does."
    )


def _beside(row: dict[str, Any]) -> str:
    observed = row["observed"]
    if observed is None:
        return "Observed: nothing; the ledger knows of no time at which somebody watched."
    said = f"Observed: {percent(observed['availability'])} ({between(observed['low'], observed['high'])})."
    if observed["high"] < row["low"]:
        return f"{said} That is worse than can be expected: something fails that the prediction does not know of."
    if observed["low"] > row["high"]:
        return f"{said} That is better than can be expected: what was assumed is too bad."
    return said


def _simulation(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return []
    sure = between(found["low"], found["high"])
    said = (
        f"Simulated: {percent(found['availability'])}, that is {span(found['downtime'])} of being down a year"
    )
    return [f"{said} ({sure} by the chance of {found['events']:,} failures and repairs alone)."]


def _blame(costs: list[dict[str, Any]]) -> str:
    first = costs[0]
    return f"What costs most is {first['component']}: {span(first['downtime'])} a year."


def _worth(one: dict[str, Any]) -> str:
    what, low, high = f"{one['component']}, {one['change']}", one["saves_low"], one["saves_high"]
    if max(-low, high) < _WORTH:
        return f"{what}: changes nothing to speak of."
    if low < -_WORTH and high > _WORTH:
        return (
            f"{what}: may save {span(high)} or cost {span(-low)} a year; what is known does not tell which."
        )
    return f"{what}: {'saves' if one['saves'] > 0 else 'costs'} {_amount(one)} a year."


def _amount(one: dict[str, Any]) -> str:
    least, most = sorted((abs(one["saves_low"]), abs(one["saves_high"])))
    middle, ends = span(abs(one["saves"])), (span(least), span(most))
    return middle if ends == (middle, middle) else f"{middle} ({ends[0]} to {ends[1]})"


def _best(replicas: dict[str, Any]) -> list[str]:
    worse = replicas["worse_from"]
    if worse is None:
        return []
    what = "1 instance" if worse == 2 else f"{worse - 1} instances"  # noqa: PLR2004 - the plural
    return [
        f"More than {what} lower availability: each one more is one more whose failure may not be survived."
    ]


def _numbers(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for one in row["components"]:
        for key in ("mtbf", "mttr", "coverage", "failover", "recovery"):
            if key in one:
                yield {"of": f"{one['component']} ({one['instances']})", "number": key, **one[key]}


def _interval(row: dict[str, Any]) -> str:
    low, high = row["low"], row["high"]
    if low == high:
        return "-"
    if high is None:
        return f"from {_figure(row['number'], low)}"
    return f"{_figure(row['number'], low)} to {_figure(row['number'], high)}"


def _figure(number: str, value: float | None) -> str:
    return percent(value) if number == "coverage" else span(value)


_NUMBERS: list[show.Figures] = [
    ("of", False, 0, lambda row: row["of"]),
    ("number", False, 0, lambda row: row["number"]),
    ("value", True, 0, lambda row: _figure(row["number"], row["value"])),
    ("95 % interval", True, 1, _interval),
    ("origin", False, 0, lambda row: row["origin"]),
    ("n", True, 0, lambda row: "-" if row["events"] is None else f"{row['events']:,}"),
]
