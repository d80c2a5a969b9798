"""Who keeps the ledger of a running system: opens it, feeds its chronicle, and closes it. A system runs without one as well."""

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mainstay.base.clock import Clock
from mainstay.base.errors import MainstayError
from mainstay.base.facts import ClockStepped, Emit, Fact, LedgerBroke, LedgerMended
from mainstay.control.chronicle import Chronicle, Rows, counted
from mainstay.control.marks import MarkProblem, Marks
from mainstay.control.vigil import Vigil
from mainstay.gateway.crew.crew import Crew
from mainstay.ledger.report import availabilities
from mainstay.ledger.store import reading
from mainstay.ledger.writer import Writer
from mainstay.reliability.span import DRILL

_EARLY = 10_000
_MOMENT = 0.02
"""Seconds in which what is told belongs together: the death of a zone is one look, not one for each instance."""


_SUM_UP = 10.0
_OF_LATE = 30 * 86400.0


class Bookkeeper:
    """Keeps the ledger."""

    def __init__(self, path: Path, crew: Crew, rows: Rows, emit: Emit, clock: Clock) -> None:
        """Be ready to open it.

        Args:
            path: The ledger's file.
            crew: Whose workers count.
            rows: Gives a line for each instance, see `Chronicle`.
            emit: Takes facts.
            clock: Tells the time.
        """
        self._path = path
        self._crew = crew
        self._rows = rows
        self._emit = emit
        self._clock = clock
        self._writer: Writer | None = None
        self._chronicle: Chronicle | None = None
        self._marks: Marks | None = None
        self._summed = 0.0
        self.availability: dict[str, float | None] = {}
        """Of the last 30 days, by service, as it was some seconds ago; None where nobody watched."""
        self._looking: asyncio.TimerHandle | None = None
        self._early: deque[dict[str, Any]] = deque(maxlen=_EARLY)
        self._vigil = Vigil(clock.now(), clock.wall())

    async def open(self) -> None:
        """Go on with the ledger, or begin one; that it cannot be is told, and stops nothing."""
        loop = asyncio.get_running_loop()

        def told(why: str | None, lost: int) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: there is nobody to be told
                loop.call_soon_threadsafe(self._tell, why, lost)

        self._writer = await asyncio.to_thread(Writer, self._path, self._clock.wall, told)
        self._chronicle = Chronicle(self._writer, self._rows, self._emit)
        self._chronicle.drilled = self._drilled
        while self._early:
            self._chronicle.keep(self._early.popleft())

    def begin(self) -> None:
        """Go on where the last one ended, with the workers that were taken over."""
        if self._chronicle is not None:
            self._chronicle.begin(self._workers())

    @property
    def marks(self) -> Marks:
        """Times that are not charged.

        Raises:
            MarkProblem: there is no ledger to write them to.
        """
        writer = self._writer
        if self._marks is None and writer is not None and writer.store is not None:
            self._marks = Marks(writer, self._emit)
        if self._marks is None:
            raise MarkProblem(f"the ledger '{self._path}' is not kept, so nothing can be marked in it")
        return self._marks

    def _drilled(self, service: str) -> bool:
        with contextlib.suppress(MarkProblem):
            active = self.marks.active(self._clock.wall())
            return any(mark.state == DRILL and mark.service in (service, "") for mark in active)
        return False

    def keep(self, fact: Mapping[str, Any], *, looks: bool) -> None:
        """Keep a fact, and have a look at all parts soon.

        Args:
            fact: As plain values.
            looks: Whether the system runs, so that how its parts are says something.
        """
        if self._chronicle is None:
            # Kept until the ledger is open: it takes a while to look through a large one.
            self._early.append(dict(fact))
            return
        self._chronicle.keep(fact)
        if looks and self._looking is None:
            loop = asyncio.get_running_loop()
            self._looking = loop.call_later(_MOMENT, self._look, fact["at"], fact["fact"])

    async def write_down(self, services: list[str]) -> None:
        """Write down what was counted, and how all parts are."""
        chronicle = self._chronicle
        if chronicle is None or not self._crew.begun:
            return
        # In another thread: of hundreds of instances it takes longer than a death may wait to be noticed.
        tally, workers = self._crew.tally.snapshot(), self._workers()
        found = await asyncio.to_thread(counted, tally, services, workers)
        self._see_clock(chronicle)
        now = self._clock.wall()
        chronicle.count(now, found)
        chronicle.look(now)

    async def sum_up(self, services: list[str]) -> None:
        """See how available services were, if that was some time ago."""
        now = self._clock.wall()
        # Of what has only just begun, one wants to see that it has.
        known = all(self.availability.get(name) is not None for name in services)
        if self._chronicle is None or (known and now - self._summed < _SUM_UP):
            return
        self._summed = now
        # Whatever the file has: it is for those who look, and nothing depends on it.
        with contextlib.suppress(MainstayError, sqlite3.Error):
            self.availability = await asyncio.to_thread(_availability, self._path, now, services)

    def look(self) -> None:
        """See how all parts are."""
        if self._chronicle is not None:
            self._chronicle.look(self._clock.wall())

    async def finish(self, services: list[str]) -> None:
        """Write down that all of it ends on purpose: nothing of what follows is an outage."""
        await self.write_down(services)
        if self._chronicle is not None:
            self._chronicle.end(self._clock.wall())

    async def close(self) -> None:
        """Write what is left to be written, and close the ledger."""
        if self._looking is not None:
            self._looking.cancel()
        writer, self._writer, self._chronicle, self._marks = self._writer, None, None, None
        if writer is not None:
            await asyncio.to_thread(writer.close)

    def _look(self, at: float, because: str) -> None:
        self._looking = None
        if self._chronicle is not None:
            self._see_clock(self._chronicle)
            self._chronicle.look(at, because)

    def _see_clock(self, chronicle: Chronicle) -> None:
        """Have the ledger know when the clock was set, or nobody has looked for long."""
        wall = self._clock.wall()
        lapse = self._vigil.look(self._clock.now(), wall)
        if lapse is not None:
            chronicle.lapse(lapse.until, wall)
            if lapse.step:
                self._emit(ClockStepped(at=wall, by=round(lapse.step, 3)))

    def _tell(self, why: str | None, lost: int) -> None:
        at, path = self._clock.wall(), str(self._path)
        fact: Fact = (
            LedgerMended(at=at, path=path, lost=lost)
            if why is None
            else LedgerBroke(at=at, path=path, because=why)
        )
        self._emit(fact)

    def _workers(self) -> dict[str, int]:
        """Give the pid of each gateway worker, by what names that very process."""
        return {
            f"{member.process.pid}/{member.process.started}": member.process.pid
            for member in self._crew.all()
        }


def _availability(path: Path, now: float, services: list[str]) -> dict[str, float | None]:
    with reading(path) as store:
        return availabilities(store, now - _OF_LATE, now, services)
