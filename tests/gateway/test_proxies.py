"""Proxies in front of the gateway: who is believed, and what comes of what they say."""

import json
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.gateway.http.request import Request
from mainstay.gateway.proxies import Believed, Proxies, address_of
from mainstay.gateway.table import LogSettings, StickySettings

NETWORKS = ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"]
PEER = "10.0.0.1"


def introduced(*headers, peer=PEER):
    """Give the request that a trusted proxy sends with these headers."""
    raw = b"\r\n".join([b"GET / HTTP/1.1", b"Host: inner.example", *headers, b"\r\n"])
    believed = Believed(Proxies(NETWORKS), peer, b"name", b"http")
    request = Request.read(raw, 1000, b"name\r\nX-Forwarded-Host: ", believed)
    assert request.fault is None
    return request


def told(request, name):
    lines = request.head().split(b"\r\n")
    return [line.partition(b": ")[2] for line in lines if line.lower().startswith(name.encode() + b":")]


# --- who is believed ---


@pytest.mark.parametrize(
    ("address", "believed"),
    [
        ("10.255.0.1", True),
        ("11.0.0.1", False),
        ("192.0.2.1", True),
        ("192.0.2.2", False),
        ("2001:db8:1::", True),
        ("2001:db9::", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_only_those_of_the_networks_are_believed(address, believed):
    proxies = Proxies(NETWORKS)

    assert proxies.has(address) is believed
    assert proxies.has(address) is believed


def test_however_many_addresses_come_few_are_remembered():
    proxies = Proxies(NETWORKS)

    for number in range(10_000):
        proxies.has(f"11.0.{number // 256}.{number % 256}")

    assert len(proxies._known) <= 4096


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("unknown", "unknown"),
        ("a:b", "a:b"),
    ],
)
def test_an_address_has_one_form(written, address):
    assert address_of(written) == address


# --- what they say ---


def test_the_client_is_the_last_address_that_no_proxy_has():
    request = introduced(b"X-Forwarded-For: 1.1.1.1, 8.8.8.8, 192.0.2.1")

    assert request.client == "8.8.8.8"
    assert told(request, "x-forwarded-for") == [b"8.8.8.8, 192.0.2.1, 10.0.0.1"]


def test_where_all_are_proxies_the_first_of_them_asks():
    request = introduced(b"X-Forwarded-For: 10.0.0.9, 10.0.0.8")

    assert request.client == "10.0.0.9"
    assert told(request, "x-forwarded-for") == [b"10.0.0.9, 10.0.0.8, 10.0.0.1"]


def test_a_proxy_that_says_nothing_asks_itself():
    request = introduced()

    assert (request.client, request.secure) == (PEER, False)


def test_what_was_refused_has_its_client_all_the_same():
    raw = b"GET / HTTP/1.1\r\nX-Forwarded-For: 8.8.8.8\r\n\r\n"

    request = Request.read(raw, 100, b"name\r\n", Believed(Proxies(NETWORKS), PEER, b"name", b"http"))

    assert (request.fault, request.client) == ("bad_host", "8.8.8.8")


@pytest.mark.parametrize(
    ("headers", "secure"),
    [
        ([b"X-Forwarded-Proto: https"], True),
        ([b"X-Forwarded-Proto: http"], False),
        ([b"X-Forwarded-Proto: HTTPS"], True),
        ([b"X-Forwarded-Proto: https,https"], False),
        ([b"Forwarded: for=8.8.8.8;proto=https"], True),
        ([b"Forwarded: proto=https, for=8.8.8.8;proto=http"], False),
        ([b"Forwarded: for=8.8.8.8;proto=https, for=10.0.0.2;proto=http"], True),
        ([b"Forwarded: for=8.8.8.8;proto=https", b"X-Forwarded-For: 8.8.8.8"], False),
    ],
)
def test_it_is_known_whether_the_client_came_by_https(headers, secure):
    assert introduced(*headers).secure is secure


@pytest.mark.parametrize(
    ("value", "client"),
    [
        (b"for=8.8.8.8", "8.8.8.8"),
        (b"for=1.1.1.1 , for=8.8.8.8", "8.8.8.8"),
        (b'by=10.0.0.1;for="8.8.8.8:99"', "8.8.8.8"),
        (b'for="[2001:db9::1]:99"', "2001:db9::1"),
        (b'for="8.8.8.\\8"', "8.8.8.8"),
        (b'for="a, for=1.1.1.1", for=8.8.8.8', "8.8.8.8"),
        (b'for=8.8.8.8;ext="x;y,z"', "8.8.8.8"),
        (b"for=8.8.8.8,", "8.8.8.8"),
        (b"for=", PEER),
        (b"for=8.8.8.8;", PEER),
        (b"for 8.8.8.8", PEER),
        (b'for="8.8.8.8', PEER),
        (b"for=8.8.8.8 for=1.1.1.1", PEER),
        (b"for=2001:db9::1", PEER),
        (b"for=8.8.8.8, x", PEER),
        (b"", PEER),
    ],
)
def test_a_forwarded_field_is_read_by_the_letter_or_not_at_all(value, client):
    assert introduced(b"Forwarded: " + value).client == client


def test_several_forwarded_fields_are_one():
    assert introduced(b"Forwarded: for=1.1.1.1", b"Forwarded: for=8.8.8.8").client == "8.8.8.8"


# --- with connections ---


async def test_a_stranger_is_not_believed(rig):
    rig.trusted = ["10.0.0.0/8"]
    origin = await rig.up()

    await rig.ask(rig.get("/", "X-Forwarded-For: 8.8.8.8", "X-Forwarded-Proto: https"))

    (request,) = origin.requests
    assert request.all("x-forwarded-for") == ["127.0.0.1"]
    assert request.all("x-forwarded-proto") == ["http"]


async def test_each_request_of_a_proxys_connection_has_its_own_client(rig):
    rig.trusted = ["127.0.0.1"]
    origin = await rig.up()
    client = await rig.client()

    for name in ("8.8.8.8", "9.9.9.9"):
        await client.ask(rig.get("/", f"X-Forwarded-For: {name}"))
    await client.ask(rig.get("/"))

    assert [request.get("x-forwarded-for") for request in origin.requests] == [
        "8.8.8.8, 127.0.0.1",
        "9.9.9.9, 127.0.0.1",
        "127.0.0.1",
    ]


async def test_trust_that_is_withdrawn_is_withdrawn_from_who_is_connected(rig):
    rig.trusted = ["127.0.0.1"]
    origin = await rig.up()
    client = await rig.client()

    await client.ask(rig.get("/", "X-Forwarded-For: 8.8.8.8"))
    rig.trusted = []
    rig.apply()
    await client.ask(rig.get("/", "X-Forwarded-For: 8.8.8.8"))
    rig.trusted = ["127.0.0.0/8"]
    rig.apply()
    await client.ask(rig.get("/", "X-Forwarded-For: 8.8.8.8"))

    assert [request.get("x-forwarded-for") for request in origin.requests] == [
        "8.8.8.8, 127.0.0.1",
        "127.0.0.1",
        "8.8.8.8, 127.0.0.1",
    ]


async def test_what_is_retried_is_introduced_as_it_was(rig):
    rig.trusted = ["127.0.0.1"]
    origins = await rig.up(2)
    for origin in origins:
        origin.answer = lambda request: (
            rig.DROP
            if sum(len(one.requests) for one in origins) == 1
            else b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        )

    await rig.ask(rig.get("/", "X-Forwarded-For: 8.8.8.8"))

    got = [request.get("x-forwarded-for") for origin in origins for request in origin.requests]
    assert got == ["8.8.8.8, 127.0.0.1"] * 2


async def test_the_log_and_sticky_services_know_the_client(rig, tmp_path):
    file = tmp_path / "access.log"
    rig.trusted, rig.log = ["127.0.0.1"], LogSettings(path=str(file))
    origins = await rig.up(4, sticky=StickySettings(by="client"))

    for number in range(24):
        await rig.ask(rig.get("/", f"X-Forwarded-For: 8.8.8.{number % 12}"))
    await rig.ask(rig.get("/\x7f", "X-Forwarded-For: 9.9.9.9"))
    await rig.until(lambda: file.exists() and file.read_text().count("\n") == 25)

    clients = [json.loads(line)["client"] for line in file.read_text().splitlines()]
    assert set(clients[:24]) == {f"8.8.8.{number}" for number in range(12)}
    where = [{request.get("x-forwarded-for") for request in origin.requests} for origin in origins]
    assert sum(map(len, where)) == 12
    assert sum(bool(names) for names in where) > 1


async def test_a_session_that_came_by_https_to_a_proxy_has_a_secure_cookie(rig):
    rig.trusted = ["127.0.0.1"]
    await rig.up(1, sticky=StickySettings(by="session", name="s", secret="00" * 16))

    plain = await rig.ask(rig.get("/"))
    secure = await rig.ask(rig.get("/", "X-Forwarded-Proto: https"))

    assert "Secure" not in plain.get("set-cookie")
    assert secure.get("set-cookie").endswith("; Secure")


# --- whatever they say ---

PIECES = [
    "1.1.1.1", "10.0.0.7", "192.0.2.1", "2001:db8::1", "[2001:db9::1]:80", "::ffff:10.0.0.1", "8.8.8.8:1", "unknown", "_x",
    ",", ", ", " ", "\t", ";", "=", '"', "\\", "for=", "proto=https", "host=a", "%", "1.1.1.1\x80", "999.1.1.1", "01.1.1.1", "",
]  # fmt: skip
fields = st.tuples(
    st.sampled_from(
        [
            "X-Forwarded-For",
            "Forwarded",
            "X-Forwarded-Proto",
            "X-Forwarded-Host",
            "X-Forwarded-Port",
            "X-Forwarded-Prefix",
        ]
    ),
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
)


@given(st.lists(fields, max_size=4))
def test_whatever_a_proxy_says_an_instance_gets_one_sound_account(headers):
    request = introduced(*(f"{name}: {value}".encode("latin-1") for name, value in headers))

    (chain,), (proto,), (host,) = (
        told(request, name) for name in ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")
    )
    addresses = chain.decode().split(", ")
    assert [str(ip_address(address)) for address in addresses] == addresses
    assert addresses[-1] == PEER
    assert addresses[0] == request.client
    # All but the first are those of trusted proxies.
    assert all(Proxies(NETWORKS).has(address) for address in addresses[1:])
    assert proto in (b"http", b"https")
    assert host.isascii()
    assert told(request, "forwarded") == []
    assert len(told(request, "x-forwarded-port")) <= 1
    assert all(line.count(b"\n") == 0 for line in request.head().split(b"\r\n"))


@given(st.lists(fields, max_size=3))
def test_whatever_a_client_claims_the_account_of_its_proxy_is_the_same(claims):
    """A proxy appends to `X-Forwarded-For` and sets the other two, as all of them can."""
    claimed = ", ".join(value for name, value in claims if name == "X-Forwarded-For")
    rest = [
        f"{name}: {value}".encode("latin-1") for name, value in claims if name in ("Forwarded", "X-Real-IP")
    ]
    appended = f"X-Forwarded-For: {claimed}, 8.8.8.8".encode("latin-1")

    request = introduced(*rest, appended, b"X-Forwarded-Proto: https", b"X-Forwarded-Host: shop.example")

    assert request.client == "8.8.8.8"
    assert told(request, "x-forwarded-for") == [b"8.8.8.8, 10.0.0.1"]
    assert told(request, "x-forwarded-proto") == [b"https"]
    assert told(request, "x-forwarded-host") == [b"shop.example"]
