"""Requests that belong together, with real connections."""

import asyncio
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.gateway.http.request import Request, forwarded_for
from mainstay.gateway.http.sticky import Sticky, cookie
from mainstay.gateway.table import Concurrency, StickySettings
from mainstay.gateway.worker import Worker
from mainstay.tolerance.breaker import BreakerSpec

SECRET = "00112233445566778899aabbccddeeff"
SESSION = StickySettings(by="session", name="mainstay-web", secret=SECRET)


async def up(rig, count=4, sticky=SESSION, **settings):
    origins = await rig.up(count, sticky=sticky, **settings)
    for number, origin in enumerate(origins, 1):
        origin.answer = lambda request, number=number: (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Who: web-%d\r\n\r\nhello" % number
        )
    return origins


def become(rig, sticky):
    rig.settings = replace(rig.settings, sticky=sticky)
    rig.apply()


async def who(rig, *headers, target="/"):
    return (await rig.ask(rig.get(target, *headers))).get("x-who")


def cookie_of(answer):
    """Give what a browser would send back."""
    return "Cookie: " + answer.get("set-cookie").split(";")[0]


async def visit(rig, *headers):
    """Come for the first time; give who answered, and what to come back with."""
    answer = await rig.ask(rig.get("/", *headers))
    return answer.get("x-who"), cookie_of(answer)


# --- sessions ---


async def test_a_session_stays_with_the_instance_that_it_began_with(rig):
    await up(rig)
    first, back = await visit(rig)

    again = [await rig.ask(rig.get("/", "Cookie: a=b; c", back)) for _ in range(6)]

    assert {answer.get("x-who") for answer in again} == {first}
    assert all(answer.get("set-cookie") is None for answer in again)


async def test_sessions_begin_everywhere(rig):
    await up(rig)

    begun = [await visit(rig) for _ in range(4)]

    assert {name for name, _ in begun} == {"web-1", "web-2", "web-3", "web-4"}
    assert len({back for _, back in begun}) == 4


async def test_the_cookie_tells_nothing_and_is_for_this_site_alone(rig):
    origin = await rig.up(1, sticky=SESSION)

    answer = await rig.ask(rig.get("/"))

    assert re.fullmatch(
        r"mainstay-web=[0-9a-f]{24}; Path=/; HttpOnly; SameSite=Lax", answer.get("set-cookie")
    )
    assert str(origin.port) not in answer.get("set-cookie")


async def test_a_cookie_that_was_made_up_begins_a_new_session(rig):
    await up(rig)
    wrong = [
        f"Cookie: mainstay-web={value}" for value in ("", "web-1", "0" * 24, "\x80", '"', "=", "a" * 4000)
    ]

    answers = [await rig.ask(rig.get("/", line)) for line in wrong]

    assert all(answer.status == 200 and answer.get("set-cookie") for answer in answers)


async def test_a_session_whose_instance_died_moves_and_stays_there(rig):
    origins = await up(rig)
    first, back = await visit(rig)
    dead = rig.rows[int(first[-1]) - 1]

    origins[int(first[-1]) - 1].refuse()
    rig.rows.remove(dead)
    rig.apply()
    second, moved = await visit(rig, back)
    rig.rows.insert(0, dead)
    rig.apply()

    assert second != first
    assert {await who(rig, moved) for _ in range(4)} == {second}


async def test_a_session_moves_when_its_instance_is_drained(rig):
    await up(rig)
    first, back = await visit(rig)
    place = int(first[-1]) - 1

    rig.rows[place] = rig.row(rig.origins[place], place + 1, state="draining")
    rig.apply()
    second, moved = await visit(rig, back)

    assert second != first
    assert await who(rig, moved) == second


async def test_a_session_stays_with_the_next_life_of_its_instance(rig):
    await up(rig)
    first, back = await visit(rig)
    place = int(first[-1]) - 1

    rig.rows[place] = rig.row(rig.origins[place], place + 1, state="draining")
    rig.rows.append(rig.row(rig.origins[place], place + 1, generation=2))
    rig.apply()
    answer = await rig.ask(rig.get("/", back))

    assert answer.get("x-who") == first
    assert answer.get("set-cookie") is None


