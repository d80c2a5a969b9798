import asyncio
import socket

import pytest

from mainstay.gateway.http import client as http
from mainstay.gateway.table import Limits, Table


async def test_an_answer_comes_through_and_both_connections_are_kept(rig):
    origin = await rig.up()
    client = await rig.client()

    answers = [await client.ask(rig.get(f"/{n}")) for n in range(3)]

    assert [a.status for a in answers] == [200, 200, 200]
    assert [a.body for a in answers] == [b"ok"] * 3
    assert [r.target for r in origin.requests] == [b"/0", b"/1", b"/2"]
    assert origin.connections == 1


async def test_a_client_that_says_close_is_closed_after_its_answer(rig):
    await rig.up()
    client = await rig.client()

    answer = await client.ask(rig.get("/", "Connection: close"))

    assert answer.get("connection") == "close"
    assert await client.rest() == b""


async def test_pipelined_requests_are_answered_in_order(rig):
    origin = await rig.up()

    async def slow_first(request):
        if request.target == b"/0":
            await asyncio.sleep(0.05)
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(request.target), request.target)

    origin.answer = slow_first
    client = await rig.client()

    client.send(b"".join(rig.get(f"/{n}") for n in range(5)))
    answers = [await client.answer() for _ in range(5)]

    assert [a.body for a in answers] == [b"/0", b"/1", b"/2", b"/3", b"/4"]


async def test_two_hundred_pipelined_requests_pause_reading_and_are_all_answered(rig):
    origin = await rig.up()
    origin.answer = lambda r: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(r.target), r.target)
    client = await rig.client()
    deepest = 0
    rows = [rig.get(f"/{n}", "X-Fill: " + "f" * 2000) for n in range(600)]

    client.send(b"".join(rows))
    bodies = []
    for _ in rows:
        bodies.append((await client.answer()).body)
        (connection,) = rig.worker.clients
        deepest = max(deepest, len(connection._queue))

    assert bodies == [b"/%d" % n for n in range(600)]
    # One read may bring up to 256 KB of requests; more than two of them never wait.
    assert http.QUEUE < deepest < 300


async def test_what_was_asked_before_half_closing_is_answered(rig):
    await rig.up()
    client = await rig.client()

    client.send(b"".join(rig.get(f"/{n}") for n in range(20)))
    client.writer.write_eof()
    answers = [await client.answer() for _ in range(20)]

    assert [a.status for a in answers] == [200] * 20
    assert await client.rest() == b""


async def test_garbage_after_good_requests_is_answered_in_its_turn(rig):
    origin = await rig.up()
    client = await rig.client()

    client.send(rig.get("/a") + rig.get("/b") + b"\x00garbage\r\n\r\n")
    answers = [await client.answer() for _ in range(3)]

    assert [a.status for a in answers] == [200, 200, 400]
    assert answers[2].get("connection") == "close"
    assert await client.rest() == b""
    assert len(origin.requests) == 2


async def test_nothing_after_a_refused_request_is_carried_out(rig):
    origin = await rig.up()
    client = await rig.client()

    client.send(b"GET /a HTTP/1.1\r\n\r\n" + rig.get("/smuggled"))
    answer = await client.answer()

    assert answer.status == 400
    assert await client.rest() == b""
    assert origin.requests == []


