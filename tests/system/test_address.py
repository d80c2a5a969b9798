import pytest
from pydantic import TypeAdapter, ValidationError

from mainstay.system.address import Address, At
from mainstay.system.check import check
from mainstay.system.schema import Service

READ = TypeAdapter(At).validate_python


@pytest.mark.parametrize(
    ("written", "address", "authority"),
    [
        ("http://10.0.0.7:8080", Address("10.0.0.7", 8080), "10.0.0.7:8080"),
        ("http://a.example", Address("a.example", 80), "a.example"),
        ("http://a.example:80/", Address("a.example", 80), "a.example"),
        ("http://[::1]:81", Address("::1", 81), "[::1]:81"),
    ],
)
def test_an_address_is_read_and_written_alike(written, address, authority):
    assert READ(written) == address
    assert address.authority == authority
    assert str(address) == f"http://{authority}"


def test_an_address_may_be_in_a_zone():
    address = READ({"at": "http://10.0.0.7:8080", "zone": "a"})

    assert address == Address("10.0.0.7", 8080, zone="a")
    assert str(address) == "http://10.0.0.7:8080"
    assert READ({"at": "http://10.0.0.7:8080"}) == READ("http://10.0.0.7:8080")


def test_anything_may_be_spoken_at_an_address():
    written = "tcp://10.0.0.7:6379"

    assert READ(written) == Address("10.0.0.7", 6379, "tcp")
    assert str(READ(written)) == written


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("http://a/path", "'http://a/path' is not an address"),
        ("ftp://a", "'ftp://a' is not an address"),
        ("tcp://a", "'tcp://a' has no port: write tcp://HOST:PORT"),
        (8080, "8080 is not an address"),
        ({"zone": "a"}, "at is missing: write an address, or { at: ADDRESS, zone: NAME }"),
        (
            {"at": "http://a", "zon": "a"},
            "'zon' is unknown: write an address, or { at: ADDRESS, zone: NAME }",
        ),
        ({"at": "http://a", "zone": "A"}, "'A' is not a name"),
        ({"at": {"at": "http://a"}}, "a mapping is not an address"),
        ("http://a:0", "port 0 cannot be: allowed are 1 to 65535"),
        ("http://1.2.3:80", "'1.2.3' is not a host: write a name or an IP address"),
    ],
)
def test_what_cannot_be_reached_is_refused(written, message):
    with pytest.raises(ValidationError) as refused:
        READ(written)

    assert refused.value.errors()[0]["msg"].startswith(message)


@pytest.mark.parametrize(
    ("keys", "found"), [({}, "neither"), ({"command": "run", "addresses": ["http://a"]}, "both")]
)
def test_a_service_is_either_run_or_reached(keys, found):
    with pytest.raises(ValidationError) as refused:
        Service.model_validate(keys)

    assert refused.value.errors()[0]["msg"] == f"must have either a command or addresses; it has {found}"


def test_what_only_a_command_has_is_told_where_there_is_none(tmp_path):
    service = Service(addresses=["http://a", "http://a:80"], instances=2, cwd=".", needs=["web"])

    assert check({"pay": service}, ["pay", "web"], [], tmp_path) == [
        (
            ("services", "pay", "instances"),
            "means nothing with addresses: Mainstay does not run what is there",
        ),
        (("services", "pay", "cwd"), "means nothing with addresses: Mainstay does not run what is there"),
        (("services", "pay", "needs"), "means nothing with addresses: Mainstay does not run what is there"),
        (("services", "pay", "addresses"), "needs `listen` as well: nobody could send requests there"),
        (("services", "pay", "addresses", 1), "http://a is there twice"),
    ]


@pytest.mark.parametrize(
    ("keys", "own"),
    [
        ({"command": "run"}, False),
        ({"command": "run", "host": "address"}, True),
        ({"addresses": ["http://a"]}, True),
        ({"addresses": ["http://a"], "host": "client"}, False),
    ],
)
def test_others_servers_are_asked_by_their_own_name_unless_told(keys, own):
    assert Service.model_validate(keys).told_own_host is own
