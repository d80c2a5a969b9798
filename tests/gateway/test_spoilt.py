"""Answers that are spoilt: what of them is passed on, byte by byte."""

import pytest

from mainstay.gateway.fault.answer import CUT, END, HALT, Answer, error

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
BODY = b"0123456789"
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"
LONGER = HEAD.replace(b"10", b"11")
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
UNCHANGED = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n"


def spoil(kind, *pieces, to_head=False):
    """Give what comes of an answer: bytes that follow one another as one piece."""
    answer = Answer(kind, to_head=to_head)
    found = []
    for piece in pieces:
        for item in answer.feed(piece):
            if isinstance(item, bytes) and found and isinstance(found[-1], bytes):
                found[-1] += item
            else:
                found.append(item)
    return found, answer.acted


@pytest.mark.parametrize(
    ("kind", "said", "expected"),
    [
        ("reset", HEAD + BODY, [CUT]),
        ("truncate", HEAD + BODY, [HEAD + b"01234", END]),
        ("truncate", HEAD.replace(b"10", b"1") + b"0", [HEAD.replace(b"10", b"1"), END]),
        ("truncate", UNCHANGED, [UNCHANGED[: len(UNCHANGED) // 2], END]),
        ("stall", HEAD + BODY, [HEAD + b"01234", HALT, b"56789"]),
        ("wrong-length", HEAD + BODY, [LONGER + BODY, END]),
        ("wrong-length", HEAD.replace(b"10", b"0"), [HEAD.replace(b"10", b"1"), END]),
        ("wrong-length", CHUNKS + b"2\r\nab\r\n0\r\n\r\n", [CHUNKS + b"2\r\nab\r\n0\r\n\r", END]),
    ],
)
def test_an_answer_is_spoilt_the_same_in_one_piece_and_in_many(kind, said, expected):
    at_once = spoil(kind, said)
    byte_by_byte = spoil(kind, *(said[at : at + 1] for at in range(len(said))))

    assert at_once == byte_by_byte == (expected, True)


@pytest.mark.parametrize("head", [CHUNKS, ENDLESS])
def test_without_a_length_the_first_piece_is_halved(head):
    assert spoil("truncate", head, b"abcdef", b"more") == ([head + b"abc", END], True)


@pytest.mark.parametrize("kind", ["truncate", "stall"])
def test_of_an_answer_to_head_half_of_the_head_comes(kind):
    found, acted = spoil(kind, HEAD, to_head=True)

    assert found[0] == HEAD[: len(HEAD) // 2]
    assert acted


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("truncate", SWITCHED + b"bytes of another protocol"),
        ("wrong-length", SWITCHED + b"bytes of another protocol"),
        ("wrong-length", ENDLESS + BODY),
        ("wrong-length", UNCHANGED),
        ("wrong-length", CHUNKS + b"nonsense\r\n"),
        ("truncate", b"SSH-2.0-nonsense\r\n\r\n"),
        ("truncate", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000),
    ],
)
def test_what_cannot_be_spoilt_like_this_passes_as_it_is(kind, said):
    assert spoil(kind, said) == ([said], False)


def test_interim_answers_come_before_what_is_spoilt():
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"

    assert spoil("truncate", hints, HEAD + BODY) == ([hints + HEAD + b"01234", END], True)


@pytest.mark.parametrize(("kind", "kept"), [("truncate", HEAD[:9]), ("wrong-length", HEAD[:9])])
def test_a_fault_that_is_over_gives_back_what_it_kept_of_a_head(kind, kept):
    answer = Answer(kind, to_head=False)
    answer.feed(kept)

    assert answer.let_go() == [kept]
    assert answer.passing
    assert answer.feed(b"rest") == [b"rest"]


def test_what_has_been_announced_cannot_be_taken_back():
    answer = Answer("wrong-length", to_head=False)
    answer.feed(HEAD)

    assert answer.let_go() == []
    assert answer.feed(BODY) == [BODY, END]


@pytest.mark.parametrize(("status", "phrase"), [(503, b"503 Service Unavailable"), (599, b"599 ")])
def test_an_answer_in_place_of_the_instances_is_whole(status, phrase):
    head, _, body = error(status, to_head=False).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 " + phrase + b"\r\n")
    assert b"Content-Length: %d" % len(body) in head
    assert error(status, to_head=True) == head + b"\r\n\r\n"
