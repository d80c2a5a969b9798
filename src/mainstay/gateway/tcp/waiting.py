"""HOT. Connections that have nobody at their other end yet."""

import asyncio
from typing import Protocol

EARLY = 65536
"""Bytes that a party may send before there is another one for them; then it is read no further."""


class Host(Protocol):
    """Whoever looks for the other end."""

    def arrived(self) -> None:
        """Hear that the connection is there."""
        ...

    def left(self) -> None:
        """Hear that it is closed, without ever having had another end."""
        ...


class Waiting(asyncio.Protocol):
    """One connection: what comes is kept."""

    __slots__ = ("_host", "data", "ended", "lost", "paused", "size", "transport")

    def __init__(self, host: Host | None = None) -> None:
        self.transport: asyncio.Transport = None  # type: ignore[assignment] # told by connection_made
        self.data: list[bytes] = []
        self.size = 0
        self.ended = False
        self.lost = False
        self.paused = False
        self._host = host

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = transport  # type: ignore[assignment]
        if self._host is not None:
            self._host.arrived()

    def data_received(self, data: bytes) -> None:
        """Keep what comes."""
        self.data.append(data)
        self.size += len(data)
        if self.size > EARLY and not self.paused:
            self.paused = True
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """Keep in mind that no more comes."""
        self.ended = True
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio tells it
        """Keep in mind that it is closed."""
        self.lost = True
        if self._host is not None:
            self._host.left()
