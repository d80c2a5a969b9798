"""Faults on the legs: what clients and health checks see of each, and that all is as before when it is over."""

import asyncio
from dataclasses import replace
from time import monotonic

import pytest

from mainstay.base.probe import Talk
from mainstay.gateway.fault.kind import KINDS
from mainstay.gateway.fault.leg import Leg
from mainstay.gateway.fault.spec import FaultSpec
from mainstay.gateway.table import Trust
from mainstay.redundancy.health import HealthSpec
from pki import Authority

ALONE = {"retry": None, "hedge": None, "suspicion": None, "attempt": 0.4, "request": 0.4}
"""One attempt, so that nothing hides what a fault does."""
PATIENT = ALONE | {"attempt": 5.0, "request": 5.0}
QUICK = HealthSpec(every=0.05, timeout=0.05, down_after=2)
BODY = b"0123456789"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" + BODY
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n"
SPOILT = ["reset", "truncate", "stall", "wrong-length"]
SILENT = [("partition", "both"), ("partition", "to"), ("partition", "from"), ("silent", "both")]


def spec(kind, *instances, lease=30.0, direction=None, id_=None, **numbers):
    now = monotonic()
    known = {name: number.default for name, number in KINDS[kind].numbers.items()}
    return FaultSpec(
        id=id_ or kind,
        fault=kind,
        service="web",
        instances=instances,
        seed=1,
        began=now,
        until=now + lease,
        lease=lease,
        numbers=known | numbers,
        direction=direction or KINDS[kind].direction or "both",
    )


def begin(rig, *specs):
    rig.worker.faults.take(specs)


def end(rig):
    return rig.worker.faults.take([])


def counted(rig, kind):
    return rig.worker.faults.counted()[kind]


def legs(rig):
    """Give what has been left of faults."""
    found = [member.legs for member in rig.members if member.legs is not None]
    found += [one for member in rig.members for one in member.connections if isinstance(one.transport, Leg)]
    return found


async def timed(awaited):
    began = monotonic()
    answer = await awaited
    return answer, monotonic() - began


async def works(rig):
    """Tell that requests are answered as ever, and nothing is left of any fault."""
    return await works_with(rig, b"ok") or await works_with(rig, BODY)


async def works_with(rig, body):
    answer = await rig.ask(rig.get())
    await rig.until(lambda: not legs(rig))
    return answer.status == 200 and answer.body == body


# --- delays ---


@pytest.mark.parametrize("kept", [True, False])
async def test_latency_delays_what_comes_on_connections_that_there_are_and_on_new_ones(rig, kept):
    await rig.up(call=PATIENT)
    if kept:
        await rig.ask(rig.get())

    begin(rig, spec("latency", delay=0.15))
    answer, took = await timed(rig.ask(rig.get()))

    assert answer.status == 200
    # A new one costs the round trip of its making, too.
    assert took >= (0.15 if kept else 0.3)
    assert counted(rig, "latency")[0] >= 1
    end(rig)
    assert await works(rig)


async def test_latency_that_ends_lets_go_of_what_it_holds(rig):
    await rig.up(call=PATIENT)
    await rig.ask(rig.get())
    begin(rig, spec("latency", delay=60.0))
    asking = asyncio.ensure_future(rig.ask(rig.get()))
    await rig.until(lambda: counted(rig, "latency")[0])

    end(rig)

    assert (await asking).status == 200
    assert await works(rig)


async def test_latency_grows_over_its_ramp_and_jitters_within_its_bounds(rig):
    await rig.up(call=PATIENT)
    begin(rig, replace(spec("latency", delay=0.1, jitter=0.05, ramp=60.0), began=monotonic() - 30.0))
    await rig.ask(rig.get())

    took = [(await timed(rig.ask(rig.get())))[1] for _ in range(5)]

    assert min(took) >= 0.025
    assert len(set(took)) == 5


