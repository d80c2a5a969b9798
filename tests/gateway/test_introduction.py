"""The PROXY protocol at listeners and to instances, with real connections."""

import asyncio
import dataclasses
import ssl

import pytest

from mainstay.base.probe import Talk
from mainstay.gateway import introduction
from mainstay.gateway.check import check
from mainstay.gateway.preamble import Ends, read, write
from mainstay.gateway.table import StickySettings, Trust
from pki import Authority

ENDS = Ends("192.0.2.7", 56324, "198.51.100.1", 443)
SIX = Ends("2001:db8::7", 56324, "2001:db8::1", 443)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("pki"))


async def up(rig, *count, trusted=("127.0.0.1",), door=None, **settings):
    rig.trusted = list(trusted)
    return await rig.up(*count, door={"introduced": True} | (door or {}), **settings)


# --- in ---


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("ends", [ENDS, SIX])
async def test_a_proxy_says_whom_a_connection_is_for(rig, version, ends):
    origin = await up(rig)
    client = await rig.client()

    answer = await client.ask(write(version, ends) + rig.get("/"))
    again = await client.ask(rig.get("/"))

    assert (answer.status, again.status) == (200, 200)
    assert [request.get("x-forwarded-for") for request in origin.requests] == [ends.source] * 2
    assert len(origin.requests[0].all("x-forwarded-for")) == 1


async def test_it_may_come_byte_by_byte(rig):
    origin = await up(rig)
    client = await rig.client()

    for byte in write("v2", ENDS) + rig.get("/"):
        client.send(bytes((byte,)))
        await asyncio.sleep(0)
    answer = await client.answer()

    assert answer.status == 200
    assert origin.requests[0].get("x-forwarded-for") == ENDS.source


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_a_proxy_that_speaks_for_itself_is_who_it_is(rig, version):
    origin = await up(rig)
    client = await rig.client()

    await client.ask(write(version, None) + rig.get("/", "X-Forwarded-For: 8.8.8.8"))

    # It is one of the trusted, and so it may tell of somebody else.
    assert origin.requests[0].get("x-forwarded-for") == "8.8.8.8, 127.0.0.1"


async def test_what_the_client_says_of_itself_is_not_believed(rig):
    origin = await up(rig)
    client = await rig.client()

    await client.ask(write("v2", ENDS) + rig.get("/", "X-Forwarded-For: 8.8.8.8", "X-Forwarded-Proto: https"))

    assert origin.requests[0].get("x-forwarded-for") == ENDS.source
    assert origin.requests[0].get("x-forwarded-proto") == "http"


async def test_a_proxy_behind_a_proxy_is_believed(rig):
    origin = await up(rig, trusted=["127.0.0.1", "192.0.2.0/24"])
    client = await rig.client()

    await client.ask(write("v2", ENDS) + rig.get("/", "X-Forwarded-For: 1.1.1.1, 8.8.8.8"))

    assert origin.requests[0].get("x-forwarded-for") == "8.8.8.8, 192.0.2.7"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 65536\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PROXY " + b"x" * 200,
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\x00\x0c" + b"\0" * 12,
    ],
)
async def test_what_is_no_preamble_is_reset_and_nothing_is_passed_on(rig, data):
    origin = await up(rig)
    client = await rig.client()

    client.send(data)

    assert await client.was_reset()
    assert not origin.requests
    assert rig.route.refused == 1


@pytest.mark.parametrize("trusted", [[], ["10.0.0.0/8"]])
async def test_nobody_but_a_trusted_proxy_is_let_in(rig, trusted):
    origin = await up(rig, trusted=trusted)
    client = await rig.client()

    client.send(write("v1", ENDS) + rig.get("/"))

    assert await client.was_reset()
    assert not origin.requests


async def test_who_says_nothing_is_not_waited_for(rig, monkeypatch):
    monkeypatch.setattr(introduction, "PATIENCE", 0.1)
    await up(rig)
    silent, slow = await rig.client(), await rig.client()

    slow.send(b"PROXY TCP4 ")

    assert await silent.was_reset()
    assert await slow.was_reset()
    assert not rig.worker.greetings


async def test_who_leaves_before_it_has_said_all_leaves_nothing_behind(rig):
    await up(rig)
    client = await rig.client()
    client.send(b"PROXY TCP4 ")
    await rig.until(lambda: rig.worker.greetings)

    client.abort()

    await rig.until(lambda: not rig.worker.greetings)


