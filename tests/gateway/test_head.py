import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.gateway.head import CHUNKED, NONE, Request, Response, forwarded_for, length, tokens


def request(*headers, method=b"GET", target=b"/", http11=True):
    made = Request(method, target, http11=http11, keep_alive=True)
    made.read([(b"Host", b"a"), *headers], forwarded_for(b"1.2.3.4"))
    return made


@given(st.binary(max_size=25))
def test_a_length_is_digits_or_nothing(value):
    plain = 0 < len(value) <= 18 and all(48 <= byte <= 57 for byte in value)

    if plain:
        assert length(value) == int(value)
    else:
        with pytest.raises(ValueError, match=r"^$"):
            length(value)


def test_tokens_are_compared_in_small_letters_without_white_space():
    assert tokens(b"Close ,\tX-A,,") == [b"close", b"x-a", b"", b""]


def test_a_head_is_written_in_one_way():
    head = request((b"X-A", b"b"), (b"Content-Length", b"5"), method=b"POST", target=b"/x?y").head()

    assert head == (
        b"POST /x?y HTTP/1.1\r\nHost: a\r\nX-A: b\r\nVia: 1.1 mainstay\r\nX-Forwarded-For: 1.2.3.4\r\n"
        b"X-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\nContent-Length: 5\r\n\r\n"
    )


def test_thousands_of_listed_names_cost_one_look_at_each_header():
    listed = b",".join(b"x-%d" % n for n in range(5000))

    made = request((b"Connection", listed), (b"X-7", b"gone"), (b"X-Kept", b"yes"))

    assert b"X-7" not in made.head()
    assert b"X-Kept: yes" in made.head()


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"])
def test_what_may_be_repeated_is_known_by_its_method(method):
    assert Request(method, b"/", http11=True, keep_alive=True).idempotent


@pytest.mark.parametrize("method", [b"POST", b"PATCH", b"PROPFIND", b"get"])
def test_what_may_not_be_repeated_too(method):
    assert not Request(method, b"/", http11=True, keep_alive=True).idempotent


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


def response(*headers, status=200, bodiless=False):
    made = Response(status, b"OK")
    made.read(headers, b"Date: now", bodiless=bodiless)
    return made


def test_an_answer_has_one_length_of_ours():
    assert response((b"Content-Length", b"5 ")).lines == [b"Date: now", b"Content-Length: 5"]
    assert response((b"Transfer-Encoding", b"chunked")).length == CHUNKED
    assert response().length == NONE
    assert response((b"Content-Length", b"x")).fault
    assert response((b"Content-Length", b"5"), (b"Content-Length", b"6")).fault
    assert response((b"Transfer-Encoding", b"chunked"), (b"Transfer-Encoding", b"chunked")).fault


@pytest.mark.parametrize(("value", "seconds"), [(b"5", 5.0), (b"5 ", 5.0), (b"soon", None), (b"", None)])
def test_retry_after_is_read_when_it_is_a_number(value, seconds):
    assert response((b"Retry-After", value)).seconds_to_wait() == seconds


@pytest.mark.parametrize(
    ("value", "seconds"), [(b"timeout=5, max=10", 5.0), (b"max=1", None), (b"timeout=x", None)]
)
def test_how_long_an_instance_keeps_a_connection_is_read(value, seconds):
    assert response((b"Keep-Alive", value)).keep_for == seconds


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
