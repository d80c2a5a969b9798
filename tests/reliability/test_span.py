from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mainstay.reliability.account import Account
from mainstay.reliability.span import (
    DEGRADED,
    DOWN,
    DRILL,
    MAINTENANCE,
    STATES,
    UNKNOWN,
    UP,
    Span,
    over,
    uptime,
    within,
)


def test_what_was_not_watched_is_neither_up_nor_down() -> None:
    spans = within([Span(UP, 10, 60), Span(DOWN, 60, 70), Span(UP, 80, 90)], 0, 100)

    assert [(span.state, span.since, span.until) for span in spans] == [
        (UNKNOWN, 0, 10), (UP, 10, 60), (DOWN, 60, 70), (UNKNOWN, 70, 80), (UP, 80, 90), (UNKNOWN, 90, 100),
    ]  # fmt: skip
    found = uptime(spans)
    assert (found.served, found.down, found.unknown) == (60, 10, 30)
    assert found.availability == 60 / 70
    assert (found.ups, found.outages) == (2, 1)


def test_how_often_somebody_looks_changes_nothing() -> None:
    seldom = [Span(UP, 0, 50), Span(DOWN, 50, 60), Span(UP, 60, 100)]
    often = [Span(DOWN if 50 <= at < 60 else UP, at, at + 1) for at in range(100)]

    assert uptime(within(often, 0, 100)) == uptime(within(seldom, 0, 100))


def test_of_what_nobody_watched_nothing_is_known() -> None:
    assert uptime(within([], 0, 10)).availability is None


def test_excused_times_are_not_charged_and_shown() -> None:
    spans = within([Span(UP, 0, 40), Span(DOWN, 40, 60), Span(UP, 60, 100)], 0, 100)

    found = uptime(over(spans, [Span(MAINTENANCE, 35, 55), Span(DRILL, 90, 95)]))

    assert (found.excused, found.down, found.served) == (25, 5, 70)
    assert found.outages == 1


def test_an_excuse_does_not_make_known_what_was_not() -> None:
    spans = over(within([Span(UP, 0, 10)], 0, 30), [Span(MAINTENANCE, 5, 25)])

    assert [(span.state, span.seconds) for span in spans] == [(UP, 5), (MAINTENANCE, 5), (UNKNOWN, 20)]


def test_degraded_serves() -> None:
    found = uptime([Span(UP, 0, 10), Span(DEGRADED, 10, 30), Span(DOWN, 30, 40)])

    assert (found.served, found.degraded, found.ups, found.outages) == (30, 20, 1, 1)


spans_of = st.lists(
    st.tuples(st.sampled_from(sorted(STATES)), st.integers(1, 20), st.integers(0, 5)), max_size=20
)


@given(spans_of, spans_of, st.integers(0, 100), st.integers(0, 100))
def test_a_period_is_covered_once_whatever_is_laid_over_it(
    told: list[tuple[str, int, int]], excuses: list[tuple[str, int, int]], first: int, second: int
) -> None:
    def laid(rows: list[tuple[str, int, int]]) -> list[Span]:
        at, made = 0, []
        for state, seconds, pause in rows:
            made.append(Span(state, at, at + seconds))
            at += seconds + pause
        return made

    since, until = min(first, second), max(first, second)

    found = over(within(laid(told), since, until), [one._replace(state=DRILL) for one in laid(excuses)])

    assert sum(span.seconds for span in found) == until - since
    assert all(before.until == after.since for before, after in pairwise(found))
    spent = uptime(found)
    assert spent.served + spent.down + spent.excused + spent.unknown == until - since


counts = st.dictionaries(st.sampled_from(["requests", "failures", "micros"]), st.integers(1, 100))
accounts = st.builds(Account, counts, st.dictionaries(st.integers(0, 9), st.integers(1, 100)))


@given(accounts, accounts)
def test_what_was_added_since_is_what_comes_out(before: Account, fresh: Account) -> None:
    assert (before + fresh).since(before) == fresh


def test_counts_that_have_begun_anew_are_all_new() -> None:
    assert Account({"requests": 3}).since(Account({"requests": 9})) == Account({"requests": 3})
    assert not Account()
    assert Account({"requests": 1})
