"""Taking connections from a listening socket that other workers take from as well, and no more than one's share.

A worker that has its share leaves the rest to the others. Whom none of them has taken for a while cannot be
served now: such a connection is refused, so that its client knows, and does not wait for nothing.
"""

import select
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from mainstay.gateway.introduction import Introduction
from mainstay.gateway.preamble import Ends
from mainstay.gateway.tcp.client import TcpClient
from mainstay.gateway.tcp.relay import RESET_AT_CLOSE
from mainstay.gateway.tcp.waiting import Waiting

if TYPE_CHECKING:
    import asyncio

    from mainstay.gateway.entrance import Entrance
    from mainstay.gateway.worker import Worker

_TIRED = 0.1
"""Seconds of rest when the process has no descriptor left."""
_GLANCE = 0.05
"""Seconds between two looks of a worker that has its share at whether somebody waits."""
_CLOSE_LOOK = 0.005
_PATIENCE = 10
"""Close looks in a row at which somebody waited: one alone may be about to be taken by another worker."""


def share(most: int, workers: int, number: int) -> int:
    """Give how many of `most` connections the worker with this number, from 1, may have."""
    return most // workers + (number <= most % workers)


class Intake:
    """One listening socket for TCP in one worker."""

    __slots__ = (
        "_entrance",
        "_listener",
        "_loop",
        "_open",
        "_poll",
        "_seen",
        "_timer",
        "_watching",
        "_worker",
        "count",
        "most",
        "tasks",
    )

    def __init__(self, worker: "Worker", entrance: "Entrance", listener: socket.socket) -> None:
        """Take nothing until `limit` says how many.

        Args:
            worker: Where the connections are.
            entrance: Tells for which service they are.
            listener: The socket; it does not block.
        """
        self.count = 0
        """Connections there are."""
        self.most: int | None = None
        """How many there may be; None: any number."""
        self.tasks: set[asyncio.Task[None]] = set()
        self._worker = worker
        self._entrance = entrance
        self._listener = listener
        self._loop = worker.loop
        self._poll = select.poll()
        self._poll.register(listener, select.POLLIN)
        self._timer: asyncio.TimerHandle | None = None
        self._open = True
        self._watching = False
        self._seen = 0

    def limit(self, most: int | None) -> None:
        """Take connections as long as there are no more than so many; those that are there stay."""
        self.most = most
        self._turn()

    def close(self) -> None:
        """Take no more."""
        self._open = False
        self._turn()
        self._listener.close()

    def give_back(self) -> None:
        """Take it that one has ended."""
        self.count -= 1
        if not self._watching:
            self._turn()

    # --- in between ---

    def _turn(self) -> None:
        """Watch the socket, or look at it now and then, or neither."""
        self._stop()
        if not self._open:
            return
        if self.most is None or self.count < self.most:
            self._watching = True
            self._loop.add_reader(self._listener, self._take)
        else:
            self._seen = 0
            self._timer = self._loop.call_later(_GLANCE, self._look)

    def _stop(self) -> None:
        if self._watching:
            self._watching = False
            self._loop.remove_reader(self._listener)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _take(self) -> None:
        # One each time: a worker that is less busy comes back sooner, and so takes more of them.
        try:
            sock = self._accept()
        except OSError:
            self._stop()
            self._timer = self._loop.call_later(_TIRED, self._turn)
            return
        if sock is None:
            return
        self.count += 1
        self._entrance.traffic.accepted += 1
        if self.count == self.most:
            self._turn()
        task = self._loop.create_task(self._begin(sock))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _begin(self, sock: socket.socket) -> None:
        first: Waiting | Introduction
        if self._entrance.door.introduced:
            first = Introduction(self._worker, self._entrance, self._welcome, self.give_back)
        else:
            first = self._welcome(None)
        try:
            await self._loop.connect_accepted_socket(lambda: first, sock)
        finally:
            if first.transport is None:
                sock.close()  # type: ignore[unreachable] # it was cancelled, or the machine is in the way
                self.give_back()

    def _welcome(self, ends: Ends | None) -> Waiting:
        return TcpClient(self._worker, self._entrance, self, ends).near

    def _accept(self) -> socket.socket | None:
        try:
            sock, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return None  # another worker was faster, or the client has left
        sock.setblocking(False)
        return sock

    def _look(self) -> None:
        """See whether somebody waits whom nobody takes."""
        self._seen = self._seen + 1 if self._poll.poll(0) else 0
        if self._seen > _PATIENCE:
            self._seen = 0
            self._refuse()
        self._timer = self._loop.call_later(_CLOSE_LOOK if self._seen else _GLANCE, self._look)

    def _refuse(self) -> None:
        with suppress(OSError):
            while (sock := self._accept()) is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
                sock.close()
                self._entrance.home.refused += 1
                self._entrance.traffic.refuse("max_connections")
