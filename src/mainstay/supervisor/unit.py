"""One instance's life, through its crashes: a machine without I/O.

::

                       ┌──────────── rested ────────────┐
                       ▼                                │
    WAITING ─begin─► STARTING ─exited──────────────► RESTING ─stopped─► STOPPED
       │              │  │ └──ready─► READY ─exited─────▲                  ▲
       │              │  │              │ └──ended────────────────────────►│
       │              │  └──ended────────────────────────────────────────► │
       │           stopped           stopped                               │
       │              ▼                 ▼                                  │
       │           STOPPING ◄─drained─ DRAINING ──exited─────────────────► │
       │              └─────exited───────────────────────────────────────► │
       └──stopped────────────────────────────────────────────────────────► │

It is told what happened and answers with orders; the driver carries them out in the order given and calls
`tick` when `due` has come. Each life has a generation, and news under an old generation is ignored: a probe
that was answered, or an exit that was noticed, too late.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from mainstay.base.dice import Dice
from mainstay.base.errors import SpecError
from mainstay.base.growth import doubled
from mainstay.base.units import format_duration


class State(Enum):
    """Where an instance is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    STOPPING = "stopping"
    STOPPED = "stopped"
    RESTING = "resting"


WAITING = State.WAITING
STARTING = State.STARTING
READY = State.READY
DRAINING = State.DRAINING
STOPPING = State.STOPPING
STOPPED = State.STOPPED
RESTING = State.RESTING


class Signal(Enum):
    """What moves it on."""

    BEGUN = "begun"
    PASSED = "ready"
    EXITED = "exited"
    ENDED = "ended"
    RESTED = "rested"
    STOPPED = "stopped"
    DRAINED = "drained"


TRANSITIONS: dict[tuple[State, Signal], State] = {
    (WAITING, Signal.BEGUN): STARTING,
    (WAITING, Signal.STOPPED): STOPPED,
    (STARTING, Signal.PASSED): READY,
    (STARTING, Signal.EXITED): RESTING,
    (STARTING, Signal.ENDED): STOPPED,
    (STARTING, Signal.STOPPED): STOPPING,
    (READY, Signal.EXITED): RESTING,
    (READY, Signal.ENDED): STOPPED,
    (READY, Signal.STOPPED): DRAINING,
    (DRAINING, Signal.DRAINED): STOPPING,
    (DRAINING, Signal.EXITED): STOPPED,
    (STOPPING, Signal.EXITED): STOPPED,
    (RESTING, Signal.RESTED): STARTING,
    (RESTING, Signal.STOPPED): STOPPED,
}
"""Every legal move. ENDED is an exit after which it is not to be started again (`restart: off`)."""


@dataclass(frozen=True, slots=True)
class Start:
    """Start a process for this generation."""

    generation: int


@dataclass(frozen=True, slots=True)
class Publish:
    """Tell the gateway: which lives are in rotation, or how, has changed."""


@dataclass(frozen=True, slots=True)
class Drain:
    """Wait until no request is in progress on it, for `limit` seconds at most."""

    limit: float


@dataclass(frozen=True, slots=True)
class Terminate:
    """Ask the process group to end (SIGTERM)."""


@dataclass(frozen=True, slots=True)
class Kill:
    """End the process group (SIGKILL)."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Leave it alone until a moment on the monotonic clock."""

    until: float


@dataclass(frozen=True, slots=True)
class Retire:
    """It is over: give back what it held."""


_LEAST = 0.05

