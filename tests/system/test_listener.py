import pytest
from pydantic import TypeAdapter, ValidationError

from mainstay.system.listener import Listen, Listener

READ = TypeAdapter(Listen).validate_python


@pytest.mark.parametrize(
    ("written", "listener"),
    [
        ("http://0.0.0.0:8080", Listener("0.0.0.0", 8080)),
        ("http://[::1]:1", Listener("::1", 1)),
        ("http://my-host.example:65535", Listener("my-host.example", 65535)),
        ("tcp://127.0.0.1:6379", Listener("127.0.0.1", 6379, "tcp")),
    ],
)
def test_a_listener_is_read_and_written_alike(written, listener):
    assert READ(written) == listener
    assert str(listener) == written


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            "0.0.0.0:8080",
            "'0.0.0.0:8080' is not a listener: write http://HOST:PORT or https://HOST:PORT or tcp://HOST:PORT, as in http://0.0.0.0:8080",
        ),
        (
            "ftp://a:1",
            "'ftp://a:1' is not a listener: write http://HOST:PORT or https://HOST:PORT or tcp://HOST:PORT, as in http://0.0.0.0:8080",
        ),
        (
            "http://a",
            "'http://a' is not a listener: write http://HOST:PORT or https://HOST:PORT or tcp://HOST:PORT, as in http://0.0.0.0:8080",
        ),
        (
            "http://a:1/",
            "'http://a:1/' is not a listener: write http://HOST:PORT or https://HOST:PORT or tcp://HOST:PORT, as in http://0.0.0.0:8080",
        ),
        (
            None,
            "nothing is not a listener: write http://HOST:PORT or https://HOST:PORT or tcp://HOST:PORT, as in http://0.0.0.0:8080",
        ),
        ("http://a:0", "port 0 cannot be: allowed are 1 to 65535"),
        ("http://a:65536", "port 65536 cannot be: allowed are 1 to 65535"),
        (
            "http://256.0.0.1:80",
            "'256.0.0.1' is not a host: write a name or an IP address, as in http://0.0.0.0:8080",
        ),
        (
            "http://[1::2::3]:80",
            "'1::2::3' is not a host: write a name or an IP address, as in http://0.0.0.0:8080",
        ),
        ("http://-a:80", "'-a' is not a host: write a name or an IP address, as in http://0.0.0.0:8080"),
        ("http://a..b:80", "'a..b' is not a host: write a name or an IP address, as in http://0.0.0.0:8080"),
    ],
)
def test_what_cannot_be_listened_on_is_refused(written, message):
    with pytest.raises(ValidationError) as refused:
        READ(written)

    assert refused.value.errors()[0]["msg"] == message


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ("http://127.0.0.1:80", "http://127.0.0.1:80", True),
        ("http://localhost:80", "http://127.0.0.1:80", True),
        ("http://0.0.0.0:80", "http://127.0.0.1:80", True),
        ("http://127.0.0.1:80", "http://[::]:80", True),
        ("http://Shop.example:80", "http://shop.example:80", True),
        ("http://127.0.0.1:80", "http://127.0.0.1:81", False),
        ("http://127.0.0.1:80", "http://127.0.0.2:80", False),
        ("http://a.example:80", "http://b.example:80", False),
    ],
)
def test_two_listeners_clash_when_both_cannot_be_had(one, other, clash):
    assert READ(one).overlaps(READ(other)) is clash
    assert READ(other).overlaps(READ(one)) is clash
