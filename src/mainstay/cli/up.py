"""`mainstay up`: run a system, in the foreground or detached."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, NamedTuple

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


class _Manner(NamedTuple):
    """How it is to be run."""

    keep_going: bool
    watch: bool
    as_json: bool

    def options(self) -> list[str]:
        """Write it as a command line, but for how it is printed."""
        return [*(["--keep-going"] if self.keep_going else []), *(["--watch"] if self.watch else [])]


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
    ready, manner = _Ready(), _Manner(keep_going, watch, json)
    try:
        system = load(file)
        run = option.run_dir(system.file, run_dir)
        holder = run.holder()
        if holder is not None:
            raise AlreadyRunning(
                f"'{system.name}' is already running, pid {holder}; `mainstay status` shows it"
            )
        if detach:
            _detached(system, run, manner)
            return
        run.take()
        try:
            asyncio.run(_serve(system, run, ready, manner))
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


def _detached(system: System, run: RunDir, manner: _Manner) -> None:
    run.take()
    run.release()  # the folder can be written, or we would not be here
    hears, tells = os.pipe()
    argv = [sys.executable, "-m", "mainstay", "up", "--file", str(system.file), "--run-dir", str(run.path)]
    argv += manner.options()
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
    if manner.as_json:
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


async def _serve(system: System, run: RunDir, ready: _Ready, manner: _Manner) -> None:
    attended = ready._fd is None  # noqa: SLF001 - somebody reads this terminal
    control = Control(system, run, tell=_teller(manner.as_json))
    if control.trouble is not None:
        show.news(control.trouble)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    beside: set[asyncio.Task[None]] = set()
    killing: set[asyncio.Task[None]] = set()

    def begin(work: Coroutine[Any, Any, None]) -> None:
        task = loop.create_task(work)
        beside.add(task)
        task.add_done_callback(beside.discard)

    def stop() -> None:
        if stopping.is_set():
            # Asked twice: somebody is not willing to wait.
            killing.add(loop.create_task(control.kill()))
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    # A terminal that closes is an end; who has none is asked to read the file again.
    terminal = any(map(os.isatty, range(3)))
    loop.add_signal_handler(signal.SIGHUP, stop if terminal else lambda: begin(_reload(control)))
    sock = run.bind_unix(CONTROL)
    async with serving(application(control, stopping.set), sock):
        if attended and not manner.as_json:
            begin(_print_logs(run))
        if manner.watch:
            begin(control.follow_file())
        try:
            await _run(control, stopping, lambda: ready.tell({"ok": True}), strict=not manner.keep_going)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)


async def _reload(control: Control) -> None:
    with contextlib.suppress(MainstayError):  # it is told as a fact
        await control.reload()


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
