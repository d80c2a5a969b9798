"""Where proxies are measured: the origins, a certificate, and each proxy in front of the same origins."""

import contextlib
import os
import platform
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.gateway import closed, origin, ours, peers
from benchmarks.gateway.proxy import Place, Proxy
from benchmarks.gateway.request import PLAIN, RAW, SECURE
from mainstay import __version__

PROXY = "0"
"""The processor of the proxies."""
LOAD = "1"
"""The processor of the load and of the origins."""
_PROCESSORS = 2


class Yard:
    """A folder, origins, and how to start proxies in front of them."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.folder = folder
        self.origins = [_free_port() for _ in range(origin.COUNT)]
        self.cert = _certificate(folder)
        self._ours = ours.found()
        self._programs = {name: program for name, program in peers.found().items() if name in names}
        self.names = [name for name in names if name in self._ours or name in self._programs]
        """Those that can be measured here."""
        self._count = 0

    def versions(self) -> dict[str, str]:
        """Give what each proxy is."""
        return dict.fromkeys(self._ours, __version__) | peers.versions(self._programs)

    @contextlib.contextmanager
    def proxy(self, name: str, **told: int) -> Iterator[Proxy]:
        """Start one proxy, fresh, and end it."""
        self._count += 1
        folder = self.folder / f"{self._count}-{name}"
        cores = f"{PROXY},{LOAD}" if told.get("workers", 1) > 1 else PROXY
        place = Place(
            folder=folder,
            plain=_free_port(),
            secure=_free_port(),
            raw=_free_port(),
            admin=_free_port(),
            origins=self.origins,
            cert=self.cert,
            cores=cores,
        )
        if name in self._ours:
            proxy = ours.start(name, self._ours[name], place, **told)
        else:
            proxy = peers.start(name, self._programs[name], place)
        try:
            for door, port in proxy.ports.items():
                answers(port, f"{name} ({folder / 'log'})", secure=door == SECURE)
            proxy.known()
            yield proxy
        finally:
            proxy.close()

    @contextlib.contextmanager
    def all(self) -> Iterator[dict[str, Proxy]]:
        """Start all of them, side by side."""
        with contextlib.ExitStack() as stack:
            yield {name: stack.enter_context(self.proxy(name)) for name in self.names}


@contextlib.contextmanager
def yard(names: list[str]) -> Iterator[Yard]:
    """Set up, and take down.

    Raises:
        SystemExit: something that is needed is not there.
    """
    closed.needed()
    if len(os.sched_getaffinity(0)) < _PROCESSORS:
        raise SystemExit("two processors are needed: one for the proxy, one for the load and the origins")
    os.sched_setaffinity(0, {int(LOAD)})
    with tempfile.TemporaryDirectory(prefix="mainstay-bench-") as told, contextlib.ExitStack() as stack:
        made = Yard(Path(told), names)
        for process in origin.start(made.folder, made.origins, int(LOAD)):
            stack.callback(process.wait)
            stack.callback(process.terminate)
        for port in made.origins:
            answers(port, "an origin")
        yield made


def machine() -> dict[str, str | int | None]:
    """Give what this was measured on."""
    return {"processors": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()}


def answers(port: int, who: str, limit: float = 20.0, *, secure: bool = False) -> None:
    """Wait until something on a port answers with 200.

    Raises:
        SystemExit: it does not.
    """
    deadline = time.monotonic() + limit
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as made:
            end = context.wrap_socket(made) if secure else made
            end.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            if b" 200 " in end.recv(100):
                return
        time.sleep(0.05)
    raise SystemExit(f"{who} does not answer on port {port}")


def missing(proxies: dict[str, Proxy], door: str) -> list[str]:
    """Say who has no such door."""
    what = {PLAIN: "HTTP", SECURE: "TLS", RAW: "a TCP relay"}[door]
    return [
        f"{name} is left out of {what}, which it does not have"
        for name, proxy in proxies.items()
        if door not in proxy.ports
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _certificate(folder: Path) -> Path:
    """Make a key of today's usual kind (P-256) and a certificate for it, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        raise SystemExit("openssl makes the certificate: install it with  apt-get install openssl  (as root)")
    key, cert, both = folder / "key.pem", folder / "cert.pem", folder / "both.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    return both