Order = Start | Publish | Drain | Terminate | Kill | Rest | Retire


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSpec:
    """How an instance is started, stopped and started again."""

    restart: bool = True
    """Whether it is started again when it exits. Yes: an instance that stays away is redundancy lost."""
    delay: float = 0.1
    """Seconds of rest after the first crash, doubled with each further one. Short, because most crashes do
    not repeat themselves, and half the service may be missing meanwhile."""
    cap: float = 30.0
    """Most seconds of rest. Also how long a life must have lasted for its crash to count as a first one."""
    ready_within: float = 30.0
    """Seconds from its start until it must be ready. Enough for a large Java service."""
    drain: float = 10.0
    """Most seconds to wait for requests in progress."""
    stop_timeout: float = 10.0
    """Seconds from SIGTERM to SIGKILL; as long as Docker waits."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.ready_within <= 0:
            raise SpecError(f"ready_within must be above 0, not {self.ready_within}")
        for name in ("delay", "drain", "stop_timeout"):
            if getattr(self, name) < 0:
                raise SpecError(f"{name} must not be below 0, not {getattr(self, name)}")
        if self.cap < self.delay:
            raise SpecError(f"cap must be at least delay ({self.delay}), not {self.cap}")


class Unit:
    """One instance, from its first start to its stop."""

    __slots__ = (
        "_crashes",
        "_dice",
        "_late",
        "_next_generation",
        "_since",
        "_spec",
        "due",
        "failures",
        "generation",
        "state",
    )

    def __init__(self, spec: UnitSpec, dice: Dice, next_generation: Callable[[], int]) -> None:
        self._spec = spec
        self._dice = dice
        self._next_generation = next_generation
        self._crashes = 0
        self._late = False
        self._since = 0.0
        self.state = WAITING
        self.generation = 0
        """The life it is in, or was last in; 0 before the first."""
        self.due: float | None = None
        """When `tick` is to be called, on the monotonic clock; None when there is nothing to wait for."""
        self.failures = 0
        """How many lives in a row did not become ready."""

    def configure(self, spec: UnitSpec) -> None:
        """Go by another spec from the next thing on that happens; what it is waiting for now stays as it is."""
        self._spec = spec

    def begin(self, now: float) -> list[Order]:
        """Start its first life."""
        return self._start(now, Signal.BEGUN)

    def resume(self, now: float, generation: int, *, ready: bool) -> list[Order]:
        """Take over a life that is already running, in place of `begin`."""
        self._move(Signal.BEGUN)
        self.generation = generation
        self._since = now
        self.due = now + self._spec.ready_within
        return self.ready(now, generation) if ready else []

    def ready(self, now: float, generation: int) -> list[Order]:
        """Hear that a life is ready for requests."""
        del now
        if generation != self.generation or self.state is not STARTING or self._late:
            return []
        self._move(Signal.PASSED)
        self.failures = 0
        self.due = None
        return [Publish()]

    def exited(self, now: float, generation: int) -> list[Order]:
        """Hear that a life has ended, or could not even be started."""
        if generation != self.generation or self.state in (WAITING, STOPPED, RESTING):
            return []
        before = self.state
        publish: list[Order] = [Publish()] if before in (READY, DRAINING) else []
        if before in (DRAINING, STOPPING):
            self._move(Signal.EXITED)
            return [*publish, *self._over()]
        if before is STARTING and not self._late:
            self.failures += 1
        if not self._spec.restart:
            self._move(Signal.ENDED)
            return [*publish, *self._over()]
        self._move(Signal.EXITED)
        self.due = now + self._rest(now)
        return [*publish, Rest(self.due)]

    def stop(self, now: float) -> list[Order]:
        """End it, gracefully, for good; a second time changes nothing."""
        if self.state in (WAITING, RESTING):
            self._move(Signal.STOPPED)
            return self._over()
        if self.state is STARTING:
            self._move(Signal.STOPPED)
            return self._terminate(now)
        if self.state is READY:
            self._move(Signal.STOPPED)
            self.due = now + self._spec.drain
            return [Publish(), Drain(self._spec.drain)]
        return []

    def drained(self, now: float, generation: int) -> list[Order]:
        """Hear that no request is in progress on it any more."""
        if generation != self.generation or self.state is not DRAINING:
            return []
        self._move(Signal.DRAINED)
        return [Publish(), *self._terminate(now)]

    def hurry(self, now: float) -> list[Order]:
        """End it at once, whatever it is doing: SIGKILL; its exit then tells that it is over."""
        before, orders = self.state, self.stop(now)
        if self.state is DRAINING:
            self._move(Signal.DRAINED)
        if self.state is not STOPPING:
            return orders
        self.due = None
        return [Publish(), Kill()] if before in (READY, DRAINING) else [Kill()]

    def tick(self, now: float) -> list[Order]:
        """Do what is due; nothing if it is too early."""
        if self.due is None or now < self.due:
            return []
        self.due = None
        if self.state is RESTING:
            return self._start(now, Signal.RESTED)
        if self.state is DRAINING:
            return self.drained(now, self.generation)
        if self.state is STARTING and not self._late:
            self._late = True
            self.failures += 1
            return self._terminate(now)
        return [Kill()]

    @property
    def late(self) -> str | None:
        """Why a life that is being ended was given up: `not ready within 30s`; None when it was not."""
        return f"not ready within {format_duration(self._spec.ready_within)}" if self._late else None

    def _start(self, now: float, signal: Signal) -> list[Order]:
        self._move(signal)
        self.generation = self._next_generation()
        self._late = False
        self._since = now
        self.due = now + self._spec.ready_within
        return [Start(self.generation)]

    def _terminate(self, now: float) -> list[Order]:
        self.due = now + self._spec.stop_timeout
        return [Terminate()]

    def _over(self) -> list[Order]:
        self.due = None
        return [Retire()]

    def _rest(self, now: float) -> float:
        if now - self._since > self._spec.cap:  # it was stable
            self._crashes = 0
        # No rest at all may be asked for once, but not for ever: a crash loop would take a whole processor.
        first = max(self._spec.delay, _LEAST) if self._crashes else self._spec.delay
        longest = doubled(first, self._crashes, self._spec.cap)
        self._crashes += 1
        # Instances that crashed together must not all come back together.
        return longest * self._dice.between(0.5, 1.0)

    def _move(self, signal: Signal) -> None:
        self.state = TRANSITIONS[self.state, signal]
