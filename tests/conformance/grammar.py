"""Bytes to be misunderstood: the cases' own, others put together from pieces, and what mutation makes of them."""

from itertools import pairwise

from hypothesis import strategies as st

from conformance.laws import END, KEEP
from conformance.letter import Answer, Seen
from conformance.table import cases, wire_bytes

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

TOKENS = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b" ", b"\t", b"\0", b"\v", b"\f", b"\x85", b"\xa0", b":", b",", b";", b"#",
    b"0", b"00", b"5", b"a", b"F", b"0x5", b"+5", b"-0", b"5_0", b"5 ", b" 5", b"ffffffffffffffff", b"10000000000000005",
    b"18446744073709551616", b"99999999999999999999", b"\xd9\xa5", b";a", b";a=b", b';a="b"', b';a="\r\n"', b";\n",
    b"0\r\n\r\n", b"5\r\nhello\r\n", b"0\r\nX: y\r\n\r\n", b"0\r\nContent-Length: 5\r\n\r\n",
    b"Content-Length: ", b"content-length:", b"Content-Length : 5\r\n", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n",
    b"Content_Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"transfer-encoding:chunked\r\n", b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding:\r\n chunked\r\n", b"Transfer_Encoding: chunked\r\n", b"Transfer-Encoding : chunked\r\n", b"chunked", b"gzip, ",
    b"Host: a\r\n", b"Host: b\r\n", b"Host:\r\n", b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Connection: Content-Length\r\n",
    b"Connection: Transfer-Encoding\r\n", b"Connection: upgrade\r\nUpgrade: x\r\n", b"Expect: 100-continue\r\n", b"Trailer: x\r\n",
    b"TE: trailers\r\n", b"Via: 1.1 x\r\n", b"Max-Forwards: 1\r\n", b"X: y\r\n", b"X: y\r\n z\r\n", b" X: y\r\n", b": x\r\n", b"X\r\n",
    b"GET ", b"POST ", b"HEAD ", b"OPTIONS ", b"CONNECT ", b"PRI ", b"/", b"*", b"http://b/", b"http://b", b"//b/", b" HTTP/1.1\r\n",
    b" HTTP/1.0\r\n", b" HTTP/1.1", b" HTTP/2.0\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 204 X\r\n",
    b"HTTP/1.1 304 X\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 103 X\r\n\r\n", b"HTTP/1.1 101 X\r\n", b"HTTP/1.1 500 X\r\n", SMUGGLED,
)  # fmt: skip
"""What framing hangs on, in good shapes and bad."""


def requests():
    """Give what clients send in the cases."""
    found = []
    for case in cases().values():
        pieces = case["send"] if isinstance(case["send"], list) else [case["send"]]
        found.append(b"".join(wire_bytes(piece) for piece in pieces))
    return list(dict.fromkeys(found))


def answers():
    """Give what instances answer in the cases."""
    found = []
    for case in cases().values():
        for answer in case.get("origin") or ():
            pieces = answer if isinstance(answer, (str, list)) else answer.get("send", "")
            pieces = pieces if isinstance(pieces, list) else [pieces]
            found.append(b"".join(wire_bytes(piece) for piece in pieces))
    return list(dict.fromkeys(found))


def mutated(dice, data, others):
    """Change some bytes: `dice` says where, and how."""
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 5))):
        at = dice.randrange(len(data) + 1)
        to = min(len(data), at + dice.choice((1, 1, 1, 2, 4, 8, 30)))
        token, other = dice.choice(TOKENS), dice.choice(others)
        way = dice.randrange(9)
        if way == 0:
            data = data[:at] + data[to:]
        elif way == 1:
            data = data[:to] + data[at:]
        elif way == 2:
            data = data[:at] + token + data[at:]
        elif way == 3:
            data = data[:at] + token + data[to:]
        elif way == 4:
            data = data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]
        elif way == 5:
            data = data + other
        elif way == 6:
            data = data[:at] + other[dice.randrange(len(other) + 1) :]
        elif way == 7:
            line = data.rfind(b"\n", 0, at) + 1
            data = data[:line] + token + data[line:]
        else:
            data = data.replace(*dice.choice(_SWAPS), 1)
    return data[:4096]


