"""What clients may send and take up, and what they are told when it is too much."""

import asyncio
import contextlib
import socket

import pytest

from mainstay.gateway.crowd import Crowd
from mainstay.gateway.http.pace import Pace
from mainstay.gateway.table import Limits
from mainstay.gateway.tcp.relay import unread

MB = 2**20
CHUNKED = "Transfer-Encoding: chunked"


def reason(answer):
    return answer.status, answer.get("mainstay-reason"), answer.get("connection")


# --- bodies that are too large ---


async def test_a_body_whose_length_is_too_large_is_refused_before_any_of_it_is_sent_on(rig):
    origin = await rig.up(limits=Limits(body=1000))

    large = await rig.ask(rig.request("POST", "/", "Content-Length: 1001") + b"x")
    fits = await rig.ask(rig.request("POST", "/", body=b"x" * 1000))

    assert reason(large) == (413, "body_too_large", "close")
    assert fits.status == 200
    assert [len(request.body) for request in origin.requests] == [1000]


async def test_who_asks_first_is_told_so_and_need_not_send_it(rig):
    origin = await rig.up(limits=Limits(body=1000))

    answer = await rig.ask(rig.request("POST", "/", "Content-Length: 1001", "Expect: 100-continue"))

    assert reason(answer) == (413, "body_too_large", "close")
    assert answer.interim == []
    assert origin.connections == 0


async def test_a_body_in_chunks_is_refused_where_it_becomes_too_large(rig):
    origin = await rig.up(limits=Limits(body=1000))
    chunk = b"64\r\n%b\r\n" % (b"x" * 100)
    client = await rig.client()
    client.send(rig.request("POST", "/", CHUNKED) + chunk * 10)
    await rig.until(lambda: origin.connections)

    large = await client.ask(chunk)
    fits = await rig.ask(rig.request("POST", "/", CHUNKED) + chunk * 10 + b"0\r\n\r\n")

    assert reason(large) == (413, "body_too_large", "close")
    assert fits.status == 200
    assert [len(request.body) for request in origin.requests] == [1000]
    assert rig.members[0].failures == 0


async def test_a_body_that_waits_for_its_turn_is_refused_in_its_turn(rig):
    origin = await rig.up(limits=Limits(body=1000))
    client = await rig.client()

    client.send(rig.get("/first") + rig.request("POST", "/", "Content-Length: 1001"))
    answers = [await client.answer() for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 413]
    assert [request.target for request in origin.requests] == [b"/first"]


# --- bodies that are too slow ---


@pytest.mark.parametrize("framing", ["Content-Length: 100000", CHUNKED])
async def test_a_body_that_trickles_is_refused_and_the_instance_not_charged(rig, framing):
    origin = await rig.up(idle=0.3, limits=Limits(rate=100_000))
    client = await rig.client()
    client.send(rig.request("POST", "/", framing))

    async def trickle():
        with contextlib.suppress(OSError):
            while True:
                client.send(b"1\r\nx\r\n")
                await asyncio.sleep(0.02)

    trickling = asyncio.ensure_future(trickle())
    answer = await client.answer()
    trickling.cancel()

    assert reason(answer) == (408, "slow_request", "close")
    assert origin.requests == []
    assert rig.members[0].failures == 0
    await rig.until(lambda: not rig.members[0].connections)


async def test_without_a_rate_a_body_may_trickle(rig):
    await rig.up(idle=1.0, limits=Limits(rate=None))
    client = await rig.client()
    client.send(rig.request("POST", "/", "Content-Length: 100"))

    for _ in range(100):
        client.send(b"x")
        await asyncio.sleep(0.02)
    answer = await client.answer()

    assert answer.status == 200


async def test_a_body_that_waits_for_an_instance_is_not_too_slow(rig):
    origin = await rig.up(idle=0.2, limits=Limits(rate=100_000), call={"attempt": 3.0})
    gate = asyncio.Event()

    async def later(request):
        await gate.wait()
        return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    origin.answer = later
    client = await rig.client()
    # The second one's body waits for the first one's answer, and 100 Continue is not said before that.
    client.send(rig.get("/first"))
    client.send(rig.request("POST", "/second", "Expect: 100-continue", "Content-Length: 5"))
    await rig.until(lambda: origin.requests)
    await asyncio.sleep(0.7)

    gate.set()
    first = await client.answer()
    interim = await client.reader.readuntil(b"\r\n\r\n")
    second = await client.ask(b"hello")

    assert [first.status, second.status] == [200, 200]
    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"


