"""Against real sockets on loopback: little servers that each misbehave in one way."""

import asyncio
import contextlib
import errno
import gc
import socket
import struct

import pytest

from mainstay.drill.load import generator
from mainstay.drill.load.generator import Generator
from mainstay.drill.load.mix import Errand, Letter
from mainstay.drill.load.schedule import Arrival, LoadSpec
from mainstay.drill.load.tally import tally
from mainstay.drill.load.target import Target, trust
from mainstay.drill.load.wire import Line, Shot
from pki import Authority

BODY = b'{"ok": true}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    # Connections of loopback are made in no time.
    monkeypatch.setattr(generator, "HEAD_START", 0.03)


class Peer(asyncio.Protocol):
    """One connection of a server that answers each request in one piece."""

    def __init__(self, server, answer):
        self.server, self.answer = server, answer

    def connection_made(self, transport):
        self.transport = transport
        self.server.peers.append(self)

    def data_received(self, data):
        self.server.requests.append(data)
        self.answer(self)

    def reset(self):
        self.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.transport.abort()


class Server:
    def __init__(self):
        self.peers, self.requests = [], []


@contextlib.asynccontextmanager
async def serving(answer, context=None):
    server = Server()
    listener = await asyncio.get_running_loop().create_server(
        lambda: Peer(server, answer), "127.0.0.1", 0, ssl=context
    )
    server.port = listener.sockets[0].getsockname()[1]
    async with listener:
        yield server
        for peer in server.peers:
            peer.transport.abort()
        await asyncio.sleep(0)


def well(peer):
    peer.transport.write(ANSWER)


SPEC = {"rate": 400, "seconds": 0.1, "arrivals": "even", "connections": 4, "deadline": 0.3}


def against(port, told=None, **changed):
    return Generator(
        LoadSpec(**(SPEC | changed)),
        Target("127.0.0.1", port, "127.0.0.1"),
        "r",
        *([] if told is None else [told.append]),
    )


async def test_every_arrival_is_sent_once_and_answered():
    async with serving(well) as server:
        load = against(server.port, posts=0.5)

        await load.run()

    assert len(load.records) == len(server.requests) == 40
    assert {record.outcome for record in load.records} == {"ok"}
    assert sorted(record.number for record in load.records) == list(range(40))
    posted = [data.split(b'{"id":"')[1][:-2] for data in server.requests if data.startswith(b"POST")]
    assert sorted(posted) == sorted(r.id.encode() for r in load.records if r.method == "POST")
    assert posted


async def test_both_populations_of_connections_are_there():
    async with serving(well) as server:
        load = against(server.port, fresh=0.5, rate=40.0, seconds=1.0)

        await load.run()

    fresh = [record for record in load.records if record.connection == "fresh"]
    kept = [record for record in load.records if record.connection == "kept"]
    assert fresh
    assert {record.carried for record in fresh} == {0}
    # Kept ones take turns on the four opened beforehand; a burst, or a busy machine, may have needed more.
    assert sum(record.carried > 0 for record in kept) >= len(kept) / 4
    assert len({record.carried for record in kept}) < len(kept)
    assert len(server.peers) >= 4 + len(fresh)


async def test_latency_counts_from_the_intended_start_though_the_system_stalls():
    """A server that answers nobody before all have come: a closed loop would wait for the first answer for ever."""
    came = []

    def stalling(peer):
        came.append(peer)
        if len(came) == 80:
            for one in came:
                well(one)

    async with serving(stalling) as server:
        load = against(server.port, seconds=0.2, deadline=60)

        await load.run()

    assert len(load.records) == 80
    last = max(record.at for record in load.records)
    for record in load.records:
        assert record.outcome == "ok"
        assert record.latency >= last - record.at - 0.001


async def test_a_refused_connection_fails_its_user():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        load = against(nobody.getsockname()[1])

        await load.run()

    assert [record.outcome for record in load.records] == ["refused"] * 40
    assert tally(load.records).longest_outage.failed == 40


async def test_a_reset_fails_its_user_and_is_not_repeated():
    async with serving(Peer.reset) as server:
        load = against(server.port)

        await load.run()

    assert [record.outcome for record in load.records] == ["reset"] * 40
    assert len(server.requests) == 40


async def test_an_answer_cut_in_the_middle_is_truncated():
    def cut(peer):
        peer.transport.write(ANSWER[:-3])
        peer.transport.close()

    async with serving(cut) as server:
        load = against(server.port)

        await load.run()

    assert {record.outcome for record in load.records} == {"truncated"}


