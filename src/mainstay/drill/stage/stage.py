"""What a drill plays on: a running system, its own private copy or the one that users use, and what can be asked of it."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from mainstay.base.dice import Dice
from mainstay.base.errors import EnvironmentProblem, MainstayError, NotRunning
from mainstay.drill.fault.certificate import NOT_MADE, Certificates
from mainstay.drill.fault.faketime import NOWHERE, Clocks
from mainstay.drill.stage import keeper
from mainstay.drill.stage.entry import Entry, entries
from mainstay.supervisor.port import Port, Ports
from mainstay.supervisor.rundir import RunDir
from mainstay.system import twin
from mainstay.system.schema import System

RUN_DIR = ".mainstay"
"""The name of a private copy's run directory, beside its system file."""
_LISTEN_AGAIN = 0.5
_PATIENCE = 10.0


class Ask(Protocol):
    """Asks a running system over its control socket; with a body it is a POST. It may block."""

    def __call__(
        self, run: RunDir, path: str, body: dict[str, Any] | None = None, *, timeout: float | None = _PATIENCE
    ) -> dict[str, Any]:
        """Give the answer.

        Raises:
            MainstayError: nobody answers in time, or the answer is no.
        """


Tell = Callable[[dict[str, Any]], None]
"""Takes news, as in `{"event": "starting"}`."""


class Stage:
    """A running system."""

    def __init__(self, system: System, run: RunDir, ask: Ask, *, live: bool) -> None:
        """Be ready to ask a system; `private` and `live` make one."""
        self.system = system
        """What its file says."""
        self.run = run
        """Its run directory."""
        self.live = live
        """Whether it is the one that users use."""
        self.seen: dict[str, Any] = {}
        """The state as it was when somebody last asked for it."""
        self.missed = 0
        """Facts that were told and forgotten before anybody asked for them."""
        self.clocks: Clocks = NOWHERE
        """How its instances' clocks can be moved."""
        self.certificates: Certificates = NOT_MADE
        """What it shows in place of the system's own certificates."""
        self.original: RunDir | None = None
        """Of a private copy, the run directory of the system that it is a copy of, where that is known."""
        self._ask = ask
        self._facts: list[dict[str, Any]] = []
        self._cursor: str | None = None
        self._asking = asyncio.Lock()

    @property
    def pid(self) -> int:
        """The supervisor's process.

        Raises:
            NotRunning: there is none, or it has only just begun.
        """
        holder = self.run.holder()
        if not holder:
            raise NotRunning(f"no supervisor runs at '{self.run.path}'")
        return holder

    async def status(self) -> dict[str, Any]:
        """Give the whole state, as `/v1/status` tells it, and keep it as `seen`."""
        self.seen = await asyncio.to_thread(self._ask, self.run, "/v1/status")
        return self.seen

    async def post(
        self, path: str, body: dict[str, Any], *, patience: float | None = _PATIENCE
    ) -> dict[str, Any]:
        """Ask for something to be done.

        Args:
            path: `/v1/reload`.
            body: What to post.
            patience: Seconds for the answer; None waits as long as it takes.
        """
        return await asyncio.to_thread(self._ask, self.run, path, body, timeout=patience)

    async def get(self, path: str) -> dict[str, Any]:
        """Ask for something to be told."""
        return await asyncio.to_thread(self._ask, self.run, path)

    async def instances(self, service: str | None = None) -> list[dict[str, Any]]:
        """Give the rows of a service's instances, or of all; while one replaces another, of both."""
        rows = (await self.status())["instances"]
        return [row for row in rows if service is None or row["service"] == service]

    async def workers(self) -> list[dict[str, Any]]:
        """Give the rows of the gateway's workers."""
        workers: list[dict[str, Any]] = (await self.status())["workers"]
        return workers

    async def facts(self) -> list[dict[str, Any]]:
        """Ask for news, and give all facts since this stage is one, oldest first; the list only ever grows."""
        # One at a time: two who ask with the same cursor would be told the same.
        async with self._asking:
            told = await self.get("/v1/facts" + (f"?since={self._cursor}" if self._cursor else ""))
            self._cursor = told["cursor"]
            self._facts += told["facts"]
            self.missed += told["missed"]
        return self._facts

    def entries(self) -> list[Entry]:
        """Give the ways in at which HTTP is spoken."""
        return entries(self.system)

    def up(self) -> list[str]:
        """Write the command that brings a killed supervisor back, who takes over what still runs."""
        return [*keeper.mainstay("up", self.system.file, self.run), "--detach"]

    async def forget(self) -> None:
        """Forget the facts of what was before."""
        await self.facts()
        self._facts, self.missed = [], 0

    async def listen(self) -> None:
        """Ask for facts again and again, so that none is forgotten before it is heard; for ever."""
        while True:
            with contextlib.suppress(MainstayError):  # there may be no supervisor: that is a drill, too
                await self.facts()
            await asyncio.sleep(_LISTEN_AGAIN)


