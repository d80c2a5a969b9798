"""The gateway as its supervisor sees it: listening sockets, workers, and the line to each of them.

The sockets are opened here and handed to every worker, all of which accept from the same queues: a
worker that dies loses what it was working on, and not one connection that was still waiting. For the same
reason one may take the place of another unnoticed: the new one serves before the old one accepts no more.
"""

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any

from mainstay.base.clock import Clock
from mainstay.base.errors import EnvironmentProblem, MainstayError
from mainstay.base.facts import Emit, WorkerExited, WorkerStarted, WorkerStopped
from mainstay.gateway.crew import telling
from mainstay.gateway.crew.link import LONGEST, SPEAKS, STOP, finish, received, sent
from mainstay.gateway.crew.listening import Sockets, waiting
from mainstay.gateway.crew.member import Member, WorkerProcess
from mainstay.gateway.table import Table
from mainstay.gateway.tally import Tally

LifeKey = tuple[str, str, int]

_GREET = 5.0
_READY = 15.0
_APPLY = 5.0
_STABLE = 5.0
_REST = 0.1
_REST_CAP = 5.0
_EXTRA = 1.0
"""Seconds that a worker has to end beyond what its requests may take."""

Spawn = Callable[[int, dict[str, int]], WorkerProcess]
"""Starts a worker by its number, with listening sockets by their place."""


_NO_FAULTS = b'{"faults": [], "version": 0}\n'


def _ignore(pid: int, counts: dict[str, list[int]]) -> None:
    del pid, counts


