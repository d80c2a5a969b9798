"""A worker inside the test's own loop, origins that do as they are told, and clients that see every byte."""

import asyncio
import contextlib
import json
import socket
import struct

import pytest
import uvloop

from mainstay.gateway.table import Door, Limits, Row, Rule, Settings, Table
from mainstay.gateway.worker import Worker
from mainstay.redundancy.pool import PoolSpec
from mainstay.tolerance.call import CallSpec
from ports import free_port

DROP = object()
"""What an origin's script gives back to end the connection without a word (more)."""


def pytest_asyncio_loop_factories(config, item):
    """Run on what the workers run on."""
    return {"uvloop": uvloop.new_event_loop}


async def until(condition, limit=5.0):
    """Let the loop turn until something is so."""
    async with asyncio.timeout(limit):
        while not condition():  # noqa: ASYNC110 - what is awaited has no event, and is not changed to have one
            await asyncio.sleep(0.002)


def left_in(worker):
    """Give what is there only while requests are under way."""
    left = [*worker.clients, *worker.greetings, *(["deadlines"] * len(worker.wheel))]
    left += ["an address"] * len(worker.crowd)
    for route in worker.routes.values():
        left += [*route.tasks, *(["in flight"] * route.in_flight)]
        left += ["under way"] * abs(route.load.under_way) + ["queued"] * route.load.queued + [*route.parked]
        for member in route.pool.members:
            left += [*member.busy, *(["at an instance"] * member.in_flight)]
    return left


class Message:
    """A request or an answer as it was on the wire."""

    def __init__(self, head, body=b""):
        first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        self.head = head
        self.body = body
        self.first = first
        self.lines = lines
        self.interim = []

    @property
    def status(self):
        return int(self.first.split(b" ")[1])

    @property
    def method(self):
        return self.first.split(b" ")[0]

    @property
    def target(self):
        return self.first.split(b" ")[1]

    def all(self, name):
        prefix = name.lower().encode() + b":"
        return [
            line[len(prefix) :].strip().decode("latin-1")
            for line in self.lines
            if line[: len(prefix)].lower() == prefix
        ]

    def get(self, name):
        found = self.all(name)
        return found[0] if found else None

    def json(self):
        return json.loads(self.body)


async def read_body(reader, message):
    if message.get("transfer-encoding") == "chunked":
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            message.body += await reader.readexactly(size)
            assert await reader.readexactly(2) == b"\r\n"
        assert await reader.readexactly(2) == b"\r\n"
    elif (told := message.get("content-length")) is not None:
        message.body = await reader.readexactly(int(told))


class Origin:
    """An instance that records what comes and answers by its script.

    `answer(request)` gives bytes to write, DROP to hang up, or a coroutine that gives one of them (or None,
    when it has written itself). `raw(reader, writer)` replaces all of that.
    """

    def __init__(self, tls=None):
        self.tls = tls
        self.requests = []
        self.connections = 0
        self.open = set()
        self.raw = None
        self.answer = lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        self.server = None
        self.port = 0
        self._tasks = set()

    async def listen(self, port=0):
        self.server = await asyncio.start_server(
            self._serve, "127.0.0.1", port or free_port(), limit=2**20, ssl=self.tls
        )
        self.port = self.server.sockets[0].getsockname()[1]

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        self.connections += 1
        self.open.add(writer)
        try:
            if self.raw is not None:
                await self.raw(reader, writer)
                return
            while True:
                request = Message(await reader.readuntil(b"\r\n\r\n"))
                await read_body(reader, request)
                request.reader, request.writer = reader, writer
                self.requests.append(request)
                said = self.answer(request)
                if asyncio.iscoroutine(said):
                    said = await said
                if said is DROP:
                    return
                if said is not None:
                    writer.write(said)
                    await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.open.discard(writer)
            self._tasks.discard(asyncio.current_task())
            writer.close()

    def refuse(self):
        """Listen no more, and let the idle connections go."""
        self.server.close()

    async def close(self):
        self.server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


class Client:
    """A client's connection."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    def send(self, data):
        self.writer.write(data)

    async def answer(self, *, bodiless=False, limit=5.0):
        """Read one final answer with the interim ones before it."""
        async with asyncio.timeout(limit):
            interim = []
            while True:
                message = Message(await self.reader.readuntil(b"\r\n\r\n"))
                if message.status >= 200:
                    break
                interim.append(message)
            message.interim = interim
            if not bodiless and message.status not in (204, 304):
                if message.get("content-length") or message.get("transfer-encoding"):
                    await read_body(self.reader, message)
                else:
                    message.body = await self.reader.read()
            return message

    async def ask(self, data, **how):
        self.send(data)
        return await self.answer(**how)

    async def rest(self, limit=5.0):
        """Read until the connection ends."""
        async with asyncio.timeout(limit):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    def close(self):
        self.writer.close()

    async def read(self, count, limit=5.0):
        async with asyncio.timeout(limit):
            return await self.reader.readexactly(count)

    async def was_reset(self, limit=5.0):
        """Read to the end, and tell whether it came as a reset."""
        async with asyncio.timeout(limit):
            try:
                await self.reader.read()
            except ConnectionResetError:
                return True
            return False

    def abort(self):
        """Leave with a reset: an end alone may be that of one who still listens."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Line:
    """A line to the supervisor that remembers what was told."""

    def __init__(self):
        self.told = []

    def send(self, message):
        self.told.append(message)

    def facts(self, name):
        return [one for one in self.told if one.get("fact") == name]

    def idle(self):
        return [(one["instance"], one["generation"]) for one in self.told if one["type"] == "idle"]


