"""How fast bytes move, where those who move too few only hold a connection open."""

import sys
import termios
from fcntl import ioctl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

_NO_SIZE = bytes(4)


class Pace:
    """How fast one body comes, looked at from time to time."""

    __slots__ = ("_at", "_excused", "_size")

    def __init__(self, now: float) -> None:
        self._at = now
        self._size = 0
        self._excused = False

    def excuse(self) -> None:
        """Take it that what does not come until the next look is not the sender's fault."""
        self._excused = True

    def slow(self, now: float, size: int, rate: float) -> bool:
        """Tell whether too little has come since the last look.

        Args:
            now: The time.
            size: Bytes that have come so far.
            rate: Bytes that must come in a second.
        """
        slow = size - self._size < rate * (now - self._at) and not self._excused
        self._at, self._size, self._excused = now, size, False
        return slow


def unread(transport: "asyncio.Transport") -> float:
    """Give the bytes that the other end has not taken yet: what waits here, and what waits in the kernel.

    The kernel keeps up to some megabytes, of which a slow reader takes a long time while nothing moves here.
    """
    waiting = float(transport.get_write_buffer_size())
    try:
        # tcp(7): SIOCOUTQ
        kernel = ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, _NO_SIZE)
    except (OSError, ValueError):
        return waiting  # it is closed
    return waiting + int.from_bytes(kernel, sys.byteorder)
