"""Services over TCP: connections instead of requests, with the same pool and the same care."""

import asyncio
import dataclasses
import socket

import pytest

from mainstay.gateway.tcp import passage, relay
from mainstay.redundancy.outlier import OutlierSpec
from mainstay.tolerance.breaker import BreakerSpec

BIG = bytes(range(256)) * 16384


def raw(rig, script):
    for origin in rig.origins:
        origin.raw = script


async def greet(reader, writer):
    writer.write(b"hello\n")
    while line := await reader.readline():
        writer.write(line)


async def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        return gone.getsockname()[1]


def at(row, port):
    """Give the row of the next life, at another port."""
    return dataclasses.replace(row, generation=row.generation + 1, port=port)


async def test_bytes_pass_both_ways_as_they_are(rig):
    await rig.tcp()
    client = await rig.client()

    client.send(BIG)
    got = await client.read(len(BIG))

    assert got == BIG
    assert rig.route.received.bytes == rig.route.sent.bytes == len(BIG)


async def test_a_server_may_speak_first(rig):
    await rig.tcp()
    raw(rig, greet)
    client = await rig.client()

    greeting = await client.read(6)
    client.send(b"and you\n")

    assert greeting == b"hello\n"
    assert await client.read(8) == b"and you\n"


async def test_http_2_is_bytes_like_any_others(rig):
    await rig.tcp()
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
    client = await rig.client()

    client.send(preface)

    assert await client.read(len(preface)) == preface


async def test_what_a_client_sends_before_there_is_an_instance_is_not_lost(rig):
    origin = await rig.tcp()
    client = await rig.client()
    client.send(BIG)
    client.writer.write_eof()

    got = await client.rest()

    assert got == BIG
    assert origin.connections == 1


async def test_each_direction_ends_by_itself(rig):
    await rig.tcp()

    async def talk_on(reader, writer):
        asked = await reader.read()
        for _ in range(3):
            await asyncio.sleep(0.01)
            writer.write(asked)

    raw(rig, talk_on)
    client = await rig.client()

    client.send(b"abc")
    client.writer.write_eof()

    assert await client.rest() == b"abc" * 3
    await rig.until(rig.idle)
    assert rig.route.broken == rig.route.failures == 0


async def test_an_instance_that_has_said_all_may_go_on_listening(rig):
    heard = asyncio.get_running_loop().create_future()

    async def hang_up_and_listen(reader, writer):
        writer.write(b"bye")
        writer.write_eof()
        heard.set_result(await reader.read())

    await rig.tcp()
    raw(rig, hang_up_and_listen)
    client = await rig.client()

    assert await client.rest() == b"bye"
    client.send(b"one more thing")
    client.writer.write_eof()

    assert await heard == b"one more thing"


async def test_a_reset_by_the_instance_is_a_reset_for_the_client(rig):
    await rig.tcp()

    async def crash(reader, writer):
        writer.write(await reader.readexactly(1))
        await writer.drain()
        await reader.readexactly(1)
        relay.reset(writer.transport)

    raw(rig, crash)
    client = await rig.client()

    client.send(b"a")
    assert await client.read(1) == b"a"
    client.send(b"b")

    assert await client.was_reset()
    await rig.until(rig.idle)
    assert (rig.route.requests, rig.route.broken, rig.route.failures) == (1, 1, 1)


async def test_a_reset_by_the_client_is_a_reset_for_the_instance(rig):
    ended = asyncio.get_running_loop().create_future()

    async def listen(reader, writer):
        try:
            ended.set_result(await reader.readexactly(2))
        except OSError as error:
            ended.set_result(error)

    await rig.tcp()
    raw(rig, listen)
    client = await rig.client()

    client.send(b"a")
    await rig.until(lambda: rig.route.received.bytes)
    client.abort()

    assert isinstance(await ended, ConnectionResetError)
    await rig.until(rig.idle)
    assert rig.route.failures == rig.members[0].failures == 0


