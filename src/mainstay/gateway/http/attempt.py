"""HOT. The attempts of one request: what `tolerance.call` orders is done here with connections.

::

    begin ── attempt ── (connect) ── sent ── answered
                ▲                      │
                └──── settle: TRY ─────┘

An answer that is late may come sooner from elsewhere: then there are two attempts at the same time, see `Rival`.
"""

import asyncio
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from mainstay.base.outcome import CANCELLED, CHARGED, OK, STALE, Outcome
from mainstay.gateway.approach import connect
from mainstay.gateway.http.asker import Asker
from mainstay.gateway.http.connection import UpstreamConnection
from mainstay.gateway.http.grammar import CHUNKED
from mainstay.gateway.http.request import Request, of_attempt
from mainstay.gateway.http.rival import Rival
from mainstay.gateway.table import DRAINING
from mainstay.gateway.upstream import SEVERAL
from mainstay.tolerance.order import GIVE_UP, GO_ON, IDLE, PAUSE, TRY, WAIT, Order

if TYPE_CHECKING:
    from mainstay.gateway.http.client import ClientConnection
    from mainstay.gateway.http.response import Response
    from mainstay.gateway.upstream import Upstream
    from mainstay.tolerance.call import Call

_SAFE = frozenset({b"GET", b"HEAD", b"OPTIONS"})
"""Methods that change nothing (RFC 9110 §9.2.1), so that two at the same time cannot disturb each other; two `PUT`
may, when the one that came too late meets the client's next."""
_LOST = 3.0
"""How many times as long as makes a doubt what may be repeated stays at an instance that is in doubt."""
_LAST_WORDS = 1.0
"""Seconds in which the last words of an instance that has gone arrive, and the end of its connections."""

REPLAY = 65536
"""A request body up to this many bytes is kept for another attempt; it bounds memory for each request."""