async def test_nothing_after_a_connect_is_carried_out(rig):
    origin = await rig.up()
    client = await rig.client()

    client.send(b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n" + rig.get("/smuggled"))
    answer = await client.answer()

    assert answer.status == 501
    assert await client.rest() == b""
    assert origin.requests == []


async def test_nothing_after_a_request_that_closes_is_carried_out(rig):
    origin = await rig.up()
    client = await rig.client()

    client.send(rig.get("/a", "Connection: close") + rig.get("/b"))
    answer = await client.answer()

    assert answer.status == 200
    assert await client.rest() == b""
    assert [r.target for r in origin.requests] == [b"/a"]


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_bodies_pass_both_ways(rig, framing):
    origin = await rig.up()
    body = bytes(range(256)) * 40

    def echo(request):
        if framing == "length":
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(request.body), request.body)
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (
            len(request.body),
            request.body,
        )

    origin.answer = echo
    client = await rig.client()
    if framing == "length":
        asked = rig.request("POST", "/", body=body)
    else:
        pieces = b"".join(b"%x;ext=1\r\n%b\r\n" % (100, body[n : n + 100]) for n in range(0, 10200, 100))
        asked = rig.request("POST", "/", "Transfer-Encoding: chunked") + pieces
        asked += b"%x\r\n%b\r\n0\r\nX-Trailer: dropped\r\n\r\n" % (len(body) - 10200, body[10200:])

    for _ in range(2):
        answer = await client.ask(asked)
        assert answer.status == 200
        assert answer.body == body

    assert origin.requests[0].body == body
    assert "trailer" not in origin.requests[0].head.decode().lower()


async def test_a_head_and_its_body_may_come_byte_by_byte(rig):
    origin = await rig.up()
    client = await rig.client()
    client.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    for byte in rig.request("POST", "/x", "X-A: b", body=b"hello"):
        client.send(bytes([byte]))
        await asyncio.sleep(0)
    answer = await client.answer()

    assert answer.status == 200
    assert origin.requests[0].body == b"hello"


async def test_a_large_body_in_the_read_that_ends_the_head_is_not_a_large_head(rig):
    origin = await rig.up()
    client = await rig.client()
    body = b"x" * 200_000
    asked = rig.request("POST", "/", body=body)

    client.send(asked[:20])
    await rig.until(lambda: next(iter(rig.worker.clients))._raw)
    answer = await client.ask(asked[20:])

    assert answer.status == 200
    assert origin.requests[0].body == body


async def test_head_requests_get_the_length_and_no_body_and_keep_the_connection(rig):
    origin = await rig.up()
    origin.answer = lambda r: b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    client = await rig.client()

    first = await client.ask(rig.request("HEAD", "/"), bodiless=True)
    origin.answer = lambda r: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    second = await client.ask(rig.get("/"))

    assert first.get("content-length") == "1000"
    assert second.body == b"ok"
    assert origin.connections == 1


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("header", ["", "Content-Length: 5\r\n"])
async def test_answers_without_a_body_have_none_whatever_their_length_says(rig, status, header):
    origin = await rig.up()
    origin.answer = lambda r: f"HTTP/1.1 {status} No\r\n{header}\r\n".encode()
    client = await rig.client()

    first = await client.ask(rig.get())
    origin.answer = lambda r: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    second = await client.ask(rig.get())

    assert first.status == status
    assert (first.get("content-length") is None) is (status == 204 or not header)
    assert second.body == b"ok"


async def test_a_client_that_expects_continue_gets_it_from_us(rig):
    origin = await rig.up()
    client = await rig.client()
    head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n"

    client.send(head)
    interim = await client.reader.readuntil(b"\r\n\r\n")
    answer = await client.ask(b"hello")

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.status == 200
    assert origin.requests[0].body == b"hello"
    assert origin.requests[0].get("expect") is None


async def test_an_unknown_expectation_fails(rig):
    origin = await rig.up()

    answer = await rig.ask(rig.get("/", "Expect: a-miracle"))

    assert answer.status == 417
    assert origin.requests == []


async def test_http_1_0_clients_get_no_chunks_no_interim_and_a_close(rig):
    origin = await rig.up()
    origin.answer = lambda r: (
        b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    )

    answer = await rig.ask(b"GET / HTTP/1.0\r\n\r\n")

    assert answer.get("transfer-encoding") is None
    assert answer.interim == []
    assert answer.body == b"ok"
    assert answer.get("connection") == "close"
    assert origin.requests[0].first == b"GET / HTTP/1.1"
    assert origin.requests[0].get("via").startswith("1.0 mainstay-")


