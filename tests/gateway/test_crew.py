"""A real crew with real workers."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys

import pytest

from mainstay.base.clock import SystemClock
from mainstay.base.errors import EnvironmentProblem
from mainstay.gateway.crew import Crew
from mainstay.gateway.table import Door, Row, Rule, Settings, Table
from mainstay.supervisor.process import Process


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as held:
        return held.getsockname()[1]


class Stage:
    """One origin, one folder, and the crews that follow one another in it."""

    def __init__(self, folder, origin):
        self.folder = folder
        self.port = free_port()
        self.processes = {}
        self.facts = []
        self.row = Row(service="web", instance="web-1", generation=1, host="127.0.0.1", port=origin.port)

    def spawn(self, number, listeners):
        argv = [sys.executable, "-m", "mainstay.gateway.worker", "--number", str(number)]
        argv += ["--link", str(self.folder / "door"), "--listeners", json.dumps(listeners)]
        process = Process.spawn(
            argv,
            cwd=self.folder,
            env=dict(os.environ),
            log=self.folder / f"{number}.log",
            pass_fds=tuple(listeners.values()),
        )
        self.processes[number] = process
        return process

    def crew(self, size=2):
        door = self.folder / "door"
        with contextlib.suppress(FileNotFoundError):
            door.unlink()
        bound = socket.socket(socket.AF_UNIX)
        bound.bind(str(door))
        return Crew(
            size=size,
            listeners={"web": ("127.0.0.1", self.port)},
            keys={"web": "services.web.listen"},
            door=bound,
            spawn=self.spawn,
            emit=lambda fact: self.facts.append(type(fact).__name__),
            clock=SystemClock(),
            on_fact=lambda fact: None,
            changed=lambda: None,
        )

    def table(self, version=1, **row):
        fields = {name: getattr(self.row, name) for name in Row.__slots__} | row
        return Table(
            version=version,
            doors={"web": Door(rules=[Rule(service="web")])},
            services={"web": Settings(health=None)},
            rows=[Row(**fields)],
            drain=2.0,
        )

    async def open(self, size=2):
        crew = self.crew(size)
        await crew.open(self.table(), {})
        crew.bind()
        await crew.start()
        return crew

    async def ask(self):
        """Ask on a new connection; a refused one is an error, one that ends without an answer is None."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            said = await reader.read()
        except ConnectionResetError:
            return None
        finally:
            writer.close()
        return int(said.split(b" ")[1]) if said else None


@pytest.fixture
async def stage(rig, tmp_path):
    made = Stage(tmp_path, await rig.up())
    yield made
    for process in made.processes.values():
        if process.exited is not None and not process.exited.done():
            process.signal(signal.SIGKILL)
            await process.wait()


async def test_a_worker_that_is_killed_is_replaced_and_no_connection_is_refused(rig, stage):
    crew = await stage.open()
    first = stage.processes[1]
    said = []

    async def keep_asking():
        while True:
            said.append(await stage.ask())

    asking = asyncio.ensure_future(keep_asking())
    await rig.until(lambda: len(said) > 20)
    first.signal(signal.SIGKILL)
    await rig.until(
        lambda: 1 in crew.members and crew.members[1].ready.is_set() and crew.members[1].process is not first
    )
    count = len(said)
    await rig.until(lambda: len(said) > count + 20)
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking

    # Only what the killed worker was working on may have ended without an answer.
    assert said.count(200) >= len(said) - 1
    assert stage.facts.count("WorkerExited") == 1
    await crew.stop(2.0)
    assert all(process.exited.done() for process in stage.processes.values())


async def test_a_new_crew_adopts_the_same_workers_which_served_all_the_while(rig, stage):
    before = await stage.open()
    pids = {number: process.pid for number, process in stage.processes.items()}
    known = {number: (process.pid, process.started) for number, process in stage.processes.items()}
    await before.abandon()

    assert await stage.ask() == 200
    after = stage.crew()
    stage.processes = {number: Process.adopt(*life) for number, life in known.items()}
    await after.open(stage.table(version=2), stage.processes)
    after.bind()
    await after.start()

    assert {number: member.process.pid for number, member in after.members.items()} == pids
    assert await stage.ask() == 200
    await rig.until(lambda: all(member.version == 2 for member in after.members.values()))
    await rig.until(lambda: after.tally.service("web")["requests"] == 2)
    await after.stop(2.0)


async def test_the_crew_counts_what_workers_counted_to_their_last(rig, stage):
    crew = await stage.open()
    for _ in range(10):
        assert await stage.ask() == 200

    await crew.stop(2.0)

    assert crew.tally.service("web")["requests"] == 10


async def test_what_a_worker_counted_that_no_longer_fits_is_kept(rig, stage):
    before = await stage.open()
    for _ in range(10):
        assert await stage.ask() == 200
    known = {number: (process.pid, process.started) for number, process in stage.processes.items()}
    await before.abandon()

    after = stage.crew(size=1)
    stage.processes = {number: Process.adopt(*life) for number, life in known.items()}
    await after.open(stage.table(version=2), stage.processes)
    after.bind()
    await after.start()

    assert list(after.members) == [1]
    assert after.tally.service("web")["requests"] == 10
    await after.stop(2.0)
    assert after.tally.totals("web").sums["requests"] == 10


async def test_drained_waits_for_every_worker(rig, stage):
    crew = await stage.open()
    gate = asyncio.Event()

    async def answer(request):
        await gate.wait()
        return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    rig.origins[0].answer = answer
    asking = asyncio.ensure_future(stage.ask())
    await rig.until(lambda: rig.origins[0].requests)

    crew.publish(stage.table(version=2, state="draining"))
    assert not await crew.drained(("web", "web-1", 1), 0.2)
    waiting = asyncio.ensure_future(crew.drained(("web", "web-1", 1), 5.0))
    gate.set()

    assert await waiting
    assert await asking == 200
    await crew.stop(2.0)


async def test_an_address_in_use_is_told(rig, stage):
    with socket.create_server(("127.0.0.1", stage.port)):
        crew = stage.crew()
        await crew.open(stage.table(), {})
        with pytest.raises(EnvironmentProblem, match=r"services.web.listen: cannot listen on 127.0.0.1:\d+"):
            crew.bind()
        await crew.stop(1.0)
