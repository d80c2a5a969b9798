"""How long to wait before all is tried again: longer each time, up to a cap, and by chance.

The kinds of jitter are those of Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015):
`full` takes anything from 0 to the step, `decorrelated` anything from the base to three times the last
wait, `none` the step itself.
"""

from dataclasses import dataclass
from typing import Literal

from mainstay.base.dice import Dice
from mainstay.redundancy.bound import above, at_least, one_of

JITTERS = ("full", "decorrelated", "none")
"""The kinds of jitter there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackoffSpec:
    """How waits grow."""

    base: float = 0.025
    """Seconds of the first step: about what an instance needs to accept again after a hiccup (gRPC and
    Envoy begin at 25 ms)."""
    cap: float = 0.25
    """Seconds of the longest step: a client is waiting, so a quarter of a second at most."""
    factor: float = 2.0
    """What each step is multiplied with: doubling, as everybody does."""
    jitter: Literal["full", "decorrelated", "none"] = "full"
    """How chance spreads the waits: full, because it lets the fewest callers come back together."""

    def __post_init__(self) -> None:
        above("base", self.base, 0)
        at_least("cap", self.cap, self.base)
        at_least("factor", self.factor, 1)
        one_of("jitter", self.jitter, JITTERS)


class Backoff:
    """The waits of one who tries again and again."""

    __slots__ = ("_dice", "_spec", "_step")

    def __init__(self, spec: BackoffSpec, dice: Dice) -> None:
        self._spec = spec
        self._dice = dice
        self._step = spec.base

    def next(self) -> float:
        """Give the seconds to wait this time."""
        spec, step = self._spec, self._step
        if spec.jitter == "decorrelated":
            self._step = min(spec.cap, self._dice.between(spec.base, step * 3))
            return self._step
        self._step = min(spec.cap, step * spec.factor)
        return step * self._dice.random() if spec.jitter == "full" else step

    def reset(self) -> None:
        """Begin again with the shortest wait."""
        self._step = self._spec.base
