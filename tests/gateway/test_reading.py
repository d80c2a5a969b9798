import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.gateway.reading import MOST, AmbiguousError, canonical, plain, readings

segments = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="%;\\/.?#"), min_size=1
)


@pytest.mark.parametrize("path", [b"/", b"/a", b"/a/", b"/a.b/c..d/e.", b"/a/~b/c:d@e,f=g"])
def test_what_has_nothing_odd_is_plain(path):
    assert plain(path)
    assert list(readings(path)) == [path]


@pytest.mark.parametrize(
    "odd", [b"/a%20", b"/a;b", b"/a\\b", b"/a//b", b"//a", b"/a//", b"/./a", b"/a/..", b"*"]
)
def test_what_has_something_odd_is_looked_at(odd):
    assert not plain(odd)


def test_a_name_that_begins_with_a_dot_is_no_step_up():
    assert list(readings(b"/.well-known/x")) == [b"/.well-known/x"]


@pytest.mark.parametrize(
    ("written", "same"),
    [
        (b"/%61", b"/a"),
        (b"/%7Ea", b"/~a"),
        (b"/%c3%A9", b"/%C3%A9"),
        (b"/%2f", b"/%2F"),
        (b"/%zz%", b"/%zz%"),
    ],
)
def test_what_the_rfc_holds_equal_is_written_alike(written, same):
    assert canonical(written) == same


@pytest.mark.parametrize(
    "path",
    [
        b"/a/../b",
        b"/a/..",
        b"/./a",
        b"/a/%2e%2e/b",
        b"/a/.%2E/b",
        b"/a/%252e%252e/b",
        b"/a/..;/b",
        b"/a/..;x=y/b",
        b"/a/..%3b/b",
        b"/a%2f..%2fb",
        b"/a%5c..%5cb",
        b"/a\\..\\b",
        b"/a/..\\b",
        b"/a/..%00/b",
        b"/a/%2e%2e%3f",
        b"/a;/../b",
    ],
)
def test_steps_up_and_nowhere_are_refused_however_they_are_written(path):
    with pytest.raises(AmbiguousError):
        list(readings(path))


def test_a_path_is_read_by_all_steps_in_any_order():
    found = set(readings(b"/a%2fb;c//d"))

    assert found >= {b"/a%2Fb;c//d", b"/a/b;c//d", b"/a%2Fb//d", b"/a%2Fb;c/d", b"/a/b//d", b"/a/b/d"}


def test_what_was_encoded_again_and_again_is_refused():
    with pytest.raises(AmbiguousError):
        list(readings(b"/%" + b"25" * (MOST + 1) + b"41"))


def test_a_long_path_does_not_take_its_time_from_others():
    with pytest.raises(AmbiguousError):
        list(readings(b"/%41;%2f\\" * 4000))


@given(st.lists(segments))
def test_every_path_of_ordinary_segments_has_one_reading(parts):
    path = "".join(f"/{part}" for part in parts or [""]).encode()

    assert plain(path)
    assert list(readings(path)) == [path]
