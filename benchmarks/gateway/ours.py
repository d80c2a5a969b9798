"""Mainstay as a proxy under test: `mainstay up` with a system file, as a user runs it, supervisor and all."""

import sys
import time
from pathlib import Path

from benchmarks.gateway.proxy import Place, Proxy
from benchmarks.program import spawn

NAME = "mainstay"
COMPILED = "compiled"
"""The same with its hot files compiled, if `make compiled` has been."""
_PATIENCE = 30.0
CONFIG = """\
name: bench
gateway: {{ workers: {workers}, admin: http://127.0.0.1:{admin} }}
services:
  web:
    addresses: [{origins}]
    host: client
    listen: http://127.0.0.1:{plain}
    health: {{ path: /, every: 1s, timeout: 500ms }}
    timeouts: {{ connect: 500ms, attempt: 2s, request: 10s }}
  secure:
    addresses: [{origins}]
    host: client
    listen: https://127.0.0.1:{secure}
    tls: {{ cert: {cert}, key: {cert} }}
    health: {{ path: /, every: 1s, timeout: 500ms }}
    timeouts: {{ connect: 500ms, attempt: 2s, request: 10s }}
  raw:
    addresses: [{relayed}]
    listen: tcp://127.0.0.1:{raw}
    health: {{ every: 1s, timeout: 500ms }}
    timeouts: {{ connect: 500ms }}
"""
DOORS = ("plain", "secure", "raw")


def found() -> dict[str, str]:
    """Give the builds of Mainstay that there are, with their programs."""
    programs = {NAME: str(Path(sys.executable).with_name("mainstay"))}
    compiled = Path(__file__).parents[2] / ".venv-compiled" / "bin" / "mainstay"
    return programs | ({COMPILED: str(compiled)} if compiled.exists() else {})


def start(name: str, program: str, place: Place, *, workers: int = 1) -> Proxy:
    """Start Mainstay in front of the origins; retries, breakers and metrics are on by default."""
    place.folder.mkdir()
    file = place.folder / "mainstay.yaml"
    file.write_text(
        CONFIG.format(
            workers=workers,
            admin=place.admin,
            origins=", ".join(f"http://127.0.0.1:{o}" for o in place.origins),
            relayed=", ".join(f"tcp://127.0.0.1:{o}" for o in place.origins),
            cert=place.cert,
            plain=place.plain,
            secure=place.secure,
            raw=place.raw,
        )
    )
    proxy = Proxy(
        name,
        {door: getattr(place, door) for door in DOORS},
        [spawn([program, "up"], place.folder, place.cores)],
    )
    # One worker answers before the other is there.
    deadline = time.monotonic() + _PATIENCE
    while b"is up" not in (place.folder / "log").read_bytes():
        if time.monotonic() > deadline:
            proxy.close()
            raise SystemExit(f"mainstay does not come up; see {place.folder / 'log'}")
        time.sleep(0.02)
    return proxy
