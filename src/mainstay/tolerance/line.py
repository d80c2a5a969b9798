"""Where requests wait that may not be sent yet: in order while there is hope, and the newest first when there is none.

A queue in which nobody waits long smooths bursts, and first come is first served. One in which somebody has waited for a
while is not a burst: whoever has waited long in it has mostly given up, so that serving those first serves nobody
(Maurer, Fail at Scale, ACM Queue 2015: adaptive LIFO and CoDel). Then the newest goes first, and nobody waits long.

As CoDel does (RFC 8289), this looks at how long is waited, and not at whether the queue ever is empty: a few more clients
than there is room for always leave somebody waiting, and all of them soon have their turn.

What is more important goes first in any case, and when the line is full, it takes the place of what is less so.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from mainstay.redundancy.bound import above, at_least

T = TypeVar("T")

CLASSES = 3
"""Classes of importance, from 0, which goes first."""

_STRESS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSpec:
    """How long the line may be."""

    wait: float = 1.0
    """Seconds that a request may wait in it as long as it empties now and then: a burst is over by then."""
    most: int = 1000
    """Requests in it at most, so that they do not fill the memory."""

    def __post_init__(self) -> None:
        at_least("wait", self.wait, 0)
        above("most", self.most, 0)


class Line(Generic[T]):
    """The line of one service."""

    __slots__ = ("_classes", "_spec", "_stressed", "length")

    def __init__(self, spec: LineSpec) -> None:
        self._spec = spec
        # By class, who waits and since when, the longest first.
        self._classes: tuple[dict[T, float], ...] = tuple({} for _ in range(CLASSES))
        self._stressed = False
        self.length = 0

    def stressed(self, now: float) -> bool:
        """Tell whether somebody has waited for a while; and from then on, until nobody has waited for half of that."""
        if not self.length:
            self._stressed = False
            return False
        longest = now - min(next(iter(them.values())) for them in self._classes if them)
        self._stressed = longest > (_STRESS / 2 if self._stressed else _STRESS)
        return self._stressed

    def patience(self, now: float) -> float:
        """Give the seconds that whoever comes now may wait."""
        return min(_STRESS, self._spec.wait) if self.stressed(now) else self._spec.wait

    def add(self, now: float, item: T, importance: int) -> T | None:
        """Have it wait; give who has no place in the line now: somebody less important, or itself, or nobody."""
        gone: T | None = None
        if self.length >= self._spec.most or not self._spec.wait:
            below = next((them for them in reversed(self._classes[importance + 1 :]) if them), None)
            if below is None:
                return item
            gone = next(iter(below))
            self.remove(gone)
        self._classes[importance][item] = now
        self.length += 1
        return gone

    def next(self, now: float) -> T | None:
        """Take out who is to be sent next; None when nobody waits."""
        for them in self._classes:
            if them:
                item = next(reversed(them)) if self.stressed(now) else next(iter(them))
                self.remove(item)
                return item
        return None

    def remove(self, item: T) -> None:
        """Let go of somebody who waits no longer; harmless when it does not wait."""
        for them in self._classes:
            if item in them:
                del them[item]
                self.length -= 1

    def configure(self, spec: LineSpec) -> None:
        """Go by another spec from now on; who waits is not sent away."""
        self._spec = spec