_SWAPS = (
    (b"\r\n", b"\n"), (b"\r\n", b"\r"), (b": ", b":"), (b": ", b" : "), (b": ", b":\t"), (b": ", b":\r\n "), (b"HTTP/1.1", b"HTTP/1.0"),
    (b"chunked", b"Chunked"), (b"chunked", b"xchunked"), (b"chunked", b"chunked, chunked"), (b"5", b"6"), (b"5", b"4"), (b"5", b"05"),
    (b"Content-Length", b"Transfer-Encoding"), (b"hello", b""), (b"hello", SMUGGLED), (b"a", b"b"), (b"GET", b"HEAD"), (b"POST", b"GET"),
)  # fmt: skip


def _mostly(good, *bad):
    """Give something good three times out of four."""
    return st.one_of(st.just(good), st.just(good), st.just(good), st.sampled_from(bad))


_CRLF = _mostly(b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b" \r\n", b"\0\r\n")
_METHOD = _mostly(
    b"POST", b"GET", b"HEAD", b"PUT", b"OPTIONS", b"DELETE", b"post", b"PRI", b"G\0T", b"CONNECT"
)
_TARGET = _mostly(
    b"/a",
    b"/",
    b"/a?b=c",
    b"*",
    b"http://a/x",
    b"http://b",
    b"//b",
    b"/a b",
    b"/\x80",
    b"a",
    b"/a#b",
    b"http:/a",
    b"/%0d%0a",
)
_VERSION = _mostly(
    b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ", b"HTTP/01.1", b"HTTP/1,1"
)
_COLON = _mostly(b": ", b":", b" : ", b":\t", b"\t:", b":\r\n ", b"::", b" ")
_DIGITS = st.one_of(
    st.sampled_from([b"5", b"5", b"0", b"05", b"4", b"6", b"36", b"00000005"]),
    st.sampled_from(
        [
            b"+5",
            b"-5",
            b"5 5",
            b"5,5",
            b"5, 6",
            b"0x5",
            b"5_0",
            b"",
            b"\xb2",
            b"18446744073709551621",
            b"5\0",
            b"5\v",
        ]
    ),
)
_CODINGS = _mostly(
    b"chunked",
    b"Chunked",
    b"chunked, chunked",
    b"gzip, chunked",
    b"identity",
    b"xchunked",
    b"chunked\x0b",
    b",chunked",
    b"",
    b"chunked ;a",
)
_FRAMING = st.one_of(
    st.builds(lambda c, d: [(b"Content-Length", c, d)], _COLON, _DIGITS),
    st.builds(lambda c, d: [(b"Transfer-Encoding", c, d)], _COLON, _CODINGS),
    st.builds(
        lambda c, d, e: [(b"Content-Length", c, d), (b"content-length", c, e)], _COLON, _DIGITS, _DIGITS
    ),
    st.builds(
        lambda c, d, e: [(b"Transfer-Encoding", c, d), (b"Content-Length", c, e)], _COLON, _CODINGS, _DIGITS
    ),
    st.builds(
        lambda c, d, e: [(b"TRANSFER-ENCODING", c, d), (b"Transfer-Encoding", c, e)],
        _COLON,
        _CODINGS,
        _CODINGS,
    ),
    st.just([]),
)
_FIELDS = st.lists(
    st.sampled_from([
        (b"X", b": ", b"y"), (b"X-A", b":", b"b c"), (b"Connection", b": ", b"close"), (b"Connection", b": ", b"keep-alive"),
        (b"Connection", b": ", b"transfer-encoding"), (b"Connection", b": ", b"content-length, host"), (b"Expect", b": ", b"100-continue"),
        (b"Upgrade", b": ", b"websocket"), (b"Connection", b": ", b"Upgrade"), (b"Host", b": ", b"b"), (b"X_A", b": ", b"b"), (b"X", b": ", b"\x80\xff"),
        (b"X", b": ", b"a\x01"), (b"X\x00", b": ", b"a"), (b"", b": ", b"a"), (b" X", b": ", b"a"), (b"X", b": ", b""), (b"Trailer", b": ", b"x"),
        (b"Content-Type", b": ", b"text/plain"), (b"Max-Forwards", b": ", b"3"), (b"Cookie", b": ", b"a=b"), (b"Cookie", b": ", b"c=d"),
    ]),
    max_size=3,
)  # fmt: skip
_SIZE = _mostly(
    b"5",
    b"05",
    b"0x5",
    b"+5",
    b"5 ",
    b" 5",
    b"5;a",
    b"5;a=b",
    b'5;a="\n"',
    b"5;",
    b"",
    b"g",
    b"4",
    b"6",
    b"fffffffffffffffff5",
    b"5\0",
)
_CHUNK = st.builds(
    lambda size, a, data, b: size + a + data + b,
    _SIZE,
    _CRLF,
    _mostly(b"hello", b"hell", b"hello!", b"\r\nabc"),
    _CRLF,
)
_LAST = _mostly(
    b"0\r\n\r\n",
    b"0\r\nX: y\r\n\r\n",
    b"0\r\n",
    b"0\r\nX\r\n\r\n",
    b"0\n\n",
    b"00\r\n\r\n",
    b"0;a\r\n\r\n",
    b"-0\r\n\r\n",
    b"0\r\n\r",
    b"0\r\nHost: b\r\n\r\n",
    b"",
)
_CHUNKS = st.builds(lambda chunks, last: b"".join(chunks) + last, st.lists(_CHUNK, max_size=3), _LAST)
_BODY = st.one_of(
    _CHUNKS,
    _CHUNKS,
    st.sampled_from([b"hello", b"hell", b"", SMUGGLED, b"0\r\n\r\n" + SMUGGLED, b"5\r\n" + SMUGGLED]),
)


