"""TLS with clients: handshakes, and HTTP/1.1 over them."""

import asyncio
import ssl
import sys

import pytest

from mainstay.gateway.table import Redirect, Rule, StickySettings
from mainstay.gateway.tls.context import CIPHERS
from mainstay.gateway.worker import unraisable
from pki import Authority, Hand

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
MANY = b"abcdefgh" * 2**17


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("people"), "people")


@pytest.fixture(scope="module")
def shop(ca):
    return ca.terms("shop.example")


@pytest.fixture
async def reach(rig):
    """Give a way to reach the worker by hand."""
    hands = []

    async def reached(context, name="shop.example", *, shake=True):
        hands.append(hand := await Hand.reach(rig.port, context, name))
        if shake:
            await hand.shake()
        return hand

    yield reached
    for hand in hands:
        hand.close()


async def secured(rig, context, name="shop.example"):
    return await rig.client(ssl=context, server_hostname=name)


def names(client):
    seen = client.writer.get_extra_info("ssl_object").getpeercert()
    return [name for _, name in seen["subjectAltName"]]


async def test_a_record_that_comes_in_two_parts_is_read_whole(rig, reach, ca, shop):
    origin = await rig.up(door={"terms": shop})
    hand = await reach(ca.client())
    body = b"x" * 2**14
    hand.session.write(rig.request("POST", "/", body=body)[: -len(body)])
    hand.flush()
    hand.session.write(body)
    record = hand.outgoing.read()

    hand.writer.write(record[:-100])
    await hand.writer.drain()
    await rig.until(lambda: origin.open)
    await asyncio.sleep(0.05)
    hand.writer.write(record[-100:])

    assert (await hand.read()).startswith(b"HTTP/1.1 200 ")
    assert origin.requests[0].body == body


# --- handshakes ---


@pytest.mark.parametrize("version", [V12, V13])
async def test_both_versions_that_are_sound_are_spoken(rig, ca, shop, version):
    await rig.up(door={"terms": shop})

    client = await secured(rig, ca.client(version=version))

    assert (await client.ask(rig.get())).status == 200
    assert rig.worker.counted()["listeners"]["web"]["sums"]["handshakes"] == 1


async def test_older_versions_are_refused(rig, reach, ca, shop):
    await rig.up(door={"terms": shop})
    context = ca.client(ciphers="DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1 "):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1

    with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
        await reach(context)


async def test_tls_1_2_is_refused_where_1_3_is_asked_for(rig, reach, ca):
    await rig.up(door={"terms": ca.terms("shop.example", min_version="1.3")})

    with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
        await reach(ca.client(version=V12))
    assert (await (await secured(rig, ca.client())).ask(rig.get())).status == 200


@pytest.mark.parametrize("cipher", [one for one in CIPHERS.split(":") if "ECDSA" in one])
async def test_each_cipher_of_the_list_is_accepted(rig, ca, shop, cipher):
    await rig.up(door={"terms": shop})

    client = await secured(rig, ca.client(version=V12, ciphers=cipher))

    assert client.writer.get_extra_info("cipher")[0] == cipher


@pytest.mark.parametrize(
    "cipher",
    ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA", "AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256"],
)
async def test_ciphers_that_are_weaker_are_refused(rig, reach, ca, shop, cipher):
    await rig.up(door={"terms": shop})

    with pytest.raises(ssl.SSLError, match=r"(?i)handshake.failure"):
        await reach(ca.client(version=V12, ciphers=cipher))


async def test_the_protocol_is_agreed_on(rig, ca, shop):
    await rig.up(door={"terms": shop})

    client = await secured(rig, ca.client(alpn=["h2", "http/1.1"]))

    session = client.writer.get_extra_info("ssl_object")
    assert session.selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("shop.example", "shop.example"),
        ("pay.example", "pay.example"),
        ("PAY.example", "pay.example"),
        ("a.pay.example", "*.pay.example"),
        ("a.b.pay.example", "shop.example"),
        ("unknown.example", "shop.example"),
        (None, "shop.example"),
    ],
)
async def test_the_certificate_is_that_for_the_name_that_is_asked_for(rig, ca, asked, shown):
    await rig.up(door={"terms": ca.terms("shop.example", "pay.example", "*.pay.example")})
    context = ca.client()
    context.check_hostname = False

    client = await secured(rig, context, asked or "")

    assert names(client) == [shown]


