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
from mainstay.base.errors import EnvironmentProblem, MainstayError
from mainstay.gateway.crew.crew import Crew
from mainstay.gateway.crew.member import Member
from mainstay.gateway.fault import leases as lease_module
from mainstay.gateway.fault.leases import Leases
from mainstay.gateway.fault.spec import FaultProblem, Target
from mainstay.gateway.table import Door, Row, Rule, Settings, Table
from mainstay.supervisor.process import Process
from ports import free_port

LOCAL = "127.0.0.1"


class Caller:
    """A client with a connection that it keeps."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    async def ask(self):
        """Ask, and give status and whether the answer says that it is the last one here."""
        self.writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        head = await self.reader.readuntil(b"\r\n\r\n")
        assert await self.reader.readexactly(2) == b"ok"
        return int(head.split(b" ")[1]), b"\r\nConnection: close\r\n" in head

    async def ended(self):
        return await self.reader.read() == b""

    def close(self):
        self.writer.close()


class Stage:
    """One origin, one folder, and the crews that follow one another in it."""

    def __init__(self, folder, origin):
        self.folder = folder
        self.port = free_port()
        self.program = "mainstay.gateway.worker"
        self.processes = []
        self.callers = []
        self.facts = []
        self.row = Row(service="web", instance="web-1", generation=1, host=LOCAL, port=origin.port)

    def spawn(self, number, listeners):
        argv = [sys.executable, "-m", self.program, "--number", str(number)]
        argv += ["--link", str(self.folder / "door"), "--listeners", json.dumps(listeners)]
        process = Process.spawn(
            argv,
            cwd=self.folder,
            env=dict(os.environ),
            log=self.folder / f"{number}.log",
            pass_fds=tuple(listeners.values()),
        )
        self.processes.append(process)
        return process

    def door(self):
        door = self.folder / "door"
        with contextlib.suppress(FileNotFoundError):
            door.unlink()
        bound = socket.socket(socket.AF_UNIX)
        bound.bind(str(door))
        return bound

    def crew(self):
        return Crew(
            door=self.door(),
            spawn=self.spawn,
            emit=lambda fact: self.facts.append(type(fact).__name__),
            clock=SystemClock(),
            on_fact=lambda fact: None,
            changed=lambda: None,
        )

    def table(self, version=1, places=(), **row):
        fields = {name: getattr(self.row, name) for name in Row.__slots__} | row
        places = places or [f"{LOCAL}:{self.port}"]
        return Table(
            version=version,
            doors={place: Door(rules=[Rule(service="web")]) for place in places},
            services={"web": Settings(health=None)},
            rows=[Row(**fields)],
            drain=2.0,
            linger=10.0,
        )

    async def open(self, size=2):
        crew = self.crew()
        await crew.open([])
        self.reserve(crew, self.port)
        await crew.start(size, self.table())
        return crew

    def reserve(self, crew, *ports, host=LOCAL):
        crew.sockets.reserve({f"services.web{port}.listen": (host, port) for port in ports})

    async def adopting(self, before):
        """Let another crew follow this one, as far as hearing the workers' hellos."""
        known = [(one.number, one.process.pid, one.process.started, one.leaving) for one in before.all()]
        await before.abandon()
        after = self.crew()
        adopted = []
        for number, pid, started, leaving in known:
            process = Process.adopt(pid, started)
            self.processes.append(process)
            adopted.append(Member(number, process, 0.0, leaving=leaving))
        await after.open(adopted)
        return after

    async def adopt(self, before, size=2):
        after = await self.adopting(before)
        self.reserve(after, self.port)
        await after.start(size, self.table(version=2))
        return after

    async def caller(self, port=None):
        caller = Caller(*await asyncio.open_connection(LOCAL, port or self.port))
        self.callers.append(caller)
        return caller

    async def ask(self, port=None):
        """Ask on a new connection; a refused one is an error, one that ends without an answer is None."""
        reader, writer = await asyncio.open_connection(LOCAL, port or self.port)
        try:
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            said = await reader.read()
        except ConnectionResetError:
            return None
        finally:
            writer.close()
        return int(said.split(b" ")[1]) if said else None

    @contextlib.asynccontextmanager
    async def asked_all_the_while(self, said):
        """Ask on new connections, one after the other, as long as the block lasts."""

        async def keep_asking():
            while True:
                said.append(await self.ask())

        asking = asyncio.ensure_future(keep_asking())
        try:
            yield
        finally:
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking

    async def close(self):
        for caller in self.callers:
            caller.close()
        for process in self.processes:
            if process.signal(signal.SIGKILL) and not process.exited.done():
                await process.wait()
        for process in self.processes:
            end(process.pid)


