"""HOT. Connections of clients to services that speak whatever they like over TCP.

A connection is a call like a request: the pool says where it goes, and an instance that cannot be reached is
passed over. What was sent through it cannot be taken back, so that it moves on only while nothing was.

::

    begin ── connect ── joined ── answered ── over
                ▲         │
                └─────────┘ the instance ended it before a byte came either way

It is *answered* when the first byte comes from the instance, or when it has stood for as long as an attempt may
take: some servers wait to be spoken to. When the instance ends it before that, the attempt has failed.
"""

from time import monotonic
from typing import TYPE_CHECKING

from mainstay.base.outcome import CANCELLED, CHARGED, OK, RESET, Outcome
from mainstay.gateway.approach import within
from mainstay.gateway.http.exchange import reason
from mainstay.gateway.preamble import ends_of, write
from mainstay.gateway.proxies import source_of
from mainstay.gateway.tcp.passage import Passage
from mainstay.gateway.tcp.relay import reset
from mainstay.gateway.tcp.waiting import Waiting
from mainstay.tolerance.order import ENDED, GIVE_UP, PAUSE, TRY, WAIT, Order

if TYPE_CHECKING:
    import asyncio

    from mainstay.gateway.entrance import Entrance
    from mainstay.gateway.log.accesslog import AccessLog
    from mainstay.gateway.preamble import Ends
    from mainstay.gateway.tcp.intake import Intake
    from mainstay.gateway.upstream import Upstream
    from mainstay.gateway.worker import Worker
    from mainstay.tolerance.call import Call

# A connection counts like a request, so that whatever watches services need not ask what they speak.
_MADE = 200
_BROKEN = 502
_UNREACHABLE = 503


