"""What stands in for a service that could not even be asked."""

import asyncio
from dataclasses import replace

import pytest

from gateway.conftest import Origin
from mainstay.gateway.table import Concurrency, Fallback, Row
from mainstay.tolerance.breaker import BreakerSpec
from mainstay.tolerance.key import KeySpec

PAGE = Fallback(status=503, body="<h1>Zurück gegen acht</h1>", type="text/html; charset=utf-8")
KNOWN = Fallback(status=200, body="[]", type="application/json")
SPARE = Fallback(service="spare")


async def beside(rig, *, here=True, **settings):
    """Have another service, `spare`, beside the one that is asked; give its origin."""
    spare = Origin()
    await spare.listen()
    rig.origins.append(spare)
    table, row = rig.table, Row("spare", "spare-1", 1, "127.0.0.1", spare.port)
    rig.table = lambda: _with(table(), replace(rig.settings, **{"fallback": None} | settings), row, here=here)
    return spare


def _with(table, settings, row, *, here):
    rows = [*table.rows, row] if here else table.rows
    return replace(table, services={**table.services, "spare": settings}, rows=rows)


async def hang(request):
    del request
    await asyncio.Event().wait()


# --- a fixed answer ---


async def test_where_no_instance_is_the_page_is_given_and_says_that_it_stands_in(rig):
    await rig.up(0, fallback=PAGE)

    answer = await rig.ask(rig.get())

    assert answer.first == b"HTTP/1.1 503 Service Unavailable"
    assert answer.body.decode() == PAGE.body
    assert answer.get("content-type") == "text/html; charset=utf-8"
    assert answer.get("mainstay-fallback") == "static"
    assert answer.get("mainstay-reason") == "no_instance"
    assert answer.get("cache-control") == "no-store"
    assert answer.get("retry-after") == "1"
    counted = rig.route.counted()
    assert (counted["fallbacks"], counted["failures"], counted["own"]) == (1, 1, {"no_instance": 1})


async def test_a_good_answer_stands_in_for_what_is_only_read(rig):
    await rig.up(0, fallback=KNOWN)
    client = await rig.client()

    read = await client.ask(rig.get())
    client.send(rig.request("HEAD", "/"))
    looked = await client.answer(bodiless=True)
    written = await client.ask(rig.request("POST", "/", body=b"order"))

    assert (read.status, read.body, read.get("retry-after")) == (200, b"[]", None)
    assert (looked.status, looked.body, looked.get("content-length")) == (200, b"", "2")
    assert (written.status, written.get("mainstay-fallback")) == (503, None)
    assert rig.route.counted()["fallbacks"] == 2


async def test_it_is_given_only_when_the_wait_is_over(rig):
    await rig.up(0, fallback=PAGE, call={"wait": 5.0})
    client = await rig.client()

    client.send(rig.get())
    await rig.until(lambda: len(rig.route.parked) == 1)
    origin = Origin()
    await origin.listen()
    rig.origins.append(origin)
    rig.rows = [rig.row(origin, 1)]
    rig.apply()

    assert (await client.answer()).status == 200
    assert rig.route.counted()["fallbacks"] == 0


async def test_it_stands_in_for_who_cannot_be_reached(rig):
    origin = await rig.up(1, fallback=PAGE)
    origin.refuse()

    answer = await rig.ask(rig.request("POST", "/", body=b"order"))

    assert answer.get("mainstay-reason") == "unreachable"
    assert answer.body.decode() == PAGE.body


async def test_it_stands_in_where_the_breaker_is_open(rig):
    await rig.up(1, fallback=PAGE, breaker=BreakerSpec())
    rig.origins[0].answer = lambda request: rig.DROP
    client = await rig.client()
    for _ in range(40):
        answer = await client.ask(rig.request("POST", "/", body=b"order"))
        if answer.get("mainstay-reason") == "circuit_open":
            break

    assert answer.get("mainstay-reason") == "circuit_open"
    assert answer.get("mainstay-fallback") == "static"


async def test_it_stands_in_for_who_has_no_room(rig):
    origin = await rig.up(1, fallback=PAGE, concurrency=Concurrency(adaptive=False, limit=1, queue=0.05))
    origin.answer = hang
    first = await rig.client()
    first.send(rig.get())
    await rig.until(lambda: origin.requests)

    answer = await rig.ask(rig.get())

    assert (answer.get("mainstay-reason"), answer.get("mainstay-fallback")) == ("overloaded", "static")


async def test_an_answer_that_broke_is_not_covered_up(rig):
    origin = await rig.up(1, fallback=PAGE)
    origin.answer = lambda request: rig.DROP

    answer = await rig.ask(rig.request("POST", "/", body=b"order"))

    assert (answer.status, answer.get("mainstay-fallback")) == (502, None)


async def test_who_is_told_otherwise_does_otherwise_from_then_on(rig):
    await rig.up(0)
    before = await rig.ask(rig.get())

    rig.settings = replace(rig.settings, fallback=PAGE)
    rig.apply()
    after = await rig.ask(rig.get())

    assert before.get("mainstay-fallback") is None
    assert after.get("mainstay-fallback") == "static"