async def test_a_name_that_is_none_ends_only_the_connection_that_asks_for_it(rig, reach, ca, monkeypatch):
    await rig.up(door={"terms": ca.terms("shop.example", "pay.example")})
    context = ca.client()
    hand = await reach(context, shake=False)
    with pytest.raises(ssl.SSLWantReadError):
        hand.session.do_handshake()
    hello = hand.outgoing.read()
    heard = []
    monkeypatch.setattr(sys, "__unraisablehook__", heard.append)
    monkeypatch.setattr(sys, "unraisablehook", unraisable)

    hand.writer.write(hello.replace(b"shop.example", b"\xff\xfehop.exam\x80e"))
    await asyncio.wait_for(hand.reader.read(), 5)

    assert not heard
    assert (await (await secured(rig, context)).ask(rig.get())).status == 200


async def test_a_handshake_in_small_pieces_is_a_handshake(rig, reach, ca, shop):
    await rig.up(door={"terms": shop})
    hand = await reach(ca.client(), shake=False)
    with pytest.raises(ssl.SSLWantReadError):
        hand.session.do_handshake()
    hello = hand.outgoing.read()

    for at in range(0, len(hello), 50):
        hand.writer.write(hello[at : at + 50])
        await asyncio.sleep(0)
    await hand.shake()
    await hand.send(rig.get("/", "Connection: close"))

    assert (await hand.all()).endswith(b"ok")


async def test_who_speaks_http_to_it_is_told(rig, ca, shop):
    origin = await rig.up(door={"terms": shop, "hsts": 60})

    answer = await rig.ask(rig.get())

    assert answer.status == 400
    assert answer.get("mainstay-reason") == "not_encrypted"
    assert answer.get("strict-transport-security") is None
    assert not origin.requests


@pytest.mark.parametrize("sent", [b"\x00" * 64, b"\x16\x03\x01\xff\xff" + b"x" * 600, b"SSH-2.0-x\r\n"])
async def test_what_is_no_handshake_ends_the_connection(rig, ca, shop, sent):
    await rig.up(door={"terms": shop})
    client = await rig.client()

    client.send(sent)

    # Perhaps with an alert, and never with an answer.
    assert b"HTTP" not in await client.rest()
    assert rig.worker.counted()["listeners"]["web"]["sums"]["unshaken other"] == 1


async def test_a_handshake_that_takes_too_long_is_cut(rig, ca):
    await rig.up(door={"terms": ca.terms("shop.example", patience=0.1)})
    client = await rig.client()

    client.send(b"\x16\x03\x01")

    assert await client.rest() == b""
    assert not rig.worker.greetings


async def test_handshakes_count_among_the_connections(rig, ca, shop):
    await rig.up(door={"terms": shop})
    rig.worker.most_clients = 2
    idle = [await rig.client() for _ in range(2)]
    await rig.until(lambda: len(rig.worker.greetings) == 2)

    one_more = await rig.client()

    assert await one_more.rest() == b""
    for client in idle:
        client.close()


async def test_a_worker_that_ends_finishes_handshakes_that_have_begun(rig, reach, ca, shop):
    await rig.up(door={"terms": shop})
    hand = await reach(ca.client(), shake=False)
    await rig.until(lambda: rig.worker.greetings)

    rig.worker.stop()
    await hand.shake()
    await hand.send(rig.get())

    answer = await hand.all()
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"Connection: close" in answer
    await asyncio.wait_for(rig.worker.stopped, 5)


async def test_a_session_is_taken_up_again(rig, reach, ca, shop):
    await rig.up(door={"terms": shop})
    context = ca.client(version=V12)
    first = await reach(context)

    again = await reach(context, shake=False)
    again.session.session = first.session.session
    await again.shake()

    assert again.session.session_reused


