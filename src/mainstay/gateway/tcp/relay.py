"""HOT. Tunnels: two connections joined, so that the bytes of each go out at the other as they come.

::

    client ──▶ near ──▶ instance        what an end reads, it writes to the other one's transport;
    client ◀── far ◀── instance         when that is full, it reads no more until there is room again

The end of what one side sends (its FIN) becomes that of what the other side gets, and each direction ends by
itself. A reset becomes a reset: what was cut must not look whole. So does all that we cut.

Bytes are read, and handed on, by the loop's own transports: they are copied nowhere in between.
"""

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mainstay.gateway.wheel import Wheel

RESET_AT_CLOSE = struct.pack("ii", 1, 0)
"""What SO_LINGER is set to, so that closing is a reset."""
HALF = 60.0
"""Seconds in which something must move once one side has said all: it may be gone for good, which looks the same."""
_NO_SIZE = bytes(4)
_NOBODY = asyncio.Protocol()
"""Hears what a connection says that is of no use to anybody any more."""


def reset(transport: asyncio.Transport) -> None:
    """Cut a connection in such a way that nobody takes its end for the end of what was sent."""
    if not transport.is_closing():
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    transport.abort()


def unread(transport: asyncio.Transport) -> int:
    """Give the bytes that the other end has not taken yet: what waits here, and what waits in the kernel.

    The kernel keeps up to some megabytes, of which a slow reader takes a long time while nothing moves here.
    """
    waiting = transport.get_write_buffer_size()
    try:
        # tcp(7): SIOCOUTQ
        kernel = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, _NO_SIZE)
    except (OSError, ValueError):
        return waiting  # it is closed
    return waiting + int.from_bytes(kernel, sys.byteorder)


class Meter:
    """Counts bytes."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = 0


class Owner(Protocol):
    """Whoever had the two connections joined."""

    def answered(self) -> None:
        """Hear that the first bytes have come from the far side."""
        ...

    def parted(self) -> bool:
        """Hear that the far side is the first to end or reset; True: the near end was taken back for another one."""
        ...

    def over(self, *, broken: bool) -> None:
        """Hear that both connections are closed; `broken`: the far side was the one that reset."""
        ...


class End(asyncio.Protocol):
    """One end of a tunnel; the other's transport is where its bytes go."""

    __slots__ = ("_meter", "_out", "_tunnel", "ended", "got", "lost", "other", "transport")

    def __init__(self, tunnel: "Tunnel", meter: Meter) -> None:
        self.got = 0
        """Bytes that have come here."""
        self.ended = False
        """No more will come: the other party has said so."""
        self.lost = False
        """The connection is closed."""
        self.transport: asyncio.Transport = None  # type: ignore[assignment] # told by `Tunnel.join`
        self.other: End = self
        self._tunnel = tunnel
        self._meter = meter
        self._out: asyncio.Transport = None  # type: ignore[assignment] # likewise

    def data_received(self, data: bytes) -> None:
        """Pass on what has come."""
        tunnel = self._tunnel
        if not self.got:
            tunnel.began(self)
        size = len(data)
        self.got += size
        self._meter.bytes += size
        tunnel.due = tunnel.loop.time() + tunnel.idle
        self._out.write(data)

    def eof_received(self) -> bool:
        """Pass on the end; the other direction goes on."""
        self.ended = True
        self._tunnel.ended(self)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Take it that this connection is closed."""
        self.lost = True
        self._tunnel.lost(self, exc)

    def pause_writing(self) -> None:
        """Read no more from the other side: this one is slower."""
        self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        other = self.other.transport
        if not other.is_closing():
            other.resume_reading()

    def join(self, transport: asyncio.Transport, other: "End") -> None:
        """Send there what comes here."""
        self.other = other
        self._out = other.transport
        transport.set_protocol(self)

    def reseat(self, transport: asyncio.Transport) -> None:
        """Have another transport from here on, whose protocol this is already."""
        self.transport = self.other._out = transport  # noqa: SLF001 - of its own kind

    def waiting(self) -> int:
        """Give how many bytes are still on their way to this party: with us, and in the kernel."""
        if self.lost:
            return 0
        return unread(self.transport)


class Tunnel:
    """Two ends, and how long nothing may move between them."""

    __slots__ = ("_owner", "_waiting", "_wheel", "broken", "due", "far", "idle", "loop", "near", "slot")

    def __init__(  # noqa: PLR0913 - what it is made of
        self,
        owner: Owner,
        *,
        wheel: "Wheel",
        loop: asyncio.AbstractEventLoop,
        idle: float,
        upward: Meter,
        downward: Meter,
    ) -> None:
        """Be ready to join two connections.

        Args:
            owner: Told of what happens.
            wheel: Keeps the time.
            loop: The loop of both connections.
            idle: Seconds in which something must move, either way.
            upward: Counts what comes from the near side, the client.
            downward: Counts what comes from the far side, the instance.
        """
        self.loop = loop
        self.idle = idle
        self.due = 0.0
        self.slot = 0
        self.near = End(self, upward)
        self.far = End(self, downward)
        self.broken = False
        self._owner = owner
        self._wheel = wheel
        self._waiting = 0

    def join(self, near: asyncio.Transport, far: asyncio.Transport) -> None:
        """Pass on from here on what comes at either."""
        self.near.transport, self.far.transport = near, far
        self.near.join(near, self.far)
        self.far.join(far, self.near)
        self._wheel.watch(self, self.loop.time() + self.idle)

    def cut(self) -> None:
        """Reset both connections."""
        for end in (self.near, self.far):
            if not end.lost:
                reset(end.transport)

    def forsake(self) -> None:
        """Take it that the far side is gone, whatever its connection says."""
        if not self._parted(self.far):
            self.broken = True
            self.cut()

    # --- the ends tell us ---

    def began(self, end: End) -> None:
        """Take the first bytes of an end."""
        if end is self.far:
            self._owner.answered()

    def ended(self, end: End) -> None:
        """Take it that nothing more comes from an end."""
        if end is self.far and self._parted(end):
            return
        self.idle = min(self.idle, HALF)
        self._wheel.watch(self, self.loop.time() + self.idle)
        other = end.other.transport
        if other.is_closing():
            return
        if end.other.ended:
            # Both have said all: what is still waiting is sent before they close.
            other.close()
            end.transport.close()
        else:
            other.write_eof()

    def lost(self, end: End, exc: Exception | None) -> None:
        """Take it that an end is closed."""
        other = end.other
        if other.lost:
            self._wheel.forget(self)
            self._owner.over(broken=self.broken)
        elif exc is None and (end.ended or other.transport.is_closing()):
            other.transport.close()
        elif end is not self.far or end.ended or not self._parted(end):
            self.broken = end is self.far
            reset(other.transport)

    def _parted(self, far: End) -> bool:
        near = self.near
        if near.ended or near.lost or near.transport.is_closing() or not self._owner.parted():
            return False
        self._wheel.forget(self)
        if not far.lost:
            far.transport.set_protocol(_NOBODY)
            far.transport.abort()
        return True

    # --- time tells us ---

    def expired(self, now: float) -> None:
        """Cut what stands still; bytes that a slow reader is still taking are no standstill."""
        waiting = self.near.waiting() + self.far.waiting()
        if 0 < waiting != self._waiting:
            self._waiting = waiting
            self._wheel.watch(self, now + self.idle)
        else:
            self.cut()
