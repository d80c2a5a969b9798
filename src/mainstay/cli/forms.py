"""The files that a report is written to, beside what is printed."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from mainstay.base.errors import EnvironmentProblem, MainstayError, SpecError
from mainstay.cli import show

COULD_NOT = 2
"""The exit code of drills that could not be run, and of reports that could not be written."""
STEP = "GITHUB_STEP_SUMMARY"
"""The variable in which GitHub tells the file that it shows beside a workflow."""

Junit = Annotated[
    Path | None,
    typer.Option("--junit", help="Write the report to this file as JUnit XML.", show_default=False),
]
Markdown = Annotated[
    Path | None,
    typer.Option(
        "--markdown",
        help=f"Write the report to this file as Markdown; if it is ${STEP}, after what is there.",
        show_default=False,
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        "--html", help="Write the report to this file as one page that needs no other.", show_default=False
    ),
]


class Forms(NamedTuple):
    """Where each form goes; None for those that nobody wants."""

    junit: Path | None = None
    markdown: Path | None = None
    html: Path | None = None

    def check(self) -> None:
        """See that all of them can be written, and leave them as they are.

        Raises:
            SpecError: two are the same file, or `-`, which is none.
            EnvironmentProblem: one cannot be written.
        """
        told = [(f"--{name}", file) for name, file in self._asdict().items() if file is not None]
        seen: dict[Path, str] = {}
        for option, file in told:
            if str(file) == "-":
                raise SpecError(f"{option}: '-' is no file; name one (--json prints to standard output)")
            if (other := seen.setdefault(file.resolve(), option)) != option:
                raise SpecError(f"{option}: '{file}' is the file of {other} already")
            try_file(option, file)

    def write(self, texts: Mapping[str, Callable[[], str]]) -> None:
        """Write all of them.

        Args:
            texts: What gives each form's text, by its name here.

        Raises:
            EnvironmentProblem: one cannot be written.
        """
        for name, file in self._asdict().items():
            if file is not None:
                write_file(f"--{name}", file, texts[name](), mode="a" if is_summary(file) else "w")


def could_not(problem: MainstayError) -> typer.Exit:
    """Say why, and give the end of the command."""
    show.problem(problem)
    return typer.Exit(COULD_NOT)


def is_summary(file: Path) -> bool:
    """Tell whether GitHub shows this file beside a workflow; others have written to it before."""
    told = os.environ.get(STEP, "")
    return bool(told) and file.resolve() == Path(told).resolve()


def try_file(option: str, file: Path) -> None:
    """Open a file for writing, which is the one sure way to know that it can be; one that was not there is not left."""
    there = file.exists()
    _told(option, file, lambda: file.open("a", encoding="utf-8").close())
    if not there:
        file.unlink(missing_ok=True)


def write_file(option: str, file: Path, text: str, mode: str = "w") -> None:
    """Write a file that an option names.

    Raises:
        EnvironmentProblem: it cannot be written.
    """

    def write() -> None:
        with file.open(mode, encoding="utf-8") as out:
            out.write(text)

    _told(option, file, write)


def _told(option: str, file: Path, do: Callable[[], None]) -> None:
    try:
        do()
    except OSError as problem:
        said = (problem.strerror or str(problem)).lower()
        raise EnvironmentProblem(f"{option}: cannot write '{file}': {said}") from problem