async def test_what_a_session_holds_goes_with_its_connection(rig, reach, ca, shop):
    await rig.up(door={"terms": shop})
    hand = await reach(ca.client())
    await rig.until(lambda: rig.worker.clients)
    (greeting,) = (client.tls for client in rig.worker.clients)
    assert greeting.get_extra_info("ssl_object") is greeting.session

    hand.close()
    await rig.until(lambda: not rig.worker.clients)

    assert not any(hasattr(greeting, name) for name in ("session", "_decrypt", "_encrypt"))


# --- certificates of clients ---


async def test_a_client_without_the_certificate_that_is_required_is_refused(rig, reach, ca, people):
    origin = await rig.up(door={"terms": ca.terms("shop.example", client_ca=people.pem)})

    hand = await reach(ca.client())  # in TLS 1.3 a client does not wait for what the server says to it

    with pytest.raises(ssl.SSLError, match=r"(?i)certificate.required"):
        await hand.ask(rig.get())
    assert not origin.requests


@pytest.mark.parametrize("required", [True, False])
async def test_a_client_with_a_certificate_of_somebody_else_is_refused(rig, reach, ca, people, required):
    terms = ca.terms("shop.example", client_ca=people.pem, required=required)
    origin = await rig.up(door={"terms": terms})

    hand = await reach(ca.client("mallory@shop.example"))

    with pytest.raises(ssl.SSLError, match=r"(?i)unknown.ca"):
        await hand.ask(rig.get())
    assert not origin.requests


async def test_the_instance_is_told_whose_certificate_a_client_has_shown(rig, ca, people):
    origin = await rig.up(door={"terms": ca.terms("shop.example", client_ca=people.pem)})
    context = ca.client()
    context.load_cert_chain(*people.issue("ann@people.example"))
    shown = ssl.PEM_cert_to_DER_cert((people.folder / "ann-at-people.example.crt").read_text())
    client = await secured(rig, context)

    await client.ask(rig.get("/", "Client-Cert: :bWFsbG9yeQ==:", "X-Client-Cert-Subject: CN=mallory"))
    await client.ask(rig.get("/", "x-client-cert-sha256: 00", "X_Client_Cert_Subject: CN=mallory"))

    for request in origin.requests:
        assert request.all("client-cert") == [f":{ssl.base64.b64encode(shown).decode()}:"]
        (subject,) = request.all("x-client-cert-subject")
        assert "O=trustme" in subject
        assert len(request.get("x-client-cert-sha256")) == 64
        assert b"mallory" not in request.head


async def test_a_client_that_need_not_show_one_is_nobody(rig, ca, people):
    origin = await rig.up(door={"terms": ca.terms("shop.example", client_ca=people.pem, required=False)})
    client = await secured(rig, ca.client())

    await client.ask(rig.get("/", "Client-Cert: :bWFsbG9yeQ==:"))

    assert origin.requests[0].get("client-cert") is None
    assert origin.requests[0].get("x-client-cert-subject") is None


async def test_nobody_can_claim_a_certificate_without_tls(rig):
    origin = await rig.up()

    await rig.ask(rig.get("/", "Client-Cert: :bWFsbG9yeQ==:", "X-Client-Cert-SHA256: 00"))

    assert b"lient-Cert" not in origin.requests[0].head


@pytest.mark.parametrize("version", [V12, V13])
async def test_who_has_to_show_a_certificate_shows_it_on_each_connection(rig, ca, people, version):
    await rig.up(door={"terms": ca.terms("shop.example", client_ca=people.pem)})
    context = ca.client(version=version)
    context.load_cert_chain(*people.issue("ann@people.example"))
    client = await secured(rig, context)
    await client.ask(rig.get())

    session = client.writer.get_extra_info("ssl_object").session

    assert session is None or not session.has_ticket


async def test_a_trusted_proxy_tells_whose_certificate_its_client_has_shown(rig, ca, people):
    rig.trusted = ["127.0.0.1"]
    origin = await rig.up(door={"terms": ca.terms("shop.example", client_ca=people.pem)})
    context = ca.client()
    context.load_cert_chain(*people.issue("proxy@people.example"))
    client = await secured(rig, context)

    await client.ask(
        rig.get("/", "X-Forwarded-For: 9.9.9.9", "Client-Cert: :YW5u:", "X-Forwarded-Proto: http")
    )
    await client.ask(rig.get())

    told, untold = origin.requests
    assert told.all("client-cert") == [":YW5u:"]
    assert told.all("x-client-cert-subject") == []
    assert told.all("x-forwarded-proto") == ["http"]
    assert untold.all("client-cert") == []
    assert untold.all("x-forwarded-proto") == ["https"]


