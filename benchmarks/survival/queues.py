"""What waits unread at a process that does not run: bytes that the kernel took for it, by sock_diag(7)."""

import socket
import struct
import threading
import time

from benchmarks.survival.instances import Arrival

_SOCK_DIAG = 4
_BY_FAMILY = 20
_DUMP = 0x301
_ERROR, _DONE = 2, 3
_ESTABLISHED = 1 << 1
_HEAD = struct.Struct("=IHHII")
_RQUEUE = 4 + 48 + 4
"""Where an answer has the receive queue: behind its first four bytes, the socket's id and the timer."""
_LOOK = 0.01


def unread(port: int) -> int:
    """Add up the bytes that wait on the connections to a port of 127.0.0.1, accepted or not."""
    total = 0
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as line:
        line.settimeout(1)
        line.sendto(_question(port), (0, 0))
        while True:
            data, at = line.recv(1 << 16), 0
            while at < len(data):
                length, kind, *_ = _HEAD.unpack_from(data, at)
                if kind in (_DONE, _ERROR):
                    return total
                total += struct.unpack_from("=I", data, at + _HEAD.size + _RQUEUE)[0]
                at += (length + 3) & ~3


def _question(port: int) -> bytes:
    any_cookie = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
    who = struct.pack("!HH", port, 0) + bytes(32) + any_cookie
    body = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, _ESTABLISHED) + who
    return _HEAD.pack(_HEAD.size + len(body), _BY_FAMILY, _DUMP, 1, 0) + body


class Watch:
    """Looks at a port a hundred times a second, and notes when something more had come."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.arrivals: list[Arrival] = []
        """When more was waiting than before."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        before = unread(self._port)
        while not self._over.wait(_LOOK):
            now = unread(self._port)
            if now > before:
                self.arrivals.append(Arrival(time.monotonic()))
            before = now
