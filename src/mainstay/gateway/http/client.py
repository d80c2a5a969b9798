"""HOT. Connections of clients: requests in, answers back in the order they were asked for."""

import asyncio
from collections import deque
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from mainstay.gateway.http import page
from mainstay.gateway.http.exchange import Exchange
from mainstay.gateway.http.fallback import Instead
from mainstay.gateway.http.keyed import Keyed, carries_key
from mainstay.gateway.http.offer import Offer
from mainstay.gateway.http.pace import Pace
from mainstay.gateway.http.reader import Reader
from mainstay.gateway.http.request import OFFERS, Request, forwarded_for
from mainstay.gateway.http.trace import named
from mainstay.gateway.preamble import Ends, ends_of, write
from mainstay.gateway.proxies import Believed, source_of
from mainstay.gateway.tcp import relay
from mainstay.gateway.tcp.waiting import EARLY
from mainstay.gateway.wheel import TICK

if TYPE_CHECKING:
    from mainstay.gateway.entrance import Entrance
    from mainstay.gateway.route import Route
    from mainstay.gateway.worker import Client, Worker

QUEUE = 16
"""Pipelined requests that may wait on one connection before it is read no further."""
LINGER = 1.0
"""Seconds in which the rest of a refused request is read and dropped, so that its answer is not lost to a
reset (RFC 9112 §9.6)."""
_PERMANENT = 308