async def test_a_user_without_an_answer_gives_up_at_the_deadline():
    async with serving(lambda peer: None) as server:
        load = against(server.port, fresh=0.5)

        await load.run()

    assert [record.outcome for record in load.records] == ["timeout"] * 40
    assert {round(record.latency, 6) for record in load.records} == {0.3}


async def test_an_answer_after_the_deadline_is_a_timeout_though_nobody_has_looked_yet(monkeypatch):
    monkeypatch.setattr(generator, "LOOK", 0.2)

    def late(peer):
        asyncio.get_running_loop().call_later(0.06, well, peer)

    async with serving(late) as server:
        load = against(server.port, rate=1, seconds=0.5, deadline=0.05)

        await load.run()

    assert [(record.outcome, round(record.latency, 6)) for record in load.records] == [("timeout", 0.05)]


async def test_a_listener_that_never_accepts_is_a_timeout():
    with socket.socket() as full, contextlib.ExitStack() as held:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):
            # The queue of the kernel is full after these; the next connection waits to be made.
            one = held.enter_context(socket.socket())
            one.settimeout(0)
            one.connect_ex(full.getsockname())
        load = against(full.getsockname()[1], connections=0)

        await load.run()

    assert {record.outcome for record in load.records} == {"timeout"}


async def test_an_idle_connection_that_the_server_closed_fails_nobody():
    """It closes each connection with its answer, without saying so."""

    def hanging_up(peer):
        well(peer)
        # At once: were a request on its way already, it would rightly fail.
        peer.transport.close()

    async with serving(hanging_up) as server:
        load = against(server.port, seconds=0.5)

        await load.run()

    assert {record.outcome for record in load.records} == {"ok"}


async def test_a_connection_whose_close_has_arrived_unseen_is_passed_over(monkeypatch):
    monkeypatch.setattr(Line, "alive", lambda line: False)
    async with serving(well) as server:
        load = against(server.port)

        await load.run()

    assert {(record.outcome, record.carried) for record in load.records} == {("ok", 0)}
    assert len(server.requests) == 40


async def test_the_first_news_of_a_request_counts():
    load = against(1)
    shot = Shot(0, Arrival(0.0, 0, fresh=False), Letter(Errand(method="GET", path="/"), "h"), "r-0")

    load.settle(shot, "unsent", 0)
    load.settle(shot, "ok", 200)

    assert [record.outcome for record in load.records] == ["unsent"]


async def test_an_arrival_beyond_the_limit_has_failed_unsent():
    async with serving(lambda peer: None) as server:
        load = against(server.port, in_flight=10)

        await load.run()

    outcomes = [record.outcome for record in load.records]
    assert (outcomes.count("unsent"), outcomes.count("timeout")) == (30, 10)
    assert len(server.requests) == 10


@pytest.mark.parametrize(
    ("number", "outcome"),
    [(errno.EMFILE, "unsent"), (errno.EADDRNOTAVAIL, "unsent"), (errno.EHOSTUNREACH, "refused")],
)
async def test_a_shortage_of_its_own_is_not_blamed_on_the_system(monkeypatch, number, outcome):
    real = asyncio.get_running_loop().create_connection

    async def failing(made, host, port, **kwargs):
        if port == 1:
            raise OSError(number, "no")
        return await real(made, host, port, **kwargs)

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", failing)
    load = against(1)

    await load.run()

    assert {record.outcome for record in load.records} == {outcome}


async def test_no_more_connections_are_kept_than_asked_for():
    def later(peer):
        asyncio.get_running_loop().call_later(0.05, well, peer)

    async with serving(later) as server:
        load = against(server.port, fresh=0, deadline=5)

        await load.run()
        await asyncio.sleep(0)

    assert {record.outcome for record in load.records} == {"ok"}
    assert len(server.peers) > 4
    assert len(load._idle) <= 4


async def test_a_stopped_load_sends_no_more_and_waits_for_those_on_their_way():
    def later(peer):
        asyncio.get_running_loop().call_later(0.1, well, peer)

    async with serving(later) as server:
        load = against(server.port, seconds=60, deadline=5)
        loop = asyncio.get_running_loop()

        def stop_when_some_are_on_their_way():
            if len(server.requests) > 5:
                load.stop()
            else:
                loop.call_later(0.01, stop_when_some_are_on_their_way)

        loop.call_soon(stop_when_some_are_on_their_way)

        await load.run()

    assert 0 < len(load.records) == len(server.requests) < 200
    assert {record.outcome for record in load.records} == {"ok"}


