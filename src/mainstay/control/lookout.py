"""Who looks after the objectives of a running system: how they stand, again and again, and who is told when one is in danger."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mainstay.base.clock import Clock
from mainstay.base.facts import AlertNotDelivered, Emit
from mainstay.control.notice import notice
from mainstay.control.notifier import Notifier
from mainstay.control.promises import LOOK, Promises
from mainstay.system.schema import System


class Lookout:
    """Looks after the objectives."""

    def __init__(self, ledger: Path, system: Callable[[], System], emit: Emit, clock: Clock) -> None:
        """Be ready to look.

        Args:
            ledger: The ledger's file, which others write.
            system: Gives what runs.
            emit: Takes facts.
            clock: Tells the time.
        """
        self._system = system
        self._emit = emit
        self._clock = clock
        self._promises = Promises(ledger, clock, emit, self._notify)
        self._notifier: Notifier | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Look from now on."""
        loop = asyncio.get_running_loop()

        def untold(destination: str, because: str) -> None:
            fact = AlertNotDelivered(at=self._clock.wall(), destination=destination, because=because)
            with contextlib.suppress(RuntimeError):  # the loop has ended: there is nobody to be told
                loop.call_soon_threadsafe(self._emit, fact)

        self._notifier = Notifier(self._system().folder, untold)
        self._task = loop.create_task(self._watch(self._notifier))

    def rows(self) -> list[dict[str, Any]]:
        """Give a line for each objective, as plain values."""
        return self._promises.rows()

    def end(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """Tell what is left to be told, for a moment."""
        self.end()
        if self._notifier is not None:
            await asyncio.to_thread(self._notifier.close)

    async def _watch(self, notifier: Notifier) -> None:
        while True:
            system = self._system()
            notifier.follow(system.alerts)
            await self._promises.look(system)
            going_on = [notice(system.name, fact, fact) for fact in self._promises.firing()]
            notifier.repeat(self._clock.now(), going_on)
            await asyncio.sleep(LOOK)

    def _notify(self, fact: dict[str, Any], fired: dict[str, Any]) -> None:
        if self._notifier is not None:
            self._notifier.tell(notice(self._system().name, fact, fired))
