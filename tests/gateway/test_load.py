"""What is more than a service can do waits for room, and is refused when there will be none soon enough."""

import asyncio
import dataclasses

import pytest

from mainstay.gateway.http.urgency import urgency
from mainstay.gateway.table import Concurrency, Rule
from mainstay.tolerance.hedge import HedgeSpec
from mainstay.tolerance.limiter import FREE, LIMITED

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Gate:
    """An origin that answers when it is let."""

    def __init__(self, origin):
        self.origin = origin
        self.open = asyncio.Semaphore(0)
        origin.answer = self.answer

    async def answer(self, request):
        await self.open.acquire()
        return OK

    def let(self, count=1):
        for _ in range(count):
            self.open.release()


async def gated(rig, count=1, call=None, **concurrency):
    origins = await rig.up(
        count, call=call, concurrency=Concurrency(**{"adaptive": False, "limit": 1} | concurrency)
    )
    return Gate(origins) if count == 1 else [Gate(origin) for origin in origins]


async def asking(rig, *targets, method="GET", headers=()):
    clients = []
    for target in targets:
        client = await rig.client()
        before = rig.route.load.queued + rig.route.load.under_way
        client.send(rig.request(method, target, *headers))
        await rig.until(lambda before=before: rig.route.load.queued + rig.route.load.under_way > before)
        clients.append(client)
    return clients


def paths(gate):
    return [request.target.decode() for request in gate.origin.requests]


async def test_beyond_the_limit_requests_wait_in_the_order_in_which_they_came(rig):
    gate = await gated(rig)
    clients = await asking(rig, "/1", "/2", "/3")
    before = rig.route.counted()

    gate.let(3)
    answers = [await client.answer() for client in clients]

    assert [answer.status for answer in answers] == [200, 200, 200]
    assert paths(gate) == ["/1", "/2", "/3"]
    assert (before["queued"], before["limit"], before["in_flight"]) == (2, 1, 3)
    assert rig.route.counted()["queued"] == 0


async def test_who_waits_too_long_is_told_so_and_when_to_come_again(rig):
    gate = await gated(rig, queue=0.1)
    first, second = await asking(rig, "/1", "/2")

    answer = await second.answer()
    gate.let()

    assert (answer.status, answer.get("mainstay-reason")) == (503, "overloaded")
    assert answer.get("retry-after") == "1"
    assert (await first.answer()).status == 200
    assert rig.route.counted()["shed"] == 1
    assert paths(gate) == ["/1"]


async def test_without_a_line_the_rest_is_refused_at_once(rig):
    gate = await gated(rig, queue=0)
    first = (await asking(rig, "/1"))[0]

    answer = await rig.ask(rig.get("/2"))
    gate.let()

    assert answer.status == 503
    assert (await first.answer()).status == 200


async def test_after_a_while_the_newest_goes_first(rig):
    gate = await gated(rig)
    clients = await asking(rig, "/1", "/2")
    await asyncio.sleep(0.15)
    clients += await asking(rig, "/3")

    gate.let(3)
    for client in clients:
        assert (await client.answer()).status == 200

    assert paths(gate) == ["/1", "/3", "/2"]


async def test_there_is_room_again_as_soon_as_an_answer_begins(rig):
    origin = await rig.up(concurrency=Concurrency(adaptive=False, limit=1))
    go = asyncio.Event()

    async def stream(request):
        request.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await go.wait()
        return b"0\r\n\r\n"

    origin.answer = stream
    first = await rig.client()
    first.send(rig.get("/1"))
    await first.reader.readuntil(b"\r\n\r\n")

    second = await rig.client()
    second.send(rig.get("/2"))
    await second.reader.readuntil(b"\r\n\r\n")
    go.set()

    assert len(origin.requests) == 2


async def test_a_client_that_leaves_the_line_leaves_no_trace(rig):
    gate = await gated(rig)
    first, second, third = await asking(rig, "/1", "/2", "/3")
    second.abort()
    await rig.until(lambda: rig.route.load.queued == 1)

    gate.let(2)

    assert (await first.answer()).status == 200
    assert (await third.answer()).status == 200
    assert paths(gate) == ["/1", "/3"]


