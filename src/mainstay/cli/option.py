"""Options that several commands share, and where a system's run directory is."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from mainstay.base.errors import Problem, SpecError, SystemFileError
from mainstay.base.units import parse_duration
from mainstay.supervisor.rundir import RunDir
from mainstay.system.file import NAMES, find

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
Faults = Annotated[
    list[str] | None,
    typer.Option("--fault", help="Only this kind of fault; may be told several times.", show_default=False),
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target", help="Only at this service, zone, or the gateway; likewise.", show_default=False
    ),
]
Cells = Annotated[
    list[str] | None,
    typer.Option(
        "--cell",
        help="Only this drill, as in kill@api; of two faults at once, as in kill@api+latency@web. Likewise.",
        show_default=False,
    ),
]
Writes = Annotated[
    bool,
    typer.Option(
        "--writes",
        help="Send writes of `drills.load` to the running system as well; a private copy always gets them.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def duration(name: str, told: str) -> float:
    """Read a duration, in seconds.

    Raises:
        SpecError: it is none; names the option.
    """
    try:
        return parse_duration(told)
    except SpecError as problem:
        raise SpecError(f"{name}: {problem}") from None


def again(file: Path | None, told: Path | None) -> str:
    """Give the options by which another command means the same system, with a space before each."""
    words = [
        *(("--file", str(file)) if file is not None else ()),
        *(("--run-dir", str(told)) if told is not None else ()),
    ]
    return "".join(f" {shlex.quote(word)}" for word in words)


def run_dir(file: Path | None, told: Path | None) -> RunDir:
    """Give the run directory of the system that is meant; the system file itself need not be sound.

    Each file of a folder has one of its own: `.mainstay` is that of mainstay.yaml, `.mainstay-NAME` that of
    NAME.yaml.

    Raises:
        SystemFileError: the file that was told is not there.
    """
    if told is not None:
        return RunDir(told)
    if file is not None and not file.is_file():
        what = "is a folder; name a file" if file.is_dir() else "no such file"
        raise SystemFileError(str(file), [Problem(0, 0, "", what)])
    found = (file or find(Path()) or Path(NAMES[0])).absolute()
    return RunDir(found.parent / (RUN_DIR if found.name in NAMES else f"{RUN_DIR}-{found.stem}"))
