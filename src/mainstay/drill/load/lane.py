"""The control lane: a generator that asks an echo of its own, to prove that it did not stall itself.

The echo is in the same process, on loopback, and answers at once. Whatever delays it has delayed the
generator, not the system under test: figures of a run whose lane was slow say little about the system.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, cast

from mainstay.base.errors import EnvironmentProblem
from mainstay.drill.load.tally import percentile

RATE = 50
"""Questions per second: a stall of twenty milliseconds cannot pass unseen, and they cost next to nothing."""
MOST = 1_000_000
"""Answers that are kept: more than five hours of them."""


class _Echo(asyncio.Protocol):
    """Sends back what it gets."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)


class Lane(asyncio.Protocol):
    """Asks, one byte a question, and writes down how long each answer took from when it was due to be asked."""

    def __init__(self) -> None:
        self.took: deque[float] = deque(maxlen=MOST)
        """Seconds from when each question was due until its answer was there."""
        self._due: deque[float] = deque()
        self._next = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._server: asyncio.Server | None = None
        self.transport: asyncio.Transport | None = None
        """Its end of the connection."""
        self._echoes: list[_Echo] = []

    async def open(self) -> None:
        """Start the echo, and connect with it.

        Raises:
            EnvironmentProblem: the machine has no loopback, or no descriptor left.
        """
        self._loop = asyncio.get_running_loop()
        try:
            self._server = await self._loop.create_server(self._echo, "127.0.0.1", 0)
            await self._loop.create_connection(lambda: self, *self._server.sockets[0].getsockname())
        except OSError as problem:
            self.close()
            raise EnvironmentProblem(f"the load has no loopback to watch itself on: {problem}") from problem

    def begin(self, at: float) -> None:
        """Ask from this time of the monotonic clock on."""
        self._next = at
        self._ask()

    def close(self) -> None:
        """Ask no more, and leave nothing open."""
        if self._timer is not None:
            self._timer.cancel()
        for transport in (self.transport, *(echo.transport for echo in self._echoes)):
            if transport is not None:
                transport.abort()
        if self._server is not None:
            self._server.close()

    def record(self) -> dict[str, Any]:
        """Give what it saw, in seconds, as plain values."""
        ranked = sorted(self.took)
        return {"asked": len(ranked)} | {
            name: _rounded(ranked, share) for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn that the echo is there."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Note the answers to the oldest questions."""
        now = time.monotonic()
        for _ in data:
            self.took.append(now - self._due.popleft())

    def _echo(self) -> _Echo:
        self._echoes.append(_Echo())
        return self._echoes[-1]

    def _ask(self) -> None:
        now = time.monotonic()
        while self._next <= now and self.transport is not None:
            # Also those that fell due while nothing ran: they are what shows it.
            self._due.append(self._next)
            self.transport.write(b"?")
            self._next += 1 / RATE
        self._timer = self._loop.call_later(max(0.001, self._next - now), self._ask)


def _rounded(ranked: Sequence[float], share: float) -> float | None:
    return round(percentile(ranked, share), 6) if ranked else None
