import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from mainstay.base.clock import SystemClock
from mainstay.base.dice import Dice
from mainstay.base.probe import ProbeResult
from mainstay.supervisor import procfs
from mainstay.supervisor.rundir import RunDir
from mainstay.supervisor.state import State
from mainstay.supervisor.supervisor import Supervisor
from mainstay.system.schema import System

# Without site packages Python starts in a third of the time.
PYTHON = [sys.executable, "-I", "-S", "-u", "-c"]

SERVER = """
import os, signal, socket, sys
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
print("listening", flush=True)
while True:
    connection, _ = listener.accept()
    connection.close()
"""

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVER


@pytest.fixture(autouse=True)
def nothing_is_left_behind(tmp_path):
    before = _open_files()

    yield

    left = psutil.Process().children(recursive=True)
    marked = [pid for pid in procfs.pids() if _is_of(pid, tmp_path)]
    for child in left:
        child.kill()
        child.wait()
    for pid in marked:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert left == []
    assert marked == []
    assert _open_files() <= before


def _open_files():
    """Count the pidfds, port claims and files of run directories that this process holds."""
    links = [_link(fd) for fd in Path("/proc/self/fd").iterdir()]
    claims = {
        f"socket:[{line.split()[6]}]"
        for line in Path("/proc/net/unix").read_text(encoding="utf-8").splitlines()
        if "@mainstay-port-" in line
    }
    return sum("pidfd" in link or ".mainstay" in link or link in claims for link in links)


def _link(fd):
    try:
        return str(fd.readlink())
    except FileNotFoundError:
        return ""


def _is_of(pid, folder):
    values = procfs.environ(pid).get("MAINSTAY_OWNER", "")
    now = procfs.stat(pid)
    return values.startswith(str(folder)) and now is not None and now.alive


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "system"
    path.mkdir()
    return path


@pytest.fixture
def rundir(folder):
    rundir = RunDir(folder / ".mainstay")
    rundir.take()
    yield rundir
    rundir.release()


class FakeGate:
    """Traffic that is drained whenever the test says so; by default at once."""

    def __init__(self):
        self.supervisor: Supervisor | None = None
        self.published: list[list[tuple[str, int, str]]] = []
        self.asked: list[tuple[str, int, float]] = []
        self.empty = asyncio.Event()
        self.empty.set()
        self.on_publish = lambda: None
        self.counted = {}
        self.looks = 0

    def scores(self, service):
        self.looks += 1
        self.supervisor._context.wake()
        return self.counted

    def publish(self):
        lives = self.supervisor.rotation()
        self.published.append([(life.instance, life.generation, life.state) for life in lives])
        self.on_publish()

    async def drained(self, life, limit):
        self.asked.append((life.instance, life.generation, limit))
        self.supervisor._context.wake()
        await self.empty.wait()
        return True


class World:
    """A supervisor with all it needs, and the means to look at what it does."""

    def __init__(self, folder: Path, rundir: RunDir) -> None:
        self.folder = folder
        self.rundir = rundir
        self.gate = FakeGate()
        self.facts = []
        self.wrong = []
        self.probe = probe_port
        self.supervisor: Supervisor | None = None
        self.former: list[Supervisor] = []

    def system(self, services, **more):
        written = {"name": "shop", "services": services, **more}
        return System.model_validate(written, context={"file": self.folder / "mainstay.yaml"})

    def make(self, services, **more):
        state, trouble = State.load(self.rundir.state)
        self.state, self.trouble = state, trouble
        self.gate = FakeGate()
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: self.wrong.append(context))
        self.supervisor = self.gate.supervisor = Supervisor(
            self.system(services, **more),
            self.rundir,
            state,
            probe=self._ask,
            gate=self.gate,
            clock=SystemClock(),
            dice=Dice(1),
            emit=self.facts.append,
        )
        self.former.append(self.supervisor)
        return self.supervisor

    async def _ask(self, service, host, port):
        return await self.probe(service, host, port)

    async def until(self, holds):
        """Wait for something, looking again at each change that the supervisor makes."""
        async with asyncio.timeout(20):
            await self.supervisor._context.until(holds, to_the_end=True)

    def rows(self, **wanted):
        return [row for row in self.supervisor.status() if wanted.items() <= row.items()]

    def row(self, instance):
        nothing = dict.fromkeys(("state", "pid", "generation"))
        return next((row for row in self.supervisor.status() if row["instance"] == instance), nothing)

    def told(self, name):
        return [fact for fact in self.facts if type(fact).__name__ == name]

    def rotation(self):
        return [(life.instance, life.generation, life.state) for life in self.supervisor.rotation()]


async def probe_port(service, host, port):
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError as problem:
        return ProbeResult(ok=False, said=problem.strerror.lower(), seconds=0.0)
    writer.transport.abort()
    return ProbeResult(ok=True, said="HTTP 200", seconds=0.001)


@pytest.fixture
async def world(folder, rundir):
    world = World(folder, rundir)

    yield world

    for supervisor in world.former:
        async with asyncio.timeout(20):
            await supervisor.kill()
    assert world.wrong == []


@pytest.fixture
def server():
    """A service whose instances accept connections on their port."""

    def make(**more):
        return {
            "command": [*PYTHON, SERVER],
            "instances": 1,
            "listen": "http://127.0.0.1:18080",
            "stop_timeout": "5s",
            "health": {"every": "50ms"},
            **more,
        }

    return make


@pytest.fixture
def python():
    def make(source):
        return [*PYTHON, source]

    return make


@pytest.fixture
def stubborn():
    """A command that takes no notice of SIGTERM."""
    return [*PYTHON, STUBBORN]


@pytest.fixture
def ended():
    """Wait until the process of a pidfd has ended, whoever's child it is, and close that."""

    async def wait(fd):
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(fd, over.set)
        try:
            async with asyncio.timeout(10):
                await over.wait()
        finally:
            loop.remove_reader(fd)
            os.close(fd)

    return wait
