import asyncio
import contextlib

import pytest

from mainstay.gateway.http import attempt
from mainstay.redundancy.health import Health, HealthSpec
from mainstay.redundancy.outlier import OutlierSpec
from mainstay.tolerance.breaker import BreakerSpec

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MB = 2**20


def failing(status, *headers):
    lines = [f"HTTP/1.1 {status} No", "Content-Length: 4", *headers]
    return "\r\n".join([*lines, "", "fail"]).encode()


def dying(head, part):
    """Answer a part, then hang up."""

    async def answer(request):
        request.writer.write(head + part)
        await request.writer.drain()
        request.writer.close()

    return answer


# --- proof ---


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_whatever_was_never_sent_goes_to_another_instance(rig, method):
    gone, alive = await rig.up(2)
    gone.refuse()

    answers = [await rig.ask(rig.request(method, "/", body=b"x")) for _ in range(4)]

    assert [a.status for a in answers] == [200] * 4
    assert len(alive.requests) == 4
    assert rig.route.retries >= 2


async def test_when_nobody_can_be_reached_it_is_said(rig):
    for origin in await rig.up(2):
        origin.refuse()

    answer = await rig.ask(rig.request("POST", "/", body=b"x"))

    assert answer.status == 503
    assert answer.json()["error"] == "unreachable"
    assert answer.get("retry-after") == "1"


async def test_a_get_is_tried_elsewhere_when_its_connection_is_reset(rig):
    first, second = await rig.up(2)
    first.answer = lambda r: rig.DROP

    answers = [await rig.ask(rig.get()) for _ in range(4)]

    assert [a.status for a in answers] == [200] * 4
    assert len(first.requests) == 2
    assert len(second.requests) == 4


async def test_a_post_is_carried_out_once_when_its_connection_is_reset(rig):
    origins = await rig.up(2)
    for origin in origins:
        origin.answer = lambda r: rig.DROP

    answer = await rig.ask(rig.request("POST", "/", body=b"x"))

    assert answer.status == 502
    assert answer.json()["error"] == "broken_answer"
    assert sum(len(o.requests) for o in origins) == 1


