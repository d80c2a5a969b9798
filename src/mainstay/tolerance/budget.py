"""How many retries a service's requests may cost: a share of its traffic, and a floor.

Retries help when a few requests fail and harm when all do: three attempts each are three times the load on
what is already failing. So every request pays a share of a retry in, and every retry takes one out. The
floor keeps retries possible where there is little traffic. Share, floor and window are Finagle's
(`RetryBudget`: 20 %, 10 a second, 10 s).
"""

from dataclasses import dataclass

from mainstay.redundancy.bound import above, at_least, between
from mainstay.tolerance.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSpec:
    """What retries may cost."""

    share: float = 0.2
    """Retries for each request, 0 to 1: a fifth, so that a failing service sees at most 1.2 times its load."""
    floor: float = 10.0
    """Retries a second that are allowed whatever the traffic: 10, so that a quiet service can retry too."""
    window: float = 10.0
    """Seconds over which both are counted: long enough for a burst of failures to be retried."""

    def __post_init__(self) -> None:
        between("share", self.share, 0, 1)
        at_least("floor", self.floor, 0)
        above("window", self.window, 0)


class Budget:
    """The budget that all requests to one service share."""

    __slots__ = ("_floor", "_seconds", "_share", "_window", "deposit")

    def __init__(self, spec: BudgetSpec) -> None:
        self._share = spec.share
        self._floor = spec.floor * spec.window
        self._seconds = spec.window
        self._window = Window(spec.window)
        self.deposit = self._window.event
        """Pay in for one logical request: `deposit(now)`. Bound once, because every request does it."""

    def configure(self, spec: BudgetSpec) -> None:
        """Allow by another spec from now on; what was counted still counts, unless over another window."""
        if spec.window != self._seconds:
            self._seconds = spec.window
            self._window = Window(spec.window)
            self.deposit = self._window.event
        self._share = spec.share
        self._floor = spec.floor * spec.window

    def withdraw(self, now: float) -> bool:
        """Take out one retry; say whether there was one left."""
        if not self.affords(now):
            return False
        self._window.mark(now)
        return True

    def affords(self, now: float) -> bool:
        """Say whether there is a retry left."""
        # A whole one, less the rounding error of adding up shares.
        return self.balance(now) >= 1.0 - 1e-9

    def balance(self, now: float) -> float:
        """Give the number of retries that are left."""
        self._window.turn(now)
        return self._floor + self._share * self._window.events - self._window.marks
