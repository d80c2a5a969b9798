"""One connection of the load generator: sends one request at a time and says how it ended.

It never repeats anything. Whether the request of a dying connection may be sent once more is for the
system under test to get right; a generator that retried would hide exactly that.
"""

import asyncio
import select
from typing import TYPE_CHECKING, Protocol, cast

import httptools

from mainstay.drill.load.record import GARBLED, OK, RESET, STATUS, TRUNCATED

if TYPE_CHECKING:
    from mainstay.drill.load.mix import Letter
    from mainstay.drill.load.schedule import Arrival

FINAL = 200
"""Statuses below are interim (RFC 9110 §15.2): the answer is still to come."""
BAD = 400
ECHO = b"x-order-id"
"""The header that some requests name themselves in; an answer to them that has it must carry the same."""


class Shot:
    """One request on its way."""

    __slots__ = ("arrival", "attempt", "carried", "id", "lag", "letter", "line", "number", "settled")

    def __init__(self, number: int, arrival: "Arrival", letter: "Letter", name: str) -> None:
        self.number = number
        self.arrival = arrival
        self.letter = letter
        self.id = name
        self.lag = 0.0
        self.carried = 0
        self.settled = False
        self.line: Line | None = None
        """The connection it is on, once there is one."""
        self.attempt: asyncio.Task[None] | None = None
        """The connecting, as long as it goes on."""


class Owner(Protocol):
    """What a connection tells its news to."""

    def settle(self, shot: Shot, outcome: str, status: int) -> None:
        """Learn how a request ended; told once for each."""
        ...

    def idle(self, line: "Line") -> None:
        """Learn that a connection has nothing to do and may carry another request."""
        ...

    def gone(self, line: "Line") -> None:
        """Learn that a connection is of no more use."""
        ...


class Line(asyncio.Protocol):
    """One connection. `shot`, if any, is sent as soon as it is made."""

    __slots__ = ("_answering", "_complete", "_framed", "_keep", "_mixed", "_owner", "_parser", "_poll", "_shot", "_status", "_transport", "carried")  # fmt: skip

    def __init__(self, owner: Owner, shot: Shot | None) -> None:
        self.carried = 0
        """Requests sent on it so far."""
        self._owner = owner
        self._shot = shot
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._poll = select.poll()
        self._answering = self._complete = self._framed = self._mixed = False
        self._keep = True
        self._status = 0

    def send(self, shot: Shot) -> None:
        """Send a request; the connection must be idle."""
        assert self._transport is not None
        assert self._shot is None or self._shot is shot
        self._shot = shot
        shot.line = self
        shot.carried = self.carried
        self.carried += 1
        self._answering = self._complete = self._framed = self._mixed = False
        self._status = 0
        self._transport.write(shot.letter.written(shot.id.encode(), fresh=shot.arrival.fresh))

    def alive(self) -> bool:
        """Tell whether nothing speaks against sending on it, as known to the kernel at this moment.

        The event loop may not have come round to a close that has already arrived. Nothing but a close can
        be waiting on an idle connection, so anything to read means that it is of no more use.
        """
        return self._transport is not None and not self._transport.is_closing() and not self._poll.poll(0)

    def abort(self) -> None:
        """Cut it, and forget the request on it."""
        self._shot = None
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close it in good order; it is of no more use."""
        self._owner.gone(self)
        if self._transport is not None:
            self._transport.close()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what is to be sent first."""
        self._transport = cast("asyncio.Transport", transport)
        # What is encrypted may be a ticket to resume the session with, and no sign of an end.
        plain = transport.get_extra_info("ssl_object") is None
        what = select.POLLIN | select.POLLRDHUP if plain else select.POLLRDHUP
        self._poll.register(transport.get_extra_info("socket").fileno(), what)
        if self._shot is None:
            self._owner.idle(self)
        elif self._shot.settled:
            # Its user lost patience while the connection was being made.
            self.abort()
        else:
            self.send(self._shot)

    def data_received(self, data: bytes) -> None:
        """Read a piece of the answer."""
        if self._shot is None or self._parser is None:
            self.close()
            return
        self._answering = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            # After a complete answer it is only the connection that is spoilt.
            self._keep = False
            if not self._complete:
                self._settle(GARBLED)
                self.close()
                return
        if self._complete:
            self._answered()

    def eof_received(self) -> None:
        """Learn that the other side has closed."""
        if self._shot is not None and self._status >= FINAL and not self._framed:
            # A body without a length ends with the connection (RFC 9112 §6.3).
            self._keep = False
            self._answered()
        self._lost()

    def connection_lost(self, exc: Exception | None) -> None:
        """Learn that the connection is no more."""
        del exc
        self._lost()
        # Parser and connection hold each other; the collector is off during a run.
        self._parser = None

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        """Look at the few headers that matter."""
        name = name.lower()
        if name in (b"content-length", b"transfer-encoding"):
            self._framed = True
        elif name == ECHO and self._shot is not None and self._shot.letter.echoed:
            self._mixed = value != self._shot.id.encode()

    def on_headers_complete(self) -> None:
        """Note the status: a body without a length may follow, and its end is not the parser's to see."""
        assert self._parser is not None
        self._status = self._parser.get_status_code()
        if self._status >= FINAL and self._shot is not None and self._shot.letter.bodiless:
            self._complete = True
            self._keep = self._keep and self._parser.should_keep_alive()

    def on_message_complete(self) -> None:
        """Note that the answer is complete, unless it is an interim one."""
        assert self._parser is not None
        if self._status >= FINAL:
            self._complete = True
            self._keep = self._keep and self._parser.should_keep_alive()

    def on_message_begin(self) -> None:
        """Note a second answer to one request."""
        if self._complete:
            self._keep = False

    def _answered(self) -> None:
        outcome = GARBLED if self._mixed else OK if self._status < BAD else STATUS
        shot = self._shot
        if shot is not None and shot.letter.bodiless:
            # It waits for the body that the headers speak of.
            self._parser = httptools.HttpResponseParser(self)
        self._settle(outcome)
        if self._keep and shot is not None and not shot.arrival.fresh:
            self._owner.idle(self)
        else:
            self.close()

    def _lost(self) -> None:
        self._settle(TRUNCATED if self._answering else RESET)
        self._owner.gone(self)

    def _settle(self, outcome: str) -> None:
        shot, self._shot = self._shot, None
        if shot is not None:
            self._owner.settle(shot, outcome, self._status)
