"""The command `mainstay` and what all its subcommands share: options, and errors without tracebacks."""

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from mainstay import __version__
from mainstay.base.errors import EXIT_CODES, MainstayError
from mainstay.cli import show

_BUG = 70
_INTERRUPTED = 130

_EPILOG = "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + "."

_COMMANDS = {
    "init": "init",
    "up": "up",
    "down": "running",
    "status": "running",
    "logs": "logs",
    "reload": "running",
    "restart": "running",
    "scale": "running",
    "upgrade": "upgrade",
    "check": "check",
    "report": "report",
    "predict": "predict",
    "incident": "incident",
    "maintenance": "maintenance",
    "ledger": "ledger",
    "audit": "audit",
    "drill": "drill",
    "alerts": "alerts",
    "objectives": "objectives",
    "export": "export",
    "demo": "demo",
    "schema": "schema",
}
"""Each command's module in here, in the order of the help."""


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"mainstay {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Tell the version and exit.")
    ] = False,
) -> None:
    pass


def command_line(words: Sequence[str] = ()) -> typer.Typer:
    """Give the command, with all its subcommands, or with that one alone which the first of the words names.

    What is not asked for is not loaded: what `up` needs takes much longer to load than `status` takes to answer.
    """
    app = typer.Typer(
        name="mainstay",
        help="Keep services standing while their parts fail, and prove it.",
        epilog=_EPILOG,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    # One that loads quickly: without any there would be no group of commands to ask.
    alone = {"--version": ["status"]}.get(words[0]) if words else None
    for name in alone or set(_COMMANDS).intersection(words[:1]) or _COMMANDS:
        module = import_module(f"mainstay.cli.{_COMMANDS[name]}")
        if hasattr(module, "app"):  # commands of its own
            app.add_typer(module.app)
        else:
            app.command()(getattr(module, name))
    return app


def main(argv: list[str] | None = None) -> NoReturn:
    """Run the command line, and end with the exit code that `base.errors.EXIT_CODES` documents."""
    try:
        command_line(sys.argv[1:] if argv is None else argv)(args=argv)
        code = 0
    except SystemExit as done:
        code = done.code if isinstance(done.code, int) else 0
        if isinstance(done.__context__, typer.Abort):
            code = _INTERRUPTED
    except MainstayError as problem:
        show.problem(problem)
        code = problem.exit_code
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except BrokenPipeError:
        # The reader (`head`, a pager) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception:  # noqa: BLE001 - the last line of defence: a bug is told as a bug
        traceback.print_exc()
        show.bug(Path(sys.argv[0]).name)
        code = _BUG
    sys.exit(code)