async def test_a_put_with_a_body_is_repeated_whole(rig):
    first, second = await rig.up(2)
    first.answer = lambda r: rig.DROP
    client = await rig.client()

    for _ in range(2):
        answer = await client.ask(
            rig.request("PUT", "/", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n3\r\n...\r\n0\r\n\r\n"
        )
        assert answer.status == 200

    assert {r.body for r in second.requests} == {b"hello..."}


async def test_a_body_too_long_to_keep_is_not_repeated(rig):
    first, second = await rig.up(2)
    first.answer = second.answer = lambda r: rig.DROP
    client = await rig.client()

    client.send(rig.request("PUT", "/", f"Content-Length: {attempt.REPLAY * 3}"))
    for _ in range(3):
        client.send(b"x" * attempt.REPLAY)
        await client.writer.drain()
    answer = await client.answer()

    assert answer.status == 502
    assert len(first.requests) + len(second.requests) == 1


async def test_a_503_is_tried_elsewhere_for_a_get_and_passed_on_for_a_post(rig):
    origins = await rig.up(2)
    origins[0].answer = lambda r: failing(503, "Retry-After: 0")
    client = await rig.client()

    gets = [await client.ask(rig.get()) for _ in range(4)]
    posts = [await client.ask(rig.request("POST", "/", body=b"x")) for _ in range(4)]

    assert [a.status for a in gets] == [200] * 4
    assert sorted(a.status for a in posts) == [200, 200, 503, 503]
    # The answers that were not passed on were read to their ends, so that their connection was kept.
    assert origins[0].connections == 1


async def test_a_head_that_is_tried_elsewhere_leaves_its_connection_usable(rig):
    first, _ = await rig.up(2)
    first.answer = lambda r: b"HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\n"
    client = await rig.client()

    answers = [await client.ask(rig.request("HEAD", "/"), bodiless=True) for _ in range(4)]

    assert [a.status for a in answers] == [200] * 4
    assert first.connections == 1


async def test_an_answer_thrown_away_that_never_ends_is_let_go(rig):
    first, _ = await rig.up(2)
    first.answer = lambda r: b"HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nf"
    await rig.ask(rig.get())
    await rig.ask(rig.get())
    await rig.until(lambda: rig.members[0].connections)
    (connection,) = rig.members[0].connections

    rig.members[0].sweep(rig.loop.time() + 60)

    assert connection.closed


async def test_of_a_500_one_other_is_asked_for_its_opinion(rig):
    origins = await rig.up(3)
    for origin in origins:
        origin.answer = lambda r: failing(500)

    answer = await rig.ask(rig.get())

    assert (answer.status, answer.body) == (500, b"fail")
    assert sum(len(o.requests) for o in origins) == 2


async def test_a_500_of_one_alone_is_seen_by_nobody(rig):
    failing_one, _ = await rig.up(2)
    failing_one.answer = lambda r: failing(500)

    answers = [await rig.ask(rig.get()) for _ in range(4)]

    assert [answer.status for answer in answers] == [200] * 4


@pytest.mark.parametrize(("count", "method"), [(1, "GET"), (3, "POST")])
async def test_a_500_is_passed_on_where_nobody_else_may_be_asked(rig, count, method):
    await rig.up(count)
    for origin in rig.origins:
        origin.answer = lambda r: failing(500)

    answer = await rig.ask(rig.request(method, "/"))

    assert answer.status == 500
    assert sum(len(o.requests) for o in rig.origins) == 1


async def test_when_all_say_503_the_last_answer_is_passed_on(rig):
    origins = await rig.up(2)
    for origin in origins:
        origin.answer = lambda r: failing(503)

    answer = await rig.ask(rig.get())

    assert (answer.status, answer.body) == (503, b"fail")
    assert sum(len(o.requests) for o in origins) == 3


async def test_a_503_that_breaks_is_still_answered(rig):
    origin = await rig.up()
    origin.answer = dying(b"HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\n", b"f")

    answer = await rig.ask(rig.request("POST", "/", body=b"x"))

    assert answer.status == 502


# --- held and streaming answers ---


async def test_a_get_whose_answer_breaks_halfway_is_tried_again_and_nobody_sees_it(rig):
    first, _ = await rig.up(2)
    first.answer = dying(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"half")

    answers = [await rig.ask(rig.get()) for _ in range(2)]

    assert [a.body for a in answers] == [b"ok", b"ok"]
    assert len(first.requests) == 1


async def test_a_post_whose_answer_breaks_halfway_is_a_502_and_carried_out_once(rig):
    origins = await rig.up(2)
    for origin in origins:
        origin.answer = dying(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"half")

    answer = await rig.ask(rig.request("POST", "/", body=b"x"))

    assert answer.status == 502
    assert sum(len(o.requests) for o in origins) == 1


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_a_streaming_answer_that_breaks_is_cut_and_never_ended(rig, head):
    origin = await rig.up()
    origin.answer = dying(head, b"5\r\nhello\r\n")
    client = await rig.client()

    client.send(rig.get())
    got = await client.rest()

    assert got.startswith(b"HTTP/1.1 200 OK")
    assert b"hello" in got
    assert not got.endswith(b"0\r\n\r\n")
    assert rig.route.broken == 1
    assert rig.route.requests == 1
    assert rig.route.failures == 1


async def test_a_broken_answer_to_an_http_1_0_client_ends_in_a_reset(rig):
    origin = await rig.up()
    gate = asyncio.Event()

    async def answer(request):
        request.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await gate.wait()
        return rig.DROP

    origin.answer = answer
    client = await rig.client()
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    assert b"hello" in await client.reader.readuntil(b"hello")
    gate.set()

    with pytest.raises(ConnectionResetError):
        async with asyncio.timeout(5):
            await client.reader.read()


async def test_a_close_delimited_answer_is_whole_when_the_connection_ends(rig):
    origin = await rig.up()
    origin.answer = dying(b"HTTP/1.1 200 OK\r\n\r\n", b"until the end")
    client = await rig.client()

    answers = [await client.ask(rig.get()) for _ in range(2)]

    assert [a.body for a in answers] == [b"until the end"] * 2
    assert answers[0].get("transfer-encoding") == "chunked"
    assert origin.connections == 2


async def test_interim_answers_are_passed_on_without_lengths(rig):
    origin = await rig.up()
    origin.answer = lambda r: (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: </a>\r\nContent-Length: 5\r\n\r\n" * 2 + OK
    )

    answer = await rig.ask(rig.get())

    assert answer.body == b"ok"
    assert [one.status for one in answer.interim] == [103, 103]
    assert answer.interim[0].get("link") == "</a>"
    assert answer.interim[0].get("content-length") is None


async def test_an_early_answer_to_an_upload_closes_both_connections(rig):
    origin = await rig.up()

    async def raw(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno")
        with contextlib.suppress(OSError):
            await reader.read()

    origin.raw = raw
    client = await rig.client()

    client.send(rig.request("POST", "/", "Content-Length: 1000"))
    answer = await client.answer()

    assert answer.status == 413
    assert answer.get("connection") == "close"
    assert await client.rest() == b""
    await rig.until(lambda: not rig.members[0].connections)


# --- bounded memory ---


def buffered(rig):
    """Bytes that the worker holds in its transports and exchanges."""
    total = 0
    for client in rig.worker.clients:
        total += client.transport.get_write_buffer_size()
        if client._exchange is not None:
            total += sum(len(part) for part in client._exchange._pending)
            total += sum(len(part) for part in client._exchange.request.body)
    for member in rig.members:
        total += sum(one.transport.get_write_buffer_size() for one in member.connections)
    return total


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_large_download_to_a_slow_reader_is_held_back(rig, chunked):
    origin = await rig.up()
    piece = b"x" * MB

    async def answer(request):
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % (50 * MB)
        request.writer.write(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % framing)
        for _ in range(50):
            request.writer.write(b"%x\r\n%b\r\n" % (MB, piece) if chunked else piece)
            await request.writer.drain()
        return b"0\r\n\r\n" if chunked else None

    origin.answer = answer
    client = await rig.client()
    most = 0

    client.send(rig.get())
    await client.reader.readuntil(b"\r\n\r\n")
    client.writer.transport.pause_reading()
    await rig.until(lambda: next(iter(rig.worker.clients)).stalled)
    most = buffered(rig)
    got = 0
    part = b""
    client.writer.transport.resume_reading()
    async with asyncio.timeout(10):
        while not part.endswith(b"0\r\n\r\n") if chunked else got < 50 * MB:
            part = await client.reader.read(MB)
            assert part
            got += len(part)
            most = max(most, buffered(rig))
    origin.answer = lambda r: OK
    again = await client.ask(rig.get())

    assert most < 2 * MB
    assert again.body == b"ok"


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_large_upload_to_a_slow_origin_is_held_back(rig, chunked):
    origin = await rig.up()
    gate = asyncio.Event()
    got = 0

    async def raw(reader, writer):
        nonlocal got
        await reader.readuntil(b"\r\n\r\n")
        await gate.wait()
        part = b" "
        while part and (not part.endswith(b"0\r\n\r\n") if chunked else got < 50 * MB):
            part = await reader.read(MB)
            got += len(part)
        writer.write(OK)
        await reader.read()

    origin.raw = raw
    client = await rig.client()
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {50 * MB}"
    client.send(rig.request("POST", "/", framing))
    most = 0

    async def upload():
        nonlocal most
        piece = b"%x\r\n%b\r\n" % (MB, b"x" * MB) if chunked else b"x" * MB
        for _ in range(50):
            client.send(piece)
            await client.writer.drain()
            most = max(most, buffered(rig))
        client.send(b"0\r\n\r\n" if chunked else b"")

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(upload())
        await rig.until(lambda: any(one.paused for one in rig.worker.clients))
        most = max(most, buffered(rig))
        gate.set()
    answer = await client.answer()

    assert answer.status == 200
    assert most < 2 * MB


async def test_a_connection_that_was_held_back_serves_the_next_request(rig):
    origin = await rig.up()
    body = b"x" * (12 * MB)
    origin.answer = lambda r: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    client = await rig.client()

    for _ in range(3):
        client.send(rig.get())
        client.writer.transport.pause_reading()
        await rig.until(lambda: any(one.stalled for one in rig.worker.clients))
        client.writer.transport.resume_reading()
        answer = await client.answer()
        assert len(answer.body) == len(body)

    assert origin.connections == 1


# --- time ---


async def test_an_attempt_that_takes_too_long_is_tried_elsewhere(rig):
    first, second = await rig.up(2, call={"attempt": 0.1})
    first.answer = lambda r: asyncio.sleep(30)

    answers = [await rig.ask(rig.get()) for _ in range(2)]

    assert [a.status for a in answers] == [200, 200]
    assert len(first.requests) == 1
    assert len(second.requests) == 2


async def test_a_post_that_takes_too_long_is_a_504_and_carried_out_once(rig):
    origins = await rig.up(2, call={"attempt": 0.1})
    for origin in origins:
        origin.answer = lambda r: asyncio.sleep(30)

    answer = await rig.ask(rig.request("POST", "/", body=b"x"))

    assert answer.status == 504
    assert sum(len(o.requests) for o in origins) == 1


async def test_a_request_has_one_deadline_for_all_its_attempts(rig):
    origins = await rig.up(3, call={"attempt": 0.1, "request": 0.15})
    for origin in origins:
        origin.answer = lambda r: asyncio.sleep(30)
    begun = rig.loop.time()

    answer = await rig.ask(rig.get())

    assert answer.status == 504
    assert rig.loop.time() - begun < 0.3
    assert sum(len(o.requests) for o in origins) == 2


async def test_an_upload_that_stops_moving_is_a_408_and_charged_to_nobody(rig):
    await rig.up(call={"attempt": 0.05}, idle=0.1)
    client = await rig.client()

    client.send(rig.request("POST", "/", "Content-Length: 100") + b"x")
    answer = await client.answer()

    assert answer.status == 408
    assert answer.get("connection") == "close"
    assert rig.members[0].failures == 0


async def test_an_upload_may_take_longer_than_an_attempt_as_long_as_it_moves(rig):
    origin = await rig.up(call={"attempt": 0.1, "request": 0.1}, idle=0.2)
    client = await rig.client()

    client.send(rig.request("POST", "/", "Content-Length: 8000"))
    for _ in range(8):
        await asyncio.sleep(0.04)
        client.send(b"x" * 1000)
    answer = await client.answer()

    assert answer.status == 200
    assert origin.requests[0].body == b"x" * 8000


async def test_an_instance_that_does_not_read_an_upload_is_to_blame_for_it(rig):
    origin = await rig.up(call={"attempt": 0.05}, idle=0.1)
    gate = asyncio.Event()

    async def raw(reader, writer):
        writer.transport.pause_reading()
        await gate.wait()

    origin.raw = raw
    client = await rig.client()
    client.send(rig.request("POST", "/", f"Content-Length: {50 * MB}"))
    client.send(b"x" * (20 * MB))

    answer = await client.answer()
    gate.set()

    assert answer.status == 504
    assert rig.members[0].failures == 1


async def test_a_streaming_answer_that_stops_moving_is_cut(rig):
    origin = await rig.up(idle=0.1)

    async def answer(request):
        request.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await asyncio.sleep(30)

    origin.answer = answer
    client = await rig.client()

    client.send(rig.get())
    got = await client.rest()

    assert got.endswith(b"hello\r\n")
    assert rig.members[0].failures == 1


async def test_a_client_that_reads_nothing_of_a_stream_is_cut_and_the_instance_not_charged(rig):
    origin = await rig.up(idle=0.1)
    origin.answer = lambda r: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (20 * MB) + b"x" * (20 * MB)
    client = await rig.client()
    client.writer.transport.pause_reading()

    client.send(rig.get())
    await rig.until(lambda: rig.route.cancelled == 1)

    assert rig.members[0].failures == 0


# --- clients that leave ---


async def test_a_client_that_leaves_cancels_the_attempt_and_charges_nobody(rig):
    origin = await rig.up(pool={"outlier": OutlierSpec(reset=1, timeout=1)}, breaker=BreakerSpec())
    origin.answer = lambda r: asyncio.sleep(30)
    client = await rig.client()
    client.send(rig.get())
    await rig.until(lambda: origin.requests)

    client.abort()
    await rig.until(lambda: rig.route.cancelled == 1)

    assert rig.route.in_flight == 0
    assert rig.members[0].failures == 0
    await rig.until(lambda: not rig.members[0].connections)


async def test_a_client_that_leaves_within_its_upload_cancels_it(rig):
    origin = await rig.up()
    client = await rig.client()
    client.send(rig.request("POST", "/", "Content-Length: 100") + b"x")
    await rig.until(lambda: origin.connections)

    client.close()
    await rig.until(lambda: rig.route.cancelled == 1)

    assert origin.requests == []


@pytest.mark.interpreted
async def test_a_client_that_leaves_while_we_connect_leaves_a_usable_connection(rig, monkeypatch):
    origin = await rig.up()
    gate = asyncio.Event()
    connect = attempt.connect

    async def slow(*arguments):
        await gate.wait()
        return await connect(*arguments)

    monkeypatch.setattr(attempt, "connect", slow)
    client = await rig.client()
    client.send(rig.get())
    await rig.until(lambda: rig.route.in_flight)

    client.abort()
    await rig.until(lambda: rig.route.cancelled == 1)
    gate.set()
    await rig.until(lambda: rig.members[0].idle)
    answer = await rig.ask(rig.get())

    assert answer.status == 200
    assert origin.connections == 1


async def test_nonsense_in_a_body_under_way_takes_the_request_back(rig):
    origin = await rig.up()
    client = await rig.client()
    client.send(rig.request("POST", "/", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
    await rig.until(lambda: origin.connections)

    answer = await client.ask(b"nonsense")

    assert answer.status == 400
    assert origin.requests == []
    assert rig.members[0].failures == 0
    assert rig.route.cancelled == 0
    assert rig.route.refused == 1


async def test_nonsense_in_a_body_of_a_request_that_closes_is_answered_too(rig):
    origin = await rig.up()
    client = await rig.client()
    client.send(
        rig.request("POST", "/", "Connection: close", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n"
    )
    await rig.until(lambda: origin.connections)

    answer = await client.ask(b"nonsense")

    assert answer.status == 400


# --- breakers, ejection, panic ---


async def test_an_open_breaker_answers_503_with_the_time_to_come_back(rig):
    origin = await rig.up(breaker=BreakerSpec(minimum=2, rest=30.0, cap=30.0))
    origin.answer = lambda r: rig.DROP
    for _ in range(2):
        await rig.ask(rig.request("POST", "/", body=b"x"))

    answer = await rig.ask(rig.get())

    assert answer.status == 503
    assert answer.json()["error"] == "circuit_open"
    assert 25 <= int(answer.get("retry-after")) <= 34
    assert rig.line.facts("BreakerMoved")
    assert len(origin.requests) == 2


async def test_an_instance_that_fails_is_asked_last_then_ejected_and_comes_back(rig):
    first, second = await rig.up(2, pool={"outlier": OutlierSpec(reset=2, base=0.1, cap=0.1)})
    first.answer = lambda r: rig.DROP
    for _ in range(4):
        assert (await rig.ask(rig.get())).status == 200
    seen = len(first.requests)
    async with asyncio.timeout(10):
        while not rig.line.facts("InstanceEjected"):
            assert (await rig.ask(rig.get())).status == 200
            await asyncio.sleep(0.01)
    assert rig.line.facts("InstanceEjected")[0]["instance"] == "web-1"
    assert (seen, len(first.requests)) == (1, 2)

    first.answer = second.answer
    await rig.until(lambda: rig.members[0].ejected_until < rig.loop.time())
    for _ in range(4):
        await rig.ask(rig.get())

    assert rig.line.facts("InstanceReturned")
    assert len(first.requests) > seen


async def test_when_all_look_down_all_are_used(rig):
    first, second = await rig.up(2)
    now = rig.loop.time()
    for member in rig.members:
        member.health = Health(HealthSpec(), known_up=True)
        for _ in range(2):
            rig.route.pool.failed(now, member)

    answers = [await rig.ask(rig.get()) for _ in range(4)]

    assert [a.status for a in answers] == [200] * 4
    assert rig.line.facts("PanicBegan")
    assert rig.route.counted()["panicking"] is True
    assert first.requests
    assert second.requests


# --- what is counted ---


async def test_requests_are_counted_by_class_and_latency(rig):
    origin = await rig.up()
    for status in (200, 204, 301, 404, 500):
        origin.answer = lambda r, status=status: b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status
        await rig.ask(rig.get())
    await rig.ask(b"GET / HTTP/1.1\r\n\r\n")

    counted = rig.worker.counted()["services"]["web"]

    assert counted["requests"] == 5
    assert counted["classes"] == [0, 0, 2, 1, 1, 1]
    assert counted["failures"] == 1
    assert counted["refused"] == 1
    assert sum(counted["latency"].values()) == 5
    assert counted["instances"][0]["requests"] == 5
    assert sum(counted["instances"][0]["latency"].values()) == 5
    rig.route.turn()
    assert sum(rig.route.counted()["latency"].values()) == 5
    rig.route.turn()
    assert rig.route.counted()["latency"] == {}
