"""HOT. Connections of clients: bytes in, requests out, answers back in the order they were asked for."""

import asyncio
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

import httptools

from mainstay.gateway import page
from mainstay.gateway.exchange import Exchange
from mainstay.gateway.head import CHUNKED, NONE, Request

if TYPE_CHECKING:
    from mainstay.gateway.route import Route
    from mainstay.gateway.worker import Worker

QUEUE = 16
"""Pipelined requests that may wait on one connection before it is read no further."""
HEADER_TIME = 10.0
"""Seconds a client has for a request's head, so that slow ones cannot hold connections open for ever."""
IDLE_TIME = 75.0
"""Seconds a kept-alive connection may be idle; longer than the 60 s of common load balancers in front."""
LINGER = 1.0
"""Seconds in which the rest of a refused request is read and dropped, so that its answer is not lost to a
reset (RFC 9112 §9.6)."""
_UNSUPPORTED = (b"CONNECT", b"TRACE")


class ClientConnection(asyncio.Protocol):
    """One connection of one client."""

    __slots__ = (
        "_deaf",
        "_eof",
        "_exchange",
        "_headers",
        "_lingering",
        "_parser",
        "_paused",
        "_peer",
        "_queue",
        "_reading",
        "_replaying",
        "_size",
        "_url",
        "closing",
        "due",
        "heard_at",
        "loop",
        "route",
        "slot",
        "stalled",
        "transport",
        "worker",
    )

    def __init__(self, worker: "Worker", route: "Route") -> None:
        self.worker = worker
        self.route = route
        self.loop = worker.loop
        self.transport: asyncio.Transport = None  # type: ignore[assignment] # told by connection_made
        self.closing = False
        self.stalled = False
        self.due = 0.0
        self.slot = 0
        self.heard_at = 0.0
        self._parser = httptools.HttpRequestParser(self)
        self._exchange: Exchange | None = None
        self._queue: deque[Request] = deque()
        self._reading: Request | None = None
        self._headers: list[tuple[bytes, bytes]] | None = None
        self._url = b""
        self._size = 0
        self._peer = b""
        self._paused = False
        self._replaying = False
        self._lingering = False
        self._deaf = False
        self._eof = False

    # --- the loop tells us ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = transport  # type: ignore[assignment]
        address = transport.get_extra_info("peername")
        self._peer = address[0].encode() if address else b"unknown"
        self.worker.clients.add(self)
        self.heard_at = monotonic()
        self._wait(self.heard_at + HEADER_TIME)

    def data_received(self, data: bytes) -> None:
        """Read what came; a request may begin with its head."""
        if self._deaf:
            return
        self.heard_at = monotonic()
        if self._headers is not None:
            # A head that takes several reads: what is not parsed yet is with the parser, and bounded here.
            self._size += len(data)
            if self._size > self.worker.limits.head:
                self._refuse("head_too_large")
                return
        while data:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
                self._decline()
                continue
            except httptools.HttpParserInvalidMethodError:
                self._refuse("method")
            except httptools.HttpParserError:
                self._refuse("bad_request")
            return

    def eof_received(self) -> bool:
        """Take the client's end; what it asked for before is still answered (RFC 9112 §9.6)."""
        self._eof = True
        return self._reading is None and (self._exchange is not None or bool(self._queue))

    def connection_lost(self, exc: Exception | None) -> None:
        """Let everything go that was done for this client."""
        self.closing = True
        self.worker.clients.discard(self)
        self.worker.wheel.forget(self)
        self._queue.clear()
        exchange, self._exchange = self._exchange, None
        if exchange is not None and not exchange.done:
            exchange.client_gone(monotonic())

    def pause_writing(self) -> None:
        """Hold the instance back: the client reads more slowly than it answers."""
        self.stalled = True
        if self._exchange is not None:
            self._exchange.hold_back()

    def resume_writing(self) -> None:
        """Let the instance go on."""
        self.stalled = False
        if self._exchange is not None:
            self._exchange.resume()

    # --- the parser tells us ---

    def on_message_begin(self) -> None:
        """Begin a request."""
        if not self._replaying:
            self._headers = []
            self._url = b""
            self._size = 0

    def on_url(self, url: bytes) -> None:
        """Keep the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; one that comes after the body is a trailer, and dropped (RFC 9110 §6.5.1)."""
        if self._headers is not None:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Judge the head, and begin the request if it is its turn."""
        if self._replaying:
            return
        headers, self._headers = self._headers or [], None
        parser = self._parser
        version = parser.get_http_version()
        request = Request(
            parser.get_method(), self._url, http11=version == "1.1", keep_alive=parser.should_keep_alive()
        )
        if version not in ("1.1", "1.0"):
            request.fault = "version"
        elif request.method in _UNSUPPORTED:
            request.fault = "method"
        elif self._too_large(headers):
            request.fault = "head_too_large"
        else:
            request.read(headers, self._peer)
        self._reading = request
        request.complete = request.fault is None and request.length in (NONE, 0)
        if self._exchange is None and not self._queue:
            self._begin(request)
        else:
            self._queue.append(request)
            if len(self._queue) >= QUEUE:
                self.pause()

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        request = self._reading
        if request is None or request.fault is not None:
            return
        request.size += len(data)
        exchange = self._exchange
        if exchange is not None and exchange.request is request:
            exchange.more(data)
        else:
            request.body.append(data)
            if request.size > self.worker.limits.head:
                self.pause()

    def on_message_complete(self) -> None:
        """End the request."""
        request = self._reading
        if request is None or (self._parser.should_upgrade() and request.length not in (NONE, 0)):
            return  # the parser skips the body of what asks for an upgrade; `_decline` reads it
        self._reading = None
        if not request.complete:
            request.complete = True
            exchange = self._exchange
            if exchange is not None and exchange.request is request and request.fault is None:
                exchange.ended(self.heard_at)

    # --- the exchange tells us ---

    def write(self, data: bytes) -> None:
        """Send to the client."""
        if not self.transport.is_closing():
            self.transport.write(data)

    def pause(self) -> None:
        """Read no more for now."""
        if not self._paused and not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()

    def unpause(self) -> None:
        """Read on."""
        if self._paused and not self.transport.is_closing():
            self._paused = False
            self.transport.resume_reading()

    def abort(self) -> None:
        """Cut the connection, so that the client sees that its answer is incomplete."""
        self.closing = True
        self.transport.abort()

    def finished(self, exchange: Exchange, now: float) -> None:
        """Go on to the next request, or end."""
        self._exchange = None
        if not exchange.request.keep_alive or self.closing or (self._eof and not self._queue):
            self.finish(now, linger=not exchange.request.complete)
        elif self._queue:
            self.loop.call_soon(self._next)
        else:
            self._wait(now + IDLE_TIME)
        self.unpause()

    def finish(self, now: float, *, linger: bool = False) -> None:
        """Close, after what was written has been sent."""
        self.closing = True
        self._queue.clear()
        if self.transport.is_closing():
            return
        if linger and not self._eof:
            self._lingering = self._deaf = True
            self.unpause()
            self.transport.write_eof()
            self._wait(now + LINGER)
        else:
            self.transport.close()

    def drain(self) -> None:
        """End this connection with the request it is on, or at once when it is idle."""
        self.closing = True
        if self._exchange is None and self._reading is None and not self._queue:
            self.transport.close()

    def expired(self, now: float) -> None:
        """Act on a deadline that has passed while no request is under way."""
        if self._lingering:
            self.transport.abort()
        elif self._exchange is None and not self._queue:
            if self._headers is not None:
                self.write(page.answer("slow_request", close=True))
            self.finish(now)

    # --- in between ---

    def _next(self) -> None:
        if self._exchange is None and self._queue and not self.closing:
            self._begin(self._queue.popleft())

    def _begin(self, request: Request) -> None:
        now = self.heard_at = monotonic()
        self.worker.wheel.forget(self)
        if request.fault is not None:
            self._reject(request, now)
            return
        exchange = self._exchange = Exchange(self, request, now)
        exchange.begin(now)

    def _reject(self, request: Request, now: float) -> None:
        reason = request.fault or "bad_request"
        self.write(page.answer(reason, html=request.html, close=True, head=request.method == b"HEAD"))
        self.route.refused += 1
        self._deaf = True
        self.finish(now, linger=True)

    def _refuse(self, reason: str) -> None:
        """Answer bytes that are no request, when it is their turn; nothing after them can be trusted."""
        self._deaf = True
        broken, self._reading = self._reading, None
        exchange = self._exchange
        if broken is None:
            broken = Request(b"GET", b"/", http11=True, keep_alive=False)
            if exchange is not None or self._queue:
                self._queue.append(broken)
        broken.fault = reason
        broken.complete = False
        now = monotonic()
        if exchange is not None and exchange.request is broken:
            # What it has sent so far may be with an instance; it will never be whole.
            answering = exchange.answering
            exchange.client_gone(now)
            if answering:
                self.abort()
                return
            exchange = None
        if exchange is None and not self._queue:
            self._reject(broken, now)

    def _decline(self) -> None:
        """Go on in HTTP/1.1 with a client that offered another protocol (RFC 9110 §7.8 lets us)."""
        request = self._reading
        self._parser = httptools.HttpRequestParser(self)
        if request is not None and request.fault is None and request.length != NONE:
            # The parser took the body for the other protocol; a new one is told where it stands.
            self._replaying = True
            length = request.length
            framing = b"Transfer-Encoding: chunked" if length == CHUNKED else b"Content-Length: %d" % length
            self._parser.feed_data(b"POST / HTTP/1.1\r\nHost: .\r\n%b\r\n\r\n" % framing)
            self._replaying = False

    def _too_large(self, headers: list[tuple[bytes, bytes]]) -> bool:
        limits = self.worker.limits
        size = len(self._url) + sum(len(name) + len(value) + 4 for name, value in headers)
        return len(headers) > limits.headers or size > limits.head

    def _wait(self, due: float) -> None:
        self.worker.wheel.watch(self, due)
