"""Options that several commands share, and where a system's run directory is."""

from pathlib import Path
from typing import Annotated

import typer

from mainstay.supervisor.rundir import RunDir
from mainstay.system.load import find

RUN_DIR = ".mainstay"
"""The run directory's name, beside the system file."""

File = Annotated[
    Path | None,
    typer.Option(
        "--file", "-f", help="The system file; by default mainstay.yaml in this folder.", show_default=False
    ),
]
Run = Annotated[
    Path | None,
    typer.Option(
        "--run-dir",
        help="Where state, sockets and logs are kept; by default .mainstay beside the system file.",
        envvar="MAINSTAY_RUN_DIR",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def run_dir(file: Path | None, told: Path | None) -> RunDir:
    """Give the run directory of the system that is meant; the system file itself need not be readable."""
    if told is not None:
        return RunDir(told)
    found = file or find(Path()) or Path("mainstay.yaml")
    return RunDir(found.absolute().parent / RUN_DIR)