async def test_a_narrow_link_trickles_and_changes_no_byte(rig):
    origin = await rig.up(call=PATIENT)
    body = bytes(range(256)) * 100
    origin.answer = lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    begin(rig, spec("bandwidth", rate=100_000))
    answer, took = await timed(rig.ask(rig.request("POST", "/", body=body)))

    assert answer.body == body
    assert origin.requests[0].body == body
    assert took >= 2 * len(body) / 100_000


async def test_what_is_lost_comes_after_a_timeout_and_in_order(rig):
    origin = await rig.up(call=PATIENT)
    body = bytes(range(256)) * 2000
    origin.answer = lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    await rig.ask(rig.get())

    begin(rig, spec("loss", share=0.3, rto=0.001))
    answers = [await rig.ask(rig.get()) for _ in range(10)]

    assert all(answer.body == body for answer in answers)
    assert counted(rig, "loss")[0] > 0


async def test_a_lost_piece_waits_twice_as_long_each_time(rig):
    await rig.up(call=PATIENT)
    await rig.ask(rig.get())
    begin(rig, spec("loss", share=1.0, rto=0.001))

    answer, took = await timed(rig.ask(rig.get()))

    assert answer.status == 200
    assert took >= 2 * 0.001 * (2**8 - 1)


# --- silence ---


@pytest.mark.parametrize(("kind", "direction"), SILENT)
async def test_silence_on_a_connection_that_stands_is_a_timeout(rig, kind, direction):
    origin = await rig.up(call=ALONE)
    await rig.ask(rig.get())

    begin(rig, spec(kind, direction=direction))
    answer = await rig.ask(rig.get())

    assert answer.status == 504
    heard = len(origin.requests) == 2
    assert heard is (direction == "from")
    end(rig)
    assert await works(rig)


@pytest.mark.parametrize(("kind", "direction"), SILENT)
async def test_a_new_connection_hangs_in_a_partition_and_is_accepted_by_who_is_silent(rig, kind, direction):
    origin = await rig.up(call=ALONE, connect=0.1)

    begin(rig, spec(kind, direction=direction))
    answer = await rig.ask(rig.get())

    partition = kind == "partition"
    assert answer.get("mainstay-reason") == ("unreachable" if partition else "timeout")
    assert origin.connections == (0 if partition else 1)
    end(rig)
    assert await works(rig)


@pytest.mark.parametrize(("kind", "direction"), SILENT)
async def test_what_silence_held_back_comes_when_it_is_over(rig, kind, direction):
    origin = await rig.up(call=PATIENT)
    await rig.ask(rig.get())
    begin(rig, spec(kind, direction=direction))
    asking = asyncio.ensure_future(rig.ask(rig.get()))
    await rig.until(lambda: counted(rig, kind)[0])

    end(rig)

    assert (await asking).status == 200
    assert len(origin.requests) == 2
    assert await works(rig)


async def test_the_end_of_a_connection_is_not_heard_in_a_partition(rig):
    origin = await rig.up(call=ALONE)
    await rig.ask(rig.get())
    (connection,) = rig.members[0].connections

    begin(rig, spec("partition"))
    for writer in list(origin.open):
        writer.transport.abort()
    await rig.until(lambda: counted(rig, "partition")[0])

    assert not connection.closed
    end(rig)
    await rig.until(lambda: connection.closed)
    assert await works(rig)


# --- refusal ---


async def test_refusal_cuts_what_stands_and_lets_nobody_in(rig):
    origin = await rig.up(call=ALONE)
    await rig.ask(rig.get())

    begin(rig, spec("refuse"))
    await rig.until(lambda: not rig.members[0].connections)
    answer = await rig.ask(rig.get())

    assert answer.get("mainstay-reason") == "unreachable"
    assert len(origin.requests) == 1
    assert counted(rig, "refuse") == [2, 0]
    end(rig)
    assert await works(rig)


async def test_a_request_under_way_is_cut_by_refusal(rig):
    origin = await rig.up(call=PATIENT)
    origin.answer = lambda request: None
    asking = asyncio.ensure_future(rig.ask(rig.get()))
    await rig.until(lambda: origin.requests)

    begin(rig, spec("refuse"))

    assert (await asking).status == 502


