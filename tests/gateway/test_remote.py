"""Instances that somebody else runs."""

import asyncio
from dataclasses import replace

import pytest

from mainstay.base.probe import ProbeResult
from mainstay.gateway import remote
from mainstay.gateway.table import Row
from mainstay.gateway.tally import Tally
from mainstay.system.schema import System

SYSTEM = System.model_validate(
    {
        "services": {
            "web": {"command": "run", "listen": "http://127.0.0.1:1"},
            "pay": {"addresses": ["http://a.example", "http://10.0.0.1:81"], "listen": "http://127.0.0.1:2"},
        }
    }
)


def test_each_address_is_a_row_with_its_own_host():
    assert remote.rows(SYSTEM) == [
        Row(
            service="pay",
            instance="a.example",
            generation=1,
            host="a.example",
            port=80,
            authority="a.example",
        ),
        Row(
            service="pay",
            instance="10.0.0.1:81",
            generation=1,
            host="10.0.0.1",
            port=81,
            authority="10.0.0.1:81",
        ),
    ]


@pytest.mark.parametrize(
    ("seen", "state"),
    [([], "up"), (["down", "down"], "down"), (["down", "up"], "up"), (["suspect", "down"], "suspect")],
)
def test_an_address_is_as_the_best_worker_sees_it(seen, state):
    tally = told((health, None) for health in seen)

    lines = remote.status(SYSTEM, tally, {})

    assert [line["state"] for line in lines] == [state, "up"]


def told(seen):
    """Give what workers tell of the first address: its health, and what its last check found."""
    tally = Tally()
    for worker, (health, probe) in enumerate(seen):
        part = {"instance": "a.example", "generation": 1, "health": health, "probe": probe, "requests": 0}
        part |= {"failures": 0, "in_flight": 0, "ejected": False, "breaker": None, "latency": {}}
        tally.take(worker, {"services": {"pay": {"instances": [part]}}})
    return tally


def test_the_last_words_of_an_address_are_those_that_the_best_worker_heard():
    down = told([("down", [False, "connection refused", 0.1]), ("down", None)])
    mixed = told([("down", [False, "connection refused", 0.1]), ("up", [True, "HTTP 200", 0.2])])

    assert remote.status(SYSTEM, down, {})[0]["last_probe"] == {
        "ok": False,
        "said": "connection refused",
        "seconds": 0.1,
    }
    assert remote.status(SYSTEM, mixed, {})[0]["last_probe"]["said"] == "HTTP 200"
    assert remote.status(SYSTEM, Tally(), {})[0]["last_probe"] is None


def test_what_was_heard_at_the_start_counts_until_a_worker_has_asked():
    heard = {("pay", "a.example"): ProbeResult(ok=False, said="connection refused", seconds=0.1)}
    unasked, asked = told([("up", None)]), told([("up", [True, "HTTP 200", 0.1])])

    first, later = (remote.status(SYSTEM, tally, heard)[0] for tally in (unasked, asked))

    assert (first["state"], first["last_probe"]["said"]) == ("suspect", "connection refused")
    assert (later["state"], later["last_probe"]["said"]) == ("up", "HTTP 200")


async def test_every_address_is_asked_and_who_is_silent_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(remote, "_MOMENT", 0.2)

    async def probe(service, host, port):
        if host == "10.0.0.1":
            await asyncio.Event().wait()
        return ProbeResult(ok=True, said=f"{host} {port}", seconds=0.0)

    heard = await remote.ask(SYSTEM, probe)

    assert heard == {("pay", "a.example"): ProbeResult(ok=True, said="a.example 80", seconds=0.0)}


async def test_who_is_not_checked_is_not_asked():
    unchecked = {"addresses": ["http://a.example"], "listen": "http://127.0.0.1:2", "health": "off"}

    async def probe(service, host, port):
        raise AssertionError(host)

    assert await remote.ask(System.model_validate({"services": {"pay": unchecked}}), probe) == {}


async def test_an_instance_is_told_its_own_host_and_the_clients_beside_it(rig):
    one, other = await rig.up(2)
    one.answer = lambda r: b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
    rig.rows = [replace(row, authority=f"{row.instance}.example") for row in rig.rows]
    rig.apply()
    # The same lives are as they were; their names belong to new ones.
    rig.rows = [replace(row, generation=2) for row in rig.rows]
    rig.apply()

    answer = await rig.ask(rig.get("/x"))

    assert answer.status == 200
    assert one.requests[0].get("host") == "web-1.example"
    assert other.requests[0].get("host") == "web-2.example"
    assert other.requests[0].all("host") == ["web-2.example"]
    assert other.requests[0].get("x-forwarded-host") == "example.test"


def test_an_address_is_in_the_zone_that_is_told():
    system = System.model_validate(
        {
            "zones": ["a"],
            "services": {
                "pay": {
                    "addresses": [{"at": "http://x", "zone": "a"}, "http://y"],
                    "listen": "http://127.0.0.1:2",
                }
            },
        }
    )

    assert [row.zone for row in remote.rows(system)] == ["a", ""]
    assert [line["zone"] for line in remote.status(system, Tally(), {})] == ["a", ""]
