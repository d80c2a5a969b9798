"""What instances are told of each attempt, whatever a client says about it."""

import asyncio
from dataclasses import replace

import pytest

from mainstay.redundancy.outlier import OutlierSpec
from mainstay.tolerance.call import CallSpec

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def told(request):
    return request.get("Mainstay-Attempt"), int(request.get("Mainstay-Deadline-Ms"))


async def test_a_first_attempt_has_all_of_its_time(rig):
    origin = await rig.up(call={"attempt": 2.0, "request": 5.0})
    client = await rig.client()

    for _ in range(2):
        await client.ask(rig.get())

    new, reused = origin.requests
    assert told(new)[0] == "1"
    assert 1000 < told(new)[1] <= 2000
    assert told(reused) == ("1", 2000)


async def test_each_attempt_is_told_its_number_and_what_is_left(rig):
    origins = await rig.up(2, call={"attempt": 2.0, "request": 2.0})
    seen = []

    async def answer(request):
        seen.append(request)
        if len(seen) > 1:
            return ANSWER
        await asyncio.sleep(0.05)
        return rig.DROP

    for origin in origins:
        origin.answer = answer
    await rig.ask(rig.get())

    assert [told(request)[0] for request in seen] == ["1", "2"]
    assert 0 < told(seen[1])[1] <= 1950


async def test_other_settings_are_told_at_once(rig):
    origin = await rig.up()
    await rig.ask(rig.get())

    rig.settings = replace(rig.settings, call=CallSpec(attempt=0.5, request=0.5))
    rig.apply()
    await rig.ask(rig.get())

    assert told(origin.requests[1]) == ("1", 500)


@pytest.mark.parametrize("name", ["Mainstay-Attempt", "MAINSTAY-DEADLINE-MS", "mainstay_attempt"])
async def test_what_a_client_says_of_them_is_left_out(rig, name):
    origin = await rig.up()

    await rig.ask(rig.get("/", f"{name}: 7777777"))

    assert b"7777777" not in origin.requests[0].head
    assert len(origin.requests[0].all("Mainstay-Attempt")) == 1


async def test_a_client_cannot_have_them_left_out(rig):
    origin = await rig.up()

    await rig.ask(rig.get("/", "Connection: close, Mainstay-Attempt, Mainstay-Deadline-Ms"))

    assert told(origin.requests[0])[0] == "1"


async def test_a_trusted_proxy_may_shorten_the_deadline_and_not_lengthen_it(rig):
    rig.trusted = ["127.0.0.1"]
    origin = await rig.up(call={"attempt": 2.0, "request": 5.0})
    client = await rig.client()

    for millis in (700, 99_999, "7e3", "-1", ""):
        await client.ask(rig.get("/", f"Mainstay-Deadline-Ms: {millis}"))

    deadlines = [told(request)[1] for request in origin.requests]
    assert 0 < deadlines[0] <= 700
    assert deadlines[1:] == [2000] * 4


async def test_a_shortened_deadline_is_kept_over_all_attempts_and_charged_to_nobody(rig):
    rig.trusted = ["127.0.0.1"]
    origins = await rig.up(2, pool={"outlier": OutlierSpec(timeout=1)})
    for origin in origins:
        origin.answer = lambda r: asyncio.sleep(30)

    answer = await rig.ask(rig.get("/", "Mainstay-Deadline-Ms: 100"))

    assert (answer.status, answer.get("mainstay-reason")) == (504, "timeout")
    assert sum(len(origin.requests) for origin in origins) == 1
    assert [member.ejected_until for member in rig.members] == [None, None]


async def test_bodies_follow_the_head(rig):
    origin = await rig.up()

    await rig.ask(rig.request("POST", "/", body=b"12345"))

    assert origin.requests[0].body == b"12345"
    assert told(origin.requests[0])[0] == "1"