async def test_neither_side_can_make_the_gateway_keep_more_than_a_little(rig):
    await rig.tcp()
    reading = asyncio.Event()

    async def read_late(reader, writer):
        await reading.wait()
        writer.write(b"%d" % len(await reader.read()))

    raw(rig, read_late)
    client = await rig.client()
    client.send(b"x" * 2**26)

    await rig.until(lambda: rig.route.received.bytes > 2**20)
    before, now = 0, 1
    while before < now:
        before = now
        await asyncio.sleep(0.1)
        now = rig.route.received.bytes
    (one,) = rig.worker.clients
    kept = one._tunnel.far.transport.get_write_buffer_size()
    reading.set()
    client.writer.write_eof()

    assert before < 2**25
    assert kept < 2**19
    assert await client.rest() == b"%d" % 2**26


# --- failover ---


async def test_an_instance_that_cannot_be_reached_is_passed_over(rig):
    await rig.tcp(3)
    rig.rows[0] = at(rig.rows[0], await closed_port())
    rig.rows[1] = at(rig.rows[1], await closed_port())
    rig.apply()

    for _ in range(4):
        client = await rig.client()
        client.send(b"ping")
        assert await client.read(4) == b"ping"
        client.close()
    await rig.until(rig.idle)

    assert rig.route.requests == 4
    assert rig.route.failures == 0
    assert rig.origins[2].connections == 4
    assert sum(member.failures for member in rig.members[:2]) == rig.route.retries > 0


async def test_a_client_is_reset_when_no_instance_can_be_reached(rig):
    await rig.tcp()
    rig.rows[0] = at(rig.rows[0], await closed_port())
    rig.apply()
    client = await rig.client()

    assert await client.was_reset()
    await rig.until(rig.idle)
    assert (rig.route.requests, rig.route.failures, rig.route.classes[5]) == (1, 1, 1)


async def test_a_client_is_reset_when_there_is_no_instance(rig):
    await rig.tcp(0)
    client = await rig.client()

    assert await client.was_reset()
    await rig.until(rig.idle)
    assert rig.route.failures == 1


async def test_an_instance_that_refuses_is_ejected(rig):
    await rig.tcp(2, pool={"outlier": OutlierSpec(refused=2, base=0.1)})
    rig.rows[0] = at(rig.rows[0], await closed_port())
    rig.apply()

    async with asyncio.timeout(10):
        while not rig.line.facts("InstanceEjected"):
            client = await rig.client()
            client.send(b"p")
            await client.read(1)
            client.close()
            await asyncio.sleep(0.02)

    assert rig.line.facts("InstanceEjected")[0]["instance"] == "web-1"
    assert rig.members[0].failures == 2


async def test_a_connection_ended_before_a_byte_came_either_way_goes_elsewhere(rig):
    await rig.tcp(2)
    first, second = rig.origins

    async def hang_up(reader, writer):
        pass

    first.raw = hang_up
    second.raw = greet
    for _ in range(4):
        client = await rig.client()
        assert await client.read(6) == b"hello\n"
        client.close()
    await rig.until(rig.idle)

    assert first.connections == rig.members[0].failures == rig.route.retries > 0
    assert rig.route.failures == 0


async def test_a_reset_before_a_byte_came_either_way_goes_elsewhere(rig):
    await rig.tcp(2)
    first, second = rig.origins

    async def crash(reader, writer):
        relay.reset(writer.transport)

    first.raw = crash
    second.raw = greet
    for _ in range(4):
        client = await rig.client()
        assert await client.read(6) == b"hello\n"
        client.close()

    assert first.connections > 0


@pytest.mark.parametrize("hard", [True, False])
async def test_what_was_sent_is_sent_to_one_instance_only(rig, hard):
    await rig.tcp(2)

    async def crash(reader, writer):
        await reader.read(65536)
        if hard:
            relay.reset(writer.transport)

    raw(rig, crash)
    client = await rig.client()

    client.send(b"pay")

    assert await client.was_reset() is hard
    client.close()
    await rig.until(rig.idle)
    assert sum(origin.connections for origin in rig.origins) == 1
    assert (rig.route.requests, rig.route.failures) == (1, 1)
    assert sum(member.failures for member in rig.members) == 1


