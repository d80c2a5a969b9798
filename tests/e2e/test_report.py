"""The ledger of a real system: what was down is told as down, and what nobody watched as unknown."""

import json
import sys
import time

import pytest

from e2e.conftest import kill

pytestmark = pytest.mark.e2e

SITE = """
name: alone
gateway: {workers: 1}
services:
  web:
    command: PYTHON -m http.server --bind 127.0.0.1 $PORT
    instances: 1
    listen: http://127.0.0.1:PORT_HERE
"""


def told(site):
    return json.loads(site.done("report", "--json", "--since", site.began).stdout)["services"][0]


def until_told(site, condition):
    """Read the report until it fulfils a condition: the ledger is written once a second."""
    deadline = time.monotonic() + 30
    while not condition(found := told(site)):
        assert time.monotonic() < deadline, found
    return found


def up(status):
    return status["instances"][0]["state"] == "up"


@pytest.mark.timeout(180)
def test_an_outage_is_down_a_dead_supervisor_is_unknown_and_both_are_told_when_nothing_runs(site):
    site.write(SITE.replace("PYTHON", sys.executable))
    nobody = site.mainstay("report")
    site.began = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    site.up()
    began = time.time()
    kill(site.instance("web-1")["pid"])
    site.until(lambda status: status["instances"][0]["generation"] == 2 and up(status))
    longest = time.time() - began
    site.done("maintenance", "begin", "--reason", "a larger disk", "--service", "web")
    marked = site.status()["marks"]
    site.done("maintenance", "end")
    nothing = site.mainstay("maintenance", "end")
    outage = until_told(site, lambda row: row["repair"]["count"] and row["time"]["excused"])

    kill(site.status()["supervisor_pid"])
    gone = time.time()
    alone = site.done("report")
    site.up()
    after = until_told(site, lambda row: row["time"]["served"] > outage["time"]["served"] + 1)
    missing = time.time() - gone
    shown = site.until(lambda status: status["services"][0]["availability"] is not None)
    site.done("down")
    ended = told(site)

    assert [(mark["service"], mark["reason"]) for mark in marked] == [("web", "a larger disk")]
    assert nothing.returncode == 1
    assert outage["time"]["excused"] > 0
    assert nobody.returncode == 4
    assert "there is no ledger" in nobody.stderr
    assert (outage["failures"]["count"], outage["repair"]["count"]) == (1, 1)
    assert 0 < outage["time"]["down"] <= longest
    assert "It failed once" in alone.stdout
    assert after["failures"]["count"] == 1
    assert after["time"]["down"] == pytest.approx(outage["time"]["down"])
    assert (after["time"]["outages"], after["instances"][0]["exits"]) == (1, 1)
    more = after["time"]["unknown"] - outage["time"]["unknown"]
    assert 0.1 < more < missing + 5  # that much may be too new to be written
    assert 0 < shown["services"][0]["availability"] <= 1
    assert ended["failures"]["count"] == 1
    assert ended["lives"]["reasons"] == {"killed by SIGKILL": 1}
