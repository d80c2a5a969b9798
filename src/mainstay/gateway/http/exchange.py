"""HOT. One request on its way, from its head to the last byte of its answer.

An answer whose length is known and at most `hold` bytes is passed on when it is complete, so that an
instance which dies halfway is another attempt and not a broken page. Longer ones are passed on as
they come; if one breaks, the client's connection is cut, never ended as if it were whole.
"""

from time import monotonic
from typing import TYPE_CHECKING

from mainstay.base.outcome import FAILED, OK, REFUSED, RESET, STALE, TIMEOUT, Outcome
from mainstay.gateway.http import page
from mainstay.gateway.http.attempt import Attempts
from mainstay.gateway.http.response import SWITCHING, Response
from mainstay.gateway.http.sticky import values
from mainstay.gateway.http.urgency import urgency
from mainstay.gateway.table import DRAINING
from mainstay.tolerance.breaker import OPEN
from mainstay.tolerance.order import GO_ON, PAUSE, TRY, Because

if TYPE_CHECKING:
    from mainstay.gateway.http.sticky import Sticky
    from mainstay.gateway.log.accesslog import AccessLog
    from mainstay.gateway.table import Fallback

_STATUS_FAILED = 500
_STATUS_REFUSED = 400
_READS = (b"GET", b"HEAD")