def end(pid):
    """Kill a child that a crew has let go of."""
    with contextlib.suppress(ChildProcessError):
        if os.waitpid(pid, os.WNOHANG) == (0, 0):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def pids(crew):
    return {number: member.process.pid for number, member in crew.members.items()}


@pytest.fixture
async def stage(rig, tmp_path):
    made = Stage(tmp_path, await rig.up())
    yield made
    await made.close()


async def test_a_worker_that_is_killed_is_replaced_and_no_connection_is_refused(rig, stage):
    crew = await stage.open()
    first = crew.members[1].process
    said = []

    async with stage.asked_all_the_while(said):
        await rig.until(lambda: len(said) > 20)
        first.signal(signal.SIGKILL)
        await rig.until(
            lambda: (
                1 in crew.members and crew.members[1].ready.is_set() and crew.members[1].process is not first
            )
        )
        count = len(said)
        await rig.until(lambda: len(said) > count + 20)

    # Only what the killed worker was working on may have ended without an answer.
    assert said.count(200) >= len(said) - 1
    assert stage.facts.count("WorkerExited") == 1
    await crew.stop(2.0)
    assert all(process.exited.done() for process in stage.processes)


async def test_when_nobody_finds_its_door_any_more_workers_come_to_another_one(rig, stage):
    crew = await stage.open()
    former = pids(crew)
    (stage.folder / "door").unlink()
    crew.members[1].process.signal(signal.SIGKILL)
    await rig.until(lambda: pids(crew) != former and len(crew.members) == 2, 20.0)

    await crew.move(stage.door())
    await rig.until(lambda: all(one.version for one in crew.members.values()), 20.0)

    assert await stage.ask() == 200
    await crew.stop(1.0)


async def test_a_new_crew_adopts_the_same_workers_which_served_all_the_while(rig, stage):
    before = await stage.open()
    known = pids(before)

    after = await stage.adopting(before)
    assert await stage.ask() == 200
    stage.reserve(after, stage.port)
    await after.start(2, stage.table(version=2))

    assert pids(after) == known
    assert await stage.ask() == 200
    assert all(member.version == 2 for member in after.members.values())
    await rig.until(lambda: after.tally.service("web")["requests"] == 2)
    await after.stop(2.0)