# --- whose connection it is ---


async def test_a_request_for_a_host_of_another_certificate_belongs_on_another_connection(rig, ca):
    origin = await rig.up(door={"terms": ca.terms("shop.example", ("pay.example", "both.example"))})
    client = await secured(rig, ca.client())

    answer = await client.ask(b"GET / HTTP/1.1\r\nHost: Pay.example:443\r\n\r\n")

    assert answer.status == 421
    assert answer.get("mainstay-reason") == "misdirected"
    assert answer.get("connection") == "close"
    assert not origin.requests


@pytest.mark.parametrize(
    "host", ["shop.example", "SHOP.example:8443", "unknown.example", "127.0.0.1", "[::1]:1"]
)
async def test_a_request_for_any_other_host_is_passed_on(rig, ca, host):
    await rig.up(door={"terms": ca.terms("shop.example", "pay.example")})
    client = await secured(rig, ca.client())

    answer = await client.ask(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

    assert answer.status == 200


async def test_a_target_with_its_scheme_is_answered_on_connections_of_that_scheme(rig, ca, shop):
    origin = await rig.up(door={"terms": shop})
    client = await secured(rig, ca.client())

    answer = await client.ask(b"GET https://shop.example/a HTTP/1.1\r\nHost: shop.example\r\n\r\n")
    other = await client.ask(b"GET http://shop.example/a HTTP/1.1\r\nHost: shop.example\r\n\r\n")

    assert answer.status == 200
    assert origin.requests[0].target == b"/a"
    assert other.status == 421


# --- HTTP/1.1 over it ---


async def test_a_request_over_tls_is_passed_on_and_the_instance_is_told_so(rig, ca, shop):
    origin = await rig.up(door={"terms": shop})
    client = await secured(rig, ca.client())

    answer = await client.ask(rig.get("/", "X-Forwarded-Proto: http"))

    assert answer.body == b"ok"
    assert origin.requests[0].all("x-forwarded-proto") == ["https"]


async def test_a_connection_is_kept_for_further_requests(rig, ca, shop):
    origin = await rig.up(door={"terms": shop})
    client = await secured(rig, ca.client())

    answers = [await client.ask(rig.get(f"/{number}")) for number in range(20)]

    assert [answer.status for answer in answers] == [200] * 20
    assert origin.connections == 1


async def test_requests_that_come_together_are_answered_in_their_order(rig, ca, shop):
    origin = await rig.up(door={"terms": shop})
    origin.answer = lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + request.target[1:]
    client = await secured(rig, ca.client())

    client.send(b"".join(rig.get(f"/{number}") for number in range(10, 40)))

    assert [(await client.answer()).body for _ in range(30)] == [b"%d" % number for number in range(10, 40)]


@pytest.mark.parametrize("version", [V12, V13])
async def test_large_bodies_pass_both_ways(rig, ca, shop, version):
    origin = await rig.up(door={"terms": shop})
    origin.answer = lambda request: (
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(request.body) + request.body
    )
    client = await secured(rig, ca.client(version=version))

    answers = [await client.ask(rig.request("POST", "/", body=MANY)) for _ in range(3)]

    assert all(answer.body == MANY for answer in answers)


async def test_bodies_in_chunks_pass_both_ways(rig, ca, shop):
    origin = await rig.up(door={"terms": shop})
    origin.answer = lambda request: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
        % (len(request.body), request.body)
    )
    client = await secured(rig, ca.client())
    head = rig.request("POST", "/", "Transfer-Encoding: chunked")

    client.send(head)
    for _ in range(50):
        client.send(b"1388\r\n" + b"z" * 5000 + b"\r\n")
        await client.writer.drain()
    client.send(b"0\r\n\r\n")

    assert (await client.answer()).body == b"z" * 250_000


