"""A gateway worker between a client and an instance that are both the test: no sockets, no waiting.

Transports are stand-ins that keep what is written to them, and connections to instances are made at once,
to no one. The rest is the gateway as it is, seen from outside: bytes in, bytes out.
"""

import asyncio
import socket
from collections import deque

from conformance.wire import WireError, take_request
from gateway.conftest import left_in
from mainstay.gateway.table import Door, Limits, Row, Rule, Settings, Table
from mainstay.gateway.worker import Worker
from mainstay.redundancy.pool import PoolSpec
from mainstay.tolerance.call import CallSpec

NAME = "web"
_TURNS = 10_000
"""More turns of the loop than any conversation takes: beyond, something goes round in circles."""


class Socket:
    """What the gateway asks of a socket: a descriptor on which nothing comes, and options."""

    def __init__(self, quiet):
        self._quiet = quiet
        self.options = []

    def fileno(self):
        return self._quiet.fileno()

    def setsockopt(self, *option):
        self.options.append(option)


class End:
    """The gateway's transport, and the test's hold on its other end."""

    def __init__(self, stage):
        self.stage = stage
        self.protocol = None
        self.socket = Socket(stage.quiet)
        self.written = bytearray()
        # What the gateway did with it: "" (open), "ended" (it still reads), "closed" or "aborted".
        self.state = ""
        self.lost = False
        # Bytes that the gateway has read.
        self.come = 0
        self._reading = True
        self._inbox = deque()

    # --- the gateway's side ---

    def write(self, data):
        assert self.state == "", (self.state, data)
        self.written += data

    def writelines(self, pieces):
        self.write(b"".join(pieces))

    def can_write_eof(self):
        return True

    def write_eof(self):
        self.state = self.state or "ended"

    def is_closing(self):
        return self.state in ("closed", "aborted")

    def is_reading(self):
        return self._reading and not self.is_closing()

    def close(self):
        if not self.is_closing():
            self.state = "closed"
            self.stage.loop.call_soon(self._lose)

    def abort(self):
        if not self.is_closing():
            self.stage.loop.call_soon(self._lose)
        self.state = "aborted"

    def pause_reading(self):
        self._reading = False

    def resume_reading(self):
        self._reading = True

    def get_extra_info(self, name, default=None):
        return {"socket": self.socket, "peername": ("127.0.0.1", 1)}.get(name, default)

    def get_write_buffer_size(self):
        return 0

    def set_write_buffer_limits(self, high=None, low=None):
        pass

    # --- the test's side ---

    def send(self, *pieces):
        """Send pieces, each of which the gateway reads by itself, as soon as it reads."""
        self._inbox.extend(piece for piece in pieces if piece)
        self._deliver()

    def end(self):
        """Send the end."""
        self._inbox.append(None)
        self._deliver()

    def lose(self):
        """Be gone, with a reset."""
        if not self.lost:
            self.state = self.state or "aborted"
            self._lose(ConnectionResetError())

    @property
    def unread(self):
        """What the gateway does not read yet."""
        return b"".join(piece for piece in self._inbox if piece)

    def _deliver(self):
        moved = False
        while self._inbox and self.is_reading():
            piece = self._inbox.popleft()
            moved = True
            if piece is not None:
                self.come += len(piece)
                self.protocol.data_received(piece)
                self.stage.watch(self, piece)
            elif not self.protocol.eof_received():
                self.close()
        return moved

    def _lose(self, exc=None):
        if not self.lost:
            self.lost = True
            self._inbox.clear()
            self.protocol.connection_lost(exc)


class Loop(asyncio.SelectorEventLoop):
    """A loop whose connections are stand-ins."""

    def __init__(self, stage):
        super().__init__()
        self.stage = stage
        self.accept = None

    async def create_connection(self, factory, *args, **how):
        return self.stage.connected(factory())

    async def create_server(self, factory, *args, sock, **how):
        self.accept = factory
        sock.close()


class Stage:
    """A worker with one service of one instance, which answers what `answer(message, number)` gives.

    Attributes:
        messages: What reached the instance whole, in order.
        wires: What was written on each of its connections.
        faults: What nobody should ever see: errors that the loop was told of, bytes that no one may send.
    """

    def __init__(self, *, limits=None, call=None, hold=65536):
        self.quiet, self._other = socket.socketpair()
        self.listener = socket.socket()
        self.loop = Loop(self)
        self.loop.set_exception_handler(lambda _, context: self.faults.append(context))
        self.limits = limits or Limits()
        self.hold = hold
        self.watch = lambda end, piece: None
        self.faults = []
        self.instances = []
        self._clear()
        self.worker = Worker(1, {NAME: self.listener}, self.loop)
        self.worker.date = b"Date: Tue, 24 Nov 2026 10:00:00 GMT"
        spec = Settings(
            health=None,
            breaker=None,
            pool=PoolSpec(outlier=None, balance="round_robin"),
            call=CallSpec(**{"wait": 0.0} | (call or {})),
            hold=hold,
        )
        self.worker.apply(
            Table(
                version=1,
                limits=self.limits,
                doors={NAME: Door(rules=[Rule(service=NAME)])},
                services={NAME: spec},
                rows=[Row(service=NAME, instance="web-1", generation=1, host="127.0.0.1", port=9)],
            )
        )
        self.loop.run_until_complete(self.worker.serve())

    def _clear(self):
        self.answer = lambda message, number: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        self.messages = []
        for end in self.instances:
            end.lose()
        self.instances = []
        self._read = []

    @property
    def wires(self):
        return [bytes(end.written) for end in self.instances]

    def client(self):
        """Let a client connect."""
        end = End(self)
        end.protocol = self.loop.accept()
        end.protocol.connection_made(end)
        return end

    def connected(self, protocol):
        """Let the instance accept a connection."""
        end = End(self)
        end.protocol = protocol
        self.instances.append(end)
        self._read.append(0)
        protocol.connection_made(end)
        return end, protocol

    def settle(self, *clients):
        """Let everything happen that can happen by itself."""
        for _ in range(_TURNS):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()
            moved = sum(end._deliver() for end in (*clients, *self.instances))
            if not self._work() and not moved and not self.loop._ready:
                return
        raise AssertionError("it never comes to rest")

    def _work(self):
        moved = False
        for number, end in enumerate(self.instances):
            if self._read[number] is None or end.lost:
                continue
            try:
                taken = take_request(bytes(end.written), self._read[number])
            except WireError as error:
                self.faults.append(error)
                self._read[number] = None
                continue
            if taken is not None:
                moved = True
                message, self._read[number] = taken
                self.messages.append(message)
                answer = self.answer(message, len(self.messages) - 1)
                for piece in answer if isinstance(answer, (list, tuple)) else (answer,):
                    if piece is None:
                        end.end()
                    else:
                        end.send(piece)
        return moved

    def rest(self, *clients):
        """Let everybody leave, forget what was said, and give what the gateway has kept of it."""
        for client in clients:
            client.lose()
        for end in self.instances:
            end.lose()
        self.settle()
        left = [*self.faults, *left_in(self.worker)]
        for route in self.worker.routes.values():
            for member in route.pool.members:
                left += [*member.connections, *member.idle]
        self.faults.clear()
        self._clear()
        return left

    def close(self):
        self.loop.run_until_complete(self.worker.close())
        self.loop.close()
        for sock in (self.quiet, self._other, self.listener):
            sock.close()
