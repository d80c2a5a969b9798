"""A year of history, however it was looked at, has the availability of its truth."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.reliability.span import DOWN, MAINTENANCE, UNKNOWN, UP, Span, over, uptime, within

DAY = 86400.0
YEAR = 365 * DAY
SECONDS = st.floats(1.0, 20 * DAY)
PERIODS = st.lists(st.tuples(SECONDS, st.floats(1.0, 2 * DAY)), max_size=30)
"""How long after the last one something begins, and how long it lasts."""


def spans(periods: list[tuple[float, float]], inside: str) -> list[Span]:
    found, at = [], 0.0
    for pause, lasts in periods:
        found.append(Span(inside, at + pause, at + pause + lasts))
        at += pause + lasts
    return found


def has(periods: list[Span], at: float) -> bool:
    return any(span.since <= at < span.until for span in periods)


@settings(max_examples=60, deadline=None)
@given(PERIODS, PERIODS, PERIODS, st.lists(st.floats(0.0, YEAR), max_size=40))
def test_monitors_that_were_off_and_maintenance_and_other_intervals_change_no_availability(
    downs: list[tuple[float, float]],
    offs: list[tuple[float, float]],
    works: list[tuple[float, float]],
    looks: list[float],
) -> None:
    outages, unwatched = spans(downs, DOWN), spans(offs, UNKNOWN)
    work = spans(works, MAINTENANCE)
    edges = {0.0, YEAR, *(at for span in (*outages, *unwatched, *work) for at in span[1:] if at < YEAR)}
    # How often somebody looked cuts what was into more or fewer pieces, and says nothing else.
    cuts = sorted(edges | set(looks))
    told = [
        Span(DOWN if has(outages, since) else UP, since, until)
        for since, until in pairwise(cuts)
        if not has(unwatched, since)
    ]

    found = uptime(over(within(told, 0.0, YEAR), work))

    pieces = list(pairwise(sorted(edges)))
    counted = [
        (since, until) for since, until in pieces if not has(unwatched, since) and not has(work, since)
    ]
    watched = sum(until - since for since, until in counted)
    served = sum(until - since for since, until in counted if not has(outages, since))
    assert abs(found.watched - watched) < 1e-3
    assert abs(found.served - served) < 1e-3
    assert abs(found.served + found.down + found.excused + found.unknown - YEAR) < 1e-3
