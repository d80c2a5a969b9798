"""Faults of traffic in a system that runs: asked for over the control socket, and gone when their lease is over."""

import http.client

import pytest

from e2e.conftest import kill
from mainstay.base.errors import MainstayError
from mainstay.cli.talk import ask
from mainstay.supervisor.rundir import RunDir

pytestmark = pytest.mark.e2e

SITE = """\
name: broken
gateway: { workers: 2 }
services:
  web:
    command: python -m http.server --bind 127.0.0.1 $PORT
    instances: 2
    listen: http://127.0.0.1:PORT_HERE
    health: { every: 200ms }
"""


def get(site):
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    connection.request("GET", "/")
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_a_system_is_broken_for_as_long_as_somebody_asks_for_it(site):
    site.write(SITE)
    site.up()
    run = RunDir(site.folder / ".mainstay")

    # One of two that fails is not seen by users, only counted.
    one = ask(run, "/v1/faults", {"fault": "errors", "service": "web", "instances": ["web-1"], "seed": 3})
    answers = [get(site) for _ in range(20)]
    shown = site.done("status").stdout
    told = site.status()["faults"]
    ended = ask(run, f"/v1/faults/{one['id']}/end", {})

    assert answers == [200] * 20
    assert one["confirmed"]
    assert f"a fault on purpose, errors ({one['id']}), to web-1" in shown
    assert [(row["id"], row["service"], row["instances"]) for row in told] == [(one["id"], "web", ["web-1"])]
    assert ended["acted"] > 0
    assert ask(run, "/v1/faults") == {"version": 1, "faults": []}
    assert [fact["fact"] for fact in site.facts() if fact["fact"].startswith("Fault")] == [
        "FaultBegan",
        "FaultEnded",
    ]
    with pytest.raises(MainstayError, match="'web-3' is not known; there are: web-1, web-2"):
        ask(run, "/v1/faults", {"fault": "errors", "service": "web", "instances": ["web-3"]})

    # It ends by itself when nobody is there to end it.
    ask(run, "/v1/faults", {"fault": "errors", "service": "web", "lease": 1})
    assert get(site) == 503
    kill(site.status()["supervisor_pid"])
    while get(site) != 200:
        pass