def _message(first, crlf, framing, fields, after, body):  # noqa: PLR0913, PLR0917 - the parts of a message
    lines = [*fields[:1], *framing, *fields[1:]] if after else [*framing, *fields]
    return (
        first + b"\r\n" + b"".join(name + colon + value + crlf for name, colon, value in lines) + crlf + body
    )


_REQUEST = st.builds(
    lambda method, target, version, crlf, framing, fields, after, body: _message(
        method + b" " + target + b" " + version + b"\r\nHost: a", crlf, framing, fields, after, body
    ),
    _METHOD, _TARGET, _VERSION, _CRLF, _FRAMING, _FIELDS, st.booleans(), _BODY,
)  # fmt: skip
REQUESTS = st.builds(
    lambda ones, last: b"".join(ones) + last,
    st.lists(_REQUEST, min_size=1, max_size=3),
    st.sampled_from([b"", SMUGGLED]),
)
"""What a client might send that wants to be misunderstood."""

_STATUS = _mostly(
    b"HTTP/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.0 200 OK", b"HTTP/1.1 204 X", b"HTTP/1.1 304 X", b"HTTP/1.1 500 X",
    b"HTTP/1.1 404 X", b"HTTP/1.1 101 X", b"HTTP/1.1 0200 OK", b"HTTP/1.1 20 OK", b"HTTP/2.0 200 OK", b"http/1.1 200 OK", b"HTTP/1.1  200 OK",
    b"HTTP/1.1 200 \0", b" HTTP/1.1 200 OK", b"\r\nHTTP/1.1 200 OK", b"ICY 200 OK", b"HTTP/1.1 2e2 OK", b"HTTP/1.1 600 X",
)  # fmt: skip
_INTERIM = st.sampled_from(
    [
        b"",
        b"",
        b"",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 X\r\nLink: y\r\n\r\n",
        b"HTTP/1.1 103 X\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.0 100 X\r\n\r\n",
    ]
)
ANSWERS = st.builds(
    lambda interim, status, crlf, framing, fields, after, body, more: interim
    + _message(status, crlf, framing, fields, after, body)
    + more,
    _INTERIM, _STATUS, _CRLF, _FRAMING, _FIELDS, st.booleans(), _BODY,
    st.sampled_from([b"", b"", b"", b"\r\n", b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"]),
)  # fmt: skip
"""What an instance might answer that wants to be misunderstood."""


# --- what is plainly valid, and so must be accepted ---

_PLAIN_FIELDS = st.lists(
    st.tuples(
        st.sampled_from(["x-plain", "x-plain-a", "x-plain-b9"]),
        st.sampled_from([b"y", b"a b", b'a, b; c="d"', b"\xe9\x85\xa0", b"", b"a:b", b"%00", b"(x)\t<y>"]),
    ),
    max_size=4,
)  # fmt: skip
_BODIES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([SMUGGLED, b"0\r\n\r\n", b"\r\n\r\n", b"5\r\nhello\r\n", b"\r", b"\n" * 9]),
)
_EXTENSIONS = st.sampled_from([b"", b"", b";a", b";a=b", b';a="b c"'])
_TRAILERS = st.sampled_from([b"", b"", b"X-T: 1\r\n", b"X-T: 1\r\nX-U:\r\n"])


@st.composite
def _in_chunks(draw, body):
    wire = b""
    while body:
        count = draw(st.integers(1, len(body)))
        size = draw(st.sampled_from([b"%x", b"%X", b"0%x", b"000%x"])) % count
        wire += size + draw(_EXTENSIONS) + b"\r\n" + body[:count] + b"\r\n"
        body = body[count:]
    return (
        wire + draw(st.sampled_from([b"0", b"00"])) + draw(_EXTENSIONS) + b"\r\n" + draw(_TRAILERS) + b"\r\n"
    )


def _lines(fields, space):
    return b"".join(b"%b:%b%b\r\n" % (name.encode(), space, value) for name, value in fields)


@st.composite
def plain_request(draw):
    """Give a request as it is written, and as it is meant."""
    method = draw(
        st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"HEAD", b"OPTIONS", b"PROPFIND"])
    )
    target = draw(
        st.sampled_from([b"/", b"/a/b?c=d&e", b"/%2f..//", b"/a;b=c,d", b"/?", b"/~a!$'()*+", b"/a?b/c?d"])
    )
    host = draw(st.sampled_from([b"a", b"a.example:8080", b"127.0.0.1", b"[::1]:80", b"xn--a_b"]))
    fields, space = draw(_PLAIN_FIELDS), draw(st.sampled_from([b" ", b"", b"\t", b"  "]))
    framing = draw(st.sampled_from(["none", "length", "chunks"]))
    body = b"" if framing == "none" else draw(_BODIES)
    lines, wire = b"", body
    if framing == "length":
        lines = draw(
            st.sampled_from(
                [b"Content-Length: %d\r\n", b"content-length:%d\r\n", b"Content-Length: 000%d\r\n"]
            )
        ) % len(body)
    elif framing == "chunks":
        lines = draw(st.sampled_from([b"Transfer-Encoding: chunked\r\n", b"transfer-encoding:Chunked\r\n"]))
        wire = draw(_in_chunks(body))
    before = draw(st.sampled_from([b"", b"", b"", b"\r\n"]))
    parts = [b"Host: %b\r\n" % host, lines, _lines(fields, space)]
    head = b"%b %b HTTP/1.1\r\n%b\r\n" % (method, target, b"".join(draw(st.permutations(parts))))
    return before + head + wire, Seen(method, target, host, body, tuple(fields))


