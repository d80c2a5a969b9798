"""Watching one life: whether it is ready, then whether it is well, and whether somebody has frozen it."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable

from mainstay.base.facts import HealthChanged
from mainstay.base.probe import ProbeResult
from mainstay.base.units import format_duration
from mainstay.redundancy.health import Health
from mainstay.supervisor.context import Context
from mainstay.supervisor.life import HOST
from mainstay.supervisor.process import Process
from mainstay.supervisor.state import LifeRecord
from mainstay.system.schema import Service

SETTLED = 0.2
"""Seconds that an instance which cannot be asked must have run to count as ready: by then a command that
cannot work has mostly ended."""

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.25
_UNCHECKED_EVERY = 1.0
_CONNECT = 1.0
_GRACE = 1.0


class Watch:
    """One life, watched."""

    def __init__(self, context: Context, service: Service, process: Process, record: LifeRecord) -> None:
        self._context = context
        self._service = service
        self._process = process
        self._record = record
        self._spec = service.health_spec()
        self.health = Health(self._spec, known_up=record.ready)
        self.last: ProbeResult | None = None
        """What the last check found."""
        self.frozen = False
        """Whether its process was stopped by a signal (SIGSTOP, SIGTSTP, a debugger)."""

    def configure(self, service: Service) -> None:
        """Ask as another definition of the service says from now on; what is known of the life still counts."""
        self._service = service
        self._spec = service.health_spec()
        before = self._word()
        if self.health.configure(self._context.clock.now(), self._spec):
            self._tell(before, "it is no longer checked")

    async def until_ready(self) -> None:
        """Ask until it is well for the first time."""
        if self._spec is None and self._service.listen is None:
            await asyncio.sleep(min(SETTLED, self._service.ready_within / 2))
            return
        # Often at first, since every moment without it is a moment with less redundancy; then less so, to
        # leave the machine to what is starting.
        pause = _FIRST_PAUSE
        while not (await self._ask()).ok:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        self.health.passed(self._context.clock.now())

    async def for_ever(self) -> None:
        """Go on asking whether it is well, as often as the system file says."""
        # All at different moments, though all were started at once.
        await asyncio.sleep(self._every() * self._context.dice.random())
        while True:
            self.look()
            if self._spec is not None:
                self._judge(await self._ask())
            await asyncio.sleep(self._every())

    def _every(self) -> float:
        return _UNCHECKED_EVERY if self._spec is None else self._spec.every

    def look(self) -> None:
        """See whether it is frozen."""
        try:
            frozen = self._process.letter in "Tt"
        except OSError:
            return  # no descriptor left to look with: the next check looks again
        if frozen is self.frozen:
            return
        before = self._word()
        self.frozen = frozen
        self._tell(before, "it was stopped by a signal" if frozen else "it goes on")
        self._context.publish()

    def _judge(self, result: ProbeResult) -> None:
        now, before = self._context.clock.now(), self._word()
        if self.health.passed(now) if result.ok else self.health.failed(now):
            self._tell(before, result.said)

    def _word(self) -> str:
        return "frozen" if self.frozen else self.health.state.value

    def _tell(self, before: str, because: str) -> None:
        self._context.emit(
            HealthChanged(
                at=self._context.clock.wall(),
                service=self._record.service,
                instance=self._record.name,
                generation=self._record.generation,
                before=before,
                after=self._word(),
                because=because,
            )
        )
        self._context.wake()

    async def _ask(self) -> ProbeResult:
        if self._spec is None:
            self.last = await _answer(_connect(self._record.port), _CONNECT)
        else:
            asked = self._context.probe(self._service, HOST, self._record.port)
            # The probe keeps the time limit itself; one that does not must not stop all checks.
            self.last = await _answer(asked, self._spec.timeout + _GRACE)
        return self.last


async def _answer(asked: Awaitable[ProbeResult], limit: float) -> ProbeResult:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        async with asyncio.timeout(limit):
            return await asked
    except TimeoutError:
        said = f"no answer within {format_duration(limit)}"
    except Exception as problem:  # noqa: BLE001 - whatever a check raises, it did not find the instance well
        said = str(problem) or type(problem).__name__
    return ProbeResult(ok=False, said=said, seconds=loop.time() - begun)


async def _connect(port: int) -> ProbeResult:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as trial:
        trial.setblocking(False)
        try:
            await loop.sock_connect(trial, (HOST, port))
        except OSError as problem:
            return ProbeResult(
                ok=False, said=(problem.strerror or str(problem)).lower(), seconds=loop.time() - begun
            )
    return ProbeResult(ok=True, said="accepted a connection", seconds=loop.time() - begun)
