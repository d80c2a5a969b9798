"""HOT. One request on its way: what `tolerance.call` decides is done here with connections and time.

::

    begin ── attempt ── (connect) ── sent ── answer ── whole ── end
                ▲                      │        │
                └──── settle: TRY ─────┴────────┘

An answer whose length is known and at most `hold` bytes is passed on when it is complete, so that an
instance which dies halfway is another attempt and not a broken page. Longer ones are passed on as
they come; if one breaks, the client's connection is cut, never ended as if it were whole.
"""

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

from mainstay.base.outcome import FAILED, OK, REFUSED, RESET, STALE, TIMEOUT, Outcome
from mainstay.gateway import page
from mainstay.gateway.head import CHUNKED, Request, Response
from mainstay.gateway.upstream import Upstream, UpstreamConnection, connect
from mainstay.tolerance.call import GIVE_UP, PAUSE, TRY, Because, Call, Order

if TYPE_CHECKING:
    from mainstay.gateway.http import ClientConnection

REPLAY = 65536
"""A request body up to this many bytes is kept for another attempt; it bounds memory for each request."""
_STATUS_FAILED = 500


class Exchange:
    """One request, from its head to the last byte of its answer."""

    __slots__ = (
        "_connecting",
        "_connection",
        "_held",
        "_instance",
        "_outcome",
        "_pausing",
        "_pending",
        "_response",
        "_sent_at",
        "_settled",
        "_started",
        "call",
        "client",
        "done",
        "due",
        "request",
        "route",
        "slot",
    )

    def __init__(self, client: "ClientConnection", request: Request, now: float) -> None:
        self.client = client
        self.request = request
        self.route = client.route
        self.call: Call[Upstream] = self.route.policy.call(now, idempotent=request.idempotent)
        self.due = 0.0
        self.done = False
        self._connecting: asyncio.Task[None] | None = None
        self._connection: UpstreamConnection | None = None
        self._response: Response | None = None
        self._pending: list[bytes] = []
        self._held = False
        self._pausing = False
        self._instance: Upstream | None = None
        self._settled = False
        self._outcome: Outcome = OK
        self.slot = 0
        self._started = now
        self._sent_at = now

    # --- attempts ---

    def begin(self, now: float) -> None:
        """Make the first attempt."""
        self.route.in_flight += 1
        if self.request.expects and not self.request.complete:
            self.client.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._obey(self.call.start(now), now)

    def _obey(self, order: Order, now: float) -> None:
        if order is TRY:
            self._attempt(now)
        elif order is PAUSE:
            self._pausing = True
            self._wait(self.call.until)
        elif order is GIVE_UP:
            self._give_up(now)

    def _attempt(self, now: float) -> None:
        call = self.call
        instance: Upstream = call.instance
        self._instance = instance
        self._settled = False
        self._response = None
        self._pending.clear()
        instance.busy.add(self)
        instance.requests += 1
        if call.attempt > 1:
            self.route.retries += 1
        self._wait(call.until)
        connection = instance.reusable(now, idempotent=self.request.idempotent)
        if connection is not None:
            self._send(connection, now)
        else:
            task = self._connecting = self.client.loop.create_task(self._connect(instance))
            self.route.tasks.add(task)
            task.add_done_callback(self.route.tasks.discard)

    async def _connect(self, instance: Upstream) -> None:
        made = await connect(instance, self.client.loop, self.route.settings.connect)
        now = monotonic()
        if self.done or self._connecting is not asyncio.current_task():
            # The attempt is over (its time was up, the client left); the connection is still good.
            if isinstance(made, UpstreamConnection):
                made.spare(now)
            return
        self._connecting = None
        if isinstance(made, UpstreamConnection):
            self._send(made, now)
        else:
            self.failed(made)

    def _send(self, connection: UpstreamConnection, now: float) -> None:
        request = self.request
        self._connection = connection
        self._sent_at = now
        self.call.sent(now)
        body = request.body
        if request.length == CHUNKED:
            body = [b"%x\r\n%b\r\n" % (len(part), part) for part in body]
            if request.complete:
                body.append(b"0\r\n\r\n")
        connection.send(self, b"".join([request.head(), *body]), last=request.complete)
        if not request.whole:
            request.body = []
        if not connection.paused:
            self.client.unpause()

    # --- the client's side tells us ---

    def more(self, data: bytes) -> None:
        """Pass on a piece of the request's body that has just arrived."""
        request = self.request
        if request.size > REPLAY and request.whole:
            # Too long to keep: from here on it can only be sent once.
            request.whole = False
            self.call.unrepeatable()
            if self._connection is not None:
                request.body = []
        if self._connection is None:
            request.body.append(data)
            if request.size > REPLAY:
                self.client.pause()
            return
        if request.whole:
            request.body.append(data)
        if request.length == CHUNKED:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        self._connection.more(data, last=False)

    def ended(self, now: float) -> None:
        """The request's body is complete; the time for the answer counts from here."""
        self.call.extend(now)
        if self._connection is not None:
            self._connection.more(b"0\r\n\r\n" if self.request.length == CHUNKED else b"", last=True)
        if self._response is None and not self.done and not self._pausing:
            self._wait(self.call.until)

    def client_gone(self, now: float) -> None:
        """The client left: nothing is proved against the instance."""
        if not self._settled:
            self.call.cancel(now)
        self.route.cancelled += 1
        self._end(now)

    # --- the instance's side tells us ---

    def date(self) -> bytes:
        """Give the `Date` line for an answer without one."""
        return self.client.worker.date

    def interim(self, response: Response) -> None:
        """Pass on an interim answer (RFC 9110 §15.2), to clients that know of such."""
        if self.request.http11:
            self.client.write(
                b"HTTP/1.1 %d %b\r\n%b\r\n" % (response.status, response.reason, b"".join(response.lines))
            )

    def answer(self, response: Response) -> None:
        """Begin the answer, or try elsewhere when it says that the instance cannot."""
        now = monotonic()
        if response.status >= _STATUS_FAILED:
            self._charge()
            order = self.call.settle(now, FAILED, response.status, response.seconds_to_wait())
            if order is TRY or order is PAUSE:
                connection = self._detach()
                if connection is not None:
                    connection.release()
                self._obey(order, now)
                return
            self._settled = True
        self._response = response
        self._held = self._settled is False and (
            0 <= response.length <= self.route.settings.hold and response.status < _STATUS_FAILED
        )
        self._pending.append(self._head(response))
        if not self._held and not self._settled:
            self.call.committed(now)

    def piece(self, data: bytes) -> None:
        """Take a piece of the answer's body; `flush` sends it."""
        if self._response is not None and self._response.length < 0 and self.request.http11:
            self._pending.append(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            self._pending.append(data)

    def flush(self) -> None:
        """Send what has been read, unless the answer is held until it is whole."""
        if self._pending and not self._held and not self.done and self._response is not None:
            self.client.write(b"".join(self._pending))
            self._pending.clear()
            self._wait(monotonic() + self.route.settings.idle)

    def whole(self) -> None:
        """Take the end of the answer: it is complete."""
        now = monotonic()
        response = self._response
        if response is None or self.done:
            return
        if response.length < 0 and self.request.http11:
            self._pending.append(b"0\r\n\r\n")
        if not self._settled:
            self.call.settle(now, OK, response.status)
        self.client.write(b"".join(self._pending))
        if self._instance is not None:
            self._instance.seen(now - self._sent_at)
        self._count(response.status, now)
        self._end(now)

    def failed(self, outcome: Outcome) -> None:
        """The attempt ended without a complete answer."""
        if self.done:
            return
        now = monotonic()
        if self._response is not None and not self._held:
            # Bytes of it are with the client: it must see that the rest is missing (RFC 9112 §8).
            if not self._settled:
                self._charge()
                self.call.settle(now, outcome)
            self.route.failures += 1
            self.route.broken += 1
            self._end(now)
            self.client.abort()
            return
        self._charge()
        self._outcome = outcome
        order = self.call.settle(now, outcome)
        self._detach()
        self._obey(order, now)

    @property
    def answering(self) -> bool:
        """Bytes of the answer are with the client."""
        return self._response is not None and not self._held

    def hold_back(self) -> None:
        """Let the instance wait: the client has not read yet what it was sent."""
        if self._connection is not None:
            self._connection.pause_reading()

    def resume(self) -> None:
        """Let the instance go on: the client has read what it was sent."""
        if self._connection is not None:
            self._connection.resume_reading()

    # --- time tells us ---

    def expired(self, now: float) -> None:
        """Act on a deadline that has passed."""
        if self.done:
            return
        if self._response is not None and not self._held:
            # Nothing moved for `idle` seconds: either side may be the slow one.
            if self.client.stalled:
                self.client_gone(now)
                self.client.abort()
            else:
                self._cut()
                self.failed(TIMEOUT)
        elif self._pausing:
            self._pausing = False
            self._obey(self.call.resume(now), now)
        elif not self.request.complete:
            self._upload_stalls(now)
        else:
            self._cut()
            self.failed(TIMEOUT)

    def _upload_stalls(self, now: float) -> None:
        """A request still being sent has time as long as it moves."""
        until = self.client.heard_at + self.route.settings.idle
        if until > now:
            self._wait(until)
            return
        self.call.cancel(now)
        self.client.write(page.answer("slow_request", html=self.request.html, close=True))
        self.request.keep_alive = False
        self._count(408, now)
        self._end(now)

    def leave(self, now: float) -> None:
        """Go elsewhere if that is safe: the instance is down, and would let this wait for its whole timeout."""
        if self._response is None and self.request.idempotent and not self._pausing and not self.done:
            del now
            self._cut()
            self.failed(TIMEOUT)

    # --- ends ---

    def _give_up(self, now: float) -> None:
        request, call = self.request, self.call
        reason = _reason(call.because, self._outcome)
        if not request.complete:
            request.keep_alive = False
        self.client.write(
            page.answer(
                reason,
                html=request.html,
                close=not request.keep_alive,
                retry_after=call.retry_after if page.REASONS[reason][0] == 503 else None,  # noqa: PLR2004
                head=request.method == b"HEAD",
            )
        )
        self._count(page.REASONS[reason][0], now)
        self._end(now)

    def _count(self, status: int, now: float) -> None:
        self.route.count(status, now - self._started)

    def _charge(self) -> None:
        if self._instance is not None:
            self._instance.failures += 1

    def _cut(self) -> None:
        """Cut the connection of this attempt."""
        if self._connecting is not None:
            self._connecting = None
        if self._connection is not None:
            self._connection.abandon()
            self._connection = None

    def _detach(self) -> UpstreamConnection | None:
        """Leave the instance of the attempt that has just been settled."""
        if self._instance is not None:
            self._instance.forget(self)
            self._instance = None
        connection, self._connection = self._connection, None
        self._connecting = None
        return connection

    def _end(self, now: float) -> None:
        self.done = True
        self.route.in_flight -= 1
        self.client.worker.wheel.forget(self)
        connection = self._detach()
        if connection is not None and connection.exchange is self:
            connection.abandon()
        self.client.finished(self, now)

    def _head(self, response: Response) -> bytes:
        request = self.request
        lines = response.lines
        if response.length < 0:
            if request.http11:
                lines.append(b"Transfer-Encoding: chunked\r\n")
            else:
                request.keep_alive = False
        if not request.complete:
            request.keep_alive = False
        if not request.keep_alive or self.client.closing:
            request.keep_alive = False
            lines.append(b"Connection: close\r\n")
        elif not request.http11:
            lines.append(b"Connection: keep-alive\r\n")
        return b"HTTP/1.1 %d %b\r\n%b\r\n" % (response.status, response.reason, b"".join(lines))

    def _wait(self, due: float) -> None:
        self.client.worker.wheel.watch(self, due)


_REASONS = {
    REFUSED: "unreachable",
    STALE: "broken_answer",
    RESET: "broken_answer",
    TIMEOUT: "timeout",
}


def _reason(because: Because | None, outcome: Outcome) -> str:
    """Say in one word why there is no answer to pass on."""
    if because is Because.NO_INSTANCE and outcome is OK:
        return "no_instance"
    if because is Because.CIRCUIT_OPEN and outcome is OK:
        return "circuit_open"
    return _REASONS.get(outcome, "timeout")
