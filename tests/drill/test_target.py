import socket

import pytest

from mainstay.base.errors import EnvironmentProblem, SpecError
from mainstay.drill.target import Target, openings, order, target


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8080", Target("127.0.0.1", 8080, "127.0.0.1")),
        ("http://127.0.0.1:8080/", Target("127.0.0.1", 8080, "127.0.0.1")),
        ("http://127.0.0.1", Target("127.0.0.1", 80, "127.0.0.1")),
        ("http://[::1]:8080", Target("::1", 8080, "::1")),
    ],
)
def test_a_url_tells_where_to_connect(url, expected):
    assert target(url) == expected


def test_an_ipv6_address_is_written_in_brackets():
    assert target("http://[::1]:8080").url == "http://[::1]:8080"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8080",
        "https://127.0.0.1",
        "http://",
        "http://127.0.0.1/path",
        "http://127.0.0.1?q",
        "http://me@127.0.0.1",
        "http://127.0.0.1:99999",
        "http://[::1",
    ],
)
def test_what_is_not_such_a_url_is_refused(url):
    with pytest.raises(SpecError, match=r"^url "):
        target(url)


def test_a_name_that_is_not_known_is_the_machines_problem(monkeypatch):
    def unknown(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    with pytest.raises(EnvironmentProblem, match=r"host 'nowhere' of http://nowhere:8080 is not known"):
        target("http://nowhere:8080")


def test_an_order_has_its_id_in_head_and_body():
    request = order(openings("h:1")[True, False], "r-17", keyed=False)

    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /orders HTTP/1.1\r\nHost: h:1\r\n")
    assert b"\r\nX-Order-Id: r-17" in head
    assert b"\r\nContent-Length: 13\r\n" in head
    assert body == b'{"id":"r-17"}'


def test_only_the_fresh_ask_for_their_connection_to_be_closed():
    made = openings("h:1")

    assert {kind for kind, opening in made.items() if b"Connection: close" in opening} == {
        (False, True),
        (True, True),
    }
    assert made[False, False].endswith(b"\r\n\r\n")


def test_a_keyed_order_has_its_id_as_a_key_too():
    request = order(openings("h:1")[True, False], "r-17", keyed=True)

    assert b'\r\nIdempotency-Key: "r-17"\r\n' in request
