"""What a client connection costs that is kept alive and says nothing: memory of the proxy's processes for each.

Every connection has been used once. The proxy is a fresh one, so that no memory of former work is used again.
"""

import contextlib
import resource
import socket
import time

from benchmarks.gateway import meter
from benchmarks.gateway.proxy import Proxy
from benchmarks.gateway.request import CASES

_BIND_NO_PORT = 24  # IP_BIND_ADDRESS_NO_PORT: one port may serve for several destinations
_SETTLE = 1.0
_SOURCES = 20
_WARM = 200


def measure(proxy: Proxy, count: int) -> dict[str, float]:
    """Open so many connections, and give the bytes of memory for each."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(count, hard * 3 // 4)
    port = proxy.ports["plain"]
    with contextlib.ExitStack() as warm:
        for _ in range(_WARM):
            warm.enter_context(_used(port, "127.0.0.1"))
    time.sleep(_SETTLE)
    before = meter.memory(proxy.pids)
    with contextlib.ExitStack() as kept:
        for number in range(count):
            # Several addresses, since ports towards one are limited.
            kept.enter_context(_used(port, f"127.0.0.{2 + number % _SOURCES}"))
        time.sleep(_SETTLE)
        after = meter.memory(proxy.pids)
    return {"connections": count, "octets": (after - before) / count, "before": before}


def _used(port: int, source: str) -> socket.socket:
    """Give a connection on which one request has been answered."""
    made = socket.socket()
    made.setsockopt(socket.IPPROTO_IP, _BIND_NO_PORT, 1)
    made.bind((source, 0))
    made.settimeout(10)
    made.connect(("127.0.0.1", port))
    made.sendall(CASES["get12"].wire(port))
    said = made.recv(65536)
    while not said.endswith(b"x"):
        part = made.recv(65536)
        if not part:
            raise SystemExit(f"a connection to be kept was closed: {said[:100]!r}")
        said += part
    return made