@st.composite
def plain_answer(draw):
    """Give an answer as it is written, as it is meant, and what the instance does then."""
    status = draw(st.sampled_from([200, 201, 299, 301, 404, 429, 204, 304]))
    phrase = draw(st.sampled_from([b" OK", b" ", b"", b" Tr\xe8s bien"]))
    fields, space = draw(_PLAIN_FIELDS), draw(st.sampled_from([b" ", b"", b"\t"]))
    framing = draw(st.sampled_from(["length", "chunks", "end"])) if status not in (204, 304) else "none"
    body = draw(_BODIES) if framing != "none" else b""
    lines, wire, version, then = b"", body, 1, draw(st.sampled_from([KEEP, END]))
    if framing == "length":
        lines, version = b"Content-Length: %d\r\n" % len(body), draw(st.sampled_from([0, 1]))
    elif framing == "chunks":
        lines, wire = b"Transfer-Encoding: chunked\r\n", draw(_in_chunks(body))
    elif framing == "end":
        version, then = draw(st.sampled_from([0, 1])), END
    interim = draw(
        st.sampled_from([b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 X\r\nLink: y\r\n\r\n"])
    )
    parts = draw(st.permutations([lines, _lines(fields, space)]))
    head = b"HTTP/1.%d %d%b\r\n%b\r\n" % (version, status, phrase, b"".join(parts))
    return interim + head + wire, Answer(status, body, tuple(fields)), then


def edge(dice, data):
    """Give a place to cut at: mostly where lines end, which is where it matters."""
    if dice.randrange(4):
        return data.find(b"\n", dice.randrange(len(data) + 1)) + dice.choice((-1, 0, 0, 1, 1, 2))
    return dice.randrange(len(data) + 1)


def single(data, most=300):
    """Cut so many bytes into pieces of one."""
    return [*(data[at : at + 1] for at in range(min(len(data), most))), data[most:]]


def pieces(data, cuts):
    """Cut bytes at so many places."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[one:other] for one, other in pairwise(places)]