async def test_http_1_0_clients_may_keep_their_connection(rig):
    await rig.up()
    client = await rig.client()
    asked = b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nExpect: anything\r\n\r\n"

    answers = [await client.ask(asked) for _ in range(2)]

    assert [a.get("connection") for a in answers] == ["keep-alive"] * 2


async def test_an_upgrade_is_declined_and_the_request_answered(rig):
    origin = await rig.up()
    client = await rig.client()
    offer = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQ"]

    answers = [await client.ask(rig.get(f"/{n}", *offer)) for n in range(2)]

    assert [a.status for a in answers] == [200, 200]
    for request in origin.requests:
        assert request.get("upgrade") is None
        assert request.get("http2-settings") is None
        assert request.get("connection") is None


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_an_upgrade_offered_on_a_post_leaves_its_body_whole(rig, framing):
    origin = await rig.up()
    client = await rig.client()
    offer = ["Connection: Upgrade", "Upgrade: h2c"]
    if framing == "length":
        asked = rig.request("POST", "/", *offer, body=b"hello")
    else:
        asked = rig.request("POST", "/", *offer, "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n"

    client.send(asked + rig.get("/next"))
    answers = [await client.answer() for _ in range(2)]

    assert [a.status for a in answers] == [200, 200]
    assert [r.body for r in origin.requests] == [b"hello", b""]
    assert origin.requests[1].target == b"/next"


async def test_hundreds_of_upgrades_in_one_read_are_declined(rig):
    origin = await rig.up()
    client = await rig.client()
    offer = ["Connection: Upgrade", "Upgrade: websocket"]

    client.send(b"".join(rig.get(f"/{n}", *offer) for n in range(300)))
    answers = [await client.answer() for _ in range(300)]

    assert {a.status for a in answers} == {200}
    assert [r.target for r in origin.requests] == [b"/%d" % n for n in range(300)]


async def test_a_head_that_is_too_large_is_refused(rig):
    origin = await rig.up(limits=Limits(head=4096, headers=10))

    large = await rig.ask(rig.get("/", "X: " + "x" * 5000))
    many = await rig.ask(rig.get("/", *[f"X-{n}: y" for n in range(10)]))
    long = await rig.ask(rig.get("/" + "x" * 5000))
    fits = await rig.ask(rig.get("/", *[f"X-{n}: y" for n in range(9)]))

    assert (large.status, many.status, long.status, fits.status) == (431, 431, 414, 200)
    assert len(origin.requests) == 1


@pytest.mark.parametrize(
    ("start", "piece", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"x" * 1000, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", b"X: y\r\n" * 150, 431),
        (b"GET /", b"x" * 1000, 414),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"x" * 1000, 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"x" * 1000, 400),
    ],
    ids=["header", "headers", "target", "extension", "trailer"],
)
async def test_what_never_ends_is_refused(rig, start, piece, status):
    await rig.up(limits=Limits(head=8192))
    client = await rig.client()
    client.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sent = 0

    client.send(start)
    while not rig.route.refused and sent < 2**20:
        client.send(piece)
        await client.writer.drain()
        sent += len(piece)
        await asyncio.sleep(0.001)

    assert (await client.answer()).status == status
    assert sent < 300_000


async def test_our_own_answers_are_json_or_a_page_as_the_client_likes(rig):
    await rig.up(0)
    rig.rows = []

    plain = await rig.ask(rig.get())
    page = await rig.ask(rig.get("/", "Accept: text/html,*/*"))
    head = await rig.ask(rig.request("HEAD", "/"), bodiless=True)

    assert plain.status == page.status == head.status == 503
    assert plain.get("content-type") == "application/json"
    assert plain.json()["error"] == "no_instance"
    assert plain.get("date") is not None
    assert plain.get("retry-after") == "1"
    assert page.get("content-type").startswith("text/html")
    assert page.body.startswith(b"<!doctype html>")
    assert head.get("content-length") == plain.get("content-length")


async def test_a_kept_connection_survives_our_own_answer(rig):
    await rig.up(0)
    client = await rig.client()

    answers = [await client.ask(rig.get()) for _ in range(2)]

    assert [a.status for a in answers] == [503, 503]


