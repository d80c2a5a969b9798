import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mainstay.gateway.http.chunk import Chunks

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"


def decode(data, splits=(), extensions=1000, trailers=1000):
    """Feed it in pieces; give body, end, and whether it is done or broken."""
    chunks = Chunks(extensions, trailers)
    edges = [0, *sorted({split for split in splits if 0 < split < len(data)}), len(data)]
    body, end = b"", 0
    for start, stop in pairwise(edges):
        piece = data[start:stop]
        if chunks.done or chunks.broken or not piece:
            break
        part, at = chunks.feed(piece)
        body += part
        end = start + at
    return body, end, chunks.done, chunks.broken


def written(parts, extension=b"", trailers=b""):
    lines = [b"%x%b\r\n%b\r\n" % (len(part), extension, part) for part in parts if part]
    return b"".join([*lines, b"0%b\r\n" % extension, trailers, b"\r\n"])


parts = st.lists(st.binary(max_size=40), max_size=6)
splits = st.lists(st.integers(0, 400), max_size=8)


@given(
    parts,
    splits,
    st.sampled_from([b"", b";a", b" ; a = b", b';a="b; \\"c";d=e']),
    st.sampled_from([b"", b"X: y\r\n", b"X:\r\nY: \xe9 z \r\n"]),
)
def test_what_was_written_is_read_however_it_is_cut(parts, splits, extension, trailers):
    wire = written(parts, extension, trailers)

    body, end, done, broken = decode(wire + b"GET", [*splits, len(wire)])

    assert (body, end, done, broken) == (b"".join(parts), len(wire), True, False)


@given(parts, st.data())
def test_bytes_after_the_end_are_left(parts, data):
    wire = written(parts)

    body, end, done, _ = decode(wire + data.draw(st.binary(max_size=20)))

    assert (body, end, done) == (b"".join(parts), len(wire), True)


@given(
    st.lists(
        st.sampled_from(
            [
                b"5",
                b"0",
                b"a",
                b"\r\n",
                b"\n",
                b"\r",
                b"hello",
                b";",
                b";x=y",
                b" ",
                b"+",
                b"0x",
                b"X: y",
                b"_",
            ]
        ),
        max_size=14,
    ).map(b"".join),
    splits,
)
@example(b"5\r\nhello\r\n0\r\n\r\n", [])
@example(b"0\r\n\r", [])
def test_however_nonsense_is_cut_it_is_read_in_the_same_way(wire, splits):
    body, _, done, broken = decode(wire)

    cut_body, _, cut_done, cut_broken = decode(wire, splits)

    assert (cut_done, cut_broken) == (done, broken)
    assert cut_body == body or broken


@given(st.binary(max_size=30) | st.text("05aF\r\n;x=", max_size=30).map(str.encode))
def test_nothing_is_taken_for_whole_but_what_the_grammar_allows(wire):
    body, end, done, _ = decode(wire)

    if done:
        rest = wire[:end]
        found = b""
        while (
            size := re.match(rb"([0-9A-Fa-f]{1,15})(?:;%b(?:=%b)?)*\r\n" % (TOKEN, TOKEN), rest)
        ) is not None:
            count = int(size[1], 16)
            rest = rest[size.end() :]
            if not count:
                break
            assert rest[count : count + 2] == b"\r\n"
            found, rest = found + rest[:count], rest[count + 2 :]
        assert re.fullmatch(rb"(?:%b:[\t -~\x80-\xff]*\r\n)*\r\n" % TOKEN, rest)
        assert body == found


@pytest.mark.parametrize(
    "wire",
    [
        b"0x5\r\nhello\r\n", b"+5\r\nhello\r\n", b"5_\r\n", b" 5\r\n", b"5 \r\n", b"\r\n", b"g\r\n",
        b"1234567890abcdef\r\n", b"5\n", b"5\rh", b"5;\r\n", b"5;a b\r\n", b"5;=b\r\n", b"5;a=\r\n", b'5;a="b\r\n',
        b"5;a\0\r\n", b"5;a\rb", b"\xd9\xa5\r\n", b"5\r\nhelloX", b"5\r\nhello\rX", b"5\r\nhello\n",
        b"0\r\nX\r\n", b"0\r\n X: y\r\n", b"0\r\nX : y\r\n", b"0\r\nX: y\n", b"0\r\nX: \0\r\n", b"0\r\nX: y\rz", b"no", b"5x", b";",
    ],
)  # fmt: skip
def test_it_is_known_to_be_broken_as_soon_as_it_is(wire):
    assert decode(wire)[2:] == (False, True)
    assert decode(wire, range(len(wire)))[2:] == (False, True)


@pytest.mark.parametrize("cut", [False, True])
def test_extensions_are_limited_together(cut):
    good = b"1;aaaa\r\nx\r\n" * 10
    chunks = Chunks(50, 0)

    pieces = [good[at : at + 1] for at in range(len(good))] if cut else [good]
    body = b"".join(chunks.feed(piece)[0] for piece in pieces)

    assert (body, chunks.broken) == (b"x" * 10, False)
    chunks.feed(b"1;a\r\n")
    assert chunks.broken


def test_an_extension_or_a_trailer_that_never_ends_is_not_waited_for():
    extension, trailer = Chunks(100, 100), Chunks(100, 100)

    extension.feed(b"5;a")
    trailer.feed(b"0\r\nX: ")
    fed = 0
    while not (extension.broken and trailer.broken):
        extension.feed(b"a")
        trailer.feed(b"a")
        fed += 1

    assert fed < 130


def test_trailers_are_limited_together():
    chunks = Chunks(0, 20)

    chunks.feed(b"0\r\nA: b\r\nC: d\r\n")
    assert not chunks.broken
    chunks.feed(b"Eeeeeeeee: f\r\n")

    assert chunks.broken


def test_without_any_trailers_a_body_ends_all_the_same():
    assert decode(b"0\r\n\r\n", trailers=0)[2:] == (True, False)
    assert decode(b"0\r\n\r\n", range(9), trailers=0)[2:] == (True, False)


def test_what_is_within_one_chunk_is_not_copied():
    chunks = Chunks(0, 0)
    chunks.feed(b"400\r\n")
    piece = b"x" * 100

    assert chunks.feed(piece)[0] is piece
