import pytest

from mainstay.gateway.http.request import Request
from mainstay.gateway.table import Redirect, Rule
from mainstay.gateway.way import Way


def request(target):
    raw = b"GET %b HTTP/1.1\r\nHost: shop.example\r\n\r\n" % target
    made = Request.read(raw, 100, b"name\r\nX-Forwarded-Host: ")
    assert made.fault is None
    return made


def aimed(path, rewrite, target):
    made = request(target)
    Way(Rule(service="web", path=path, rewrite=rewrite), object()).aim(made)
    return made.head()


@pytest.mark.parametrize(
    ("path", "rewrite", "asked", "got"),
    [
        ("/api", "/", "/api", "/"),
        ("/api", "/", "/api/", "/"),
        ("/api", "/", "/api?x=/", "/?x=/"),
        ("/api", "/", "/api/users?x", "/users?x"),
        ("/api/", "/", "/api/users", "/users"),
        ("/api/v1", "/v2", "/api/v1/users", "/v2/users"),
        ("/api/v1", "/v2/", "/api/v1/users", "/v2/users"),
        ("/api/v1", "/v2/", "/api/v1", "/v2/"),
        ("/api/v1", "/v2", "/api/v1?", "/v2?"),
        ("/caf%C3%A9", "/", "/caf%c3%a9/a%2fb", "/a%2fb"),
        ("/api", "/", "/api//evil.example/x", "/evil.example/x"),
        ("/api", "/", "/api/\\evil.example", "/evil.example"),
        ("/api", "/", "/api/x//y/", "/x//y/"),
    ],
)
def test_the_path_of_a_rule_is_taken_away_and_another_put_in_its_place(path, rewrite, asked, got):
    head = aimed(path, rewrite, asked.encode())

    assert head.startswith(f"GET {got} HTTP/1.1\r\nHost: shop.example\r\n".encode())
    assert f"\r\nX-Forwarded-Prefix: {path.rstrip('/')}\r\n\r\n".encode() in head


def test_without_a_rewrite_the_head_stays_as_it_was():
    assert aimed("/api", "", b"/api/%61") == request(b"/api/%61").head()


@pytest.mark.parametrize(
    ("path", "to", "asked", "location"),
    [
        ("", "https://shop.example", "/", "https://shop.example/"),
        ("", "https://shop.example", "/a/b?c=d", "https://shop.example/a/b?c=d"),
        ("", "https://shop.example/", "/a", "https://shop.example/a"),
        ("", "https://shop.example/new", "/a/", "https://shop.example/new/a/"),
        ("/old", "/new", "/old", "/new"),
        ("/old", "/new", "/old/a?b", "/new/a?b"),
        ("/old", "/", "/old", "/"),
        ("/old", "/", "/old?x", "/?x"),
        ("/old", "/", "/old//evil.example", "/evil.example"),
        ("/old", "/", "/old/\\evil.example", "/evil.example"),
        ("/old", "/", "/old/\\/\\evil.example", "/evil.example"),
        ("/old", "/new", '/old/a"<b>\\c', "/new/a%22%3Cb%3E%5Cc"),
        ("", "https://shop.example", "//evil.example/", "https://shop.example/evil.example/"),
        ("", "https://shop.example", "/.evil.example/", "https://shop.example/.evil.example/"),
        ("", "https://shop.example", "/@evil.example/", "https://shop.example/@evil.example/"),
    ],
)
def test_a_redirect_keeps_the_rest_and_never_leads_to_a_host_that_the_client_chose(path, to, asked, location):
    way = Way(Redirect(path=path, to=to), None)

    assert way.location(request(asked.encode())) == location.encode()


def test_a_redirect_that_keeps_nothing_leads_where_it_says():
    way = Way(Redirect(path="/old", to="https://shop.example/?from=old#top", keep=False), None)

    assert way.location(request(b"/old/a?b")) == b"https://shop.example/?from=old#top"