@pytest.mark.parametrize(("host", "status"), [("localhost", 503), ("127.0.0.1", 200)])
async def test_a_name_is_not_found_where_there_is_one_to_look_up(rig, host, status):
    await rig.up(call=ALONE)
    rig.rows = [replace(rig.rows[0], host=host, generation=2)]
    rig.apply()

    begin(rig, spec("dns"))
    answer = await rig.ask(rig.get())

    assert answer.status == status
    assert counted(rig, "dns") == [int(status == 503), 0]


async def test_connections_that_stand_need_no_name(rig):
    await rig.up(call=ALONE)
    rig.rows = [replace(rig.rows[0], host="localhost", generation=2)]
    rig.apply()
    await rig.ask(rig.get())

    begin(rig, spec("dns"))

    assert (await rig.ask(rig.get())).status == 200


# --- answers ---


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_errors_come_in_place_of_answers_and_the_instance_is_not_asked(rig, method):
    origin = await rig.up(call=ALONE)
    body = b"x" * 100 if method == "POST" else None

    begin(rig, spec("errors", status=507))
    answer = await rig.ask(rig.request(method, "/", body=body), bodiless=method == "HEAD")

    assert answer.status == 507
    assert not origin.requests
    assert counted(rig, "errors") == [1, 0]
    end(rig)
    assert await works(rig)


