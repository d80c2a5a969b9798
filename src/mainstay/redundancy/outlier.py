"""What traffic knows of one instance: failures in a row, or too large a share of them, take it out for a while.

Refused, reset, timed out and 5xx are different kinds of proof, so each has its own count in a row and limit. One
good answer clears them all; what proves nothing (a stale connection, a client that left) is not counted.
Who fails some requests only has good answers in between: it is held against its `peers`.
An ejection lasts `base` seconds, twice as long each time it comes again, up to `cap`. For every `cap`
seconds of good behaviour one of the earlier ejections is forgotten.
"""

from dataclasses import dataclass

from mainstay.base.dice import Dice
from mainstay.base.growth import doubled
from mainstay.base.outcome import FAILED, OK, REFUSED, RESET, TIMEOUT, Outcome
from mainstay.redundancy.bound import above, at_least, between

TIMES = 16
"""Answers whose times are kept: enough for a median to mean something, few enough to be sorted in a microsecond."""
_KEPT = 12
"""Halves of a window after which a time is forgotten: one that is slow has few answers, since it is asked less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlierSpec:
    """What makes an outlier, and for how long it is left out."""

    refused: int = 2
    """Connections refused in a row: nobody listens there, so the second is proof enough."""
    reset: int = 3
    """Connections lost in a row before the answer was complete: one may be a crash in a single request."""
    timeout: int = 5
    """Attempts timed out in a row: slowness may lie in the requests themselves."""
    failed: int = 10
    """Answers of 5xx in a row: mostly the application's own doing, and the weakest proof of the four."""
    errors: float | None = 0.1
    """Share of failures from which an instance is left out that fails far more than the others do: a tenth, since
    a retry hides what is rarer; None: none."""
    slow: int | None = 5
    """How many times as long as at the others answers must take, by the median, for an instance to be left out: far
    more than what tells one machine from another; None: none are left out for it."""
    slow_by: float = 0.1
    """Seconds that they must take longer at least: what is less, nobody notices."""
    window: float = 5.0
    """Seconds over which instances are held against each other: what is longer ago hides what is so now."""
    minimum: int = 20
    """Attempts in the window, at the instance as well as at all others, below which nothing is made of a share."""
    zone: int | None = 2
    """Instances of one zone that fail for certain within seconds (refused, lost, silent, down or dead), after which the rest of
    the zone is asked last: two, because two at once have one cause; None: zones make no difference."""
    base: float = 1.0
    """Seconds the first ejection lasts: about what a restart takes."""
    cap: float = 30.0
    """Seconds an ejection lasts at most: what is well again is back within half a minute."""
    keep: float = 0.5
    """Share of the pool's instances that stay (0 to 1, rounded up, at least one instance): half, because none can be
    sure to bear more than twice its part. Fewer stay only if those were seen to carry what all carry now."""

    def __post_init__(self) -> None:
        above("refused", self.refused, 0)
        above("reset", self.reset, 0)
        above("timeout", self.timeout, 0)
        above("failed", self.failed, 0)
        if self.errors is not None:
            between("errors", self.errors, 0, 1)
        if self.slow is not None:
            at_least("slow", self.slow, 1)
        at_least("slow_by", self.slow_by, 0)
        above("window", self.window, 0)
        above("minimum", self.minimum, 0)
        if self.zone is not None:
            above("zone", self.zone, 0)
        above("base", self.base, 0)
        at_least("cap", self.cap, self.base)
        between("keep", self.keep, 0, 1)


