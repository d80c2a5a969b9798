"""One system that runs: its rooms put together, and whatever can be asked of it."""

import asyncio
import contextlib
import json
import os
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mainstay import __version__
from mainstay.base.clock import Clock, SystemClock
from mainstay.base.dice import Dice
from mainstay.base.errors import EnvironmentProblem, MainstayError, Refused
from mainstay.base.facts import (
    BreakerMoved,
    Fact,
    FaultUndone,
    InstanceEjected,
    ReloadFailed,
    SystemReloaded,
    Upgraded,
    UpgradeFailed,
    WorkerExited,
)
from mainstay.base.program import module
from mainstay.control.bookkeeper import Bookkeeper
from mainstay.control.extra import refuse_without
from mainstay.control.layout import access_log, addresses
from mainstay.control.lookout import Lookout
from mainstay.control.marks import MarkProblem
from mainstay.control.recent import Recent
from mainstay.control.traffic import Traffic, Turn
from mainstay.drill.fault.intent import undo_left
from mainstay.gateway import remote
from mainstay.gateway.crew.crew import Crew
from mainstay.gateway.crew.listening import bind
from mainstay.gateway.crew.member import Member
from mainstay.gateway.crew.place import BACKLOG
from mainstay.gateway.fault.leases import Leases
from mainstay.gateway.fault.spec import Target
from mainstay.gateway.table import LogSettings
from mainstay.gateway.tally import Tally
from mainstay.gateway.tls.keyring import Keyring
from mainstay.redundancy.canary import CanarySpec
from mainstay.supervisor.life import Life
from mainstay.supervisor.log import rotate
from mainstay.supervisor.mark import INSTANCE, RUN_DIR
from mainstay.supervisor.process import Process
from mainstay.supervisor.rundir import GATEWAY, RunDir
from mainstay.supervisor.state import State, WorkerRecord
from mainstay.supervisor.supervisor import Supervisor
from mainstay.supervisor.usage import Usage
from mainstay.system.difference import ADDED, REPLACED, Difference, difference
from mainstay.system.load import load
from mainstay.system.schema import System
from mainstay.tolerance.breaker import OPEN

STATUS_VERSION = 1
"""The version of the shape of `status`; it grows when a field changes its meaning or goes."""
_CHORES = 2.0
_LOOK_AT_FILE = 0.5
_SERVES = ("up", "suspect")
"""States in which an instance takes requests."""
_LOCAL = "127.0.0.1"
_OWN_LOG = 10 * 2**20
_OWN_LOGS_KEPT = 3

Tell = Callable[[dict[str, Any]], None]


def _nobody(fact: dict[str, Any]) -> None:
    del fact


