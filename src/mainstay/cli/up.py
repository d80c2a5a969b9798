"""`mainstay up`: run a system, in the foreground or detached."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from mainstay.base.errors import AlreadyRunning, EnvironmentProblem, MainstayError
from mainstay.cli import option, show
from mainstay.cli.logs import Printer, files
from mainstay.cli.talk import ask
from mainstay.control import Control
from mainstay.supervisor.log import follow
from mainstay.supervisor.rundir import CONTROL, RunDir
from mainstay.system.load import load
from mainstay.system.schema import System
from mainstay.web.api import application
from mainstay.web.server import serving

_READY = "MAINSTAY_READY_FD"
_LOG = "supervisor"


def up(
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
    json: option.Json = False,
) -> None:
    """Start everything, route its traffic, and keep it standing. Ctrl-C stops it gracefully.

    What a killed supervisor left running is taken over as it is, not started again.
    """
    ready = _Ready()
    try:
        system = load(file)
        run = option.run_dir(system.file, run_dir)
        holder = run.holder()
        if holder is not None:
            raise AlreadyRunning(
                f"'{system.name}' is already running, pid {holder}; `mainstay status` shows it"
            )
        if detach:
            _detached(system, run, keep_going=keep_going, as_json=json)
            return
        run.take()
        try:
            asyncio.run(_serve(system, run, ready, strict=not keep_going, as_json=json))
        finally:
            run.release()
        ready.tell({"error": "it was stopped before all was ready", "exit_code": 1})
    except MainstayError as problem:
        if not ready.tell({"error": str(problem), "exit_code": problem.exit_code}):
            raise
        raise typer.Exit(problem.exit_code) from None


class _Ready:
    """Tells the process that waits for a detached start how it went."""

    def __init__(self) -> None:
        told = os.environ.pop(_READY, None)
        self._fd = int(told) if told is not None else None
        if self._fd is not None:
            os.set_inheritable(self._fd, False)

    def tell(self, news: dict[str, Any]) -> bool:
        """Tell it; False when nobody waits."""
        if self._fd is None:
            return False
        with contextlib.suppress(OSError):
            os.write(self._fd, json.dumps(news).encode())
        os.close(self._fd)
        self._fd = None
        return True


def _detached(system: System, run: RunDir, *, keep_going: bool, as_json: bool) -> None:
    run.take()
    run.release()  # the folder can be written, or we would not be here
    hears, tells = os.pipe()
    argv = [sys.executable, "-m", "mainstay", "up", "--file", str(system.file), "--run-dir", str(run.path)]
    if keep_going:
        argv.append("--keep-going")
    with run.log(_LOG).open("ab") as log:
        child = subprocess.Popen(  # noqa: S603 - ourselves
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=(tells,),
            env={**os.environ, _READY: str(tells)},
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
    if as_json:
        show.data(status)
    else:
        _notes(status)
        show.news(
            f"{system.name} is up, supervisor {child.pid}; `mainstay status`, `mainstay logs -f`, `mainstay down`"
        )


def _notes(status: dict[str, Any]) -> None:
    """Say what is not as the system file has it, although the system is up."""
    for service in status["services"]:
        name, rows = (
            service["service"],
            [row for row in status["instances"] if row["service"] == service["service"]],
        )
        if any(row["outdated"] for row in rows):
            show.news(
                f"{name} still runs as the system file was before; `mainstay restart {name}` applies the change"
            )
        if service["up"] < service["instances"]:
            show.news(f"{name}: {service['up']} of {service['instances']} up; `mainstay status` tells why")


async def _serve(system: System, run: RunDir, ready: _Ready, *, strict: bool, as_json: bool) -> None:
    attended = ready._fd is None  # noqa: SLF001 - somebody reads this terminal
    control = Control(system, run, tell=_teller(as_json))
    if control.trouble is not None:
        show.news(control.trouble)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    killing: set[asyncio.Task[None]] = set()

    def stop() -> None:
        if stopping.is_set():
            # Asked twice: somebody is not willing to wait.
            killing.add(loop.create_task(control.kill()))
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    # A terminal that closes is an end; what is detached has none.
    loop.add_signal_handler(signal.SIGHUP, stop if attended else lambda: None)
    sock = run.bind_unix(CONTROL)
    async with serving(application(control, stopping.set), sock):
        printing = loop.create_task(_print_logs(run)) if attended and not as_json else None
        try:
            await _run(control, stopping, lambda: ready.tell({"ok": True}), strict=strict)
        finally:
            if printing is not None:
                printing.cancel()


async def _run(
    control: Control, stopping: asyncio.Event, ready: Callable[[], object], *, strict: bool
) -> None:
    loop = asyncio.get_running_loop()
    starting = loop.create_task(control.start(strict=strict))
    stop = loop.create_task(stopping.wait())
    await asyncio.wait((starting, stop), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        # Told to stop while starting: undo what has begun.
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError, MainstayError):
            await starting
        return
    stopped_early = stop.done()
    try:
        starting.result()
    except BaseException:
        stop.cancel()
        raise
    if not stopped_early:
        ready()
        show.news(f"{control.system.name} is up")
        _notes(control.status())
        await stop
    show.news(f"stopping {control.system.name}; Ctrl-C again ends it at once")
    await control.stop()


async def _print_logs(run: RunDir) -> None:
    printer = Printer()
    async for name, line in follow(lambda: files(run, ())):
        printer.line(name, line)


def _teller(as_json: bool) -> Callable[[dict[str, Any]], None]:
    def tell(fact: dict[str, Any]) -> None:
        if as_json:
            sys.stdout.write(json.dumps(fact) + "\n")
            sys.stdout.flush()
        else:
            show.news(f"[dim]mainstay |[/] {show.fact(fact)}")

    return tell