async def test_a_session_stays_when_instances_are_added(rig):
    await up(rig)
    rows, rig.rows = rig.rows, rig.rows[:2]
    rig.apply()
    begun = [await visit(rig) for _ in range(4)]

    rig.rows = rows
    rig.apply()

    assert [await who(rig, back) for _, back in begun] == [name for name, _ in begun]


async def test_one_failure_is_answered_by_another_and_moves_nothing(rig):
    origins = await up(rig)
    first, back = await visit(rig)
    origin = origins[int(first[-1]) - 1]
    # Twice: on a connection that was kept, which proves nothing, and on a new one.
    answer, script = origin.answer, [rig.DROP, rig.DROP]
    origin.answer = lambda request: script.pop() if script else answer(request)

    helped = await rig.ask(rig.get("/", back))
    again = await who(rig, back)

    assert helped.status == 200
    assert helped.get("x-who") != first
    assert helped.get("set-cookie") is None
    assert again == first


async def test_a_session_does_not_leave_for_an_idle_connection_that_had_ended(rig):
    origins = await up(rig)
    first, back = await visit(rig)
    origin = origins[int(first[-1]) - 1]
    answer, dropped = origin.answer, []

    def drop_what_was_kept(request):
        if not dropped:
            dropped.append(request)
            return rig.DROP
        return answer(request)

    origin.answer = drop_what_was_kept
    again = await who(rig, back)

    assert dropped
    assert again == first


async def test_a_session_goes_on_by_itself_while_its_circuit_is_open(rig):
    origins = await up(rig, breaker=BreakerSpec(minimum=1, rest=30.0, cap=30.0))
    first, back = await visit(rig)
    origins[int(first[-1]) - 1].answer = lambda request: rig.DROP
    helped = await rig.ask(rig.get("/", back))

    second, moved = await visit(rig, back)

    assert helped.status == 200
    assert second != first
    assert await who(rig, moved) == second


async def test_a_request_that_finds_its_instance_full_goes_elsewhere_and_moves_nothing(rig):
    origins = await up(rig, 2, concurrency=Concurrency(adaptive=False, per_instance=1))
    first, back = await visit(rig)
    home = origins[int(first[-1]) - 1]
    answer, go = home.answer, asyncio.Event()

    async def wait(request):
        await go.wait()
        return answer(request)

    home.answer = wait
    client = await rig.client()
    client.send(rig.get("/", back))
    await rig.until(lambda: len(home.requests) == 2)
    meanwhile = await rig.ask(rig.get("/", back))
    go.set()
    await client.answer()

    assert meanwhile.get("x-who") != first
    assert meanwhile.get("set-cookie") is None
    assert await who(rig, back) == first


async def test_every_worker_and_every_later_one_reads_the_cookie_alike(rig):
    await up(rig)
    first, back = await visit(rig)

    other = Worker(2, {}, rig.loop)
    other.apply(rig.table())
    request = Request.read(rig.get("/", back), 100, b"name\r\nX-Forwarded-Host: ")
    bond = other.routes["web"].sticky.bond(request, "192.0.2.1")
    await other.close()

    assert bond.name == first


def test_under_another_secret_every_cookie_is_another():
    one, other = Sticky(SESSION), Sticky(StickySettings(by="session", name="mainstay-web", secret="00" * 16))

    assert one.line("web-1", secure=False) != other.line("web-1", secure=False)


@pytest.mark.parametrize(
    ("same_site", "lasts", "secure", "attributes"),
    [
        ("lax", 0, False, "SameSite=Lax"),
        ("lax", 0, True, "SameSite=Lax; Secure"),
        ("strict", 3600, False, "SameSite=Strict; Max-Age=3600"),
        ("none", 0, False, "SameSite=None; Secure"),
        ("none", 0, True, "SameSite=None; Secure"),
    ],
)
def test_the_cookie_has_the_attributes_that_were_asked_for(same_site, lasts, secure, attributes):
    sticky = Sticky(StickySettings(by="session", name="s", secret=SECRET, lasts=lasts, same_site=same_site))

    line = sticky.line("web-1", secure=secure).decode()

    assert re.fullmatch(rf"Set-Cookie: s=[0-9a-f]{{24}}; Path=/; HttpOnly; {attributes}", line)


