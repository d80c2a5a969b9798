import pytest
from pydantic import TypeAdapter, ValidationError

from mainstay.system.pattern import Elsewhere, HostPattern, PathPrefix, RedirectStatus

HOST, PATH, TO, STATUS = map(TypeAdapter, (HostPattern, PathPrefix, Elsewhere, RedirectStatus))


def problem(kind, written):
    with pytest.raises(ValidationError) as caught:
        kind.validate_python(written)
    return caught.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    "host", ["shop.example", "*.shop.example", "localhost", "127.0.0.1", "[::1]", "xn--caf-dma.example"]
)
def test_a_host_is_a_name_or_all_that_end_in_one(host):
    assert HOST.validate_python(host) == host


def test_an_address_has_one_form():
    assert HOST.validate_python("[0:0:0:0:0:0:0:1]") == "[::1]"


@pytest.mark.parametrize(
    "host",
    ["", "Shop.example", "shop.example:80", "*", "*shop.example", "a.*.example", "a..b", ".a", "a.", "[::1", "[x]", "[:::]",
     "-a", "a b", "café.example", "http://a", ".".join(["a" * 63] * 4), 7, None],
)  # fmt: skip
def test_what_is_no_host_is_told(host):
    assert "is not a host: write a name in small letters without a port" in problem(HOST, host)


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/", "/api/v1.2/~x", "/a:b@c", "/.well-known", "/caf%C3%A9", "/a%20b"]
)
def test_a_path_is_made_of_segments(path):
    assert PATH.validate_python(path) == path


def test_escapes_of_a_path_have_one_form():
    assert PATH.validate_python("/caf%c3%a9") == "/caf%C3%A9"


@pytest.mark.parametrize(
    "path",
    ["//", "/a//b", "/a?b", "/a#b", "/a;b", "/a\\b", "/a/../b", "/.", "/a%2fb", "/%61", "/é", "/a b", "/a%"],
)
def test_a_path_that_some_would_read_in_another_way_is_refused(path):
    assert "is no path that everybody reads alike" in problem(PATH, path)


@pytest.mark.parametrize("path", ["", "api", 7, None])
def test_what_is_no_path_is_told(path):
    assert "must be a path that begins with /, as in /api" in problem(PATH, path)


@pytest.mark.parametrize(
    "to", ["https://shop.example", "http://shop.example:8080/a?b#c", "https://[::1]/", "/new", "/"]
)
def test_a_redirect_leads_to_a_url_or_a_path(to):
    assert TO.validate_python(to) == to


@pytest.mark.parametrize(
    "to", ["", "shop.example", "ftp://a", "https://", "https:///a", "https://u@a/", "//a", "/a b", "/\r\n", 7]
)
def test_what_is_no_url_is_told(to):
    assert "is not where one can be sent" in problem(TO, to)


@pytest.mark.parametrize("status", [200, 300, 303, 304, "301", True, None])
def test_only_four_statuses_send_elsewhere(status):
    assert problem(STATUS, status).endswith("allowed: 301, 302, 307, 308")
