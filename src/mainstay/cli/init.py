"""`mainstay init`: write a first system file."""

from pathlib import Path
from typing import Annotated

import typer

from mainstay.cli import option, show
from mainstay.system.compose.start import from_compose
from mainstay.system.load import load
from mainstay.system.start import write_first_file


def init(
    folder: Annotated[Path, typer.Argument(help="Where; a Procfile or package.json there is read.")] = Path(),
    source: Annotated[
        Path | None,
        typer.Option("--from", help="A Compose file to make it from.", show_default=False),
    ] = None,
    json: option.Json = False,
) -> None:
    """Write a commented mainstay.yaml from a Procfile, package.json or Compose file, or an example to fill in."""
    text = from_compose(source, folder) if source is not None else None
    written = write_first_file(folder, text)
    services = list(load(written).services)
    if json:
        show.data({"version": 1, "file": str(written), "services": services})
    else:
        show.news(f"wrote {written} with {', '.join(services)}; look it over, then `mainstay up`")
