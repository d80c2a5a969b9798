"""A gateway worker: one process, one event loop, the traffic of every listener.

It is told what to route by the supervisor, over a Unix socket, and needs it for nothing else: when the
supervisor is gone it goes on with its last table, checks the instances itself, and knocks until a new
supervisor answers, to whom it hands its listening sockets.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import os
import resource
import signal
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from email.utils import formatdate
from itertools import chain
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Protocol

import uvloop

from mainstay.base.clock import SystemClock
from mainstay.base.dice import Dice
from mainstay.base.facts import Fact
from mainstay.gateway import memory
from mainstay.gateway.crew.accepting import Accepting
from mainstay.gateway.crew.board import NAME as BOARD
from mainstay.gateway.crew.board import Board
from mainstay.gateway.crew.link import Link
from mainstay.gateway.crew.place import place_of
from mainstay.gateway.crowd import Crowd
from mainstay.gateway.entrance import Entrance
from mainstay.gateway.fault.faults import Faults
from mainstay.gateway.http.client import ClientConnection
from mainstay.gateway.http.hop import name_of
from mainstay.gateway.http.request import PLAIN, TRACED
from mainstay.gateway.http.trace import Tracer
from mainstay.gateway.keys.keeper import Keeper
from mainstay.gateway.log.accesslog import AccessLog
from mainstay.gateway.otel.outbox import Outbox
from mainstay.gateway.proxies import Proxies
from mainstay.gateway.route import Route
from mainstay.gateway.slices import sliced
from mainstay.gateway.table import Limits, LogSettings, Row, Settings, Table, TraceSettings
from mainstay.gateway.tcp.intake import Intake, share
from mainstay.gateway.upstream import Upstream
from mainstay.gateway.watch import Watches
from mainstay.gateway.wheel import Wheel

if TYPE_CHECKING:
    from mainstay.gateway.introduction import Introduction
    from mainstay.gateway.tls.accept import Greeting
    from mainstay.gateway.traffic import Traffic

Change = tuple[Route, Settings, list[Row], list[Upstream]]
"""What a table changes of one service: its route, its settings, its rows, and a member for each row."""
_MANY = 1000
_SWEEP = 1.0
_DAY = 86400
_GLANCE = 0.02
_WINDOW = 30
"""Sweeps after which latencies are forgotten by halves: quantiles are those of the last 30 to 60 s."""


class Client(Protocol):
    """A client's connection."""

    entrance: Entrance
    """Where it came in."""

    peer: str
    """Its address."""

    def drain(self) -> None:
        """End with what is under way."""
        ...

    def retire(self) -> None:
        """End with what is asked for next; there is time for that."""
        ...

    def abort(self) -> None:
        """End at once."""
        ...