async def test_a_client_that_leaves_without_a_word_proves_nothing(rig):
    await rig.tcp(pool={"outlier": OutlierSpec(reset=1, keep=0)}, breaker=BreakerSpec(minimum=1))

    for _ in range(3):
        client = await rig.client()
        await rig.until(lambda: rig.members[0].busy)
        client.close()
        await rig.until(rig.idle)

    assert rig.members[0].failures == rig.route.failures == 0
    assert rig.members[0].ejected_until is None


async def test_an_instance_that_holds_a_silent_connection_has_answered(rig):
    await rig.tcp(2, call={"attempt": 0.05, "request": 5.0})
    ending = asyncio.Event()

    async def wait(reader, writer):
        await ending.wait()

    raw(rig, wait)
    client = await rig.client()

    await rig.until(lambda: rig.route.requests == 1)
    ending.set()

    assert await client.rest() == b""
    client.close()
    await rig.until(rig.idle)
    assert sum(origin.connections for origin in rig.origins) == 1
    assert rig.route.failures == 0


async def test_an_instance_that_accepts_nothing_is_given_up_in_time(rig):
    await rig.tcp(2, connect=0.1)
    full = socket.create_server(("127.0.0.1", 0), backlog=1)
    port = full.getsockname()[1]
    filling = []
    for _ in range(8):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", port))
        filling.append(one)
    rig.rows[0] = at(rig.rows[0], port)
    rig.apply()

    for _ in range(2):
        client = await rig.client()
        client.send(b"ping")
        assert await client.read(4) == b"ping"
        client.close()

    for one in [*filling, full]:
        one.close()
    assert rig.members[0].failures == 1


async def test_open_connections_count_for_the_balance(rig):
    await rig.tcp(2, pool={"balance": "least"})
    held = [await rig.client() for _ in range(6)]

    for client in held:
        client.send(b"a")
        await client.read(1)

    assert [member.in_flight for member in rig.members] == [3, 3]
    assert rig.route.in_flight == 6


# --- instances that go ---


async def test_an_instance_that_drains_gets_no_new_connections_and_keeps_its_own(rig):
    await rig.tcp(2)
    clients = [await rig.client() for _ in range(2)]
    for client in clients:
        client.send(b"a")
        await client.read(1)

    rig.rows[0] = dataclasses.replace(rig.rows[0], state="draining")
    rig.apply()
    late = await rig.client()
    late.send(b"b")

    assert await late.read(1) == b"b"
    assert rig.origins[0].connections == 1
    assert rig.line.idle() == []
    for client in clients:
        client.send(b"still")
        assert await client.read(5) == b"still"
        client.close()
    await rig.until(rig.line.idle)
    assert rig.line.idle() == [("web-1", 1)]


async def test_connections_to_an_instance_that_is_gone_are_reset(rig, monkeypatch):
    monkeypatch.setattr(passage, "LAST_WORDS", 0.05)
    await rig.tcp(2)
    clients = [await rig.client() for _ in range(2)]
    for client in clients:
        client.send(b"a")
        await client.read(1)

    del rig.rows[0]
    rig.apply()
    await rig.until(lambda: rig.route.in_flight == 1)

    assert await clients[0].was_reset() or await clients[1].was_reset()
    assert rig.route.broken == 1


async def test_a_connection_on_which_nothing_moved_leaves_an_instance_that_is_gone(rig, monkeypatch):
    monkeypatch.setattr(passage, "LAST_WORDS", 0.05)
    await rig.tcp(2)
    rig.origins[1].raw = greet
    silent = await rig.client()
    await rig.until(lambda: rig.origins[0].open)

    del rig.rows[0]
    rig.apply()

    assert await silent.read(6) == b"hello\n"
    assert rig.route.broken == 0