async def test_a_client_that_reads_slowly_holds_the_instance_back(rig, reach, ca, shop):
    origin = await rig.up(door={"terms": shop}, call={"attempt": 10.0, "request": 20.0})
    written = 0

    async def endless(request):
        nonlocal written
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(MANY) * 40))
        for _ in range(40):
            request.writer.write(MANY)
            await request.writer.drain()
            written += 1

    origin.answer = endless
    hand = await reach(ca.client())
    await hand.send(rig.get("/", "Connection: close"))

    await rig.until(lambda: any(client.stalled for client in rig.worker.clients))
    held = written
    data = await hand.all()

    assert held < 40
    assert len(data) > len(MANY) * 40


async def test_a_client_that_has_said_its_last_word_still_gets_its_answer(rig, reach, ca, shop):
    origin = await rig.up(door={"terms": shop})
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def late(request):
        asked.set()
        await go_on.wait()
        return b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate"

    origin.answer = late
    hand = await reach(ca.client())
    await hand.send(rig.get())
    hand.say_goodbye()
    await asked.wait()
    go_on.set()

    assert (await hand.all()).endswith(b"\r\n\r\nlate")


async def test_a_client_that_is_cut_in_the_middle_of_its_body_has_not_sent_it(rig, reach, ca, shop):
    origin = await rig.up(door={"terms": shop})
    hand = await reach(ca.client())
    await hand.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    await rig.until(lambda: origin.connections)

    hand.writer.write_eof()  # no close_notify

    await rig.until(lambda: not rig.worker.clients)
    assert not origin.requests
    assert rig.route.cancelled == 1


async def test_an_end_that_nobody_announced_is_the_end_of_the_client(rig, reach, ca, shop):
    origin = await rig.up(door={"terms": shop})
    never = asyncio.Event()
    origin.answer = lambda request: never.wait()
    hand = await reach(ca.client())
    await hand.send(rig.get())
    await rig.until(lambda: origin.requests)

    hand.writer.write_eof()

    await rig.until(lambda: not rig.worker.clients)
    assert rig.route.cancelled == 1


async def test_a_long_answer_whose_instance_dies_is_cut_without_a_goodbye(rig, reach, ca, shop):
    origin = await rig.up(door={"terms": shop})

    async def half(request):
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 100_000)
        await request.writer.drain()
        return rig.DROP

    origin.answer = half
    hand = await reach(ca.client())
    await hand.send(rig.get())

    with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
        await hand.all()


async def test_an_answer_to_http_1_0_ends_in_order(rig, reach, ca, shop):
    await rig.up(door={"terms": shop})
    hand = await reach(ca.client())

    await hand.send(b"GET / HTTP/1.0\r\nHost: shop.example\r\n\r\n")

    assert (await hand.all()).endswith(b"\r\n\r\nok")


async def test_a_refused_request_is_answered_although_more_of_it_comes(rig, reach, ca, shop):
    await rig.up(door={"terms": shop})
    hand = await reach(ca.client())

    await hand.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n" + b"y" * 100_000)

    answer = await hand.all()
    assert answer.startswith(b"HTTP/1.1 400")


async def test_a_client_that_leaves_in_the_middle_of_an_answer_is_let_go(rig, ca, shop):
    origin = await rig.up(door={"terms": shop})

    async def endless(request):
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            request.writer.write(MANY)
            await request.writer.drain()

    origin.answer = endless
    client = await secured(rig, ca.client())
    client.send(rig.get())
    await client.reader.readexactly(1000)

    client.abort()

    await rig.until(lambda: not rig.worker.clients)
    assert rig.route.cancelled == 1


async def test_bytes_that_were_changed_on_the_way_end_the_connection(rig, reach, ca, shop):
    origin = await rig.up(door={"terms": shop})
    hand = await reach(ca.client())
    await hand.send(rig.get())
    await hand.read()
    hand.session.write(rig.get("/again"))
    record = bytearray(hand.outgoing.read())
    record[-1] ^= 1

    hand.writer.write(record)

    with pytest.raises(ssl.SSLError, match=r"(?i)bad.record"):
        await hand.read()
    assert len(origin.requests) == 1


# --- browsers are told to use it alone ---


