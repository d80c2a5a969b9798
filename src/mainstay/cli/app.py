"""The command `mainstay` and what all its subcommands share: options, and errors without tracebacks."""

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from mainstay import __version__
from mainstay.base.errors import EXIT_CODES, MainstayError
from mainstay.cli import drill, show
from mainstay.cli.demo import demo
from mainstay.cli.init import init
from mainstay.cli.logs import logs
from mainstay.cli.running import down, reload, restart, scale, status
from mainstay.cli.schema import schema
from mainstay.cli.up import up
from mainstay.cli.upgrade import upgrade

_BUG = 70
_INTERRUPTED = 130

_EPILOG = "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + "."

app = typer.Typer(
    name="mainstay",
    help="Keep services standing while their parts fail, and prove it.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"mainstay {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Tell the version and exit.")
    ] = False,
) -> None:
    pass


for command in (init, up, down, status, logs, reload, restart, scale, upgrade, demo, schema):
    app.command()(command)

app.add_typer(drill.app)


def main(argv: list[str] | None = None) -> NoReturn:
    """Run the command line, and end with the exit code that `base.errors.EXIT_CODES` documents."""
    try:
        app(args=argv)
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
