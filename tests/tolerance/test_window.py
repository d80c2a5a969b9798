from hypothesis import given
from hypothesis import strategies as st

from mainstay.tolerance.window import Window


def test_a_new_window_is_empty():
    window = Window(10.0)

    window.turn(3.0)

    assert (window.events, window.marks) == (0, 0)


def test_events_and_marks_are_counted_apart():
    window = Window(10.0)

    window.event(5.0)
    window.event(5.5)
    window.mark(5.5)

    assert (window.events, window.marks) == (2, 1)


def test_the_first_mark_opens_the_window_as_well_as_the_first_event():
    window = Window(10.0)

    window.mark(500.0)
    window.turn(509.9)

    assert window.marks == 1


def test_what_is_older_than_the_window_is_left_out():
    window = Window(10.0)
    window.event(100.0)
    window.mark(100.0)
    window.event(101.0)
    window.mark(101.0)
    window.mark(101.0)

    seen = []
    for now in (109.9, 110.0, 110.9, 111.0):  # buckets begin at whole seconds
        window.turn(now)
        seen.append((window.events, window.marks))

    assert seen == [(2, 3), (1, 2), (1, 2), (0, 0)]


def test_what_is_counted_on_the_edge_of_a_bucket_belongs_to_the_next():
    window = Window(10.0)
    marked = Window(10.0)
    for now in (100.0, 101.0):
        window.event(now)
        marked.mark(now)

    window.turn(110.0)
    marked.turn(110.0)

    assert (window.events, marked.marks) == (1, 1)


def test_counting_leaves_out_what_is_old_too():
    events, marks = Window(10.0), Window(10.0)
    events.event(100.0)
    marks.mark(100.0)

    events.event(110.0)
    marks.mark(110.0)

    assert (events.events, marks.marks) == (1, 1)


def test_a_long_silence_empties_it_and_it_goes_on():
    window = Window(10.0)
    for now in range(100, 110):
        window.event(float(now))

    window.event(1e6)
    window.event(1e6 + 9.0)
    window.turn(1e6 + 9.9)

    assert window.events == 2


def test_a_short_window_has_short_buckets():
    window = Window(1.0)
    window.event(0.05)
    window.event(0.15)

    window.turn(1.05)

    assert window.events == 1


@given(
    st.floats(0.1, 100.0),
    st.lists(st.tuples(st.floats(0.0, 1.5), st.booleans()), min_size=1, max_size=80),
    st.floats(0.0, 1e7),
)
def test_it_never_forgets_the_last_nine_tenths_nor_keeps_what_is_older_than_all(seconds, script, begin):
    window, now, told = Window(seconds), begin, []

    for gap, marked in script:
        now += gap * seconds / 3
        (window.mark if marked else window.event)(now)
        told.append((now, marked))

        ages = [(now - at, marked) for at, marked in told]
        # A hair of tolerance for rounding at the edges of buckets.
        hair = 1e-6 * seconds + 1e-8
        for count, kind in ((window.events, False), (window.marks, True)):
            young = sum(age < 0.9 * seconds - hair and of is kind for age, of in ages)
            living = sum(age <= seconds + hair and of is kind for age, of in ages)
            assert young <= count <= living