async def test_browsers_are_told_to_use_tls_alone_by_answers_of_instances_and_our_own(rig, ca, shop):
    origin = await rig.up(door={"terms": shop, "hsts": 600})
    client = await secured(rig, ca.client())

    passed = await client.ask(rig.get())
    origin.refuse()
    rig.rows = []
    rig.apply()
    ours = await client.ask(rig.get())

    assert ours.status == 503
    for answer in (passed, ours):
        assert answer.all("strict-transport-security") == ["max-age=600"]


async def test_an_instance_that_tells_browsers_itself_is_not_contradicted(rig, ca, shop):
    origin = await rig.up(door={"terms": shop, "hsts": 600})
    origin.answer = lambda _: (
        b"HTTP/1.1 200 OK\r\nstrict-transport-security: max-age=1; preload\r\nContent-Length: 0\r\n\r\n"
    )
    client = await secured(rig, ca.client())

    answer = await client.ask(rig.get())

    assert answer.all("strict-transport-security") == ["max-age=1; preload"]


async def test_browsers_are_told_nothing_without_tls(rig):
    await rig.up(door={"hsts": 600})

    answer = await rig.ask(rig.get())

    assert answer.get("strict-transport-security") is None


async def test_a_redirect_is_told_with_it(rig, ca, shop):
    door = {"terms": shop, "hsts": 600, "rules": [], "redirects": [Redirect(to="/new", path="/old")]}
    await rig.up(door=door)
    client = await secured(rig, ca.client())

    answer = await client.ask(rig.get("/old/a"))

    assert answer.get("location") == "/new/a"
    assert answer.all("strict-transport-security") == ["max-age=600"]


async def test_the_cookie_of_a_session_is_for_tls_alone(rig, ca, shop):
    await rig.up(door={"terms": shop}, sticky=StickySettings(by="session", name="s", secret="00" * 32))
    client = await secured(rig, ca.client())

    answer = await client.ask(rig.get())

    assert answer.get("set-cookie").endswith("; Secure")


# --- certificates change ---


async def test_new_connections_get_the_new_certificate_and_the_others_go_on(rig, ca):
    await rig.up(door={"terms": ca.terms(("shop.example", "old.example"))})
    before = await secured(rig, ca.client())
    await before.ask(rig.get())

    rig.door = {"terms": ca.terms(("shop.example", "new.example"))}
    rig.apply()
    after = await secured(rig, ca.client())

    assert names(after) == ["shop.example", "new.example"]
    assert names(before) == ["shop.example", "old.example"]
    assert [(await client.ask(rig.get())).status for client in (before, after)] == [200, 200]


async def test_terms_that_cannot_be_taken_leave_those_of_before(rig, ca, shop):
    await rig.up(door={"terms": shop})
    broken = ca.terms("shop.example").certificates[0]
    faults = []
    rig.loop.set_exception_handler(lambda _, context: faults.append(context))

    rig.door = {"terms": type(shop)(certificates=[type(broken)(**_fields(broken) | {"key": "no key"})])}
    rig.apply()

    assert [fault["message"] for fault in faults] == ["web goes on as it was"]
    assert (await (await secured(rig, ca.client())).ask(rig.get())).status == 200


def _fields(pair):
    return {name: getattr(pair, name) for name in pair.__slots__}


async def test_a_listener_can_begin_and_cease_to_speak_tls(rig, ca, shop):
    await rig.up()
    plain = await rig.client()
    await plain.ask(rig.get())

    rig.door = {"terms": shop}
    rig.apply()
    client = await secured(rig, ca.client())

    assert (await client.ask(rig.get())).status == 200
    assert (await plain.ask(rig.get())).status == 200
    rig.door = {"rules": [Rule(service="web")]}
    rig.apply()
    assert (await rig.ask(rig.get())).status == 200
    assert (await client.ask(rig.get())).status == 200


async def test_keys_of_sessions_are_made_anew(rig, ca, shop):
    await rig.up(door={"terms": shop})
    entrance = rig.worker.entrances["web"]
    before = entrance.certificates

    entrance.renew()

    assert entrance.certificates is not before
    assert (await (await secured(rig, ca.client())).ask(rig.get())).status == 200
