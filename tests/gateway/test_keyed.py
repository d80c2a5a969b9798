"""Writes that carry an Idempotency-Key, for services that do not know such keys."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys

import pytest

from mainstay.gateway.table import Concurrency, Limits, LogSettings, StickySettings, TraceSettings
from mainstay.tolerance.key import KeySpec

CREATED = b"HTTP/1.1 201 Created\r\nLocation: /orders/1\r\nContent-Length: 5\r\n\r\nfirst"


@pytest.fixture
def store(tmp_path):
    return tmp_path / "keys" / "web.db"


@pytest.fixture
def up(rig, store):
    """Serve, with keys."""

    async def begin(count=1, *, keys=None, **settings):
        return await rig.up(count, keys=keys or KeySpec(), key_store=str(store), **settings)

    return begin


def numbered(status=b"201 Created"):
    """Answer each time otherwise."""
    count = 0

    def answer(request):
        nonlocal count
        count += 1
        return b"HTTP/1.1 %b\r\nContent-Length: 1\r\n\r\n%d" % (status, count)

    return answer


def post(rig, *headers, key="k1", target="/orders", body=b"one", method="POST"):
    return rig.request(method, target, f"Idempotency-Key: {key}", *headers, body=body)


def told(answer):
    return answer.status, answer.get("mainstay-reason"), answer.get("idempotent-replayed")


@contextlib.contextmanager
def closed(store):
    """Keep everybody from writing, as a process does that hangs while it writes."""
    db = sqlite3.connect(store, isolation_level=None)
    try:
        yield db
    finally:
        db.close()


def states(store):
    with sqlite3.connect(store) as db:
        found = [state for (state,) in db.execute("SELECT state FROM keys ORDER BY state")]
    db.close()
    return found


REPLAYED = (201, None, "true")


# --- the same again ---


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_what_comes_again_gets_the_first_answer_and_is_not_sent_again(rig, up, method):
    origin = await up()
    origin.answer = lambda request: CREATED
    first = await rig.ask(post(rig, method=method))

    again = await rig.ask(post(rig, method=method))

    assert told(first) == (201, None, None)
    assert told(again) == REPLAYED
    assert (again.body, again.get("location")) == (b"first", "/orders/1")
    assert [line for line in again.lines if line != b"Idempotent-Replayed: true"] == first.lines
    assert len(origin.requests) == 1
    assert rig.route.keys == {"taken": 1, "answer": 1, "replayed": 1}


async def test_the_instance_gets_the_key_and_the_body(rig, up):
    origin = await up()

    await rig.ask(post(rig, body=b"x" * 100_000))

    assert origin.requests[0].get("idempotency-key") == "k1"
    assert origin.requests[0].body == b"x" * 100_000


@pytest.mark.parametrize("status", [b"200 OK", b"400 Bad Request", b"500 Internal Server Error", b"503 Busy"])
async def test_whatever_the_instance_has_said_is_its_answer(rig, up, status):
    origin = await up()
    origin.answer = numbered(status)
    first = await rig.ask(post(rig))

    again = await rig.ask(post(rig))

    assert (again.first, again.body) == (first.first, b"1")
    assert again.get("idempotent-replayed") == "true"
    assert len(origin.requests) == 1


async def test_an_answer_without_a_body_is_kept_as_well(rig, up):
    origin = await up()
    origin.answer = lambda request: b'HTTP/1.1 204 No Content\r\nETag: "a"\r\n\r\n'
    await rig.ask(post(rig))

    again = await rig.ask(post(rig))

    assert (again.status, again.get("etag"), again.get("content-length")) == (204, '"a"', None)
    assert len(origin.requests) == 1


async def test_an_answer_in_chunks_is_kept_whole(rig, up):
    origin = await up()
    origin.answer = lambda request: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"
    )
    first = await rig.ask(post(rig))

    again = await rig.ask(post(rig))

    assert (first.body, again.body) == (b"abcde", b"abcde")
    assert (again.get("content-length"), again.get("transfer-encoding")) == ("5", None)


async def test_an_answer_that_ends_with_its_connection_is_kept_whole(rig, up):
    origin = await up()

    async def answer(request):
        request.writer.write(b"HTTP/1.0 200 OK\r\n\r\nabc")
        return rig.DROP

    origin.answer = answer
    await rig.ask(post(rig))

    again = await rig.ask(post(rig))

    assert (again.body, again.get("content-length")) == (b"abc", "3")


async def test_a_body_in_chunks_is_the_same_as_one_of_that_length(rig, up):
    origin = await up()
    origin.answer = numbered()
    chunked = rig.request("POST", "/orders", "Idempotency-Key: k1", "Transfer-Encoding: chunked")
    await rig.ask(post(rig, body=b"one"))

    again = await rig.ask(chunked + b"1\r\no\r\n2\r\nne\r\n0\r\n\r\n")

    assert told(again) == REPLAYED


@pytest.mark.parametrize("other", ['"k1"', "k1", ' "k1" '])
async def test_a_key_is_the_same_with_quotes_and_without(rig, up, other):
    origin = await up()
    await rig.ask(post(rig, key="k1"))

    again = await rig.ask(post(rig, key=other))

    assert again.get("idempotent-replayed") == "true"
    assert len(origin.requests) == 1


async def test_the_kept_answer_is_given_on_the_terms_of_the_connection_that_asks(rig, up):
    origin = await up()
    origin.answer = lambda request: CREATED
    await rig.ask(post(rig))

    again = await rig.ask(post(rig, "Connection: close"))

    assert again.get("connection") == "close"


async def test_a_session_is_not_tied_by_an_answer_that_no_instance_gave(rig, up):
    await up(sticky=StickySettings(by="session", name="s", secret="00" * 16))
    first = await rig.ask(post(rig))

    again = await rig.ask(post(rig))

    assert first.get("set-cookie").startswith("s=")
    assert again.get("set-cookie") is None


async def test_what_is_kept_outlives_the_worker(rig, up, store):
    await up()
    await rig.ask(post(rig))
    other = type(rig)(rig.loop)
    await other.up(keys=KeySpec(), key_store=str(store))

    again = await other.ask(post(rig))

    assert again.get("idempotent-replayed") == "true"
    assert await other.down() == []


async def test_that_it_runs_is_on_disk_before_it_is_sent_and_the_answer_before_it_is_given(rig, up, store):
    origin = await up()
    seen = []

    def answer(request):
        seen.append(states(store))
        return CREATED

    origin.answer = answer
    await rig.ask(post(rig))
    seen.append(states(store))

    assert seen == [["running"], ["answered"]]


# --- other requests ---


@pytest.mark.parametrize(
    "other",
    [
        {"body": b"two"},
        {"target": "/orders?x=1"},
        {"method": "PATCH"},
    ],
)
async def test_another_request_with_the_same_key_is_refused(rig, up, other):
    origin = await up()
    await rig.ask(post(rig))

    refused = await rig.ask(post(rig, **other))

    assert told(refused) == (422, "key_reused", None)
    assert len(origin.requests) == 1


@pytest.mark.parametrize("theirs", [(), ("Authorization: Bearer b",), ("Authorization: bearer a",)])
async def test_nobody_gets_the_answer_of_somebody_else(rig, up, theirs):
    origin = await up()
    await rig.ask(post(rig, "Authorization: Bearer a"))

    refused = await rig.ask(post(rig, *theirs))

    assert told(refused) == (422, "key_reused", None)
    assert len(origin.requests) == 1


async def test_the_same_fields_written_otherwise_are_the_same_request(rig, up):
    origin = await up()
    origin.answer = lambda request: CREATED
    await rig.ask(post(rig, "Authorization: Bearer a", "Content-Type: text/plain"))

    again = await rig.ask(post(rig, "content-type:text/plain \t", "AUTHORIZATION:  Bearer a"))

    assert told(again) == REPLAYED


async def test_other_keys_are_other_requests(rig, up):
    origin = await up()

    for key in ("a", "b", "A"):
        assert told(await rig.ask(post(rig, key=key)))[2] is None

    assert len(origin.requests) == 3


async def test_what_has_no_key_runs_as_often_as_it_comes(rig, up):
    origin = await up()

    for _ in range(2):
        await rig.ask(rig.request("POST", "/orders", body=b"one"))

    assert len(origin.requests) == 2
    assert rig.route.keys == {}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_what_may_be_repeated_anyway_is_passed_on_as_ever(rig, up, method):
    origin = await up()

    for _ in range(2):
        await rig.ask(rig.request(method, "/", "Idempotency-Key: k1"))

    assert len(origin.requests) == 2


async def test_a_key_that_is_for_this_connection_alone_is_no_key(rig, up):
    origin = await up()

    for _ in range(2):
        await rig.ask(post(rig, "Connection: close, idempotency-key"))

    assert len(origin.requests) == 2


@pytest.mark.parametrize("key", ["", '""', '"a', "a b", "a,b", "x" * 256, '"a\\b"', 'k"1'])
async def test_what_is_no_key_is_refused(rig, up, key):
    origin = await up()

    refused = await rig.ask(post(rig, key=key))

    assert told(refused) == (400, "bad_key", None)
    assert origin.requests == []


async def test_two_keys_are_refused(rig, up):
    origin = await up()

    refused = await rig.ask(post(rig, "Idempotency-Key: k2"))

    assert told(refused) == (400, "bad_key", None)
    assert origin.requests == []


async def test_without_keys_in_the_settings_a_key_means_nothing(rig):
    origin = await rig.up()

    for _ in range(2):
        await rig.ask(post(rig))

    assert len(origin.requests) == 2


# --- at the same time ---


async def test_what_still_runs_is_not_sent_again(rig, up):
    origin = await up()
    go = asyncio.Event()

    async def answer(request):
        await go.wait()
        return CREATED

    origin.answer = answer
    client = await rig.client()
    client.send(post(rig))
    await rig.until(lambda: origin.requests)

    meanwhile = await rig.ask(post(rig))
    other = await rig.ask(post(rig, body=b"two"))
    go.set()

    assert told(meanwhile) == (409, "key_in_use", None)
    assert meanwhile.get("retry-after") == "1"
    assert told(other) == (422, "key_reused", None)
    assert (await client.answer()).status == 201
    assert told(await rig.ask(post(rig))) == REPLAYED
    assert len(origin.requests) == 1


async def test_of_many_at_once_in_two_workers_one_runs(rig, up, store):
    origin = await up()
    origin.answer = numbered()
    other = type(rig)(rig.loop)
    await other.up(0, keys=KeySpec(), key_store=str(store))
    other.rows = rig.rows
    other.apply()
    clients = [await (rig, other)[number % 2].client() for number in range(20)]

    for round_ in range(5):
        for client in clients:
            client.send(post(rig, key=f"round-{round_}"))
        answers = [await client.answer() for client in clients]

        assert len(origin.requests) == round_ + 1
        assert {one.status for one in answers} <= {201, 409}
        assert [told(one) for one in answers].count((201, None, None)) == 1
    assert await other.down() == []


# --- when it fails ---


async def test_when_nothing_was_sent_the_key_is_free_again(rig, up):
    origin = await up()
    origin.refuse()
    failed = await rig.ask(post(rig))

    await origin.listen(origin.port)
    again = await rig.ask(post(rig))

    assert told(failed) == (503, "unreachable", None)
    assert told(again) == (200, None, None)
    assert rig.route.keys == {"taken": 2, "release": 1, "answer": 1}


async def test_without_an_instance_the_key_is_free_again(rig, up):
    await up(0)

    for _ in range(2):
        assert told(await rig.ask(post(rig))) == (503, "no_instance", None)


async def test_what_is_refused_for_want_of_room_leaves_its_key_free_and_a_replay_needs_none(rig, up):
    origin = await up(concurrency=Concurrency(adaptive=False, limit=1, queue=0.05))
    await rig.ask(post(rig, key="known"))
    go = asyncio.Event()

    async def answer(request):
        await go.wait()
        return CREATED

    origin.answer = answer
    busy = await rig.client()
    busy.send(post(rig, key="busy"))
    await rig.until(lambda: len(origin.requests) == 2)

    refused = await rig.ask(post(rig))
    replayed = await rig.ask(post(rig, key="known"))
    go.set()
    await busy.answer()

    assert told(refused) == (503, "overloaded", None)
    assert told(replayed) == (200, None, "true")
    assert told(await rig.ask(post(rig))) == (201, None, None)
    assert rig.route.load.under_way == 0


async def test_what_was_never_sent_goes_elsewhere(rig, up):
    gone, other = await up(2)
    gone.refuse()

    for key in ("a", "b"):
        assert (await rig.ask(post(rig, key=key))).status == 200

    assert len(other.requests) == 2


@pytest.mark.parametrize("when", ["before", "within"])
async def test_when_the_instance_dies_nobody_knows_and_nothing_is_sent_again(rig, up, when):
    one, other = await up(2)

    async def die(request):
        if when == "within":
            request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        return rig.DROP

    one.answer = other.answer = die
    failed = await rig.ask(post(rig))

    again = [await rig.ask(post(rig)) for _ in range(2)]

    assert told(failed) == (502, "broken_answer", None)
    assert [told(answer) for answer in again] == [(409, "key_in_doubt", None)] * 2
    assert again[0].get("retry-after") is None
    assert len(one.requests) + len(other.requests) == 1


async def test_when_the_time_is_over_nobody_knows(rig, up):
    origin = await up(call={"attempt": 0.1, "request": 0.2})
    origin.answer = lambda request: request.reader.read()
    failed = await rig.ask(post(rig))

    again = await rig.ask(post(rig))

    assert told(failed) == (504, "timeout", None)
    assert told(again) == (409, "key_in_doubt", None)


async def test_an_answer_that_breaks_while_it_is_passed_on_is_cut_and_nobody_knows(rig, up):
    origin = await up(hold=0)

    async def die(request):
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await request.writer.drain()
        await go.wait()
        return rig.DROP

    go = asyncio.Event()
    origin.answer = die
    client = await rig.client()
    client.send(post(rig))
    await client.reader.readuntil(b"half")
    go.set()
    assert await client.rest() == b""

    again = await rig.ask(post(rig))

    assert told(again) == (409, "key_in_doubt", None)


# --- long ones ---


async def test_a_long_answer_is_passed_on_and_a_repetition_told_so(rig, up):
    origin = await up(keys=KeySpec(answer=4), hold=0)
    origin.answer = lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde"
    first = await rig.ask(post(rig))

    again = await rig.ask(post(rig))

    assert first.body == b"abcde"
    assert told(again) == (409, "answer_not_kept", None)
    assert len(origin.requests) == 1


async def test_so_is_one_of_which_nobody_knew_how_long_it_would_be(rig, up):
    origin = await up(keys=KeySpec(answer=4))
    origin.answer = lambda request: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"
    )
    first = await rig.ask(post(rig))

    again = await rig.ask(post(rig))

    assert first.body == b"abcde"
    assert told(again) == (409, "answer_not_kept", None)


async def test_what_comes_bit_by_bit_is_passed_on_bit_by_bit_but_for_the_end(rig, up):
    origin = await up()
    go = asyncio.Event()

    async def stream(request):
        request.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await go.wait()
        return b"1\r\nb\r\n0\r\n\r\n"

    origin.answer = stream
    client = await rig.client()
    client.send(post(rig))
    await client.reader.readuntil(b"1\r\na\r\n")
    go.set()

    assert await client.read(11) == b"1\r\nb\r\n0\r\n\r\n"
    assert (await rig.ask(post(rig))).body == b"ab"


async def test_a_body_that_is_too_long_is_refused_before_it_has_come(rig, up):
    origin = await up(keys=KeySpec(body=4))
    client = await rig.client()

    client.send(post(rig, body=b"12345")[:-5])
    refused = await client.answer()

    assert told(refused) == (413, "body_too_large", None)
    assert origin.requests == []


async def test_so_is_one_in_chunks_when_it_has_become_too_long(rig, up):
    origin = await up(keys=KeySpec(body=4))
    client = await rig.client()

    client.send(rig.request("POST", "/", "Idempotency-Key: a", "Transfer-Encoding: chunked"))
    client.send(b"3\r\nabc\r\n3\r\ndef\r\n")
    refused = await client.answer()

    assert told(refused) == (413, "body_too_large", None)
    assert origin.requests == []


async def test_a_client_that_waits_to_be_told_sends_its_body(rig, up):
    origin = await up()
    client = await rig.client()
    request = post(rig, "Expect: 100-continue")

    client.send(request[:-3])
    await client.reader.readuntil(b"100 Continue\r\n\r\n")
    client.send(request[-3:])

    assert (await client.answer()).status == 200
    assert origin.requests[0].body == b"one"


async def test_a_body_that_never_comes_is_waited_for_no_longer_than_any(rig, up):
    origin = await up(idle=0.2, limits=Limits(rate=None))
    client = await rig.client()

    client.send(post(rig)[:-1])
    refused = await client.answer()

    assert told(refused) == (408, "slow_request", None)
    assert origin.requests == []


async def test_requests_behind_one_another_on_one_connection_are_answered_in_their_order(rig, up):
    origin = await up()
    origin.answer = numbered()
    client = await rig.client()
    body = b"x" * 100_000

    client.send(post(rig, body=body) + post(rig, body=body) + rig.get("/") + post(rig, key="k2", body=body))
    answers = [await client.answer() for _ in range(4)]

    assert [(one.body, one.get("idempotent-replayed")) for one in answers] == [
        (b"1", None),
        (b"1", "true"),
        (b"2", None),
        (b"3", None),
    ]


async def test_one_that_offers_another_protocol_goes_over_to_nothing(rig, up):
    origin = await up()
    client = await rig.client()
    offer = rig.request(
        "POST", "/", "Idempotency-Key: a", "Connection: upgrade", "Upgrade: websocket", body=b""
    )

    first = await client.ask(offer)
    again = await client.ask(offer)

    assert (first.status, again.get("idempotent-replayed")) == (200, "true")
    assert origin.requests[0].get("upgrade") is None


# --- clients that leave ---


async def test_a_client_that_leaves_finds_the_answer_when_it_comes_back(rig, up):
    origin = await up()
    go = asyncio.Event()

    async def answer(request):
        await go.wait()
        return CREATED

    origin.answer = answer
    client = await rig.client()
    client.send(post(rig))
    await rig.until(lambda: origin.requests)
    client.abort()
    await rig.until(lambda: rig.route.cancelled == 1)
    go.set()
    await rig.until(lambda: rig.route.in_flight == 0)

    again = await rig.ask(post(rig))

    assert told(again) == REPLAYED
    assert len(origin.requests) == 1
    assert rig.route.requests == 1


async def test_a_client_that_leaves_while_its_answer_streams_does_not_hold_up_the_rest(rig, up):
    origin = await up(keys=KeySpec(answer=2**24), hold=0)
    size = 8 * 2**20

    async def answer(request):
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)

    origin.answer = answer
    client = await rig.client()
    client.send(post(rig))
    await client.reader.readuntil(b"\r\n\r\n")
    client.abort()
    await rig.until(lambda: rig.route.in_flight == 0 and rig.route.keys.get("answer") == 1)

    again = await rig.ask(post(rig))

    assert (len(again.body), again.get("idempotent-replayed")) == (size, "true")


@pytest.mark.parametrize("keys", [KeySpec(answer=4), KeySpec()])
async def test_an_endless_answer_that_nobody_waits_for_is_ended(rig, up, keys):
    origin = await up(keys=keys, call={"attempt": 0.2, "request": 0.2})

    async def stream(request):
        request.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            request.writer.write(b"1\r\na\r\n")
            await request.writer.drain()
            await asyncio.sleep(0.01)

    origin.answer = stream
    client = await rig.client()
    client.send(post(rig))
    await client.reader.readuntil(b"\r\n\r\n")
    client.abort()

    await rig.until(lambda: not origin.open and rig.route.in_flight == 0)
    assert told(await rig.ask(post(rig))) == (409, "key_in_doubt", None)


async def test_so_is_one_that_was_too_long_already_when_the_client_left(rig, up):
    origin = await up(keys=KeySpec(answer=4))

    async def stream(request):
        request.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n")
        await request.reader.read()

    origin.answer = stream
    client = await rig.client()
    client.send(post(rig))
    await client.reader.readuntil(b"abcde")
    client.abort()

    await rig.until(lambda: not origin.open)
    assert rig.route.keys == {"taken": 1, "doubt": 1}


async def test_a_client_that_leaves_while_its_key_is_looked_up_leaves_nothing(rig, up, store):
    origin = await up()
    await rig.ask(post(rig, key="other"))
    with closed(store) as db:
        db.execute("BEGIN IMMEDIATE")
        client = await rig.client()
        client.send(post(rig))
        await rig.until(lambda: rig.route.in_flight == 1)
        client.abort()
        await rig.until(lambda: rig.route.in_flight == 0)

    await rig.until(lambda: states(store) == ["answered"])
    assert told(await rig.ask(post(rig))) == (200, None, None)
    assert len(origin.requests) == 2


async def test_an_answer_that_breaks_when_nobody_waits_for_it_leaves_doubt(rig, up):
    origin = await up()
    go = asyncio.Event()

    async def die(request):
        await go.wait()
        return rig.DROP

    origin.answer = die
    client = await rig.client()
    client.send(post(rig))
    await rig.until(lambda: origin.requests)
    client.abort()
    await rig.until(lambda: rig.route.cancelled == 1)
    go.set()
    await rig.until(lambda: rig.route.in_flight == 0)

    again = await rig.ask(post(rig))

    assert told(again) == (409, "key_in_doubt", None)


async def test_so_does_one_that_breaks_when_a_part_of_it_has_been_passed_on(rig, up):
    origin = await up(hold=0)
    go = asyncio.Event()

    async def die(request):
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await go.wait()
        return rig.DROP

    origin.answer = die
    client = await rig.client()
    client.send(post(rig))
    await client.reader.readuntil(b"half")
    client.abort()
    await rig.until(lambda: rig.route.cancelled == 1)
    go.set()
    await rig.until(lambda: rig.route.in_flight == 0)

    assert told(await rig.ask(post(rig))) == (409, "key_in_doubt", None)


async def test_a_client_that_leaves_before_anything_was_sent_leaves_nothing(rig, up):
    await up(0, call={"wait": 5.0})
    client = await rig.client()
    client.send(post(rig))
    await rig.until(lambda: rig.route.parked)
    client.abort()
    await rig.until(lambda: rig.route.in_flight == 0)

    assert rig.route.keys == {"taken": 1, "release": 1}


async def test_a_client_that_leaves_within_its_body_leaves_nothing(rig, up):
    origin = await up()
    client = await rig.client()
    client.send(post(rig)[:-1])
    await rig.until(lambda: rig.route.in_flight == 1)
    client.abort()
    await rig.until(lambda: rig.route.in_flight == 0)

    assert told(await rig.ask(post(rig))) == (200, None, None)
    assert len(origin.requests) == 1


async def test_a_worker_that_stops_waits_for_what_runs_although_the_client_has_left(rig, up):
    origin = await up()
    go = asyncio.Event()

    async def answer(request):
        await go.wait()
        return CREATED

    origin.answer = answer
    client = await rig.client()
    client.send(post(rig))
    await rig.until(lambda: origin.requests)
    client.abort()
    await rig.until(lambda: not rig.worker.clients)

    rig.worker.stop()
    assert not rig.worker.stopped.done()
    go.set()

    await rig.until(rig.worker.stopped.done)
    assert rig.route.keys == {"taken": 1, "answer": 1}


async def test_a_worker_that_may_wait_no_longer_leaves_doubt(rig, up, store):
    origin = await up()
    origin.answer = lambda request: request.reader.read()
    client = await rig.client()
    client.send(post(rig))
    await rig.until(lambda: origin.requests)

    rig.worker.drain_limit = 0.0
    rig.worker.stop()
    await rig.until(rig.worker.stopped.done)
    await rig.worker.close()

    assert states(store) == ["doubtful"]


# --- workers that die ---

_TAKES = """
import sys, time
from pathlib import Path
from mainstay.gateway.keys import owner
from mainstay.gateway.keys.store import Store
from mainstay.tolerance.key import KeySpec
store = Store(Path(sys.argv[1]), KeySpec())
name, fingerprint = bytes.fromhex(sys.argv[2]), bytes.fromhex(sys.argv[3])
store.together(lambda: print(store.take(time.time(), name, fingerprint, owner.ourselves() + "/x")[0].name, flush=True))
sys.stdin.read()
"""


async def test_what_a_dead_worker_had_under_way_is_in_doubt_and_what_a_living_one_has_is_in_use(
    rig, up, store
):
    origin = await up()
    await rig.ask(post(rig, key="other"))
    first = await rig.ask(post(rig))
    with sqlite3.connect(store) as db:
        rows = db.execute("SELECT key, fingerprint FROM keys").fetchall()
        db.execute("DELETE FROM keys")
    db.close()
    key, fingerprint = rows[1]
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _TAKES, str(store), key.hex(), fingerprint.hex()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert await worker.stdout.readline() == b"RUN\n"

    living = await rig.ask(post(rig))
    os.kill(worker.pid, signal.SIGKILL)
    await worker.wait()
    dead = await rig.ask(post(rig))

    assert first.status == 200
    assert told(living) == (409, "key_in_use", None)
    assert told(dead) == (409, "key_in_doubt", None)
    assert len(origin.requests) == 2
    worker._transport.close()


# --- disks ---


async def test_when_nothing_can_be_written_nothing_is_sent(rig, up, store):
    store.parent.write_text("a file where a folder should be")
    origin = await up()

    refused = await rig.ask(post(rig))
    other = await rig.ask(rig.request("POST", "/", body=b"without a key"))

    assert told(refused) == (503, "keys_unavailable", None)
    assert refused.get("retry-after") == "1"
    assert other.status == 200
    assert len(origin.requests) == 1
    await rig.until(lambda: rig.line.facts("KeyStoreBroke"))


async def test_a_request_waits_for_its_key_no_longer_than_for_anything(rig, up, store):
    origin = await up(call={"attempt": 0.2, "request": 0.3})
    await rig.ask(post(rig, key="other"))
    with closed(store) as db:
        db.execute("BEGIN IMMEDIATE")
        refused = await rig.ask(post(rig))

    assert told(refused) == (503, "keys_unavailable", None)
    assert told(await rig.ask(post(rig))) == (200, None, None)
    assert len(origin.requests) == 2


async def test_an_answer_that_cannot_be_written_down_is_given_and_its_request_is_not_carried_out_again(
    rig, up, store, monkeypatch
):
    monkeypatch.setattr("mainstay.gateway.keys.store.BUSY", 0.05)
    origin = await up()
    await rig.ask(post(rig, key="other"))
    with closed(store) as db:

        def answer(request):
            db.execute("BEGIN IMMEDIATE")
            return CREATED

        origin.answer = answer
        first = await rig.ask(post(rig))
        refused = await rig.ask(post(rig))

    assert told(first) == (201, None, None)
    assert told(refused) == (503, "keys_unavailable", None)
    await rig.until(lambda: states(store) == ["answered", "outgrown"])
    assert told(await rig.ask(post(rig))) == (409, "answer_not_kept", None)
    assert len(origin.requests) == 2


@pytest.mark.interpreted
async def test_bodies_take_up_no_more_than_there_is_for_them(rig, up, monkeypatch):
    monkeypatch.setattr("mainstay.gateway.http.keyed.HEAVY", 3)
    origin = await up()
    first, second = await rig.client(), await rig.client()
    first.send(post(rig, key="a")[:-1])
    await rig.until(lambda: rig.route.keeper.weight == 2)

    second.send(post(rig, key="b")[:-1])
    refused = await second.answer()
    first.send(b"e")

    assert told(refused) == (503, "keys_unavailable", None)
    assert (await first.answer()).status == 200
    assert rig.route.keeper.weight == 0
    assert len(origin.requests) == 1


async def test_it_goes_on_when_it_can_be_written_again(rig, up, store, monkeypatch):
    monkeypatch.setattr("mainstay.gateway.keys.keeper.CALM", 0.0)
    store.parent.write_text("a file where a folder should be")
    await up()
    await rig.ask(post(rig))

    store.parent.unlink()
    answer = await rig.ask(post(rig))

    assert told(answer) == (200, None, None)
    await rig.until(lambda: rig.line.facts("KeyStoreMended"))
    assert [one["service"] for one in rig.line.facts("KeyStoreBroke")] == ["web"]


async def test_a_file_that_is_no_store_is_not_touched_and_nothing_is_sent(rig, up, store):
    store.parent.mkdir()
    store.write_bytes(b"something else" * 1000)
    origin = await up()

    refused = await rig.ask(post(rig))

    assert told(refused) == (503, "keys_unavailable", None)
    assert origin.requests == []
    assert store.read_bytes() == b"something else" * 1000


async def test_a_full_store_keeps_no_more_answers_and_then_takes_no_more_keys(rig, up):
    origin = await up(keys=KeySpec(size=64 * 1024))
    origin.answer = lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: 16384\r\n\r\n" + b"x" * 16384
    seen = []

    for number in range(300):
        answer = await rig.ask(post(rig, key=f"k{number}"))
        seen.append(told(answer)[:2])
        if seen[-1][0] == 503:
            break

    assert set(seen) == {(200, None), (503, "keys_unavailable")}
    carried_out = seen.count((200, None))
    assert len(origin.requests) == carried_out
    again = [told(await rig.ask(post(rig, key=f"k{number}"))) for number in range(carried_out)]
    assert len(origin.requests) == carried_out
    assert {(200, None, "true"), (409, "answer_not_kept", None)} == set(again)


async def test_only_the_owner_may_read_what_is_kept(rig, up, store):
    await up()

    await rig.ask(post(rig))

    assert {file.stat().st_mode & 0o777 for file in store.parent.iterdir()} == {0o600}


async def test_what_was_kept_for_long_enough_is_forgotten(rig, up):
    origin = await up(keys=KeySpec(keep=0.05))
    await rig.ask(post(rig))
    await asyncio.sleep(0.06)

    again = await rig.ask(post(rig))

    assert told(again) == (200, None, None)
    assert len(origin.requests) == 2


# --- what else there is ---


async def test_it_is_switched_on_and_off_while_it_serves(rig, up, store):
    origin = await rig.up()
    await rig.ask(post(rig))
    off = rig.settings
    rig.settings = type(off)(
        health=None, breaker=None, call=off.call, pool=off.pool, keys=KeySpec(), key_store=str(store)
    )
    rig.apply()
    for _ in range(2):
        await rig.ask(post(rig))
    assert len(origin.requests) == 2

    rig.settings = off
    rig.apply()
    await rig.ask(post(rig))

    assert len(origin.requests) == 3


async def test_what_is_replayed_is_logged_and_named_as_any_request(rig, up, tmp_path):
    log = tmp_path / "access.log"
    log.touch()
    rig.log = LogSettings(path=str(log))
    rig.trace = TraceSettings(accept="anyone", sample=0.0)
    await up()
    await rig.ask(post(rig, "X-Request-Id: first"))

    again = await rig.ask(post(rig, "X-Request-Id: second"))

    assert again.all("x-request-id") == ["second"]
    rig.worker.access_log.flush()
    await rig.until(lambda: log.read_text().count("\n") == 2)