async def test_a_service_may_become_sticky_and_cease_to_be(rig):
    await up(rig, sticky=None)
    before = await rig.ask(rig.get("/"))

    become(rig, SESSION)
    first, back = await visit(rig)
    during = {await who(rig, back) for _ in range(4)}
    become(rig, None)
    after = {await who(rig, back) for _ in range(8)}

    assert before.get("set-cookie") is None
    assert during == {first}
    assert len(after) == 4


# --- equal values ---


@pytest.mark.parametrize(
    ("by", "name", "header"),
    [
        ("header", "x-user", "X-User: {}"),
        ("header", "x-user", "x-USER:\t{} "),
        ("header", "host", "X-Other: {}"),
        ("cookie", "sid", "Cookie: a=b; sid={}; c=d"),
    ],
)
async def test_equal_values_go_to_one_instance_and_different_ones_to_all(rig, by, name, header):
    await up(rig, sticky=StickySettings(by=by, name=name))

    chosen = [{await who(rig, header.format(f"user-{n}")) for _ in range(3)} for n in range(16)]

    assert all(len(names) == 1 for names in chosen)
    if name != "host":
        assert len(set.union(*chosen)) == 4


async def test_without_the_value_requests_go_anywhere(rig):
    await up(rig, sticky=StickySettings(by="header", name="x-user"))

    assert len({await who(rig) for _ in range(8)}) == 4
    assert len({await who(rig, "X-User:") for _ in range(8)}) == 4


async def test_equal_paths_go_to_one_instance_whatever_is_asked_of_them(rig):
    await up(rig, sticky=StickySettings(by="path"))

    chosen = [{await who(rig, target=f"/{n}?{turn}") for turn in range(3)} for n in range(16)]

    assert all(len(names) == 1 for names in chosen)
    assert len(set.union(*chosen)) == 4


async def test_one_client_goes_to_one_instance_and_no_cookie_is_set(rig):
    await up(rig, sticky=StickySettings(by="client"))

    answers = [await rig.ask(rig.get("/")) for _ in range(6)]

    assert len({answer.get("x-who") for answer in answers}) == 1
    assert all(answer.get("set-cookie") is None for answer in answers)


async def test_values_of_a_dead_instance_go_elsewhere_and_come_back(rig):
    origins = await up(rig, sticky=StickySettings(by="header", name="x-user"))
    users = [f"X-User: {n}" for n in range(12)]
    before = [await who(rig, user) for user in users]
    origin = origins[1]

    origin.refuse()
    rig.members[1].close()
    away = [await who(rig, user) for user in users]
    await origin.listen(origin.port)
    back = [await who(rig, user) for user in users]

    assert "web-2" in before
    assert all(now == then for now, then in zip(away, before, strict=True) if then != "web-2")
    assert "web-2" not in away
    assert back == before


# --- whatever comes ---


@given(
    st.lists(
        st.sampled_from([b"a=1", b"sid", b"sid=", b"=", b" ", b"sid=2", b" \tsid = 3", b"xsid=4", b"sid=a=b"])
    )
)
def test_the_first_cookie_of_a_name_is_found(pairs):
    request = Request(b"GET", b"/", http11=True)
    request.judge([(b"Host", b"a"), (b"Cookie", b";".join(pairs))], forwarded_for(b"1.2.3.4"))
    named = [pair.partition(b"=")[2].strip(b" \t") for pair in pairs if re.match(rb"[ \t]*sid[ \t]*=", pair)]

    assert cookie(request, b"sid") == (named[0] if named else None)


# --- connections that are no requests ---


async def test_connections_of_one_client_go_to_one_instance(rig):
    await rig.tcp(4, sticky=StickySettings(by="client"))
    for number in range(8):
        client = await rig.client(local_addr=("127.0.0.1", 0))
        client.send(b"%d" % number)
        await client.read(1)
    one_client = [member.requests for member in rig.members]

    for number in range(2, 40):
        client = await rig.client(local_addr=(f"127.0.0.{number}", 0))
        client.send(b"x")
        await client.read(1)

    assert sorted(one_client) == [0, 0, 0, 8]
    assert all(member.requests for member in rig.members)