async def test_a_refused_upload_is_read_for_a_while_so_that_its_answer_arrives(rig):
    await rig.up(0)
    client = await rig.client()

    client.send(rig.request("POST", "/", "Content-Length: 50000000") + b"x" * 3_000_000)
    answer = await client.answer()

    assert answer.status == 503
    assert answer.get("connection") == "close"


async def test_a_slow_head_times_out(rig):
    await rig.up(limits=Limits(head_time=0.06))
    silent, slow, second = await rig.client(), await rig.client(), await rig.client()

    slow.send(b"GET / HT")
    await second.ask(rig.get())
    second.send(b"GET /")

    assert await silent.rest() == b""
    assert (await slow.answer()).status == 408
    assert (await second.answer()).status == 408


async def test_an_idle_connection_is_closed(rig):
    await rig.up(limits=Limits(idle=0.06))
    client = await rig.client()

    await client.ask(rig.get())

    assert await client.rest() == b""


async def test_a_client_that_reads_nothing_is_not_kept_for_ever(rig):
    origin = await rig.up(idle=0.1, limits=Limits(idle=0.1))
    origin.answer = lambda r: b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60000
    client = await rig.client()
    client.writer.transport.pause_reading()
    small = client.writer.get_extra_info("socket")
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    client.send(rig.get() * 400)

    await rig.until(lambda: rig.worker.clients)
    await rig.until(lambda: not rig.worker.clients)
    # What it was sent is bounded: nothing more is begun for one that does not read.
    assert len(origin.requests) < 150


async def test_it_drains_with_the_last_answer(rig):
    origin = await rig.up()
    gate = asyncio.Event()

    async def later(request):
        await gate.wait()
        return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    origin.answer = later
    idle, busy = await rig.client(), await rig.client()
    busy.send(rig.get("/a") + rig.get("/b"))
    await rig.until(lambda: origin.requests)

    rig.worker.stop()
    assert await idle.rest() == b""
    assert not rig.worker.stopped.done()
    gate.set()
    answers = [await busy.answer(), await busy.answer()]

    # What came with the first is answered as well, and only the last answer says that it is the last.
    assert [answer.get("connection") for answer in answers] == [None, "close"]
    assert await busy.rest() == b""
    await asyncio.wait_for(asyncio.shield(rig.worker.stopped), 2)


async def test_finishing_it_keeps_who_is_idle_until_the_next_answer_which_is_the_last(rig):
    await rig.up()
    asks, never_asks, leaves = [await rig.client() for _ in range(3)]
    for client in (asks, leaves):
        await client.ask(rig.get())
    await rig.until(lambda: len(rig.worker.clients) == 3)

    rig.worker.finish(60.0)
    leaves.close()
    late = await asks.ask(rig.get())
    first = await never_asks.ask(rig.get())

    assert (late.status, late.get("connection")) == (200, "close")
    assert (first.status, first.get("connection")) == (200, "close")
    assert await asks.rest() == b""
    await asyncio.wait_for(asyncio.shield(rig.worker.stopped), 5)


async def test_finishing_an_answer_that_was_begun_without_the_notice_is_not_the_last(rig):
    origin = await rig.up(hold=0)
    gate = asyncio.Event()

    async def slow(request):
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok")
        await gate.wait()
        origin.answer = lambda r: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        return b"ok"

    origin.answer = slow
    client = await rig.client()
    client.send(rig.get())
    await client.reader.readuntil(b"\r\n\r\nok")

    rig.worker.finish(60.0)
    gate.set()
    assert await client.reader.readexactly(2) == b"ok"
    answer = await client.ask(rig.get())

    assert (answer.status, answer.get("connection")) == (200, "close")
    assert await client.rest() == b""


async def test_finishing_ends_at_its_limit_whoever_is_still_there(rig):
    await rig.up()
    client = await rig.client()
    await client.ask(rig.get())

    rig.worker.finish(0.1)

    assert await client.rest() == b""
    await asyncio.wait_for(asyncio.shield(rig.worker.stopped), 2)


