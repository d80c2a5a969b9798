import pytest
from hypothesis import given
from hypothesis import strategies as st

from attributes import slots
from mainstay.gateway.http.grammar import NONE
from mainstay.gateway.http.request import Request, forwarded_for, may_begin


def request(*headers, method=b"GET", target=b"/", http11=True):
    made = Request(method, target, http11=http11)
    made.judge([(b"Host", b"a"), *headers], forwarded_for(b"1.2.3.4"))
    return made


def test_a_head_is_written_in_one_way():
    head = request((b"X-A", b"b"), (b"Content-Length", b"5"), method=b"POST", target=b"/x?y").head()

    assert head == (
        b"POST /x?y HTTP/1.1\r\nHost: a\r\nX-A: b\r\nVia: 1.1 mainstay\r\nX-Forwarded-For: 1.2.3.4\r\n"
        b"X-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\nContent-Length: 5\r\n\r\n"
    )


@pytest.mark.parametrize(
    "headers",
    [
        [(b"Content-Length", b"5"), (b"Content-Length", b"5")],
        [(b"Content-Length", b"5"), (b"Transfer-Encoding", b"chunked")],
        [(b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"5")],
        [(b"Transfer-Encoding", b"chunked"), (b"Transfer-Encoding", b"chunked")],
        [(b"Content-Length", b"\x0c5")],
        [(b"Content-Length", b"5\r")],
        [(b"Transfer-Encoding", b"chunked\x0b")],
        [(b"Transfer-Encoding", b"\nchunked")],
    ],
)
def test_a_length_in_doubt_is_refused_by_us_whatever_the_parser_would_let_pass(headers):
    assert request(*headers).fault == "bad_request"


def test_thousands_of_listed_names_cost_one_look_at_each_header():
    listed = b",".join(b"x-%d" % n for n in range(5000))

    made = request((b"Connection", listed), (b"X-7", b"gone"), (b"X-Kept", b"yes"))

    assert b"X-7" not in made.head()
    assert b"X-Kept: yes" in made.head()


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"])
def test_what_may_be_repeated_is_known_by_its_method(method):
    assert Request(method, b"/", http11=True).idempotent


@pytest.mark.parametrize("method", [b"POST", b"PATCH", b"PROPFIND", b"get"])
def test_what_may_not_be_repeated_too(method):
    assert not Request(method, b"/", http11=True).idempotent


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"Connection", b"Content-Length", b"Transfer-Encoding", b"Host", b"X"]),
            st.binary(max_size=12).filter(lambda value: b"\n" not in value and b"\r" not in value),
        )
    )
)
def test_whatever_comes_it_is_refused_or_has_one_length(headers):
    made = request(*headers)

    if made.fault is None:
        lines = made.head().lower().split(b"\r\n")
        framing = [x for x in lines if x.startswith((b"content-length:", b"transfer-encoding:"))]
        assert len(framing) == (made.length != NONE)
        assert sum(x.startswith(b"host:") for x in lines) == 1


@pytest.mark.parametrize(
    "headers",
    [
        [(b"Idempotency-Key", b"")],
        [(b"Idempotency-Key", b" \t")],
        [(b"Idempotency-Key", b"k1"), (b"Connection", b"Idempotency-Key")],
        [(b"Connection", b"close, idempotency-key"), (b"IDEMPOTENCY-KEY", b"k1")],
    ],
)
def test_a_key_that_the_instance_does_not_get_is_none(headers):
    assert not request(*headers, method=b"POST").keyed


def test_a_key_is_known_and_passed_on():
    made = request((b"Idempotency-Key", b'"k1"'), method=b"POST")

    assert made.keyed
    assert b'Idempotency-Key: "k1"\r\n' in made.head()


@pytest.mark.parametrize(
    "name", [b"X_Forwarded_For", b"x-forwarded_for", b"Content_Length", b"TRANSFER_ENCODING"]
)
def test_a_name_that_cgi_would_take_for_one_of_ours_is_dropped(name):
    for _ in range(2):
        assert name.lower() not in request((name, b"5")).head().lower()
    assert b"x_plain: 1" in request((b"x_plain", b"1")).head()


