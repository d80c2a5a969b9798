"""`mainstay export`: objectives and metrics for other people's tools."""

import io
import re
from typing import Annotated

import typer
from ruamel.yaml import YAML

from mainstay.base.errors import MainstayError, SpecError
from mainstay.cli import option, show
from mainstay.system.load import load
from mainstay.system.schema import System
from mainstay.web.export.dashboard import dashboard
from mainstay.web.export.rules import remarks, rules

app = typer.Typer(
    name="export",
    help="Write what other people's tools take: rules of Prometheus, a dashboard of Grafana.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
Match = Annotated[
    str,
    typer.Option(
        "--match",
        help='What else has to match in every query, as in job="shop", where one Prometheus has several systems.',
        show_default=False,
    ),
]
_MATCHER = r'\s*[a-zA-Z_][a-zA-Z0-9_]*\s*(?:=~|!~|!=|=)\s*"(?:[^"\\\n]|\\.)*"\s*'
_MATCHERS = re.compile(rf"{_MATCHER}(?:,{_MATCHER})*")


@app.command()
def prometheus(file: option.File = None, match: Match = "", json: option.Json = False) -> None:
    """Write recording and alerting rules for the objectives of the system file: the same windows and rates as Mainstay's own alerts."""
    if match and not _MATCHERS.fullmatch(match):
        raise SpecError(
            f"--match: '{match}' is no list of label matchers: each is a label, one of =, !=, =~ and !~,"
            ' and a text in double quotes, with commas between them, as in job="shop",env!="test"'
        )
    system = load(file)
    refuse_without_objectives(system)
    if json:
        show.data(rules(system, match))
        return
    for remark in remarks(system):
        typer.echo(f"# {remark}")
    typer.echo(in_yaml(rules(system, match)), nl=False)


@app.command()
def grafana(file: option.File = None) -> None:
    """Write a dashboard as JSON: objectives, what is left of their budgets, and the traffic. Grafana's import takes it."""
    show.data(dashboard(load(file)))


def refuse_without_objectives(system: System) -> None:
    """Refuse where there is nothing to write.

    Raises:
        MainstayError: no service has an objective.
    """
    if all(service.objective is None for service in system.services.values()):
        raise MainstayError("no service has an `objective`: there is nothing to write")


def in_yaml(*documents: object) -> str:
    """Write YAML, several documents one after another."""
    writer = YAML()
    writer.width = 10_000
    out = io.StringIO()
    for document in documents:
        if len(documents) > 1:
            out.write("---\n")
        writer.dump(document, out)
    return out.getvalue()