@pytest.mark.parametrize("said", [ANSWER, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
@pytest.mark.parametrize("kind", SPOILT)
async def test_a_spoilt_answer_is_none(rig, kind, said):
    origin = await rig.up(call=ALONE)
    origin.answer = lambda request: said

    begin(rig, spec(kind))
    answer = await rig.ask(rig.get())

    assert answer.status == (504 if kind == "stall" else 502)
    assert len(origin.requests) == 1
    assert counted(rig, kind) == [1, 0]
    end(rig)
    origin.answer = lambda request: ANSWER
    assert await works(rig)


@pytest.mark.parametrize(("kind", "got"), [("truncate", b"01"), ("wrong-length", BODY), ("stall", b"01")])
async def test_an_answer_in_chunks_that_has_begun_is_cut_or_stands_still(rig, kind, got):
    origin = await rig.up(call=ALONE)
    origin.answer = lambda request: CHUNKED
    client = await rig.client()

    begin(rig, spec(kind))
    client.send(rig.get())
    head = await client.reader.readuntil(b"\r\n\r\n")
    await rig.until(lambda: counted(rig, kind) == [1, 0])

    assert head.startswith(b"HTTP/1.1 200 ")
    if kind == "stall":
        end(rig)
        assert b"789\r\n0\r\n\r\n" in await client.reader.readuntil(b"\r\n0\r\n\r\n")
    else:
        body = await client.rest()
        assert got in body
        assert not body.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("kind", SPOILT)
async def test_others_answer_what_one_spoils(rig, kind):
    await rig.up(2, call={"attempt": 0.3, "hedge": None})

    begin(rig, spec(kind, "web-1"))
    answers = [await rig.ask(rig.get()) for _ in range(4)]

    assert {answer.body for answer in answers} == {b"ok"}
    assert counted(rig, kind)[0] >= 1


async def test_a_share_of_answers_is_spoilt_by_a_chance_that_repeats_itself(rig):
    await rig.up(call=ALONE)
    seen = []

    for _ in range(2):
        begin(rig, spec("errors", share=0.5))
        seen.append([(await rig.ask(rig.get())).status for _ in range(20)])
        end(rig)

    assert seen[0] == seen[1]
    assert set(seen[0]) == {200, 503}


async def test_a_stalled_answer_goes_on_when_the_fault_is_over(rig):
    origin = await rig.up(call=PATIENT)
    origin.answer = lambda request: ANSWER
    begin(rig, spec("stall"))
    asking = asyncio.ensure_future(rig.ask(rig.get()))
    await rig.until(lambda: counted(rig, "stall")[0])

    end(rig)

    assert (await asking).body == BODY
    assert await works(rig)


async def test_a_head_that_comes_in_pieces_is_spoilt_as_well(rig):
    origin = await rig.up(call=ALONE)

    async def slowly(request):
        for at in range(0, len(ANSWER), 7):
            request.writer.write(ANSWER[at : at + 7])
            await asyncio.sleep(0.001)

    origin.answer = slowly
    begin(rig, spec("wrong-length"))
    answer = await rig.ask(rig.get())

    assert answer.status == 502
    assert counted(rig, "wrong-length") == [1, 0]


async def test_an_interim_answer_is_passed_on_and_the_final_one_spoilt(rig):
    origin = await rig.up(call=ALONE)
    origin.answer = lambda request: b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ANSWER

    begin(rig, spec("truncate"))
    answer = await rig.ask(rig.get())

    assert [one.status for one in answer.interim] == [103]
    assert answer.status == 502


# --- directions, some of the connections, and connections that end ---


@pytest.mark.parametrize(("direction", "delays"), [("to", 1), ("from", 1), ("both", 2)])
async def test_latency_acts_in_its_direction(rig, direction, delays):
    origin = await rig.up(call=PATIENT)
    came = []
    origin.answer = lambda request: came.append(monotonic()) or ANSWER
    await rig.ask(rig.get())
    client = await rig.client()

    begin(rig, spec("latency", direction=direction, delay=0.1))
    began = monotonic()
    _, took = await timed(client.ask(rig.get()))

    assert took >= 0.099 * delays
    assert (came[-1] - began >= 0.099) is (direction != "from")


@pytest.mark.parametrize(
    ("kind", "how"), [("bandwidth", {"rate": 100}), ("loss", {"share": 1.0, "rto": 5.0}), ("silent", {})]
)
async def test_what_acts_one_way_leaves_the_other_as_it_is(rig, kind, how):
    origin = await rig.up(call=PATIENT)
    await rig.ask(rig.get())
    begin(rig, spec(kind, direction="from", **how))
    asking = asyncio.ensure_future(rig.ask(rig.request("POST", "/", body=b"x" * 2000)))

    await rig.until(lambda: len(origin.requests) == 2)

    assert not asking.done()
    end(rig)
    assert (await asking).status == 200


async def test_toxicity_decides_for_each_connection_and_stays_with_it(rig):
    await rig.tcp()
    begin(rig, spec("silent", toxicity=0.5))
    clients = [await rig.client() for _ in range(16)]
    for client in clients:
        client.send(b"a")
    await rig.until(lambda: counted(rig, "silent")[0] + sum(bool(c.reader._buffer) for c in clients) == 16)

    passed = [bool(client.reader._buffer) for client in clients]
    for client in clients:
        client.send(b"b")
    got = [await client.read(2) for client, passes in zip(clients, passed, strict=True) if passes]

    assert set(passed) == {True, False}
    assert set(got) == {b"ab"}
    assert [bool(client.reader._buffer) for client in clients] == [False] * 16
    end(rig)
    for client, passes in zip(clients, passed, strict=True):
        if not passes:
            assert await client.read(2) == b"ab"


@pytest.mark.parametrize("kind", ["refuse", "silent", "cut", "partition"])
async def test_a_toxicity_of_nothing_does_nothing(rig, kind):
    await rig.up(call=ALONE)
    await rig.ask(rig.get())

    begin(rig, spec(kind, toxicity=0.0))

    assert (await rig.ask(rig.get())).status == 200
    assert counted(rig, kind) == [0, 0]


@pytest.mark.parametrize("kept", [True, False])
async def test_a_silent_connection_ends_in_order_when_that_was_told(rig, kept):
    await rig.tcp()
    client = await rig.client()
    if kept:
        client.send(b"before")
        await client.read(6)

    begin(rig, spec("silent", after=0.1))
    client.send(b"meanwhile")
    reset, took = await timed(client.was_reset())

    assert not reset
    assert took >= 0.09
    end(rig)
    await rig.until(lambda: not legs(rig))


@pytest.mark.parametrize("kind", ["silent", "cut"])
async def test_a_request_whose_connection_ends_is_told_so(rig, kind):
    await rig.up(call=PATIENT)

    begin(rig, spec(kind, after=0.05))
    answer = await rig.ask(rig.get())

    assert answer.status == 502
    end(rig)
    assert await works(rig)


@pytest.mark.parametrize("kind", ["silent", "cut"])
async def test_a_fault_that_is_over_ends_no_connection_any_more(rig, kind):
    await rig.tcp()
    client = await rig.client()
    begin(rig, spec(kind, after=0.2))
    client.send(b"meanwhile")
    await rig.until(lambda: counted(rig, kind)[0])

    end(rig)
    await asyncio.sleep(0.25)
    client.send(b"after")

    assert await client.read(14) == b"meanwhileafter"


@pytest.mark.parametrize(("direction", "reached"), [("from", b"hello"), ("to", b"")])
async def test_a_cut_resets_a_connection_some_time_after_its_first_piece(rig, direction, reached):
    origin = await rig.tcp()
    seen = bytearray()

    async def remember(reader, writer):
        while data := await reader.read(100):
            seen.extend(data)
            writer.write(data)

    origin.raw = remember
    client = await rig.client()

    begin(rig, spec("cut", direction=direction, after=0.1))
    client.send(b"hello")
    reset, took = await timed(client.was_reset())

    assert reset
    assert took >= 0.09
    assert bytes(seen) == reached


@pytest.mark.parametrize("size", [0, 1, 1000])
async def test_a_limit_lets_so_many_bytes_through_and_ends_the_connection(rig, size):
    await rig.tcp()
    client = await rig.client()

    begin(rig, spec("limit", bytes=size))
    client.send(b"x" * 700)
    client.send(b"x" * 700)

    assert await client.rest() == b"x" * size
    assert counted(rig, "limit") == [1, 0]


async def test_a_limit_of_what_is_sent_ends_the_connection_behind_it(rig):
    origin = await rig.tcp()
    seen = bytearray()

    async def remember(reader, writer):
        while data := await reader.read(100):
            seen.extend(data)

    origin.raw = remember
    client = await rig.client()

    begin(rig, spec("limit", direction="to", bytes=5))
    client.send(b"hello and more")

    assert await client.rest() == b""
    await rig.until(lambda: bytes(seen) == b"hello")


async def test_an_answer_within_the_limit_is_whole_and_the_next_is_not(rig):
    origin = await rig.up(call=ALONE)
    origin.answer = lambda request: ANSWER

    begin(rig, spec("limit", bytes=len(ANSWER) + 5))
    answers = [(await rig.ask(rig.get())).status for _ in range(2)]

    assert answers == [200, 502]
    end(rig)
    assert await works(rig)


async def test_slices_are_of_about_the_size_that_was_told_and_change_no_byte(rig):
    origin = await rig.up(call=PATIENT)
    body = bytes(range(256)) * 40
    origin.answer = lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    await rig.ask(rig.get())
    (connection,) = rig.members[0].connections

    begin(rig, spec("slices", size=500, variation=100, delay=0.002, direction="from"))
    watch = Watching(connection)
    connection.transport.inner = watch
    answer, took = await timed(rig.ask(rig.get()))
    connection.transport.inner = connection

    assert answer.body == body
    assert all(400 <= size <= 600 for size in watch.sizes[:-1])
    assert took >= 0.002 * (len(watch.sizes) - 1)


class Watching:
    """Sees the sizes of what a connection is given."""

    def __init__(self, inner):
        self.inner = inner
        self.sizes = []

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def data_received(self, data):
        self.sizes.append(len(data))
        self.inner.data_received(data)


@pytest.mark.parametrize(("direction", "closes"), [("from", "origin"), ("to", "client")])
async def test_the_end_of_a_connection_comes_later_than_what_was_said_last(rig, direction, closes):
    origin = await rig.tcp()
    ended = asyncio.Event()

    async def once(reader, writer):
        writer.write(await reader.readexactly(5))
        if closes == "client":
            await reader.read()
        ended.set()

    origin.raw = once
    client = await rig.client()

    begin(rig, spec("slow-close", direction=direction, delay=0.15))
    client.send(b"hello")
    await client.read(5)
    began = monotonic()
    if closes == "client":
        client.close()
        await ended.wait()
    else:
        await client.rest()

    assert monotonic() - began >= 0.1


@pytest.mark.parametrize("direction", ["to", "both"])
async def test_who_is_cut_off_by_a_slow_close_is_let_go_when_it_is_over(rig, direction):
    await rig.up(call=ALONE)
    await rig.ask(rig.get("/", "Connection: close"))
    begin(rig, spec("slow-close", direction=direction, delay=60.0))
    (connection,) = rig.members[0].connections
    connection.transport.close()

    end(rig)

    await rig.until(lambda: connection.closed)


async def test_small_slices_are_kept_within_bounds(rig):
    origin = await rig.up(call=PATIENT)
    await rig.ask(rig.get())
    body = b"x" * 2**18
    begin(rig, spec("slices", size=8, delay=1.0, direction="to"))
    client = await rig.client()

    client.send(rig.request("POST", "/", body=body))
    (connection,) = rig.members[0].connections
    await rig.until(lambda: connection.paused)
    end(rig)

    assert (await client.answer()).status == 200
    assert origin.requests[-1].body == body


# --- health checks ---


@pytest.mark.parametrize("talk", [None, Talk("PING\r\n", "200")])
@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("latency", {"delay": 5.0}),
        ("bandwidth", {"rate": 1}),
        ("loss", {"share": 1.0, "rto": 1.0}),
        ("partition", {}),
        ("silent", {}),
        ("refuse", {}),
    ],
)
async def test_health_checks_have_the_faults_of_the_network(rig, kind, how, talk):
    origin = await rig.up(health=QUICK, path="/healthz")
    rig.rows = [replace(rig.rows[0], talk=talk, generation=2)]
    rig.apply()
    if talk is not None:
        origin.raw = _answer_always
    await rig.until(lambda: rig.members[0].watch.last is not None)

    begin(rig, spec(kind, **how))
    await rig.until(lambda: not rig.members[0].health.usable)

    assert counted(rig, kind)[1] >= 2
    end(rig)
    await rig.until(lambda: rig.members[0].health.usable)


