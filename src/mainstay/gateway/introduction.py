"""The beginning of a connection from a proxy that says, before anything else, whom it is for."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from mainstay.gateway import preamble
from mainstay.gateway.preamble import Ends, PreambleError
from mainstay.gateway.proxies import address_of
from mainstay.gateway.tcp.relay import reset

if TYPE_CHECKING:
    from mainstay.gateway.entrance import Entrance
    from mainstay.gateway.worker import Worker

PATIENCE = 5.0
"""Seconds that a proxy has for it: it sends it at once, and a lost packet is sent again within three (RFC 6298)."""

Welcome = Callable[[Ends | None], asyncio.BaseProtocol]
"""Makes what takes the connection from there on; TLS, if that is spoken, begins after the introduction."""


def _nothing() -> None:
    pass


class Introduction(asyncio.Protocol):
    """One connection until it is known whom it is for; one that does not say so is reset."""

    __slots__ = ("_data", "_done", "_entrance", "_gone", "_welcome", "_worker", "due", "slot", "transport")

    def __init__(
        self, worker: "Worker", entrance: "Entrance", welcome: Welcome, gone: Callable[[], None] = _nothing
    ) -> None:
        """Be ready for the proxy's first bytes.

        Args:
            worker: Where the connection is.
            entrance: Where it came in.
            welcome: Makes what takes it afterwards.
            gone: Told when there is no afterwards.
        """
        self.due = 0.0
        self.slot = 0
        self._worker = worker
        self._entrance = entrance
        self._welcome = welcome
        self._gone = gone
        self._data = b""
        self._done = False
        self.transport: asyncio.Transport = None  # type: ignore[assignment] # told by connection_made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hear nobody but proxies that are trusted: anybody else could claim to come from anywhere."""
        self.transport = transport  # type: ignore[assignment]
        worker = self._worker
        address = transport.get_extra_info("peername")
        worker.greetings.add(self)
        worker.wheel.watch(self, monotonic() + PATIENCE)
        known = worker.proxies is not None and address and worker.proxies.has(address_of(address[0]))
        if not known:
            self._refuse()
        elif len(worker.clients) + len(worker.greetings) > worker.most_clients:
            self._refuse("crowded")

    def data_received(self, data: bytes) -> None:
        """Read what it says, and let go of the connection when it has said all."""
        if self._done:
            return
        self._data += data
        try:
            said = preamble.read(self._data)
        except PreambleError:
            self._refuse()
            return
        if said is None:
            return
        self._end()
        transport, rest = self.transport, self._data[said.size :]
        client = self._welcome(said.ends)
        transport.set_protocol(client)
        client.connection_made(transport)
        if isinstance(client, asyncio.BufferedProtocol):
            while rest and not transport.is_closing():
                room = memoryview(client.get_buffer(len(rest)))
                piece, rest = rest[: len(room)], rest[len(room) :]
                room[: len(piece)] = piece
                client.buffer_updated(len(piece))
        elif rest:
            client.data_received(rest)  # type: ignore[attr-defined] # protocols are of one kind or the other

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio tells it
        """Take it that there is nobody to introduce."""
        if not self._done:
            self._end()
        self._gone()

    def expired(self, now: float) -> None:  # noqa: ARG002 - it is over whatever the time
        """Wait no longer."""
        self._refuse()

    def abort(self) -> None:
        """Cut the connection."""
        reset(self.transport)

    def _refuse(self, reason: str = "introduction") -> None:
        self._end()
        self._entrance.home.refused += 1
        self._entrance.traffic.refuse(reason)
        reset(self.transport)

    def _end(self) -> None:
        self._done = True
        self._worker.greetings.discard(self)
        self._worker.wheel.forget(self)
