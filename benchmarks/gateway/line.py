"""The supervisor's end of a worker's line, so that a real worker process can be told a table of any size."""

import contextlib
import json
import socket
import threading

from mainstay.gateway.crew.place import BACKLOG

NAME = "mainstay"
_PATIENCE = 60.0
_APPLIED = b'{"type": "applied"'


class Line:
    """The supervisor's end of the workers' lines: tells them tables, and hears what they say."""

    def __init__(self, address: str) -> None:
        self.news = threading.Condition()
        self.applied: dict[int, int] = {}
        """The version of the table that each worker, by number, has applied."""
        self._first = b""
        self._lines: dict[int, socket.socket] = {}
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._door.bind(address)
        self._door.listen()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def tell(self, line: bytes) -> None:
        """Give a table, as one line, to all workers that are there and to those that come."""
        with self.news:
            self._first = line
            lines = list(self._lines.values())
        for one in lines:
            one.sendall(line)

    def wait(self, workers: int, version: int) -> None:
        """Wait until so many workers have applied a version.

        Raises:
            SystemExit: they do not.
        """
        with self.news:
            if not self.news.wait_for(
                lambda: sum(v >= version for v in self.applied.values()) >= workers, _PATIENCE
            ):
                raise SystemExit("a worker does not apply its table; see its log")

    def close(self) -> None:
        """Let the workers go."""
        for sock in (self._door, *self._lines.values()):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._door.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._hear, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _hear(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            data, fds, _, _ = socket.recv_fds(sock, 65536, 253)
            for fd in fds:
                socket.close(fd)
            number = json.loads(data.partition(b"\n")[0])["worker"]
            with self.news:
                self._lines[number] = sock
                first = self._first
            sock.sendall(first)
            for line in sock.makefile("rb"):
                if not line.startswith(_APPLIED):
                    continue  # facts and counts
                with self.news:
                    self.applied[number] = json.loads(line)["version"]
                    self.news.notify_all()


def listener(port: int) -> socket.socket:
    """Open a listening socket as the supervisor does."""
    sock = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
    sock.setblocking(False)
    return sock