async def test_it_tells_how_it_begins_and_each_second():
    told = []
    async with serving(well) as server:
        load = against(server.port, told, rate=20, seconds=2.2)

        head = await load.run()

    assert told[0]["event"] == "began"
    assert told[0]["arrivals"] == 44
    assert [news["second"] for news in told[1:]] == [1, 2]
    assert sum(news["ended"] for news in told[1:]) <= 44
    assert head.monotonic == told[0]["monotonic"]


async def test_a_bug_ends_the_run_instead_of_leaving_it_hanging():
    def broken(news):
        if news["event"] == "second":
            raise RuntimeError("broken")

    async with serving(well) as server:
        load = Generator(
            LoadSpec(rate=10, seconds=30), Target("127.0.0.1", server.port, "127.0.0.1"), "r", broken
        )

        with pytest.raises(RuntimeError, match="broken"):
            await load.run()


async def test_the_collector_rests_during_the_run_and_works_again_after_it():
    seen = []

    def looking(peer):
        seen.append(gc.isenabled())
        well(peer)

    async with serving(looking) as server:
        await against(server.port).run()

    assert set(seen) == {False}
    assert gc.isenabled()


async def test_a_large_program_is_not_late_for_its_own_collection():
    heap = [[] for _ in range(3_000_000)]

    async with serving(well) as server:
        generator = against(server.port)
        await generator.run()

    assert len(heap) == 3_000_000
    assert generator.records[0].outcome == "ok"
    assert generator.records[0].lag < 0.2


MIX = (
    Errand(method="GET", path="/a?b"),
    Errand(method="HEAD", path="/h"),
    Errand(method="PUT", path="/o/{id}", body="{id}", weight=2, writes=True),
)


async def test_a_mix_is_asked_by_weight_and_each_write_under_an_id_of_its_own():
    def answering(peer):
        # Of the length that a GET would have; no body follows (RFC 9110 §9.3.2).
        peer.transport.write(ANSWER[: -len(BODY)] if peer.server.requests[-1].startswith(b"HEAD") else ANSWER)

    async with serving(answering) as server:
        load = Generator(
            LoadSpec(**SPEC | {"seconds": 0.5}), Target("127.0.0.1", server.port, "127.0.0.1"), "r", mix=MIX
        )

        head = await load.run()

    seen = tally(load.records)
    assert {record.outcome for record in load.records} == {"ok"}
    assert set(seen.by_route) == {"GET /a", "HEAD /h", "PUT /o/{id}"}
    assert seen.by_route["PUT /o/{id}"].sent > seen.by_route["GET /a"].sent
    written = [data.split(b"\r\n\r\n")[1] for data in server.requests if data.startswith(b"PUT")]
    assert sorted(written) == sorted(record.id.encode() for record in load.records if record.writes)
    assert {data.split(b" ")[1] for data in server.requests if data.startswith(b"PUT")} == {
        b"/o/" + name for name in written
    }
    # Connections go on being used after a HEAD.
    assert max(record.carried for record in load.records if record.method == "HEAD") > 0
    assert head.lane["asked"] > 0


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.mark.parametrize(
    ("name", "trusted", "how", "outcome"),
    [
        ("shop.example", True, {}, "ok"),
        ("", True, {}, "refused"),
        ("shop.example", False, {}, "refused"),
        ("", False, {"unverified": True}, "ok"),
    ],
)
async def test_tls_is_spoken_to_whom_the_certificate_names_and_to_others_only_if_that_is_told(
    pki, name, trusted, how, outcome
):
    async with serving(well, pki.origin("shop.example")) as server:
        to = Target("127.0.0.1", server.port, "127.0.0.1", "https", name)
        trusting = trust(to, pki.file if trusted else None, **how)
        load = Generator(LoadSpec(**SPEC | {"deadline": 5.0}), to, "r", trusting=trusting)

        await load.run()

    assert {record.outcome for record in load.records} == {outcome}
    if outcome == "ok":
        assert max(record.carried for record in load.records) > 0
        assert all(f"\r\nHost: {to.netloc}\r\n".encode() in data for data in server.requests)
