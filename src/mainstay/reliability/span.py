"""Times in which something was in one state, and what follows of them: how long it was up, and how sure that is.

::

    up ──── degraded ── up ──────── down ─ up ──── unknown ──── up
                                                   nobody was there to look

What was not watched is not up: it is *unknown*, a state of its own, which counts neither for nor against. So no change of how
often somebody looks changes what was.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

UP = "up"
DEGRADED = "degraded"
DOWN = "down"
MAINTENANCE = "maintenance"
DRILL = "drill"
UNKNOWN = "unknown"
STATES: dict[str, str] = {
    UP: "all of it serves",
    DEGRADED: "it serves, and a part of it is missing: redundancy is reduced",
    DOWN: "nobody serves",
    MAINTENANCE: "somebody said that it is being worked on",
    DRILL: "it was broken on purpose",
    UNKNOWN: "nobody watched",
}
"""What something can be."""
SERVES = (UP, DEGRADED)


class Span(NamedTuple):
    """A time in one state."""

    state: str
    since: float
    """Seconds since 1970 (UTC)."""
    until: float

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.until - self.since


class Uptime(NamedTuple):
    """How a period was spent, in seconds."""

    served: float
    """Up or degraded."""
    degraded: float
    down: float
    excused: float
    """Maintenance and drills."""
    unknown: float
    ups: int
    """Times of serving without a break: what lies between two outages."""
    outages: int
    """Times of being down."""

    @property
    def watched(self) -> float:
        """Seconds that count."""
        return self.served + self.down

    @property
    def availability(self) -> float | None:
        """The share of the watched time in which it served; None when nobody watched."""
        return self.served / self.watched if self.watched > 0 else None


def within(spans: Iterable[Span], since: float, until: float) -> list[Span]:
    """Give what lies within a period, cut at its ends; what no span covers is unknown.

    Args:
        spans: In order, not overlapping.
        since: Seconds since 1970.
        until: Likewise.
    """
    found: list[Span] = []
    at = since
    for span in spans:
        if span.until <= since or span.since >= until or span.seconds <= 0:
            continue
        begin, end = max(span.since, at), min(span.until, until)
        if begin > at:
            found.append(Span(UNKNOWN, at, begin))
        if end > begin:
            found.append(Span(span.state, begin, end))
            at = end
    if at < until:
        found.append(Span(UNKNOWN, at, until))
    return joined(found)


def joined(spans: Sequence[Span]) -> list[Span]:
    """Make one of neighbours in the same state."""
    found: list[Span] = []
    for span in spans:
        if found and found[-1].state == span.state and found[-1].until == span.since:
            found[-1] = found[-1]._replace(until=span.until)
        else:
            found.append(span)
    return found


def over(spans: Sequence[Span], excuses: Iterable[Span]) -> list[Span]:
    """Lay excuses (maintenance, drills) over what was: while one lasts, only they count.

    What was unknown stays so.
    """
    laid = list(spans)
    for excuse in excuses:
        parts: list[Span] = []
        for span in laid:
            begin, end = max(span.since, excuse.since), min(span.until, excuse.until)
            if begin >= end or span.state == UNKNOWN:
                parts.append(span)
                continue
            parts += [
                Span(span.state, span.since, begin),
                Span(excuse.state, begin, end),
                Span(span.state, end, span.until),
            ]
        laid = [part for part in parts if part.seconds > 0]
    return joined(laid)


def uptime(spans: Sequence[Span]) -> Uptime:
    """Sum up how a period was spent."""
    sums = dict.fromkeys(STATES, 0.0)
    for span in spans:
        sums[span.state] += span.seconds
    serving = [span.state in SERVES for span in spans]
    return Uptime(
        served=sums[UP] + sums[DEGRADED],
        degraded=sums[DEGRADED],
        down=sums[DOWN],
        excused=sums[MAINTENANCE] + sums[DRILL],
        unknown=sums[UNKNOWN],
        ups=sum(now and not before for before, now in pairwise([False, *serving])),
        outages=sum(
            now == DOWN and before != DOWN for before, now in pairwise(["", *(span.state for span in spans)])
        ),
    )