async def _answer_always(reader, writer):
    while await reader.read(1000):
        writer.write(b"HTTP/1.1 200 OK\r\n")


async def test_checks_look_names_up_too(rig):
    await rig.up(health=QUICK, path="/healthz")
    rig.rows = [replace(rig.rows[0], host="localhost", generation=2)]
    rig.apply()

    begin(rig, spec("dns"))
    await rig.until(lambda: not rig.members[0].health.usable)

    assert counted(rig, "dns")[1] >= 2
    assert "name resolution" in rig.members[0].watch.last.said


@pytest.mark.parametrize("kind", [*SPOILT, "errors"])
async def test_health_checks_have_no_fault_of_answers(rig, kind):
    origin = await rig.up(health=QUICK, path="/healthz")

    begin(rig, spec(kind))
    seen = len(origin.requests)
    await rig.until(lambda: len(origin.requests) > seen + 3)

    assert rig.members[0].health.usable
    assert counted(rig, kind) == [0, 0]


# --- leases, targets, and several at once ---


@pytest.mark.parametrize("kind", KINDS)
async def test_a_worker_ends_each_fault_by_itself_when_its_lease_is_over(rig, kind):
    numbers = {
        "latency": {"delay": 5.0},
        "bandwidth": {"rate": 1},
        "loss": {"share": 1.0, "rto": 5.0},
        "limit": {"bytes": 10},
        "slices": {"size": 1, "delay": 5.0},
        "slow-close": {"delay": 5.0},
    }
    await rig.up(call=PATIENT)
    await rig.ask(rig.get())

    begin(rig, spec(kind, lease=0.1, **numbers.get(kind, {})))
    assert rig.worker.faults
    await rig.until(lambda: not rig.worker.faults)

    assert await works(rig)


