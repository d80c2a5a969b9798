"""An answer that is late: another instance is asked as well, and the silent one is in doubt."""

import asyncio

import pytest

from mainstay.gateway.table import StickySettings
from mainstay.redundancy.health import HealthSpec
from mainstay.tolerance.hedge import HedgeSpec, SuspicionSpec

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SOON = {"hedge": HedgeSpec(after=0.05), "suspicion": None}
"""A second attempt after 50 ms, and no doubts."""
DOUBT = {"hedge": None, "suspicion": SuspicionSpec(least=0.05)}


def never(request):
    """Answer nothing as long as the connection is there."""
    return request.reader.read()


def count_of(origins):
    return [len(origin.requests) for origin in origins]


async def learn(rig, client, count=120):
    """Have enough answers for anything to be unusual."""
    for _ in range(count):
        await client.ask(rig.request("GET", "/"))
    rig.route.load.judge(rig.loop.time())
    assert rig.route.load.waits.overdue < 1.0


async def test_a_late_get_is_asked_elsewhere_as_well_and_the_first_answer_counts(rig):
    silent, other = await rig.up(2, call=SOON)
    silent.answer = never
    client = await rig.client()

    answer = await client.ask(rig.request("GET", "/"), limit=1.5)

    assert (answer.status, answer.body) == (200, b"ok")
    assert count_of([silent, other]) == [1, 1]
    assert other.requests[0].get("mainstay-attempt") == "2"
    assert (rig.route.hedges, rig.route.hedges_won, rig.route.retries) == (1, 1, 0)
    assert [member.failures for member in rig.members] == [0, 0]
    assert sorted(member.overtaken for member in rig.members) == [0, 1]
    await rig.until(lambda: not silent.open)


async def test_when_the_first_answers_before_it_the_second_is_let_go(rig):
    slow, silent = await rig.up(2, call=SOON)
    both = asyncio.Event()

    async def late(request):
        await both.wait()
        return OK

    def note(request):
        both.set()
        return never(request)

    slow.answer, silent.answer = late, note
    client = await rig.client()

    answer = await client.ask(rig.request("GET", "/"))

    assert answer.status == 200
    assert (rig.route.hedges, rig.route.hedges_won) == (1, 0)
    await rig.until(lambda: not silent.open)
    assert [member.in_flight for member in rig.members] == [0, 0]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_what_changes_something_is_asked_once(rig, method):
    slow, other = await rig.up(2, call=SOON)

    async def late(request):
        await asyncio.sleep(0.3)
        return OK

    slow.answer = other.answer = late
    client = await rig.client()

    await client.ask(rig.request(method, "/", body=b"x"))

    assert sum(count_of([slow, other])) == 1
    assert rig.route.hedges == 0


async def test_a_get_with_a_body_is_asked_once(rig):
    slow, other = await rig.up(2, call=SOON)

    async def late(request):
        await asyncio.sleep(0.3)
        return OK

    slow.answer = other.answer = late
    client = await rig.client()

    await client.ask(rig.request("GET", "/", body=b"x"))

    assert rig.route.hedges == 0


async def test_when_the_first_fails_the_second_is_what_goes_on(rig):
    dying, other = await rig.up(2, call=SOON)
    second = asyncio.Event()

    async def die(request):
        await second.wait()
        return rig.DROP

    async def late(request):
        second.set()
        await rig.until(lambda: not dying.open)
        return OK

    dying.answer, other.answer = die, late
    client = await rig.client()

    answer = await client.ask(rig.request("GET", "/"))

    assert answer.status == 200
    assert count_of([dying, other]) == [1, 1]
    assert (rig.route.hedges, rig.route.hedges_won, rig.route.retries) == (1, 0, 0)


async def test_when_the_second_fails_the_first_goes_on_and_may_be_tried_again(rig):
    slow, dying, third = await rig.up(3, call=SOON)
    died = asyncio.Event()

    def die(request):
        died.set()
        return rig.DROP

    async def late(request):
        await died.wait()
        await rig.until(lambda: rig.members[1].failures == 1)
        return rig.DROP

    slow.answer, dying.answer = late, die
    client = await rig.client()

    answer = await client.ask(rig.request("GET", "/"))

    assert answer.status == 200
    assert count_of([slow, dying, third]) == [1, 1, 1]


@pytest.mark.parametrize("status", [b"500 Internal Server Error", b"503 Service Unavailable"])
async def test_a_second_attempt_that_is_answered_by_a_failure_does_not_count(rig, status):
    slow, failing = await rig.up(2, call=SOON)
    failed = asyncio.Event()

    def fail(request):
        failed.set()
        return b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status

    async def late(request):
        await failed.wait()
        await rig.until(lambda: rig.members[1].failures == 1)
        return OK

    slow.answer, failing.answer = late, fail
    client = await rig.client()

    assert (await client.ask(rig.request("GET", "/"))).status == 200
    assert rig.route.hedges == 1