async def test_an_instance_that_was_out_of_sight_for_a_moment_keeps_its_connections(rig, monkeypatch):
    monkeypatch.setattr(passage, "LAST_WORDS", 0.05)
    await rig.tcp()
    client = await rig.client()
    client.send(b"a")
    await client.read(1)
    rows = list(rig.rows)

    rig.rows.clear()
    rig.apply()
    rig.rows += rows
    rig.apply()
    await rig.until(lambda: rig.members[0].busy)

    assert rig.members[0].in_flight == 1
    client.send(b"b")
    assert await client.read(1) == b"b"


async def test_a_worker_that_stops_lets_connections_end_within_its_drain_time(rig):
    await rig.tcp()
    rig.worker.drain_limit = 0.3
    patient, quick = [await rig.client() for _ in range(2)]
    for client in (patient, quick):
        client.send(b"a")
        await client.read(1)

    rig.worker.stop()
    quick.send(b"last")
    last = await quick.read(4)
    quick.close()

    assert last == b"last"
    assert await patient.was_reset()
    with pytest.raises(ConnectionRefusedError):
        await rig.client()


# --- time ---


async def test_a_tunnel_in_which_nothing_moves_is_cut(rig):
    await rig.tcp(tunnel=0.1)
    client = await rig.client()
    client.send(b"a")
    await client.read(1)

    assert await client.was_reset()
    await rig.until(rig.idle)
    assert rig.route.broken == 0


async def test_a_tunnel_of_which_one_side_has_said_all_is_cut_sooner(rig, monkeypatch):
    monkeypatch.setattr(relay, "HALF", 0.1)
    await rig.tcp()

    async def never_end(reader, writer):
        await reader.read()
        await asyncio.sleep(10)

    raw(rig, never_end)
    client = await rig.client()
    client.send(b"a")
    client.writer.write_eof()

    assert await client.was_reset()


async def test_a_tunnel_in_which_something_moves_stays(rig):
    await rig.tcp(tunnel=0.3)
    client = await rig.client()

    for _ in range(8):
        client.send(b"a")
        assert await client.read(1) == b"a"
        await asyncio.sleep(0.06)


async def test_a_slow_reader_is_no_standstill(rig):
    await rig.tcp(tunnel=0.2)

    async def send(reader, writer):
        writer.write(b"x" * 2**20)
        await reader.read()

    raw(rig, send)
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        slow.setblocking(False)
        await rig.loop.sock_connect(slow, ("127.0.0.1", rig.port))
        got = 0
        while got < 2**20:
            got += len(await rig.loop.sock_recv(slow, 2**15))
            await asyncio.sleep(0.02)

    assert got == 2**20


# --- limits ---


async def test_more_connections_than_allowed_are_reset_and_counted(rig):
    await rig.tcp(door={"most": 2})
    clients = [await rig.client() for _ in range(2)]
    for client in clients:
        client.send(b"a")
        await client.read(1)

    late = await rig.client()
    refused = await late.was_reset()
    clients[0].close()
    await rig.until(lambda: rig.route.in_flight == 1)
    later = await rig.client()
    later.send(b"b")

    assert refused
    assert await later.read(1) == b"b"
    assert rig.route.refused == 1


async def test_a_worker_without_room_leaves_connections_to_the_others(rig):
    await rig.tcp(door={"most": 1})
    first = await rig.client()
    first.send(b"a")
    await first.read(1)
    other = rig.listener.dup()

    second = await rig.client()
    taken, _ = await rig.loop.sock_accept(other)

    taken.close()
    other.close()
    assert rig.route.refused == 0
    assert await second.rest() == b""


async def test_another_limit_holds_from_then_on(rig):
    await rig.tcp(door={"most": 1})
    clients = [await rig.client()]
    clients[0].send(b"a")
    await clients[0].read(1)

    rig.door = {"tcp": True, "most": 2}
    rig.apply()
    await rig.worker.serve()
    clients.append(await rig.client())
    clients[1].send(b"b")

    assert await clients[1].read(1) == b"b"


async def test_a_worker_keeps_descriptors_for_both_ends(rig):
    await rig.tcp()
    rig.worker.most_clients = 2
    first = await rig.client()
    first.send(b"a")
    await first.read(1)

    second = await rig.client()

    assert await second.was_reset()
    assert rig.route.refused == 1