async def test_when_a_body_has_come_its_connection_is_idle_like_any_other(rig):
    await rig.up(idle=0.1, limits=Limits(idle=30.0))
    client = await rig.client()

    first = await client.ask(rig.request("POST", "/", body=b"x"))
    await asyncio.sleep(0.3)
    second = await client.ask(rig.get())

    assert [first.status, second.status] == [200, 200]


def test_a_pace_is_that_of_the_time_since_the_last_look():
    pace = Pace(10.0)

    assert not pace.slow(11.0, 1000, 1000)
    assert pace.slow(13.0, 2999, 1000)
    assert not pace.slow(14.0, 3999, 1000)
    assert pace.slow(15.0, 3999, 1)
    assert not pace.slow(16.0, 3999, 0)


def test_an_excuse_is_good_for_one_look():
    pace = Pace(0.0)

    pace.excuse()

    assert not pace.slow(1.0, 0, 10)
    assert pace.slow(2.0, 0, 10)


# --- answers that are read too slowly ---


@pytest.mark.parametrize(("rate", "idle", "cut"), [(50 * MB, 0.3, True), (1, 1.0, False)])
async def test_an_answer_must_be_read_as_fast_as_a_body_must_come(rig, rate, idle, cut):
    origin = await rig.up(idle=idle, limits=Limits(rate=rate))
    size = 12 * MB
    origin.answer = lambda r: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.setblocking(False)
    await rig.loop.sock_connect(client, ("127.0.0.1", rig.port))

    await rig.loop.sock_sendall(client, rig.get())
    await rig.until(lambda: any(one.stalled for one in rig.worker.clients))
    got = 0
    try:
        async with asyncio.timeout(20):
            # So slowly that the kernel has no room for more for longer than it may take.
            while piece := await rig.loop.sock_recv(client, 16384):
                got += len(piece)
                if got > size:
                    break
                await asyncio.sleep(0.01)
    except ConnectionResetError:
        pass
    finally:
        client.close()

    assert (got < size) is cut
    await rig.until(rig.idle)
    assert rig.members[0].failures == 0
    assert rig.route.cancelled == cut


async def test_what_the_kernel_keeps_is_not_read(rig):
    near, far = socket.socketpair()
    await rig.up()
    transport, _ = await rig.loop.create_connection(asyncio.Protocol, sock=near)

    transport.write(b"x" * 1000)
    await rig.until(lambda: unread(transport) >= 1000 and not transport.get_write_buffer_size())
    far.recv(1000)
    await rig.until(lambda: unread(transport) == 0)
    transport.abort()
    await asyncio.sleep(0)
    far.close()

    assert unread(transport) == 0


# --- connections ---


async def test_the_last_answer_that_a_connection_may_bring_says_so(rig):
    origin = await rig.up(limits=Limits(requests=3))
    client = await rig.client()

    answers = [await client.ask(rig.get()) for _ in range(3)]

    assert [answer.get("connection") for answer in answers] == [None, None, "close"]
    assert await client.rest() == b""
    assert len(origin.requests) == 3


async def test_what_is_asked_beyond_is_not_carried_out(rig):
    origin = await rig.up(limits=Limits(requests=2))
    client = await rig.client()

    client.send(b"".join(rig.get(f"/{n}") for n in range(5)))
    answers = [await client.answer() for _ in range(2)]

    assert [answer.get("connection") for answer in answers] == [None, "close"]
    assert await client.rest() == b""
    assert [request.target for request in origin.requests] == [b"/0", b"/1"]


async def test_an_address_has_no_more_connections_than_it_may(rig):
    await rig.up(limits=Limits(connections=2))
    first, second = await rig.client(), await rig.client()
    for client in (first, second):
        await client.ask(rig.get())

    third = await rig.client()
    refused = await third.answer()
    first.close()
    await rig.until(lambda: rig.worker.crowd.of("127.0.0.1") < 2)
    after = await rig.ask(rig.get())

    assert reason(refused) == (429, "many_connections", "close")
    assert await third.rest() == b""
    assert after.status == 200
    assert (await second.ask(rig.get())).status == 200