async def test_an_answer_that_stalls_while_it_is_held_comes_from_elsewhere(rig):
    stalling, other = await rig.up(2, call=SOON)

    async def stall(request):
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await request.reader.read()

    stalling.answer = stall
    other.answer = lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole"
    client = await rig.client()

    answer = await client.ask(rig.request("GET", "/"), limit=1.5)

    assert answer.body == b"whole"


async def test_a_long_answer_of_the_second_is_passed_on_as_it_comes(rig):
    silent, other = await rig.up(2, call=SOON, hold=10)
    silent.answer = never
    go = asyncio.Event()

    async def long(request):
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + b"x" * 10)
        await go.wait()
        return b"y" * 10

    other.answer = long
    client = await rig.client()

    client.send(rig.request("GET", "/"))
    await client.reader.readuntil(b"\r\n\r\n" + b"x" * 10)
    await rig.until(lambda: not silent.open)
    go.set()

    assert await client.read(10) == b"y" * 10


async def test_a_stream_that_has_begun_is_not_asked_for_again(rig):
    streaming, other = await rig.up(2, call=SOON)

    async def stream(request):
        request.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await asyncio.sleep(0.3)
        return b"1\r\nb\r\n0\r\n\r\n"

    streaming.answer = stream
    client = await rig.client()

    answer = await client.ask(rig.request("GET", "/"))

    assert answer.body == b"ab"
    assert count_of([streaming, other]) == [1, 0]


async def test_the_second_makes_a_connection_where_there_is_none_and_tells_by_it(rig):
    silent, other = await rig.up(2, call=SOON | {"attempt": 0.3, "request": 0.9})
    silent.answer = never
    other.refuse()
    client = await rig.client()

    client.send(rig.request("GET", "/"))
    answer = await client.answer()

    assert answer.status == 504
    assert rig.members[1].failures >= 1


async def test_a_client_that_leaves_leaves_both(rig):
    silent, other = await rig.up(2, call=SOON)
    silent.answer = other.answer = never
    client = await rig.client()

    client.send(rig.request("GET", "/"))
    await rig.until(lambda: other.requests)
    client.abort()

    await rig.until(lambda: not silent.open and not other.open)
    assert rig.route.cancelled == 1


async def test_both_silent_the_request_fails_at_its_end(rig):
    silent, other = await rig.up(2, call=SOON | {"attempt": 0.3, "request": 0.6})
    silent.answer = other.answer = never
    client = await rig.client()

    answer = await client.ask(rig.request("GET", "/"))

    assert (answer.status, answer.get("mainstay-reason")) == (504, "timeout")


async def test_what_is_tied_to_an_instance_waits_for_it(rig):
    slow, other = await rig.up(2, call=SOON, sticky=StickySettings(by="client"))

    async def late(request):
        await asyncio.sleep(0.2)
        return OK

    slow.answer = other.answer = late
    client = await rig.client()

    await client.ask(rig.request("GET", "/"))

    assert rig.route.hedges == 0


async def test_much_more_under_way_than_usual_allows_no_second_attempts(rig):
    slow, other = await rig.up(2, call=SOON)

    async def late(request):
        await asyncio.sleep(0.3)
        return OK

    slow.answer = other.answer = late
    clients = [await rig.client() for _ in range(40)]

    for client in clients:
        client.send(rig.request("GET", "/"))
    for client in clients:
        assert (await client.answer()).status == 200

    assert rig.route.hedges == 0


async def test_late_is_learnt_from_the_answers(rig):
    first, _ = await rig.up(2, call={"suspicion": None})
    client = await rig.client()
    await learn(rig, client)
    first.answer = never
    client.send(rig.request("GET", "/"))

    answer = await client.answer(limit=1.5)

    assert answer.status == 200
    assert rig.route.hedges_won == 1


async def test_a_silent_instance_is_in_doubt_and_new_requests_go_elsewhere(rig):
    first, second = await rig.up(2, call=DOUBT)
    client, other = await rig.client(), await rig.client()
    await learn(rig, client)
    first.answer = second.answer = lambda request: never(request) if request.target == b"/hang" else OK

    client.send(rig.request("POST", "/hang"))
    await rig.until(lambda: rig.line.facts("InstanceDoubted"))
    doubted = rig.line.facts("InstanceDoubted")[0]["instance"]
    before = count_of([first, second])
    for _ in range(6):
        assert (await other.ask(rig.request("POST", "/"))).status == 200
    after = count_of([first, second])

    assert after[int(doubted[-1]) - 1] == before[int(doubted[-1]) - 1]
    assert [it["doubted"] for it in rig.route.counted()["instances"]].count(True) == 1


