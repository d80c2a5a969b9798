"""HOT. What one service has to do in one worker: how long answers are waited for, and who is sent there when.

As long as a service keeps up, everybody is sent there at once. When it does not, or when it was told how much it may be
given, the others wait in a line, and who waits too long is told so.
"""

from math import inf
from typing import TYPE_CHECKING

from mainstay.base.facts import Emit, OverloadBegan, OverloadEnded
from mainstay.gateway.table import Settings
from mainstay.tolerance.hedge import Waits
from mainstay.tolerance.limiter import FREE, LIMITED, Limiter, LimiterSpec
from mainstay.tolerance.line import Line, LineSpec

if TYPE_CHECKING:
    from mainstay.gateway.http.attempt import Attempts
    from mainstay.gateway.route import Route

OFTEN = 0.1
"""Seconds between two looks at a service that may be falling behind; otherwise it is a second."""
_SMOOTH = 10.0
_FEW = 32
_MUCH = 3.0


class Load:
    """One service's load in one worker."""

    __slots__ = (
        "_emit",
        "_judged_at",
        "_letting",
        "_limiter",
        "_line",
        "_looked_at",
        "_route",
        "_told",
        "each",
        "early",
        "fixed",
        "guard",
        "late",
        "most",
        "overdue",
        "patience",
        "queued",
        "under_way",
        "usual",
        "waits",
    )

    def __init__(self, route: "Route", settings: Settings, emit: Emit) -> None:
        self._route = route
        self._emit = emit
        self._limiter: Limiter | None = None
        self._line: Line[Attempts] = Line(LineSpec())
        self._judged_at = 0.0
        self._looked_at = 0.0
        self._told = False
        self._letting = False
        self.waits = Waits()
        """How long answers are waited for."""
        self.late = self.overdue = self.patience = inf
        """Seconds from which on an answer is late, and overdue, and the lesser of the two; infinity: never."""
        self.usual = 0.0
        """Requests that are usually in progress."""
        self.early = True
        """Whether there is room for another one as soon as an answer begins, and not only when it has ended."""
        self.under_way = 0
        """Requests that were let in, and wait for the beginning of an answer."""
        self.queued = 0
        """Requests that wait until they are let in."""
        self.fixed = self.each = inf
        """How many the service, and each instance, may be given at once by this worker, as it was told."""
        self.most = inf
        """How many it is given at once."""
        self.guard = inf
        """How many may be under way before whoever comes next needs to be looked at."""
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Go by other settings from now on."""
        spec = settings.concurrency
        if spec is None or not spec.adaptive:
            self._limiter = None
        elif self._limiter is None:
            self._limiter = Limiter(LimiterSpec())
        self._line.configure(LineSpec(wait=spec.queue if spec is not None else 0.0))
        self._guard()

    def share(self, now: float, workers: int, number: int) -> None:
        """Take this worker's part of what the service may be given, at least one request, and go by it."""
        spec = self._route.settings.concurrency
        self.fixed = _part(spec.limit if spec is not None else None, workers, number)
        self.each = _part(spec.per_instance if spec is not None else None, workers, number)
        self._route.policy.each = self.each
        self.early = self.each == inf
        self._guard()
        self.let_in(now)

    # --- who is let in ---

    def admits(self, now: float) -> bool:
        """Tell whether there is room for one more; called when the guard is reached."""
        if now - self._looked_at >= OFTEN:
            self.look(now)
        return not self.queued and self._has_room(now)

    def line_up(self, now: float, request: "Attempts") -> None:
        """Have a request wait; it, or a less important one, is refused when there is no place."""
        gone = self._line.add(now, request, request.importance())
        self.queued = self._line.length
        if gone is not None:
            gone.shed(now)

    def patience_of_line(self, now: float) -> float:
        """Give the seconds that whoever comes now may wait."""
        return self._line.patience(now)

    def leave(self, request: "Attempts") -> None:
        """Let go of a request that waits no longer."""
        self._line.remove(request)
        self.queued = self._line.length

    def let_in(self, now: float) -> None:
        """Let in who is next, as long as there is room."""
        if self._letting:
            return  # who was let in has ended at once; whoever let it in goes on
        self._letting = True
        try:
            while self.queued and self._has_room(now):
                following = self._line.next(now)
                self.queued = self._line.length
                if following is None:
                    return
                following.enter(now)
        finally:
            self._letting = False

    def _has_room(self, now: float) -> bool:
        if self.under_way >= self.most:
            return False
        if self.each == inf:
            return True
        # One may have left since this was last judged, and second attempts take places as well. Where nobody is to be
        # asked, that is told to whoever asks.
        usable = self._route.pool.usable(now)
        return not usable or any(member.in_flight < self.each for member in usable)

    # --- what is found ---

    def judge(self, now: float) -> None:
        """Find anew what is usual; called every second or so."""
        self.look(now)
        spec, waits = self._route.settings.call, self.waits
        waits.judge(now)
        self.late = self.overdue = inf
        if spec.hedge is not None:
            self.late = waits.late if spec.hedge.after is None else spec.hedge.after
        if spec.suspicion is not None:
            self.overdue = max(waits.overdue, spec.suspicion.least)
        self.patience = min(self.late, self.overdue)
        self.usual += (self._route.in_flight - self.usual) / _SMOOTH

    def look(self, now: float) -> None:
        """See whether the service keeps up."""
        self._looked_at = now
        fresh = self.waits.fold()
        limiter = self._limiter
        if limiter is not None:
            limiter.judge(now, fresh, len(self._route.pool.up(now)), self.under_way, self.queued)
        self._tell(now, limiter)
        self._guard()
        self.let_in(now)

    def crowded(self) -> bool:
        """Tell whether so much is in progress that a second attempt would make it worse."""
        return self.queued > 0 or self._told or self._route.in_flight > max(_FEW, _MUCH * self.usual)

    def _guard(self) -> None:
        limiter = self._limiter
        learnt = limiter.most if limiter is not None else inf
        self.most = min(self.fixed, learnt)
        if self.each < inf:
            self.most = min(self.most, self.each * max(1, len(self._route.pool.usable(self._looked_at))))
            self.guard = 0.0
        else:
            self.guard = min(self.most, limiter.alarm if limiter is not None else inf)

    def _tell(self, now: float, limiter: Limiter | None) -> None:
        state, service = limiter.state if limiter is not None else FREE, self._route.name
        if limiter is not None and state is LIMITED and not self._told:
            self._told = True
            self._emit(OverloadBegan(at=now, service=service, limit=int(limiter.most)))
        elif state is FREE and self._told:
            self._told = False
            self._emit(OverloadEnded(at=now, service=service))


def _part(most: int | None, workers: int, number: int) -> float:
    """Give one worker's part of what all may have together, at least one; infinity when there is no limit."""
    return inf if most is None else max(1, most // workers + (number <= most % workers))
