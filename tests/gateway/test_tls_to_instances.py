"""TLS with instances: who is believed, and what happens when nobody is."""

import asyncio
import ssl

import pytest

from mainstay.gateway.check import check
from mainstay.gateway.table import Trust
from mainstay.gateway.tls.context import to_instances
from mainstay.redundancy.health import HealthSpec
from mainstay.system.certificate import read_pair
from pki import Authority

MANY = b"abcdefgh" * 2**16


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("instances"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture(scope="module")
def trust(ca):
    return Trust(ca=ca.pem)


async def test_requests_go_to_instances_over_tls_and_connections_are_kept(rig, ca, trust):
    origin = await rig.up(tls=ca.origin("localhost"), trust=trust)

    answers = [await rig.ask(rig.get()) for _ in range(5)]

    assert [answer.body for answer in answers] == [b"ok"] * 5
    assert origin.connections == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_large_bodies_pass_both_ways(rig, ca, trust, version):
    context = ca.origin("localhost")
    context.maximum_version = version
    origin = await rig.up(tls=context, trust=trust)
    origin.answer = lambda request: (
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(request.body) + request.body
    )
    client = await rig.client()

    answers = [await client.ask(rig.request("POST", "/", body=MANY)) for _ in range(3)]

    assert all(answer.body == MANY for answer in answers)


@pytest.mark.parametrize("name", ["other.example", "127.0.0.1"])
async def test_an_instance_with_a_certificate_for_another_name_gets_no_request(rig, ca, trust, name):
    origin = await rig.up(tls=ca.origin(name), trust=trust)

    answer = await rig.ask(rig.get())

    assert answer.get("mainstay-reason") == "unreachable"
    assert not origin.requests


async def test_an_instance_that_a_stranger_vouches_for_gets_no_request(rig, stranger, trust):
    origin = await rig.up(tls=stranger.origin("localhost"), trust=trust)

    answer = await rig.ask(rig.get())

    assert answer.get("mainstay-reason") == "unreachable"
    assert not origin.requests


async def test_by_default_those_are_believed_that_the_machine_trusts(rig, ca):
    origin = await rig.up(tls=ca.origin("localhost"))

    answer = await rig.ask(rig.get())

    assert answer.get("mainstay-reason") == "unreachable"
    assert not origin.requests


async def test_whoever_is_there_is_believed_only_where_that_is_asked_for(rig, stranger):
    await rig.up(tls=stranger.origin("other.example"), trust=Trust(verify=False))

    assert (await rig.ask(rig.get())).status == 200


async def test_an_instance_that_asks_is_shown_a_certificate(rig, ca, stranger):
    pair = read_pair(*stranger.issue("us.example"), client=True)
    origin = await rig.up(
        tls=ca.origin("localhost", client_ca=stranger.file), trust=Trust(ca=ca.pem, pair=pair)
    )

    assert (await rig.ask(rig.get())).status == 200
    seen = origin.requests[0].writer.get_extra_info("peercert")
    assert ("DNS", "us.example") in seen["subjectAltName"]


async def test_an_instance_that_asks_in_vain_fails_requests_and_they_are_tried_elsewhere(rig, ca, stranger):
    first, second = await rig.up(2, tls=ca.origin("localhost"), trust=Trust(ca=ca.pem))
    await first.close()
    first.tls = ca.origin("localhost", client_ca=stranger.file)
    await first.listen(first.port)

    answers = [await rig.ask(rig.get()) for _ in range(6)]

    assert [answer.status for answer in answers] == [200] * 6
    assert not first.requests
    assert len(second.requests) == 6


async def test_a_request_that_must_not_run_twice_goes_to_another_instance_when_one_is_not_who_it_should_be(
    rig, ca, stranger, trust
):
    first, second = await rig.up(2, tls=ca.origin("localhost"), trust=trust)
    await first.close()
    first.tls = stranger.origin("localhost")
    await first.listen(first.port)

    answers = [await rig.ask(rig.request("POST", "/", body=b"order")) for _ in range(6)]

    assert [answer.status for answer in answers] == [200] * 6
    assert len(second.requests) == 6


async def test_an_instance_that_dies_in_the_middle_of_an_answer_is_a_retry(rig, ca, trust):
    first, second = await rig.up(2, tls=ca.origin("localhost"), trust=trust)

    async def half(request):
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await request.writer.drain()
        return rig.DROP

    first.answer = half

    answers = [await rig.ask(rig.get()) for _ in range(4)]

    assert [answer.body for answer in answers] == [b"ok"] * 4
    assert len(first.requests) == 2
    assert len(second.requests) == 4


async def test_an_answer_without_a_length_is_whole_only_with_a_goodbye(rig, ca, trust):
    origin = await rig.up(tls=ca.origin("localhost"), trust=trust, hold=0)

    async def cut(request):
        request.writer.write(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")
        await request.writer.drain()
        # The socket ends without close_notify, as it does when somebody cuts it.
        request.writer.transport.abort()

    origin.answer = cut
    client = await rig.client()
    client.send(rig.get())

    data = await client.rest()

    assert b"half of it" in data
    assert not data.endswith(b"0\r\n\r\n")


async def test_an_answer_without_a_length_ends_with_a_goodbye(rig, ca, trust):
    origin = await rig.up(tls=ca.origin("localhost"), trust=trust)

    async def whole(request):
        request.writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        return rig.DROP

    origin.answer = whole

    assert (await rig.ask(rig.get())).body == b"all of it"


async def test_a_handshake_that_takes_too_long_is_given_up(rig, ca, trust):
    first, second = await rig.up(2, tls=ca.origin("localhost"), trust=trust, connect=0.2)
    await first.close()
    first.tls = None
    never = asyncio.Event()
    first.raw = lambda reader, writer: never.wait()
    await first.listen(first.port)

    answers = [await rig.ask(rig.get()) for _ in range(2)]

    assert [answer.status for answer in answers] == [200] * 2
    assert len(second.requests) == 2


async def test_an_instance_that_speaks_without_tls_is_not_spoken_to(rig, ca, trust):
    origin = await rig.up(trust=trust)
    rig.rows = [type(row)(**_fields(row) | {"server_name": "localhost"}) for row in rig.rows]
    rig.apply()

    answer = await rig.ask(rig.get())

    assert answer.status == 503
    assert not origin.requests


async def test_other_authorities_are_believed_from_the_next_connection_on(rig, ca, stranger, trust):
    await rig.up(tls=ca.origin("localhost"), trust=trust)
    await rig.ask(rig.get())

    rig.settings = type(rig.settings)(**_fields(rig.settings) | {"trust": Trust(ca=stranger.pem)})
    rig.apply()

    assert (await rig.ask(rig.get())).status == 503


def _fields(made):
    return {name: getattr(made, name) for name in type(made).__slots__}


async def test_health_checks_go_the_same_way(rig, ca, trust):
    spec = HealthSpec(every=0.05, timeout=1.0, down_after=1)
    first, _ = await rig.up(2, tls=ca.origin("localhost"), trust=trust, health=spec)
    await rig.until(lambda: all(rig.line is not None and member.health.usable for member in rig.members))

    await first.close()
    first.tls = ca.origin("other.example")
    await first.listen(first.port)

    await rig.until(lambda: not rig.members[0].health.usable)
    assert rig.members[1].health.usable
    (changed,) = [fact for fact in rig.line.facts("HealthChanged") if fact["after"] == "down"]
    assert changed["instance"] == "web-1"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("localhost", "HTTP 200"),
        ("other.example", "TLS: hostname mismatch, certificate is not valid for 'localhost'."),
    ],
)
async def test_a_check_says_what_is_wrong_with_a_certificate(rig, ca, trust, name, said):
    origin = await rig.up(tls=ca.origin(name), trust=trust)

    result = await check("127.0.0.1", origin.port, "/", 2.0, tls=to_instances(trust), name="localhost")

    assert result.ok is (said == "HTTP 200")
    assert result.said == said


async def test_a_check_of_who_speaks_no_tls_says_so(rig, ca, trust):
    origin = await rig.up(trust=trust)

    async def say_no(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    origin.raw = say_no

    result = await check("127.0.0.1", origin.port, "/", 2.0, tls=to_instances(trust), name="localhost")

    assert not result.ok
    assert result.said == "TLS: wrong version number"
