"""Processes that bear an instance's mark, and holders of faults."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mainstay.base.program import module
from mainstay.supervisor import procfs
from mainstay.supervisor.mark import INSTANCE, RUN_DIR

LIMIT = 20.0

ECHO = """
import socket, time
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    try:
        connection, _ = server.accept()
    except OSError:
        time.sleep(0.05)
        continue
    connection.sendall(b"here")
    connection.close()
"""
"""A service in its smallest form: takes a connection, and says that it is there."""


def until(holds: Callable[[], Any], what: str, limit: float = LIMIT) -> Any:
    """Wait until something holds, and give it."""
    end = time.monotonic() + limit
    while not (found := holds()):
        assert time.monotonic() < end, f"{what} did not happen within {limit} s"
        time.sleep(0.01)
    return found


GREEDY = ECHO.replace(
    'connection.sendall(b"here")',
    """try:
        bytearray(64 * 2**20)
    except MemoryError:
        connection.sendall(b"none")
    else:
        connection.sendall(b"here")""",
)
"""One that asks for memory each time."""


class Instance:
    """A process as the supervisor would have started it."""

    def __init__(self, run_dir: Path, name: str, code: str = ECHO, *, wait: bool = True) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            env={**os.environ, RUN_DIR: str(run_dir), INSTANCE: name},
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.pid = self.process.pid
        if wait:
            self.listening()

    def listening(self) -> None:
        assert self.process.stdout is not None
        # One that is killed at once never tells.
        self.port = int(self.process.stdout.readline() or 0)

    @property
    def letter(self) -> str:
        now = procfs.stat(self.pid)
        return now.letter if now is not None else "X"

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


class Holder:
    """A process that holds a fault."""

    def __init__(self, order: dict[str, Any], intent: Path, within: Sequence[str] = ()) -> None:
        self.intent = intent
        self.process = subprocess.Popen(
            [*within, *module("mainstay.drill.fault.hold"), json.dumps(order), str(intent)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        assert self.heard() == {"event": "ready"}
        self.renew()

    def heard(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        told: dict[str, Any] = json.loads(self.process.stdout.readline())
        return told

    def renew(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")

    def let_go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def instance(run_dir: Path) -> Iterator[Callable[..., Instance]]:
    made: list[Instance] = []

    def start(name: str, code: str = ECHO, *, wait: bool = True) -> Instance:
        made.append(Instance(run_dir, name, code, wait=wait))
        return made[-1]

    yield start
    for one in made:
        one.end()


@pytest.fixture
def holder(run_dir: Path, tmp_path: Path) -> Iterator[Callable[..., Holder]]:
    made: list[Holder] = []

    def hold(grip: str, *targets: str, within: Sequence[str] = (), **more: Any) -> Holder:
        order = {"fault": grip, "grip": grip, "run_dir": str(run_dir), "targets": targets} | more
        made.append(Holder(order, tmp_path / f"{len(made)}.json", within))
        return made[-1]

    yield hold
    for one in made:
        one.end()
