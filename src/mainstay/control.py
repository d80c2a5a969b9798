"""The composition root: one system file in, running rooms out.

Here, and only here, the supervisor learns that there is a gateway and the gateway that there is a
supervisor: lives in rotation become rows of the routing table, workers become supervised processes.
"""

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mainstay.base.clock import Clock, SystemClock
from mainstay.base.dice import Dice
from mainstay.base.errors import EnvironmentProblem
from mainstay.base.facts import Fact, InstanceEjected, WorkerExited
from mainstay.base.probe import ProbeResult
from mainstay.gateway import remote
from mainstay.gateway.check import check
from mainstay.gateway.context import to_instances
from mainstay.gateway.crew import Crew
from mainstay.gateway.keyring import Keyring
from mainstay.gateway.listening import bind
from mainstay.gateway.member import Member
from mainstay.gateway.place import BACKLOG, Address
from mainstay.gateway.table import (
    DRAINING,
    UP,
    Door,
    Limits,
    LogSettings,
    Redirect,
    Row,
    Rule,
    Settings,
    StickySettings,
    Table,
    Terms,
    TraceSettings,
    Trust,
)
from mainstay.gateway.tally import Tally
from mainstay.supervisor.environment import INSTANCE, RUN_DIR
from mainstay.supervisor.life import Life
from mainstay.supervisor.log import rotate
from mainstay.supervisor.process import Process
from mainstay.supervisor.rundir import ACCESS, GATEWAY, RunDir
from mainstay.supervisor.state import State, WorkerRecord
from mainstay.supervisor.supervisor import Supervisor
from mainstay.supervisor.usage import Usage
from mainstay.system.entrance import Opening
from mainstay.system.listener import TCP
from mainstay.system.schema import Service, System
from mainstay.system.sticky import Sticky
from mainstay.system.witness import Tracing