async def test_a_lease_that_is_renewed_goes_on(rig):
    await rig.up(call=ALONE)
    first = spec("errors", lease=0.2)
    begin(rig, first)

    begin(rig, replace(first, until=monotonic() + 30.0))
    await asyncio.sleep(0.25)

    assert (await rig.ask(rig.get())).status == 503


async def test_a_lease_that_was_over_before_it_came_does_nothing(rig):
    await rig.up(call=ALONE)

    begin(rig, spec("errors", lease=-1.0))

    assert not rig.worker.faults
    assert await works(rig)


async def test_a_fault_follows_an_instance_into_its_next_life(rig):
    await rig.up(call=ALONE)
    begin(rig, spec("errors", "web-1"))

    rig.rows = [replace(rig.rows[0], generation=2)]
    rig.apply()

    assert (await rig.ask(rig.get())).status == 503
    end(rig)
    assert await works(rig)


async def test_a_fault_hits_the_instances_it_names_and_no_others(rig):
    await rig.up(2, call=ALONE)

    begin(rig, spec("errors", "web-2"))
    statuses = [(await rig.ask(rig.get())).status for _ in range(4)]

    assert sorted(statuses) == [200, 200, 503, 503]
    assert rig.members[0].legs is None


async def test_faults_that_overlap_add_up_and_end_one_by_one(rig):
    await rig.up(call=PATIENT)
    await rig.ask(rig.get())
    slow, slower = spec("latency", delay=0.1, id_="a"), spec("latency", delay=0.2, id_="b")
    begin(rig, slow, slower, spec("errors"))

    both, took_both = await timed(rig.ask(rig.get()))
    begin(rig, slow, spec("errors"))
    one, took_one = await timed(rig.ask(rig.get()))
    begin(rig, slow)
    none, _ = await timed(rig.ask(rig.get()))

    assert (both.status, one.status, none.status) == (503, 503, 200)
    assert took_both >= 0.3
    assert took_one >= 0.1
    end(rig)
    assert await works(rig)