class Attempts(Asker):
    """The sending half of an `Exchange`: one request, at one instance after another."""

    __slots__ = (
        "_admitted",
        "_answered_at",
        "_connecting",
        "_connection",
        "_held",
        "_instance",
        "_outcome",
        "_passed",
        "_pausing",
        "_pending",
        "_queued",
        "_response",
        "_rival",
        "_settled",
        "_started",
        "call",
        "done",
        "due",
        "recording",
        "route",
        "slot",
        "trace",
    )

    def __init__(self, client: "ClientConnection", request: Request, now: float) -> None:
        # Not by `super`, which would be a call for each request.
        self.client = client
        self.request = request
        self.route = route = client.route
        self.call: Call[Upstream] = route.policy.call(
            now,
            idempotent=request.idempotent,
            keyed=request.keyed and route.settings.keyed,
            bond=route.sticky.bond(request, request.client or client.peer)
            if route.sticky is not None
            else None,
        )
        tracer = client.worker.tracer
        self.trace = tracer.begin(request) if tracer is not None else None
        self.recording = self.trace.recording if self.trace is not None else None
        self.due = 0.0
        self.slot = 0
        self.done = False
        self._connecting: asyncio.Task[object] | None = None
        self._rival: Rival | None = None
        self._connection: UpstreamConnection | None = None
        self._instance: Upstream | None = None
        self._response: Response | None = None
        self._pending: list[bytes] = []
        # The answer waits until it is whole.
        self._held = False
        self._pausing = False
        # The call has ended; the instance's own failure is being passed on.
        self._settled = False
        # It counts as under way at the service; or it waits until it may.
        self._admitted = False
        self._queued = False
        self._outcome: Outcome = OK
        self._started = now
        self._answered_at = now
        # Bytes of the answer's body that were sent to the client while more was to come.
        self._passed = 0

    # --- what the other half does ---

    def expired(self, now: float) -> None:
        """Act on a deadline that has passed."""
        raise NotImplementedError

    def _give_up(self, now: float) -> None:
        """Tell the client that there is no answer."""
        raise NotImplementedError

    # --- attempts ---

    def begin(self, now: float) -> None:
        """Make the first attempt."""
        self.route.in_flight += 1
        if self.request.patience is not None:
            self.call.shorten(now, self.request.patience)
        self._seek_room(now)

    def _seek_room(self, now: float) -> None:
        """Go on if there is room at the service, and wait for it if there is none."""
        load = self.route.load
        if load.under_way < load.guard or load.admits(now):
            self.enter(now)
            return
        self._queued = self._pausing = True
        self._wait(min(now + load.patience_of_line(now), self.call.deadline.at))
        load.line_up(now, self)

    def enter(self, now: float) -> None:
        """Begin, at once or after a wait: there is room at the service."""
        self._queued = self._pausing = False
        self._admitted = True
        self.route.load.under_way += 1
        if self.call.state is not IDLE:
            self._obey(self.call.resume(now), now)
            return
        if self.request.expects and not self.request.complete:
            self.client.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._obey(self.call.start(now), now)

    def _make_room(self, now: float) -> None:
        """Let whoever is next have the room that this has at the service."""
        load = self.route.load
        self._admitted = False
        load.under_way -= 1
        if load.queued:
            load.let_in(now)

    def importance(self) -> int:
        """Give the class in which this waits for room, from 0, which goes first."""
        raise NotImplementedError

    def shed(self, now: float) -> None:
        """Give up: there is no room at the service, and will be none soon enough."""
        raise NotImplementedError

    def _obey(self, order: Order, now: float) -> None:
        if order is TRY:
            self._attempt(now)
        elif order is PAUSE:
            self._pausing = True
            self._wait(self.call.until)
        elif order is WAIT:
            self._pausing = True
            if self.route.park(self):
                self._wait(self.call.until)
                # Who waits for an instance keeps nobody from waiting for it as well.
                if self._admitted:
                    self._make_room(now)
            else:
                self._pausing = False
                self._obey(self.call.refuse(now), now)
        elif order is GO_ON:
            self._take_over(now)
        elif order is GIVE_UP:
            self._give_up(now)

    def go_on(self, now: float) -> None:
        """End a pause: there may be somebody to ask."""
        self._pausing = False
        parked = self.route.parked
        if self not in parked:
            self._obey(self.call.resume(now), now)
            return
        del parked[self]
        if now >= self.call.until:
            self.enter(now)
        else:
            self._seek_room(now)

    def _attempt(self, now: float) -> None:
        call = self.call
        instance: Upstream = call.instance
        self._instance = instance
        self._response = None
        self._pending.clear()
        instance.busy.add(self)
        instance.requests += 1
        if call.attempt > 1:
            self.route.retries += 1
        if self.recording is not None:
            self.recording.ask(now, instance)
        self._await(now)
        # Where one kept connection had ended, the others have as well: a new one tells.
        connection = (
            instance.reusable(now, idempotent=self.request.idempotent)
            if self._outcome is not STALE and not instance.preamble
            else None
        )
        if connection is not None:
            self._send(connection, now)
        else:
            task = self._connecting = self.client.loop.create_task(self._connect(instance))
            self.route.tasks.add(task)
            task.add_done_callback(self.route.tasks.discard)

    async def _connect(self, instance: "Upstream") -> None:
        told = self.client.preamble(self.request, instance.preamble) if instance.preamble else b""
        made = await connect(instance, self.client.loop, self.route.settings.connect, told)
        self.connected(made, asyncio.current_task())

    def connected(self, made: "UpstreamConnection | Outcome", task: "asyncio.Task[object] | None") -> None:
        """Send the request by the connection that a task has made, if it is still this that is waited for."""
        now = monotonic()
        if self.done or self._connecting is not task:
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
        request, call = self.request, self.call
        self._connection = connection
        call.sent(now)
        body = request.body
        if request.length == CHUNKED:
            body = [b"%x\r\n%b\r\n" % (len(part), part) for part in body]
            if request.complete:
                body.append(b"0\r\n\r\n")
        if now == self._started and self.trace is None and request.patience is None:
            # At a request's very beginning it is the same for all.
            head = request.head(self.route.first_attempt, connection.instance.authority)
        else:
            head = self.head_to(connection.instance, call.until - now)
        connection.send(self, b"".join([head, *body]), last=request.complete)
        if not request.whole:
            request.body = []
        if not connection.paused:
            self.client.unpause()

    def head_to(self, instance: "Upstream", left: float, span: bytes = b"") -> bytes:
        """Write the head of the request as an instance gets it, which has so many seconds left.

        Args:
            instance: The instance.
            left: Seconds.
            span: The attempt's own id; empty: that of the present one.
        """
        attempt = of_attempt(self.call.attempt, left)
        if self.trace is not None:
            attempt = self.trace.told(span) + attempt
        return self.request.head(attempt, instance.authority)

    # --- two at the same time ---

    def _await(self, now: float) -> None:
        """Wait for the answer, and look after it when it is late."""
        late, until = now + self.route.load.patience, self.call.until
        self.client.worker.wheel.watch(self, min(until, late))

    def _overdue(self, now: float) -> None:
        """Act on an answer that is late: doubt the instance, and ask another one as well, where that may be."""
        load, instance, waited = self.route.load, self._instance, now - self.call.asked_at
        if instance is not None:
            if waited >= load.overdue and instance.heard_at < self.call.asked_at:
                self.route.doubt(now, instance, waited)
            if waited >= load.late:
                self._hedge(now)
            if waited >= _LOST * load.overdue and instance.doubted_until is not None and self._rival is None:
                self._wait(self.call.until)
                self.call.unfair()
                self.leave()
                return
        due = self.call.until
        for limit in (load.late, load.overdue, _LOST * load.overdue):
            if waited < limit < due - self.call.asked_at:
                due = self.call.asked_at + limit
        self._wait(due)

    def _hedge(self, now: float) -> None:
        """Ask another instance as well, when what is asked changes nothing, and nothing ties it to this one."""
        request, call = self.request, self.call
        if self._rival is not None or request.method not in _SAFE or request.size or not request.complete:
            return
        if self._settled or call.bond is not None or request.offers or self.route.load.crowded():
            return
        if call.hedge(now):
            assert call.rival is not None
            instance: Upstream = call.rival.instance
            self.route.hedges += 1
            span = self.recording.beside(now, instance) if self.recording is not None else b""
            self._rival = Rival(self, instance, span)  # type: ignore[arg-type] # it is an `Exchange`
            self._rival.begin(now)

    def overtaken(self, now: float) -> None:
        """Leave the present attempt: its rival has the answer."""
        instance, waited = self._instance, now - self.call.asked_at
        self.route.load.waits.learn(waited)
        self.route.hedges_won += 1
        if instance is not None:
            instance.overtaken += 1
            if instance.heard_at < self.call.asked_at:
                instance.unheard += 1
                if instance.unheard >= SEVERAL and self.route.load.overdue < inf:
                    self.route.doubt(now, instance, waited)
        if self.recording is not None:
            self.recording.settle(now, self.heard, CANCELLED)
        connection = self._detach()
        if connection is not None:
            connection.abandon()
        self.call.overtake(now)
        self._take_over(now)

    def unrivalled(self, instance: "Upstream", outcome: Outcome, status: int, now: float) -> None:
        """Hear that the rival has failed; the present attempt goes on as if there had been none."""
        self._rival = None
        if outcome in CHARGED:
            instance.charge(outcome)
        if self.recording is not None:
            self.recording.drop(now, status, outcome)
        self.call.drop(now, outcome)
        if self.route.load.queued:
            self.route.load.let_in(now)

    def _take_over(self, now: float) -> None:
        """Make the rival's attempt this one's own."""
        rival, self._rival = self._rival, None
        assert rival is not None
        rival.over = True
        if self.recording is not None:
            self.recording.promote()
        instance = self._instance = rival.instance
        instance.busy.discard(rival)
        instance.busy.add(self)
        self._connecting = rival.connecting
        connection = self._connection = rival.connection
        if connection is not None:
            connection.exchange = self
        self._outcome = OK
        self._response = None
        self._held = False
        self._pending.clear()
        self._await(now)
        if rival.response is not None:
            self.answer(rival.response, now)
            for data in rival.pieces:
                self.piece(data)

    def _end_rival(self, now: float) -> None:
        """Leave the rival, whose place in the call is given back."""
        rival, self._rival = self._rival, None
        if rival is not None:
            if self.recording is not None:
                self.recording.drop(now, 0, CANCELLED)
            rival.end()

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
            self._await(now)

    def hold_back(self) -> None:
        """Let the instance wait: the client has not read yet what it was sent."""
        if self._connection is not None:
            self._connection.pause_reading()

    def resume(self) -> None:
        """Let the instance go on: the client has read what it was sent."""
        if self._connection is not None:
            self._connection.resume_reading()

    def leave(self) -> None:
        """Go elsewhere if that is safe."""
        raise NotImplementedError

    def bereft(self) -> None:
        """Ask elsewhere as well; the end of the connection comes after what the instance said last, if it comes."""
        instance = self._instance
        if self._response is not None or instance is None or instance.row.state == DRAINING:
            return  # it is being stopped, and may finish what it has
        now = monotonic()
        if self.call.until > now + _LAST_WORDS:
            self._wait(now + _LAST_WORDS)
        if self.route.settings.call.hedge is not None:
            self._hedge(now)

    # --- ends ---

    @property
    def heard(self) -> int:
        """The status that the instance has answered with; 0: none as yet."""
        return self._response.status if self._response is not None else 0

    def _charge(self, outcome: Outcome) -> None:
        if self._instance is not None and outcome in CHARGED:
            self._instance.charge(outcome)

    def _cut(self) -> None:
        """Cut the connection of this attempt."""
        self._connecting = None
        if self._connection is not None:
            self._connection.abandon()
            self._connection = None

    def _detach(self) -> UpstreamConnection | None:
        """Leave the instance of the attempt that has just been settled."""
        instance, self._instance = self._instance, None
        connection, self._connection = self._connection, None
        self._connecting = None
        if instance is not None:
            instance.forget(self)
        return connection

    def _wait(self, due: float) -> None:
        self.client.worker.wheel.watch(self, due)
