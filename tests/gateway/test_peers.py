"""One instance that is worse than its peers, over real sockets."""

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
