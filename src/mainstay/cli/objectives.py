"""`mainstay objectives`: objectives as OpenSLO has them, in and out."""

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from mainstay.base.errors import MainstayError, SpecError
from mainstay.cli import option, show
from mainstay.cli.export import Match, in_yaml, refuse_without_objectives
from mainstay.system.load import load
from mainstay.web.export.imported import LARGEST, found
from mainstay.web.export.openslo import slos

app = typer.Typer(
    name="objectives",
    help="Write objectives as OpenSLO v1, and read them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def export(
    openslo: Annotated[bool, typer.Option("--openslo", help="As OpenSLO v1.")] = False,
    file: option.File = None,
    match: Match = "",
    json: option.Json = False,
) -> None:
    """Write an SLO for each objective of the system file, with queries over the gateway's metrics in Prometheus."""
    if not openslo:
        raise SpecError("tell in which form: --openslo is the one that there is")
    system = load(file)
    refuse_without_objectives(system)
    documents = slos(system, match)
    if json:
        show.data({"version": 1, "slos": documents})
    else:
        typer.echo(in_yaml(*documents), nl=False)


@app.command("import")
def take(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="A file of OpenSLO v1, of one document or several.")
    ],
    json: option.Json = False,
) -> None:
    """Print the `objective` of each service in a file of OpenSLO, for the system file; what cannot be carried over is said in comments."""
    try:
        with path.open(encoding="utf-8") as stream:
            text = stream.read(LARGEST + 1)
    except (OSError, UnicodeDecodeError) as problem:
        why = (
            problem.strerror if isinstance(problem, OSError) and problem.strerror else "it is not UTF-8 text"
        )
        raise MainstayError(f"cannot read '{path}': {why.lower()}") from problem
    try:
        services, remarks = found(text)
    except SpecError as problem:
        raise SpecError(f"{path} {problem}") from problem
    if json:
        show.data({"version": 1, "services": services, "remarks": remarks})
        return
    for remark in remarks:
        typer.echo(f"# {remark}")
    typer.echo("services:" if services else "# nothing was carried over")
    for service, keys in services.items():
        told = ", ".join(f"{key}: {_inline(value)}" for key, value in keys.items())
        typer.echo(f"  {service}:\n    objective: {{ {told} }}")


def _inline(value: object) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key}: {_inline(inner)}' for key, inner in value.items())} }}"
    plain = (
        isinstance(value, str) and all(one.isalnum() or one in "._%/-" for one in value) and value.isascii()
    )
    return str(value) if plain else jsonlib.dumps(value)