class Worker:
    """Everything that one worker process holds."""

    def __init__(  # noqa: PLR0915 - what it is made of
        self, number: int, listeners: dict[str, socket.socket], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.number = number
        self.loop = loop
        self.listeners = listeners
        self.wheel = Wheel(loop)
        self.limits = Limits()
        self.proxies: Proxies | None = None
        """Proxies that may tell who a client is; None: none may."""
        self._trusted: list[str] = []
        self.workers = 1
        self.drain_limit = 10.0
        self.routes: dict[str, Route] = {}
        self.entrances: dict[str, Entrance] = {}
        self.clients: set[Client] = set()
        self.crowd = Crowd()
        self.greetings: set[Greeting | Introduction] = set()
        """Clients in the middle of a handshake."""
        self.most_clients = 2**20
        """Client connections at once; beyond, one is told so and closed, before descriptors run out."""
        self.access_log: AccessLog | None = None
        self.tracer: Tracer | None = None
        self.spans: Outbox | None = None
        """Where sampled requests are recorded, if they are."""
        self.words = PLAIN
        """What the fields of requests ask for."""
        self.version = 0
        self.date = b""
        self.stopping = False
        """It accepts nothing more, and ends."""
        self.patient = False
        """Its clients may choose when they leave."""
        self.stopped = loop.create_future()
        self._clock = SystemClock()
        # Ids must differ from those of every other worker anywhere, and time alone does not make them.
        self._dice = Dice(f"{os.getpid()}/{self._clock.wall()}/{os.urandom(16).hex()}")
        self.accepting = Accepting(self)
        self._intakes: dict[str, Intake] = {}
        # Some of what they have taken in may not have begun yet.
        self._closed: list[Intake] = []
        self.watches = Watches(loop, self._dice)
        self.faults = Faults(self)
        """What goes wrong on purpose on the way to instances."""
        self._timer: asyncio.TimerHandle | None = None
        self._link: Link | None = None
        self._ends_at = 0.0
        # Lives that were new in some table.
        self._made = 0
        self._tired = False
        self._ticks = 0
        self._tick_at = loop.time()
        # The longest that it came late, in this window and in the one before.
        self._lags = [0.0, 0.0]
        # Of listeners by their names, those among them that are no more.
        self._traffic: dict[str, Traffic] = {}
        # All that there were, for what they have counted.
        self._logs: list[AccessLog] = []
        self._outboxes: list[Outbox] = []
        # By their files; one that is no longer asked has perhaps something to write down.
        self._keepers: dict[str, Keeper] = {}

    async def run(self, address: str) -> None:
        """Serve until told to stop."""
        self._tick()
        self._link = Link(self, address)
        link = self.loop.create_task(self._link.run())
        await self.stopped
        await self._end_records()
        await self._link.goodbye()
        link.cancel()
        await asyncio.gather(link, return_exceptions=True)
        await self.close()

    async def close(self) -> None:
        """Let go of everything that is not a client's."""
        self._let_nobody_in()
        self.faults.close()
        await self._end_records()
        if self._timer is not None:
            self._timer.cancel()
        for keeper in self._keepers.values():
            keeper.end()
        ends: list[asyncio.Task[None]] = []
        for intake in (*self._intakes.values(), *self._closed):
            ends.extend(intake.tasks)
        for route in self.routes.values():
            ends.extend(route.tasks)
            for member in route.pool.members:
                member.close()
        for task in ends:
            task.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        self._cut_unused()
        for keeper in self._keepers.values():
            await keeper.ended()
        self.wheel.close()
        await self.watches.close()
        await self.accepting.stopped()
        await asyncio.sleep(0)  # the turn in which servers close

    def _cut_unused(self) -> None:
        """Cut what was made a moment ago for a request that is over, or has the rest of an answer still to come."""
        for route in self.routes.values():
            for member in route.pool.members:
                for connection in [one for one in member.connections if one.exchange is None]:
                    connection.abandon()

    # --- the supervisor tells us ---

    def apply(self, table: Table) -> None:
        """Route by this table from now on."""
        for _ in chain(self._steps(table), self._check_all()):
            pass

    async def take(self, table: Table) -> None:
        """Route by this table when that is prepared, beside the traffic: nobody waits for a large one."""
        made = self._made
        await sliced(self._steps(table))
        if self._made - made >= _MANY:
            # They will be here for long: no search for garbage need look at them.
            gc.freeze()

    async def check_all(self) -> None:
        """Check what the table has, and nothing else; it can wait until the supervisor knows that it is used."""
        await sliced(self._check_all())

    def _check_all(self) -> Iterator[None]:
        for route in self.routes.values():
            yield from self.watches.follow(route)

    def _steps(self, table: Table) -> Iterator[None]:
        """Prepare all that is new, and change over to it in one step."""
        rows: dict[str, list[Row]] = {name: [] for name in (*self.routes, *table.services)}
        for row in table.rows:
            if row.service in rows:
                rows[row.service].append(row)
        changes: list[Change] = []
        for name, its in rows.items():
            route = self.routes.get(name)
            settings = table.services.get(name) or (route.settings if route is not None else Settings())
            if route is None:
                route = Route(name, settings, self._dice.fork(name), self.tell, self._left)
            members: list[Upstream] = []
            for member in route.prepare(settings, its):
                if member is None:
                    yield
                    continue
                members.append(member)
                self._made += member.held_by is None
            changes.append((route, settings, its, members))
        routes = self.routes | {route.name: route for route, *_ in changes}
        for place, door in table.doors.items():
            if place in self.entrances:
                yield from self.entrances[place].prepare(door, routes)
        yield
        self._change_over(table, changes)
        yield

    def _change_over(self, table: Table, changes: list[Change]) -> None:
        now = self.loop.time()
        self.version = table.version
        self.workers = table.workers
        self.limits = table.limits
        self.drain_limit = table.drain
        self._log(table.log)
        self._trace(table.trace)
        for route, settings, rows, members in changes:
            self.routes[route.name] = route
            if route.settings != settings:
                route.configure(now, settings)
            self._keep_keys(route)
            route.apply(now, rows, members)
            route.load.share(now, table.workers, self.number)
        if self.faults:
            self.faults.follow()
        for place in list(self.entrances):
            door = table.doors.get(place)
            if door is None:
                self._close(place)
                if (listener := self.listeners.pop(place, None)) is not None:
                    listener.close()
            elif door.tcp is not self.entrances[place].door.tcp:
                self._close(place)
        self._believe(table.trusted)
        for place, door in table.doors.items():
            try:
                entrance = self._entrance(place)
                entrance.apply(door, self.routes)
                # By its name, under which its counts go on wherever it listens.
                entrance.traffic = self._traffic.setdefault(entrance.name, entrance.traffic)
            except OSError as error:
                # The supervisor had tried them; what was there goes on.
                self.loop.call_exception_handler(
                    {"message": f"{place} goes on as it was", "exception": error}
                )

    def _keep_keys(self, route: Route) -> None:
        """Keep the first answers to a service's writes, if they are kept."""
        spec, path = route.settings.keys, route.settings.key_store
        if spec is None:
            route.keeper = None  # who asks it already is told
            return
        keeper = self._keepers.get(path)
        if keeper is None:
            keeper = Keeper(route.name, Path(path), spec, self.loop, self._clock, self.tell)
            self._keepers[path] = keeper
        keeper.spec = spec
        route.keeper = keeper

    def _log(self, settings: LogSettings | None) -> None:
        """Write requests down like this from now on."""
        log = self.access_log
        if settings == (log.settings if log is not None else None):
            return
        if log is not None:
            log.end()  # what it still has to write its thread does by itself
        self.access_log = None
        if settings is not None:
            self.access_log = AccessLog(settings, self.loop, self._clock, self._dice.fork("log"), self.tell)
            self._logs.append(self.access_log)

    def _trace(self, settings: TraceSettings | None) -> None:
        """Call requests like this from now on."""
        if settings != (self.tracer.settings if self.tracer is not None else None):
            self.tracer = Tracer(settings, self._dice.fork("trace")) if settings is not None else None
            self.words = PLAIN if settings is None else TRACED[settings.accept]
            self._export(settings)

    def _export(self, settings: TraceSettings | None) -> None:
        """Send what is recorded of requests there from now on."""
        to = (
            (settings.export, settings.system)
            if settings is not None and settings.export is not None
            else None
        )
        spans = self.spans
        if to == (spans.to if spans is not None else None):
            return
        if spans is not None:
            spans.end()  # what it still has to send its thread does by itself
        self.spans = None
        if to is not None:
            self.spans = Outbox(to, self.number, self.loop, self._clock, self.tell)
            self._outboxes.append(self.spans)

    async def _end_records(self) -> None:
        log, self.access_log = self.access_log, None
        spans, self.spans = self.spans, None
        for one in (log, spans):
            if one is not None:
                one.end()
        for one in (log, spans):
            if one is not None:
                await one.ended()

    def _believe(self, networks: list[str]) -> None:
        """Believe these proxies from now on, and those who have connected already no longer if they are none."""
        if networks == self._trusted:
            return
        self._trusted = networks
        self.proxies = Proxies(networks) if networks else None
        for client in self.clients:
            if isinstance(client, ClientConnection):
                client.introduce()

    def _entrance(self, place: str) -> Entrance:
        entrance = self.entrances.get(place)
        if entrance is None:
            # Counts what is no service's; it is nobody's traffic, so no supervisor is told.
            nowhere = Route("", Settings(health=None), self._dice, self.tell, self._left)
            entrance = Entrance(place, name_of(self.listeners.get(place)), nowhere)
            self.entrances[place] = entrance
        return entrance

    def lacks(self, table: Table) -> list[str]:
        """Give the places of a table where we are to listen, and have no socket for it."""
        return [] if self.stopping else [place for place in table.doors if place not in self.listeners]

    def listen(self, listeners: list[socket.socket]) -> None:
        """Take listening sockets; `serve` accepts from them."""
        for listener in listeners:
            listener.setblocking(False)
            self.listeners[place_of(listener)] = listener

    def _close(self, place: str) -> None:
        """Let nobody in here as it was any more; who has come in is served once more."""
        entrance = self.entrances.pop(place)
        entrance.closed = True
        self._stop_accepting(place)
        for client in list(self.clients):
            if client.entrance is entrance:
                client.retire()

    def _let_nobody_in(self) -> None:
        # Our own socket as well as what accepts from it: one that others close must not stay open through us.
        for place in list(self.listeners):
            self._stop_accepting(place)
            self.listeners.pop(place).close()
        self.accepting.stop()

    def _stop_accepting(self, place: str) -> None:
        self.accepting.close(place)
        if (intake := self._intakes.pop(place, None)) is not None:
            intake.close()
            self._closed.append(intake)

    async def serve(self) -> None:
        """Accept connections; called when a table has come."""
        for place, listener in self.listeners.items():
            entrance = self.entrances.get(place)
            if entrance is not None and entrance.door.tcp and not self.stopping:
                self._take_in(place, entrance, listener)
        await self.accepting.open()
        self.accepting.beat(self.loop.time())

    def enter(self, client: Client) -> None:
        """Count a client in."""
        self.clients.add(client)
        self.crowd.came(client.peer)
        self.accepting.came()

    def leave(self, client: Client) -> None:
        """Count a client out."""
        self.clients.discard(client)
        self.crowd.left(client.peer)
        self.accepting.left()

    def crowded(self, peer: str) -> bool:
        """Tell whether more connections have come from an address than may; proxies that are trusted bring many clients."""
        most = self.limits.connections
        if most is None or self.crowd.of(peer) <= most:
            return False
        return self.proxies is None or not self.proxies.has(peer)

    def _take_in(self, place: str, entrance: Entrance, listener: socket.socket) -> None:
        intake = self._intakes.get(place)
        if intake is None:
            intake = self._intakes[place] = Intake(self, entrance, listener.dup())
        most = entrance.door.most
        intake.limit(None if most is None else share(most, self.workers, self.number))

    def stop(self) -> None:
        """Accept nothing more, finish what is under way, and end."""
        self.patient = False
        for client in list(self.clients):
            client.drain()
        self._end_within(self.drain_limit)

    def finish(self, limit: float) -> None:
        """Accept nothing more, and end when the last client has left, or after `limit` seconds.

        Each client gets its next answer with the notice that it is the last one here; until it asks, it may
        be as idle as ever. Nobody who asks in good faith meets a closed connection.
        """
        if self.stopping:
            return
        self.patient = True
        for client in list(self.clients):
            client.retire()
        self._end_within(limit)

    def relieve(self) -> None:
        """Ask for somebody to take our place, who then lets us finish; asked twice, or with nobody to ask, stop."""
        if self._tired or self._link is None or not self._link.is_up:
            self.stop()
        else:
            self._tired = True
            self._link.send({"type": "tired", "worker": self.number})

    def _end_within(self, limit: float) -> None:
        began, self.stopping = not self.stopping, True
        self._let_nobody_in()
        ends_at = self.loop.time() + limit
        self._ends_at = ends_at if began else min(ends_at, self._ends_at)
        if began:
            self._end_when_idle()

    def _end_when_idle(self) -> None:
        if self.stopped.done():
            return
        holding = any(keeper.holding for keeper in self._keepers.values())
        if not (self.clients or self.greetings or holding) or self.loop.time() >= self._ends_at:
            for client in list(self.clients):
                client.abort()
            for greeting in list(self.greetings):
                greeting.abort()
            self.stopped.set_result(None)
        else:
            self.loop.call_later(_GLANCE, self._end_when_idle)

    def counted(self) -> dict[str, object]:
        """Give all that was counted since this worker began."""
        return self._totals() | {"services": {name: route.counted() for name, route in self.routes.items()}}

    def told(self) -> Iterator[str]:
        """Give the same as JSON, piece by piece."""
        yield json.dumps(self._totals())[:-1] + ', "services": '
        before = "{"
        for name, route in list(self.routes.items()):
            yield f"{before}{json.dumps(name)}: "
            yield from route.told()
            before = ", "
        yield "}}" if before == ", " else "{}}"

    def _totals(self) -> dict[str, object]:
        return {
            "type": "counts",
            "worker": self.number,
            "version": self.version,
            "clients": len(self.clients),
            "lag": max(self._lags),
            "sums": self._sums(),
            "listeners": {name: traffic.counted() for name, traffic in self._traffic.items()},
        }

    def _sums(self) -> dict[str, int]:
        """Give what is counted of the worker as a whole."""
        sums: Counter[str] = Counter(cpu_micros=int(process_time() * 1e6))
        for log in self._logs:
            sums.update(log.counted())
        for outbox in self._outboxes:
            sums.update(outbox.counted())
        return dict(sums)

    def tell(self, fact: Fact) -> None:
        """Tell the supervisor of a fact, if there is one."""
        if self._link is not None:
            record = fact.record()
            # Machines tell their own monotonic time; people and ledgers want the wall's.
            shift = self._clock.wall() - self.loop.time()
            record["at"] += shift
            if "until" in record:
                record["until"] += shift
            self._link.send({"type": "fact", "worker": self.number, **record})

    def _left(self, instance: Upstream) -> None:
        # One that is no longer in the table is awaited by nobody.
        if self._link is not None and instance.held_by is instance.route.pool:
            life = {"service": instance.service, "instance": instance.name, "generation": instance.generation}
            self._link.send({"type": "idle", **life})

    # --- time ---

    def _tick(self) -> None:
        now = self.loop.time()
        self._ticks += 1
        self._lags[0] = max(self._lags[0], now - self._tick_at)
        if self._ticks % _WINDOW == 0:
            self._lags = [0.0, self._lags[0]]
        self.date = b"Date: %b" % formatdate(self._clock.wall(), usegmt=True).encode()
        for route in self.routes.values():
            for member in route.pool.members:
                if member.connections:
                    member.sweep(now)
            route.load.judge(now)
            if self._ticks % _WINDOW == 0:
                route.turn()
        if self._ticks % _DAY == 0:
            for entrance in self.entrances.values():
                with contextlib.suppress(OSError):  # no descriptors left: another day
                    entrance.renew()
        self.accepting.beat(now)
        self._tick_at = now + _SWEEP
        self._timer = self.loop.call_at(self._tick_at, self._tick)


def main(argv: list[str] | None = None) -> None:
    """Run a worker; started by the supervisor, not by people."""
    parser = argparse.ArgumentParser(prog="mainstay-gateway-worker")
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--link", required=True, help="the supervisor's socket")
    parser.add_argument(
        "--listeners", required=True, help="JSON: place of the listening socket to inherited descriptor"
    )
    options = parser.parse_args(argv)
    listeners = {name: socket.socket(fileno=fd) for name, fd in json.loads(options.listeners).items()}
    for listener in listeners.values():
        listener.setblocking(False)
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(options.number, listeners, options.link))


def unraisable(what: "sys.UnraisableHookArgs") -> None:
    """Tell of errors that nobody can be told of, but for those that any stranger can cause."""
    # A name (SNI) that is not ASCII; `ssl` refuses the connection, and cannot be told to be quiet about it.
    if not (isinstance(what.exc_value, UnicodeDecodeError) and isinstance(what.object, bytes)):
        sys.__unraisablehook__(what)


async def _serve(number: int, listeners: dict[str, socket.socket], link: str) -> None:
    # As many connections as the machine allows us; some are kept back for instances, checks and the link.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    memory.prepare()
    sys.unraisablehook = unraisable
    loop = asyncio.get_running_loop()
    worker = Worker(number, listeners, loop)
    worker.most_clients = most * 3 // 4
    with contextlib.suppress(OSError):  # then each takes what it gets
        worker.accepting.board = Board(Path(link).with_name(BOARD), number)
    loop.add_signal_handler(signal.SIGTERM, worker.relieve)
    # Ctrl-C goes to the whole foreground group; the supervisor decides when traffic ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    await worker.run(link)


if __name__ == "__main__":
    main()