async def test_a_body_waits_with_its_request(rig):
    gate = await gated(rig)
    (first,) = await asking(rig, "/1")
    second = await rig.client()
    second.send(rig.request("POST", "/2", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
    await rig.until(lambda: rig.route.load.queued == 1)
    second.send(b"6\r\n world\r\n0\r\n\r\n")

    gate.let(2)

    assert (await first.answer()).status == (await second.answer()).status == 200
    assert gate.origin.requests[1].body == b"hello world"


async def test_who_wants_to_hear_whether_to_go_on_hears_it_when_there_is_room(rig):
    gate = await gated(rig)
    (first,) = await asking(rig, "/1")
    second = await rig.client()
    second.send(
        b"POST /2 HTTP/1.1\r\nHost: example.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    )
    await rig.until(lambda: rig.route.load.queued == 1)

    gate.let(1)
    await first.answer()
    heard = await second.reader.readuntil(b"\r\n\r\n")
    second.send(b"hi")
    gate.let(1)

    assert heard.startswith(b"HTTP/1.1 100")
    assert (await second.answer()).status == 200


async def test_an_instance_has_no_more_than_it_may_have(rig):
    first, second = await gated(rig, 2, limit=None, per_instance=1)
    clients = await asking(rig, "/1", "/2", "/3")
    await rig.until(lambda: len(first.origin.requests) + len(second.origin.requests) == 2)
    most = [len(first.origin.requests), len(second.origin.requests)]

    first.let(3)
    second.let(3)
    for client in clients:
        assert (await client.answer()).status == 200

    assert most == [1, 1]


async def test_routes_say_who_goes_first(rig):
    gate = await gated(rig)
    rig.door = {
        "rules": [
            Rule(service="web", path="/high", importance=0),
            Rule(service="web", path="/low", importance=2),
            Rule(service="web"),
        ]
    }
    rig.apply()
    clients = await asking(rig, "/1", "/low", "/2", "/high")

    gate.let(4)
    for client in clients:
        await client.answer()

    assert paths(gate) == ["/1", "/high", "/2", "/low"]


async def test_clients_say_who_goes_first_where_they_may(rig):
    gate = await gated(rig, client_priority=True)
    clients = await asking(rig, "/1", "/2")
    clients += await asking(rig, "/3", headers=["Priority: u=1, i"])

    gate.let(3)
    for client in clients:
        await client.answer()

    assert paths(gate) == ["/1", "/3", "/2"]


async def test_strangers_do_not_say_who_goes_first(rig):
    gate = await gated(rig)
    clients = await asking(rig, "/1", "/2")
    clients += await asking(rig, "/3", headers=["Priority: u=0"])

    gate.let(3)
    for client in clients:
        await client.answer()

    assert paths(gate) == ["/1", "/2", "/3"]


async def test_a_new_limit_lets_in_who_waits(rig):
    gate = await gated(rig)
    clients = await asking(rig, "/1", "/2", "/3")

    rig.settings = rig.settings.__class__(
        **{field: getattr(rig.settings, field) for field in rig.settings.__dataclass_fields__}
        | {"concurrency": None}
    )
    rig.apply()
    await rig.until(lambda: len(gate.origin.requests) == 3)
    gate.let(3)

    assert [(await client.answer()).status for client in clients] == [200, 200, 200]


async def test_a_service_that_does_not_keep_up_is_given_less_and_the_rest_is_refused(rig):
    """Two at once for twenty milliseconds each are a hundred a second; three times as many are asked."""
    origin = await rig.up(concurrency=Concurrency(queue=0.2), call={"hedge": None, "suspicion": None})
    places = asyncio.Semaphore(2)

    async def work(request):
        async with places:
            await asyncio.sleep(0.02)
        return OK

    origin.answer = work
    client = await rig.client()
    for _ in range(60):
        await client.ask(rig.get())
    rig.route.load.judge(rig.loop.time())
    answers, asks = [], set()

    async def ask():
        answer = await rig.ask(rig.get(), limit=20)
        answers.append((answer.status, answer.get("mainstay-reason")))

    async with asyncio.timeout(20):
        while (503, "overloaded") not in answers:
            asks.add(rig.loop.create_task(ask()))
            await asyncio.sleep(1 / 300)
    limit = rig.route.counted()["limit"]
    await asyncio.gather(*asks)

    assert set(answers) == {(200, None), (503, "overloaded")}
    assert limit < 100
    assert rig.route.load._limiter.state is not FREE


@pytest.mark.parametrize(
    ("told", "importance"),
    [
        ([], 1),
        ([b"u=0"], 0),
        ([b"u=2, i"], 0),
        ([b"i, u=3"], 1),
        ([b"u=5"], 2),
        ([b"u=7;x"], 2),
        ([b"u=8"], 1),
        ([b"u=00"], 1),
        ([b"u=-1"], 1),
        ([b"urgent"], 1),
        ([b"u=0", b"u=7"], 1),
        ([b"\xff"], 1),
    ],
)
def test_urgency_is_read_as_it_is_defined(told, importance):
    assert urgency(told) == importance


async def test_a_long_line_that_is_let_in_while_there_is_nobody_to_ask_is_told_so(rig):
    gate = await gated(rig, queue=5)
    (first,) = await asking(rig, "/first")
    waiting = [await rig.client() for _ in range(300)]
    for client in waiting:
        client.send(rig.get())
    await rig.until(lambda: rig.route.load.queued == 300)

    rig.rows = []
    rig.apply()
    gate.let()
    answers = [await client.answer() for client in [first, *waiting]]

    assert [answer.status for answer in answers] == [200] + [503] * 300
    assert (rig.route.load.under_way, rig.route.load.queued) == (0, 0)


async def test_who_waits_for_an_instance_takes_no_room_and_then_waits_for_it_like_anybody(rig):
    gate = await gated(rig, queue=5, call={"wait": 5.0})
    rows, rig.rows = rig.rows, []
    rig.apply()
    clients = [await rig.client() for _ in range(3)]
    for client in clients:
        client.send(rig.get())
    await rig.until(lambda: len(rig.route.parked) == 3)

    rig.rows = [dataclasses.replace(rows[0], generation=2)]
    rig.apply()
    await rig.until(lambda: rig.route.load.queued == 2)
    before = len(gate.origin.requests), rig.route.load.under_way
    gate.let(3)
    answers = [await client.answer() for client in clients]

    assert before <= (1, 1)
    assert [answer.status for answer in answers] == [200] * 3


async def test_who_stops_counting_what_a_service_can_do_takes_it_for_well_again(rig):
    await rig.up(concurrency=Concurrency())
    load = rig.route.load
    load._limiter.state, load._limiter._each = LIMITED, 4.0
    load.look(rig.loop.time())
    before = load.crowded()

    rig.settings = dataclasses.replace(rig.settings, concurrency=None)
    rig.apply()

    assert before
    assert not load.crowded()
    assert rig.line.facts("OverloadEnded")


async def test_a_second_attempt_takes_no_place_from_those_who_wait_for_one(rig):
    slow, other = await gated(
        rig, 2, limit=None, per_instance=1, queue=5, call={"hedge": HedgeSpec(after=0.02), "suspicion": None}
    )
    first = await rig.client()
    first.send(rig.get("/1"))
    await rig.until(lambda: slow.origin.requests and other.origin.requests)

    second = await rig.client()
    second.send(rig.get("/2"))
    await rig.until(lambda: rig.route.load.queued == 1)
    slow.let(2)
    other.let(2)

    assert [(await client.answer()).status for client in (first, second)] == [200, 200]


async def test_who_finds_all_full_since_one_is_down_waits_for_room(rig):
    gates = await gated(rig, 2, limit=None, per_instance=1, queue=5)
    rig.route.pool.drain(rig.loop.time(), rig.members[1])
    (first,) = await asking(rig, "/1")

    second = await rig.client()
    second.send(rig.get("/2"))
    await rig.until(lambda: rig.route.load.queued == 1)
    gates[0].let(2)

    assert [(await client.answer()).status for client in (first, second)] == [200, 200]
