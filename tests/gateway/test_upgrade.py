"""Connections that go over from HTTP to another protocol, as to WebSocket (RFC 9110 §7.8)."""

import asyncio
import dataclasses
import json

import pytest

from gateway.test_tcp import BIG
from mainstay.gateway.table import Concurrency, LogSettings, Trust
from mainstay.gateway.tcp import passage, relay
from mainstay.redundancy.outlier import OutlierSpec
from mainstay.tolerance.breaker import BreakerSpec
from pki import Authority

OFFER = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
AGREED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def agree(head=AGREED, then=b""):
    """Give the script of an instance that agrees, and sends back what it gets."""

    async def serve(request):
        request.writer.write(head + then)
        while data := await request.reader.read(65536):
            request.writer.write(data)
            await request.writer.drain()

    return serve


async def flood(request):
    """Agree, and send more than anybody keeps in memory."""
    request.writer.write(AGREED + b"x" * 2**26)
    await request.reader.read()


async def standstill(rig):
    """Wait until clients are sent nothing more, and give what they were sent."""
    before, now = 0, 1
    while before < now:
        before = now
        await asyncio.sleep(0.1)
        now = rig.route.sent.bytes
    return now


async def switched(client):
    """Read the answer by which the protocol changes."""
    async with asyncio.timeout(5):
        return await client.reader.readuntil(b"\r\n\r\n")


async def tunnel(rig, **settings):
    """Have a tunnel to an instance that sends back what it gets."""
    origin = await rig.up(**settings)
    origin.answer = agree()
    client = await rig.client()
    client.send(rig.get("/chat", *OFFER))
    await switched(client)
    return client


def fields(head):
    lines = head.split(b"\r\n")[1:-2]
    return {name.lower(): value for name, value in (line.split(b": ", 1) for line in lines)}


async def test_a_websocket_is_a_tunnel_once_both_agree(rig):
    origin = await rig.up()
    origin.answer = agree()
    client = await rig.client()

    client.send(rig.get("/chat", *OFFER))
    head = await switched(client)
    client.send(BIG)

    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert fields(head)[b"upgrade"] == b"websocket"
    assert fields(head)[b"connection"] == b"upgrade"
    assert await client.read(len(BIG)) == BIG
    (request,) = origin.requests
    assert request.get("upgrade") == "websocket"
    assert request.get("connection") == "upgrade"
    assert request.get("sec-websocket-key") == "dGhlIHNhbXBsZSBub25jZQ=="
    client.close()
    await rig.until(rig.idle)
    assert (rig.route.requests, rig.route.classes[1], rig.route.failures) == (1, 1, 0)
    assert rig.route.received.bytes == rig.route.sent.bytes == len(BIG)


async def test_bytes_behind_either_head_are_the_first_in_the_tunnel(rig):
    origin = await rig.up()
    origin.answer = agree(then=b"welcome ")
    client = await rig.client()

    client.send(rig.get("/", *OFFER) + b"GET /not-http")
    head = await switched(client)
    client.send(b" at all")

    assert head.startswith(b"HTTP/1.1 101 ")
    assert await client.read(28) == b"welcome GET /not-http at all"
    assert len(origin.requests) == 1


async def test_bytes_behind_the_offer_wait_until_it_is_plain_what_they_are(rig):
    origin = await rig.up()
    agreeing = asyncio.Event()
    heard = []

    async def think(request):
        await agreeing.wait()
        heard.append(len(request.reader._buffer))
        return await agree()(request)

    origin.answer = think
    client = await rig.client()

    client.send(rig.get("/", *OFFER) + BIG)
    await rig.until(lambda: origin.requests)
    await asyncio.sleep(0.05)
    (connection,) = rig.worker.clients
    kept = len(connection._behind)
    agreeing.set()
    await switched(client)

    assert kept < 2**20
    assert await client.read(len(BIG)) == BIG
    assert heard == [0]


