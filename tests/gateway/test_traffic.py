"""What is counted at listeners and of attempts, with real connections, as it comes to the supervisor."""

import asyncio
import json
import socket
import ssl
from dataclasses import replace

import pytest

from gateway.test_upgrade import tunnel
from mainstay.gateway.http import page
from mainstay.gateway.table import Rule
from mainstay.gateway.tally import Tally
from mainstay.gateway.traffic import UNSHAKEN, why_unshaken
from pki import Authority


def told(rig):
    """Give the counts of all, as the supervisor has them."""
    tally = Tally()
    tally.take(1, json.loads("".join(rig.worker.told())))
    return tally


def listener(rig):
    return told(rig).listener("web").sums


def score(rig, name="web-1"):
    return told(rig).totals("web").scores[name]


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("pki"))


# --- connections and bytes ---


async def test_connections_are_counted_from_their_beginning_to_their_end(rig):
    await rig.up()
    clients = [await rig.client() for _ in range(3)]
    for client in clients:
        await client.ask(rig.get())
    before = told(rig).listener("web")

    for client in clients:
        client.close()
    await rig.until(lambda: not rig.worker.clients)
    after = told(rig).listener("web")

    assert (before.sums["accepted"], before.now[1]["open"]) == (3, 3)
    assert (after.sums["accepted"], after.now[1]["open"]) == (3, 0)


async def test_what_was_counted_at_a_listener_that_is_no_more_is_kept(rig):
    await rig.up()
    await rig.ask(rig.get())
    await rig.until(lambda: not rig.worker.clients)

    rig.worker.apply(replace(rig.table(), doors={}))

    assert not rig.worker.entrances
    assert listener(rig)["accepted"] == 1


async def test_bytes_are_those_that_clients_and_instances_saw(rig):
    origin = await rig.up()
    asked = rig.request("POST", "/", body=b"x" * 1000)

    answer = await rig.ask(asked)
    await rig.ask(b"nonsense\r\n\r\n")

    sums, its = listener(rig), score(rig)
    assert sums["received"] == len(asked) + len(b"nonsense\r\n\r\n")
    refusal = page.answer("bad_request", close=True, date=rig.worker.date)
    assert sums["sent"] == len(answer.head) + len(answer.body) + len(refusal)
    assert its["sent"] == len(origin.requests[0].head) + 1000
    assert its["received"] == len(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


async def test_bodies_that_stream_are_counted_on_both_sides(rig):
    origin = await rig.up()
    body = b"y" * 300_000
    origin.answer = lambda r: b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + body
    client = await rig.client()

    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
    await asyncio.sleep(0)
    client.send(b"x" * 200_000)
    await client.answer()

    assert score(rig)["sent"] > 200_000
    assert score(rig)["received"] > 300_000
    assert listener(rig)["received"] > 200_000
    assert listener(rig)["sent"] > 300_000


async def test_requests_that_wait_for_their_turn_are_counted_as_long_as_they_do(rig):
    origin = await rig.up()
    gate = asyncio.Event()

    async def answer(request):
        await gate.wait()
        return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    origin.answer = answer
    client, other = await rig.client(), await rig.client()
    client.send(rig.get() * 5)
    other.send(rig.get() * 3)
    traffic = rig.worker.entrances["web"].traffic
    await rig.until(lambda: traffic.waiting == 6)

    other.abort()
    await rig.until(lambda: traffic.waiting == 4)
    gate.set()
    for _ in range(5):
        await client.answer()

    assert traffic.waiting == 0


# --- what is refused ---


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "bad_host"),
        (b"nonsense\r\n\r\n", "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: elsewhere\r\n\r\n", "no_route"),
    ],
)
async def test_what_is_nobodys_is_counted_at_the_listener_by_its_reason(rig, sent, reason):
    await rig.up(door={"rules": [Rule(service="web", host="shop.example")]})

    await rig.ask(sent)

    assert {key: count for key, count in listener(rig).items() if key.startswith("refused")} == {
        f"refused {reason}": 1
    }


async def test_a_connection_too_many_is_counted(rig):
    await rig.up()
    rig.worker.most_clients = 0

    await (await rig.client()).answer()

    assert listener(rig)["refused crowded"] == 1


async def test_redirects_are_counted(rig):
    await rig.up(door={"rules": [], "https": 443})

    await rig.ask(rig.get())

    assert listener(rig)["redirects"] == 1


async def test_a_connection_that_is_not_introduced_is_counted(rig):
    rig.trusted = ["127.0.0.1"]
    await rig.up(door={"introduced": True})

    client = await rig.client()
    client.send(rig.get())
    await client.rest()

    assert listener(rig)["refused introduction"] == 1
    assert listener(rig)["accepted"] == 1


# --- attempts ---


async def test_attempts_are_counted_by_how_they_ended(rig):
    first, second = await rig.up(2)
    first.answer = lambda r: rig.DROP
    second.answer = lambda r: b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"

    answer = await rig.ask(rig.request("GET", "/"))

    one, other = score(rig, "web-1"), score(rig, "web-2")
    totals = told(rig).totals("web")
    assert answer.status in (502, 503)
    assert one["attempts"] + other["attempts"] == 3
    assert one["failed reset"] == one["attempts"]
    assert other["failed failed"] == other["answers 5"] == other["attempts"]
    assert totals.because == {"attempts": 1}
    assert sum(totals.own.values()) == (answer.status == 502)


