"""Making connections to instances: with a handshake, where they speak TLS."""

import asyncio
import errno
import ssl
from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar

from mainstay.base.outcome import REFUSED, STALE, Outcome
from mainstay.gateway.http.connection import UpstreamConnection
from mainstay.gateway.tls.layer import Tls

if TYPE_CHECKING:
    from mainstay.gateway.upstream import Upstream

T = TypeVar("T")
OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""Errors of making a connection that say nothing of the other end."""


async def connect(
    instance: "Upstream", loop: asyncio.AbstractEventLoop, limit: float, preamble: bytes = b""
) -> UpstreamConnection | Outcome:
    """Make a connection within `limit` seconds, or tell how that failed.

    Args:
        instance: Where to.
        loop: The loop that it is on.
        limit: Seconds for all of it.
        preamble: What is said first of all, before a handshake; such a connection is for one request.
    """
    return await within(limit, _connect(instance, loop, preamble))


async def within(limit: float, making: Awaitable[T]) -> T | Outcome:
    """Make a connection within `limit` seconds, or tell how that failed."""
    try:
        async with asyncio.timeout(limit):
            return await making
    except TimeoutError:
        return REFUSED
    except OSError as problem:
        # Out of descriptors, ports or memory: that is ours, and proves nothing against the instance.
        return STALE if problem.errno in OURS else REFUSED


async def _connect(
    instance: "Upstream", loop: asyncio.AbstractEventLoop, preamble: bytes
) -> UpstreamConnection:
    lot = await instance.legs.approach() if instance.legs is not None else None
    context = instance.context()
    if context is not None:
        connection = await _connect_secured(instance, loop, context, preamble)
    else:
        _, connection = await loop.create_connection(
            lambda: UpstreamConnection(instance, loop, sole=bool(preamble)), instance.host, instance.port
        )
    if instance.legs is not None:
        instance.legs.take(connection, lot)
    if preamble and context is None:
        connection.transport.write(preamble)
    return connection


async def _connect_secured(
    instance: "Upstream", loop: asyncio.AbstractEventLoop, context: ssl.SSLContext, preamble: bytes
) -> UpstreamConnection:
    """Make a connection with TLS; that of one who is not who it should be is refused, with nothing sent."""
    connection = UpstreamConnection(instance, loop, sole=bool(preamble))
    ready = loop.create_future()
    _, secured = await loop.create_connection(
        lambda: Approach(connection, context, instance.server_name, ready, preamble),
        instance.host,
        instance.port,
    )
    try:
        await ready
    except BaseException:
        secured.abort()
        raise
    return connection


class Approach(Tls):
    """A connection to an instance with TLS, and the handshake before it."""

    __slots__ = ("_preamble", "_ready")

    def __init__(
        self,
        connection: UpstreamConnection,
        context: ssl.SSLContext,
        name: str,
        ready: asyncio.Future[None],
        preamble: bytes = b"",
    ) -> None:
        super().__init__(connection, context, server_side=False, server_hostname=name)
        self._ready = ready
        self._preamble = preamble

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        super().connection_made(transport)
        if self._preamble:
            self.raw.write(self._preamble)
        self._shake()

    def _shaken(self) -> None:
        self.inner.connection_made(self)
        if not self._ready.done():
            self._ready.set_result(None)

    def _unshaken(self, problem: Exception | None) -> None:
        if not self._ready.done():
            self._ready.set_exception(
                problem or ConnectionResetError("it ended in the middle of the handshake")
            )