@pytest.mark.parametrize("status", [200, 403, 404, 426, 500])
async def test_a_refusal_is_an_ordinary_answer_and_the_connection_goes_on(rig, status):
    origin = await rig.up()
    origin.answer = lambda r: b"HTTP/1.1 %d No\r\nContent-Length: 2\r\n\r\nno" % status
    client = await rig.client()

    client.send(rig.get("/1", *OFFER) + rig.get("/2") + rig.get("/3", *OFFER))
    answers = [await client.answer() for _ in range(3)]
    answers.append(await client.ask(rig.get("/4")))

    assert [answer.status for answer in answers] == [status] * 4
    assert [request.target for request in origin.requests] == [b"/1", b"/2", b"/3", b"/4"]
    # Some instances take what follows an offer for the other protocol, though they refused it.
    assert origin.connections == 3


async def test_what_was_asked_behind_a_refused_offer_is_answered_after_a_half_close(rig):
    origin = await rig.up()
    client = await rig.client()

    client.send(rig.get("/1", *OFFER) + rig.get("/2"))
    client.writer.write_eof()
    answers = [await client.answer() for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200]
    assert await client.rest() == b""
    assert len(origin.requests) == 2


async def test_half_a_request_behind_a_refused_offer_ends_with_the_client(rig):
    origin = await rig.up()
    client = await rig.client()

    client.send(rig.get("/1", *OFFER) + b"GET /2 HT")
    client.writer.write_eof()
    answer = await client.answer()

    assert answer.status == 200
    assert await client.rest() == b""
    assert len(origin.requests) == 1


async def test_garbage_behind_a_refused_offer_is_refused(rig):
    origin = await rig.up()
    client = await rig.client()

    client.send(rig.get("/1", *OFFER) + b"\x81\x05hello\r\n\r\n")
    answers = [await client.answer() for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 400]
    assert await client.rest() == b""
    assert len(origin.requests) == 1


async def test_nothing_behind_an_offer_whose_client_wants_no_more_is_carried_out(rig):
    origin = await rig.up()
    client = await rig.client()

    client.send(rig.get("/1", "Connection: close, upgrade", "Upgrade: websocket") + rig.get("/2"))
    answer = await client.answer()

    assert answer.get("connection") == "close"
    assert await client.rest() == b""
    assert len(origin.requests) == 1


async def test_an_answer_that_asks_for_an_upgrade_says_for_which(rig):
    origin = await rig.up()
    origin.answer = lambda r: (
        b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: SMB, WebSocket\r\nConnection: upgrade\r\n"
        b"Content-Length: 0\r\n\r\n"
    )

    answer = await rig.ask(rig.get())

    assert answer.get("upgrade") == "smb, websocket"
    assert answer.all("connection") == ["upgrade"]


OTHER = {
    "h2c": ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQ"],
    "another": ["Connection: upgrade", "Upgrade: smb"],
    "without connection": ["Upgrade: websocket"],
    "without upgrade": ["Connection: upgrade"],
    "empty": ["Connection: upgrade", "Upgrade: ,"],
}


@pytest.mark.parametrize("offer", OTHER.values(), ids=OTHER)
async def test_what_is_no_offer_that_is_allowed_is_not_passed_on(rig, offer):
    origin = await rig.up()
    client = await rig.client()

    client.send(rig.get("/1", *offer) + rig.get("/2", *offer))
    answers = [await client.answer() for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200]
    for request in origin.requests:
        assert not request.all("upgrade")
        assert not request.all("connection")
        assert not request.all("http2-settings")


async def test_of_several_offers_only_the_allowed_are_passed_on(rig):
    origin = await rig.up(upgrades=("websocket", "smb/3"))
    client = await rig.client()

    await client.ask(rig.get("/", "Connection: upgrade", "Upgrade: h2c, WebSocket", "Upgrade: SMB/3, other"))

    assert origin.requests[0].get("upgrade") == "websocket, smb/3"


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_request_with_a_body_offers_nothing(rig, method):
    origin = await rig.up()
    client = await rig.client()

    answers = [await client.ask(rig.request(method, "/", *OFFER, body=b"ab")) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200]
    assert not origin.requests[0].all("upgrade")
    assert origin.requests[0].body == b"ab"


async def test_http_1_0_knows_of_no_upgrade(rig):
    origin = await rig.up()

    answer = await rig.ask(b"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")

    assert answer.status == 200
    assert not origin.requests[0].all("upgrade")


async def test_upgrades_can_be_switched_off(rig):
    origin = await rig.up(upgrades=())

    answer = await rig.ask(rig.get("/", *OFFER))

    assert answer.status == 200
    assert not origin.requests[0].all("upgrade")


