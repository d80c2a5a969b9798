"""One instance that is worse than its peers, over real sockets."""

import asyncio
from itertools import count

from mainstay.redundancy.outlier import OutlierSpec

SICK = b"HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nfail"
WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def every_third(calls):
    return lambda request: SICK if next(calls) % 3 == 0 else WELL


async def test_an_instance_that_fails_every_third_request_is_ejected(rig):
    first, second = await rig.up(2, pool={"outlier": OutlierSpec()}, call={"retry": None})
    first.answer = every_third(count(1))
    client = await rig.client()

    for _ in range(200):
        await client.ask(rig.get())

    told = rig.line.facts("InstanceEjected")
    assert [(fact["instance"], fact["because"]) for fact in told] == [("web-1", "errors")]
    assert len(second.requests) > len(first.requests)


async def test_when_all_instances_fail_every_third_request_nobody_is_ejected(rig):
    origins = await rig.up(3, pool={"outlier": OutlierSpec()}, call={"retry": None})
    for origin in origins:
        origin.answer = every_third(count(1))
    client = await rig.client()

    answers = [(await client.ask(rig.get())).status for _ in range(270)]

    assert answers.count(503) == 90
    assert rig.line.facts("InstanceEjected") == []


async def test_an_instance_that_is_slower_than_the_others_by_far_is_ejected(rig):
    first, *_ = await rig.up(3, pool={"outlier": OutlierSpec(window=0.5)})

    async def late(request):
        await asyncio.sleep(0.15)
        return WELL

    first.answer = late
    clients = [await rig.client() for _ in range(8)]

    async def ask(client):
        while not rig.line.facts("InstanceEjected"):
            await client.ask(rig.get())

    async with asyncio.timeout(20):
        await asyncio.gather(*(ask(client) for client in clients))

    told = rig.line.facts("InstanceEjected")
    assert (told[0]["instance"], told[0]["because"]) == ("web-1", "slow")


async def test_what_a_slow_client_takes_is_no_part_of_an_answers_time(rig):
    await rig.up(1, pool={"outlier": OutlierSpec()})
    client = await rig.client()

    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
    await asyncio.sleep(0.3)
    await client.ask(b"b")

    (took,) = rig.members[0].outlier.lately()
    assert 0 < took < 0.3
