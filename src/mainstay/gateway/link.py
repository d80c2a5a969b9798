"""A worker's line to the supervisor: tables in; facts, counts and listening sockets out.

One JSON object a line. The first one, `hello`, carries the listening sockets, so that a supervisor which
was restarted can hand them to the workers it will start.
"""

import asyncio
import gc
import json
import os
import socket
from typing import TYPE_CHECKING, Any

from mainstay.gateway import table
from mainstay.gateway.slices import sliced

if TYPE_CHECKING:
    from mainstay.gateway.worker import Worker

STOP = b'{"stop":true}\n'
"""What tells a worker to finish what it does and end."""
LONGEST = 64 * 2**20
"""Bytes of a line at most: a table of some hundred thousand instances."""
_KNOCK = 0.1
_REPORT = 0.5
_REST = 20
"""Times as long as the counting took until the next: of thousands of instances it takes a while."""


class Link:
    """One worker's end of the line; it is made anew whenever it breaks."""

    def __init__(self, worker: "Worker", address: str) -> None:
        self._worker = worker
        self._address = address
        self._writer: asyncio.StreamWriter | None = None

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
            report = self._worker.loop.create_task(self._report())
            try:
                await self._listen(reader)
            except (OSError, ValueError):
                pass  # whoever speaks nonsense is as good as gone
            finally:
                report.cancel()
                gc.enable()
                self._writer = None
                writer.close()
            # Whoever hangs up at once, or again and again, is not called in a tight loop.
            await asyncio.sleep(_KNOCK)

    def send(self, message: dict[str, Any]) -> None:
        """Tell the supervisor, if the line is up; what it misses meanwhile is in the counts."""
        self._write(json.dumps(message))

    def _write(self, message: str) -> None:
        if self._writer is not None and not self._writer.is_closing():
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
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # A supervisor that is stopped must not stop us: rather knock again.
            sock.setblocking(False)
            sock.connect(self._address)
            # One that ends has closed its own.
            names = [] if self._worker.stopping else list(self._worker.listeners)
            hello = {"type": "hello", "pid": os.getpid(), "worker": self._worker.number, "listeners": names}
            line = json.dumps(hello).encode() + b"\n"
            if names:
                socket.send_fds(sock, [line], [self._worker.listeners[name].fileno() for name in names])
            else:
                sock.send(line)
            return await asyncio.open_unix_connection(sock=sock, limit=LONGEST)
        except BaseException:
            sock.close()
            raise

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        worker = self._worker
        intake = table.Intake()
        while line := await reader.readline():
            if line == STOP:
                worker.stop()
                continue
            # Until it is applied: to search all that a large table brings for garbage takes longer than to read it.
            gc.disable()
            news = intake.take(line)
            # A line that is there already is read without a pause; a table has many.
            await asyncio.sleep(0)
            if news is not None:
                await worker.take(news)
                await worker.serve()
                self.send({"type": "applied", "worker": worker.number, "version": news.version})
                await worker.check_all()
                gc.enable()

    async def _report(self) -> None:
        while True:
            pieces: list[str] = []
            took = await sliced(map(pieces.append, self._worker.told()))
            self._write("".join(pieces))
            await asyncio.sleep(max(_REPORT, took * _REST))
