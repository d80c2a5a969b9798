"""The listening sockets of a gateway, each by the place where it listens: `127.0.0.1:8080`.

A place, and not a name of the system file, tells one from another: a service that begins to share its
listener, or one that is renamed, goes on with the same socket and all who wait there.
"""

import asyncio
import ctypes
import socket
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

from mainstay.base.errors import EnvironmentProblem
from mainstay.gateway.crew.place import BACKLOG, Address, place, place_of

# A client that has vanished without a word, as a phone out of reach does, is known to be gone after two minutes;
# the kernel's own two hours are longer than any tunnel may stand still.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))
_HUSH = 0.05
"""Seconds in which a connection that is being made is there, or has failed: far above a network's round trip."""
_HUSH_LIMIT = 1.0
_PAUSE = 0.01
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h; Python has no name for it
_SO_DETACH_FILTER = 27
_NO_MORE = (
    (0x30, 0, 0, 13),  # load the byte with the flags (RFC 9293 §3.1)
    (0x54, 0, 0, 0x12),  # of which SYN and ACK matter
    (0x15, 0, 1, 0x02),  # is it SYN alone, which asks for a connection?
    (0x06, 0, 0, 0),  # then it never came
    (0x06, 0, 0, 0xFFFFFFFF),
)
"""A filter in the kernel's language (bpf(4)) that lets nobody begin a connection."""
_BACKLOG_AT = 24
"""Where `tcpi_unacked` stands in `tcp_info` (tcp(7)): of a listening socket, the connections that wait."""


class Sockets:
    """All listening sockets: held ones are listening; reserved ones are bound, and nobody can connect yet."""

    def __init__(self) -> None:
        self.held: dict[str, socket.socket] = {}
        self._reserved: dict[str, socket.socket] = {}
        self._places: dict[Address, str] = {}

    def place(self, address: Address) -> str:
        """Give the place that an address stands for, the same one each time: `localhost` is `127.0.0.1`."""
        if address not in self._places:
            self._places[address] = place(_resolved(address))
        return self._places[address]

    def take(self, handed: Iterable[socket.socket]) -> None:
        """Hold the sockets that a worker has brought."""
        for sock in handed:
            where = place_of(sock)
            if where in self.held:
                sock.close()
                continue
            sock.setblocking(False)
            with suppress(OSError):  # mostly there is none: only who was killed while closing it left one
                sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
            self.held[where] = sock

    def reserve(self, wanted: Mapping[str, Address]) -> None:
        """Bind what is not there yet, all of it or nothing.

        Args:
            wanted: Addresses, by the keys of the system file that say so; errors name them.

        Raises:
            EnvironmentProblem: addresses are in use, or not this machine's; tells all of them.
        """
        problems = []
        for key, address in wanted.items():
            where = self.place(address)
            if where in self.held or where in self._reserved:
                continue
            try:
                self._reserved[where] = self._bind(address, key)
            except EnvironmentProblem as problem:
                problems.append(str(problem))
        if problems:
            self.release()
            raise EnvironmentProblem("\n".join(problems))

    def listen(self, places: Collection[str]) -> None:
        """Let clients connect to those of these places that are reserved.

        Raises:
            EnvironmentProblem: somebody else has begun to listen there since it was reserved.
        """
        # Bound and not yet listening, an address can be had by several; the first to listen has it.
        for where in [where for where in self._reserved if where in places]:
            sock = self._reserved[where]
            try:
                with _sharing([sock, *self._on(sock.getsockname()[1])]):
                    sock.listen(BACKLOG)
            except OSError as problem:
                raise EnvironmentProblem(f"cannot listen on {where}: {_why(problem)}") from problem
            self.held[where] = self._reserved.pop(where)

    def release(self) -> None:
        """Give up what is reserved."""
        for sock in self._reserved.values():
            sock.close()
        self._reserved.clear()

    async def hush(self, places: Collection[str]) -> None:
        """Let nobody begin a connection to these places, and wait until those who have are accepted.

        A client that tries meanwhile is not answered; its kernel asks again after a second, and finds who listens
        there by then. A socket that were just closed would reset all that wait to be accepted.
        """
        hushed = [sock for where, sock in self.held.items() if where in places]
        for sock in hushed:
            with suppress(OSError):  # without it a connection that comes in this very moment is lost
                _let_nobody_in(sock)
        if not hushed:
            return
        loop = asyncio.get_running_loop()
        until = loop.time() + _HUSH_LIMIT
        await asyncio.sleep(_HUSH)
        while any(map(waiting, hushed)) and loop.time() < until:  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(_PAUSE)

    def drop(self, places: Collection[str]) -> None:
        """Close the sockets of these places."""
        for where in places:
            if where in self.held:
                self.held.pop(where).close()

    def close(self) -> None:
        """Close all."""
        self.release()
        self.drop(list(self.held))

    def _bind(self, address: Address, key: str) -> socket.socket:
        others = self._on(address[1])
        with _sharing(others):
            return bind(address, key, share=bool(others))

    def _on(self, port: int) -> list[socket.socket]:
        return [sock for sock in self.held.values() if sock.getsockname()[1] == port]


def bind(address: Address, key: str, *, share: bool = False) -> socket.socket:
    """Bind a socket for listening; it does not listen yet.

    Args:
        address: Where to listen.
        key: The key of the system file that says so; errors name it.
        share: Whether others of ours, which say the same of themselves, may have a part of the address.

    Raises:
        EnvironmentProblem: the address is in use, or not this machine's.
    """
    host, port = address
    made = socket.socket(_family(host), socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, share)
        _find_the_dead(made)
        made.bind((host, port))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
    except OSError as problem:
        made.close()
        raise EnvironmentProblem(f"{key}: cannot listen on {host}:{port}: {_why(problem)}") from problem
    except OverflowError as problem:
        made.close()
        raise EnvironmentProblem(f"{key}: no such port: {port}") from problem
    made.setblocking(False)
    return made


def _find_the_dead(listener: socket.socket) -> None:
    """Have the kernel ask silent clients whether they are there; connections inherit it (socket(7), tcp(7))."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        listener.setsockopt(socket.IPPROTO_TCP, option, value)


@contextmanager
def _sharing(socks: list[socket.socket]) -> Iterator[None]:
    """Let one address be had that has another of ours in it, as 0.0.0.0 has 127.0.0.1, until that is closed."""
    for sock in socks:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        yield
    finally:
        for sock in socks:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)


def _let_nobody_in(sock: socket.socket) -> None:
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in _NO_MORE))
    sock.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(_NO_MORE), ctypes.addressof(program))
    )


def waiting(sock: socket.socket) -> int:
    """Give how many connections wait to be accepted."""
    told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BACKLOG_AT + 4)
    return int(struct.unpack_from("I", told, _BACKLOG_AT)[0])


def _resolved(address: Address) -> Address:
    """Give an address as a bound socket tells it: `localhost` is `127.0.0.1` by then."""
    with suppress(OSError):
        found = socket.getaddrinfo(*address, family=_family(address[0]), type=socket.SOCK_STREAM)
        return found[0][4][:2]  # type: ignore[return-value]
    return address


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _why(problem: OSError) -> str:
    return (problem.strerror or str(problem)).lower()
