import pytest

from mainstay.gateway.http.hop import name_of

START = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = START + b"Transfer-Encoding: chunked\r\n\r\n"

REFUSED = {
    "length and chunks": (START + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunks and length": (START + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    "chunks in 1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (START + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    "listed lengths": (START + b"Content-Length: 5, 6\r\n\r\nhello", 400),
    "signed length": (START + b"Content-Length: +5\r\n\r\nhello", 400),
    "underscored length": (START + b"Content-Length: 0_5\r\n\r\nhello", 400),
    "hexadecimal length": (START + b"Content-Length: 0x5\r\n\r\nhello", 400),
    "empty length": (START + b"Content-Length: \r\n\r\nhello", 400),
    "spaced length": (START + b"Content-Length: 5 5\r\n\r\nhello", 400),
    "Arabic length": (START + b"Content-Length: \xd9\xa5\r\n\r\nhello", 400),
    "endless length": (START + b"Content-Length: 99999999999999999999999\r\n\r\nhello", 400),
    "length beyond what is safe": (START + b"Content-Length: 9999999999999999999\r\n\r\nhello", 400),
    "unknown coding": (START + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "chunked not last": (START + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
    "chunked twice": (START + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked on two lines": (START + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n", 400),
    "empty coding": (START + b"Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", 400),
    "xchunked": (START + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    "identity": (START + b"Transfer-Encoding: identity\r\n\r\n", 400),
    "quoted": (START + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n', 400),
    "vertical tab": (START + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    "form feed": (START + b"Transfer-Encoding: chunked\x0c\r\n\r\n0\r\n\r\n", 400),
    "size with 0x": (CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n", 400),
    "size with sign": (CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n", 400),
    "size with space": (CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n", 400),
    "empty size": (CHUNKED + b"\r\nhello\r\n0\r\n\r\n", 400),
    "endless size": (CHUNKED + b"fffffffffffffffff\r\nhello", 400),
    "LF after size": (CHUNKED + b"5\nhello\r\n0\r\n\r\n", 400),
    "CR after size": (CHUNKED + b"5\rhello\r\n0\r\n\r\n", 400),
    "LF after data": (CHUNKED + b"5\r\nhello\n0\r\n\r\n", 400),
    "no end of data": (CHUNKED + b"5\r\nhello0\r\n\r\n", 400),
    "more data than size": (CHUNKED + b"5\r\nhello!!\r\n0\r\n\r\n", 400),
    "LF in extension": (CHUNKED + b"5;a\nb\r\nhello\r\n0\r\n\r\n", 400),
    "CR in extension": (CHUNKED + b"5;a\rb\r\nhello\r\n0\r\n\r\n", 400),
    "folded header": (START + b"X: a\r\n b\r\n\r\n", 400),
    "space before colon": (START + b"Content-Length : 5\r\n\r\nhello", 400),
    "space before first header": (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    "bare CR": (START + b"X: a\rb\r\n\r\n", 400),
    "bare LF": (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    "NUL": (START + b"X: a\x00b\r\n\r\n", 400),
    "name of no token": (START + b"X\x80: a\r\n\r\n", 400),
    "name with a space": (START + b"X Y: a\r\n\r\n", 400),
    "no name": (START + b": a\r\n\r\n", 400),
    "no colon": (START + b"X\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    "empty host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "host with a path": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "host with a user": (b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    "host with a space": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "host with a letter for a port": (b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
    "absolute with a user": (b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "absolute without a host": (b"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "absolute with a broken Host": (b"GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "absolute and no Host": (b"GET http://a/ HTTP/1.1\r\n\r\n", 400),
    "another scheme": (b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "authority": (b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "asterisk": (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "fragment": (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "space in the target": (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "space after the version": (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    "control in the target": (b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "connect": (b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    "trace": (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    "unknown method": (b"FETCH / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    "small letters": (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    "HTTP/3.0": (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
    "the start of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_it_is_refused_and_nothing_after_it_is_carried_out(rig, name):
    sent, status = REFUSED[name]
    origin = await rig.up()
    client = await rig.client()

    client.send(sent + rig.get("/smuggled"))
    answer = await client.answer()

    assert answer.status == status
    assert answer.get("connection") == "close"
    assert await client.rest() == b""
    assert b"/smuggled" not in {request.target for request in origin.requests}
    assert rig.route.counted()["requests"] == 0
    assert rig.route.counted()["refused"] == 1


ACCEPTED = {
    "white space around values": b"POST / HTTP/1.1\r\nHost:\t a \r\nContent-Length:  5 \r\n\r\nhello",
    "empty lines before": b"\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "chunks with leading zeros": CHUNKED + b"0005;a=b\r\nhello\r\n000\r\n\r\n",
    "a trailer": CHUNKED + b"5\r\nhello\r\n0\r\nAuthorization: x\r\nHost: b\r\n\r\n",
    "chunked with space after it": START + b"Transfer-Encoding: chunked \r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "chunked in capitals": START + b"Transfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "absolute target": b"POST http://a/ HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n\r\nhello",
    "absolute target in 1.0": b"POST http://a/ HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
}


@pytest.mark.parametrize("name", ACCEPTED)
async def test_it_is_understood_as_it_was_meant(rig, name):
    origin = await rig.up()

    answer = await rig.ask(ACCEPTED[name])

    assert answer.status == 200
    (request,) = origin.requests
    assert request.body == b"hello"
    assert request.target == b"/"
    assert request.all("host") == ["a"]
    assert len(request.all("content-length") + request.all("transfer-encoding")) == 1


async def test_what_belongs_to_one_connection_is_not_passed_on(rig):
    origin = await rig.up()
    origin.answer = lambda r: (
        b"HTTP/1.1 200 OK\r\nConnection: X-Secret, keep-alive\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\n"
        b"Upgrade: h2\r\nProxy-Connection: x\r\nTrailer: x\r\nX-Kept: yes\r\nContent-Length: 2\r\n\r\nok"
    )

    answer = await rig.ask(
        rig.get(
            "/?q=1",
            "Connection: x-private, X-Forwarded-For, close",
            "X-Private: 1",
            "Keep-Alive: 5",
            "Proxy-Connection: x",
            "TE: trailers",
            "Trailer: x",
            "X-Forwarded-For: 9.9.9.9",
            "X-Forwarded-Proto: https",
            "Forwarded: for=9.9.9.9",
            "X-Real-IP: 9.9.9.9",
            "Via: 1.1 before",
            "X-Kept: yes",
        )
    )

    (request,) = origin.requests
    for gone in ("connection", "x-private", "keep-alive", "proxy-connection", "te", "trailer", "forwarded"):
        assert request.get(gone) is None
    assert request.get("x-real-ip") is None
    assert request.all("x-forwarded-for") == ["127.0.0.1"]
    assert request.all("x-forwarded-proto") == ["http"]
    assert request.all("x-forwarded-host") == ["example.test"]
    assert request.all("via") == ["1.1 before", f"1.1 {name_of(rig.listener).decode()}"]
    assert request.get("x-kept") == answer.get("x-kept") == "yes"
    assert request.target == b"/?q=1"
    for gone in ("x-secret", "keep-alive", "upgrade", "proxy-connection", "trailer"):
        assert answer.get(gone) is None
    assert answer.get("connection") == "close"
    assert answer.get("date") is not None


async def test_the_target_is_passed_on_byte_by_byte(rig):
    origin = await rig.up()
    target = "//a/../b;c=%2f%00?x=%zz&y=[]|"

    answer = await rig.ask(rig.get(target))

    assert answer.status == 200
    assert origin.requests[0].target == target.encode()


async def test_an_options_request_for_the_whole_server_passes(rig):
    origin = await rig.up()

    first = await rig.ask(rig.request("OPTIONS", "*"))
    second = await rig.ask(rig.request("OPTIONS", "http://example.test"))

    assert (first.status, second.status) == (200, 200)
    assert [r.target for r in origin.requests] == [b"*", b"*"]


async def test_a_date_of_the_instance_is_kept(rig):
    origin = await rig.up()
    date = "Tue, 01 Jan 2030 00:00:00 GMT"
    origin.answer = lambda r: f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: 2\r\n\r\nok".encode()

    answer = await rig.ask(rig.get())

    assert answer.all("date") == [date]


async def test_a_truncated_upload_is_never_passed_on_as_whole(rig):
    origin = await rig.up()
    client = await rig.client()

    client.send(CHUNKED + b"5\r\nhello\r\n")
    await rig.until(lambda: origin.connections)
    client.close()
    await rig.until(lambda: not rig.worker.clients)
    await rig.until(lambda: not origin.open)

    assert origin.requests == []
