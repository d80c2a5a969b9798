"""HOT. Connections to instances: what is sent there, and what comes back."""

import asyncio
import select
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from mainstay.base.outcome import RESET, STALE, Outcome
from mainstay.gateway.http.chunk import Chunks
from mainstay.gateway.http.grammar import CHUNKED, END, NONE, bare
from mainstay.gateway.http.response import SWITCHING, Response

if TYPE_CHECKING:
    from mainstay.gateway.http.asker import Asker
    from mainstay.gateway.upstream import Upstream

HEAD = 65536
"""Bytes of the head of an answer at most, and of the trailers and of the chunk extensions after it: what
never ends would fill the memory."""
_MARGIN = 1.0
_DISCARD = 65536
_POLLED = select.POLLIN | select.POLLHUP | select.POLLERR
_START = b"HTTP/1."
_BODILESS = frozenset({b"GET", b"HEAD", b"DELETE", b"OPTIONS"})
"""Methods whose body means nothing (RFC 9110 §9.3.1), so that some instances do not read one."""


class UpstreamConnection(asyncio.Protocol):
    """One connection to an instance; it carries one request at a time."""

    __slots__ = (
        "_chunks",
        "_discarding",
        "_held_back",
        "_interim",
        "_left",
        "_poll",
        "_raw",
        "_response",
        "_reuse",
        "_seen",
        "_sent",
        "_sole",
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

    def __init__(self, instance: "Upstream", loop: asyncio.AbstractEventLoop, *, sole: bool = False) -> None:
        self.instance = instance
        self.loop = loop
        self.transport: asyncio.Transport = None  # type: ignore[assignment] # told by connection_made
        self.exchange: Asker | None = None
        self.used = 0
        self.idle_since = 0.0
        self.keep_for = instance.keeps
        self.closed = False
        self.paused = False
        self._poll = select.poll()
        # The answer whose body is coming; of a known length so many bytes are to come, of chunks they tell.
        self._response: Response | None = None
        self._left = 0
        self._chunks: Chunks | None = None
        # What has come of a head that is not whole.
        self._raw = b""
        # Any byte has come since the request was sent.
        self._seen = False
        # What comes is the rest of an answer that nobody wants.
        self._discarding = False
        self._reuse = False
        self._sent = False
        # Nothing may be sent here after the request that it is made for.
        self._sole = sole
        self._held_back = False
        # Interim answers to the request.
        self._interim = 0
        self._unsent = inf

    # --- the loop tells us ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = transport  # type: ignore[assignment]
        self._poll.register(transport.get_extra_info("socket").fileno(), _POLLED)
        self.instance.connections.add(self)
        self.instance.opened += 1

    def data_received(self, data: bytes) -> None:
        """Read a piece of the answer."""
        if self.exchange is None and not self._discarding:
            # RFC 9112 §6.3: bytes that nobody asked for are never the next answer.
            self.close()
            return
        now = monotonic()
        self._seen = True
        self.instance.received += len(data)
        if self._response is not None:
            self._body(data, 0, now)
            return
        if self._raw:
            data = self._raw + data
        at = self._heads(data, now)
        if at >= 0:
            self._body(data, at, now)

    def eof_received(self) -> None:
        """Take the end: for an answer without a length it is the end of the body."""
        exchange, response = self.exchange, self._response
        if exchange is not None and response is not None and response.length == NONE:
            self._reuse = False
            self._finish(monotonic())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio tells it
        """Tell whoever waits here that there will be no (more) answer."""
        ours, self.closed = self.closed, True
        self.instance.connections.discard(self)
        if self.exchange is not None:
            self.fail(RESET if self._seen or self.used <= 1 else STALE)
        elif self in self.instance.idle:
            self.instance.idle.remove(self)
            if not ours:
                self.instance.ended_idle(monotonic() - self.idle_since)

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

    def send(self, exchange: "Asker", data: bytes, *, last: bool) -> None:
        """Send the beginning of a request; its answer goes to `exchange`."""
        self.exchange = exchange
        self.used += 1
        self._seen = False
        self._response = None
        self._interim = 0
        self._sent = last
        if exchange.request.length not in (NONE, 0) and exchange.request.method in _BODILESS:
            self._sole = True
        self.instance.sent += len(data)
        self.transport.write(data)

    def keep_for_one(self) -> None:
        """Take no other request after this one."""
        self._sole = True

    def more(self, data: bytes, *, last: bool) -> None:
        """Send more of the request's body."""
        self._sent = last
        if data:
            self.instance.sent += len(data)
            self.transport.write(data)

    def alive(self) -> bool:
        """Tell whether the other end still has it open, and has sent nothing that nobody asked for."""
        return not self.closed and not self.transport.is_closing() and not self._poll.poll(0)

    def spare(self, now: float) -> None:
        """Keep a connection that was made for a request which no longer needs it."""
        if self.instance.leaving or self.closed or self._sole:
            self.close()
            return
        self.used = 1  # never used, but a close that is met on reuse is a stale one
        self.idle_since = now
        self.instance.idle.append(self)

    def moved(self) -> bool:
        """Tell whether the instance has read anything of what waits for it since this was last asked."""
        before, self._unsent = self._unsent, float(self.transport.get_write_buffer_size())
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

    def _break(self) -> None:
        """Give up an answer that cannot be passed on."""
        self.close()
        self.fail(RESET)

    # --- heads ---

    def _heads(self, data: bytes, now: float) -> int:
        """Read interim heads and the final one, as far as they are whole; give where the body begins, or -1."""
        at = 0
        while (exchange := self.exchange) is not None:
            end = data.find(END, max(at, len(self._raw) - 3)) + 4
            if end < 4:  # noqa: PLR2004 - not found
                self._part(data[at:])
                return -1
            self._raw = b""
            to_head = exchange.request.method == b"HEAD"
            fits = end - at <= HEAD
            response = Response.read(data[at:end], exchange.date(), to_head=to_head) if fits else None
            if response is None:
                self._break()
                return -1
            at = end
            if response.status >= 200:  # noqa: PLR2004 - final
                self._begin(exchange, response, now)
                return at
            if response.status == SWITCHING:
                self._switch(exchange, response, data[at:])
                return -1
            self._interim += 1
            if self._interim > exchange.client.worker.limits.interim:
                self._break()
            elif response.status != 100:  # noqa: PLR2004 - that one is asked for, and answered, by us
                exchange.interim(response)
        return -1

    def _part(self, raw: bytes) -> None:
        """Keep the beginning of a head, unless it will never be one, or never ends."""
        if not _START.startswith(raw[: len(_START)]) or len(raw) > HEAD or bare(raw, 0):
            self._break()
        else:
            self._raw = raw

    def _switch(self, exchange: "Asker", response: Response, rest: bytes) -> None:
        """Leave the connection to another protocol, if that was offered; HTTP ends here."""
        if not exchange.offered(response):
            self._break()
            return
        self.exchange = None
        self.closed = True
        self.instance.connections.discard(self)
        exchange.switch(response, rest, full=self.paused)

    def _begin(self, exchange: "Asker", response: Response, now: float) -> None:
        """Begin the answer."""
        if response.keep_for is not None:
            self.keep_for = min(self.instance.keeps, max(0.0, response.keep_for - _MARGIN))
        self._response = response
        self._reuse = response.keep_alive
        self._left = response.length
        if response.length == CHUNKED:
            limits = exchange.client.worker.limits
            self._chunks = Chunks(limits.chunk_extensions, limits.trailers)
        else:
            self._chunks = None
        exchange.answer(response, now)

    # --- bodies ---

    def _body(self, data: bytes, at: int, now: float) -> None:
        """Pass on what has come of the body; what comes after it is nobody's (RFC 9112 §6.3)."""
        chunks, left = self._chunks, self._left
        if chunks is not None:
            body, at = chunks.feed(data, at)
            whole = chunks.done
        elif left >= 0:
            body = data[at : at + left] if at or len(data) > left else data
            at += len(body)
            self._left = left = left - len(body)
            whole = not left
        else:
            body = data[at:] if at else data
            at = len(data)
            whole = False
        exchange = self.exchange
        if body and exchange is not None:
            exchange.piece(body)
        if whole:
            self._reuse = self._reuse and at == len(data)
            self._finish(now)
            return
        if exchange is not None:
            exchange.flush(now)
        if chunks is not None and chunks.broken:
            self._break()

    def _finish(self, now: float) -> None:
        exchange, self.exchange = self.exchange, None
        self._discarding = False
        self._response = self._chunks = None
        # When the instance answered before it had read the whole request, what it left unread must
        # not be taken for the next one (RFC 9112 §9.3).
        if self._fit():
            self.idle_since = now
            self.instance.idle.append(self)
            if self._held_back:
                self.resume_reading()
        elif not self.closed:
            self.close()
        if exchange is not None:
            exchange.whole(now)

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
