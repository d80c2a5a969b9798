"""How long answers are waited for, and from when on that is unusual: learnt from the answers themselves.

Two moments are told apart. An answer is *late* when it takes longer than nearly all do: then a second attempt
elsewhere, beside the first, mostly comes first (Dean and Barroso, The Tail at Scale, 2013). It is *overdue* when it
takes longer than practically any does: then it says something of the instance.

What is waited for longer than usual is often not waited for to its end, because another attempt was faster. The time
until then is learnt as well; without it, what is usual would become shorter and shorter.
"""

from collections import deque
from dataclasses import dataclass
from math import inf

from mainstay.base.histogram import merged, place, quantile
from mainstay.redundancy.bound import above, at_least

LATE = 0.95
"""Nineteen of twenty answers are not late: a second attempt at the others costs a twentieth of the load at most."""
OVERDUE = 0.999
"""The share of answers that are waited for no longer than half as long as what is overdue."""
LEAST = 100
"""Answers that have to be known before anything is called unusual."""

_FRESH = 5000
_SAMPLE = 1000
_TIMES = 2.0
_WINDOW = 10.0
_MOST = 32.0
_FORGIVING = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeSpec:
    """When a second attempt is made beside one that is not answered."""

    after: float | None = None
    """Seconds; None: when an answer is late by what is usual."""

    def __post_init__(self) -> None:
        if self.after is not None:
            above("after", self.after, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspicionSpec:
    """When silence puts an instance in doubt."""

    least: float = 0.05
    """Seconds of silence without which there is no doubt: below it, it is the machine that hiccups."""

    def __post_init__(self) -> None:
        at_least("least", self.least, 0)


class Waits:
    """The waits for the first byte of a service's answers, over the last ten seconds or a hundred answers."""

    __slots__ = ("_before", "_counts", "_fresh", "_mildness", "_since", "late", "learn", "overdue")

    def __init__(self) -> None:
        # What has been learnt since it was last judged; of very much, the last is enough.
        self._fresh: deque[float] = deque(maxlen=_FRESH)
        self.learn = self._fresh.append
        """Take in for how many seconds an answer was waited for, to its end or in vain: `learn(seconds)`. Bound once,
        because every request does it."""
        self._counts: dict[int, int] = {}
        self._before: dict[int, int] = {}
        self._since = 0.0
        # By how much more than usual is excused: nothing, as long as doubts prove right.
        self._mildness = 1.0
        self.late = inf
        """Seconds from which on an answer is late; infinity as long as too little is known."""
        self.overdue = inf
        """Seconds from which on it is overdue; infinity likewise."""

    def fold(self) -> list[float]:
        """Take what is new into what is known, and give it: the last thousands of it, in seconds."""
        fresh, counts = list(self._fresh), self._counts
        self._fresh.clear()
        for seconds in fresh[:: max(1, len(fresh) // _SAMPLE)]:
            index = place(int(seconds * 1e6))
            counts[index] = counts.get(index, 0) + 1
        return fresh

    def judge(self, now: float) -> None:
        """Find anew what is unusual; to be called every second or so."""
        self.fold()
        known = merged((self._before, self._counts))
        self._mildness = max(1.0, self._mildness * _FORGIVING)
        if sum(known.values()) < LEAST:
            return
        late, most = quantile(known, LATE), quantile(known, OVERDUE)
        assert late is not None
        assert most is not None
        self.late = late
        self.overdue = most * _TIMES * self._mildness
        if now - self._since >= _WINDOW and sum(self._counts.values()) >= LEAST:
            self._before, self._counts, self._since = self._counts, {}, now

    def excuse(self) -> None:
        """Take it that a doubt was wrong: the instance is well, and one answer just takes its time."""
        self._mildness = min(_MOST, self._mildness * 2)
