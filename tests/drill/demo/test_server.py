from http import HTTPStatus

import pytest

from mainstay.drill.demo import server
from mainstay.drill.demo.server import Answer, Conversation


class Wire:
    """A transport that writes down what is done with it."""

    def __init__(self):
        self.written = b""
        self.closed = self.paused = False

    def write(self, data):
        assert not self.closed
        self.written += data

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed

    def pause_reading(self):
        self.paused = True

    def resume_reading(self):
        self.paused = False


class Site:
    """Answers with what it was asked, at once unless there is work."""

    def __init__(self):
        self.stopping = False
        self.asked, self.here = [], set()
        self.work = 0.0

    def answer(self, request):
        self.asked.append(request)
        if request.path == "/full":
            raise OSError("disk full")
        return Answer(HTTPStatus.OK, {"path": request.path}, self.work)

    def joined(self, conversation):
        self.here.add(conversation)

    def left(self, conversation):
        self.here.discard(conversation)


class Talk:
    """One conversation, with time in the test's hands."""

    def __init__(self):
        self.site, self.wire, self.timers = Site(), Wire(), []
        self.conversation = Conversation(self.site)
        self.conversation._loop = self

    def call_later(self, delay, call, *args):
        self.timers.append((delay, call, args))
        return self

    def cancel(self):
        self.timers.clear()

    def elapse(self):
        due, self.timers = self.timers, []
        for _, call, args in due:
            call(*args)

    def open(self):
        self.conversation.connection_made(self.wire)
        return self

    def say(self, data):
        self.conversation.data_received(data)

    @property
    def heard(self):
        heads = [part.partition(b"\r\n\r\n") for part in self.wire.written.split(b"HTTP/1.1 ")[1:]]
        return [(int(head[:3]), body.decode()) for head, _, body in heads]


@pytest.fixture
async def talk():
    return Talk().open()


def get(path="/", extra=b""):
    return b"GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (path.encode(), extra)


def post(body, extra=b""):
    return b"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n%s" % (len(body), extra, body)


async def test_a_request_is_answered_and_the_connection_kept(talk):
    talk.say(get("/a"))

    assert talk.heard == [(200, '{"path": "/a"}')]
    assert b"Content-Length: 14\r\n" in talk.wire.written
    assert b"Connection" not in talk.wire.written
    assert not talk.wire.closed


async def test_a_request_in_pieces_is_one_request(talk):
    for number in post(b"hello", b"X-Order-Id: a1\r\n"):
        talk.say(bytes([number]))

    (request,) = talk.site.asked
    assert (request.method, request.path, request.order, request.body) == ("POST", "/orders", "a1", b"hello")


async def test_headers_and_body_of_one_request_are_not_left_to_the_next(talk):
    talk.say(post(b"hello", b"X-Order-Id: a1\r\n") + get())

    assert (talk.site.asked[1].order, talk.site.asked[1].body) == ("", b"")


async def test_a_chunked_body_is_put_together(talk):
    talk.say(
        b"POST /orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
    )

    assert talk.site.asked[0].body == b"hello"


async def test_pipelined_requests_are_answered_in_order_one_at_a_time(talk):
    talk.site.work = 0.005

    talk.say(get("/a") + get("/b"))
    waiting = talk.heard
    talk.elapse()
    halfway = talk.heard
    talk.elapse()

    assert waiting == []
    assert [body for _, body in halfway] == ['{"path": "/a"}']
    assert [body for _, body in talk.heard] == ['{"path": "/a"}', '{"path": "/b"}']


async def test_who_sends_too_far_ahead_is_not_read_until_answered(talk):
    talk.site.work = 0.005

    talk.say(get() * (server.PIPELINE + 1))
    before = talk.wire.paused
    talk.elapse()

    assert (before, talk.wire.paused) == (True, False)


async def test_who_does_not_read_is_not_read_from(talk):
    talk.conversation.pause_writing()
    paused = talk.wire.paused
    talk.conversation.resume_writing()

    assert (paused, talk.wire.paused) == (True, False)