# --- another service ---


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_another_service_gets_the_request_as_it_stands(rig, method):
    spare = await beside(rig)
    await rig.up(0, fallback=SPARE)
    client = await rig.client()

    answer = await client.ask(rig.request(method, "/orders?all=1", body=b"order"))
    again = await client.ask(rig.request(method, "/", body=b""))

    assert (answer.status, answer.get("mainstay-fallback"), answer.get("mainstay-reason")) == (
        200,
        "spare",
        None,
    )
    asked = spare.requests[0]
    assert (asked.method.decode(), asked.target, asked.body) == (method, b"/orders?all=1", b"order")
    assert again.status == 200
    counted, others = rig.route.counted(), rig.worker.routes["spare"].counted()
    assert (counted["fallbacks"], counted["requests"], counted["own"]) == (2, 0, {})
    assert (others["requests"], others["fallbacks"]) == (2, 0)


async def test_a_body_that_is_still_coming_goes_to_the_other_service(rig):
    spare = await beside(rig)
    await rig.up(0, fallback=SPARE)
    client = await rig.client()

    client.send(rig.request("POST", "/", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
    await rig.until(lambda: spare.connections)
    client.send(b"6\r\n world\r\n0\r\n\r\n")

    answer = await client.answer()
    assert (answer.status, answer.get("mainstay-fallback")) == (200, "spare")
    assert spare.requests[0].body == b"hello world"


async def test_it_is_asked_for_who_cannot_be_reached_or_has_no_room(rig):
    spare = await beside(rig, concurrency=None)
    await rig.up(1, fallback=SPARE, concurrency=Concurrency(adaptive=False, limit=1, queue=0.05))
    origin = rig.origins[-1]
    origin.answer = hang
    first = await rig.client()
    first.send(rig.get())
    await rig.until(lambda: origin.requests)

    shed = await rig.ask(rig.request("POST", "/", body=b"order"))
    first.abort()
    await rig.until(lambda: rig.route.in_flight == 0)
    origin.refuse()
    refused = await rig.ask(rig.request("POST", "/", body=b"order"))

    assert [one.get("mainstay-fallback") for one in (shed, refused)] == ["spare", "spare"]
    assert [one.body for one in spare.requests] == [b"order", b"order"]


async def test_the_others_own_fallback_is_not_followed(rig):
    await beside(rig, here=False, fallback=Fallback(service="web"))
    await rig.up(0, fallback=SPARE)

    answer = await rig.ask(rig.get())

    assert (answer.status, answer.get("mainstay-reason")) == (503, "no_instance")
    assert answer.get("mainstay-fallback") is None
    assert rig.worker.routes["spare"].counted()["own"] == {"no_instance": 1}


async def test_a_service_that_is_not_there_is_not_asked(rig):
    await rig.up(0, fallback=SPARE)

    answer = await rig.ask(rig.get())

    assert (answer.status, answer.get("mainstay-reason")) == (503, "no_instance")
    assert rig.route.counted()["fallbacks"] == 0


async def test_what_may_have_been_carried_out_is_not_sent_to_another_service(rig):
    spare = await beside(rig)
    await rig.up(2, fallback=SPARE, keyed=True)
    dying, gone = rig.origins[1:]
    dying.answer = lambda request: rig.DROP
    gone.refuse()
    keyed = rig.request("POST", "/", "Idempotency-Key: one", body=b"order")

    answers = [await rig.ask(keyed) for _ in range(4)]

    assert dying.requests
    assert spare.requests == []
    assert all(one.status in (200, 502, 503) for one in answers)


async def test_a_key_that_the_gateway_looks_after_is_not_spent_elsewhere(rig, tmp_path):
    spare = await beside(rig)
    await rig.up(0, fallback=SPARE, keys=KeySpec(), key_store=str(tmp_path / "keys.db"))

    answer = await rig.ask(rig.request("POST", "/", 'Idempotency-Key: "one"', body=b"order"))

    assert (answer.status, answer.get("mainstay-reason")) == (503, "no_instance")
    assert spare.requests == []


async def test_a_client_that_leaves_is_let_go_of_there(rig):
    spare = await beside(rig)
    await rig.up(0, fallback=SPARE)
    spare.answer = hang
    client = await rig.client()

    client.send(rig.get())
    await rig.until(lambda: spare.requests)
    client.abort()

    await rig.until(rig.idle)
    assert rig.worker.routes["spare"].counted()["cancelled"] == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_of_what_was_sent_to_the_last_one_only_a_read_is_answered_by_another(rig, method):
    spare = await beside(rig)
    await rig.up(call={"attempt": 3.0}, fallback=SPARE)
    last = rig.origins[-1]
    last.answer = hang
    client = await rig.client()
    client.send(rig.request(method, "/"))
    await rig.until(lambda: last.requests)

    rig.rows = []
    rig.apply()
    answer = await client.answer(limit=8)

    assert (answer.status, len(spare.requests)) == ((200, 1) if method == "GET" else (504, 0))
