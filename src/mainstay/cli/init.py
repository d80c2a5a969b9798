"""`mainstay init`: write a first system file."""

from pathlib import Path
from typing import Annotated

import typer

from mainstay.cli import option, show
from mainstay.system.load import load
from mainstay.system.start import write_first_file


def init(
    folder: Annotated[Path, typer.Argument(help="Where; a Procfile or package.json there is read.")] = Path(),
    json: option.Json = False,
) -> None:
    """Write a commented mainstay.yaml from a Procfile or package.json, or an example to fill in."""
    written = write_first_file(folder)
    services = list(load(written).services)
    if json:
        show.data({"version": 1, "file": str(written), "services": services})
    else:
        show.news(f"wrote {written} with {', '.join(services)}; look it over, then `mainstay up`")
