"""`mainstay logs`: what instances and gateway workers have written."""

import asyncio
import json as jsonlib
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from mainstay.base.errors import NotRunning, SystemFileError
from mainstay.cli import option, show
from mainstay.cli.talk import ask
from mainstay.control.layout import access_log
from mainstay.supervisor.log import follow, last_lines
from mainstay.supervisor.rundir import ACCESS, RunDir
from mainstay.system.load import load

_ONLY_BY_NAME = ("supervisor", ACCESS)
_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")


def logs(  # noqa: PLR0913, PLR0917 - its options
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SERVICE|INSTANCE]...", help="Whose; by default everybody's."),
    ] = None,
    follow_: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="How many lines of each come first.")
    ] = 20,
    file: Annotated[Path | None, typer.Option("--file", help="The system file.", show_default=False)] = None,
    run_dir: option.Run = None,
    json: option.Json = False,
) -> None:
    """Print the output of instances; `gateway-1`, `supervisor` and `access` are Mainstay's own."""
    run = option.run_dir(file, run_dir)
    wanted = tuple(targets or ())
    access = _access_log(file, run) if ACCESS in wanted else None
    found = files(run, wanted, access)
    if not found:
        there = ", ".join(files(run, ())) or "none"
        if wanted:
            off = (
                "; no access log is asked for, see gateway.access_log"
                if ACCESS in wanted and access is None
                else ""
            )
            raise typer.BadParameter(f"no logs of {', '.join(wanted)}; there are: {there}{off}")
        raise NotRunning(f"no logs in '{run.logs}': nothing has run here")
    printer = Printer(as_json=json)
    if follow_:
        asyncio.run(_follow(lambda: files(run, wanted, access), lines, printer))
        return
    for name, path in found.items():
        for line in last_lines(path, lines):
            printer.line(name, line)


async def _follow(logs: Callable[[], Mapping[str, Path]], lines: int, printer: "Printer") -> None:
    async for name, line in follow(logs, last=lines):
        printer.line(name, line)


def _access_log(file: Path | None, run: RunDir) -> Path | None:
    """Give where requests are written down: as what runs tells it, otherwise as the system file does."""
    with suppress(NotRunning):
        told = ask(run, "/v1/status").get("access_log")  # a supervisor of a former version does not tell
        if told is not None:
            return Path(told)
    with suppress(SystemFileError):  # it need not be sound for its logs to be read
        if (log := access_log(load(file), run)) is not None:
            return Path(log.path)
    return None


def files(run: RunDir, wanted: Sequence[str], access: Path | None = None) -> dict[str, Path]:
    """Give the logs by instance that the targets name: instances, or services with all of theirs.

    Args:
        run: Where they are.
        wanted: The targets; none: everybody's.
        access: Where the access log is, if it may be elsewhere.
    """
    found = {path.stem: path for path in sorted(run.logs.glob("*.log"))}
    if access is not None and access.exists():
        found[ACCESS] = access
    if not wanted:
        return {name: path for name, path in found.items() if name not in _ONLY_BY_NAME}
    return {name: path for name, path in found.items() if name in wanted or name.rpartition("-")[0] in wanted}


class Printer:
    """Prints lines with the name of who wrote them, each in a colour of its own."""

    def __init__(self, *, as_json: bool = False) -> None:
        self._as_json = as_json
        self._width = 0
        self._colours: dict[str, str] = {}

    def line(self, name: str, line: str) -> None:
        """Print one line."""
        if self._as_json:
            sys.stdout.write(jsonlib.dumps({"version": 1, "instance": name, "line": line}) + "\n")
            sys.stdout.flush()
            return
        colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
        self._width = max(self._width, len(name))
        # Control characters of a service's output could rewrite the terminal; colours may pass.
        text = Text.from_ansi(line)
        show.out.print(Text(f"{name:<{self._width}} | ", style=colour).append_text(text), soft_wrap=True)