async def test_a_trusted_proxy_may_have_any_number(rig):
    rig.trusted = ["127.0.0.1"]
    await rig.up(limits=Limits(connections=1))

    clients = [await rig.client() for _ in range(4)]
    answers = [await client.ask(rig.get()) for client in clients]

    assert [answer.status for answer in answers] == [200] * 4


async def test_over_tcp_too_many_connections_end_without_a_word(rig):
    await rig.tcp(limits=Limits(connections=1))
    first = await rig.client()
    first.send(b"hello")
    assert await first.read(5) == b"hello"

    second = await rig.client()

    assert await second.rest() == b""
    first.send(b"again")
    assert await first.read(5) == b"again"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1.2.3.4", "1.2.3.4", True),
        ("1.2.3.4", "1.2.3.5", False),
        ("2001:db8:1:2:3::", "2001:db8:1:2::5", True),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::1", True),
        ("2001:db8:1:2::", "2001:db8:1:3::", False),
        ("2001:db8::1", "2001:db8:0:0:ffff::", True),
        ("2001:db8::1", "2001:db8::1:0:0:0:1", False),
        ("::1", "::2", True),
        ("::1", "1::", False),
    ],
)
def test_addresses_of_one_party_are_counted_together(one, other, same):
    crowd = Crowd()

    crowd.came(one)
    crowd.came(other)
    assert crowd.of(one) == (2 if same else 1)
    crowd.left(one)
    crowd.left(other)

    assert crowd.of(one) == len(crowd) == 0


# --- what is dropped, and what comes before ---


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"1;a=%b\r\nx\r\n0\r\n\r\n" % (b"b" * 97), 200),
        (b"1;a=%b\r\nx\r\n0\r\n\r\n" % (b"b" * 98), 400),
        (b"1;a=b\r\nx\r\n" * 26 + b"0\r\n\r\n", 400),
        (b"0\r\nX: %b\r\n\r\n" % (b"y" * 45), 200),
        (b"0\r\nX: %b\r\n\r\n" % (b"y" * 48), 400),
        (b"0\r\n" + b"X: y\r\n" * 9 + b"\r\n", 400),
    ],
)
async def test_extensions_and_trailers_have_their_limits(rig, body, status):
    await rig.up(limits=Limits(chunk_extensions=100, trailers=50))

    answer = await rig.ask(rig.request("POST", "/", CHUNKED) + body)

    assert answer.status == status


@pytest.mark.parametrize(
    ("body", "whole"),
    [
        (b"5;a=b\r\nhello\r\n0\r\n\r\n", True),
        (b"5;a=%b\r\nhello\r\n0\r\n\r\n" % (b"b" * 100), False),
        (b"5\r\nhello\r\n0\r\nX: y\r\n\r\n", True),
        (b"5\r\nhello\r\n0\r\nX: %b\r\n\r\n" % (b"y" * 50), False),
    ],
)
async def test_those_of_an_answer_as_well(rig, body, whole):
    origin = await rig.up(limits=Limits(chunk_extensions=100, trailers=50))
    origin.answer = lambda r: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    client = await rig.client()

    client.send(rig.get("/", "Connection: close"))
    said = await client.rest()

    assert said.endswith(b"0\r\n\r\n") is whole
    assert rig.members[0].failures == (not whole)


@pytest.mark.parametrize("interim", [b"103 Early Hints", b"100 Continue"])
async def test_an_instance_that_never_comes_to_its_answer_has_failed(rig, interim):
    origin = await rig.up(limits=Limits(interim=3))
    origin.answer = lambda r: (
        b"HTTP/1.1 %b\r\n\r\n" % interim * int(r.target[1:])
        + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    )

    fits = await rig.ask(rig.request("POST", "/3", body=b""))
    more = await rig.ask(rig.request("POST", "/4", body=b""))
    again = await rig.ask(rig.request("POST", "/3", body=b""))

    assert [fits.status, more.status, again.status] == [200, 502, 200]
    assert more.get("mainstay-reason") == "broken_answer"