async def test_beyond_the_most_clients_nobody_is_heard(rig):
    await up(rig)
    rig.worker.most_clients = 1
    first = await rig.client()
    await rig.until(lambda: len(rig.worker.greetings) == 1)

    second = await rig.client()

    assert await second.was_reset()
    assert (await first.ask(write("v2", ENDS) + rig.get("/"))).status == 200


async def test_a_worker_that_stops_waits_for_nobody_for_ever(rig):
    await up(rig)
    client = await rig.client()
    await rig.until(lambda: rig.worker.greetings)
    rig.worker.drain_limit = 0.05

    rig.worker.stop()

    assert await client.was_reset()
    await rig.worker.stopped


async def test_tls_begins_after_it(rig, ca):
    origin = await up(rig, door={"terms": ca.terms("shop.example")})
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    writer.write(write("v2", ENDS))
    await writer.start_tls(ca.client(), server_hostname="shop.example")

    writer.write(rig.get("/"))
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()

    assert head.startswith(b"HTTP/1.1 200")
    assert origin.requests[0].get("x-forwarded-for") == ENDS.source
    assert origin.requests[0].get("x-forwarded-proto") == "https"


async def test_a_hello_in_the_same_packet_is_not_lost(rig, ca):
    origin = await up(rig, door={"terms": ca.terms("shop.example")})
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = ca.client().wrap_bio(incoming, outgoing, server_hostname="shop.example")
    client = await rig.client()
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()

    client.send(write("v1", ENDS) + outgoing.read())
    while True:
        incoming.write(await client.reader.read(65536))
        try:
            session.do_handshake()
            break
        except ssl.SSLWantReadError:
            pass
    session.write(rig.get("/"))
    client.send(outgoing.read())

    await rig.until(lambda: origin.requests)
    assert origin.requests[0].get("x-forwarded-for") == ENDS.source


async def test_connections_over_tcp_are_introduced_as_well(rig):
    rig.trusted = ["127.0.0.1"]
    await rig.tcp(4, door={"introduced": True}, sticky=StickySettings(by="client"))

    for number in range(4):
        for _ in range(3):
            client = await rig.client()
            client.send(write("v2", ENDS._replace(source=f"192.0.2.{number}")) + b"hello")
            assert await client.read(5) == b"hello"

    assert sorted({member.requests % 3 for member in rig.members}) == [0]
    assert sum(member.requests > 0 for member in rig.members) > 1


async def test_a_place_over_tcp_is_given_back_when_nobody_was_introduced(rig):
    rig.trusted = ["127.0.0.1"]
    await rig.tcp(1, door={"introduced": True, "most": 1})

    for _ in range(3):
        client = await rig.client()
        client.send(b"nonsense")
        assert await client.was_reset()
    client = await rig.client()
    client.send(write("v1", ENDS) + b"hello")

    assert await client.read(5) == b"hello"


async def test_it_can_be_switched_on_and_off_while_it_runs(rig):
    origin = await up(rig, door={"introduced": False})

    before = await rig.ask(rig.get("/"))
    rig.door = {"introduced": True}
    rig.apply()
    client = await rig.client()
    during = await client.ask(write("v2", ENDS) + rig.get("/"))
    rig.door = {}
    rig.apply()
    after = await rig.ask(rig.get("/"))

    assert [answer.status for answer in (before, during, after)] == [200] * 3
    assert [request.get("x-forwarded-for") for request in origin.requests] == [
        "127.0.0.1",
        ENDS.source,
        "127.0.0.1",
    ]


# --- out ---