@asynccontextmanager
async def live(system: System, run: RunDir, ask: Ask) -> AsyncIterator[Stage]:
    """Use the system that runs, and leave it running.

    Args:
        system: What its file says.
        run: Its run directory.
        ask: Asks it.

    Raises:
        NotRunning: it does not run.
    """
    stage = Stage(system, run, ask, live=True)
    await stage.forget()
    async with _listening(stage):
        yield stage


@asynccontextmanager
async def private(  # noqa: PLR0913 - the last by name
    system: System,
    folder: Path,
    ask: Ask,
    tell: Tell,
    env: Mapping[str, str] | None = None,
    *,
    own: twin.Own = twin.OWN,
) -> AsyncIterator[Stage]:
    """Run a private copy of a system, and leave nothing of it: no process, port or file, also when this process is killed.

    Args:
        system: The system; it need not run, and what runs of it is not touched.
        folder: A folder for the copy, which is made and goes at the end, unless there is something else in it.
        ask: Asks it.
        tell: Told of news while it starts and ends.
        env: Variables that its instances get, over those of the file and of `drills.env` in it.
        own: What else only the copy has.

    Raises:
        SystemFileError: the system file cannot be used any more.
        EnvironmentProblem: the copy could not be started; nothing of it is left.
    """
    with contextlib.ExitStack() as reserved:
        ports = Ports(Dice(time.time_ns()))
        taken: dict[str, Port] = {}
        for opening in system.openings().values():
            taken[opening.key] = ports.reserve()
            reserved.callback(taken[opening.key].release)
        numbers = {key: port.number for key, port in taken.items()}
        # Not in a thread, which would go on writing when this is cancelled. Nothing waits for this loop yet.
        copy = twin.copy(system, folder, numbers, env, own=own)
        reserved.callback(_sweep, copy.file)
        if keys := twin.relocated(system):
            tell({"event": "relocated", "keys": keys})
        run = RunDir(copy.folder / RUN_DIR)
        async with running(copy, run, tell, remove=True):
            stage = Stage(copy, run, ask, live=False)
            async with _listening(stage):
                yield stage


@asynccontextmanager
async def running(system: System, run: RunDir, tell: Tell, *, remove: bool = False) -> AsyncIterator[None]:
    """Run a system, and take all of it down at the end.

    Args:
        system: The system, as it was read from its file.
        run: Its run directory.
        tell: Told of news: `starting`, `up`, `stopping`, `stopped`.
        remove: Whether its file and its run directory go at the end.

    Raises:
        EnvironmentProblem: it could not be started; nothing of it is left.
    """
    tell({"event": "starting"})
    child = await asyncio.create_subprocess_exec(
        *keeper.argv(system.file, run, remove=remove),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # Ctrl-C in a terminal is for the drill, which takes it down in its own time.
        start_new_session=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        told = await child.stdout.readline()
        news = json.loads(told) if told else {"error": "its keeper ended"}
        if "error" in news:
            raise EnvironmentProblem(f"mainstay up of '{system.name}' failed: {news['error']}")
        tell({"event": "up"})
        yield
    finally:
        child.stdin.close()
        try:
            tell({"event": "stopping"})
        finally:
            await _to_its_end(_taken_down(child, system.file, run, remove=remove))
        tell({"event": "stopped"})


async def _taken_down(child: asyncio.subprocess.Process, file: Path, run: RunDir, *, remove: bool) -> None:
    if await child.wait():  # somebody has killed the keeper
        await asyncio.to_thread(keeper.take_down, file, run, remove=remove)


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Wait for its end, however often this is cancelled: until then ports and files are in use."""
    working = asyncio.ensure_future(work)
    cancelled = False
    while not working.done():
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    working.result()


def _sweep(file: Path) -> None:
    """Remove a copy that nobody has come to keep."""
    file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        file.parent.rmdir()


@asynccontextmanager
async def _listening(stage: Stage) -> AsyncIterator[None]:
    listening = asyncio.ensure_future(stage.listen())
    try:
        yield
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
