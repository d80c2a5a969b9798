"""A circuit breaker: who fails too often is left alone for a while, then tried carefully.

::

    CLOSED ──tripped──▶ OPEN ──rested──▶ HALF_OPEN ──proved──▶ CLOSED
                          ▲                  │
                          └─────relapsed─────┘

It trips when, within the window, enough attempts were settled and too great a share of them was the
instance's fault. Half-open lets a few probes in and not one more; all of them must succeed. After it has
closed, admission ramps up, so that what has just recovered is not knocked down again. What is admitted must
be settled under its permit; news under an old permit is ignored.
"""

from dataclasses import dataclass
from enum import Enum

from mainstay.base.dice import Dice
from mainstay.base.facts import BreakerMoved, Emit, ignore
from mainstay.base.outcome import CHARGED, FAILED, OK, Outcome
from mainstay.redundancy.bound import above, at_least, between
from mainstay.tolerance.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerSpec:
    """When a breaker opens, for how long, and how it closes again."""

    window: float = 10.0
    """Seconds over which outcomes are counted: long enough to be sure, short enough to forget a hiccup."""
    minimum: int = 20
    """Attempts settled within the window before the rate means anything: with 20, three failures are not a trend."""
    rate: float = 0.5
    """Share of them that must have failed (above 0, up to 1): half; below that, retries do better."""
    rest: float = 1.0
    """Seconds it stays open the first time: about what a restart takes."""
    cap: float = 30.0
    """Seconds it stays open at most; each relapse doubles the time up to here."""
    probes: int = 3
    """Attempts that half-open admits, and that must all succeed: one alone may be luck."""
    ramp: float = 5.0
    """Seconds over which admission rises from 10 % to 100 % after it has closed; 0 admits all at once."""
    lost: float = 60.0
    """Seconds after which a probe that was never settled is taken for lost: above any attempt's time limit."""
    count_failed: bool = False
    """Whether a 5xx counts as a failure: no, because it is an answer, and often right for its request."""

    def __post_init__(self) -> None:
        above("window", self.window, 0)
        above("minimum", self.minimum, 0)
        above("rate", self.rate, 0)
        between("rate", self.rate, 0, 1)
        above("rest", self.rest, 0)
        at_least("cap", self.cap, self.rest)
        above("probes", self.probes, 0)
        at_least("ramp", self.ramp, 0)
        above("lost", self.lost, 0)


