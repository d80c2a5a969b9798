"""How many requests a service is given at once: learnt from whether it keeps up, and by what it is then given.

::

    FREE ──it falls behind──▶ TRIED ──as much is answered as before──▶ LIMITED
     ▲                          │                                        │
     └──────less is answered────┴──────────not asked for much for long───┘

Slow is not overloaded. A service whose answers take longer, all of them, but which answers as many as it is asked, is
left alone. It is *overloaded* when requests pile up in it: waits are several times as long as usual, several times as
much is under way, and it becomes more. Then it gets less at once, in proportion to how much longer waits are. If it
answers as much as before, the rest did nothing but wait; if it answers less, the waits have another cause, and it is
free again. While it is limited, waits decide: above twice the usual it gets less, below it gets more.

After Netflix's gradient limits and Envoy's adaptive concurrency, which have no trial and take every slowness for a crowd.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import expm1, inf, sqrt

from mainstay.redundancy.bound import above

LEAST = 10
"""Answers without which nothing is concluded."""

_LONGER = 3.0
_TOLERATED = 2.0
_GROWTH = 0.1
_CHANCE = 6.0
_KEPT = 0.7
_ENOUGH = 60
_BUSY = 0.9
_STEP = 0.25
_PATIENCE = 0.2
_QUIET, _QUIETEST = 1.0, 60.0
_CALM = 10.0
_DRIFT = 0.001
# Seconds in which what is usual follows most of the way, when it becomes less and when it becomes more.
_DOWN, _UP = 2.0, 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LimiterSpec:
    """Between what the limit moves."""

    least: int = 4
    """Requests under way at each instance that are never too many: fewer would leave it idle between two of them."""

    def __post_init__(self) -> None:
        above("least", self.least, 0)


class State(Enum):
    """What the limiter thinks of the service."""

    FREE = "free"
    TRIED = "tried"
    LIMITED = "limited"


FREE, TRIED, LIMITED = State


class Limiter:
    """The limit of one service."""

    __slots__ = (
        "_answered",
        "_base",
        "_before",
        "_busy_at",
        "_counted_from",
        "_each",
        "_judged_at",
        "_less_at",
        "_median",
        "_quiet",
        "_quiet_until",
        "_rate",
        "_since",
        "_spec",
        "_usual",
        "_waits",
        "_width",
        "most",
        "state",
    )

    def __init__(self, spec: LimiterSpec) -> None:
        self._spec = spec
        # What is usual: the median wait (0: unknown), and how many requests are under way.
        self._base = 0.0
        self._usual = 0.0
        self._each = inf
        self._judged_at = 0.0
        # Since when it has been crowded, how many were under way then, and how many were answered since; of a trial,
        # from when on it shows.
        self._since = inf
        self._before = 0
        self._answered = 0
        self._counted_from = 0.0
        # Waits that nothing was concluded from yet, and the median of the last of which something was.
        self._waits: list[float] = []
        self._median = 0.0
        # When there may be a step to less again.
        self._less_at = 0.0
        # Answers a second before the trial, and the number of instances then.
        self._rate = 0.0
        self._width = 1
        # Until when there is no other trial, and for how long there will be none after one that fails.
        self._quiet_until = 0.0
        self._quiet = _QUIET
        # When it was last given all that it may be given.
        self._busy_at = 0.0
        self.state = FREE
        self.most = inf
        """Requests that may be under way at once, at all instances together; infinity: as many as there are."""

    @property
    def alarm(self) -> float:
        """Requests under way from which on it is worth judging more often than every second."""
        return 0.0 if self.state is not FREE else max(self._spec.least, self._usual * _LONGER)

    def judge(self, now: float, waits: Sequence[float], width: int, under_way: int, queued: int) -> None:
        """Conclude from what has been answered since this was last asked.

        Args:
            now: The time.
            waits: How long each of these answers was waited for, in seconds.
            width: The number of instances that take requests.
            under_way: The number of requests that wait for an answer of an instance.
            queued: The number of requests that wait until they may be sent.
        """
        width = max(1, width)
        self._waits.extend(waits)
        if now > self._judged_at and (len(self._waits) >= LEAST or self.state is TRIED):
            self._conclude(now, width, under_way, queued)
            self._waits.clear()
            self._judged_at = now
        self.most = self._each * width

    def _conclude(self, now: float, width: int, under_way: int, queued: int) -> None:
        answered = len(self._waits)
        if answered:
            self._median = sorted(self._waits)[answered // 2]
        if self.state is FREE:
            if not self._is_crowded(width, under_way):
                self._since = inf
                self._learn(now, under_way)
            elif self._piles_up(now, under_way, answered) and now >= self._quiet_until:
                self._try(now, width, under_way)
            elif now - self._counted_from >= _CALM:
                # It is slower, and keeps up: that is what is usual now.
                self._since = inf
                self._learn(now, under_way)
        elif self.state is TRIED:
            self._await_end(now, width, under_way, answered)
        else:
            self._adapt(now, under_way >= _BUSY * self._each * width or queued > 0)

    def _is_crowded(self, width: int, under_way: int) -> bool:
        longer = self._median > _LONGER * self._base > 0
        return longer and under_way > max(self._spec.least * width, _LONGER * self._usual)

    def _piles_up(self, now: float, under_way: int, answered: int) -> bool:
        if self._since == inf:
            # What has come until now may have come while nothing was answered, and answers that take longer than they
            # did begin to come by and by: only after that both are known.
            self._since = now + self._median
        if now <= self._since:
            self._before, self._answered, self._counted_from = under_way, 0, now
            return False
        self._answered += answered
        more = under_way - self._before
        # More than a tenth of them pile up, and more than chance has come and go together.
        return more > max(_GROWTH * (self._answered + more), _CHANCE * sqrt(self._answered))

    def _try(self, now: float, width: int, under_way: int) -> None:
        # Half as much: who shares the service with others that do not give it less would get nothing at all for nearly none.
        self._limit(under_way / width / 2)
        self.state = TRIED
        self._rate = self._answered / (now - self._counted_from)
        self._width = width
        # Those who are there already have to go first.
        self._since = now + max(_PATIENCE, self._median)
        self._answered = 0

    def _await_end(self, now: float, width: int, under_way: int, answered: int) -> None:
        if self._judged_at < self._since:
            self._since = max(self._since, now)
            return
        self._answered += answered
        # An instance that is gone by now answers nothing, and is not what the trial is about.
        expected = self._rate * min(1.0, width / self._width) * (now - self._since)
        if expected < _ENOUGH:
            return
        if self._answered >= _KEPT * expected:
            self.state = LIMITED
            self._busy_at = self._less_at = now
            self._quiet = _QUIET
            return
        # Less at once meant less altogether: it is slower than it was, and not crowded. Or so it seems: it is tried again.
        self._quiet_until = now + self._quiet
        self._quiet = min(_QUIETEST, 2 * self._quiet)
        self._usual = float(under_way)
        self._free()

    def _adapt(self, now: float, busy: bool) -> None:
        base, median = self._base, self._median
        if median > _TOLERATED * base:
            # Until waits show what the last step was good for, there is no other.
            if now >= self._less_at:
                self._limit(self._each * max(_STEP, _TOLERATED * base / median))
                self._less_at = now + 2 * median
        elif busy:
            self._each += sqrt(self._each)
        if busy:
            self._busy_at = now
            # Under load nobody can tell what waits would be without it. Should they have become longer for good, that
            # is learnt slowly, so that an overload does not become what is usual.
            self._base = base * (1 + _DRIFT * (now - self._judged_at))
        elif now - self._busy_at >= _CALM:
            self._free()
        else:
            self._learn(now, None)

    def _learn(self, now: float, under_way: int | None) -> None:
        passed = now - self._judged_at
        self._base = _follow(self._base, self._median, passed) if self._base else self._median
        if under_way is not None:
            self._usual = _follow(self._usual, under_way, passed)

    def _limit(self, each: float) -> None:
        self._each = max(float(self._spec.least), each)

    def _free(self) -> None:
        self.state = FREE
        self._each = inf
        self._since = inf


def _follow(usual: float, found: float, passed: float) -> float:
    """Move what is usual towards what was found, faster when that is less."""
    return usual + (found - usual) * -expm1(-passed / (_DOWN if found < usual else _UP))