async def test_workers_hear_nothing_from_a_new_crew_that_cannot_listen_where_it_is_to(rig, stage):
    before = await stage.open()

    after = await stage.adopting(before)
    with socket.create_server((LOCAL, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EnvironmentProblem, match=f"services.web{port}.listen: cannot listen"):
            stage.reserve(after, port)
    members = after.all()
    await after.abandon()

    assert [member.version for member in members] == [0, 0]
    assert await stage.ask() == 200


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

    after = await stage.adopt(before, size=1)

    assert list(after.members) == [1]
    await rig.until(lambda: after.tally.service("web")["requests"] == 10)
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
    await crew.renew()
    assert not await crew.drained(("web", "web-1", 1), 0.2)
    waiting = asyncio.ensure_future(crew.drained(("web", "web-1", 1), 5.0))
    gate.set()

    assert await waiting
    assert await asking == 200
    await crew.stop(2.0)


async def test_addresses_in_use_are_told_all_at_once_and_nothing_is_reserved(rig, stage):
    crew = stage.crew()
    await crew.open([])
    free = free_port()

    with socket.create_server((LOCAL, stage.port)), socket.create_server((LOCAL, 0)) as other:
        ports = (stage.port, free, other.getsockname()[1])
        with pytest.raises(EnvironmentProblem) as told:
            stage.reserve(crew, *ports)

    assert [line.split(":")[0] for line in str(told.value).splitlines()] == [
        f"services.web{port}.listen" for port in ports if port != free
    ]
    with socket.create_server((LOCAL, free)):
        await crew.stop(1.0)


async def test_an_address_that_somebody_took_after_it_was_reserved_is_told(rig, stage):
    crew = stage.crew()
    await crew.open([])
    stage.reserve(crew, stage.port)

    with socket.create_server((LOCAL, stage.port)):
        with pytest.raises(
            EnvironmentProblem, match=f"cannot listen on {LOCAL}:{stage.port}: address already"
        ):
            crew.sockets.listen([f"{LOCAL}:{stage.port}"])
        await crew.stop(1.0)


# --- other listeners while it runs ---


async def test_workers_get_a_listener_that_comes_and_lose_one_that_goes_and_clients_stay(rig, stage):
    crew = await stage.open()
    known, other = pids(crew), free_port()
    caller = await stage.caller()
    assert await caller.ask() == (200, False)

    stage.reserve(crew, other)
    with pytest.raises(ConnectionRefusedError):
        await stage.ask(other)
    crew.sockets.listen([f"{LOCAL}:{other}"])
    await crew.route(stage.table(version=2, places=[f"{LOCAL}:{other}"]))

    assert pids(crew) == known
    assert await stage.ask(other) == 200
    with pytest.raises(ConnectionRefusedError):
        await stage.ask()
    assert await caller.ask() == (200, True)
    assert await caller.ended()
    await crew.stop(2.0)


async def test_a_new_worker_has_the_listeners_that_came_while_it_was_away(rig, stage):
    crew = await stage.open(size=1)
    other = free_port()
    stage.reserve(crew, other)
    both = [f"{LOCAL}:{stage.port}", f"{LOCAL}:{other}"]
    crew.sockets.listen(both)
    await crew.route(stage.table(version=2, places=both))

    crew.members[1].process.signal(signal.SIGKILL)

    assert await stage.ask(other) == 200
    assert await stage.ask() == 200
    await crew.stop(2.0)


async def test_a_crew_that_adopts_may_listen_elsewhere_with_the_same_workers(rig, stage):
    before = await stage.open()
    known, other = pids(before), free_port()

    after = await stage.adopting(before)
    stage.reserve(after, other)
    await after.start(2, stage.table(version=2, places=[f"{LOCAL}:{other}"]))

    assert pids(after) == known
    assert await stage.ask(other) == 200
    with pytest.raises(ConnectionRefusedError):
        await stage.ask()
    await after.stop(2.0)


async def test_from_one_address_to_all_of_them_on_the_same_port_nobody_is_turned_away(rig, stage):
    crew = await stage.open()
    said = []

    async with stage.asked_all_the_while(said):
        await rig.until(lambda: len(said) > 20)
        stage.reserve(crew, stage.port, host="0.0.0.0")
        everywhere = f"0.0.0.0:{stage.port}"
        crew.sockets.listen([everywhere])
        await crew.route(stage.table(version=2, places=[everywhere]))
        count = len(said)
        await rig.until(lambda: len(said) > count + 20)

    assert set(said) == {200}
    assert list(crew.sockets.held) == [everywhere]
    await crew.stop(2.0)


async def test_a_listener_that_was_being_closed_when_its_crew_was_killed_is_open_again(rig, stage):
    before = await stage.open()
    await before.sockets.hush([f"{LOCAL}:{stage.port}"])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stage.ask(), 0.3)

    after = await stage.adopt(before)

    assert await asyncio.wait_for(stage.ask(), 5.0) == 200
    await after.stop(2.0)


# --- other workers while it runs ---


