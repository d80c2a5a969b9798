"""What spans and counts of a service come to: the figures of a report, each with its interval and the events behind it.

A *failure* is a moment at which somebody watched and what had served no longer did. A *repair* is a time of being down of which
both ends were seen, by somebody who charged it. So a break of the watching is neither, and cuts nothing into two::

    up ─── down ─── up ─── unknown ─── up ─── down ── unknown ── up
           └ failure, repair                  └ failure, and no repair: nobody saw its end
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from mainstay.base.errors import SpecError
from mainstay.reliability import growth, trend, uptime
from mainstay.reliability.growth import Growth
from mainstay.reliability.interval import CONFIDENCE, Interval
from mainstay.reliability.rate import Rate, mtbf
from mainstay.reliability.repair import Repair, repair
from mainstay.reliability.span import DOWN, SERVES, Span, Uptime
from mainstay.reliability.span import uptime as spent
from mainstay.reliability.trend import Trend

REPAIR = 300.0
"""Seconds that an outage is taken to last when none was seen: somebody is called, and looks. It is told wherever it is used."""
LEAST_FOR_TREND = 5
"""Failures below which no trend is looked for: a test of fewer finds next to nothing."""


class Failures(NamedTuple):
    """What began and ended under somebody's eyes."""

    times: list[float]
    """When each failure came, on a clock that runs only while it serves, in seconds from the beginning."""
    repairs: list[float]
    """How long each repair took, in seconds."""
    unseen: int
    """Times of being down of which one end at least was not seen, or lies in a time that is not charged."""


class Available(NamedTuple):
    """The share of the watched time in which it served."""

    share: float | None
    """None when nobody watched."""
    interval: Interval
    assumed: float | None
    """Seconds that an outage is taken to last, when there was none: then the interval's lower end is one-sided, and depends on
    them; None when it was measured."""
    nines: float
    """What the lower end comes to."""
    next: tuple[int, float] | None
    """Without an outage: the next whole number of nines, and for how many more seconds without an outage it has to be watched."""
    confidence: float


class Summary(NamedTuple):
    """The figures of one service, or of one instance."""

    spent: Uptime
    available: Available
    rate: Rate | None
    """How often it fails; None when it never served under somebody's eyes."""
    repair: Repair | None
    """How long repairs take; None when none was seen from its beginning to its end."""
    unseen: int
    """See `Failures.unseen`."""
    trend: Trend | None
    """Whether failures come more or less often; None when there are fewer than `LEAST_FOR_TREND`."""
    growth: Growth | None
    """The power law that they follow, if there is a trend: how often it fails at the end. None without one."""


def summary(spans: Sequence[Span], confidence: float = CONFIDENCE, assumed: float = REPAIR) -> Summary:
    """Sum up a period.

    Args:
        spans: All of it, in order, without gaps: what `span.within` and `span.over` give.
        confidence: Of all intervals.
        assumed: Seconds that an outage is taken to last when there was none.

    Raises:
        SpecError: a confidence or a repair time that cannot be.
    """
    used, found = spent(spans), failures(spans)
    towards = _trend(found.times, used.served)
    return Summary(
        used,
        available(used, found, confidence, assumed),
        mtbf(used.served, len(found.times), confidence) if used.served else None,
        repair(found.repairs, confidence),
        found.unseen,
        towards,
        _growth(found.times, used.served, confidence) if towards and towards.p < 1 - confidence else None,
    )


def failures(spans: Sequence[Span]) -> Failures:
    """Find failures and repairs."""
    times: list[float] = []
    repairs: list[float] = []
    unseen, clock = 0, 0.0
    ends = ["", *(span.state for span in spans), ""]
    for span, before, after in zip(spans, ends, ends[2:], strict=False):
        if span.state in SERVES:
            clock += span.seconds
        elif span.state == DOWN:
            began = before in SERVES
            if began:
                times.append(clock)
            if began and after in SERVES:
                repairs.append(span.seconds)
            else:
                unseen += 1
    return Failures(times, repairs, unseen)


def available(
    used: Uptime, found: Failures, confidence: float = CONFIDENCE, assumed: float = REPAIR
) -> Available:
    """Give the availability by time, and how sure it is."""
    share = used.availability
    if share is None or not used.served:
        return Available(share, Interval(0.0, 1.0), None, 0.0, None, confidence)
    if not used.down:
        low = uptime.without_outage(used.served, assumed, confidence)
        return Available(
            share,
            Interval(low, 1.0),
            assumed,
            uptime.nines(low),
            _next(low, used.served, assumed, confidence),
            confidence,
        )
    # Spans of being up that nobody saw end are no trials: a break of the watching makes no interval narrower.
    between = uptime.interval(used.served, used.down, len(found.times), len(found.repairs), confidence)
    return Available(share, between, None, uptime.nines(between.low), None, confidence)


def _next(low: float, watched: float, assumed: float, confidence: float) -> tuple[int, float] | None:
    if not assumed or low >= 1:
        return None
    wanted = math.floor(uptime.nines(low) + 1e-9) + 1
    return wanted, max(0.0, uptime.needed(1 - 10.0**-wanted, assumed, confidence) - watched)


def _trend(times: Sequence[float], served: float) -> Trend | None:
    if len(times) < LEAST_FOR_TREND:
        return None
    try:
        # Best for a rate that changes steadily; which failures there were is all that it takes.
        return trend.laplace(times, served)
    except SpecError:  # failures before any serving at all: the clock had not begun
        return None


def _growth(times: Sequence[float], served: float, confidence: float) -> Growth | None:
    try:
        return growth.fit(times, served, confidence)
    except SpecError:  # likewise
        return None