async def test_one_fault_that_ends_frees_nothing_that_another_one_holds(rig):
    await rig.up(call=ALONE)
    await rig.ask(rig.get())
    begin(rig, spec("partition"), spec("silent"))

    begin(rig, spec("silent"))

    assert (await rig.ask(rig.get())).status == 504


async def test_what_ended_is_counted_to_the_last(rig):
    await rig.up(call=ALONE)
    begin(rig, spec("errors"))
    await rig.ask(rig.get())

    assert end(rig) == {"errors": [1, 0]}
    assert rig.worker.faults.counted() == {}


async def test_who_sends_more_than_is_let_through_is_held_back(rig):
    origin = await rig.up(call=PATIENT)
    await rig.ask(rig.get())
    body = b"x" * 2**20
    begin(rig, spec("silent"))
    client = await rig.client()
    client.send(rig.request("POST", "/", body=body))
    (connection,) = rig.members[0].connections
    await rig.until(lambda: connection.paused)

    held = connection.transport.get_write_buffer_size()
    end(rig)

    assert held < 2**19
    assert (await client.answer()).status == 200
    assert origin.requests[-1].body == body
    assert await works(rig)


async def test_no_more_is_read_than_can_be_kept_and_nothing_of_it_is_lost(rig):
    origin = await rig.up(call=PATIENT)
    body = bytes(range(256)) * 2**15
    origin.answer = lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    await rig.ask(rig.get())
    begin(rig, spec("partition", direction="from"))
    asking = asyncio.ensure_future(rig.ask(rig.get()))
    (connection,) = rig.members[0].connections
    await rig.until(lambda: connection.transport._full_down)

    held = connection.transport._down.size
    end(rig)

    assert held < 2**21
    assert (await asking).body == body
    assert await works_with(rig, body)


