"""For which share of their time users had a service that worked: user-uptime, and where it was lowest.

Of T. Hauer, P. Hoffmann, J. Lunney, D. Ardelean, A. Diwan, "Meaningful Availability", NSDI 2020. After a request that went well a
user believes that it works, and after one that failed, that it does not, until a request of the same user says otherwise. Who asks no
more is inactive after a while (the *cut-off*), and counts neither way::

    ok          ok    failed  failed     ok                                ok
    ├─── up ────┼─ up ┼─ down ─┼─ down ──┼─── up, until the cut-off ┤      ├── up ...

So who asks a thousand times as often as others weighs as much as they do, and so do those who try again and again while it is down.
"""

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from mainstay.base.errors import SpecError

CUTOFF = 60.0
"""Seconds after which who asks no more is inactive. The paper takes the 99th percentile of the time between two requests of a
user, half an hour for mail; people who use a site ask within a minute, and what they do after that nobody knows."""
MOST = 10_000
"""Users that are known at the same time; some 2 MB. With more of them, who has not asked for longest is inactive sooner."""


class Users:
    """Adds up the time of users that was up and that was down.

    Both are sums over all users: two users, each for 5 s, are 10 s.
    """

    __slots__ = ("_at", "_cutoff", "_downs", "_known", "_most", "_ups", "down", "up")

    def __init__(self, cutoff: float = CUTOFF, most: int = MOST) -> None:
        """Begin with nobody.

        Args:
            cutoff: Seconds, above 0.
            most: Users that are known at the same time, 1 or more.

        Raises:
            SpecError: one is too small.
        """
        if cutoff <= 0 or most < 1:
            raise SpecError(f"cutoff must be above 0 and most 1 or more, not {cutoff} and {most}")
        self.up = self.down = 0.0
        """Seconds, until the last time that was told."""
        self._cutoff = cutoff
        self._most = most
        # When each has asked last, and whether that went well: who asked longest ago is the first.
        self._known: OrderedDict[Hashable, tuple[float, bool]] = OrderedDict()
        self._ups = self._downs = 0
        self._at = 0.0

    def __len__(self) -> int:
        """Give how many are active."""
        return len(self._known)

    def see(self, now: float, key: Hashable, good: bool) -> None:
        """Take how a request of a user went.

        Args:
            now: Seconds, monotonic; not below the last time.
            key: Who it is.
            good: Whether it went well.
        """
        self.advance(now)
        before = self._known.pop(key, None)
        if before is not None:
            self._leave(before[1])
        elif len(self._known) >= self._most:
            self._leave(self._known.popitem(last=False)[1][1])
        self._known[key] = (now, good)
        if good:
            self._ups += 1
        else:
            self._downs += 1

    def advance(self, now: float) -> None:
        """Add up until now: who has been silent for too long leaves at the moment at which that was so."""
        while self._known:
            since, good = next(iter(self._known.values()))
            if since + self._cutoff > now:
                break
            self._add(since + self._cutoff)
            self._known.popitem(last=False)
            self._leave(good)
        self._add(now)

    def _add(self, now: float) -> None:
        # Nobody was active before the first one.
        passed = max(0.0, now - self._at)
        self.up += self._ups * passed
        self.down += self._downs * passed
        self._at = max(self._at, now)

    def _leave(self, good: bool) -> None:
        if good:
            self._ups -= 1
        else:
            self._downs -= 1


class Window(NamedTuple):
    """Where it was worst, of all times of one length."""

    width: int
    """How many spans it has."""
    ratio: float
    """The share of it that was good."""
    at: int
    """Its first span."""


def minimal_ratio(series: Sequence[tuple[float, float]], widths: Sequence[int]) -> list[Window]:
    """Give the minimal cumulative ratio for each width: the worst window of that length.

    Plotted over the width it never falls from one width to a multiple of it, and its knee is as long as the incident that made most
    of the trouble.

    Args:
        series: Good and bad of each span of time, all of one length, without gaps.
        widths: Of windows, in spans. Those that are longer than the series, or in which nothing was, are left out.

    Raises:
        SpecError: a width is below 1.
    """
    if any(width < 1 for width in widths):
        raise SpecError(f"widths must be 1 or more, not {min(widths)}")
    goods = [0.0, *accumulate(good for good, _ in series)]
    alls = [0.0, *accumulate(good + bad for good, bad in series)]
    found = []
    for width in widths:
        windows = [
            ((goods[at + width] - goods[at]) / (alls[at + width] - alls[at]), at)
            for at in range(len(series) - width + 1)
            if alls[at + width] > alls[at]
        ]
        if windows:
            ratio, at = min(windows)
            found.append(Window(width, min(1.0, max(0.0, ratio)), at))
    return found


def doubling(length: int) -> Iterator[int]:
    """Give the widths 1, 2, 4 and so on up to a length."""
    width = 1
    while width <= length:
        yield width
        width *= 2