@pytest.mark.parametrize("request_", [get(extra=b"Connection: close\r\n"), b"GET / HTTP/1.0\r\n\r\n"])
async def test_who_wants_it_closed_gets_it_closed(talk, request_):
    talk.say(request_)

    assert talk.heard[0][0] == 200
    assert b"Connection: close\r\n" in talk.wire.written
    assert talk.wire.closed


async def test_a_head_request_gets_the_head_alone(talk):
    talk.say(get().replace(b"GET", b"HEAD"))

    assert talk.heard == [(200, "")]
    assert b"Content-Length: 13\r\n" in talk.wire.written


async def test_the_absolute_form_is_taken(talk):
    talk.say(get("http://x.example/a?b") + get("http://x.example"))

    assert [request.path for request in talk.site.asked] == ["/a", "/"]


async def test_the_asterisk_is_a_target(talk):
    talk.say(get("*").replace(b"GET", b"OPTIONS"))

    assert talk.site.asked[0].path == "*"


async def test_a_body_that_waits_to_be_invited_is_invited(talk):
    head, _, body = post(b"hello", b"Expect: 100-continue\r\n").partition(b"\r\n\r\n")

    talk.say(head + b"\r\n\r\n")
    invited = talk.wire.written
    talk.say(body)

    assert invited == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert talk.site.asked[0].body == b"hello"


async def test_what_is_not_http_is_told_so_after_the_answers_before_it(talk):
    talk.site.work = 0.005

    talk.say(get("/a") + b"nonsense\r\n\r\n")
    talk.elapse()
    talk.say(get("/late"))

    assert [status for status, _ in talk.heard] == [200, 400]
    assert talk.wire.closed


async def test_a_body_that_is_too_large_is_refused_and_not_kept(talk):
    talk.say(post(b"x" * (server.BODY + 1)))

    assert [status for status, _ in talk.heard] == [413]
    assert talk.wire.closed
    assert talk.site.asked == []


async def test_a_body_of_just_the_limit_is_taken(talk):
    talk.say(post(b"x" * server.BODY))

    assert len(talk.site.asked[0].body) == server.BODY


async def test_another_protocol_is_not_spoken(talk):
    talk.say(get(extra=b"Connection: Upgrade\r\nUpgrade: websocket\r\n") + b"\x81\x05hello")

    assert [status for status, _ in talk.heard] == [200]
    assert talk.wire.closed


async def test_a_disk_that_is_full_is_a_500(talk):
    talk.say(get("/full"))

    assert talk.heard == [(500, '{"error": "disk full"}')]


async def test_an_idle_conversation_winds_up_at_once(talk):
    talk.say(get())

    talk.conversation.wind_up()

    assert talk.wire.closed


async def test_a_busy_conversation_winds_up_after_its_answer(talk):
    talk.site.work = 0.005
    talk.say(get("/a"))
    talk.site.stopping = True

    talk.conversation.wind_up()
    early = talk.wire.closed
    talk.elapse()

    assert (early, talk.wire.closed) == (False, True)
    assert b"Connection: close\r\n" in talk.wire.written


async def test_a_request_that_has_begun_to_arrive_is_waited_for(talk):
    talk.say(get()[:-2])
    talk.site.stopping = True

    talk.conversation.wind_up()
    early = talk.wire.closed
    talk.say(get()[-2:])

    assert (early, talk.wire.closed) == (False, True)
    assert talk.heard[0][0] == 200


async def test_who_is_accepted_while_it_stops_may_ask_one_thing():
    talk = Talk()
    talk.site.stopping = True

    talk.open().say(get())

    assert talk.heard[0][0] == 200
    assert talk.wire.closed


async def test_who_is_accepted_while_it_stops_and_asks_nothing_is_let_go():
    talk = Talk()
    talk.site.stopping = True

    talk.open().elapse()

    assert talk.wire.closed


async def test_a_client_that_goes_away_ends_the_work_for_it(talk):
    talk.site.work = 0.005
    talk.say(get())

    talk.conversation.connection_lost(ConnectionResetError())
    talk.say(get())
    talk.elapse()

    assert (talk.timers, talk.wire.written, talk.site.here) == ([], b"", set())