async def test_renewed_every_worker_is_another_and_who_is_connected_has_one_more_answer(rig, stage):
    crew = await stage.open()
    known, said = pids(crew), []
    callers = [await stage.caller() for _ in range(6)]
    for caller in callers:
        assert await caller.ask() == (200, False)

    async with stage.asked_all_the_while(said):
        await crew.renew()
        count = len(said)
        await rig.until(lambda: len(said) > count + 20)
    late = [await caller.ask() for caller in callers[:5]]
    ended = [await caller.ended() for caller in callers[:5]]
    callers[5].close()
    await rig.until(lambda: not crew.leaving)

    assert set(said) == {200}
    assert not set(pids(crew).values()) & set(known.values())
    assert sorted(pids(crew)) == [1, 2]
    assert set(late) == {(200, True)}
    assert all(ended)
    assert stage.facts.count("WorkerStopped") == 2
    assert stage.facts.count("WorkerExited") == 0
    await rig.until(lambda: crew.tally.service("web")["requests"] >= 11 + len(said))
    await crew.stop(2.0)


async def test_when_the_new_one_does_not_come_to_serve_the_old_one_goes_on(rig, stage):
    crew = await stage.open()
    known = pids(crew)
    stage.program = "mainstay.no_such_program"

    with pytest.raises(EnvironmentProblem, match="gateway worker 1 ended at once; its log tells why"):
        await crew.renew()
    stage.program = "mainstay.gateway.worker"

    assert pids(crew) == known
    assert crew.leaving == []
    assert await stage.ask() == 200
    await crew.stop(2.0)


async def test_a_worker_that_is_told_to_end_does_so_when_another_has_its_place(rig, stage):
    crew = await stage.open(size=1)
    old, said = crew.members[1].process, []
    caller = await stage.caller()
    assert await caller.ask() == (200, False)

    async with stage.asked_all_the_while(said):
        os.kill(old.pid, signal.SIGTERM)
        await rig.until(lambda: crew.members[1].process is not old and crew.members[1].ready.is_set())
        count = len(said)
        await rig.until(lambda: len(said) > count + 20)

    assert set(said) == {200}
    assert await caller.ask() == (200, True)
    await rig.until(old.exited.done)
    assert not crew.leaving
    await crew.stop(2.0)


async def test_with_fewer_workers_who_is_too_many_finishes_and_with_more_they_come(rig, stage):
    crew = await stage.open(size=2)
    callers = [await stage.caller() for _ in range(6)]
    for caller in callers:
        assert await caller.ask() == (200, False)

    await crew.resize(1)
    one = [await caller.ask() for caller in callers]
    await rig.until(lambda: not crew.leaving)
    await crew.resize(3)

    assert {status for status, _ in one} == {200}
    assert sorted(crew.members) == [1, 2, 3]
    assert all(member.ready.is_set() for member in crew.members.values())
    assert await stage.ask() == 200
    await crew.stop(2.0)


async def test_a_worker_that_leaves_is_adopted_as_one_that_leaves(rig, stage):
    before = await stage.open(size=1)
    caller = await stage.caller()
    assert await caller.ask() == (200, False)
    await before.renew()
    (leaving,) = [member.process.pid for member in before.leaving]
    serving = pids(before)

    after = await stage.adopt(before, size=1)

    assert [member.process.pid for member in after.leaving] == [leaving]
    assert pids(after) == serving
    assert await caller.ask() == (200, True)
    await rig.until(lambda: not after.leaving)
    await after.stop(2.0)


async def test_of_two_in_one_place_after_a_crash_the_younger_goes_on(rig, stage):
    before = await stage.open(size=1)
    await before.renew()
    known = pids(before)
    for member in before.leaving:
        member.leaving = False
    members = before.all()
    before.members, before.leaving = {}, sorted(members, key=lambda one: one.process.started)
    after = await stage.adopt(before, size=1)

    assert pids(after) == known
    await rig.until(lambda: not after.leaving)
    await after.stop(2.0)


# --- faults ---

BROKEN = {"fault": "errors", "service": "web", "lease": 20}


def leases_of(stage, crew):
    return Leases(
        crew,
        lambda: {"web": Target({"web-1": LOCAL})},
        lambda fact: stage.facts.append((type(fact).__name__, getattr(fact, "reason", None))),
        SystemClock(),
    )


