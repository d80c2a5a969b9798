"""Listeners that send clients to https."""

import pytest

from mainstay.gateway.table import Rule


def ask(rig, target="/a?b=c", host="shop.example", method="GET", more=""):
    return rig.ask(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode())


async def redirecting(rig, port=443, rules=()):
    return await rig.up(door={"rules": list(rules), "https": port})


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
async def test_requests_are_sent_to_the_same_host_path_and_query(rig, method):
    origin = await redirecting(rig)

    answer = await ask(rig, method=method)

    assert answer.status == 308
    assert answer.all("location") == ["https://shop.example/a?b=c"]
    assert answer.get("mainstay-reason") == "redirect"
    assert not origin.requests


async def test_the_head_of_a_redirect_has_no_body(rig):
    await redirecting(rig)

    client = await rig.client()
    heads = [await client.ask(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", bodiless=True) for _ in range(2)]

    assert [head.get("location") for head in heads] == ["https://a/"] * 2


@pytest.mark.parametrize(
    ("host", "port", "location"),
    [
        ("shop.example:80", 443, "https://shop.example/"),
        ("Shop.EXAMPLE:8080", 8443, "https://shop.example:8443/"),
        ("127.0.0.1:8080", 8443, "https://127.0.0.1:8443/"),
        ("[2001:DB8::1]:8080", 443, "https://[2001:db8::1]/"),
        ("under_score.example.", 443, "https://under_score.example/"),
    ],
)
async def test_the_port_is_that_of_https(rig, host, port, location):
    await redirecting(rig, port)

    answer = await ask(rig, "/", host)

    assert answer.get("location") == location


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("//evil.example/a", "https://shop.example//evil.example/a"),
        ("/%0d%0aSet-Cookie:a=b", "https://shop.example/%0d%0aSet-Cookie:a=b"),
        ("/?next=http://evil.example/", "https://shop.example/?next=http://evil.example/"),
        ('/<script>"\\^`{|}', "https://shop.example/%3Cscript%3E%22%5C%5E%60%7B%7C%7D"),
        ("http://Other.example/x", "https://other.example/x"),
    ],
)
async def test_where_it_leads_is_told_in_an_address_and_nowhere_else(rig, target, location):
    await redirecting(rig)

    answer = await ask(rig, target)

    assert answer.all("location") == [location]
    assert b"script" not in answer.body


@pytest.mark.parametrize(
    "host", ["a'b", "a!b", "a%41", "shop.example,evil.example", "-", "..", "[::1]x", "a b"]
)
async def test_what_is_no_host_is_not_led_anywhere(rig, host):
    await redirecting(rig)

    answer = await ask(rig, host=host)

    assert answer.status in (400, 404, 308)
    assert answer.status == 308 or answer.get("location") is None
    assert host == "-" or answer.status != 308


async def test_a_client_that_names_no_host_cannot_be_led_anywhere(rig):
    await redirecting(rig)

    answer = await rig.ask(b"GET / HTTP/1.0\r\n\r\n")

    assert answer.status == 404
    assert answer.get("location") is None


async def test_a_body_that_is_under_way_does_not_cost_the_client_its_answer(rig):
    await redirecting(rig)
    client = await rig.client()

    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 200_000)
    answer = await client.answer()

    assert answer.status == 308
    assert answer.get("connection") == "close"


async def test_services_take_their_own_requests_first(rig):
    origin = await redirecting(rig, rules=[Rule(service="web", path="/.well-known/acme-challenge")])

    taken = await ask(rig, "/.well-known/acme-challenge/token")
    other = await ask(rig, "/.well-known/acme")

    assert taken.status == 200
    assert other.status == 308
    assert len(origin.requests) == 1


async def test_what_came_by_https_to_a_proxy_is_there_already(rig):
    rig.trusted = ["127.0.0.1"]
    await redirecting(rig)

    plain = await ask(rig, more="X-Forwarded-Proto: http\r\n")
    secure = await ask(rig, more="X-Forwarded-Proto: https\r\n")

    assert plain.status == 308
    assert secure.status == 404