class Exchange(Attempts):
    """One request, and the answer to it."""

    __slots__ = ()

    # --- the client's side tells us ---

    def client_gone(self, now: float) -> None:
        """Let go: the client left, which proves nothing against the instance."""
        self._gone(now)
        self.withdraw(now)

    def _gone(self, now: float) -> None:
        """Count a request that nobody waits for any more."""
        self.route.cancelled += 1
        log = self.client.worker.access_log
        if log is not None:
            status = self._response.status if self._response is not None and self.answering else 0
            self._note(log, status, None, self._passed, now, cancelled=True)
        if self.recording is not None:
            self._record(self.heard if self.answering else 0, None, now, cancelled=True)

    def withdraw(self, now: float, reason: str | None = None) -> None:
        """Let go of a request that needs no answer from here; `reason` is what it is answered with."""
        if self.recording is not None and reason is not None:
            self._record(self.heard if self.answering else page.REASONS[reason][0], reason, now)
        if not self._settled:
            self.call.cancel(now)
        self._leave_all()

    # --- the instance's side tells us ---

    def interim(self, response: Response) -> None:
        """Pass on an interim answer (RFC 9110 §15.2), to clients that know of such."""
        if self.request.http11:
            self.client.write(response.head())

    def answer(self, response: Response, now: float) -> None:
        """Begin the answer, or try elsewhere when it says that the instance cannot."""
        instance, load = self._instance, self.route.load
        if instance is not None:
            instance.answers[response.status // 100] += 1
            load.waits.learn(now - self.call.asked_at)
        if response.status >= _STATUS_FAILED and self._goes_elsewhere(response, now):
            return
        if self._admitted and load.early:
            self._make_room(now)
        self._response = response
        self._answered_at = now
        self._held = 0 <= response.length <= self.route.settings.hold
        head = self._head(response)
        self._pending.append(head)
        if not self._held:
            self._heard(now)
            self._passed = -len(head)
            if not self._settled:
                self.call.committed(now)
                self._end_rival(now)

    def _goes_elsewhere(self, response: Response, now: float) -> bool:
        """Leave an instance that says that it cannot; or tell that this is what the client is told."""
        self._charge(FAILED)
        order = self.call.settle(now, FAILED, response.status, response.seconds_to_wait())
        if order is TRY or order is PAUSE or order is GO_ON:
            if self.recording is not None:
                self.recording.settle(now, response.status, FAILED)
            connection = self._detach()
            if connection is not None:
                connection.release(now)
            self._obey(order, now)
            return True
        self.route.gave_up(self.call.because)
        self._settled = True
        self._end_rival(now)
        return False

    def piece(self, data: bytes) -> None:
        """Take a piece of the answer's body; `flush` sends it."""
        if self._response is not None and self._response.length < 0 and self.request.http11:
            self._pending.append(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            self._pending.append(data)

    def flush(self, now: float) -> None:
        """Send what has been read, unless the answer is held until it is whole."""
        if self._pending and not self._held and not self.done and self._response is not None:
            data = b"".join(self._pending)
            self._passed += len(data)
            self.client.write(data)
            self._pending.clear()
            self._wait(now + self.route.settings.idle)

    def whole(self, now: float) -> None:
        """Take the end of the answer: it is complete."""
        response = self._response
        if response is None or self.done:
            return
        # The connection may serve others from here on: a slow client must not hold it back.
        self._connection = None
        if response.length < 0 and self.request.http11:
            self._pending.append(b"0\r\n\r\n")
        if not self._settled:
            self.call.settle(now, OK, response.status)
        if self._instance is not None:
            self._instance.seen(now - self.call.sent_at)  # type: ignore[operator] # it was sent
            self._heard(now)
        self._deliver(response, now)

    def _deliver(self, response: Response, now: float) -> None:
        """Send what is left of a complete answer, and be done."""
        data = b"".join(self._pending)
        self.client.write(data)
        self._count(response.status, now)
        log = self.client.worker.access_log
        if log is not None and log.wants(response.status, None):
            sent = len(data) - len(self._pending[0]) if self._held else self._passed + len(data)
            self._note(log, response.status, None, sent, now)
        if self.recording is not None:
            self._record(response.status, None, now)
        self._end(now)

    def _heard(self, now: float) -> None:
        """Take it that the instance is not silent: it has answered, or is passing on an answer."""
        instance = self._instance
        if instance is not None:
            instance.heard_at = now
            instance.unheard = 0
            if instance.doubt is not None:
                in_time = now - self.call.asked_at < self.route.load.overdue
                self.route.pool.heard(now, instance, in_time=in_time)

    def failed(self, outcome: Outcome) -> None:
        """Take the end of an attempt without a complete answer."""
        if self.done:
            return
        now = monotonic()
        self._charge(outcome)
        if self.recording is not None:
            self.recording.settle(now, self.heard, outcome)
        if self._settled or self.answering:
            self._break(outcome, now)
            return
        self._outcome = outcome
        order = self.call.settle(now, outcome)
        self._detach()
        self._obey(order, now)

    def _break(self, outcome: Outcome, now: float) -> None:
        """End an answer of which the rest is missing."""
        response = self._response
        if not self._settled:
            self.call.settle(now, outcome)
        if response is None or self._held:
            # The failure that was to be passed on broke itself; nothing of it has been sent.
            self._answer_ourselves(_REASONS.get(outcome, "broken_answer"), now)
            return
        # Bytes of it are with the client: it must see that the rest is missing (RFC 9112 §8).
        self._count(response.status, now)
        if response.status < _STATUS_FAILED:
            self.route.failures += 1
        if self.route.audience is not None:
            self._went(now, good=False)
        self.route.broken += 1
        log = self.client.worker.access_log
        if log is not None:
            self._note(log, response.status, _REASONS.get(outcome, "broken_answer"), self._passed, now)
        if self.recording is not None:
            self._record(response.status, _REASONS.get(outcome, "broken_answer"), now)
        self.client.abort(reset=response.length < 0 and not self.request.http11)
        self._end(now)

    @property
    def answering(self) -> bool:
        """Bytes of the answer are with the client."""
        return self._response is not None and not self._held

    # --- time tells us ---

    def expired(self, now: float) -> None:
        """Act on a deadline that has passed."""
        if self.done:
            return
        if self.answering:
            self._answer_stalls(now)
        elif self._queued:
            self.shed(now)
        elif self._pausing:
            self.go_on(now)
        elif not self.request.complete and self._connection is not None:
            self._upload_stalls(now)
        elif now < self.call.until:
            self._is_late(now)
        else:
            self._cut()
            self.failed(TIMEOUT)

    def _is_late(self, now: float) -> None:
        instance = self._instance
        if (
            instance is not None
            and instance.held_by is not self.route.pool
            and instance.row.state != DRAINING
        ):
            # It has gone without the end of its connections: nothing will come.
            self._wait(self.call.until)
            self.leave()
        else:
            self._overdue(now)

    def _answer_stalls(self, now: float) -> None:
        """Nothing came from the instance for `idle` seconds: any of the three may be the slow one."""
        idle = self.route.settings.idle
        if self.client.stalled:
            if self.client.moved():
                self._wait(now + idle)
                return
            self.client_gone(now)
            self.client.abort()
        elif not self.request.complete and self.client.heard_at + idle > now:
            self._wait(self.client.heard_at + idle)
        else:
            self._cut()
            self.failed(TIMEOUT)

    def _upload_stalls(self, now: float) -> None:
        """A request still being sent has time as long as it moves."""
        idle = self.route.settings.idle
        connection = self._connection
        if self.client.paused and connection is not None:
            # It is the instance that does not read; the client must wait for it.
            if connection.moved():
                self._wait(now + idle)
            else:
                self._cut()
                self.failed(TIMEOUT)
            return
        until = self.client.heard_at + idle
        if until > now:
            self._wait(until)
            return
        self.call.cancel(now)
        self._settled = True
        self._answer_ourselves("slow_request", now)

    def leave(self) -> None:
        """Go elsewhere if that is safe: the instance is down, and would let this wait for its whole timeout."""
        request = self.request
        safe = request.idempotent or (request.keyed and self.route.settings.keyed)
        if safe and not (self.answering or self._settled or self._pausing or self.done):
            self._cut()
            self.failed(TIMEOUT)

    def importance(self) -> int:
        """Give the class in which this waits for room, from 0, which goes first."""
        spec = self.route.settings.concurrency
        if spec is not None and spec.client_priority:
            return urgency(values(self.request, b"priority"))
        return self.client.entrance.importance(self.request)

    def shed(self, now: float) -> None:
        """Give up: there is no room at the service, and will be none soon enough."""
        self._queued = self._pausing = False
        self.route.load.leave(self)
        self.call.cancel(now)
        self.route.shed += 1
        self._answer_ourselves("overloaded", now)

    # --- ends ---

    def _give_up(self, now: float) -> None:
        self.route.gave_up(self.call.because)
        self._answer_ourselves(reason(self.call.because, self._outcome), now)

    def _answer_ourselves(self, reason: str, now: float) -> None:
        request = self.request
        fallback = self._fallback(reason)
        if fallback is not None:
            self.route.fallbacks += 1
            if fallback.service:
                self._leave_all()
                self.client.divert(self, self.client.worker.routes[fallback.service], now)
                return
        if not request.complete or (self.client.closing and self.client.last()):
            request.keep_alive = False
        close, head, date = not request.keep_alive, request.method == b"HEAD", self.date()
        rest = self.call.retry_after
        more = (self.client.pledge(), self.trace.line if self.trace is not None else b"")
        if fallback is not None:
            status = fallback.status
            data = page.instead(
                fallback, reason, close=close, retry_after=rest, head=head, date=date, more=more
            )
        else:
            status = page.REASONS[reason][0]
            data = page.answer(
                reason, html=request.html, close=close, retry_after=rest, head=head, date=date, more=more
            )
        self.client.write(data)
        self.route.answered_by_us(reason)
        self._count(status, now)
        log = self.client.worker.access_log
        if log is not None:
            self._response = None
            self._note(log, status, reason, page.body_size(data), now)
        if self.recording is not None:
            self._record(status, reason, now)
        self._end(now)

    def _fallback(self, reason: str) -> "Fallback | None":
        """Give what stands in for our own answer, if anything may."""
        fallback, request = self.route.settings.fallback, self.request
        # What changes nothing may have been asked of one that is gone, when nobody is left.
        lost = self.call.because is Because.NO_INSTANCE and request.method in _READS
        if fallback is None or not (lost or reason in page.UNASKED) or not self._may_fall_back():
            return None
        if fallback.service:
            return fallback if self._may_divert(fallback.service) else None
        # That it was done, when nothing was, is said of nothing that changes something.
        return fallback if fallback.status >= _STATUS_REFUSED or request.method in _READS else None

    def _may_fall_back(self) -> bool:
        """Tell whether something else may stand in for the service."""
        return True

    def _may_divert(self, service: str) -> bool:
        """Tell whether another service may be asked: nobody has carried it out, and all of it is still there."""
        request = self.request
        tried = self.call.attempt > 1 and not request.idempotent and self.route.settings.keyed
        return service in self.client.worker.routes and not request.offers and not tried

    def _note(  # noqa: PLR0913 - what is known of a request at its end
        self,
        log: "AccessLog",
        status: int,
        reason: str | None,
        sent: int,
        now: float,
        *,
        cancelled: bool = False,
    ) -> None:
        """Have it written down: the values of an `Entry`, in its order."""
        call, request, client = self.call, self.request, self.client
        tried = call.attempt > 0
        log.take(
            (
                client.entrance.name,
                request.client or client.peer,
                self.route.name,
                call.instance.name if tried else None,
                call.attempt,
                request.method,
                request.target,
                request.http11,
                status,
                request.size,
                sent,
                self._started,
                call.sent_at if tried else None,
                self._answered_at if self._response is not None else None,
                now,
                reason,
                cancelled,
                request.lines if log.headers else None,
                self.trace.request_id if self.trace is not None else b"",
                self.trace.id if self.trace is not None else b"",
                status == SWITCHING,
            )
        )

    def _record(self, status: int, reason: str | None, now: float, *, cancelled: bool = False) -> None:
        """Have it recorded: it has ended."""
        recording, self.recording = self.recording, None
        if recording is not None:
            recording.end(self, self._started, status, reason, now, cancelled=cancelled)

    def _count(self, status: int, now: float) -> None:
        self.route.count(status, now - self._started)
        if self.route.audience is not None:
            self._went(now, good=status < _STATUS_FAILED)

    def _went(self, now: float, *, good: bool) -> None:
        audience = self.route.audience
        if audience is not None:
            audience.see(now, self.request, self.client.peer, good)

    def _end(self, now: float) -> None:
        self._leave_all()
        self.client.finished(self, now)

    def _leave_all(self) -> None:
        self.done = True
        if self._admitted:
            self._make_room(monotonic())
        elif self._queued:
            self.route.load.leave(self)
        if self._pausing:
            self.route.parked.pop(self, None)
        self.route.in_flight -= 1
        self.client.worker.wheel.forget(self)
        self._pending.clear()
        if self._rival is not None:
            self._end_rival(monotonic())
        connection = self._detach()
        if connection is not None and connection.exchange is self:
            connection.abandon()

    def _head(self, response: Response) -> bytes:
        request = self.request
        lines = response.lines
        if self.trace is not None:
            response.name(self.trace.line)
        if response.length < 0:
            if request.http11:
                lines.append(b"Transfer-Encoding: chunked")
            else:
                request.keep_alive = False
        client = self.client
        if client.tls is not None and client.entrance.hsts and not response.hsts:
            lines.append(client.entrance.hsts)
        if not request.complete or (client.closing and client.last()):
            request.keep_alive = False
        if not request.keep_alive:
            lines.append(b"Connection: close")
        elif not request.http11:
            lines.append(b"Connection: keep-alive")
        sticky = self.route.sticky
        if sticky is not None and sticky.session:
            self._tie(sticky, lines)
        return response.head()

    def _tie(self, sticky: "Sticky", lines: list[bytes]) -> None:
        """Tell a session what it is tied to from now on, unless it is already.

        An answer from elsewhere because its own instance failed once, or has all that it may have, moves nothing as
        long as that is in service: what the user has is still there.
        """
        call = self.call
        bond, name = call.bond, call.instance.name
        if bond is not None:
            home = self.route.pool.home(self._answered_at, bond)
            refuses = home is not None and home.breaker is not None and home.breaker.state is OPEN
            if bond.key == name or (home is not None and (call.attempt > 1 or not refuses)):
                return
        secure = self.client.tls is not None if self.request.secure is None else self.request.secure
        lines.append(sticky.line(name, secure=secure))


_REASONS = {
    REFUSED: "unreachable",
    STALE: "broken_answer",
    RESET: "broken_answer",
    TIMEOUT: "timeout",
}


def reason(because: Because | None, outcome: Outcome) -> str:
    """Say in one word why there is no answer to pass on."""
    if because is Because.NO_INSTANCE and outcome is OK:
        return "no_instance"
    if because is Because.CIRCUIT_OPEN and outcome is OK:
        return "circuit_open"
    if because is Because.FULL and outcome is OK:
        return "overloaded"
    return _REASONS.get(outcome, "timeout")