WRONG = {
    "not offered": (OFFER, b"Upgrade: other"),
    "more than offered": (OFFER, b"Upgrade: websocket, other"),
    "nothing": (OFFER, b"X: y"),
    "nobody asked": ((), b"Upgrade: websocket"),
    "was not passed on": (("Connection: upgrade", "Upgrade: h2c"), b"Upgrade: h2c"),
}


@pytest.mark.parametrize(("offer", "upgrade"), WRONG.values(), ids=WRONG)
async def test_an_instance_cannot_go_over_to_what_was_not_offered(rig, offer, upgrade):
    origin = await rig.up(call={"retry": None})
    origin.answer = agree(
        b"HTTP/1.1 101 X\r\nConnection: upgrade\r\n%b\r\n\r\n" % upgrade, then=b"HTTP/1.1 200 OK\r\n\r\n"
    )

    answer = await rig.ask(rig.get("/", *offer))

    assert answer.status == 502
    assert rig.members[0].failures == 1


async def test_interim_answers_may_come_before(rig):
    origin = await rig.up()
    origin.answer = agree(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: a\r\n\r\n" + AGREED)
    client = await rig.client()

    client.send(rig.get("/", *OFFER))

    assert (await switched(client)).startswith(b"HTTP/1.1 103 ")
    assert (await switched(client)).startswith(b"HTTP/1.1 101 ")
    client.send(b"x")
    assert await client.read(1) == b"x"


async def test_an_offer_that_nobody_answered_is_made_to_another_instance(rig):
    first, second = await rig.up(2)
    first.answer = lambda r: rig.DROP
    second.answer = agree()

    for _ in range(2):
        client = await rig.client()
        client.send(rig.get("/", *OFFER))
        assert (await switched(client)).startswith(b"HTTP/1.1 101 ")
        client.close()

    assert len(first.requests) == rig.route.retries > 0
    assert len(second.requests) == 2


async def test_an_offer_waits_for_its_turn(rig):
    origin = await rig.up()
    origin.answer = lambda r: agree()(r) if r.target == b"/2" else PLAIN
    client = await rig.client()

    client.send(rig.get("/1") + rig.get("/2", *OFFER) + b"behind")
    first = await client.answer()
    head = await switched(client)

    assert first.status == 200
    assert head.startswith(b"HTTP/1.1 101 ")
    assert await client.read(6) == b"behind"


async def test_each_side_ends_by_itself(rig):
    client = await tunnel(rig)

    client.send(b"last words")
    client.writer.write_eof()

    assert await client.rest() == b"last words"


async def test_an_end_that_came_behind_the_offer_is_passed_on(rig):
    origin = await rig.up()
    origin.answer = agree()
    client = await rig.client()

    client.send(rig.get("/", *OFFER) + b"all")
    client.writer.write_eof()
    head = await switched(client)

    assert head.startswith(b"HTTP/1.1 101 ")
    assert await client.rest() == b"all"


async def test_a_reset_by_the_instance_is_a_reset_for_the_client(rig):
    origin = await rig.up()

    async def crash(request):
        request.writer.write(AGREED)
        await request.reader.readexactly(1)
        relay.reset(request.writer.transport)

    origin.answer = crash
    client = await rig.client()
    client.send(rig.get("/", *OFFER))
    await switched(client)
    client.send(b"x")

    assert await client.was_reset()
    await rig.until(rig.idle)
    assert (rig.route.broken, rig.route.failures) == (1, 1)


async def test_after_the_upgrade_the_instance_has_answered(rig):
    client = await tunnel(rig, pool={"outlier": OutlierSpec(reset=1)}, breaker=BreakerSpec(minimum=1))
    (member,) = rig.members

    assert member.in_flight == 1
    assert sum(member.latency.values()) == 1
    client.abort()
    await rig.until(rig.idle)
    assert member.failures == 0
    assert member.in_flight == 0
    assert member.breaker.state.value == "closed"


async def test_an_instance_that_drains_waits_for_its_tunnels(rig):
    client = await tunnel(rig)

    rig.rows[0] = dataclasses.replace(rig.rows[0], state="draining")
    rig.apply()
    client.send(b"x")

    assert await client.read(1) == b"x"
    assert rig.line.idle() == []
    client.close()
    await rig.until(rig.line.idle)


async def test_a_tunnel_to_an_instance_that_is_gone_is_cut(rig, monkeypatch):
    monkeypatch.setattr(passage, "LAST_WORDS", 0.05)
    client = await tunnel(rig)

    rig.rows.clear()
    rig.apply()

    assert await client.was_reset()
    assert rig.route.broken == 1


async def test_a_worker_that_stops_gives_tunnels_their_drain_time(rig):
    client = await tunnel(rig)
    rig.worker.drain_limit = 0.3

    rig.worker.stop()
    client.send(b"x")

    assert await client.read(1) == b"x"
    assert await client.was_reset()


async def test_a_ping_keeps_a_tunnel_and_silence_ends_it(rig):
    client = await tunnel(rig, tunnel=0.3)

    for _ in range(8):
        client.send(b"\x89\x00")
        assert await client.read(2) == b"\x89\x00"
        await asyncio.sleep(0.06)

    assert await client.was_reset()


async def test_a_client_that_does_not_read_holds_the_instance_back(rig):
    origin = await rig.up()

    origin.answer = flood
    client = await rig.client()
    client.send(rig.get("/", *OFFER))
    await switched(client)

    sent = await standstill(rig)

    assert sent < 2**25
    assert len(await client.read(2**26, limit=20)) == 2**26


async def test_an_upgrade_is_written_down_when_it_has_ended(rig, tmp_path):
    file = tmp_path / "access.log"
    rig.log = LogSettings(path=str(file))
    client = await tunnel(rig)
    client.send(b"12345")
    await client.read(5)

    client.close()
    await rig.until(lambda: file.exists() and file.read_text())
    line = json.loads(file.read_text())

    assert (line["target"], line["status"], line["bytes_in"], line["bytes_out"]) == ("/chat", 101, 5, 5)
    assert 0 < line["first_byte"] < line["duration"]
    assert (line["reason"], line["cancelled"]) == (None, False)


# --- over TLS ---


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tunnels"))


@pytest.fixture
async def secure(rig, ca):
    """Give a tunnel that is encrypted on both sides, and its instance."""
    origin = await rig.up(
        tls=ca.origin("localhost"), trust=Trust(ca=ca.pem), door={"terms": ca.terms("shop.example")}
    )
    origin.answer = agree(then=b"welcome")
    client = await rig.client(ssl=ca.client(), server_hostname="shop.example")
    client.send(rig.get("/chat", *OFFER))
    await switched(client)
    assert await client.read(7) == b"welcome"
    return client, origin


async def test_a_tunnel_may_be_encrypted_on_both_sides(rig, secure):
    client, _ = secure

    client.send(BIG)

    assert await client.read(len(BIG)) == BIG


async def test_an_end_by_tls_ends_the_tunnel(rig, secure):
    client, origin = secure

    client.close()
    await rig.until(lambda: not origin.open)

    await rig.until(rig.idle)
    assert rig.route.broken == 0


async def test_an_instance_that_ends_lets_the_client_know(rig, secure):
    client, origin = secure

    for writer in origin.open:
        writer.close()

    assert await client.rest() == b""
    client.close()
    await rig.until(rig.idle)


async def test_a_connection_that_is_cut_is_no_end(rig, secure):
    client, origin = secure
    (writer,) = origin.open

    client.writer.transport.abort()

    await rig.until(lambda: not origin.open)
    await rig.until(rig.idle)
    assert writer.transport.is_closing()


async def test_an_encrypted_tunnel_holds_back_as_well(rig, ca):
    origin = await rig.up(door={"terms": ca.terms("shop.example")})

    origin.answer = flood
    client = await rig.client(ssl=ca.client(), server_hostname="shop.example")
    client.send(rig.get("/", *OFFER))
    await switched(client)

    sent = await standstill(rig)

    assert sent < 2**25
    assert len(await client.read(2**26, limit=30)) == 2**26


async def test_a_tunnel_takes_no_room_at_the_service(rig):
    origin = await rig.up(concurrency=Concurrency(adaptive=False, limit=1, queue=0.1))
    origin.answer = agree()
    client = await rig.client()
    client.send(rig.get("/chat", *OFFER))
    await switched(client)
    origin.answer = lambda request: PLAIN

    during = await rig.ask(rig.get())

    assert during.status == 200
    assert rig.route.load.under_way == 0