async def test_a_client_that_reads_slowly_holds_the_instance_back_through_a_leg(rig):
    origin = await rig.up(call=PATIENT)
    body = bytes(range(256)) * 2**16
    origin.answer = lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    begin(rig, spec("latency", delay=0.001))
    client = await rig.client()
    client.send(rig.get())
    await rig.until(lambda: any(leg._paused for leg in rig.members[0].legs.legs))

    end(rig)

    assert (await client.answer()).body == body
    assert await works_with(rig, body)


# --- TCP, other protocols, TLS ---


@pytest.mark.parametrize("first", [True, False])
async def test_a_tunnel_has_the_faults_of_the_network(rig, first):
    await rig.tcp()
    client = await rig.client()
    if first:
        client.send(b"before")
        await client.read(6)
        begin(rig, spec("silent"))
    else:
        begin(rig, spec("silent"))
    client.send(b"meanwhile")
    await rig.until(lambda: counted(rig, "silent")[0])
    with pytest.raises(TimeoutError):
        await client.read(1, limit=0.05)

    end(rig)

    assert await client.read(9) == b"meanwhile"
    client.send(b"after")
    assert await client.read(5) == b"after"
    assert not legs(rig)


async def test_a_tunnel_is_cut_by_refusal(rig):
    await rig.tcp()
    client = await rig.client()
    client.send(b"hello")
    await client.read(5)

    begin(rig, spec("refuse"))

    assert await client.was_reset()


async def test_a_tunnel_is_slowed_and_ends_in_order(rig):
    await rig.tcp()
    client = await rig.client()
    body = bytes(range(256)) * 100

    begin(rig, spec("bandwidth", rate=200_000))
    client.send(body)
    client.writer.write_eof()
    got, took = await timed(client.rest())

    assert got == body
    assert took >= 2 * len(body) / 200_000 / 2


async def test_an_upgraded_connection_keeps_its_faults(rig):
    origin = await rig.up(upgrades=("websocket",))

    async def switch(request):
        request.writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
        while data := await request.reader.read(1000):
            request.writer.write(data)

    origin.answer = switch
    begin(rig, spec("latency", delay=0.1))
    client = await rig.client()
    client.send(rig.get("/", "Connection: Upgrade", "Upgrade: websocket"))
    await client.reader.readuntil(b"\r\n\r\n")

    client.send(b"hello")
    _, took = await timed(client.read(5))

    assert took >= 0.1
    end(rig)
    client.send(b"again")
    assert await client.read(5) == b"again"
    assert not legs(rig)


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("kind", [*SPOILT, "errors", "refuse", "silent", "partition"])
async def test_faults_act_on_what_is_said_over_tls(rig, tmp_path, kind, kept):
    ca = Authority(tmp_path)
    await rig.up(tls=ca.origin("localhost"), trust=Trust(ca=ca.pem), call=ALONE, connect=0.2)
    if kept:
        await rig.ask(rig.get())

    begin(rig, spec(kind))
    answer = await rig.ask(rig.get())

    assert answer.status in (502, 503, 504)
    end(rig)
    assert await works(rig)


async def test_health_checks_over_tls_have_the_faults_of_the_network(rig, tmp_path):
    ca = Authority(tmp_path)
    await rig.up(tls=ca.origin("localhost"), trust=Trust(ca=ca.pem), health=QUICK, path="/healthz")
    await rig.until(lambda: rig.members[0].watch.last is not None)

    begin(rig, spec("silent"))
    await rig.until(lambda: not rig.members[0].health.usable)

    assert counted(rig, "silent")[1] >= 2
    end(rig)
    await rig.until(lambda: rig.members[0].health.usable)