class Control:
    """One running system."""

    def __init__(
        self, system: System, rundir: RunDir, *, tell: Tell = _nobody, clock: Clock | None = None
    ) -> None:
        """Be ready to run a system in a run directory that has been taken.

        Args:
            system: What to run.
            rundir: Where; taken by this process.
            tell: Takes every fact as plain values, for logs and terminals.
            clock: Tells the time.
        """
        self.phase = "starting"
        """`starting`, `running` or `stopping`."""
        self.admin: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()
        """The admin listener's socket, if there is one: from when the counts of workers that were taken over are
        known, so that nobody sees counters go back. It belongs to whoever serves it."""
        self.ejections: Counter[tuple[str, str]] = Counter()
        """How often workers have left out an instance, by service and instance."""
        self.breaker_openings: Counter[tuple[str, str]] = Counter()
        """How often a worker's circuit breaker for an instance opened, likewise."""
        self.reloads: Counter[str] = Counter()
        """How often the system file was taken up anew: `done`, and `failed`."""
        self.worker_exits: Counter[int] = Counter()
        """How often a gateway worker ended without having been asked to, by its number."""
        self._rundir = rundir
        self._tell = tell
        self._clock = clock or SystemClock()
        self._since = self._clock.wall()
        self.facts = Recent(f"{os.getpid()}.{self._since:.6f}")
        """The last of what it has told."""
        self._state, self.trouble = State.load(rundir.state)
        self._crew = Crew(
            door=rundir.bind_unix(GATEWAY),
            spawn=self._spawn_worker,
            emit=self._emit,
            clock=self._clock,
            on_fact=self._keep_fact,
            changed=self._workers_changed,
        )
        self._traffic = Traffic(
            system,
            crew=self._crew,
            keyring=Keyring(system, self._emit, self._clock),
            secret=self._state.secret,
            lives=self._lives,
            log=self._log,
            key_store=rundir.keys,
        )
        self._supervisor = Supervisor(
            system,
            rundir,
            self._state,
            probe=self._traffic.probe,
            gate=self._traffic,
            clock=self._clock,
            dice=Dice(f"{os.getpid()}/{self._since}"),
            emit=self._emit,
        )
        self.faults = Leases(self._crew, self._targets, self._emit, self._clock)
        """What goes wrong on purpose between the gateway and instances."""
        self._usage = Usage()
        self._heard: remote.Heard = {}
        self._chores: asyncio.Task[None] | None = None
        self._books = Bookkeeper(rundir.ledger, self._crew, self.rows, self._emit, self._clock)
        self._lookout = Lookout(rundir.ledger, lambda: self.system, self._emit, self._clock)

    @property
    def system(self) -> System:
        """What runs."""
        return self._traffic.system

    # --- life ---

    async def start(self, *, strict: bool = True) -> None:
        """Adopt what still runs, start what does not, and return when all of it is ready.

        Args:
            strict: What does not become ready fails the whole of a first start; otherwise it is tried again
                and again while the rest runs.

        Raises:
            EnvironmentProblem: something cannot be started; all that was started has been stopped again,
                and what a former supervisor had left running goes on as it was.
            CancelledError: told to end; so has all that ran.
        """
        if strict:
            _look_for_programs(self.system, self.system.services)
            refuse_without(self.system)
            self._try_log(self.system)
        if problems := self._traffic.keyring.open():
            raise EnvironmentProblem("\n".join(problems))
        taken_over = False
        admin: socket.socket | None = None
        try:
            taken_over = await self._take_over() > 0
            # Only now: a large ledger takes a while to be looked through, and what runs wants to be watched.
            await self._undo_drills()
            await self._books.open()
            self._books.begin()
            self._chores = asyncio.get_running_loop().create_task(self._do_chores())
            self._crew.sockets.reserve(addresses(self.system))
            admin = self._bind_admin()
            await self._crew.start(self.system.gateway.worker_count(), self._traffic.table())
            if admin is not None:
                self.admin.set_result(admin)
            await self._supervisor.start(strict=strict)
            if not taken_over:  # those workers have asked already
                self._heard = await remote.ask(self.system, self._traffic.probe)
        except BaseException as problem:
            if admin is not None and not self.admin.done():
                admin.close()
            # What was serving users before this start is not taken from them by its failure; but who ends it before
            # it is done wants all of it to end.
            ended = isinstance(problem, asyncio.CancelledError)
            goes_on = taken_over and not ended
            await (self.abandon() if goes_on else self.stop())
            raise
        self.phase = "running"
        # What dies in the next moment has served: to the ledger, too.
        self._books.look()
        self._lookout.begin()

    async def _undo_drills(self) -> None:
        """Undo what a drill that was killed has left broken."""
        done, left = await asyncio.to_thread(undo_left, self._rundir.path / "drills" / "faults")
        for what in done:
            self._emit(FaultUndone(at=self._clock.wall(), what=what, trouble=""))
        for what in left:
            self._emit(FaultUndone(at=self._clock.wall(), what=what, trouble="it could not be undone"))

    async def take_down(self) -> int:
        """Stop what a supervisor that was killed has left running, and give the number of processes."""
        self._traffic.keyring.open()
        count = await self._take_over()
        await self.stop()
        return count

    def _bind_admin(self) -> socket.socket | None:
        address = self.system.gateway.admin
        if address is None:
            return None
        made = bind((address.host, address.port), "gateway.admin")
        made.listen(BACKLOG)
        return made

    def _try_log(self, system: System) -> None:
        """Refuse to start with an access log that cannot be written; if it breaks later, that is told."""
        log = self._log(system)
        if log is None:
            return
        try:
            os.close(os.open(log.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as problem:
            raise EnvironmentProblem(
                f"gateway.access_log.path: cannot write '{log.path}': {(problem.strerror or str(problem)).lower()}"
            ) from problem

    async def _take_over(self) -> int:
        """Adopt what still runs, and give the number of processes."""
        # First the instances: workers that come back get a table with all of them in it, never an empty one.
        self._supervisor.adopt()
        now = self._clock.now()
        adopted = [
            Member(record.id, process, now, leaving=record.leaving)
            for record in self._state.workers
            if (process := Process.adopt(record.pid, record.started)) is not None
        ]
        count = len(adopted) + sum(row["pid"] is not None for row in self._supervisor.status())
        await self._crew.open(adopted)
        return count

    async def stop(self) -> None:
        """End all of it gracefully: traffic first, then the services against the order of their needs."""
        self.phase = "stopping"
        self._end_chores()
        await self._crew.stop(self.system.gateway.drain)
        await self._books.finish(list(self.system.services))
        await self._supervisor.stop()
        await self._lookout.close()
        await self._books.close()

    async def kill(self) -> None:
        """End all of it at once, also while `stop` is waiting for somebody."""
        self._crew.kill()
        await self._supervisor.kill()

    async def abandon(self) -> None:
        """Let go of everything and leave it running."""
        self._end_chores()
        await self._books.write_down(list(self.system.services))
        await self._crew.abandon()
        await self._supervisor.abandon()
        await self._lookout.close()
        await self._books.close()

    async def restart(self, service: str, canary: CanarySpec | None = None) -> dict[str, Any] | None:
        """Replace all instances of a service, one after another, each replacement ready first.

        Args:
            service: Its name.
            canary: How long to watch the first one that is new before the first old one goes; None: not at all.

        Returns:
            By which figures that one was found well, as plain values.

        Raises:
            CanaryRejected: it was not; all is as it was.
            MainstayError: a replacement did not become ready.
        """
        report = await self._supervisor.restart(service, canary)
        return report.record() if report is not None else None

    async def scale(self, service: str, count: int) -> None:
        """Run so many instances of a service."""
        await self._supervisor.scale(service, count)

    async def reload(self, *, rehearse: bool = False) -> list[dict[str, Any]]:
        """Read the system file again and become what it says; give what has changed, as plain values.

        What both have is not touched: processes, listeners, connections. It goes on when the one who waits for it
        is cancelled.

        Args:
            rehearse: Only tell what would be done.

        Raises:
            SystemFileError: the file cannot be used; nothing was changed.
            EnvironmentProblem: the machine is in the way; nothing was changed.
            MainstayError: something did not become ready, and all is as it was, unless it says what is not.
            Refused: something is being changed already, or the system is being started or stopped.
        """
        try:
            change = await self._reload(rehearse=rehearse)
        except MainstayError as problem:
            if not rehearse:
                self._emit(ReloadFailed(at=self._clock.wall(), reason=str(problem)))
            raise
        return [one.record() for one in change.changes]

    def refuse_unless_as_written(self) -> None:
        """Refuse while the system is not what its file says, is being changed, or cannot be written down.

        Raises:
            EnvironmentProblem: the next supervisor could not begin, or could not know what runs, and would end it.
            SystemFileError: the file cannot be used.
            MainstayError: it says something else; `reload` applies that, or tells why not.
            Refused: something is being changed, or the system is being started or stopped.
        """
        change = self._pending()
        if change:
            what = ", ".join(change.words())
            raise MainstayError(
                f"{self.system.file} is not what runs ({what}): `mainstay reload` first, so that it can be taken back"
            )
        # What was read before goes on although its files do not fit together now; who begins anew has nothing else.
        if problems := Keyring(change.after, self._emit, self._clock).open():
            raise EnvironmentProblem(f"{'; '.join(problems)}; nothing was changed")
        try:
            self._state.save()
        except EnvironmentProblem as problem:
            raise EnvironmentProblem(f"{problem}; nothing was changed") from problem

    async def renew_workers(self, before: str) -> None:
        """Put a new worker in the place of each, one after another, which ends an upgrade; tell how that went.

        Where a new one does not come to serve, the old one, and those after it, go on.

        Args:
            before: The version that ran until now.
        """
        try:
            await self._crew.renew()
        except MainstayError as problem:
            at, reason = self._clock.wall(), str(problem)
            self._emit(UpgradeFailed(at=at, before=before, after=__version__, reason=reason))
        else:
            self._emit(Upgraded(at=self._clock.wall(), before=before, after=__version__))

    async def follow_file(self) -> None:
        """Reload whenever the system file or an environment file that it names has changed; for ever.

        What a reload says is told as a fact. A file that cannot be used is not tried again before it changes.
        """
        seen = _stamps(self.system)
        while True:
            await asyncio.sleep(_LOOK_AT_FILE)
            now = _stamps(self.system)
            if now == seen or self.phase != "running":
                continue
            # Written in several steps, it is read when it has come to rest.
            await asyncio.sleep(_LOOK_AT_FILE)
            if _stamps(self.system) != now:
                continue
            seen = now
            try:
                await self.reload()
            except Refused:
                seen = {}  # something else was being changed: once more when that is done
            except MainstayError:
                continue  # it was told
            else:
                seen = {
                    **now,
                    **{file: stamp for file, stamp in _stamps(self.system).items() if file not in now},
                }

    async def _reload(self, *, rehearse: bool) -> Difference:
        change = self._pending()
        after = change.after
        if refusals := change.refusals():
            raise MainstayError("\n".join(refusals))
        keyring = self._traffic.keyring.successor(after)
        if problems := keyring.open():
            raise EnvironmentProblem("\n".join(problems))
        _look_for_programs(after, [*change.services(ADDED), *change.services(REPLACED)])
        if self._log(after) != self._log(self.system):
            self._try_log(after)
        refuse_without(after)
        if change and not rehearse:
            await self._supervisor.change(change, Turn(self._traffic, change, keyring))
            self._emit(SystemReloaded(at=self._clock.wall(), changes=change.words()))
        return change

    def _pending(self) -> Difference:
        """Give what is different between what runs and what the file says by now."""
        self._supervisor.refuse_unless_idle()
        after = load(self.system.file)
        return difference(self.system, after, self._supervisor.stale(after))

    # --- the gateway ---

    def _lives(self) -> list[Life]:
        return self._supervisor.rotation()

    def _log(self, system: System) -> LogSettings | None:
        return access_log(system, self._rundir)

    def _spawn_worker(self, number: int, listeners: dict[str, int]) -> Process:
        argv = module("mainstay.gateway.worker", "--number", str(number), "--link", GATEWAY)
        argv += ["--listeners", json.dumps(listeners)]
        return Process.spawn(
            argv,
            cwd=self._rundir.path,
            # The mark by which a supervisor whose memory was damaged finds it.
            env={**os.environ, RUN_DIR: str(self._rundir.path), INSTANCE: f"gateway-{number}"},
            log=self._rundir.log(f"gateway-{number}"),
            pass_fds=tuple(listeners.values()),
        )

    def _workers_changed(self) -> None:
        self._state.workers = [
            WorkerRecord(
                id=member.number,
                pid=member.process.pid,
                started=member.process.started,
                leaving=member.leaving,
            )
            for member in self._crew.all()
        ]
        # A full disk is no reason to leave the traffic without a worker.
        with contextlib.suppress(EnvironmentProblem):
            self._state.save()

    async def _do_chores(self) -> None:
        """Look at what processes use, keep our own logs small, and the door for workers where they look for it."""
        while True:
            own = ["supervisor", *{f"gateway-{member.number}" for member in self._crew.all()}]
            self._usage.look(
                self._clock.now(), [row["pid"] for row in self._supervisor.status() if row["pid"]]
            )
            await self._books.write_down(list(self.system.services))
            await self._books.sum_up(list(self.system.services))
            if self._traffic.keyring.look():
                self._traffic.publish()
            if (
                not self._rundir.gateway.is_socket()
            ):  # somebody has tidied up: who is new would never get a table
                with contextlib.suppress(EnvironmentProblem):
                    await self._crew.move(self._rundir.bind_unix(GATEWAY))
            for name in own:
                with contextlib.suppress(OSError):
                    rotate(self._rundir.log(name), _OWN_LOG, _OWN_LOGS_KEPT)
            await asyncio.sleep(_CHORES)

    def _end_chores(self) -> None:
        self.faults.close()
        self._lookout.end()
        if self._chores is not None:
            self._chores.cancel()

    def _targets(self) -> dict[str, Target]:
        """Give what faults can be aimed at."""
        of = _by_service(self.rows())
        return {
            name: Target(
                {row["instance"]: _LOCAL for row in of.get(name, ())}
                | {address.authority: address.host for address in service.addresses},
                tcp=service.is_tcp,
                routed=service.listen is not None,
            )
            for name, service in self.system.services.items()
        }

    # --- facts ---

    def _emit(self, fact: Fact) -> None:
        self._keep_fact(fact.record())

    def _keep_fact(self, fact: dict[str, Any]) -> None:
        if fact["fact"] == InstanceEjected.__name__:
            self.ejections[fact["service"], fact["instance"]] += 1
        elif fact["fact"] == BreakerMoved.__name__ and fact["after"] == OPEN.value:
            self.breaker_openings[fact["service"], fact["instance"]] += 1
        elif fact["fact"] in (SystemReloaded.__name__, ReloadFailed.__name__):
            self.reloads["done" if fact["fact"] == SystemReloaded.__name__ else "failed"] += 1
        elif fact["fact"] == WorkerExited.__name__ and self.phase != "stopping":
            self.worker_exits[fact["worker"]] += 1
        self.facts.append(fact)
        self._tell(fact)
        self._books.keep(fact, looks=self.phase == "running")

    # --- what is not charged ---

    def marks(self) -> list[dict[str, Any]]:
        """Give the times that are not charged, and last."""
        try:
            marks = self._books.marks
        except MarkProblem:  # no ledger is kept
            return []
        return [mark.record() for mark in marks.active(self._clock.wall())]

    def begin_mark(self, asked: object) -> dict[str, Any]:
        """Begin a time that is not charged, see `Marks.begin`."""
        return self._books.marks.begin(self._clock.wall(), asked, self.system.services).record()

    def end_mark(self, number: int) -> dict[str, Any]:
        """End one, see `Marks.end`."""
        return self._books.marks.end(self._clock.wall(), number).record()

    # --- status ---

    def status(self) -> dict[str, Any]:
        """Give the whole state as plain values; docs/reference/json.md tells its shape."""
        instances = [self._instance(row) for row in self._all_rows()]
        of = _by_service(instances)
        return {
            "version": STATUS_VERSION,
            "system": self.system.name,
            "file": str(self.system.file),
            "phase": self.phase,
            "mainstay": __version__,
            "supervisor_pid": os.getpid(),
            "uptime": self._clock.wall() - self._since,
            "admin": str(self.system.gateway.admin) if self.system.gateway.admin is not None else None,
            "access_log": log.path if (log := self._log(self.system)) is not None else None,
            "table": self.table,
            "workers": self.workers(),
            "services": [self._service(name, of.get(name, [])) for name in self.system.services],
            "instances": instances,
            "objectives": self.objectives(),
            "certificates": self.certificates(),
            "faults": self.faults.active(),
            "marks": self.marks(),
        }

    def objectives(self) -> list[dict[str, Any]]:
        """Give a line for each objective of a service: how it stands, and whether an alert is firing."""
        return self._lookout.rows()

    def certificates(self) -> list[dict[str, Any]]:
        """Give a line for each certificate that is shown to anybody."""
        return self._traffic.keyring.status()

    @property
    def tally(self) -> Tally:
        """What the gateway workers have counted."""
        return self._crew.tally

    def backlogs(self) -> dict[str, int]:
        """Give how many connections wait to be accepted, by listener."""
        place, waiting = self._crew.sockets.place, self._crew.backlogs()
        places = {name: place(opening.listener.address) for name, opening in self.system.openings().items()}
        return {name: waiting[where] for name, where in places.items() if where in waiting}

    @property
    def table(self) -> int:
        """The version of the routing table that the workers are to have."""
        return self._traffic.version

    def workers(self) -> list[dict[str, Any]]:
        """Give the gateway workers as plain values."""
        return [
            {
                "worker": number,
                "pid": member.process.pid,
                "clients": self._crew.tally.clients(member.process.pid),
                "table": member.version,
            }
            for number, member in sorted(self._crew.members.items())
        ]

    def rows(self) -> list[dict[str, Any]]:
        """Give a line for each instance, as the supervisor sees it; while one replaces another, for both."""
        return [{**row, "serves": row["state"] in _SERVES} for row in self._all_rows()]

    def _all_rows(self) -> list[dict[str, Any]]:
        return [*self._supervisor.status(), *remote.status(self.system, self._crew.tally, self._heard)]

    def missing(self) -> list[dict[str, Any]]:
        """Give the services of which no instance takes requests."""
        of = _by_service(self.rows())
        return [
            {"service": name, "up": 0, "instances": len({row["instance"] for row in of.get(name, ())})}
            for name in self.system.services
            if not any(row["serves"] for row in of.get(name, ()))
        ]

    def _service(self, name: str, mine: list[dict[str, Any]]) -> dict[str, Any]:
        listener = self.system.listener_of(name)
        up = sum(row["state"] in _SERVES for row in mine)
        return {
            "service": name,
            "listen": str(listener) if listener is not None else None,
            "instances": len({row["instance"] for row in mine}),
            "up": up,
            "availability": self._books.availability.get(name),
            **self._crew.tally.service(name),
        }

    def _instance(self, row: dict[str, Any]) -> dict[str, Any]:
        counted = self._crew.tally.instance(row["service"], row["instance"], row["generation"])
        used = self._usage.of(row["pid"])
        return {**row, **counted, "cpu": used.cpu if used else None, "memory": used.memory if used else None}


def _by_service(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    of: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        of.setdefault(row["service"], []).append(row)
    return of


def _stamps(system: System) -> dict[Path, tuple[int, ...] | None]:
    """Give what tells of each file that the system is made of whether it has changed."""
    files = [system.file]
    files += [system.folder / file for service in system.services.values() for file in service.env_file]
    return {file: _stamp(file) for file in files}


def _stamp(file: Path) -> tuple[int, ...] | None:
    try:
        seen = file.stat()
    except OSError:
        return None
    return (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns)


def _look_for_programs(system: System, names: Iterable[str]) -> None:
    """Refuse to start what cannot be started, all of it at once and before anything is."""
    problems = [
        f"services.{name}.command: {problem}"
        for name in names
        if (problem := system.services[name].executable_problem(system.folder)) is not None
    ]
    if problems:
        raise EnvironmentProblem("\n".join(problems))