class Crew:
    """All workers of one gateway."""

    def __init__(  # noqa: PLR0913 - what it is made of; all by name
        self,
        *,
        door: socket.socket,
        spawn: Spawn,
        emit: Emit,
        clock: Clock,
        on_fact: Callable[[dict[str, Any]], None],
        changed: Callable[[], None],
    ) -> None:
        """Be a crew without workers and sockets, until `open`, `reserve` and `start`.

        Args:
            door: The Unix socket that workers come to; bound, not yet listening.
            spawn: Starts a worker.
            emit: Takes the crew's facts.
            clock: Tells the time.
            on_fact: Takes the facts that workers tell, as plain values.
            changed: Told whenever a worker was started or ended, for whoever remembers them.
        """
        self.tally = Tally()
        self.members: dict[int, Member] = {}
        """Those that serve, by number."""
        self.leaving: list[Member] = []
        """Those whose place another one has taken, or nobody is to have."""
        self.sockets = Sockets()
        self.on_faults: Callable[[int, dict[str, list[int]]], None] = _ignore
        """Takes what a worker, by the number of its process, has counted of faults."""
        self._size = 0
        self._door = door
        self._spawn = spawn
        self._emit = emit
        self._clock = clock
        self._on_fact = on_fact
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting: asyncio.Task[None] | None = None
        self._table: Table | None = None
        # A worker that is taken over has faults of which nobody here knows.
        self._faults = _NO_FAULTS
        self._idle: dict[LifeKey, set[int]] = {}
        self._news = asyncio.Event()
        # One change of the crew at a time.
        self._changing = asyncio.Lock()
        self._closing = False
        self._deaths = 0

    # --- life ---

    async def open(self, adopted: Iterable[Member]) -> None:
        """Take over the workers that live, with the listening sockets that they hold.

        They are told nothing before the first table: until then they go on as they were.
        """
        self._accepting = self._open_door()
        for member in adopted:
            self._take_in(member)
        await self._until(lambda: all(member.writer is not None for member in self.all()), _GREET)

    def _open_door(self) -> asyncio.Task[None]:
        self._door.listen(64)
        self._door.setblocking(False)
        return self._keep(self._accept())

    async def move(self, door: socket.socket) -> None:
        """Have workers come to another socket from now on: nobody finds the former one any more."""
        former, self._door = self._door, door
        try:
            if self._accepting is not None:
                self._accepting.cancel()
                await asyncio.gather(self._accepting, return_exceptions=True)
                self._accepting = self._open_door()
        finally:
            former.close()

    async def start(self, size: int, table: Table) -> None:
        """Have `size` workers route by this table, wait until each serves, and part with those that do not fit.

        All that its doors name has been reserved.

        Raises:
            EnvironmentProblem: a worker does not come to serve, or somebody else listens where we are to.
        """
        self.sockets.listen(table.doors)
        await self.route(table)
        self._shrink(size)
        misfits = [member for member in self.members.values() if member.writer is None or not member.fits]
        for member in misfits:
            del self.members[member.number]
            member.leaving = True
            self.leaving.append(member)
        for number in self._missing():
            self._hire(number)
        for member in list(self.members.values()):
            await self._ready(member)
        for member in misfits:
            if not member.tell(STOP):
                member.process.signal(9)
        for member in self.leaving:
            if not member.leaving:
                self._retire(member)

    async def stop(self, limit: float) -> None:
        """Let all workers finish what they do, for `limit` seconds, and end."""
        self._closing = True
        for member in self.all():
            if not member.tell(STOP):
                member.process.signal(15)
        await self._gone(self.all(), limit + _EXTRA)
        await self._close()

    def kill(self) -> None:
        """End all workers at once; requests under way are cut."""
        self._closing = True
        for member in self.all():
            member.process.signal(9)

    async def abandon(self) -> None:
        """Let go of the workers without ending them."""
        self._closing = True
        for member in self.all():
            member.process.on_exit = None
            member.process.let_go()
        await self._close()

    async def _close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for member in self.all():
            if member.writer is not None:
                member.writer.close()
        self.sockets.close()
        self._door.close()

    def serves(self, service: str) -> bool:
        """Tell whether workers know this service."""
        return self._table is not None and service in self._table.services

    @property
    def begun(self) -> bool:
        """Whether workers are told what to do: not before all that is to be listened at is ours."""
        return self._table is not None

    # --- change ---

    async def route(self, table: Table) -> None:
        """Have every worker route by this table, and listen nowhere but at its doors, which all listen already.

        Who is connected elsewhere, or waits to be accepted there, is served.
        """
        unwanted = self.sockets.held.keys() - table.doors.keys()
        await self.sockets.hush(unwanted)
        self.publish(table)
        await self._until(self._applied, _APPLY)
        self.sockets.drop(unwanted)

    async def resize(self, size: int) -> None:
        """Have another number of workers; who is too many finishes what it has.

        One that does not come to serve is tried again and again.
        """
        async with self._changing:
            self._shrink(size)
            for number in self._missing():
                self._replace(number)
            await self._until(lambda: all(one.ready.is_set() for one in self.members.values()), _READY)

    async def renew(self) -> None:
        """Put a new worker in the place of each, one after another; the new one serves before the old one stops.

        Raises:
            EnvironmentProblem: a new one did not come to serve; then the old one goes on.
        """
        for number in sorted(self.members):
            await self._renew(number)

    async def _renew(self, number: int) -> None:
        async with self._changing:
            await self._renew_alone(number)

    async def _renew_alone(self, number: int) -> None:
        old = self.members.get(number)
        if old is None or self._closing:
            return
        self._hire(number)
        new = self.members[number]
        try:
            await self._ready(new)
        except EnvironmentProblem:
            if self.members.get(number) is new:
                del self.members[number]
                new.leaving = True
                self.leaving.append(new)
            new.process.signal(9)
            if old in self.leaving:
                self.leaving.remove(old)
                self.members[number] = old
            raise
        self._retire(old)

    def _shrink(self, size: int) -> None:
        assert self._table is not None
        self._size = size if self._table.doors else 0
        for number in [number for number in self.members if number > self._size]:
            member = self.members.pop(number)
            self.leaving.append(member)
            self._retire(member)

    def _retire(self, member: Member) -> None:
        """Let a worker whose place is taken finish."""
        member.leaving = True
        # One whose line is broken is told when it comes again.
        if self._table is not None:
            member.tell(finish(self._table.linger))
        self._changed()

    def _missing(self) -> list[int]:
        return [number for number in range(1, self._size + 1) if number not in self.members]

    def backlogs(self) -> dict[str, int]:
        """Give how many connections wait to be accepted, by place."""
        return {place: waiting(sock) for place, sock in self.sockets.held.items()}

    # --- what the workers are told ---

    def publish(self, table: Table) -> None:
        """Give every worker this table."""
        self._table = table
        known = {(row.service, row.instance, row.generation) for row in table.rows}
        for life in [life for life in self._idle if life not in known]:
            del self._idle[life]
        lines = telling.dump(table)
        for member in self.all():
            member.tell(lines)

    def announce(self, faults: bytes) -> None:
        """Have every worker have these faults, and no others, as one line of JSON with a version."""
        self._faults = faults
        for member in self.all():
            if member.fits:
                member.tell(faults)

    async def heeded(self, version: int, limit: float) -> bool:
        """Wait until every worker has the faults of that version; False when that takes too long."""
        return await self._until(
            lambda: all(one.heeded >= version for one in self.all() if one.writer is not None and one.fits),
            limit,
        )

    async def drained(self, life: LifeKey, limit: float) -> bool:
        """Wait until no worker has requests under way for a draining life; False when that takes too long."""
        # One whose line is broken may be working on something; it comes back, or its exit is seen.
        return await self._until(
            lambda: all(member.process.pid in self._idle.get(life, ()) for member in self.all()), limit
        )

    def _applied(self) -> bool:
        assert self._table is not None
        return all(
            member.version >= self._table.version for member in self.all() if member.writer is not None
        )

    # --- workers come and go ---

    def all(self) -> list[Member]:
        """Give all that there are, those that leave included."""
        return [*self.members.values(), *self.leaving]

    def _hire(self, number: int) -> None:
        sockets = {place: sock.fileno() for place, sock in self.sockets.held.items()}
        member = Member(number, self._spawn(number, sockets), self._clock.now())
        self._take_in(member)
        self._emit(WorkerStarted(at=self._clock.wall(), worker=number, pid=member.process.pid))
        self._changed()

    def _take_in(self, member: Member) -> None:
        if member.leaving:
            self.leaving.append(member)
        else:
            # So it is in the middle of a change; a supervisor that is killed then leaves both to the next.
            if (other := self.members.get(member.number)) is not None:
                self.leaving.append(other)
            self.members[member.number] = member
        member.process.on_exit = lambda reason: self._exited(member, reason)

    def _exited(self, member: Member, reason: str) -> None:
        asked = member.leaving
        if member in self.leaving:
            self.leaving.remove(member)
        if self.members.get(member.number) is member:
            del self.members[member.number]
        self._count_out(member)
        for idle in self._idle.values():
            idle.discard(member.process.pid)
        self._news.set()
        member.ready.set()
        kind = WorkerStopped if asked else WorkerExited
        at, pid = self._clock.wall(), member.process.pid
        self._emit(kind(at=at, worker=member.number, pid=pid, reason=reason))
        self._changed()
        if self._closing or asked or member.number > self._size:
            return
        lived = self._clock.now() - member.began
        self._deaths = 0 if lived > _STABLE else self._deaths + 1
        rest = min(_REST_CAP, _REST * 2 ** (self._deaths - 1)) if self._deaths else 0.0
        self._loop.call_later(rest, self._replace, member.number)

    def _count_out(self, member: Member) -> None:
        """Keep what a worker that has ended had counted."""
        member.gone = True
        if member.writer is None:
            self.tally.lost(member.process.pid)
        # Otherwise its last counts may still be on the line, whose end is at hand.

    def _replace(self, number: int) -> None:
        if self._closing or number in self.members or number > self._size:
            return
        try:
            self._hire(number)
        except (OSError, MainstayError):
            # No processes or descriptors left, for the moment: the others go on, and this one comes later.
            self._loop.call_later(_REST_CAP, self._replace, number)

    async def _ready(self, member: Member) -> None:
        try:
            await asyncio.wait_for(member.ready.wait(), _READY)
        except TimeoutError:
            raise EnvironmentProblem(f"gateway worker {member.number} does not answer") from None
        if self.members.get(member.number) is not member:
            raise EnvironmentProblem(f"gateway worker {member.number} ended at once; its log tells why")

    async def _gone(self, members: list[Member], limit: float) -> None:
        waits = [asyncio.ensure_future(member.process.wait()) for member in members]
        if not waits:
            return
        _, late = await asyncio.wait(waits, timeout=limit)
        if late:
            for member in members:
                member.process.signal(9)
            await asyncio.wait(waits, timeout=5.0)

    async def _until(self, holds: Callable[[], bool], limit: float) -> bool:
        """Wait until something holds, looking again at all news; False when that takes too long."""
        until = self._clock.now() + limit
        while not holds():
            left = until - self._clock.now()
            if left <= 0:
                return False
            self._news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), left)
        return True

    # --- lines ---

    async def _accept(self) -> None:
        while True:
            sock, _ = await self._loop.sock_accept(self._door)
            self._keep(self._hear(sock))

    async def _hear(self, sock: socket.socket) -> None:
        """Hear one worker out: what it asks for, or from its hello to its end."""
        sock.setblocking(False)
        try:
            line, handed = await received(sock, _GREET)
            told = json.loads(line)
            member = self._known(told)
        except (TimeoutError, OSError, ValueError, KeyError, TypeError):
            sock.close()
            return
        if member is None or told["type"] != "hello":
            for one in handed:
                one.close()
            if member is not None:
                self._hand(sock, told)
            sock.close()
            return
        self.sockets.take(handed)
        member.fits = told.get("speaks") == SPEAKS
        await self._converse(member, sock)

    def _known(self, told: dict[str, Any]) -> Member | None:
        """Tell whose words these are; None when they are nobody's."""
        found = (one for one in self.all() if (one.number, one.process.pid) == (told["worker"], told["pid"]))
        return next(found, None)

    def _hand(self, sock: socket.socket, asked: dict[str, Any]) -> None:
        """Give a worker the listening sockets that it does not have."""
        held = self.sockets.held
        with suppress(OSError):
            sent(sock, {"type": "sockets"}, [held[place] for place in asked["places"] if place in held])

    async def _converse(self, member: Member, sock: socket.socket) -> None:
        reader, writer = await asyncio.open_unix_connection(sock=sock, limit=LONGEST)
        member.writer = writer
        if self._table is not None:
            member.tell(telling.dump(self._table))
            if member.fits:
                member.tell(self._faults)
            if member.leaving:
                member.tell(finish(self._table.linger))
        self._news.set()
        try:
            while line := await reader.readline():
                self._heard(member, json.loads(line))
        except (OSError, ValueError, LookupError, TypeError):
            pass  # its pidfd tells whether it lives; if it does, it comes again
        finally:
            if member.writer is writer:
                member.writer = None
            writer.close()
            if member.gone:
                self.tally.lost(member.process.pid)
            self._news.set()

    def _heard(self, member: Member, message: dict[str, Any]) -> None:
        kind = message.pop("type", None)
        if kind == "counts":
            # Not by its number, which the next one has while this one's last words may still be on the line.
            self.tally.take(member.process.pid, message)
        elif kind == "applied":
            member.version = message["version"]
            member.ready.set()
            self._news.set()
        elif kind == "idle":
            life = (message["service"], message["instance"], message["generation"])
            self._idle.setdefault(life, set()).add(member.process.pid)
            self._news.set()
        elif kind == "faults":
            self.on_faults(member.process.pid, message["counts"])
            member.heeded = max(member.heeded, message["version"])
            self._news.set()
        elif kind == "fact":
            self._on_fact(message)
        elif kind == "tired":
            self._relieve(member)

    def _relieve(self, member: Member) -> None:
        """Put another one in the place of a worker that was asked to end."""
        if not self._closing and self.members.get(member.number) is member:
            self._keep(self._try_to_renew(member.number))

    async def _try_to_renew(self, number: int) -> None:
        # Without a new one it goes on, which is better than what was asked for.
        with suppress(OSError, MainstayError):
            await self._renew(number)

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
