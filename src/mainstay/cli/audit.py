"""`mainstay audit`: what may be lost before users notice, and what should be otherwise."""

import datetime as dt
import json as text_of_json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from mainstay import __version__
from mainstay.base.errors import SpecError
from mainstay.base.units import parse_duration
from mainstay.cli import audited, forms, option, show
from mainstay.redundancy.audit.loss import losses
from mainstay.redundancy.audit.markdown import markdown as in_markdown
from mainstay.redundancy.audit.plan import Plan
from mainstay.redundancy.audit.report import report
from mainstay.redundancy.audit.rule import ERROR, WARNING, Finding, fails
from mainstay.redundancy.audit.sarif import sarif as in_sarif
from mainstay.redundancy.structure.bounds import Bounds
from mainstay.system.accepted import Baseline, read_baseline
from mainstay.system.compose.plan import composed
from mainstay.system.compose.project import read_project
from mainstay.system.compose.text import NAMES as COMPOSE_NAMES
from mainstay.system.compose.text import is_compose
from mainstay.system.document import Document
from mainstay.system.file import NAMES, find
from mainstay.system.inspection import inspect
from mainstay.system.load import load_with_places
from mainstay.system.plan import plan_of

_LEVELS = (ERROR, WARNING, "never")
_MOST_ORDER = 20


def audit(  # noqa: PLR0913, PLR0917 - its options
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A system file, by default mainstay.yaml in this folder; a Compose file, by default where there is no mainstay.yaml; "
            "or a fault tree in the Open-PSA format (.xml).",
            show_default=False,
        ),
    ] = None,
    entry: Annotated[
        list[str] | None,
        typer.Option(
            "--entry",
            help="Only what users of this service lose; may be told several times. By default every service with a listener that no "
            "other one needs.",
            show_default=False,
        ),
    ] = None,
    order: Annotated[
        int | None,
        typer.Option(
            "--order",
            help="The most parts that a cut set may have: 2 unless told, and any number for a fault tree.",
            show_default=False,
        ),
    ] = None,
    within: Annotated[
        str, typer.Option("--within", metavar="DURATION", help="How long it may take; then it is given up.")
    ] = "30s",
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline", help="A file of findings that are accepted, with reasons.", show_default=False
        ),
    ] = None,
    fail_on: Annotated[
        str,
        typer.Option(
            "--fail-on", metavar="SEVERITY", help="End with 1 from this severity on: error, warning or never."
        ),
    ] = ERROR,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile",
            help="Of a Compose file: also services of this profile; may be told several times, and * is all.",
            show_default=False,
        ),
    ] = None,
    sarif: Annotated[
        Path | None,
        typer.Option("--sarif", help="Write the findings to this file as SARIF 2.1.0.", show_default=False),
    ] = None,
    markdown: forms.Markdown = None,
    json: option.Json = False,
) -> None:
    """Tell what is redundant, what stops users when it is lost, alone or in pairs, and what should be otherwise.

    Nothing has to run. It ends with 1 when a rule finds what is as bad as --fail-on says, and nobody accepted it.
    """
    bounds = _bounds(order, within, fail_on)
    if file is not None and file.suffix.lower() == ".xml":
        _refuse(entry=entry, baseline=baseline, sarif=sarif, markdown=markdown, profile=profile)
        audited.fault_tree(file, order, bounds, json=json)
        return
    _check_outputs(sarif, markdown)
    accepted = read_baseline(baseline) if baseline is not None else Baseline()
    source = _source(file, profile)
    told, findings = _audited(source, entry, order or 2, bounds(), accepted)
    if json:
        show.data(told)
    else:
        audited.system(told)
    if sarif is not None:
        forms.write_file("--sarif", sarif, text_of_json.dumps(in_sarif(told, __version__), indent=2) + "\n")
    if markdown is not None:
        forms.write_file(
            "--markdown", markdown, in_markdown(told), mode="a" if forms.is_summary(markdown) else "w"
        )
    if fails(findings, fail_on):
        raise typer.Exit(1)


class _Source(NamedTuple):
    """What is audited."""

    name: str
    plan: Plan
    document: Document
    remarks: list[str]


def _source(file: Path | None, profiles: list[str] | None) -> _Source:
    if file is None and find(Path()) is None:
        file = next((Path(name) for name in COMPOSE_NAMES if Path(name).exists()), None)
    if file is not None and is_compose(file):
        told = os.environ.get("COMPOSE_PROFILES", "").split(",") if profiles is None else profiles
        project = read_project(file)
        plan, _, remarks = composed(project, [each for each in told if each])
        return _Source(str(file), plan, project.document, remarks)
    if profiles:
        raise SpecError("--profile: is for Compose files")
    system, document = load_with_places(file)
    return _Source(str(file or find(Path()) or NAMES[0]), plan_of(system), document, [])


def _audited(
    source: _Source, entry: list[str] | None, order: int, bounds: Bounds, baseline: Baseline
) -> tuple[dict[str, Any], list[Finding]]:
    plan = source.plan
    entries = _entries(plan, entry)
    found = inspect(plan, source.document)
    findings, unused = baseline.settle(found, dt.datetime.now(dt.UTC).date())
    lost = losses(plan, entries, order, bounds)
    return report(plan, source.name, lost, findings, unused, source.remarks), findings


def _entries(plan: Plan, told: list[str] | None) -> list[str]:
    for name in told or []:
        if name not in plan.groups:
            raise SpecError(f"--entry: there is no service {name}; there are: {', '.join(plan.groups)}")
    return list(dict.fromkeys(told or plan.entries()))


def _bounds(order: int | None, within: str, fail_on: str) -> Callable[[], Bounds]:
    if fail_on not in _LEVELS:
        raise SpecError(f"--fail-on: must be {', '.join(_LEVELS)}, not {fail_on}")
    if order is not None and not 1 <= order <= _MOST_ORDER:
        raise SpecError(f"--order: must be from 1 to {_MOST_ORDER}, not {order}")
    try:
        seconds = parse_duration(within)
    except SpecError as problem:
        raise SpecError(f"--within: {problem}") from None

    def bounds() -> Bounds:
        end = time.monotonic() + seconds
        return Bounds(may_go_on=lambda: time.monotonic() < end)

    return bounds


def _check_outputs(sarif: Path | None, markdown: Path | None) -> None:
    if sarif is not None and markdown is not None and sarif.resolve() == markdown.resolve():
        raise SpecError(f"--markdown: '{markdown}' is the file of --sarif already")
    for name, path in (("--sarif", sarif), ("--markdown", markdown)):
        if path is not None:
            forms.try_file(name, path)


def _refuse(**told: object) -> None:
    for name, value in told.items():
        if value:
            raise SpecError(f"--{name}: is for system files; a fault tree has no services and no rules")