class Introduced:
    """An instance that hears whom each connection is for before anything else."""

    def __init__(self, origin, context=None):
        self.heard = []
        self.heads = []
        self.context = context
        origin.raw = self.serve

    async def serve(self, reader, writer):
        data = b""
        while (said := read(data)) is None:
            data += await reader.readexactly(1)
        self.heard.append(said.ends)
        if self.context is not None:
            await self.secured(reader, writer)
            return
        while True:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(OK)

    async def secured(self, reader, writer):
        """Speak TLS by hand: what has come with the preamble is not lost."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = self.context.wrap_bio(incoming, outgoing, server_side=True)
        for step in (session.do_handshake, session.read, lambda: session.write(OK)):
            while True:
                try:
                    said = step()
                    break
                except ssl.SSLWantReadError:
                    writer.write(outgoing.read())
                    piece = await reader.read(65536)
                    if not piece:
                        return
                    incoming.write(piece)
            if isinstance(said, bytes):
                self.heads.append(said)
            writer.write(outgoing.read())


def told(rig, version):
    """Have the instances told by this version."""
    rig.rows = [dataclasses.replace(row, preamble=version) for row in rig.rows]
    rig.apply()


def ends_of(client, rig):
    return Ends("127.0.0.1", client.writer.get_extra_info("sockname")[1], "127.0.0.1", rig.port)


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_an_instance_is_told_whom_a_connection_is_for(rig, version):
    instance = Introduced(await rig.up())
    told(rig, version)
    client = await rig.client()

    answer = await client.ask(rig.get("/a"))

    assert answer.status == 200
    assert instance.heard == [ends_of(client, rig)]
    assert instance.heads[0].startswith(b"GET /a HTTP/1.1\r\n")


async def test_no_connection_is_used_for_two_requests(rig):
    origin = await rig.up()
    instance = Introduced(origin)
    told(rig, "v2")
    first, second = await rig.client(), await rig.client()

    for client in (first, second, first):
        assert (await client.ask(rig.get("/"))).status == 200

    assert instance.heard == [ends_of(client, rig) for client in (first, second, first)]
    await rig.until(lambda: not rig.members[0].connections)


async def test_whom_a_proxy_in_front_tells_of_is_told_on(rig):
    rig.trusted = ["127.0.0.1"]
    instance = Introduced(await rig.up())
    told(rig, "v2")
    client = await rig.client()

    await client.ask(rig.get("/", "X-Forwarded-For: 2001:db9::1"))

    assert instance.heard == [Ends("2001:db9::1", 0, "127.0.0.1", rig.port)]


@pytest.mark.parametrize("ends", [ENDS, SIX])
async def test_what_comes_in_goes_out(rig, ends):
    origin = await up(rig)
    instance = Introduced(origin)
    told(rig, "v1")
    client = await rig.client()

    await client.ask(write("v2", ends) + rig.get("/"))

    assert instance.heard == [ends]


async def test_an_instance_behind_tls_is_told_before_it(rig, ca):
    instance = Introduced(await rig.up(trust=Trust(ca=ca.pem)), ca.origin("localhost"))
    rig.rows = [dataclasses.replace(row, server_name="localhost") for row in rig.rows]
    told(rig, "v2")
    client = await rig.client()

    answer = await client.ask(rig.get("/"))

    assert answer.status == 200
    assert instance.heard == [ends_of(client, rig)]


async def test_over_tcp_an_instance_is_told_as_well(rig):
    origin = await rig.tcp()
    heard = []

    async def serve(reader, writer):
        data = b""
        while (said := read(data)) is None:
            data += await reader.readexactly(1)
        heard.append(said.ends)
        while piece := await reader.read(65536):
            writer.write(piece)

    origin.raw = serve
    told(rig, "v2")
    client = await rig.client()
    client.send(b"hello")

    assert await client.read(5) == b"hello"
    assert heard == [ends_of(client, rig)]


async def test_connections_from_before_are_not_used_once_it_is_on(rig):
    origin = await rig.up()
    await rig.ask(rig.get("/"))
    await rig.until(lambda: rig.members[0].idle)

    instance = Introduced(origin)
    told(rig, "v1")
    answer = await rig.ask(rig.get("/"))

    assert answer.status == 200
    assert len(instance.heard) == 1


async def test_a_retry_is_introduced_as_well(rig):
    origins = await rig.up(2)
    broken, sound = [], Introduced(origins[1])

    async def breaks(reader, writer):
        broken.append(await reader.read(65536))

    origins[0].raw = breaks
    told(rig, "v2")
    client = await rig.client()

    answers = [await client.ask(rig.get("/")) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200]
    assert all(read(data).ends == ends_of(client, rig) for data in broken)
    assert sound.heard == [ends_of(client, rig)] * 2


# --- checks ---


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_a_check_speaks_for_the_gateway_itself(rig, version):
    origin = await rig.up()
    instance = Introduced(origin)

    asked = await check("127.0.0.1", origin.port, "/healthz", 2.0, preamble=version)
    talked = await check("127.0.0.1", origin.port, None, 2.0, Talk("x\r\n\r\n", "200"), preamble=version)

    assert (asked.said, asked.ok, talked.ok) == ("HTTP 200", True, True)
    assert instance.heard == [None, None]


async def test_a_check_by_tls_does_as_well(rig, ca):
    origin = await rig.up()
    instance = Introduced(origin, ca.origin("localhost"))

    result = await check(
        "127.0.0.1", origin.port, None, 2.0, tls=ca.client(), name="localhost", preamble="v2"
    )

    assert result.said == "HTTP 200"
    assert instance.heard == [None]
