"""Mainstay under test: `mainstay up` with the plainest system file that has the three instances.

Twice: once it runs them itself, and once it is given their addresses, as a proxy is, and the benchmark starts what died
again. The second is the fair comparison with the peers; the first is what users of Mainstay have.
"""

import contextlib
import http.client
import json
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.program import spawn
from benchmarks.survival.instances import COUNT, SHOP, Herd, Instances, node
from benchmarks.survival.system import Site, System

NAME = "mainstay"
PROXY = "addresses"
_PATIENCE = 30.0
_FILE = """\
name: survival
zones: [a, b]
services:
  web:
{instances}
    listen: http://127.0.0.1:{port}
    idempotency: service
    health: {{ path: /healthz }}
    timeouts: {{ idle: {idle}s }}
{extra}"""
_RUN = """\
    command: [{node}, {shop}]
    instances: {count}
    env: {env}"""
_REACH = """\
    addresses: [{addresses}]"""


class Ours(System):
    """Mainstay, with instances that it runs itself."""

    reloads = workers = True

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._turn = 0
        self._rundir = site.folder / ".mainstay"
        self.instances = self._made()

    def start(self) -> None:
        self.instances.start()
        self._write()
        program = str(Path(sys.executable).with_name("mainstay"))
        self.process = spawn([program, "up"], self.site.folder, self.site.cores)
        self._until_up()
        self.instances.all_there()

    def reload(self) -> None:
        self._turn += 1
        self._write()
        self._ask("POST", "/v1/reload")

    def worker(self) -> int:
        workers: list[dict[str, int]] = self._ask("GET", "/v1/status")["workers"]
        return max(workers, key=lambda worker: worker["clients"])["pid"]

    def roll(self) -> None:
        self._ask("POST", "/v1/services/web/restart")

    def told(self) -> list[dict[str, object]]:
        facts: list[dict[str, object]] = self._ask("GET", "/v1/facts")["facts"]
        return facts

    def close(self) -> None:
        # What is stopped would be waited for.
        for name in self.instances.names:
            with contextlib.suppress(OSError):  # it has never been there, or is no more
                self.instances.signal(name, signal.SIGCONT)
        super().close()

    def _made(self) -> Instances:
        return Instances(self.site.folder, work=self.site.work, capacity=self.site.capacity)

    def _way(self) -> str:
        return _RUN.format(
            node=json.dumps(node()),
            shop=json.dumps(str(SHOP)),
            count=COUNT,
            env=json.dumps(self.instances.env),
        )

    def _write(self) -> None:
        text = _FILE.format(
            instances=self._way(), port=self.site.port, idle=60 + self._turn, extra=self.site.extra
        )
        (self.site.folder / "mainstay.yaml").write_text(text)

    def _until_up(self) -> None:
        log, deadline = self.site.folder / "log", time.monotonic() + _PATIENCE
        while b"is up" not in log.read_bytes():
            if time.monotonic() > deadline or self.process is None or self.process.poll() is not None:
                raise SystemExit(f"mainstay does not come up: {log.read_text()}")
            time.sleep(0.02)

    def _ask(self, method: str, path: str) -> dict[str, Any]:
        connection = http.client.HTTPConnection("mainstay", timeout=_PATIENCE)
        with contextlib.closing(connection), socket.socket(socket.AF_UNIX) as line:
            line.settimeout(_PATIENCE)
            line.connect(str(self._rundir / "control.sock"))
            connection.sock = line
            connection.request(method, path)
            said: dict[str, Any] = json.loads(connection.getresponse().read())
        if "error" in said:
            raise SystemExit(f"mainstay refuses {path}: {said['error']}")
        return said


class Reached(Ours):
    """Mainstay, with addresses of instances that the benchmark runs."""

    instances: Herd

    def roll(self) -> None:
        roll(self.instances)

    def _made(self) -> Herd:
        return herd(self.site)

    def _way(self) -> str:
        return _REACH.format(addresses=", ".join(f"http://127.0.0.1:{port}" for port in self.site.instances))


def herd(site: Site) -> Herd:
    """Run the instances for who cannot."""
    return Herd(site.folder, site.instances, cores=site.cores, work=site.work, capacity=site.capacity)


def roll(instances: Herd, pause: float = 1.0) -> None:
    """Replace one after another, a second apart: what a script does that knows nothing of the proxy."""
    for name in instances.names:
        begun = time.monotonic()
        instances.replace(name)
        time.sleep(max(0.0, begun + pause - time.monotonic()))