class State(Enum):
    """Whether attempts are let through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Signal(Enum):
    """What moves it; the value is how it is told to people."""

    TRIPPED = "too many failures"
    RESTED = "has rested"
    PROVED = "its probes succeeded"
    RELAPSED = "a probe failed"


CLOSED, OPEN, HALF_OPEN = State
TRIPPED, RESTED, PROVED, RELAPSED = Signal

TRANSITIONS: dict[tuple[State, Signal], State] = {
    (CLOSED, TRIPPED): OPEN,
    (OPEN, RESTED): HALF_OPEN,
    (HALF_OPEN, PROVED): CLOSED,
    (HALF_OPEN, RELAPSED): OPEN,
}

START = 0.1
"""The share of attempts that is admitted right after it has closed."""


class Breaker:
    """One breaker guarding one life of an instance."""

    __slots__ = (
        "_closed_at",
        "_dice",
        "_emit",
        "_faults",
        "_permit",
        "_probes",
        "_proved",
        "_ramps_until",
        "_rest",
        "_spec",
        "_who",
        "_window",
        "reopens_at",
        "state",
    )

    def __init__(
        self, spec: BreakerSpec, dice: Dice, emit: Emit = ignore, *, who: tuple[str, str, int] = ("", "", 0)
    ) -> None:
        """Guard `who`: service, instance and generation, as its facts are to name it."""
        self._spec = spec
        self._dice = dice
        self._emit = emit
        self._who = who
        self._faults = _faults(spec)
        # Made when there is something to count: most of ten thousand instances may never be asked.
        self._window: Window | None = None
        # While closed all have the same permit, which dies with the next move; every probe has its own.
        self._permit = 0
        # The probes on their way, and when each is taken for lost.
        self._probes: dict[int, float] = {}
        self._proved = 0
        self._closed_at: float | None = None
        self._ramps_until = 0.0
        self._rest = spec.rest
        self.state = CLOSED
        self.reopens_at: float | None = None
        """When an open one will let probes in; None while it is not open."""

    def admit(self, now: float) -> int | None:
        """Ask to make one attempt: a permit that must come back through `settle`, or None."""
        if self.state is CLOSED:
            if self._ramps_until and not self._ramped(now):
                return None
            return self._permit
        if self.reopens_at is not None:
            if now < self.reopens_at:
                return None
            self._fire(RESTED, now)
        return self._probe(now)

    def spare(self) -> int | None:
        """Give a permit of a closed one though its ramp would not: when there is nobody else, to spare it helps nobody."""
        return self._permit if self.state is CLOSED else None

    def relent(self, now: float) -> None:
        """Let an open one have probes from now on: somebody else has found the instance well."""
        if self.state is OPEN:
            self.reopens_at = now

    def settle(self, now: float, permit: int, outcome: Outcome) -> None:
        """Tell how an admitted attempt ended."""
        if self.state is CLOSED:
            if permit == self._permit:
                self._count(now, outcome)
        elif self._probes.pop(permit, None) is None:
            return
        elif outcome in self._faults:
            self._rest = min(self._spec.cap, self._rest * 2.0)
            self._fire(RELAPSED, now)
        elif outcome is OK or outcome is FAILED:
            self._proved += 1
            if self._proved >= self._spec.probes:
                self._fire(PROVED, now)

    def begun(self, now: float, permit: int) -> None:
        """Tell that an answer is being passed on: its probe has succeeded, though its end may be hours away."""
        if permit in self._probes:
            self.settle(now, permit, OK)

    def configure(self, spec: BreakerSpec) -> None:
        """Judge by another spec from now on; where it stands, and what was counted, is kept.

        Only what was counted over another window is forgotten. News under permits that are out still counts.
        """
        before, self._spec = self._spec, spec
        self._faults = _faults(spec)
        if spec.window != before.window:
            self._window = None
        self._rest = spec.rest if self._rest == before.rest else min(spec.cap, self._rest)
        # One success is left to wait for, or there would be no further probe and no end to it.
        self._proved = min(self._proved, spec.probes - 1)
        if self._ramps_until and self._closed_at is not None:
            self._ramps_until = self._closed_at + spec.ramp

    def _probe(self, now: float) -> int | None:
        """Admit a probe, if so many succeeded or are on their way that one more is needed."""
        if self._probes:
            # Whoever has held a permit for too long is taken for lost, so that nothing is stuck for good.
            self._probes = {permit: lost_at for permit, lost_at in self._probes.items() if now < lost_at}
        if self._proved + len(self._probes) >= self._spec.probes:
            return None
        self._permit += 1
        self._probes[self._permit] = now + self._spec.lost
        return self._permit

    def _count(self, now: float, outcome: Outcome) -> None:
        window = self._window
        if window is None:
            window = self._window = Window(self._spec.window)
        if outcome in self._faults:
            window.event(now)
            window.mark(now)
            if window.events >= self._spec.minimum and window.marks >= self._spec.rate * window.events:
                self._trip(now)
        elif outcome is OK or outcome is FAILED:
            window.event(now)

    def _trip(self, now: float) -> None:
        if self._closed_at is None or now - self._closed_at >= self._spec.cap:
            self._rest = self._spec.rest
        else:
            self._rest = min(self._spec.cap, self._rest * 2.0)
        self._fire(TRIPPED, now)

    def _ramped(self, now: float) -> bool:
        left = self._ramps_until - now
        if left <= 0:
            self._ramps_until = 0.0
            return True
        return self._dice.random() < 1.0 - (1.0 - START) * left / self._spec.ramp

    def _fire(self, signal: Signal, now: float) -> None:
        before, self.state = self.state, TRANSITIONS[self.state, signal]
        self._permit += 1
        self._probes = {}
        self._proved = 0
        # A tenth of jitter, so that workers whose breakers opened together do not all probe together.
        self.reopens_at = now + self._rest * self._dice.between(0.9, 1.1) if self.state is OPEN else None
        if self.state is CLOSED:
            self._closed_at = now
            self._ramps_until = now + self._spec.ramp
            self._window = None
        service, instance, generation = self._who
        self._emit(
            BreakerMoved(
                at=now,
                service=service,
                instance=instance,
                generation=generation,
                before=before.value,
                after=self.state.value,
                because=signal.value,
            )
        )


_UNANSWERED = CHARGED - {FAILED}


def _faults(spec: BreakerSpec) -> frozenset[Outcome]:
    return CHARGED if spec.count_failed else _UNANSWERED