STATUS_VERSION = 1
"""The version of the shape of `status`; it grows when a field changes its meaning or goes."""
_KEPT_FACTS = 200
_CHORES = 2.0
_SERVES = ("up", "suspect")
"""States in which an instance takes requests."""
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
        self.system = system
        self.phase = "starting"
        """`starting`, `running` or `stopping`."""
        self.facts: deque[dict[str, Any]] = deque(maxlen=_KEPT_FACTS)
        self.admin: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()
        """The admin listener's socket, if there is one: from when the counts of workers that were taken over are
        known, so that nobody sees counters go back. It belongs to whoever serves it."""
        self.ejections: Counter[tuple[str, str]] = Counter()
        """How often workers have left out an instance, by service and instance."""
        self.worker_exits: Counter[int] = Counter()
        """How often a gateway worker ended without having been asked to, by its number."""
        self._rundir = rundir
        self._tell = tell
        self._clock = clock or SystemClock()
        self._since = self._clock.wall()
        self._version = 0
        self._state, self.trouble = State.load(rundir.state)
        self._supervisor = Supervisor(
            system,
            rundir,
            self._state,
            probe=self._probe,
            gate=self,
            clock=self._clock,
            dice=Dice(f"{os.getpid()}/{self._since}"),
            emit=self._emit,
        )
        self._crew = Crew(
            door=rundir.bind_unix(GATEWAY),
            spawn=self._spawn_worker,
            emit=self._emit,
            clock=self._clock,
            on_fact=self._keep_fact,
            changed=self._workers_changed,
        )
        self._keyring = Keyring(system, self._emit, self._clock)
        self._usage = Usage()
        self._chores: asyncio.Task[None] | None = None

    # --- life ---

    async def start(self, *, strict: bool = True) -> None:
        """Adopt what still runs, start what does not, and return when all of it is ready.

        Args:
            strict: What does not become ready fails the whole of a first start; otherwise it is tried again
                and again while the rest runs.

        Raises:
            EnvironmentProblem: something cannot be started; all that was started has been stopped again,
                and what a former supervisor had left running goes on as it was.
        """
        if strict:
            self._look_for_programs()
            self._try_log()
        if problems := self._keyring.open():
            raise EnvironmentProblem("\n".join(problems))
        self._chores = asyncio.get_running_loop().create_task(self._do_chores())
        taken_over = False
        admin: socket.socket | None = None
        try:
            taken_over = await self._take_over() > 0
            self._crew.sockets.reserve(_addresses(self.system))
            admin = self._bind_admin()
            await self._crew.start(self.system.gateway.worker_count(), self._table())
            if admin is not None:
                self.admin.set_result(admin)
            await self._supervisor.start(strict=strict)
        except BaseException:
            if admin is not None and not self.admin.done():
                admin.close()
            # What was serving users before this start is not taken from them by its failure.
            await (self.abandon() if taken_over else self.stop())
            raise
        self.phase = "running"

    async def take_down(self) -> int:
        """Stop what a supervisor that was killed has left running, and give the number of processes."""
        self._keyring.open()
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

    def _look_for_programs(self) -> None:
        """Refuse to start what cannot be started, all of it at once and before anything is."""
        problems = [
            f"services.{name}.command: {problem}"
            for name, service in self.system.services.items()
            if (problem := service.executable_problem(self.system.folder)) is not None
        ]
        if problems:
            raise EnvironmentProblem("\n".join(problems))

    def _try_log(self) -> None:
        """Refuse to start with an access log that cannot be written; if it breaks later, that is told."""
        log = self._log()
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
        await self._supervisor.stop()

    async def kill(self) -> None:
        """End all of it at once, also while `stop` is waiting for somebody."""
        self._crew.kill()
        await self._supervisor.kill()

    async def abandon(self) -> None:
        """Let go of everything and leave it running."""
        self._end_chores()
        await self._crew.abandon()
        await self._supervisor.abandon()

    async def restart(self, service: str) -> None:
        """Replace all instances of a service, one after another, each replacement ready first."""
        await self._supervisor.restart(service)

    async def scale(self, service: str, count: int) -> None:
        """Run so many instances of a service."""
        await self._supervisor.scale(service, count)

    # --- what the supervisor asks of the gateway ---

    def publish(self) -> None:
        """Tell the gateway which lives are in rotation."""
        if self._crew.begun:
            self._crew.publish(self._table())

    async def drained(self, life: Life, limit: float) -> bool:
        """Wait until no worker has requests under way for a life."""
        if self.system.services[life.service].listen is None:
            return True
        return await self._crew.drained((life.service, life.instance, life.generation), limit)

    async def _probe(self, service: Service, host: str, port: int) -> ProbeResult:
        health = service.health
        limit = health.timeout if health is not None else service.timeouts.connect
        try:
            name, trust = service.server_name(), self._keyring.trust(service.upstream_tls)
            context = to_instances(trust) if name else None
            path, talk = service.health_path(), service.health_talk()
            return await check(
                host, port, path, limit, talk, tls=context, name=name, preamble=service.preamble()
            )
        except EnvironmentProblem as problem:
            return ProbeResult(ok=False, said=str(problem), seconds=0.0)

    def _table(self) -> Table:
        self._version += 1
        rows = [
            Row(
                service=life.service,
                instance=life.instance,
                generation=life.generation,
                host=life.host,
                port=life.port,
                zone=life.zone,
                state=DRAINING if life.state == DRAINING else UP,
                path=life.path,
                preamble=life.preamble,
                talk=life.talk,
                server_name=life.server_name,
            )
            for life in self._supervisor.rotation()
        ]
        rows += remote.rows(self.system)
        limits = self.system.gateway.limits
        return Table(
            version=self._version,
            limits=Limits(head=limits.head, headers=limits.headers),
            workers=self.system.gateway.worker_count(),
            trusted=list(self.system.gateway.trusted_proxies),
            drain=self.system.gateway.drain,
            log=self._log(),
            trace=trace(self.system.gateway.tracing),
            linger=self.system.gateway.linger,
            doors=self._doors(),
            services={
                name: settings(name, service, self._state.secret, self._keyring.trust(service.upstream_tls))
                for name, service in self.system.services.items()
                if service.listen
            },
            rows=rows,
        )

    def _log(self) -> LogSettings | None:
        told = self.system.gateway.access_log
        if told is None:
            return None
        path = self._rundir.log(ACCESS) if told.path is None else self.system.folder / told.path
        return LogSettings(
            path=str(path), format=told.format, sample=told.sample, size=told.size, keep=told.keep
        )

    def _doors(self) -> dict[str, Door]:
        place, openings = self._crew.sockets.place, self.system.openings()
        return {
            place((openings[name].listener.host, openings[name].listener.port)): replace(door, name=name)
            for name, door in doors(self.system, self._keyring).items()
        }

    # --- workers ---

    def _spawn_worker(self, number: int, listeners: dict[str, int]) -> Process:
        argv = [sys.executable, "-m", "mainstay.gateway.worker", "--number", str(number), "--link", GATEWAY]
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
        """Look at what processes use, and keep our own logs small."""
        own = [
            "supervisor",
            *(f"gateway-{number + 1}" for number in range(self.system.gateway.worker_count())),
        ]
        while True:
            self._usage.look(
                self._clock.now(), [row["pid"] for row in self._supervisor.status() if row["pid"]]
            )
            if self._keyring.look():
                self.publish()
            for name in own:
                with contextlib.suppress(OSError):
                    rotate(self._rundir.log(name), _OWN_LOG, _OWN_LOGS_KEPT)
            await asyncio.sleep(_CHORES)

    def _end_chores(self) -> None:
        if self._chores is not None:
            self._chores.cancel()

    # --- facts ---

    def _emit(self, fact: Fact) -> None:
        self._keep_fact(fact.record())

    def _keep_fact(self, fact: dict[str, Any]) -> None:
        if fact["fact"] == InstanceEjected.__name__:
            self.ejections[fact["service"], fact["instance"]] += 1
        elif fact["fact"] == WorkerExited.__name__ and self.phase != "stopping":
            self.worker_exits[fact["worker"]] += 1
        self.facts.append(fact)
        self._tell(fact)

    # --- status ---

    def status(self) -> dict[str, Any]:
        """Give the whole state as plain values; docs/reference/json.md tells its shape."""
        instances = [self._instance(row) for row in self._all_rows()]
        return {
            "version": STATUS_VERSION,
            "system": self.system.name,
            "file": str(self.system.file),
            "phase": self.phase,
            "supervisor_pid": os.getpid(),
            "uptime": self._clock.wall() - self._since,
            "admin": str(self.system.gateway.admin) if self.system.gateway.admin is not None else None,
            "table": self.table,
            "workers": self.workers(),
            "services": [self._service(name, instances) for name in self.system.services],
            "instances": instances,
            "certificates": self.certificates(),
        }

    def certificates(self) -> list[dict[str, Any]]:
        """Give a line for each certificate that is shown to anybody."""
        return self._keyring.status()

    @property
    def tally(self) -> Tally:
        """What the gateway workers have counted."""
        return self._crew.tally

    @property
    def table(self) -> int:
        """The version of the routing table that the workers are to have."""
        return self._version

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
        return [*self._supervisor.status(), *remote.status(self.system, self._crew.tally)]

    def missing(self) -> list[dict[str, Any]]:
        """Give the services of which no instance takes requests."""
        rows = self.rows()
        serving = {row["service"] for row in rows if row["serves"]}
        return [
            {
                "service": name,
                "up": 0,
                "instances": len({row["instance"] for row in rows if row["service"] == name}),
            }
            for name in self.system.services
            if name not in serving
        ]

    def _service(self, name: str, instances: list[dict[str, Any]]) -> dict[str, Any]:
        listener = self.system.listener_of(name)
        mine = [row for row in instances if row["service"] == name]
        up = sum(row["state"] in _SERVES for row in mine)
        return {
            "service": name,
            "listen": str(listener) if listener is not None else None,
            "instances": len({row["instance"] for row in mine}),
            "up": up,
            **self._crew.tally.service(name),
        }

    def _instance(self, row: dict[str, Any]) -> dict[str, Any]:
        counted = self._crew.tally.instance(row["service"], row["instance"], row["generation"])
        used = self._usage.of(row["pid"])
        return {**row, **counted, "cpu": used.cpu if used else None, "memory": used.memory if used else None}


