"""What one request costs in our own code: everything but the kernel and the event loop.

Transports are stand-ins, so that neither sockets nor another process disturb the figure. There are two figures:
what is read is remembered, so that it matters whether clients and instances say the same again and again, as one
program that calls another does, or something else each time, as with new ids and tags in every head.

    python -m benchmarks.gateway.hot [--profile] [--log json|combined [--sample 0.1]] [--trace]

The access log's lines are made and written as well, by whichever thread.
"""

import argparse
import asyncio
import cProfile
import pstats
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.gateway.request import HEADERS
from mainstay.gateway.http.client import ClientConnection
from mainstay.gateway.http.connection import UpstreamConnection
from mainstay.gateway.table import Door, LogSettings, Row, Rule, Settings, Table, TraceSettings
from mainstay.gateway.worker import Worker

REQUEST = (
    "GET / HTTP/1.1\r\nHost: shop.example\r\n" + "".join(f"{line}\r\n" for line in HEADERS) + "\r\n"
).encode()
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 23 Nov 2026 18:16:46 GMT\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 42\r\nConnection: keep-alive\r\n\r\n" + b"x" * 42
)

SAME = [(REQUEST, RESPONSE)]
OTHER = [
    (
        REQUEST.replace(b"X-Request-Id: 0b0f", b"X-Request-Id: %04x" % n),
        RESPONSE.replace(b"Content-Length", b'ETag: "%04x"\r\nContent-Length' % n),
    )
    for n in range(5000)
]


class Transport:
    """Takes what is written, and does nothing with it."""

    def __init__(self) -> None:
        self.left, self.right = socket.socketpair()
        self.written = 0

    def write(self, data: bytes) -> None:
        self.written += bool(data)

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str) -> object:
        return self.left if name == "socket" else ("127.0.0.1", 1)

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass


def table(told: argparse.Namespace, log: Path) -> Table:
    rows = [Row(service="web", instance=f"web-{n}", generation=1, host="127.0.0.1", port=9) for n in range(3)]
    return Table(
        version=1,
        log=LogSettings(path=str(log), format=told.log, sample=told.sample) if told.log else None,
        trace=TraceSettings() if told.trace else None,
        doors={"web": Door(rules=[Rule(service="web")])},
        services={"web": Settings(health=None)},
        rows=rows,
    )


async def main(told: argparse.Namespace, log: Path) -> None:
    loop = asyncio.get_running_loop()
    worker = Worker(1, {}, loop)
    worker.date = b"Date: x"
    worker.apply(table(told, log))
    route = worker.routes["web"]
    ups = []
    for member in route.pool.members:
        connection = UpstreamConnection(member, loop)
        connection.connection_made(Transport())  # type: ignore[arg-type]
        connection.spare(time.monotonic())
        ups.append(connection)
    client = ClientConnection(worker, worker.entrances["web"])
    out = Transport()
    client.connection_made(out)  # type: ignore[arg-type]

    def turn(count: int, heads: list[tuple[bytes, bytes]]) -> None:
        for n in range(count):
            request, response = heads[n % len(heads)]
            client.data_received(request)
            for up in ups:
                if up.exchange is not None:
                    up.data_received(response)
        if worker.access_log is not None:
            worker.access_log.flush()

    warm_up = 1000
    turn(warm_up, SAME)
    assert out.written == warm_up, out.written
    if told.profile:
        with cProfile.Profile() as pr:
            turn(20000, SAME)
        pstats.Stats(pr).sort_stats("tottime").print_stats(32)
        await worker.close()
        return
    measure(turn, told.rounds)
    await worker.close()


def measure(turn: Callable[[int, list[tuple[bytes, bytes]]], None], rounds: int) -> None:
    """Print both figures."""
    best = {"the same heads each time": float("inf"), "others each time": float("inf")}
    for _ in range(rounds):
        for which, heads in zip(best, (SAME, OTHER), strict=True):
            began = time.process_time()
            turn(5000, heads)
            best[which] = min(best[which], (time.process_time() - began) / 5000)
    for which, seconds in best.items():
        print(f"{seconds * 1e6:.2f} µs for a GET of 12 headers, {which}, best of {rounds}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--log", choices=("json", "combined"))
    parser.add_argument("--sample", type=float, default=1.0)
    parser.add_argument("--trace", action="store_true")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(parser.parse_args(), Path(folder) / "access.log"))
