"""HOT. Connections to instances: what is sent there, and what comes back."""

import asyncio
import errno
import select
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

import httptools

from mainstay.base.outcome import REFUSED, RESET, STALE, Outcome
from mainstay.gateway.head import CHUNKED, NONE, Response

if TYPE_CHECKING:
    from mainstay.gateway.exchange import Exchange
    from mainstay.gateway.upstream import Upstream

IDLE = 4.0
"""Seconds an idle connection is kept: under Node's and uvicorn's 5 s, so that we close first, not they."""
BARREN = 262144
"""Bytes of an answer without any body among them before it is given up: a head, trailers or chunk
extensions that never end would fill the memory."""
_MARGIN = 1.0
_DISCARD = 65536
_POLLED = select.POLLIN | select.POLLHUP | select.POLLERR
_STARTS = (b"HTTP/1.1 ", b"HTTP/1.0 ")
_FIRST = ord("H")
_BODILESS = frozenset({b"GET", b"HEAD", b"DELETE", b"OPTIONS"})
"""Methods whose body means nothing (RFC 9110 §9.3.1), so that some instances do not read one."""


class UnfitError(Exception):
    """An answer that cannot be passed on; it stops the parser."""


class UpstreamConnection(asyncio.Protocol):
    """One connection to an instance; it carries one request at a time."""

    __slots__ = (
        "_barren",
        "_bytes",
        "_discarding",
        "_doubted",
        "_ended",
        "_got",
        "_headers",
        "_held_back",
        "_parser",
        "_poll",
        "_reason",
        "_response",
        "_reuse",
        "_sent",
        "_sole",
        "_tail",
        "_unsent",
        "closed",
        "exchange",
        "idle_since",
        "instance",
        "keep_for",
        "loop",
        "paused",
        "transport",
        "used",
    )

    def __init__(self, instance: "Upstream", loop: asyncio.AbstractEventLoop) -> None:
        self.instance = instance
        self.loop = loop
        self.transport: asyncio.Transport = None  # type: ignore[assignment] # told by connection_made
        self.exchange: Exchange | None = None
        self.used = 0
        self.idle_since = 0.0
        self.keep_for = IDLE
        self.closed = False
        self.paused = False
        self._poll = select.poll()
        self._parser = httptools.HttpResponseParser(self)
        self._response: Response | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._reason = b""
        self._discarding = False
        self._bytes = False
        # Whether it is HTTP/1.1 or 1.0 has not been seen yet.
        self._doubted = True
        self._tail = False
        self._ended = False
        self._reuse = False
        self._sent = False
        # Nothing else may be sent here.
        self._sole = False
        self._held_back = False
        self._unsent = inf
        # Bytes of body so far, and bytes read since there was one.
        self._got = 0
        self._barren = 0

    # --- the loop tells us ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = transport  # type: ignore[assignment]
        self._poll.register(transport.get_extra_info("socket").fileno(), _POLLED)
        self.instance.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Read a piece of the answer."""
        if self.exchange is None and not self._discarding:
            # RFC 9112 §6.3: bytes that nobody asked for are never the next answer.
            self.close()
            return
        if not self._bytes:
            self._bytes = True
            self._doubted = not data.startswith(_STARTS)
            if self._doubted and data[0] != _FIRST:
                # The parser would take RTSP and ICE, and skip empty lines, which are the end of something else.
                self.close()
                self.fail(RESET)
                return
        got = self._got
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if isinstance(error, httptools.HttpParserCallbackError) and not isinstance(
                error.__context__, UnfitError
            ):
                self._tell(error)
            self._reuse = False
            if not self._ended:
                self.close()
                self.fail(RESET)
                return
        if self._ended:
            self._finish()
            return
        self._barren = self._barren + len(data) if self._got == got else 0
        if self._barren > BARREN:
            self.close()
            self.fail(RESET)
        elif self.exchange is not None:
            self.exchange.flush()

    def eof_received(self) -> None:
        """Take the end: for an answer without a length it is the end of the body."""
        exchange, response = self.exchange, self._response
        if exchange is not None and response is not None and response.length == NONE:
            self._reuse = False
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio tells it
        """Tell whoever waits here that there will be no (more) answer."""
        self.closed = True
        self.instance.connections.discard(self)
        if self.exchange is not None:
            self.fail(RESET if self._bytes or self.used <= 1 else STALE)
        elif self in self.instance.idle:
            self.instance.idle.remove(self)

    def pause_writing(self) -> None:
        """Hold the client back: this instance reads more slowly than it sends."""
        self.paused = True
        self._unsent = inf
        if self.exchange is not None:
            self.exchange.client.pause()

    def resume_writing(self) -> None:
        """Let the client go on."""
        self.paused = False
        if self.exchange is not None:
            self.exchange.client.unpause()

    # --- the exchange tells us ---

    def send(self, exchange: "Exchange", data: bytes, *, last: bool) -> None:
        """Send the beginning of a request; its answer goes to `exchange`."""
        self.exchange = exchange
        self.used += 1
        self._bytes = False
        self._response = None
        self._sent = last
        self._got = self._barren = 0
        if exchange.request.length not in (NONE, 0) and exchange.request.method in _BODILESS:
            self._sole = True
        self.transport.write(data)

    def more(self, data: bytes, *, last: bool) -> None:
        """Send more of the request's body."""
        self._sent = last
        if data:
            self.transport.write(data)

    def alive(self) -> bool:
        """Tell whether the other end still has it open, and has sent nothing that nobody asked for."""
        return not self.closed and not self.transport.is_closing() and not self._poll.poll(0)

    def spare(self, now: float) -> None:
        """Keep a connection that was made for a request which no longer needs it."""
        if self.instance.leaving or self.closed:
            self.close()
            return
        self.used = 1  # never used, but a close that is met on reuse is a stale one
        self.idle_since = now
        self.instance.idle.append(self)

    def moved(self) -> bool:
        """Tell whether the instance has read anything of what waits for it since this was last asked."""
        before, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        return 0 < self._unsent < before

    def pause_reading(self) -> None:
        """Read no more for now: the client is slower than the instance."""
        if not self.closed and not self._held_back:
            self._held_back = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if not self.closed and self._held_back:
            self._held_back = False
            self.transport.resume_reading()

    def expired(self, now: float) -> bool:
        """Tell whether it has been of no use for too long."""
        return (
            self.exchange is None
            and not self.closed
            and self.used > 0
            and now - self.idle_since > self.keep_for
        )

    def release(self, now: float) -> None:
        """Let go of an exchange that needs no more of this answer; a short rest costs less than a new connection."""
        self.exchange = None
        if self._sent and self._response is not None and 0 <= self._response.length <= _DISCARD:
            self._discarding = True
            self.idle_since = now
        else:
            self.close()

    def abandon(self) -> None:
        """Cut the connection: its answer is no longer wanted."""
        self.exchange = None
        self.closed = True
        if self in self.instance.idle:
            self.instance.idle.remove(self)
        self.transport.abort()

    def fail(self, outcome: Outcome) -> None:
        """Tell the exchange how this attempt ended, and be done with it."""
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.failed(outcome)

    def close(self) -> None:
        """Close in order."""
        self.closed = True
        self.transport.close()

    def _tell(self, error: Exception) -> None:
        """Tell of a mistake of ours, which the parser would hide."""
        self.loop.call_exception_handler(
            {"message": "an answer could not be worked on", "exception": error.__context__ or error}
        )

    # --- the parser tells us ---

    def on_message_begin(self) -> None:
        """Begin an answer; a second one in the same read is nobody's."""
        if self._ended:
            raise UnfitError
        self._headers = []
        self._reason = b""
        self._tail = False

    def on_status(self, reason: bytes) -> None:
        """Keep the reason phrase."""
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; a trailer is not one (RFC 9110 §6.5.1)."""
        if not self._tail:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Judge the head, and begin the answer."""
        self._tail = True
        exchange = self.exchange
        if self._discarding or exchange is None:
            return
        status = self._parser.get_status_code()
        response = Response(status, self._reason)
        head = exchange.request.method == b"HEAD"
        response.read(self._headers, exchange.date(), bodiless=head or status < 200 or status in (204, 304))  # noqa: PLR2004 - interim
        if response.fault or not 100 <= status < 600 or status == 101:  # noqa: PLR2004 - no upgrade was offered
            raise UnfitError
        if self._doubted or response.length == CHUNKED:
            # RFC 9112 §6.1: before 1.1 such a length cannot be trusted.
            fit = ("1.1",) if response.length == CHUNKED else ("1.1", "1.0")
            if self._parser.get_http_version() not in fit:
                raise UnfitError
        if status < 200:  # noqa: PLR2004 - interim
            if status != 100:  # noqa: PLR2004 - that one is asked for, and answered, by us
                exchange.interim(response)
            self._doubted = True
            return
        if response.keep_for is not None:
            self.keep_for = min(IDLE, max(0.0, response.keep_for - _MARGIN))
        self._response = response
        exchange.answer(response)
        if head:
            # The parser waits for the body that the head announces; none will come (RFC 9110 §9.3.2).
            self._ended = True
            self._reuse = self._parser.should_keep_alive()
            self._parser = httptools.HttpResponseParser(self)

    def on_body(self, data: bytes) -> None:
        """Pass on a piece of the body."""
        if self._ended:
            raise UnfitError
        self._got += len(data)
        if self.exchange is not None:
            self.exchange.piece(data)

    def on_message_complete(self) -> None:
        """End the answer, unless it was an interim one, or one that ends with the connection."""
        if self._ended or (self._response is None and not self._discarding):
            return
        if self._response is not None and self._response.length == NONE:
            return
        self._ended = True
        self._reuse = self._parser.should_keep_alive()

    def _finish(self) -> None:
        exchange, self.exchange = self.exchange, None
        self._ended = self._discarding = False
        self._response = None
        # When the instance answered before it had read the whole request, what it left unread must
        # not be taken for the next one (RFC 9112 §9.3).
        if self._fit():
            self.idle_since = monotonic()
            self.instance.idle.append(self)
            self.resume_reading()
        elif not self.closed:
            self.close()
        if exchange is not None:
            exchange.whole()

    def _fit(self) -> bool:
        """Tell whether another request may be sent here."""
        return (
            self._reuse
            and self._sent
            and not self._sole
            and not self.closed
            and not self.instance.leaving
            and not self.transport.get_write_buffer_size()
        )


OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""Errors of making a connection that say nothing of the other end."""


async def connect(
    instance: "Upstream", loop: asyncio.AbstractEventLoop, limit: float
) -> UpstreamConnection | Outcome:
    """Make a connection within `limit` seconds, or tell how that failed."""
    try:
        async with asyncio.timeout(limit):
            _, connection = await loop.create_connection(
                lambda: UpstreamConnection(instance, loop), instance.host, instance.port
            )
    except TimeoutError:
        return REFUSED
    except OSError as problem:
        # Out of descriptors, ports or memory: that is ours, and proves nothing against the instance.
        return STALE if problem.errno in OURS else REFUSED
    return connection