def _addresses(system: System) -> dict[str, Address]:
    """Give where it listens, by the keys of the system file that say so."""
    return {
        opening.key: (opening.listener.host, opening.listener.port) for opening in system.openings().values()
    }


def doors(system: System, keyring: Keyring) -> dict[str, Door]:
    """Say how the traffic of each listening socket is taken; one whose certificates cannot be read is left out."""
    openings = system.openings()
    rules: dict[str, list[Rule]] = {name: [] for name in openings}
    for name, service in system.services.items():
        if service.listen is None:
            continue
        at = service.listen if isinstance(service.listen, str) else name
        rules[at] += [
            Rule(
                service=name,
                host=route.host or "",
                path=route.path or "",
                rewrite=route.rewrite or "",
            )
            for route in service.routes
        ] or [Rule(service=name)]
    return {
        name: _door(system, opening, rules[name], keyring.terms(name))
        for name, opening in openings.items()
        if opening.entrance.tls is None or keyring.terms(name) is not None
    }


def _door(system: System, opening: Opening, rules: list[Rule], terms: Terms | None) -> Door:
    entrance = opening.entrance
    hsts = entrance.tls.hsts if entrance.tls is not None else None
    return Door(
        rules=rules,
        redirects=[
            Redirect(host=one.host or "", path=one.path or "", to=one.to, keep=one.keep, status=one.status)
            for one in entrance.redirects
        ],
        introduced=entrance.proxy_protocol,
        https=entrance.redirect,
        terms=terms,
        hsts=int(hsts) if hsts is not None else None,
        tcp=opening.listener.scheme == TCP,
        most=_most(system, rules),
    )


def _most(system: System, rules: list[Rule]) -> int | None:
    """Give how many connections a listener may have; only one of a single service has a limit."""
    return system.services[rules[0].service].max_connections if rules else None


def trace(told: Tracing | None) -> TraceSettings | None:
    """Say how the gateway is to name requests."""
    return TraceSettings(accept=told.accept, sample=told.sample) if told is not None else None


def settings(name: str, service: Service, secret: str, trust: Trust) -> Settings:
    """Say how the gateway is to treat a service's traffic; the secret hides what cookies say."""
    return Settings(
        health=service.health_spec(),
        pool=service.pool_spec(),
        call=service.call_spec(),
        breaker=service.breaker_spec(),
        sticky=sticky(name, service.sticky, secret) if service.sticky is not None else None,
        keyed=service.idempotency,
        connect=service.timeouts.connect,
        idle=service.timeouts.idle,
        tunnel=service.timeouts.tunnel,
        upgrades=service.upgrade,
        hold=service.hold,
        trust=trust,
    )


def sticky(service: str, told: Sticky, secret: str) -> StickySettings:
    """Say what ties requests of a service to its instances."""
    session = told.by.kind == "session"
    return StickySettings(
        by=told.by.kind,
        name=(told.cookie or f"mainstay-{service}") if session else told.by.name,
        secret=secret if session else "",
        lasts=int(told.lasts),
        same_site=told.same_site,
    )