class ClientConnection(Reader):
    """One connection of one client."""

    __slots__ = (
        "_closed",
        "_eof",
        "_exchange",
        "_pace",
        "_patient",
        "_queue",
        "_unsent",
        "closing",
        "due",
        "ends",
        "paused",
        "peer",
        "slot",
        "stalled",
    )

    def __init__(self, worker: "Worker", entrance: "Entrance", ends: Ends | None = None) -> None:
        super().__init__(worker, entrance)
        self.ends = ends
        """Whom it is from and to, as a proxy said at its beginning; None: as it seems."""
        self.closing = False
        self.paused = False
        self.stalled = False
        self.peer = ""
        """Its address."""
        self.due = 0.0
        self.slot = 0
        self._exchange: Exchange | None = None
        self._queue: deque[Request] = deque()
        self._patient = False
        self._closed = False
        self._eof = False
        self._pace: Pace | None = None
        self._unsent = inf

    # --- the loop tells us ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = transport  # type: ignore[assignment]
        self.peer = source_of(self.transport, self.ends)
        self.introduce()
        self.worker.enter(self)
        self.traffic.open += 1
        self.heard_at = monotonic()
        # Accepted just before the worker stopped: served, but not kept.
        self.closing = self.worker.stopping or self.entrance.closed
        self._patient = self.worker.patient or self.entrance.closed
        self._wait(self.heard_at + self.worker.limits.head_time)
        if len(self.worker.clients) > self.worker.most_clients:
            self._turn_away("crowded", None, self.heard_at)
            self.finish(self.heard_at, linger=True)
        elif self.worker.crowded(self.peer):
            self._turn_away("many_connections", None, self.heard_at)
            self.finish(self.heard_at, linger=True)

    def introduce(self) -> None:
        """Learn what instances are told of the other end, and whether that is a proxy which is believed."""
        peer, proxies, via, tls = self.peer, self.worker.proxies, self.entrance.via, self.tls
        scheme = b"http" if tls is None else b"https"
        proxy = proxies is not None and proxies.has(peer)
        self._believed = Believed(proxies, peer, via, scheme) if proxies is not None and proxy else None
        # The certificate of a proxy is not its client's; what it says of that one is passed on.
        shown = tls.shown_by_client() if tls is not None and not proxy else b""
        self._forwarded = forwarded_for(peer.encode(), via, scheme, shown)
        self._model = None  # what was understood of a request before was understood otherwise

    def preamble(self, request: Request, version: str) -> bytes:
        """Write how a connection begins that is made for a request, by a version of the PROXY protocol."""
        ends = self.ends or ends_of(self.transport)
        if ends is not None and request.client is not None:
            # A proxy in front of us tells no port.
            ends = ends._replace(source=request.client, source_port=0)
        return write(version, ends)

    def eof_received(self) -> bool:
        """Take the client's end; what it asked for before is still answered (RFC 9112 §9.6)."""
        self._eof = True
        return self._reading is None and (self._exchange is not None or bool(self._queue))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio tells it
        """Let everything go that was done for this client."""
        self.closing = self._closed = self._deaf = True
        self.worker.leave(self)
        self.worker.wheel.forget(self)
        self.traffic.open -= 1
        self._forget_waiting()
        exchange, self._exchange = self._exchange, None
        if exchange is not None and not exchange.done:
            exchange.client_gone(monotonic())

    def pause_writing(self) -> None:
        """Hold the instance back: the client reads more slowly than it answers."""
        self.stalled = True
        self._unsent = float(relay.unread(self.transport))
        if self._exchange is not None:
            self._exchange.hold_back()

    def resume_writing(self) -> None:
        """Let the instance go on, or the next request begin."""
        self.stalled = False
        if self._exchange is not None:
            self._exchange.resume()
        elif self._queue:
            self.loop.call_soon(self._next)

    # --- the reader tells us ---

    def _take(self, request: Request) -> None:
        if self._exchange is None and not self._queue and not self.stalled:
            self._begin(request, self.heard_at)
            return
        self._queue.append(request)
        self.traffic.waiting += 1
        if len(self._queue) >= QUEUE:
            self.pause()

    def _more(self, request: Request, data: bytes) -> None:
        exchange = self._exchange
        if exchange is not None and exchange.request is request:
            exchange.more(data)
            return
        request.body.append(data)
        if request.size > self.worker.limits.head:
            self.pause()

    def _ended(self, request: Request) -> None:
        exchange = self._exchange
        if exchange is not None and exchange.request is request:
            exchange.ended(self.heard_at)

    def _head_began(self) -> None:
        if self._exchange is None and not self._queue:
            self._wait(self.heard_at + self.worker.limits.head_time)

    def _body_began(self) -> None:
        if self.worker.limits.rate is not None:
            self._pace = Pace(self.heard_at)
            self._wait(self.heard_at + self.route.settings.idle)

    def _refuse(self, reason: str) -> None:
        """Answer bytes that are no request, when it is their turn; nothing after them can be trusted."""
        self._deaf = True
        self._raw = b""
        broken, self._reading = self._reading, None
        exchange = self._exchange
        if broken is None:
            self._take(Request.refused(reason))
        elif exchange is not None and exchange.request is broken:
            # What it has sent so far may be with an instance; it will never be whole.
            self._exchange = None
            answering = exchange.answering
            now = monotonic()
            exchange.withdraw(now, reason)
            if answering:
                self.abort()
            else:
                broken.fault = reason
                self._reject(broken, now)
        else:
            broken.fault = reason

    def _keep(self, data: bytes) -> None:
        self._behind = (self._behind or b"") + data
        if len(self._behind) > EARLY and not self.paused:
            self.paused = True
            self.transport.pause_reading()

    # --- the exchange tells us ---

    def write(self, data: bytes) -> None:
        """Send to the client."""
        if not self.transport.is_closing():
            self.traffic.sent += len(data)
            self.transport.write(data)

    def pledge(self) -> bytes:
        """Give the line by which browsers are told to use TLS alone; empty where it is not spoken."""
        return self.entrance.hsts if self.tls is not None else b""

    def pause(self) -> None:
        """Read no more for now."""
        if not self.paused and not self._deaf and not self.transport.is_closing():
            self.paused = True
            self.transport.pause_reading()
            if self._pace is not None:
                self._pace.excuse()

    def unpause(self) -> None:
        """Read on, unless enough is waiting for its turn."""
        if not self.paused or self.transport.is_closing():
            return
        queue, reading = self._queue, self._reading
        if not self._deaf and (
            len(queue) >= QUEUE or (queue and queue[-1] is reading and reading.size > self.worker.limits.head)
        ):
            return
        self.paused = False
        self.transport.resume_reading()

    def moved(self) -> bool:
        """Tell whether the client reads fast enough what waits for it; it is asked every `idle` seconds."""
        before, self._unsent = self._unsent, float(relay.unread(self.transport))
        least = (self.worker.limits.rate or 0) * self.route.settings.idle
        return 0 < self._unsent <= before - max(1.0, least)

    def abort(self, *, reset: bool = False) -> None:
        """Cut the connection, so that the client sees that its answer is incomplete.

        Args:
            reset: Nothing but a reset tells that: the answer has no other end than the connection's.
        """
        self.closing = self._closed = True
        if reset:
            relay.reset(self.transport)
        else:
            self.transport.abort()

    def hand_over(self, to: "Client") -> bytes:
        """Leave the connection to what takes its place; give what the client has sent behind its offer."""
        behind, self._behind = self._behind or b"", None
        self._exchange = None
        self.closing = self._closed = self._deaf = True
        self.worker.wheel.forget(self)
        self.worker.clients.discard(self)
        self.worker.clients.add(to)
        return behind

    @property
    def ended(self) -> bool:
        """The client sends nothing more."""
        return self._eof

    def finished(self, exchange: Exchange, now: float) -> None:
        """Go on to the next request, or end."""
        self._exchange = None
        self._go_on(exchange.request, now)

    def divert(self, exchange: Exchange, route: "Route", now: float) -> None:
        """Ask another service what its own could not be asked."""
        self.route = route
        instead = self._exchange = Instead(exchange, now)
        instead.begin(now)

    def _go_on(self, request: Request, now: float) -> None:
        if not request.keep_alive or (
            (self._eof or (self.closing and not self._patient)) and not self._queue
        ):
            self.finish(now, linger=not request.complete)
            return
        if self._queue:
            self.loop.call_soon(self._next)
        due = now + self.worker.limits.idle
        if 0 < self.slot * TICK <= due:
            self.due = due  # its bucket comes up sooner, and puts it into a later one
        else:
            self._wait(due)
        if self.paused:
            self.unpause()

    def finish(self, now: float, *, linger: bool = False) -> None:
        """Close, after what was written has been sent."""
        self.closing = self._closed = self._deaf = True
        self._forget_waiting()
        if self.transport.is_closing():
            return
        self._unsent = inf
        if linger and not self._eof:
            self.unpause()
            self.transport.write_eof()
            self._wait(now + LINGER)
        else:
            self._wait(now + self.route.settings.idle)
            self.transport.close()

    def drain(self) -> None:
        """End this connection with the request it is on, or at once when it is idle."""
        self.closing = True
        self._patient = False
        if self._exchange is None and not self._queue and not self._closed:
            self.finish(monotonic())

    def retire(self) -> None:
        """End this connection with the next answer, which says so; until it is asked for, stay open as ever."""
        self.closing = self._patient = True

    def last(self) -> bool:
        """Tell whether the answer that is being given is the last one here: nobody waits behind it."""
        return self.closing and not self._queue and self._behind is None

    def expired(self, now: float) -> None:
        """Act on a deadline that has passed, of a body that is coming or while no request is under way."""
        if self._reading is not None and self._pace is not None and not self._closed:
            self._look(self._reading, self._pace, now)
        elif self._exchange is not None or (self._queue and not self._closed and not self.stalled):
            self._wait(now + self.worker.limits.idle)
        elif self._closed or self.stalled:
            # It may still be reading what was written for it; who reads nothing is let go.
            if self.moved():
                self._wait(now + self.route.settings.idle)
            else:
                self.abort()
        else:
            if self._raw:
                self._turn_away("slow_request", None, now)
            self.finish(now)

    def _look(self, request: Request, pace: Pace, now: float) -> None:
        """Refuse a body that comes too slowly, unless it is we who let the client wait."""
        exchange = self._exchange
        if self.paused or exchange is None or exchange.request is not request or exchange.answering:
            pace.excuse()
        if pace.slow(now, request.size, self.worker.limits.rate or 0):
            self._refuse("slow_request")
        else:
            self._wait(now + self.route.settings.idle)

    # --- in between ---

    def _next(self) -> None:
        if self._exchange is not None or self._closed or self.stalled:
            return
        if self._queue:
            # What of it is still to come is waited for from now on.
            now = self.heard_at = monotonic()
            self.traffic.waiting -= 1
            self._begin(self._queue.popleft(), now)
        elif self.closing and not self._patient:
            self.finish(monotonic())

    def _forget_waiting(self) -> None:
        self.traffic.waiting -= len(self._queue)
        self._queue.clear()

    def _begin(self, request: Request, now: float, work: type[Exchange] = Exchange) -> None:
        if request.fault is not None:
            if request.fault == OFFERS:
                self._begin_offer(request, now)
            else:
                self._reject(request, now)
            return
        tls = self.tls
        if tls is not None and tls.several and tls.misdirected(request.host):
            # RFC 9110 §7.4: its answer is secured by a certificate for it, or not given.
            request.fault = "misdirected"
            self._reject(request, now)
            return
        route = self.entrance.sole
        if route is None:
            route = self._find(request, now)
            if route is None:
                return
        self.route = route
        if route.keeper is not None and carries_key(request):
            work = Keyed
        exchange = self._exchange = work(self, request, now)
        exchange.begin(now)

    def _begin_offer(self, request: Request, now: float) -> None:
        request.fault = None
        self._begin(request, now, Offer)
        if self._exchange is None and not self._closed:
            self.hear_again()  # it was answered at once, such as by a redirect

    def _find(self, request: Request, now: float) -> "Route | None":
        """Find whose a request is; what is nobody's, or for elsewhere, is answered at once."""
        way = self.entrance.find(request)
        if way is None:
            self.route = self.entrance.home
            where = self.entrance.to_https(request)
            if where:
                self._redirect(request, _PERMANENT, where, now)
            else:
                self._reject(request, now)
        elif way.route is not None:
            way.aim(request)
            return way.route
        else:
            self._redirect(request, way.status, way.location(request), now)
        return None

    def _redirect(self, request: Request, status: int, where: bytes, now: float) -> None:
        if not request.complete or (self.closing and self.last()):
            request.keep_alive = False
        close, date, name = not request.keep_alive, self.worker.date, self._name()
        more = (self.pledge(), named(name))
        self.write(page.redirect(status, where, close=close, date=date, more=more))
        self.traffic.redirects += 1
        log = self.worker.access_log
        if log is not None and log.wants(status, None):
            log.refused(self, request, None, 0, now, name, status)
        self._go_on(request, now)

    def _reject(self, request: Request, now: float) -> None:
        self._turn_away(request.fault or "bad_request", request, now)
        self.finish(now, linger=True)

    def _turn_away(self, reason: str, request: Request | None, now: float) -> None:
        """Answer what is passed on to nobody, and count it."""
        html = request is not None and request.html
        head = request is not None and request.method == b"HEAD"
        name = self._name()
        data = page.answer(
            reason,
            html=html,
            close=True,
            head=head,
            date=self.worker.date,
            more=(self.pledge(), named(name)),
        )
        self.write(data)
        self.route.refused += 1
        self.traffic.refuse(reason)
        log = self.worker.access_log
        if log is not None:
            log.refused(self, request, reason, page.body_size(data), now, name)

    def _name(self) -> bytes:
        """Give an id to what is passed on to nobody."""
        tracer = self.worker.tracer
        return tracer.name() if tracer is not None else b""

    def _wait(self, due: float) -> None:
        self.worker.wheel.watch(self, due)
