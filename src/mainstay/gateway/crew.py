"""The gateway as its supervisor sees it: listening sockets, workers, and the line to each of them.

The sockets are opened here and handed to every worker, all of which accept from the same queues: a
worker that dies loses what it was working on, and not one connection that was still waiting.
"""

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Protocol

from mainstay.base.clock import Clock
from mainstay.base.errors import EnvironmentProblem, MainstayError
from mainstay.base.facts import Emit, WorkerExited, WorkerStarted
from mainstay.gateway import table
from mainstay.gateway.accepting import BACKLOG
from mainstay.gateway.link import LONGEST, STOP
from mainstay.gateway.tally import Tally

Address = tuple[str, int]
LifeKey = tuple[str, str, int]

_HELLO = 65536
_MOST_SOCKETS = 253
_GREET = 5.0
_STABLE = 5.0
_REST = 0.1
_REST_CAP = 5.0


# A client that has vanished without a word, as a phone out of reach does, is known to be gone after two minutes;
# the kernel's own two hours are longer than any tunnel may stand still.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))


class WorkerProcess(Protocol):
    """What the crew needs of a process."""

    pid: int
    started: int
    on_exit: Callable[[str], None] | None

    def signal(self, number: int) -> bool:
        """Send a signal."""
        ...

    async def wait(self) -> str:
        """Wait for its end."""
        ...

    def let_go(self) -> None:
        """Stop watching it."""
        ...


Spawn = Callable[[int, dict[str, int]], WorkerProcess]
"""Starts a worker by its number, with listening sockets by name."""


