import socket
import ssl

import pytest

from mainstay.base.errors import EnvironmentProblem, SpecError
from mainstay.drill.load.target import Target, target, trust


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8080", Target("127.0.0.1", 8080, "127.0.0.1")),
        ("http://127.0.0.1:8080/", Target("127.0.0.1", 8080, "127.0.0.1")),
        ("http://127.0.0.1", Target("127.0.0.1", 80, "127.0.0.1")),
        ("http://[::1]:8080", Target("::1", 8080, "::1")),
        ("https://127.0.0.1", Target("127.0.0.1", 443, "127.0.0.1", "https")),
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
        "ftp://127.0.0.1",
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


@pytest.mark.parametrize(
    ("name", "netloc", "server_name"),
    [
        ("", "127.0.0.1:443", "127.0.0.1"),
        ("shop.example", "shop.example", "shop.example"),
        ("shop.example:8443", "shop.example:8443", "shop.example"),
    ],
)
def test_a_name_of_its_own_is_told_and_asked_of_the_certificate(name, netloc, server_name):
    to = target("https://127.0.0.1", name)

    assert (to.netloc, to.server_name, to.url) == (netloc, server_name, "https://127.0.0.1:443")


@pytest.mark.parametrize("name", ["a b", "a/b", "me@shop.example", "x\r\ny"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(SpecError, match=r"^host must be a name"):
        target("http://127.0.0.1", name)


def test_certificates_are_verified_unless_it_is_told_otherwise():
    to = target("https://127.0.0.1")

    assert (trust(to).verify_mode, trust(to).check_hostname) == (ssl.CERT_REQUIRED, True)
    assert trust(to, unverified=True).verify_mode == ssl.CERT_NONE
    assert trust(target("http://127.0.0.1"), unverified=True) is None


def test_a_file_without_certificates_is_the_machines_problem(tmp_path):
    (tmp_path / "none.pem").write_text("nothing")

    for file in ("none.pem", "missing.pem"):
        with pytest.raises(EnvironmentProblem, match="has no certificates to trust"):
            trust(target("https://127.0.0.1"), tmp_path / file)