async def test_why_there_was_no_answer_is_counted(rig):
    origin = await rig.up(call={"attempt": 0.05, "request": 0.05})
    origin.answer = lambda r: asyncio.sleep(30)
    await rig.ask(rig.get())

    rig.rows = []
    rig.apply()
    await rig.ask(rig.get())

    totals = told(rig).totals("web")
    assert totals.own == {"timeout": 1, "no_instance": 1}
    assert totals.because == {"deadline": 1, "no_instance": 1}
    assert totals.scores["web-1"]["failed timeout"] == 1


async def test_how_long_instances_took_is_kept_when_latencies_are_forgotten_and_lives_end(rig):
    origin = await rig.up()
    for _ in range(3):
        await rig.ask(rig.get())
        rig.route.turn()
    rig.rows = [rig.row(origin, 1, generation=2)]
    rig.apply()
    await rig.ask(rig.get())

    its = score(rig)
    assert sum(count for key, count in its.items() if key.startswith("took")) == 4
    assert its["answers 2"] == its["attempts"] == 4
    assert its["micros"] > 0


async def test_connections_to_instances_are_told_as_used_and_idle(rig):
    origin = await rig.up()
    client = await rig.client()
    await client.ask(rig.get())
    idle = told(rig).instances("web")["web-1"]
    gate = asyncio.Event()

    async def answer(request):
        await gate.wait()
        return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    origin.answer = answer
    client.send(rig.get())
    await rig.until(lambda: len(origin.requests) == 2)
    used = told(rig).instances("web")["web-1"]
    gate.set()
    await client.answer()

    assert (idle["used"], idle["idle"]) == (0, 1)
    assert (used["used"], used["idle"]) == (1, 0)
    assert score(rig)["opened"] == origin.connections == 1


async def test_tcp_connections_are_counted_too(rig):
    await rig.tcp()
    client = await rig.client()
    client.send(b"hello")
    await client.reader.readexactly(5)

    one = told(rig).listener("web")
    assert (one.sums["accepted"], one.now[1]["open"]) == (1, 1)
    assert score(rig)["opened"] == score(rig)["attempts"] == 1
    assert told(rig).service("web")["tunnels"] == 1
    client.close()
    await rig.until(lambda: not rig.worker.clients)
    assert told(rig).service("web")["tunnels"] == told(rig).listener("web").now[1]["open"] == 0


async def test_upgraded_connections_are_counted_until_their_end(rig):
    client = await tunnel(rig)
    before = told(rig)

    client.close()
    await rig.until(lambda: not rig.worker.clients)
    after = told(rig)

    assert before.service("web")["tunnels"] == before.listener("web").now[1]["open"] == 1
    assert after.service("web")["tunnels"] == after.listener("web").now[1]["open"] == 0
    assert score(rig)["answers 1"] == 1


# --- handshakes ---


def complain(port):
    """Be a client that knows nothing of the authority, and says so."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock, pytest.raises(ssl.SSLError):
        ssl.create_default_context().wrap_socket(sock, server_hostname="shop.example")


async def test_handshakes_are_counted_by_how_they_ended(rig, ca):
    await rig.up(door={"terms": ca.terms("shop.example", min_version="1.3")})

    async def shake(context):
        client = await rig.client(ssl=context, server_hostname="shop.example")
        answer = await client.ask(rig.get())
        client.close()
        return answer

    assert (await shake(ca.client())).status == 200
    with pytest.raises(ssl.SSLError):
        await shake(ca.client(version=ssl.TLSVersion.TLSv1_2))
    await asyncio.to_thread(complain, rig.port)
    await (await rig.client()).ask(rig.get())
    plain = await rig.client()
    plain.send(b"\x00" * 64)
    await plain.rest()
    gone = await rig.client()
    gone.close()
    traffic = rig.worker.entrances["web"].traffic
    await rig.until(lambda: sum(traffic.unshaken.values()) == 5)

    assert traffic.handshakes == 1
    assert traffic.unshaken == {"version": 1, "alert": 1, "plain": 1, "other": 1, "left": 1}
    assert listener(rig)["unshaken version"] == 1


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        (None, "left"),
        ("HTTP_REQUEST", "plain"),
        ("NO_SHARED_CIPHER", "ciphers"),
        ("NO_SUITABLE_SIGNATURE_ALGORITHM", "ciphers"),
        ("UNSUPPORTED_PROTOCOL", "version"),
        ("WRONG_VERSION_NUMBER", "other"),
        ("TLSV1_ALERT_UNKNOWN_CA", "alert"),
        ("SSLV3_ALERT_CERTIFICATE_UNKNOWN", "alert"),
        ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "certificate"),
        ("CERTIFICATE_VERIFY_FAILED", "certificate"),
        ("BAD_RECORD_TYPE", "other"),
    ],
)
def test_what_openssl_says_is_one_of_a_few_words(reason, why):
    assert why_unshaken(reason) == why
    assert why in UNSHAKEN


# --- the worker itself ---


async def test_a_worker_tells_its_processor_time_and_how_late_its_timers_were(rig):
    await rig.up()
    rig.worker._tick_at = rig.loop.time() - 0.5
    rig.worker._tick()

    tally = told(rig)

    assert tally.worker(1)["cpu_micros"] > 10_000
    assert tally.lag(1) >= 0.5
    for _ in range(60):
        rig.worker._tick_at = rig.loop.time()
        rig.worker._tick()
    assert told(rig).lag(1) < 0.5