async def test_told_to_stop_while_finishing_who_is_idle_is_not_waited_for(rig):
    await rig.up()
    client = await rig.client()
    await client.ask(rig.get())
    rig.worker.finish(60.0)

    rig.worker.stop()

    assert await client.rest() == b""
    await asyncio.wait_for(asyncio.shield(rig.worker.stopped), 2)


async def test_an_idle_client_of_a_worker_that_finishes_is_closed_when_it_would_have_been(rig):
    await rig.up(limits=Limits(idle=0.1))
    client = await rig.client()
    await client.ask(rig.get())

    rig.worker.finish(60.0)

    assert await client.rest() == b""
    await asyncio.wait_for(asyncio.shield(rig.worker.stopped), 2)


async def test_clients_of_a_listener_that_is_closed_get_one_more_answer(rig):
    await rig.up()
    client, fresh = await rig.client(), await rig.client()
    await client.ask(rig.get())
    await rig.until(lambda: len(rig.worker.clients) == 2)

    rig.worker.apply(Table(version=9, services={"web": rig.settings}, rows=rig.rows))
    answer = await client.ask(rig.get())
    first = await fresh.ask(rig.get())

    assert (answer.status, answer.get("connection")) == (200, "close")
    assert (first.status, first.get("connection")) == (200, "close")
    await rig.until(lambda: not rig.worker.clients)
    with pytest.raises(ConnectionRefusedError):
        await rig.client()


async def test_stopping_cuts_what_takes_longer_than_its_limit(rig):
    origin = await rig.up()
    origin.answer = lambda r: asyncio.sleep(60)
    client = await rig.client()
    client.send(rig.get())
    await rig.until(lambda: origin.requests)
    rig.worker.drain_limit = 0.05

    rig.worker.stop()

    assert await client.rest() == b""
    await asyncio.wait_for(asyncio.shield(rig.worker.stopped), 2)


@pytest.mark.interpreted
async def test_a_mistake_of_ours_ends_one_connection_and_is_told(rig, monkeypatch):
    await rig.up()
    told = []
    monkeypatch.setattr(http.Exchange, "__init__", lambda *_: 1 / 0)
    handler = rig.loop.get_exception_handler()
    rig.loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    client = await rig.client()

    client.send(rig.get())

    assert await client.rest() == b""
    assert isinstance(told[0], ZeroDivisionError)
    rig.loop.set_exception_handler(handler)


async def test_one_connection_too_many_is_told_so_and_closed(rig):
    await rig.up()
    rig.worker.most_clients = 1
    first = await rig.client()
    await rig.until(lambda: rig.worker.clients)

    second = await rig.client()
    said = await second.reader.read()

    assert said.startswith(b"HTTP/1.1 503 ")
    assert b'"error": "crowded"' in said
    first.send(rig.get())
    assert (await first.answer()).status == 200


async def test_requests_that_say_the_same_are_each_passed_on_whole(rig):
    origin = await rig.up()
    client = await rig.client()
    lines = ["Cookie: a=b", "Accept: text/html", "X-A: 1", "X-A: 2"]
    asked = [("GET", "/1"), ("GET", "/2"), ("DELETE", "/3"), ("POST", "/4")]

    answers = [await client.ask(rig.request(method, target, *lines)) for method, target in asked]
    answers.append(await client.ask(rig.request("POST", "/5", *lines, body=b"hello")))
    answers.append(await client.ask(rig.request("GET", "/6", *lines)))

    assert [answer.status for answer in answers] == [200] * 6
    assert [(r.method, r.target) for r in origin.requests[:4]] == [(m.encode(), t.encode()) for m, t in asked]
    assert [r.body for r in origin.requests] == [b""] * 4 + [b"hello", b""]
    assert all(r.all("x-a") == ["1", "2"] and r.all("cookie") == ["a=b"] for r in origin.requests)
    assert all(
        len(r.lines) == len(origin.requests[0].lines) for r in (*origin.requests[:4], origin.requests[5])
    )
