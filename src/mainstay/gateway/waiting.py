"""HOT. Connections that have nobody at their other end yet."""

import asyncio

EARLY = 65536
"""Bytes that a party may send before there is another one for them; then it is read no further."""


class Waiting(asyncio.Protocol):
    """A connection that has nobody at its other end yet: what comes is kept."""

    __slots__ = ("data", "ended", "lost", "paused", "size", "transport")

    def __init__(self) -> None:
        self.transport: asyncio.Transport = None  # type: ignore[assignment] # told by connection_made
        self.data: list[bytes] = []
        self.size = 0
        self.ended = False
        self.lost = False
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = transport  # type: ignore[assignment]

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
        return self.transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio tells it
        """Keep in mind that it is closed."""
        self.lost = True
