"""What a service may say depends on what is spoken at its listener."""

import pytest
from pydantic import TypeAdapter, ValidationError

from mainstay.base.errors import SystemFileError
from mainstay.base.probe import Talk
from mainstay.system.listener import Listener
from mainstay.system.load import load
from mainstay.system.protocol import check_protocol
from mainstay.system.schema import Service
from mainstay.system.wire import WireBytes

READ = TypeAdapter(WireBytes).validate_python
TCP = Listener("127.0.0.1", 6379, "tcp")
HTTP = Listener("127.0.0.1", 8080)


def findings(listener, **keys):
    service = Service.model_validate({"command": "run", "listen": str(listener)} | keys)
    return list(check_protocol(service, listener))


def system(tmp_path, text):
    file = tmp_path / "mainstay.yaml"
    file.write_text(text)
    return load(file)


def problems(tmp_path, text):
    with pytest.raises(SystemFileError) as refused:
        system(tmp_path, text)
    return [(problem.path, problem.message) for problem in refused.value.problems]


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ({"routes": [{"path": "/a"}]}, ("routes",)),
        ({"host": "address"}, ("host",)),
        ({"idempotency": "service"}, ("idempotency",)),
        ({"hold": "1KiB"}, ("hold",)),
        ({"upgrade": "off"}, ("upgrade",)),
        ({"health": {"path": "/healthz"}}, ("health", "path")),
        ({"outlier": {"failed": 3}}, ("outlier", "failed")),
        ({"timeouts": {"idle": "5s"}}, ("timeouts", "idle")),
    ],
)
def test_what_is_about_http_means_nothing_over_tcp(keys, path):
    ((found, message),) = findings(TCP, **keys)

    assert found == path
    assert message.startswith("means nothing at tcp://127.0.0.1:6379: ")


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ({"max_connections": 10}, ("max_connections",)),
        ({"health": {"expect": "+PONG"}}, ("health", "expect")),
    ],
)
def test_what_is_about_tcp_means_nothing_over_http(keys, path):
    assert [found for found, _ in findings(HTTP, **keys)] == [path]


def test_a_mechanism_that_is_off_is_no_problem():
    assert findings(TCP, health="off", outlier="off", retry="off", max_connections=5) == []


def test_what_is_said_needs_an_answer():
    assert findings(TCP, health={"send": "PING"}) == [
        (("health", "send"), "needs health.expect as well: what is said proves nothing without an answer")
    ]


def test_addresses_speak_what_the_listener_speaks():
    service = Service(addresses=["http://10.0.0.7", "tcp://10.0.0.8:80"], listen="tcp://127.0.0.1:6379")

    assert list(check_protocol(service, TCP)) == [
        (
            ("addresses", 0),
            "http://10.0.0.7 does not speak what tcp://127.0.0.1:6379 does: write tcp://HOST:PORT",
        )
    ]
    assert [path for path, _ in check_protocol(service, HTTP)] == [("addresses", 1)]


def test_one_service_has_a_tcp_listener_for_itself(tmp_path):
    assert problems(
        tmp_path,
        "listeners:\n  public: {at: 'tcp://127.0.0.1:6379'}\n"
        "services:\n  a: {command: run, listen: public}\n  b: {command: run, listen: public}\n",
    ) == [
        (
            "services.b.listen",
            (
                "listeners.public is that of services.a: a tcp:// listener has one service, "
                "since it has neither hosts nor paths to tell services apart by"
            ),
        )
    ]


def test_the_admin_listener_speaks_http(tmp_path):
    assert problems(
        tmp_path, "gateway: {admin: 'tcp://127.0.0.1:9901'}\nservices:\n  a: {command: run}\n"
    ) == [("gateway.admin", "must be http://HOST:PORT, not tcp://127.0.0.1:9901: plain HTTP is spoken there")]


def test_a_service_knows_from_its_shared_listener_that_it_speaks_tcp(tmp_path):
    made = system(
        tmp_path,
        "listeners:\n  public: {at: 'tcp://127.0.0.1:6379'}\nservices:\n  a: {command: run, listen: public}\n",
    )

    assert made.services["a"].is_tcp
    assert made.services["a"].health_talk() == Talk()


@pytest.mark.parametrize(
    ("keys", "talk"),
    [
        ({"listen": "http://127.0.0.1:80"}, None),
        ({"listen": "tcp://127.0.0.1:80"}, Talk()),
        ({"listen": "tcp://127.0.0.1:80", "health": "off"}, None),
        (
            {"listen": "tcp://127.0.0.1:80", "health": {"send": {"hex": "00 FF"}, "expect": "é"}},
            Talk("\x00\xff", "\xc3\xa9"),
        ),
        ({"health": {"expect": "220 "}}, Talk("", "220 ")),
        ({"health": {}}, None),
    ],
)
def test_a_health_check_says_what_the_service_understands(keys, talk):
    assert Service.model_validate({"command": "run"} | keys).health_talk() == talk


@pytest.mark.parametrize(("written", "read"), [("PING\r\n", b"PING\r\n"), ({"hex": "0a FF"}, b"\n\xff")])
def test_bytes_are_text_or_hex(written, read):
    assert READ(written) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("off", ()),
        ("websocket", ("websocket",)),
        (["websocket", "smb/3", "websocket"], ("websocket", "smb/3")),
    ],
)
def test_protocols_are_named_one_by_one_or_not_at_all(written, read):
    assert Service(command="run", upgrade=written).upgrade == read


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("h2c", "h2c cannot be allowed: requests would come through it that the gateway does not see"),
        (["http/2.0"], "http/2.0 cannot be allowed: "),
        (
            "WebSocket",
            "'WebSocket' is not a protocol: allowed are off, and names in small letters as in websocket",
        ),
        (["a b"], "'a b' is not a protocol"),
        (None, "nothing is not a protocol"),
        (True, "true is not a protocol"),
    ],
)
def test_what_could_hide_requests_is_no_protocol_to_go_over_to(written, message):
    with pytest.raises(ValidationError) as refused:
        Service(command="run", upgrade=written)

    assert refused.value.errors()[0]["msg"].startswith(message)


@pytest.mark.parametrize(
    "written", [{"hex": "0"}, {"hex": "xx"}, {"hex": ""}, {"hex": 1}, {"text": "a"}, "", 5, None]
)
def test_what_are_no_bytes_is_refused(written):
    with pytest.raises(ValidationError):
        READ(written)


def test_a_tcp_listener_redirects_nobody(tmp_path):
    assert problems(
        tmp_path,
        "listeners:\n  public: {at: 'tcp://127.0.0.1:6379', redirects: [{to: 'http://b.example/'}]}\n"
        "services:\n  a: {command: run, listen: public}\n",
    ) == [("listeners.public.redirects", "means nothing at tcp://127.0.0.1:6379: no requests are read there")]


def test_over_tcp_only_an_address_can_tie():
    assert findings(TCP, sticky={"by": "client"}) == []
    assert findings(TCP, sticky={"by": "session"}) == [
        (("sticky", "by"), "must be client at tcp://127.0.0.1:6379: nothing but the address is known there")
    ]
