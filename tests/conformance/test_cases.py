"""What the gateway must do with HTTP/1.1, case by case: what the client sees, and what reaches the origin.

A refused request is followed by another one, which must not be carried out. After an accepted one on a
connection that stays open comes another, which must be understood: so both ends of every message are
where they should be. Whatever reaches the origin is read by the letter of RFC 9112.
"""

import asyncio
import re

import pytest

from conformance.recorder import Recorder
from conformance.table import cases, rules, wire_bytes
from conformance.wire import take_answer
from mainstay.gateway.http import page
from mainstay.gateway.http.hop import name_of
from mainstay.gateway.table import Limits, Rule

CASES = cases()
BUILT = set(range(1, 38))
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"


def test_every_rule_has_cases():
    assert {rule for case in CASES.values() for rule in rules(case)} == BUILT


def scripted(answers):
    script = []
    for answer in answers or ():
        one = {"send": answer} if isinstance(answer, (str, list)) else dict(answer)
        pieces = one.pop("send", "")
        one["pieces"] = [wire_bytes(part) for part in ([pieces] if isinstance(pieces, str) else pieces)]
        script.append(one)
    return script


async def read_answers(client, wanted, raw=b""):
    """Read so many answers, or what comes before the end; and whether the end has come, and the rest."""
    found, at, ended = [], 0, False
    while len(found) < len(wanted):
        taken = take_answer(raw, at, bodiless=wanted[len(found)].get("bodiless", False), ended=ended)
        if taken is not None:
            found.append((taken[0], raw[at : taken[1]]))
            at = taken[1]
        elif ended:
            break
        else:
            try:
                piece = await client.reader.read(65536)
            except ConnectionResetError:
                piece = b""
            raw += piece
            ended = not piece
    return found, raw[at:]


def check_answer(message, raw, wanted, case):
    assert message.status == wanted["status"], raw
    for name, value in wanted.get("has", {}).items():
        found = message.all(name)
        assert found == [wire_bytes(one) for one in (value if isinstance(value, list) else [value])], raw
    for name in wanted.get("shows", ()):
        assert message.all(name), (name, raw)
    for name in wanted.get("lacks", ()):
        assert not message.all(name), (name, raw)
    if "body" in wanted:
        assert message.body == wire_bytes(wanted["body"])
    if "first" in wanted:
        assert message.first == wire_bytes(wanted["first"])
    assert [one.status for one in message.interim] == wanted.get("interim", []), raw
    assert len(message.all("date")) == 1, raw
    reason = message.all("mainstay-reason")
    if reason:
        check_own(message, raw[sum(len(one.head) for one in message.interim) :], reason[0].decode(), wanted)
    else:
        assert "reason" not in wanted


def check_own(message, raw, reason, wanted):
    """Our own answers are the same whoever asks: nothing of the request comes back in them."""
    assert reason == wanted.get("reason", reason)
    rest = message.all("retry-after")
    # RFC 9110 §10.2.3
    assert bool(rest) == (message.status == 503)
    expected = page.answer(
        reason,
        html=message.all("content-type") != [b"application/json"],
        close=message.all("connection") == [b"close"],
        retry_after=int(rest[0]) if rest else None,
        head=wanted.get("bodiless", False),
        date=b"Date: " + message.all("date")[0],
    )
    assert raw == expected


def check_stays(message, wanted):
    """Check that the connection stays, and whether another protocol is named for it."""
    if "upgrade" in wanted:
        assert message.all("upgrade") == [wire_bytes(wanted["upgrade"])]
        assert message.all("connection") == [b"upgrade"]
    else:
        assert message.all("connection") in ([], [b"keep-alive"])


def check_reached(message, wanted, name):
    if "line" in wanted:
        assert message.first == wire_bytes(wanted["line"])
    for field, value in wanted.get("has", {}).items():
        values = [
            wire_bytes(one).replace(b"{name}", name)
            for one in (value if isinstance(value, list) else [value])
        ]
        assert message.all(field) == values, message.head
    for field in wanted.get("lacks", ()):
        assert not message.all(field), (field, message.head)
    assert message.body == wire_bytes(wanted.get("body", ""))
    if "upgrade" in wanted:
        assert message.all("connection") == [b"upgrade"], message.head
        assert message.all("upgrade") == [wire_bytes(wanted["upgrade"])], message.head
    else:
        assert not message.all("connection"), message.head
        assert not message.all("upgrade"), message.head
    for field in ("keep-alive", "proxy-connection", "te", "expect", "trailer"):
        assert not message.all(field), message.head
    for field in ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"):
        assert len(message.all(field)) == 1, message.head
    if "X-Forwarded-For" not in wanted.get("has", {}):
        assert message.all("x-forwarded-for") == [b"127.0.0.1"]
    if "X-Forwarded-Host" not in wanted.get("has", {}):
        assert message.all("x-forwarded-host") == message.all("host")
    assert name in message.all("via")[-1]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_case(rig, case):  # noqa: C901, PLR0912 - a case from end to end
    origin = Recorder(scripted(case.get("origin")))
    rig.trusted = case.get("trusted", [])
    routes = [Rule(service="web", **route) for route in case.get("routes", [])]
    await rig.up(
        0,
        limits=Limits(**case.get("limits", {})),
        door={"rules": routes} if routes else None,
        **({"hold": case["hold"]} if "hold" in case else {}),
    )
    await origin.listen()
    rig.origins.append(origin)
    rig.rows.append(rig.row(origin, 1))
    rig.apply()
    if case.get("up") is False:
        origin.refuse()
    name = name_of(rig.listener)
    pieces = case["send"] if isinstance(case["send"], list) else [case["send"]]
    pieces = [wire_bytes(piece).replace(b"{name}", name) for piece in pieces]
    wanted = [{"status": one} if isinstance(one, int) else one for one in case["answers"]]
    close, reached = case["close"], case["reached"]
    reached = [{}] * reached if isinstance(reached, int) else reached
    client = await rig.client()

    async with asyncio.timeout(10):
        if close is True and not case.get("alone"):
            pieces[-1] += SMUGGLED
        for number, piece in enumerate(pieces):
            if number:
                await asyncio.sleep(0.003)
            client.send(piece)
        if case.get("end"):
            client.writer.write_eof()
        found, rest = await read_answers(client, wanted)
        if close is False and case.get("next", True):
            client.send(NEXT)
            after, rest = await read_answers(client, [{}], rest)
            assert [message.status for message, _ in after] == [200]
        elif close is not False:
            rest += await client.rest()
        client.close()
        await rig.until(rig.idle)

    assert not origin.faults
    assert len(found) == len(wanted), rest
    for (message, raw), one in zip(found, wanted, strict=True):
        check_answer(message, raw, one, case)
    if close is True:
        assert found[-1][0].all("connection") == [b"close"]
    if close != "cut":
        assert rest == b""
    else:
        assert re.match(rb"HTTP/1\.1 ", rest)
    for (message, _), one in zip(found if close is False else found[:-1], wanted, strict=False):
        check_stays(message, one)
    if reached == "nothing":
        assert all(not wire for wire in origin.wires)
        return
    messages = [message for message in origin.messages if not (close is False and message.target == b"/next")]
    assert len(messages) == len(reached), [message.head for message in messages]
    for message, one in zip(messages, reached, strict=True):
        check_reached(message, one, name)
    assert b"/smuggled" not in b"".join(message.head for message in messages)