class Rig:
    """A worker, its origins and its clients."""

    DROP = DROP
    until = staticmethod(until)

    def __init__(self, loop):
        self.loop = loop
        self.origins = []
        self.clients = []
        self.generation = 1
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.worker = Worker(1, {"web": self.listener}, loop)
        self.line = self.worker._link = Line()
        self.version = 0
        self.settings = None
        self.path = None
        self.log = None
        self.trusted = []
        self.door = {}
        self.trace = None
        self.rows = []

    @property
    def route(self):
        return self.worker.routes["web"]

    @property
    def members(self):
        return self.route.pool.members

    async def up(  # noqa: PLR0913 - all by name
        self, count=1, *, limits=None, call=None, pool=None, path=None, door=None, tls=None, **settings
    ):
        """Serve with so many origins; settings as in `Settings`, with short names for specs.

        Args:
            door: Fields of the `Door`.
            tls: What origins show as `localhost`, when they speak TLS.
        """
        self.path = path
        self.door = door or {}
        settings.setdefault("health", None)
        settings.setdefault("breaker", None)
        self.settings = Settings(
            pool=PoolSpec(**{"outlier": None, "balance": "round_robin"} | (pool or {})),
            call=CallSpec(**{"attempt": 2.0, "request": 5.0, "wait": 0.0} | (call or {})),
            **settings,
        )
        self.limits = limits or Limits()
        for _ in range(count):
            origin = Origin(tls)
            await origin.listen()
            self.origins.append(origin)
            self.rows.append(self.row(origin, len(self.origins)))
        self.apply()
        self.worker._tick()
        await self.worker.serve()
        return self.origins[0] if count == 1 else self.origins

    def row(self, origin, number, generation=1, state="up"):
        name = f"web-{number}"
        return Row(
            service="web",
            instance=name,
            generation=generation,
            host="127.0.0.1",
            port=origin.port,
            state=state,
            path=self.path,
            server_name="localhost" if origin.tls else "",
        )

    def apply(self):
        self.worker.apply(self.table())

    def table(self):
        self.version += 1
        return Table(
            version=self.version,
            doors={"web": Door(**{"rules": [Rule(service="web")]} | self.door)},
            services={"web": self.settings},
            rows=self.rows,
            limits=self.limits,
            log=self.log,
            trusted=self.trusted,
            trace=self.trace,
        )

    async def client(self, **how):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20, **how)
        client = Client(reader, writer)
        self.clients.append(client)
        return client

    async def tcp(self, count=1, *, door=None, **settings):
        """Serve TCP with so many origins that send back what they get."""
        await self.up(count, door={"tcp": True} | (door or {}), **settings)
        for origin in self.origins:
            origin.raw = echo
        return self.origins[0] if count == 1 else self.origins

    async def ask(self, data, **how):
        """Ask on a connection of its own, and leave."""
        client = await self.client()
        answer = await client.ask(data, **how)
        client.close()
        return answer

    def get(self, target="/", *headers):
        return self.request("GET", target, *headers)

    def request(self, method, target, *headers, body=None):
        lines = [f"{method} {target} HTTP/1.1", "Host: example.test", *headers]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "\r\n"]).encode() + (body or b"")

    async def down(self):
        """End everything, and give what was left over."""
        for client in self.clients:
            client.close()
        worker = self.worker
        with contextlib.suppress(TimeoutError):
            await until(self.idle)
        left = self.left()
        worker.stop()
        await worker.close()
        for client in list(worker.clients):
            client.abort()
        members = [member for route in worker.routes.values() for member in route.pool.members]
        with contextlib.suppress(TimeoutError):
            await until(lambda: not any(member.connections for member in members))
        left += [one for member in members for one in member.connections]
        for origin in self.origins:
            await origin.close()
        return left

    def idle(self):
        return not self.left()

    def left(self):
        return left_in(self.worker)


@pytest.fixture
async def rig():
    loop = asyncio.get_running_loop()
    faults = []
    loop.set_exception_handler(lambda _, context: faults.append(context))
    made = Rig(loop)
    yield made
    assert await made.down() == []
    assert not faults
    left = {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
    assert not left
