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
from collections import Counter
from email.utils import formatdate
from functools import partial

import uvloop

from mainstay.base.clock import SystemClock
from mainstay.base.dice import Dice
from mainstay.base.errors import EnvironmentProblem
from mainstay.base.facts import Fact
from mainstay.gateway.accesslog import AccessLog
from mainstay.gateway.check import check
from mainstay.gateway.entrance import Entrance
from mainstay.gateway.hop import name_of
from mainstay.gateway.http import ClientConnection
from mainstay.gateway.link import Link
from mainstay.gateway.route import Route
from mainstay.gateway.table import Limits, LogSettings, Row, Settings, Table
from mainstay.gateway.upstream import Upstream
from mainstay.gateway.wheel import Wheel
from mainstay.redundancy.health import HealthSpec

BACKLOG = 4096
"""Connections that may wait to be accepted; the kernel's own limit (net.core.somaxconn) still holds."""
_SWEEP = 1.0
_WINDOW = 30
"""Sweeps after which latencies are forgotten by halves: quantiles are those of the last 30 to 60 s."""


class Worker:
    """Everything that one worker process holds."""

    def __init__(
        self, number: int, listeners: dict[str, socket.socket], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.number = number
        self.loop = loop
        self.listeners = listeners
        self.wheel = Wheel(loop)
        self.limits = Limits()
        self.drain_limit = 10.0
        self.routes: dict[str, Route] = {}
        self.entrances: dict[str, Entrance] = {}
        self.clients: set[ClientConnection] = set()
        self.most_clients = 2**20
        """Client connections at once; beyond, one is told so and closed, before descriptors run out."""
        self.access_log: AccessLog | None = None
        self.version = 0
        self.date = b""
        self.stopping = False
        self.stopped = loop.create_future()
        self._clock = SystemClock()
        self._dice = Dice(f"{os.getpid()}/{self._clock.wall()}")
        self._servers: dict[str, asyncio.Server] = {}
        self._checks: dict[tuple[Upstream, HealthSpec, str | None], asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._link: Link | None = None
        self._ends_at = 0.0
        self._ticks = 0
        # All that there were, for what they have counted.
        self._logs: list[AccessLog] = []

    async def run(self, address: str) -> None:
        """Serve until told to stop."""
        self._tick()
        self._link = Link(self, address)
        link = self.loop.create_task(self._link.run())
        await self.stopped
        await self._end_log()
        await self._link.goodbye()
        link.cancel()
        await asyncio.gather(link, return_exceptions=True)
        await self.close()

    async def close(self) -> None:
        """Let go of everything that is not a client's."""
        await self._end_log()
        if self._timer is not None:
            self._timer.cancel()
        ends = list(self._checks.values())
        for route in self.routes.values():
            ends.extend(route.tasks)
            for member in route.pool.members:
                member.close()
        for task in ends:
            task.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        self.wheel.close()

    # --- the supervisor tells us ---

    def apply(self, table: Table) -> None:
        """Route by this table from now on."""
        now = self.loop.time()
        self.version = table.version
        self.limits = table.limits
        self.drain_limit = table.drain
        self._log(table.log)
        rows: dict[str, list[Row]] = {}
        for row in table.rows:
            rows.setdefault(row.service, []).append(row)
        for name, settings in table.services.items():
            route = self.routes.get(name)
            if route is None:
                route = self.routes[name] = Route(
                    name, settings, self._dice.fork(name), self.tell, self._left
                )
            elif route.settings != settings:
                route.configure(now, settings)
            route.apply(now, rows.get(name, []))
        for name, route in self.routes.items():
            if name not in table.services:
                route.apply(now, [])
        for name, door in table.doors.items():
            self._entrance(name).apply(door, self.routes)
        self._watch()

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

    async def _end_log(self) -> None:
        log, self.access_log = self.access_log, None
        if log is not None:
            log.end()
            await log.ended()

    def _entrance(self, name: str) -> Entrance:
        entrance = self.entrances.get(name)
        if entrance is None:
            # Counts what is no service's; it is nobody's traffic, so no supervisor is told.
            nowhere = Route("", Settings(health=None), self._dice, self.tell, self._left)
            entrance = Entrance(name, name_of(self.listeners.get(name)), nowhere)
            self.entrances[name] = entrance
        return entrance

    async def serve(self) -> None:
        """Accept connections; called when the first table has come."""
        for name, listener in self.listeners.items():
            entrance = self.entrances.get(name)
            if entrance is not None and name not in self._servers and not self.stopping:
                self._servers[name] = await self.loop.create_server(
                    partial(ClientConnection, self, entrance), sock=listener, backlog=BACKLOG
                )

    def stop(self) -> None:
        """Accept nothing more, finish what is under way, and end."""
        if self.stopping:
            return
        self.stopping = True
        for server in self._servers.values():
            server.close()
        for client in list(self.clients):
            client.drain()
        self._ends_at = self.loop.time() + self.drain_limit
        self._end_when_idle()

    def _end_when_idle(self) -> None:
        if self.stopped.done():
            return
        if not self.clients or self.loop.time() >= self._ends_at:
            for client in list(self.clients):
                client.abort()
            self.stopped.set_result(None)
        else:
            self.loop.call_later(0.02, self._end_when_idle)

    def counted(self) -> dict[str, object]:
        """Give all that was counted since this worker began."""
        return {
            "type": "counts",
            "worker": self.number,
            "version": self.version,
            "clients": len(self.clients),
            "sums": self._sums(),
            "services": {name: route.counted() for name, route in self.routes.items()},
        }

    def _sums(self) -> dict[str, int]:
        """Give what is counted of the worker as a whole."""
        sums: Counter[str] = Counter()
        for log in self._logs:
            sums.update(log.counted())
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
        if self._link is not None and instance in instance.route.pool.members:
            life = {"service": instance.service, "instance": instance.name, "generation": instance.generation}
            self._link.send({"type": "idle", **life})

    # --- checks ---

    def _watch(self) -> None:
        """Check what is in the table, and nothing else."""
        # By another spec, or asked for something else, the same life is checked anew.
        wanted = {
            (member, route.settings.health, member.path)
            for route in self.routes.values()
            for member in route.pool.members
            if route.settings.health is not None and not member.leaving
        }
        for gone in self._checks.keys() - wanted:
            self._checks.pop(gone).cancel()
        for key in wanted - self._checks.keys():
            self._checks[key] = self.loop.create_task(self._check(*key))

    async def _check(self, member: Upstream, spec: HealthSpec, path: str | None) -> None:
        route = member.route
        # Workers and instances out of step: no burst of checks each second.
        await asyncio.sleep(self._dice.between(0, spec.every))
        while True:
            begun = self.loop.time()
            try:
                result = await check(member.host, member.port, path, spec.timeout)
            except EnvironmentProblem:
                result = None  # we could not even ask, which proves nothing
            now = self.loop.time()
            if result is None:
                pass
            elif result.ok:
                route.pool.passed(now, member)
            else:
                route.pool.failed(now, member)
                # Who waits there is better off elsewhere; in panic there is no elsewhere.
                if not member.health.usable and not route.pool.panicking and route.pool.usable(now):
                    for exchange in list(member.busy):
                        exchange.leave()
            await asyncio.sleep(max(0.0, begun + spec.every - now))

    # --- time ---

    def _tick(self) -> None:
        now = self.loop.time()
        self._ticks += 1
        self.date = b"Date: %b" % formatdate(self._clock.wall(), usegmt=True).encode()
        for route in self.routes.values():
            for member in route.pool.members:
                member.sweep(now)
            if self._ticks % _WINDOW == 0:
                route.turn()
        self._timer = self.loop.call_later(_SWEEP, self._tick)


def main(argv: list[str] | None = None) -> None:
    """Run a worker; started by the supervisor, not by people."""
    parser = argparse.ArgumentParser(prog="mainstay-gateway-worker")
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--link", required=True, help="the supervisor's socket")
    parser.add_argument(
        "--listeners", required=True, help="JSON: name of the listening socket to inherited descriptor"
    )
    options = parser.parse_args(argv)
    listeners = {name: socket.socket(fileno=fd) for name, fd in json.loads(options.listeners).items()}
    for listener in listeners.values():
        listener.setblocking(False)
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(options.number, listeners, options.link))


async def _serve(number: int, listeners: dict[str, socket.socket], link: str) -> None:
    # As many connections as the machine allows us; some are kept back for instances, checks and the link.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # What a request is made of goes when it ends: nothing is left in circles, so that looking for some
    # every few requests is time lost. What is there already is left out of the search for good.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    loop = asyncio.get_running_loop()
    worker = Worker(number, listeners, loop)
    worker.most_clients = most * 3 // 4
    loop.add_signal_handler(signal.SIGTERM, worker.stop)
    # Ctrl-C goes to the whole foreground group; the supervisor decides when traffic ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    await worker.run(link)


if __name__ == "__main__":
    main()
