from hypothesis import given
from hypothesis import strategies as st

from mainstay.control.recent import Recent


def told(recent, *numbers):
    for number in numbers:
        recent.append({"n": number})


def test_who_asks_again_is_given_what_is_new_and_nothing_twice():
    recent = Recent("a")
    told(recent, 1, 2)

    first = recent.since(None)
    told(recent, 3)
    second = recent.since(first.cursor)
    third = recent.since(second.cursor)

    assert [fact["n"] for fact in first.facts] == [1, 2]
    assert [fact["n"] for fact in second.facts] == [3]
    assert (third.facts, third.cursor) == ([], second.cursor)


def test_who_was_away_too_long_is_told_how_much_was_missed():
    recent = Recent("a", kept=2)
    told(recent, 1)
    cursor = recent.since(None).cursor
    told(recent, 2, 3, 4, 5)

    news = recent.since(cursor)

    assert ([fact["n"] for fact in news.facts], news.missed) == ([4, 5], 2)


def test_the_next_supervisor_gives_all_of_its_own():
    before, after = Recent("a"), Recent("b")
    told(before, 1, 2, 3)
    told(after, 4)

    news = after.since(before.since(None).cursor)

    assert ([fact["n"] for fact in news.facts], news.missed) == ([4], 0)


@given(st.text() | st.from_regex(r"\Aa-[0-9]{0,30}\Z"))
def test_no_cursor_is_too_strange(cursor):
    recent = Recent("a")
    told(recent, 1, 2)

    news = recent.since(cursor)

    assert news.cursor == "a-2"
    assert news.missed == 0


@given(st.lists(st.integers(0, 7)), st.integers(1, 5))
def test_what_is_given_and_what_was_missed_is_all_that_there_was(steps, kept):
    recent, cursor, had, count = Recent("a", kept=kept), None, 0, 0

    for many in steps:
        told(recent, *range(count, count + many))
        count += many
        news = recent.since(cursor)
        had += news.missed
        assert [fact["n"] for fact in news.facts] == list(range(had, count))
        had, cursor = count, news.cursor

    assert [fact["n"] for fact in recent] == list(range(max(0, count - kept), count))
