"""Accepting connections: from every listening socket, while it is this worker's turn."""

import asyncio
import select
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from mainstay.gateway.crew.place import BACKLOG
from mainstay.gateway.tls.accept import accept

if TYPE_CHECKING:
    from mainstay.gateway.crew.board import Board
    from mainstay.gateway.worker import Worker

SPACING = 0.05
"""Seconds from one rest to the next, on average: rests even out what lasts, not what comes and goes."""
BURST = 10
"""Rests that may follow one another at once: a burst of clients is shared in turns."""
LOOK = 0.002
"""Seconds after which a resting worker looks whether others have caught up."""
PATIENCE = 0.01
"""Seconds after which it takes what is still waiting: others that do not come may not be able to."""


class Accepting:
    """The listening sockets of one worker, open or at rest."""

    def __init__(self, worker: "Worker") -> None:
        self.board: Board | None = None
        """Where the workers see one another; None: there is no other to leave anything to."""
        self._worker = worker
        self._servers: dict[str, asyncio.Server] = {}
        self._rest: asyncio.Task[None] | None = None
        self._next_rest = 0.0
        self._stopped = False

    async def open(self) -> None:
        """Accept from every socket that leads somewhere."""
        if self._rest is None:
            await self._open()

    async def _open(self) -> None:
        worker = self._worker
        for name, listener in worker.listeners.items():
            entrance = worker.entrances.get(name)
            if (
                entrance is not None
                and not entrance.door.tcp
                and name not in self._servers
                and not self._stopped
            ):
                # A copy, since what the loop accepts from it also closes.
                self._servers[name] = await worker.loop.create_server(
                    partial(accept, worker, entrance), sock=listener.dup(), backlog=BACKLOG
                )

    def left(self) -> None:
        """Tell the others that a client has left."""
        if self.board is not None:
            self.board.tell(len(self._worker.clients))

    def came(self) -> None:
        """Tell the others that a client has come, and let them go first if they have fewer."""
        board = self.board
        if board is None:
            return
        board.tell(len(self._worker.clients))
        if self._rest is not None or not self._servers:
            return
        now = monotonic()
        if board.ahead(now) and now >= self._next_rest - BURST * SPACING:
            self._next_rest = max(now, self._next_rest) + SPACING
            self._close()
            self._rest = self._worker.loop.create_task(self._wait())

    def beat(self, now: float) -> None:
        """Tell the others that we are there; once a second, from when we accept."""
        if self.board is not None and (self._servers or self._rest is not None):
            self.board.tell(len(self._worker.clients))
            self.board.beat(now)

    async def _wait(self) -> None:
        """Rest until the others have caught up, or do not come for what waits; then go on."""
        board = self.board
        assert board is not None
        rested = 0.0
        while rested < PATIENCE or not self._waiting():
            pause = LOOK if rested < PATIENCE else PATIENCE
            await asyncio.sleep(pause)
            rested += pause
            if not board.ahead(monotonic()):
                break
        while True:
            try:
                await self._open()
                break
            except OSError:  # no descriptors left for the moment
                await asyncio.sleep(PATIENCE)
        self._rest = None

    def _waiting(self) -> bool:
        poll = select.poll()
        for listener in self._worker.listeners.values():
            poll.register(listener, select.POLLIN)
        return bool(poll.poll(0))

    def _close(self) -> None:
        for server in self._servers.values():
            server.close()
        self._servers.clear()

    def close(self, place: str) -> None:
        """Accept nothing more from one socket, until it is opened again."""
        if (server := self._servers.pop(place, None)) is not None:
            server.close()

    def stop(self) -> None:
        """Accept nothing more."""
        if self._stopped:
            return
        self._stopped = True
        if self._rest is not None:
            self._rest.cancel()
        self._close()
        if self.board is not None:
            self.board.close()
            self.board = None

    async def stopped(self) -> None:
        """Wait until nothing is left of it."""
        if self._rest is not None:
            await asyncio.gather(self._rest, return_exceptions=True)