def _find_the_dead(listener: socket.socket) -> None:
    """Have the kernel ask silent clients whether they are there; connections inherit it (socket(7), tcp(7))."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        listener.setsockopt(socket.IPPROTO_TCP, option, value)


def bind(address: Address, key: str) -> socket.socket:
    """Open a listening socket.

    Args:
        address: Where to listen.
        key: The key of the system file that says so; errors name it.

    Raises:
        EnvironmentProblem: the address is in use, or not this machine's.
    """
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _find_the_dead(made)
        made.bind((host, port))
        made.listen(BACKLOG)
    except OSError as problem:
        made.close()
        raise EnvironmentProblem(
            f"{key}: cannot listen on {host}:{port}: {(problem.strerror or str(problem)).lower()}"
        ) from problem
    except OverflowError as problem:
        made.close()
        raise EnvironmentProblem(f"{key}: no such port: {port}") from problem
    made.setblocking(False)
    return made


class Member:
    """One worker, its process and its line."""

    __slots__ = ("began", "gone", "number", "process", "ready", "version", "writer")

    def __init__(self, number: int, process: WorkerProcess, began: float) -> None:
        self.number = number
        self.process = process
        self.began = began
        self.gone = False
        self.writer: asyncio.StreamWriter | None = None
        self.version = 0
        self.ready = asyncio.Event()


class Crew:
    """All workers of one gateway."""

    def __init__(  # noqa: PLR0913 - what it is made of; all by name
        self,
        *,
        size: int,
        listeners: Mapping[str, Address],
        keys: Mapping[str, str],
        door: socket.socket,
        spawn: Spawn,
        emit: Emit,
        clock: Clock,
        on_fact: Callable[[dict[str, Any]], None],
        changed: Callable[[], None],
    ) -> None:
        """Be a crew of `size` workers.

        Args:
            size: How many workers; 0 when nothing listens.
            listeners: Where to listen, by the names of the listening sockets.
            keys: The keys of the system file that say so; errors name them.
            door: The Unix socket that workers come to; bound, not yet listening.
            spawn: Starts a worker.
            emit: Takes the crew's facts.
            clock: Tells the time.
            on_fact: Takes the facts that workers tell, as plain values.
            changed: Told whenever a worker was started or ended, for whoever remembers them.
        """
        self.tally = Tally()
        self.members: dict[int, Member] = {}
        self._misfits: list[Member] = []
        self._size = size if listeners else 0
        self._wanted = dict(listeners)
        self._keys = keys
        self._sockets: dict[str, socket.socket] = {}
        self._door = door
        self._spawn = spawn
        self._emit = emit
        self._clock = clock
        self._on_fact = on_fact
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._table = table.Table(version=0)
        self._idle: dict[LifeKey, set[int]] = {}
        self._news = asyncio.Event()
        self._closing = False
        self._deaths = 0

    # --- life ---

    async def open(self, table_: table.Table, adopted: Mapping[int, WorkerProcess]) -> None:
        """Take over the workers that live, with the listening sockets that they hold."""
        self._table = table_
        self._door.listen(64)
        self._door.setblocking(False)
        self._keep(self._accept())
        now = self._clock.now()
        for number, process in adopted.items():
            self._take_in(Member(number, process, now))
        await self._greet()

    def bind(self) -> None:
        """Open the listening sockets that no worker has brought.

        Raises:
            EnvironmentProblem: an address is in use, or not this machine's.
        """
        for name, address in self._wanted.items():
            if name not in self._sockets:
                self._sockets[name] = bind(address, self._keys[name])

    async def start(self) -> None:
        """Start the workers that are missing, wait until each of them serves, and part with those that do not fit."""
        for member in self._misfits:
            member.process.on_exit = None
            del self.members[member.number]
        for number in range(1, self._size + 1):
            if number not in self.members:
                self._hire(number)
        for member in list(self.members.values()):
            await self._ready(member)
        await self._part()

    async def stop(self, limit: float) -> None:
        """Let all workers finish what they do, for `limit` seconds, and end."""
        self._closing = True
        for member in self.members.values():
            if member.writer is not None:
                with suppress(OSError):
                    member.writer.write(STOP)
            else:
                member.process.signal(15)
        await self._gone(list(self.members.values()), limit + 1.0)
        await self._close()

    def kill(self) -> None:
        """End all workers at once; requests under way are cut."""
        self._closing = True
        for member in self.members.values():
            member.process.signal(9)

    async def abandon(self) -> None:
        """Let go of the workers without ending them."""
        self._closing = True
        for member in self.members.values():
            member.process.on_exit = None
            member.process.let_go()
        await self._close()

    async def _close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for member in self.members.values():
            if member.writer is not None:
                member.writer.close()
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()
        self._door.close()

    # --- what the workers are told ---

    def publish(self, table_: table.Table) -> None:
        """Give every worker this table."""
        self._table = table_
        known = {(row.service, row.instance, row.generation) for row in table_.rows}
        for life in [life for life in self._idle if life not in known]:
            del self._idle[life]
        lines = table.dump(table_)
        for member in self.members.values():
            if member.writer is not None:
                with suppress(OSError):
                    member.writer.write(lines)

    async def drained(self, life: LifeKey, limit: float) -> bool:
        """Wait until no worker has requests under way for a draining life; False when that takes too long."""
        until = self._clock.now() + limit
        while True:
            idle = self._idle.get(life, set())
            # One whose line is broken may be working on something; it comes back, or its exit is seen.
            if all(number in idle for number in self.members):
                return True
            left = until - self._clock.now()
            if left <= 0:
                return False
            self._news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), left)

    # --- workers come and go ---

    def _hire(self, number: int) -> None:
        process = self._spawn(number, {name: sock.fileno() for name, sock in self._sockets.items()})
        self._take_in(Member(number, process, self._clock.now()))
        self._emit(WorkerStarted(at=self._clock.wall(), worker=number, pid=process.pid))
        self._changed()

    def _take_in(self, member: Member) -> None:
        self.members[member.number] = member
        member.process.on_exit = lambda reason: self._exited(member, reason)

    def _exited(self, member: Member, reason: str) -> None:
        if self.members.get(member.number) is member:
            del self.members[member.number]
        self._count_out(member)
        for idle in self._idle.values():
            idle.discard(member.number)
        self._news.set()
        member.ready.set()
        self._emit(
            WorkerExited(at=self._clock.wall(), worker=member.number, pid=member.process.pid, reason=reason)
        )
        self._changed()
        if self._closing or member.number > self._size:
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
        if self._closing or number in self.members:
            return
        try:
            self._hire(number)
        except (OSError, MainstayError):
            # No processes or descriptors left, for the moment: the others go on, and this one comes later.
            self._loop.call_later(_REST_CAP, self._replace, number)

    async def _ready(self, member: Member) -> None:
        try:
            await asyncio.wait_for(member.ready.wait(), 15.0)
        except TimeoutError:
            raise EnvironmentProblem(f"gateway worker {member.number} does not answer") from None
        if member.number not in self.members:
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

    # --- lines ---

    async def _greet(self) -> None:
        """Wait for the workers that were taken over, and see which of them serve what is wanted now."""
        deadline = self._clock.now() + _GREET
        while any(member.writer is None for member in self.members.values()) and self._clock.now() < deadline:
            self._news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), deadline - self._clock.now())
        fits = set(self._sockets) == set(self._wanted)
        self._misfits = [
            member
            for member in self.members.values()
            if member.writer is None or member.number > self._size or not fits
        ]

    async def _part(self) -> None:
        """End the workers that serve something else, now that others do what is wanted."""
        misfits, self._misfits = self._misfits, []
        for member in misfits:
            if member.writer is not None:
                member.writer.write(STOP)
            else:
                member.process.signal(9)
        await self._gone(misfits, self._table.drain + 1.0)
        for member in misfits:
            self._count_out(member)

    async def _accept(self) -> None:
        while True:
            sock, _ = await self._loop.sock_accept(self._door)
            self._keep(self._hear(sock))

    async def _hear(self, sock: socket.socket) -> None:
        """Hear one worker out, from its hello to its end."""
        sock.setblocking(False)
        readable = asyncio.Event()
        self._loop.add_reader(sock, readable.set)
        try:
            await asyncio.wait_for(readable.wait(), _GREET)
            data, fds, _, _ = socket.recv_fds(sock, _HELLO, _MOST_SOCKETS)
        except (TimeoutError, OSError):
            sock.close()
            return
        finally:
            self._loop.remove_reader(sock)
        hello, _, rest = data.partition(b"\n")
        handed = [socket.socket(fileno=fd) for fd in fds]
        try:
            member = self._welcome(json.loads(hello), handed)
        except (ValueError, KeyError, TypeError):
            member = None
        if member is None:
            for one in handed:
                one.close()
            sock.close()
            return
        reader, writer = await asyncio.open_unix_connection(sock=sock, limit=LONGEST)
        member.writer = writer
        writer.write(table.dump(self._table))
        self._news.set()
        try:
            # Nothing is told before the first table; who does is not one of ours.
            while not rest and (line := await reader.readline()):
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

    def _welcome(self, hello: dict[str, Any], handed: list[socket.socket]) -> Member | None:
        member = self.members.get(hello["worker"])
        if member is None or member.process.pid != hello["pid"]:
            return None
        for name, sock in zip(hello["listeners"], handed, strict=True):
            wanted = self._wanted.get(name)
            if (
                wanted is not None
                and name not in self._sockets
                and sock.getsockname()[:2] == _resolved(wanted)
            ):
                sock.setblocking(False)
                self._sockets[name] = sock
            else:
                sock.close()
        return member

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
            self._idle.setdefault(life, set()).add(member.number)
            self._news.set()
        elif kind == "fact":
            self._on_fact(message)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _resolved(address: Address) -> Address:
    """Give an address as a bound socket tells it: `localhost` is `127.0.0.1` by then."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with suppress(OSError):
        found = socket.getaddrinfo(*address, family=family, type=socket.SOCK_STREAM)
        return found[0][4][:2]  # type: ignore[return-value]
    return address
