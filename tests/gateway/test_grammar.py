import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.gateway.http.grammar import fields, length, tokens


@given(st.binary(max_size=25))
def test_a_length_is_digits_or_nothing(value):
    plain = 0 < len(value) <= 18 and all(48 <= byte <= 57 for byte in value)

    if plain:
        assert length(value) == int(value)
    else:
        with pytest.raises(ValueError, match=r"^$"):
            length(value)


def test_tokens_are_compared_in_small_letters_without_white_space():
    assert tokens(b"Close ,\tX-A,,") == [b"close", b"x-a", b"", b""]


def test_fields_are_given_in_their_order_and_their_own_bytes():
    assert fields(b"Host: a\r\nX-A:b \t\r\nx-a:\r\n\r\n") == [
        (b"Host", b"a"),
        (b"X-A", b"b \t"),
        (b"x-a", b""),
    ]
    assert fields(b"\r\n") == []


@pytest.mark.parametrize(
    "lines",
    [
        b"A: b\nC: d\r\n\r\n",
        b"A: b\n\r\n",
        b"A: b\rC: d\r\n\r\n",
        b"A: b\r\r\n\r\n",
        b"A: b\r\n c\r\n\r\n",
        b"A:\r\n\tb\r\n\r\n",
        b" A: b\r\n\r\n",
        b"A : b\r\n\r\n",
        b": b\r\n\r\n",
        b"A\r\n\r\n",
        b"A: b\0\r\n\r\n",
        b"A: \x7f\r\n\r\n",
        b"\xe9: b\r\n\r\n",
    ],
)
def test_what_is_no_field_is_none(lines):
    assert fields(lines) is None


@pytest.mark.parametrize(
    "line",
    [
        b"Connection: close",
        b"Upgrade: x\r\nConnection: upgrade",
        b"Transfer-Encoding: chunked",
        b"Content-Length: 5",
    ],
)
def test_what_a_field_means_changes_nothing_for_the_next_head(line):
    assert fields(line + b"\r\n\r\n") is not None

    assert fields(b"A: b\r\n\r\n") == [(b"A", b"b")]


@given(st.lists(st.tuples(st.sampled_from([b"A", b"x-b", b"Host"]), st.text("aZ 0:,\t\xe9", max_size=9))))
def test_whatever_fields_are_written_are_read(pairs):
    written = [(name, value.strip(" \t").encode("latin-1")) for name, value in pairs]

    assert fields(b"".join(b"%b: %b\r\n" % pair for pair in written) + b"\r\n") == written