class Outlier:
    """The traffic's memory of one life of an instance."""

    __slots__ = (
        "_counts",
        "_ejections",
        "_limits",
        "_returned_at",
        "_spec",
        "answered",
        "bad",
        "bad_before",
        "good_before",
        "late",
        "most",
        "since",
        "streaks",
        "stretches",
        "times",
        "trusted_at",
    )

    def __init__(self, spec: OutlierSpec) -> None:
        self._spec = spec
        self._limits = _limits(spec)
        self._counts: dict[Outcome, int] = {}
        self.streaks = False
        self._ejections = 0
        self._returned_at = 0.0
        self.answered = 0
        """Good answers, ever."""
        self.since = 0
        """What it had answered when this stretch of time began, as its `peers` cut it."""
        self.bad = 0
        """Failures charged to it in this stretch."""
        self.good_before = 0
        """Good answers in the stretch before."""
        self.bad_before = 0
        """Failures in the stretch before."""
        self.times = [0.0] * TIMES
        """How long the last good answers took, in seconds, each at the place of its number."""
        self.late = 0
        """Stretches in a row in which it was far slower than the others."""
        self.most = 0
        """The most good answers that it gave in one of the former stretches."""
        self.trusted_at = 0
        """What it must have answered for a failure to be no relapse any more."""
        self.stretches: list[tuple[int, int]] = []
        """The stretches in which it answered lately, by their numbers, and what it had answered when each began."""

    @property
    def good(self) -> int:
        """Good answers in this stretch of time."""
        return self.answered - self.since

    @property
    def carries(self) -> int:
        """The most good answers that it was seen to give in one stretch."""
        return max(self.most, self.good)

    @property
    def is_well(self) -> bool:
        """Whether it answers, and has not failed since it last did."""
        return not self.streaks and bool(self.good or self.good_before)

    def observe(self, outcome: Outcome, took: float = 0.0) -> bool:
        """Count how an attempt ended, and how many seconds a good answer took; say whether it is an outlier by itself."""
        if outcome is OK:
            self.times[self.answered % TIMES] = took
            self.answered += 1
            if self.streaks:
                self.clear()
            return False
        limit = self._limits.get(outcome)
        if limit is None:
            return False
        self.streaks = True
        self.bad += 1
        count = self._counts[outcome] = self._counts.get(outcome, 0) + 1
        return count >= limit

    def failing(self, outcome: Outcome) -> bool:
        """Tell whether, after this failure, others are the better choice for now."""
        return outcome is not FAILED or self._counts.get(FAILED, 0) > 1

    def clear(self) -> None:
        """Forget the failures in a row, as a good answer does."""
        self._counts.clear()
        self.streaks = False

    @property
    def idle(self) -> bool:
        """Whether nothing was heard of it lately."""
        return self.answered == self.since and not (self.stretches or self.bad or self.bad_before)

    def turn(self, number: int) -> None:
        """End the stretch of time that has this number, and begin the next."""
        stretches = self.stretches
        if self.answered > self.since:
            stretches.append((number, self.since))
        if stretches and stretches[0][0] <= number - _KEPT:
            del stretches[0]
        self.good_before, self.since = self.good, self.answered
        self.most = max(self.most, self.good_before)
        self.bad_before, self.bad = self.bad, 0

    def lately(self) -> list[float]:
        """Give how long its last answers took, not more than `TIMES`, and none that is too old; in no order."""
        began = self.stretches[0][1] if self.stretches else self.since
        count = min(TIMES, self.answered - began)
        if count == TIMES:
            return self.times
        return [self.times[number % TIMES] for number in range(self.answered - count, self.answered)]

    def configure(self, spec: OutlierSpec) -> None:
        """Judge by another spec from now on; what was counted in a row still counts."""
        if spec.window != self._spec.window:
            self.forget()
            self.most = 0
        self._spec = spec
        self._limits = _limits(spec)

    def eject(self, now: float, dice: Dice) -> float:
        """Begin an ejection and give the time at which it ends; what was counted is forgotten."""
        spec = self._spec
        if self._ejections:
            self._ejections = max(0, self._ejections - int((now - self._returned_at) / spec.cap))
        length = doubled(spec.base, self._ejections, spec.cap)
        self._ejections += 1
        # A tenth of jitter, so that workers that ejected it together do not all try it together.
        self._returned_at = now + length * dice.between(0.9, 1.1)
        self.clear()
        self.forget()
        return self._returned_at

    def forget(self) -> None:
        """Forget what it is held against others by."""
        self.since = self.answered
        self.bad = self.good_before = self.bad_before = self.late = 0
        self.stretches.clear()


def _limits(spec: OutlierSpec) -> dict[Outcome, int]:
    return {REFUSED: spec.refused, RESET: spec.reset, TIMEOUT: spec.timeout, FAILED: spec.failed}
