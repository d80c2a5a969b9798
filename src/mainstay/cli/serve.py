"""Runs a system to its end: the supervisor's own process."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from mainstay.base.errors import MainstayError
from mainstay.cli import show
from mainstay.cli.handover import Handover, Legacy, heed
from mainstay.cli.logs import Printer, files
from mainstay.cli.start import Manner, Ready, notes
from mainstay.control import Control
from mainstay.supervisor.log import follow
from mainstay.supervisor.rundir import CONTROL, RunDir
from mainstay.system.schema import System
from mainstay.web.api import application
from mainstay.web.server import serving


async def serve(  # noqa: PLR0913 - all that is known of how
    system: System, run: RunDir, ready: Ready, manner: Manner, legacy: Legacy | None, *, attended: bool
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
            notes(control.status(), manner.again)
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