async def test_a_fault_is_with_every_worker_when_it_has_begun_and_with_none_when_it_has_ended(rig, stage):
    crew = await stage.open()
    leases = leases_of(stage, crew)

    began = await leases.begin(BROKEN)
    broken = [await stage.ask() for _ in range(10)]
    shown = leases.active()
    ended = await leases.end(began["id"])
    again = await leases.end(began["id"])

    assert broken == [503] * 10
    assert [await stage.ask() for _ in range(10)] == [200] * 10
    assert began["confirmed"]
    assert began["instances"] == ["web-1"]
    assert shown[0]["id"] == began["id"]
    assert 15 < shown[0]["ends_in"] <= 20
    # Each was tried again, at the one instance that there is.
    assert ended["acted"] >= 10
    assert (ended["ended"], ended["checks"], ended["ends_in"]) == ("ended", 0, 0.0)
    assert again["acted"] == ended["acted"]
    assert leases.active() == []
    assert [fact for fact in stage.facts if fact[0].startswith("Fault")] == [
        ("FaultBegan", None),
        ("FaultEnded", "ended"),
    ]
    await crew.stop(2.0)


async def test_a_fault_that_nobody_renews_ends_with_its_lease(rig, stage):
    crew = await stage.open(1)
    leases = leases_of(stage, crew)

    began = await leases.begin(BROKEN | {"lease": 1})
    await rig.until(lambda: not leases.active())

    await rig.until(lambda: crew.members[1].heeded == 2)
    assert await stage.ask() == 200
    assert ("FaultEnded", "lease over") in stage.facts
    with pytest.raises(MainstayError, match="is over: lease over"):
        await leases.renew(began["id"])
    await crew.stop(2.0)


async def test_a_lease_that_is_renewed_is_counted_from_then_on(rig, stage):
    crew = await stage.open(1)
    leases = leases_of(stage, crew)
    began = await leases.begin(BROKEN | {"lease": 2})

    renewed = await leases.renew(began["id"], 30)

    assert renewed["confirmed"]
    assert renewed["ends_in"] > 20
    with pytest.raises(FaultProblem, match="lease must be a number from 1 to 60"):
        await leases.renew(began["id"], 90)
    with pytest.raises(FaultProblem, match="no fault 'f-0'; active: " + began["id"]):
        await leases.end("f-0")
    assert [one["ended"] for one in await leases.end_all()] == ["all ended"]
    assert await stage.ask() == 200
    await crew.stop(2.0)


async def test_a_worker_that_is_new_has_the_faults_that_there_are(rig, stage):
    crew = await stage.open(1)
    leases = leases_of(stage, crew)
    began = await leases.begin(BROKEN)
    await stage.ask()
    first = crew.members[1].process

    await crew.renew()
    await rig.until(first.exited.done)

    assert await stage.ask() == 503
    # What the former one has counted is kept.
    assert (await leases.end(began["id"]))["acted"] >= 2
    await crew.stop(2.0)


async def test_a_worker_whose_supervisor_is_gone_ends_a_fault_by_itself(rig, stage):
    crew = await stage.open(1)
    leases = leases_of(stage, crew)
    await leases.begin(BROKEN | {"lease": 1})
    leases.close()

    await crew.abandon()
    answers = [await stage.ask()]
    while answers[-1] != 200:
        answers.append(await stage.ask())

    assert answers[0] == 503


async def test_a_supervisor_that_takes_workers_over_ends_faults_that_it_does_not_know(rig, stage):
    before = await stage.open(1)
    leases = leases_of(stage, before)
    await leases.begin(BROKEN | {"lease": 60})
    leases.close()

    after = await stage.adopt(before, 1)
    new = leases_of(stage, after)
    await new.begin({"fault": "latency", "delay": 0.001, "service": "web"})

    assert await stage.ask() == 200
    await new.end_all()
    await after.stop(2.0)


async def test_a_worker_that_stands_still_has_not_confirmed_a_fault(rig, stage, monkeypatch):
    monkeypatch.setattr(lease_module, "_HEED", 0.1)
    crew = await stage.open(1)
    leases = leases_of(stage, crew)
    crew.members[1].process.signal(signal.SIGSTOP)

    began = await leases.begin(BROKEN)

    crew.members[1].process.signal(signal.SIGCONT)
    assert not began["confirmed"]
    await leases.end_all()
    await crew.stop(2.0)
