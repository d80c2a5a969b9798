"""A worker's line to the supervisor: tables in; facts, counts and listening sockets out.

One JSON object a line. The first one, `hello`, carries the listening sockets, so that a supervisor which
was restarted can hand them to the workers it will start. Sockets that a worker does not have, it asks for in a
conversation of its own, since nothing but bytes comes through a stream.
"""

import asyncio
import gc
import json
import os
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mainstay.gateway.crew import telling
from mainstay.gateway.fault.faults import heard
from mainstay.gateway.slices import sliced
from mainstay.gateway.table import Table

if TYPE_CHECKING:
    from mainstay.gateway.worker import Worker

SPEAKS = 3
"""The version of what is said here. A worker that speaks another is replaced by a supervisor that takes it over."""
STOP = b'{"stop":true}\n'
"""What tells a worker to finish the requests in progress and end."""
LONGEST = 64 * 2**20
"""Bytes of a line at most: a table of some hundred thousand instances."""
_FINISH = b'{"finish":'
_FAULTS = b'{"faults":'
_KNOCK = 0.1
_REPORT = 0.5
_REST = 20
"""Times as long as the counting took until the next: of thousands of instances it takes a while."""
_FETCH = 5.0
_FIRST = 65536
"""Bytes of what comes with sockets: their places are the most of it."""
_MOST_SOCKETS = 253
"""As many as the kernel takes at once (unix(7))."""


def finish(linger: float) -> bytes:
    """Tell a worker whose place another one has taken to end within so many seconds, at its clients' leisure."""
    return _FINISH + b"%g}\n" % linger


def sent(sock: socket.socket, message: dict[str, Any], socks: Sequence[socket.socket]) -> None:
    """Send the first message of a conversation, and sockets with it."""
    line = json.dumps(message).encode() + b"\n"
    if socks:
        socket.send_fds(sock, [line], [one.fileno() for one in socks])
    else:
        sock.send(line)


async def received(sock: socket.socket, limit: float) -> tuple[bytes, list[socket.socket]]:
    """Wait for the first message of a conversation, and take the sockets that come with it.

    Raises:
        TimeoutError: nothing came within `limit` seconds.
        OSError: the other end is gone.
    """
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(sock, readable.set)
    try:
        await asyncio.wait_for(readable.wait(), limit)
    finally:
        loop.remove_reader(sock)
    # Not for programs that this one becomes or starts.
    line, fds, _, _ = socket.recv_fds(sock, _FIRST, _MOST_SOCKETS, socket.MSG_CMSG_CLOEXEC)
    return line, [socket.socket(fileno=fd) for fd in fds]


class Link:
    """One worker's end of the line; it is made anew whenever it breaks."""

    def __init__(self, worker: "Worker", address: str) -> None:
        self._worker = worker
        self._address = address
        self._writer: asyncio.StreamWriter | None = None
        self._reporting: asyncio.Task[None] | None = None
        self._heard = False

    @property
    def is_up(self) -> bool:
        """Whether somebody hears what is told: not before the first table, so that the hello is read alone."""
        return self._heard and self._writer is not None and not self._writer.is_closing()

    async def run(self) -> None:
        """Keep the line up for as long as the worker lives."""
        while True:
            try:
                reader, writer = await self._connect()
            except OSError:
                # No supervisor: the traffic goes on with the last table. Knock again soon.
                await asyncio.sleep(_KNOCK)
                continue
            self._writer = writer
            try:
                await self._listen(reader)
            except (OSError, ValueError):
                pass  # whoever speaks nonsense is as good as gone
            finally:
                gc.enable()
                if self._reporting is not None:
                    self._reporting.cancel()
                    self._reporting = None
                self._heard = False
                self._writer = None
                writer.close()
            # Whoever hangs up at once, or again and again, is not called in a tight loop.
            await asyncio.sleep(_KNOCK)

    def send(self, message: dict[str, Any]) -> None:
        """Tell the supervisor, if the line is up; what it misses meanwhile is in the counts."""
        self._write(json.dumps(message))

    def _write(self, message: str) -> None:
        if self._writer is not None and self.is_up:
            self._writer.write(message.encode() + b"\n")

    async def goodbye(self) -> None:
        """Send the last counts."""
        writer = self._writer
        if writer is not None:
            self.send(self._worker.counted())
            try:
                await asyncio.wait_for(writer.drain(), 1.0)
            except (OSError, TimeoutError):
                return

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        # One that ends has closed its own.
        listeners = [] if self._worker.stopping else list(self._worker.listeners.values())
        sock = self._begin({"type": "hello", "speaks": SPEAKS}, listeners)
        try:
            return await asyncio.open_unix_connection(sock=sock, limit=LONGEST)
        except BaseException:
            sock.close()
            raise

    def _begin(self, message: dict[str, Any], socks: Sequence[socket.socket] = ()) -> socket.socket:
        """Begin a conversation."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # A supervisor that is stopped must not stop us: rather knock again.
            sock.setblocking(False)
            sock.connect(self._address)
            sent(sock, {**message, "pid": os.getpid(), "worker": self._worker.number}, socks)
        except BaseException:
            sock.close()
            raise
        return sock

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        worker = self._worker
        assembly = telling.Assembly()
        while line := await reader.readline():
            if line == STOP:
                worker.stop()
            elif line.startswith(_FINISH):
                worker.finish(float(json.loads(line)["finish"]))
            elif line.startswith(_FAULTS):
                self._have_faults(json.loads(line))
            else:
                # Until it is applied: to search all that a large table brings for garbage takes longer than to read it.
                gc.disable()
                news = assembly.take(line)
                # A line that is there already is read without a pause; a table has many.
                await asyncio.sleep(0)
                if news is not None:
                    await self._take(news)
                    gc.enable()

    async def _take(self, news: Table) -> None:
        worker = self._worker
        self._heard = True
        if lacking := worker.lacks(news):
            worker.listen(await self._fetch(lacking))
        await worker.take(news)
        await worker.serve()
        if self._reporting is None:
            # Who takes this worker over knows what it has counted as soon as it knows that it serves.
            await self._count()
            self._reporting = worker.loop.create_task(self._report())
        self.send({"type": "applied", "worker": worker.number, "version": news.version})
        await worker.check_all()

    def _have_faults(self, message: dict[str, Any]) -> None:
        counts = self._worker.faults.take(heard(message))
        self.send({"type": "faults", "version": message["version"], "counts": counts})

    async def _fetch(self, places: list[str]) -> list[socket.socket]:
        """Ask for listening sockets; those that are no longer there do not come, and a newer table will say so."""
        sock = self._begin({"type": "fetch", "places": places})
        try:
            _, handed = await received(sock, _FETCH)
        finally:
            sock.close()
        return handed

    async def _report(self) -> None:
        took = 0.0
        while True:
            await asyncio.sleep(max(_REPORT, took * _REST))
            took = await self._count()

    async def _count(self) -> float:
        """Tell what was counted, and give the seconds that it took."""
        pieces: list[str] = []
        took = await sliced(map(pieces.append, self._worker.told()))
        self._write("".join(pieces))
        if counts := self._worker.faults.counted():
            self.send({"type": "faults", "version": 0, "counts": counts})
        return took
