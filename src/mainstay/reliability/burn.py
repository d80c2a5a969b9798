"""How fast an error budget is spent, and when somebody has to be told: several windows, several rates.

A burn rate of 1 spends the budget in exactly its period. An alert looks at a long window, so that it is worth somebody's time, and at
a short one, a twelfth of it, so that it ends soon after the trouble does. Windows and rates are those of Google's Site Reliability
Workbook, ch. 5, table 5-6, for 30 days; for other periods the windows grow and shrink with it.

::

    QUIET ──burns──▶ FIRING ──cooled──▶ RESOLVED ──settled──▶ QUIET
                        ▲                   │
                        └───────burns───────┘
"""

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from mainstay.reliability.objective import Measure, ObjectiveSpec

PAGE, TICKET = "page", "ticket"
SEVERITIES = (PAGE, TICKET)
"""How urgent it is: somebody is woken, or looks at it on the next day."""

_DAY = 86400.0
_WORKBOOK = 30 * _DAY
_TWELVE = 12
SHORTEST = 60.0
"""Seconds of the shortest window: counts come every few seconds, and a few requests tell nothing."""


class Pair(NamedTuple):
    """Two windows, and the rate at which the budget must have burnt in both of them."""

    severity: str
    burn: float
    long: float
    """Seconds."""
    short: float


PAIRS = (
    Pair(PAGE, 14.4, 3600.0, 300.0),
    Pair(PAGE, 6.0, 6 * 3600.0, 1800.0),
    Pair(TICKET, 1.0, 3 * _DAY, 6 * 3600.0),
)
"""Of 30 days: 2 % of the budget in an hour, 5 % in six hours, 10 % in three days."""


class Reading(NamedTuple):
    """What was counted in the two windows of a pair."""

    pair: Pair
    long: Measure
    short: Measure


def pairs(spec: ObjectiveSpec, period: float) -> list[Pair]:
    """Give the pairs of windows of an objective.

    Where everything would have to fail and more than that, for a low target, a pair can never be reached, and is left out.

    Args:
        spec: The objective.
        period: Seconds that the budget is for.
    """
    least = max(SHORTEST, float(spec.slice) if spec.sliced else 0.0)
    found = []
    for pair in PAIRS:
        short = max(pair.short * period / _WORKBOOK, least)
        if pair.burn * (1 - spec.target) < 1:
            found.append(pair._replace(short=short, long=short * _TWELVE))
    return found


def burn(spec: ObjectiveSpec, measure: Measure) -> float | None:
    """Give the burn rate of a window; None when nothing counted in it."""
    return measure.bad / measure.valid / (1 - spec.target) if measure.valid else None


def burns(spec: ObjectiveSpec, reading: Reading) -> bool:
    """Tell whether it has to be told: both windows burn, and enough events were bad that it is no accident."""
    return (
        reading.long.bad_events >= spec.at_least
        and _above(spec, reading.long, reading.pair)
        and _above(spec, reading.short, reading.pair)
    )


def goes_on(spec: ObjectiveSpec, reading: Reading) -> bool:
    """Tell whether what was told still holds: while nobody asks for anything, it is not known to be over."""
    silent = not reading.short.valid
    return _above(spec, reading.long, reading.pair) and (silent or _above(spec, reading.short, reading.pair))


class State(Enum):
    """Whether somebody is told."""

    QUIET = "quiet"
    FIRING = "firing"
    RESOLVED = "resolved"


class Signal(Enum):
    """What moves it."""

    BURNS = "the budget burns"
    COOLED = "it does not any more"
    SETTLED = "it was told that it is over"


QUIET, FIRING, RESOLVED = State
BURNS, COOLED, SETTLED = Signal

TRANSITIONS: dict[tuple[State, Signal], State] = {
    (QUIET, BURNS): FIRING,
    (FIRING, COOLED): RESOLVED,
    (RESOLVED, BURNS): FIRING,
    (RESOLVED, SETTLED): QUIET,
}
"""Every legal move."""


class Alert:
    """One alert: of one objective, and of one severity."""

    __slots__ = ("since", "spec", "state")

    def __init__(self, spec: ObjectiveSpec, since: float | None = None) -> None:
        """Be quiet; or firing, when that was told already.

        Args:
            spec: The objective.
            since: When it began to fire.
        """
        self.spec = spec
        """The objective; it may be changed at any time."""
        self.state = QUIET if since is None else FIRING
        self.since = since
        """When it began to fire; None while it does not."""

    def judge(self, now: float, readings: Iterable[Reading]) -> State | None:
        """Look at the windows, and give what has to be told: FIRING, RESOLVED, or None when that is nothing new.

        Args:
            now: Seconds since 1970.
            readings: Of its severity's pairs.
        """
        signal = self._signal(list(readings))
        if signal is None:
            return None
        self.state = TRANSITIONS[self.state, signal]
        if self.state is FIRING:
            self.since = now
        elif self.state is QUIET:
            self.since = None
        return None if self.state is QUIET else self.state

    def _signal(self, readings: list[Reading]) -> Signal | None:
        if self.state is FIRING:
            return None if any(goes_on(self.spec, one) for one in readings) else COOLED
        if any(burns(self.spec, one) for one in readings):
            return BURNS
        return SETTLED if self.state is RESOLVED else None


def _above(spec: ObjectiveSpec, measure: Measure, pair: Pair) -> bool:
    rate = burn(spec, measure)
    return rate is not None and rate > pair.burn
