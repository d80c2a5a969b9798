"""What never ends fills no memory: whoever goes on and on is refused, or read no further."""

import pytest

from conformance.held import bounded
from conformance.laws import request_of
from conformance.stage import Stage

PIECE = 4096
MUCH = 2**20
START = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = START + b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"

REFUSED = {
    "a method": (b"", b"A"),
    "a target": (b"GET /", b"a"),
    "fields": (START, b"X: y\r\n"),
    "a name": (START, b"x"),
    "a value": (START + b"X: ", b"y"),
    "sizes of chunks": (CHUNKED, b"0"),
    "an extension": (CHUNKED + b"5;", b"a"),
    "extensions of one chunk": (CHUNKED + b"5", b";a=b"),
    "extensions of many chunks": (CHUNKED, b"1;a=bcdefgh\r\nx\r\n"),
    "trailers": (CHUNKED + b"0\r\n", b"X: y\r\n"),
    "a trailer": (CHUNKED + b"0\r\nX: ", b"y"),
}
WAITING = {
    "requests that nobody answers": (b"", GET),
    "a body behind one that nobody answers": (GET + START + b"Content-Length: 99999999\r\n\r\n", b"x"),
    "chunks behind one that nobody answers": (GET + CHUNKED, b"1\r\nx\r\n"),
    "requests with bodies that nobody answers": (GET, START + b"Content-Length: 5\r\n\r\nhello"),
}
PASSED = {
    "empty lines": (b"", b"\r\n"),
    "a body": (START + b"Content-Length: 99999999\r\n\r\n", b"x"),
    "chunks": (CHUNKED, b"1\r\nx\r\n"),
}
ANSWER = b"HTTP/1.1 200 OK\r\n"
BROKEN = {
    "a phrase": (ANSWER[:-2], b"a"),
    "fields": (ANSWER, b"X: y\r\n"),
    "a value": (ANSWER + b"X: ", b"y"),
    "an extension": (ANSWER + b"Transfer-Encoding: chunked\r\n\r\n5;", b"a"),
    "extensions of many chunks": (ANSWER + b"Transfer-Encoding: chunked\r\n\r\n", b"1;a=bcdefgh\r\nx\r\n"),
    "trailers": (ANSWER + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
}


@pytest.fixture
def stage():
    made = Stage(call={"retry": None})
    made.watch = bounded(made)
    yield made
    assert made.rest() == []
    made.close()


def send(stage, end, client, start, again):
    """Send it for as long as it is read, and give how much was."""
    whole = start + again * (MUCH // len(again))
    for at in range(0, len(whole), PIECE):
        end.send(whole[at : at + PIECE])
        stage.settle(client)
        if end.unread or end.state:
            break
    return end.come


@pytest.mark.parametrize("what", REFUSED)
def test_a_client_that_goes_on_and_on_is_refused(stage, what):
    client = stage.client()

    read = send(stage, client, client, *REFUSED[what])

    assert read < 4 * stage.limits.head + PIECE
    assert client.written.startswith(b"HTTP/1.1 4")
    assert client.state
    client.lose()


@pytest.mark.parametrize("what", REFUSED)
def test_a_client_that_sends_as_much_at_once_is_refused(stage, what):
    client = stage.client()
    start, again = REFUSED[what]

    client.send(start + again * (MUCH // len(again)) + b"\r\n\r\n")
    stage.settle(client)

    assert not stage.messages
    assert client.written.startswith(b"HTTP/1.1 4")
    assert client.state
    client.lose()


@pytest.mark.parametrize("what", WAITING)
def test_a_client_that_has_asked_for_much_is_read_no_further(stage, what):
    stage.answer = lambda message, number: ()
    client = stage.client()

    read = send(stage, client, client, *WAITING[what])

    assert read < MUCH / 4
    assert not client.state
    client.lose()


@pytest.mark.parametrize("what", PASSED)
def test_what_may_go_on_and_on_is_not_kept(stage, what):
    client = stage.client()

    read = send(stage, client, client, *PASSED[what])

    assert read > MUCH - PIECE
    assert not client.state
    client.lose()


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("whole", [False, True], ids=["in pieces", "at once"])
def test_an_instance_that_goes_on_and_on_is_given_up(stage, what, whole):
    stage.answer = lambda message, number: ()
    start, again = BROKEN[what]
    client = stage.client()
    client.send(request_of(b"GET", 1))
    stage.settle(client)

    if whole:
        stage.instances[0].send(start + again * (MUCH // len(again)) + b"\r\n\r\n")
        stage.settle(client)
    else:
        send(stage, stage.instances[0], client, start, again)

    assert stage.instances[0].lost
    assert b"502" in client.written or client.state == "aborted"
    client.lose()
