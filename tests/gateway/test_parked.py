"""While no instance can be asked, requests and connections wait for one."""

import asyncio

import pytest

from gateway.conftest import Origin, echo
from mainstay.gateway import route


async def absent(rig, wait=5.0):
    """Serve for a service that has no instance, and give the origin of the one that is to come."""
    await rig.up(0, call={"wait": wait})
    origin = Origin()
    await origin.listen()
    rig.origins.append(origin)
    return origin


def come(rig, generation=1):
    """Have the instance there."""
    rig.rows = [rig.row(rig.origins[0], 1, generation)]
    rig.apply()


def waiting(rig, count=1):
    return lambda: len(rig.route.parked) == count


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_request_waits_for_an_instance_and_is_sent_there_whole(rig, method):
    origin = await absent(rig)
    client = await rig.client()

    client.send(rig.request(method, "/", body=b"x" * 1000))
    await rig.until(waiting(rig))
    counted = rig.route.counted()
    come(rig)
    answer = await client.answer()

    assert answer.status == 200
    assert [(one.method.decode(), one.body) for one in origin.requests] == [(method, b"x" * 1000)]
    assert origin.requests[0].get("mainstay-attempt") == "1"
    assert (counted["parked"], counted["in_flight"]) == (1, 1)
    assert rig.route.counted()["parked"] == 0
    assert (rig.route.failures, rig.route.retries) == (0, 0)


async def test_a_body_that_is_still_coming_goes_on_to_the_instance(rig):
    origin = await absent(rig)
    client = await rig.client()

    client.send(rig.request("POST", "/", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
    await rig.until(waiting(rig))
    client.send(b"6\r\n world\r\n")
    come(rig)
    client.send(b"0\r\n\r\n")

    assert (await client.answer()).status == 200
    assert origin.requests[0].body == b"hello world"


async def test_all_who_wait_go_on_in_the_order_in_which_they_came(rig):
    origin = await absent(rig)
    clients = [await rig.client() for _ in range(5)]
    for number, client in enumerate(clients):
        client.send(rig.get(f"/{number}"))
        await rig.until(waiting(rig, number + 1))

    come(rig)

    assert [(await client.answer()).status for client in clients] == [200] * 5
    assert sorted(one.target for one in origin.requests) == [b"/%d" % number for number in range(5)]


async def test_when_none_comes_it_is_refused_after_its_time(rig):
    await absent(rig, wait=0.2)

    begun = rig.loop.time()
    answer = await rig.ask(rig.get())

    assert (answer.status, answer.json()["error"]) == (503, "no_instance")
    assert rig.loop.time() - begun >= 0.2
    assert rig.route.because == {"no_instance": 1}
    assert not rig.route.parked


async def test_a_client_that_does_not_wait_that_long_is_let_go(rig):
    await absent(rig)
    client = await rig.client()

    client.send(rig.get())
    await rig.until(waiting(rig))
    client.abort()
    await rig.until(rig.idle)

    assert not rig.route.parked
    assert rig.route.cancelled == 1


async def test_more_than_fit_are_refused_at_once(rig, monkeypatch):
    monkeypatch.setattr(route, "PARKED", 2)
    await absent(rig)
    clients = [await rig.client() for _ in range(2)]
    for number, client in enumerate(clients):
        client.send(rig.get())
        await rig.until(waiting(rig, number + 1))

    refused = await rig.ask(rig.get())
    come(rig)

    assert (refused.status, refused.json()["error"]) == (503, "no_instance")
    assert [(await client.answer()).status for client in clients] == [200, 200]


async def test_a_get_whose_only_instance_died_is_answered_by_the_next_life(rig):
    origin = await rig.up(call={"wait": 5.0})
    died = asyncio.Event()

    async def die(request):
        died.set()
        rig.rows = []
        rig.apply()
        return rig.DROP

    origin.answer = die
    client = await rig.client()
    client.send(rig.get())
    await died.wait()
    await rig.until(waiting(rig))
    origin.answer = lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew"
    come(rig, generation=2)
    answer = await client.answer()

    assert (answer.status, answer.body) == (200, b"new")
    assert rig.route.failures == 0
    assert rig.route.retries == 1


async def test_a_post_that_its_only_instance_may_have_carried_out_does_not_wait(rig):
    origin = await rig.up(call={"wait": 5.0})

    async def die(request):
        rig.rows = []
        rig.apply()
        return rig.DROP

    origin.answer = die
    answer = await rig.ask(rig.request("POST", "/", body=b"once"))

    assert answer.status == 502
    assert len(origin.requests) == 1


async def test_an_instance_that_cannot_be_reached_yet_is_asked_again(rig):
    origin = await rig.up(call={"wait": 5.0})
    await origin.close()
    client = await rig.client()

    client.send(rig.request("POST", "/", body=b"x"))
    await rig.until(lambda: rig.route.retries >= 4)
    await origin.listen(origin.port)
    answer = await client.answer()

    assert answer.status == 200
    assert [one.body for one in origin.requests] == [b"x"]


async def test_a_tcp_connection_waits_for_an_instance(rig):
    await rig.tcp(0, call={"wait": 5.0})
    origin = Origin()
    await origin.listen()
    origin.raw = echo
    rig.origins.append(origin)
    client = await rig.client()

    client.send(b"ping")
    await rig.until(waiting(rig))
    come(rig)

    assert await client.read(4) == b"ping"
    client.close()
    await rig.until(rig.idle)
    assert rig.route.failures == 0


async def test_a_tcp_connection_that_leaves_waits_no_longer(rig):
    await rig.tcp(0, call={"wait": 5.0})
    client = await rig.client()

    await rig.until(waiting(rig))
    client.abort()
    await rig.until(rig.idle)

    assert not rig.route.parked