class TcpClient(Passage):
    """One connection of one client."""

    __slots__ = (
        "_call",
        "_connecting",
        "_ends",
        "_intake",
        "_joined_at",
        "_outcome",
        "_over",
        "_reason",
        "_started",
        "_status",
        "due",
        "near",
        "slot",
    )

    def __init__(
        self, worker: "Worker", entrance: "Entrance", intake: "Intake", ends: "Ends | None" = None
    ) -> None:
        super().__init__(worker, entrance, entrance.home)
        self.near = Waiting(self)
        """What hears the client while there is no instance for it."""
        self._ends = ends
        self.due = 0.0
        self.slot = 0
        self._intake = intake
        self._outcome: Outcome = OK
        self._call: Call[Upstream] = self.route.policy.call(monotonic(), idempotent=False)
        self._connecting: asyncio.Task[None] | None = None
        self._started = self._joined_at = 0.0
        # What the connection came to, and why, in the words of answers.
        self._status = 0
        self._reason: str | None = None
        self._over = False

    # --- the client ---

    def arrived(self) -> None:
        """Look for an instance."""
        worker = self._worker
        self.peer = source_of(self.near.transport, self._ends)
        worker.enter(self)
        self.traffic.open += 1
        self.route.in_flight += 1
        now = self._started = monotonic()
        if self.route.sticky is not None:
            self._call.bond = self.route.sticky.bond(None, self.peer)
        # Each needs two descriptors.
        full = 2 * len(worker.clients) > worker.most_clients
        if full or worker.crowded(self.peer):
            self.route.refused += 1
            self._reason = "crowded" if full else "many_connections"
            self.traffic.refuse(self._reason)
            self._call.cancel(now)
            self.abort()
        else:
            self._obey(self._call.start(now), now)

    def left(self) -> None:
        """Let everything go that was done for this client."""
        now = monotonic()
        if self._call.state is not ENDED:
            self.route.cancelled += 1
            self._call.cancel(now)
        self._leave(now)

    def abort(self) -> None:
        """Cut the connection."""
        if self._tunnel is not None:
            self._tunnel.cut()
        else:
            reset(self.near.transport)

    # --- attempts ---

    def _obey(self, order: Order, now: float) -> None:
        if order is TRY:
            self._attempt(now)
        elif order is PAUSE:
            self._worker.wheel.watch(self, self._call.until)
        elif order is WAIT:
            if self.route.park(self):
                self._worker.wheel.watch(self, self._call.until)
            else:
                self._obey(self._call.refuse(now), now)
        elif order is GIVE_UP:
            self.route.gave_up(self._call.because)
            self._count(_UNREACHABLE, now, reason(self._call.because, self._outcome))
            reset(self.near.transport)

    def _attempt(self, now: float) -> None:
        instance = self._instance = self._call.instance
        instance.busy.add(self)
        instance.requests += 1
        if self._call.attempt > 1:
            self.route.retries += 1
        limit = min(self.route.settings.connect, self._call.until - now)
        task = self._connecting = self._worker.loop.create_task(self._connect(instance, limit))
        self.route.tasks.add(task)
        task.add_done_callback(self.route.tasks.discard)

    async def _connect(self, instance: "Upstream", limit: float) -> None:
        made = await within(limit, self._reach(instance))
        now = monotonic()
        self._connecting = None
        if self._over:
            if isinstance(made, Waiting):
                made.transport.abort()
        elif not isinstance(made, Waiting):
            self._failed(made, now)
        elif made.lost:
            self._failed(RESET, now)
        else:
            self._meet(made, now)

    async def _reach(self, instance: "Upstream") -> Waiting:
        lot = await instance.legs.approach() if instance.legs is not None else None
        _, made = await self._worker.loop.create_connection(Waiting, instance.host, instance.port)
        if instance.legs is not None:
            instance.legs.take(made, lot)
        if instance.preamble:
            made.transport.write(write(instance.preamble, self._ends or ends_of(self.near.transport)))
        return made

    def _failed(self, outcome: Outcome, now: float) -> Order:
        """Settle an attempt that failed, and go elsewhere if that is possible."""
        self._outcome = outcome
        order = self._call.settle(now, outcome)
        instance = self._instance
        if instance is not None and outcome in CHARGED:
            instance.charge(outcome)
        if self._tunnel is None:
            self._detach()
            self._obey(order, now)
        elif order is not GIVE_UP:
            self.near.transport.set_protocol(self.near)
            self._detach()
            self._obey(order, now)
        return order

    # --- the tunnel ---

    def _meet(self, far: Waiting, now: float) -> None:
        near = self.near
        self._joined_at = now
        self._call.instance.opened += 1
        tunnel = self._join(near.transport, far.transport)
        self._worker.wheel.watch(self, self._call.until)
        for waiting, end in ((near, tunnel.near), (far, tunnel.far)):
            if waiting.paused:
                waiting.paused = False
                waiting.transport.resume_reading()
            if waiting.data:
                waiting.size = 0
                end.data_received(b"".join(waiting.data))
                waiting.data.clear()
            if waiting.ended and self._tunnel is tunnel:
                end.eof_received()

    def answered(self) -> None:
        """Take it that the instance works: its first byte has come, or it has held the connection for long."""
        if self._call.state is ENDED:
            return
        now = monotonic()
        self._call.settle(now, OK, _MADE)
        self._hold()
        if self._instance is not None:
            self._instance.seen(self._joined_at - self._started)
        self._count(_MADE, self._joined_at)

    def parted(self) -> bool:
        """Go elsewhere when the instance ends the connection before a byte came either way, if there is one."""
        tunnel = self._tunnel
        if tunnel is None or self._call.state is ENDED:
            return False
        now = monotonic()
        if tunnel.near.got:
            self._call.sent(now)
        if self._failed(RESET, now) is GIVE_UP:
            self._count(_BROKEN, now, "broken_answer")
            return False
        return True

    def over(self, *, broken: bool) -> None:
        """Let go of both connections, which are closed."""
        now = monotonic()
        if self._call.state is not ENDED:
            # The client left before the instance said anything: that is its right, and proves nothing.
            self._call.settle(now, CANCELLED)
            self._count(_MADE, self._joined_at)
        elif broken and self._held:
            self._reason = "broken_answer"
            self._break()
        self._leave(now)

    def _count(self, status: int, at: float, why: str | None = None) -> None:
        """Count the connection, by when its instance was found, or it was plain that there is none."""
        self._status, self._reason = status, why
        self._worker.wheel.forget(self)
        self.route.count(status, at - self._started)

    def expired(self, now: float) -> None:
        """Act on the end of a pause, or of the time in which the instance could have ended the connection."""
        if self._tunnel is not None:
            self.answered()
        else:
            self.go_on(now)

    def go_on(self, now: float) -> None:
        """End a pause: there may be somebody to ask."""
        self.route.parked.pop(self, None)
        self._obey(self._call.resume(now), now)

    # --- ends ---

    def _detach(self) -> None:
        self._worker.wheel.forget(self)
        super()._detach()

    def _leave(self, now: float) -> None:
        if self._over:
            return
        self._over = True
        self.route.parked.pop(self, None)
        log = self._worker.access_log
        if log is not None and log.wants(self._status, self._reason):
            self._note(log, now)
        if self._connecting is not None:
            self._connecting.cancel()
        self._detach()
        self.route.in_flight -= 1
        self._worker.leave(self)
        self.traffic.open -= 1
        self._intake.give_back()

    def _note(self, log: "AccessLog", now: float) -> None:
        """Have it written down: the values of an `Entry`, in its order."""
        call, tunnel = self._call, self._tunnel
        tried = call.attempt > 0
        log.take(
            (
                self.entrance.name,
                self.peer,
                self.route.name,
                call.instance.name if tried else None,
                call.attempt,
                *(b"", b"", True),
                self._status,
                tunnel.near.got if tunnel is not None else 0,
                tunnel.far.got if tunnel is not None else 0,
                self._started,
                self._joined_at or None,
                self._joined_at or None,
                now,
                self._reason,
                not self._status and self._reason is None,
                *(None, b"", b""),
                True,
            )
        )