async def test_an_instance_for_which_others_answered_several_times_is_in_doubt_and_a_check_does_not_end_it(
    rig,
):
    first, _ = await rig.up(
        2, call={"suspicion": SuspicionSpec()}, path="/health", health=HealthSpec(every=60.0)
    )
    client = await rig.client()
    await learn(rig, client)
    first.answer = lambda request: OK if request.target == b"/health" else never(request)

    while not rig.line.facts("InstanceDoubted"):
        assert (await client.ask(rig.get(), limit=1.5)).status == 200
    await rig.until(lambda: any(request.target == b"/health" for request in first.requests))

    assert 3 <= len([request for request in first.requests if request.target == b"/"]) - 60 <= 4
    assert [member.doubted_until is not None for member in rig.members] == [True, False]


async def test_one_slow_request_among_fast_ones_is_no_reason_for_doubt(rig):
    first, second = await rig.up(2, call=DOUBT)
    client, other = await rig.client(), await rig.client()
    await learn(rig, client)
    done = asyncio.Event()

    async def slow(request):
        if request.target == b"/slow":
            await done.wait()
        return OK

    first.answer = second.answer = slow
    client.send(rig.request("GET", "/slow"))
    for _ in range(200):
        await other.ask(rig.request("GET", "/"))
        await asyncio.sleep(0.001)
    done.set()
    await client.answer()

    assert not rig.line.facts("InstanceDoubted")


async def test_when_all_are_silent_none_is_in_doubt(rig):
    first, second = await rig.up(2, call=DOUBT)
    clients = [await rig.client() for _ in range(4)]
    await learn(rig, clients[0])
    go = asyncio.Event()

    async def stall(request):
        await go.wait()
        return OK

    first.answer = second.answer = stall
    for client in clients:
        client.send(rig.request("GET", "/"))
    await rig.until(lambda: sum(member.in_flight for member in rig.members) == 4)
    await asyncio.sleep(2 * rig.route.load.overdue + 0.1)
    go.set()
    for client in clients:
        await client.answer()

    assert not rig.line.facts("InstanceDoubted")


async def test_a_check_that_passes_ends_a_first_doubt_and_makes_the_next_less_likely(rig):
    first, second = await rig.up(2, call=DOUBT, path="/health", health=HealthSpec(every=60.0))
    client = await rig.client()
    await learn(rig, client)
    before = rig.route.load.waits.overdue
    first.answer = second.answer = lambda request: never(request) if request.target == b"/hang" else OK

    client.send(rig.request("GET", "/hang"))
    await rig.until(lambda: rig.line.facts("InstanceTrusted"))
    rig.route.load.judge(rig.loop.time())

    assert rig.route.load.waits.overdue > before
    assert [member.doubted_until for member in rig.members] == [None, None]


async def test_a_silent_instance_is_checked_at_once_until_it_is_down_and_what_waits_there_leaves(rig):
    first, second = await rig.up(
        2, call=DOUBT, path="/health", health=HealthSpec(every=60.0, timeout=0.1), keyed=True
    )
    client = await rig.client()
    await learn(rig, client)
    hung = []

    def hang(origin):
        def answer(request):
            if request.target == b"/hang" and not hung:
                hung.append(origin)
            return never(request) if origin in hung else OK

        return answer

    first.answer, second.answer = hang(first), hang(second)
    client.send(rig.request("POST", "/hang", "Idempotency-Key: 1"))
    await rig.until(lambda: len(hung) == 1)

    await rig.until(lambda: any(not member.health.usable for member in rig.members), limit=3.0)

    assert (await client.answer()).status == 200


async def test_a_request_at_an_instance_that_vanishes_in_silence_is_asked_elsewhere(rig):
    silent, other = await rig.up(2, call={"hedge": HedgeSpec(after=60.0), "suspicion": None})
    silent.answer = never
    client = await rig.client()
    client.send(rig.request("GET", "/"))
    await rig.until(lambda: silent.requests)

    rig.rows = [row for row in rig.rows if row.port == other.port]
    rig.apply()

    assert (await client.answer(limit=1.5)).status == 200


async def test_what_may_be_sent_again_leaves_an_instance_that_vanished_in_silence(rig):
    silent, other = await rig.up(2, call={"hedge": None, "suspicion": None, "attempt": 60.0, "request": 60.0})
    silent.answer = never
    client = await rig.client()
    client.send(rig.request("PUT", "/", body=b"x"))
    await rig.until(lambda: silent.requests)

    rig.rows = [row for row in rig.rows if row.port == other.port]
    rig.apply()

    assert (await client.answer()).status == 200