@pytest.mark.parametrize(
    ("raw", "may"),
    [
        (b"G", True),
        (b"GET", True),
        (b"GET /x", True),
        (b"GET / HTTP/1.1\r\nHo", True),
        (b"GET / HTTP/2.0\r\n", True),
        (b"GET /\r\n", False),
        (b"\x16\x03\x01", False),
        (b" GET", False),
        (b"G\x00", False),
        (b"{", False),
        (b"nonsense\r\n", False),
    ],
)
def test_what_is_not_even_the_beginning_of_a_request_is_known(raw, may):
    assert may_begin(raw) is may


@pytest.mark.parametrize(
    ("http11", "values", "stays"),
    [
        (True, [], True),
        (True, [b"Keep-Alive"], True),
        (True, [b"close"], False),
        (True, [b"x, CLOSE"], False),
        (True, [b"close", b"keep-alive"], False),
        (True, [b"close", b"x"], False),
        (False, [], False),
        (False, [b"keep-alive"], True),
        (False, [b"x, Keep-Alive"], True),
        (False, [b"keep-alive", b"close"], False),
        (False, [b"close", b"keep-alive"], False),
    ],
)
def test_how_long_a_client_stays_is_told_by_connection_alone(http11, values, stays):
    made = request((b"Proxy-Connection", b"close"), *[(b"Connection", one) for one in values], http11=http11)

    assert made.keep_alive is stays


FORWARDED = forwarded_for(b"1.2.3.4")
FIELDS = b"Host: a\r\nAccept: text/html\r\nIdempotency-Key: k\r\nX-A: b\r\nConnection: close\r\n\r\n"


def read(line, fields=FIELDS, model=None):
    return Request.read(line + b"\r\n" + fields, 100, FORWARDED, model=model)


@pytest.mark.parametrize("line", [b"GET /x HTTP/1.1", b"POST /y?z HTTP/1.1", b"DELETE / HTTP/1.1"])
def test_a_request_that_says_the_same_again_is_what_it_would_be_alone(line):
    alone = read(line)

    again = read(line, model=read(b"PUT /before HTTP/1.1"))

    assert "method" in slots(Request)
    for name in slots(Request):
        assert getattr(again, name) == getattr(alone, name), name
    assert again.body is not alone.body


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"GET /x HTTP/1.0", None),
        (b"GET http://b/ HTTP/1.1", None),
        (b"GET https://b/ HTTP/1.1", "misdirected"),
        (b"OPTIONS * HTTP/1.1", None),
        (b"OPTIONS /x HTTP/1.1", None),
        (b"FETCH /x HTTP/1.1", "method"),
        (b"GET /x HTTP/2.0", "version"),
        (b"GET x HTTP/1.1", "bad_request"),
    ],
)
def test_what_depends_on_the_first_line_is_judged_anew(line, fault):
    again = read(line, model=read(b"GET / HTTP/1.1"))

    assert again.fault == fault
    assert again.head() == read(line).head()


def test_what_one_request_got_of_a_rule_is_not_the_next_one_s():
    model = read(b"GET /a/x HTTP/1.1")
    model.retarget(b"/x", b"X-Forwarded-Prefix: /a")

    again = read(b"GET /b HTTP/1.1", model=model)

    assert model.head().startswith(b"GET /x HTTP/1.1\r\n")
    assert b"X-Forwarded-Prefix" in model.head()
    assert again.head() == read(b"GET /b HTTP/1.1").head()


@pytest.mark.parametrize(
    "fields",
    [
        b"Host: a\r\nContent-Length: 5\r\n\r\n",
        b"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"Host: a\r\nExpect: 100-continue\r\n\r\n",
        b"X: y\r\n\r\n",
    ],
)
def test_only_what_is_whole_and_sound_is_a_model(fields):
    assert read(b"POST / HTTP/1.1", fields).block == b""
