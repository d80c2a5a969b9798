"""`mainstay up`: run a system, in the foreground or detached."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import Annotated

import typer

from mainstay.base.errors import AlreadyRunning, EnvironmentProblem, MainstayError
from mainstay.base.program import module
from mainstay.cli import option, show
from mainstay.cli.handover import become, inherited
from mainstay.cli.stamp import Stamped
from mainstay.cli.start import READY, Manner, Ready, notes
from mainstay.cli.talk import ask
from mainstay.supervisor.rundir import RunDir
from mainstay.system.load import load
from mainstay.system.schema import System

_LOG = "supervisor"


def up(  # noqa: PLR0913, PLR0917 - its options
    file: option.File = None,
    run_dir: option.Run = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when all is ready, and leave it running.")
    ] = False,
    keep_going: Annotated[
        bool,
        typer.Option(
            "--keep-going", help="Go on when a service does not become ready, and keep trying; for boots."
        ),
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Reload whenever the system file, or an env_file, changes.")
    ] = False,
    json: option.Json = False,
) -> None:
    """Start everything, route its traffic, and keep it standing. Ctrl-C stops it gracefully.

    What a killed supervisor left running is taken over as it is, not started again.
    """
    ready, legacy = Ready(), inherited()
    attended = legacy.attended if legacy is not None else not ready.awaited
    manner = Manner(keep_going, watch, json, option.again(file, run_dir) if attended else "")
    if not attended:
        sys.stderr = Stamped(sys.stderr)
    try:
        system = load(file)
        run = option.run_dir(system.file, run_dir)
        if legacy is not None:
            run.inherit(legacy.lock)
        holder = run.holder()
        if holder is not None and not run.taken:
            raise AlreadyRunning(
                f"'{system.name}' is already running, pid {holder}; `mainstay status{manner.again}` shows it"
            )
        if detach:
            _detached(system, run, manner)
            return
        run.take()
        try:
            # All that a system is run with: who only starts one has no need of it.
            from mainstay.cli.serve import serve  # noqa: PLC0415

            if asyncio.run(serve(system, run, ready, manner, legacy, attended=attended)):
                options = [*manner.options(), *(["--json"] if json else [])]
                become(run, str(system.file), options, attended=attended)
        finally:
            run.release()
        ready.tell({"error": "it was stopped before all was ready", "exit_code": 1})
    except MainstayError as problem:
        if not ready.tell({"error": str(problem), "exit_code": problem.exit_code}):
            raise
        raise typer.Exit(problem.exit_code) from None


def _detached(system: System, run: RunDir, manner: Manner) -> None:
    run.take()
    run.release()  # the folder can be written, or we would not be here
    hears, tells = os.pipe()
    argv = module("mainstay", "up", "--file", str(system.file), "--run-dir", str(run.path), *manner.options())
    with run.log(_LOG).open("ab") as log:
        child = subprocess.Popen(  # noqa: S603 - ourselves
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=(tells,),
            env={**os.environ, READY: str(tells)},
        )
    os.close(tells)
    try:
        with os.fdopen(hears, "rb") as pipe:
            told = pipe.read()
    except KeyboardInterrupt:
        child.send_signal(signal.SIGTERM)
        child.wait()
        raise
    if not told:
        code = child.wait()
        raise EnvironmentProblem(f"the supervisor ended with exit code {code}; {run.log(_LOG)} tells why")
    news = json.loads(told)
    if "error" in news:
        child.wait()
        problem = MainstayError(news["error"])
        problem.exit_code = news["exit_code"]
        raise problem
    status = ask(run, "/v1/status")
    if manner.as_json:
        show.data(status)
    else:
        notes(status, manner.again)
        further = ", ".join(f"`mainstay {words}{manner.again}`" for words in ("status", "logs -f", "down"))
        show.news(f"{system.name} is up, supervisor {child.pid}; {further}")
