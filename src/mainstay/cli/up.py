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
from mainstay.base.program import module
from mainstay.cli import option, show
from mainstay.cli.handover import Handover, Legacy, become, heed, inherited
from mainstay.cli.logs import Printer, files
from mainstay.cli.stamp import Stamped
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
    again: str = ""
    """Options by which other commands mean the same system, with a space before each."""

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
    ready, legacy = _Ready(), inherited()
    attended = legacy.attended if legacy is not None else not ready.awaited
    manner = _Manner(keep_going, watch, json, option.again(file, run_dir) if attended else "")
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
            if asyncio.run(_serve(system, run, ready, manner, legacy, attended=attended)):
                options = [*manner.options(), *(["--json"] if json else [])]
                become(run, str(system.file), options, attended=attended)
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

    @property
    def awaited(self) -> bool:
        """Whether a process waits."""
        return self._fd is not None

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
    argv = module("mainstay", "up", "--file", str(system.file), "--run-dir", str(run.path), *manner.options())
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
        _notes(status, manner.again)
        further = ", ".join(f"`mainstay {words}{manner.again}`" for words in ("status", "logs -f", "down"))
        show.news(f"{system.name} is up, supervisor {child.pid}; {further}")


def _notes(status: dict[str, Any], again: str) -> None:
    """Say what is not as the system file has it, although the system is up."""
    for service in status["services"]:
        name = service["service"]
        rows = [row for row in status["instances"] if row["service"] == name]
        if any(row["outdated"] for row in rows):
            show.news(
                f"{name} still runs as the system file was before; `mainstay restart {name}{again}` applies the change"
            )
        # Not `service["up"]`, for suspects are among them: so is, at first, an address that does not answer.
        up, count = sum(row["state"] == "up" for row in rows), service["instances"]
        if up < count:
            failed = {
                row["last_probe"]["said"] for row in rows if not (row["last_probe"] or {"ok": True})["ok"]
            }
            because = f" ({', '.join(sorted(failed))})" if failed else ""
            show.news(f"{name}: {up} of {count} up{because}; `mainstay status{again}` tells why")


async def _serve(  # noqa: PLR0913 - all that is known of how
    system: System, run: RunDir, ready: _Ready, manner: _Manner, legacy: Legacy | None, *, attended: bool
) -> bool:
    """Run it to its end; True when it is not to end, but to go on as what is installed now."""
    control = Control(system, run, tell=_teller(manner.as_json))
    if control.trouble is not None:
        show.news(control.trouble)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    beside: set[asyncio.Task[None]] = set()

    def begin(work: Coroutine[Any, Any, None]) -> None:
        task = loop.create_task(work)
        beside.add(task)
        task.add_done_callback(beside.discard)

    handover = Handover(control, stopping)
    end = _End(control, stopping, handover)

    def reload() -> None:
        if not handover.leave(signal.SIGHUP):
            begin(_reload(control))

    _on_signals(end.demand, reload)
    sock = run.bind_unix(CONTROL)
    async with serving(application(control, end.ask, handover.upgrade), sock):
        if attended and not manner.as_json:
            begin(_print_logs(run))
        if manner.watch:
            begin(control.follow_file())

        def started() -> None:
            ready.tell({"ok": True})
            show.news(f"{system.name} is up")
            _notes(control.status(), manner.again)
            if legacy is not None:
                begin(handover.complete(legacy.version))

        # What goes on is not given up for what would keep it from being started.
        strict = legacy is None and not manner.keep_going
        try:
            return await _run(control, stopping, started, handover, strict=strict)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)


class _End:
    """The ways to ask for the end of all of it."""

    def __init__(self, control: Control, stopping: asyncio.Event, handover: Handover) -> None:
        self._control = control
        self._stopping = stopping
        self._handover = handover
        self._killing: set[asyncio.Task[None]] = set()

    def ask(self) -> None:
        """End it gracefully."""
        if not self._handover.leave(signal.SIGTERM):
            self._stopping.set()

    def demand(self) -> None:
        """Likewise, or at once when it was asked before: somebody is not willing to wait."""
        if self._stopping.is_set() and not self._handover.asked:
            self._killing.add(asyncio.get_running_loop().create_task(self._control.kill()))
        self.ask()


def _on_signals(stop: Callable[[], None], reload: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    # A terminal that closes is an end; who has none is asked to read the file again.
    loop.add_signal_handler(signal.SIGHUP, stop if any(map(os.isatty, range(3))) else reload)
    heed()


async def _reload(control: Control) -> None:
    with contextlib.suppress(MainstayError):  # it is told as a fact
        await control.reload()


async def _run(
    control: Control,
    stopping: asyncio.Event,
    ready: Callable[[], object],
    handover: Handover,
    *,
    strict: bool,
) -> bool:
    loop = asyncio.get_running_loop()
    starting = loop.create_task(control.start(strict=strict))
    stop = loop.create_task(stopping.wait())
    await asyncio.wait((starting, stop), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        # Told to stop while starting: undo what has begun.
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError, MainstayError):
            await starting
        return False
    stopped_early = stop.done()
    try:
        starting.result()
    except BaseException:
        stop.cancel()
        raise
    if not stopped_early:
        ready()
        await stop
    if handover.asked:
        show.news(f"{control.system.name} goes on under what is installed now")
        await control.abandon()
        return True
    show.news(f"stopping {control.system.name}; Ctrl-C again ends it at once")
    await control.stop()
    return False


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
