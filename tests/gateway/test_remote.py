"""Instances that somebody else runs."""

from dataclasses import replace

import pytest

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
    tally = Tally()
    for worker, health in enumerate(seen):
        part = {"instance": "a.example", "generation": 1, "health": health, "requests": 0, "failures": 0}
        part |= {"in_flight": 0, "ejected": False, "breaker": None, "latency": {}}
        tally.take(worker, {"services": {"pay": {"instances": [part]}}})

    lines = remote.status(SYSTEM, tally)

    assert [line["state"] for line in lines] == [state, "up"]


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
