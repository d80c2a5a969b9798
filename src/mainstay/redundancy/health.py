"""What health checks know of one instance.

::

    UNKNOWN ──rose──▶ UP ──slipped──▶ SUSPECT ──fell──▶ DOWN
       │              ▲ ◀──cleared──────┘                │
       │              └───────────────rose───────────────┘
       └──fell──▶ DOWN        UP ──fell──▶ DOWN        any but itself ──drained──▶ DRAINING
                              UNKNOWN, SUSPECT, DOWN ──excused──▶ UP

A new instance is not up before its first success. One failure makes it suspect, `down_after` in a row
take it down (with `down_after` 1 there is no suspicion), and `up_after` successes in a row bring it back.
Excused is who is no longer checked at all.
Draining is final: a replacement is another life with a health of its own.
"""

from dataclasses import dataclass
from enum import Enum

from mainstay.redundancy.bound import above


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSpec:
    """How an instance is checked, and how many answers it takes to believe them."""

    every: float = 1.0
    """Seconds between two checks: a second costs an instance next to nothing, and two of them find a hang."""
    timeout: float = 0.5
    """Seconds to wait for the answer: far above what a check needs, and half of `every`, so that checks never overlap."""
    down_after: int = 2
    """Failures in a row that take it down: two, because one may be a hiccup of the machine."""
    up_after: int = 1
    """Successes in a row that bring it back: one, because traffic itself is the second witness."""

    def __post_init__(self) -> None:
        above("every", self.every, 0)
        above("timeout", self.timeout, 0)
        above("down_after", self.down_after, 0)
        above("up_after", self.up_after, 0)


class State(Enum):
    """What is known of an instance."""

    UNKNOWN = "unknown"
    UP = "up"
    SUSPECT = "suspect"
    DOWN = "down"
    DRAINING = "draining"


class Signal(Enum):
    """What moves it; the value is how it is told to people."""

    ROSE = "passed its checks"
    SLIPPED = "failed a check"
    CLEARED = "passed again"
    FELL = "failed too many checks"
    DRAINED = "is being stopped"
    EXCUSED = "is no longer checked"


UNKNOWN, UP, SUSPECT, DOWN, DRAINING = State
ROSE, SLIPPED, CLEARED, FELL, DRAINED, EXCUSED = Signal

TRANSITIONS: dict[tuple[State, Signal], State] = {
    (UNKNOWN, ROSE): UP,
    (UNKNOWN, FELL): DOWN,
    (UNKNOWN, DRAINED): DRAINING,
    (UP, SLIPPED): SUSPECT,
    (UP, FELL): DOWN,
    (UP, DRAINED): DRAINING,
    (SUSPECT, CLEARED): UP,
    (SUSPECT, FELL): DOWN,
    (SUSPECT, DRAINED): DRAINING,
    (DOWN, ROSE): UP,
    (DOWN, DRAINED): DRAINING,
    (UNKNOWN, EXCUSED): UP,
    (SUSPECT, EXCUSED): UP,
    (DOWN, EXCUSED): UP,
}


class Health:
    """The health of one life of an instance; without a spec it counts as up until it is drained."""

    __slots__ = ("_spec", "_streak", "because", "since", "state", "usable")

    def __init__(self, spec: HealthSpec | None, *, known_up: bool = False) -> None:
        self._spec = spec
        # Passes or failures in a row, whichever the state is counting.
        self._streak = 0
        self.state = UP if spec is None or known_up else UNKNOWN
        self.usable = self.state is UP
        """Whether it may take traffic: up, or merely suspect."""
        self.because: Signal | None = None
        """What moved it last."""
        self.since: float | None = None
        """When it moved last, in the caller's monotonic seconds."""

    def passed(self, now: float) -> bool:
        """Count a successful check; say whether the state changed."""
        if self.state is SUSPECT:
            return self._fire(CLEARED, now)
        if self.state is UNKNOWN:
            return self._fire(ROSE, now)
        if self.state is DOWN and self._spec is not None:
            self._streak += 1
            if self._streak >= self._spec.up_after:
                return self._fire(ROSE, now)
        return False

    def failed(self, now: float) -> bool:
        """Count a failed check; say whether the state changed."""
        if self._spec is None or self.state is DRAINING:
            return False
        if self.state is DOWN:
            self._streak = 0
            return False
        self._streak += 1
        if self._streak >= self._spec.down_after:
            return self._fire(FELL, now)
        return self.state is UP and self._fire(SLIPPED, now, streak=1)

    def drain(self, now: float) -> bool:
        """Take it out of service for good; say whether the state changed."""
        return self.state is not DRAINING and self._fire(DRAINED, now)

    def configure(self, now: float, spec: HealthSpec | None) -> bool:
        """Count by another spec from now on; say whether the state changed: without one, nothing is against it."""
        self._spec = spec
        if spec is not None or self.state is UP or self.state is DRAINING:
            return False
        return self._fire(EXCUSED, now)

    def _fire(self, signal: Signal, now: float, streak: int = 0) -> bool:
        self.state = TRANSITIONS[self.state, signal]
        self.usable = self.state is UP or self.state is SUSPECT
        self._streak = streak
        self.because = signal
        self.since = now
        return True
