"""The admin listener of a running system, as Prometheus and an orchestrator see it."""

import http.client
import json
import socket

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from e2e.conftest import kill
from ports import free_port

pytestmark = pytest.mark.e2e

SITE = """\
name: watched
gateway: { workers: 2, admin: http://127.0.0.1:ADMIN_HERE }
services:
  web:
    command: python3 -m http.server --bind 127.0.0.1 $PORT
    listen: http://127.0.0.1:PORT_HERE
    restart: { delay: 30s, cap: 30s }
"""
ANSWERED = ("mainstay_requests_total", "2xx", "web")


@pytest.fixture
def watched(site):
    """Give a system whose admin listener is at `site.admin`."""
    with socket.create_server(("127.0.0.1", site.port)):
        site.admin = free_port()
    site.write(SITE.replace("ADMIN_HERE", str(site.admin)))
    return site


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    said = answer.status, answer.read().decode()
    connection.close()
    return said


def scrape(site):
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in parse(get(site.admin, "/metrics")[1])
        for sample in family.samples
    }


def test_a_system_is_watched_through_the_deaths_of_a_worker_and_of_its_instances(watched):
    watched.up()
    assert get(watched.admin, "/livez") == (200, "ok\n")
    assert get(watched.admin, "/readyz")[0] == 200
    for _ in range(20):
        assert get(watched.port, "/")[0] == 200
    watched.until(lambda status: status["services"][0]["requests"] == 20)
    before = scrape(watched)

    first = watched.status()["workers"][0]["pid"]
    kill(first)
    status = watched.until(
        lambda status: (
            len(status["workers"]) == 2
            and all(one["pid"] != first and one["table"] == status["table"] for one in status["workers"])
        )
    )
    after = scrape(watched)
    for row in status["instances"]:
        kill(row["pid"])
    watched.until(lambda status: not status["services"][0]["up"])
    ready, missing = get(watched.admin, "/readyz")

    assert status["admin"] == f"http://127.0.0.1:{watched.admin}"
    assert before[ANSWERED] == after[ANSWERED] == 20
    assert after["mainstay_request_duration_seconds_count", "web"] == 20
    assert after["mainstay_attempts_total", "web-1", "web"] + after[
        "mainstay_attempts_total", "web-2", "web"
    ] == sum(value for key, value in after.items() if key[0] == "mainstay_attempts_total")
    assert sum(value for key, value in after.items() if key[0] == "mainstay_worker_restarts_total") == 1
    assert ready == 503
    assert json.loads(missing)["missing"] == [{"service": "web", "up": 0, "instances": 2}]
    assert get(watched.admin, "/livez")[0] == 200


def test_a_new_supervisor_goes_on_with_the_counts_of_the_workers_that_it_took_over(watched):
    watched.up()
    for _ in range(10):
        assert get(watched.port, "/")[0] == 200
    status = watched.until(lambda status: status["services"][0]["requests"] == 10)

    kill(status["supervisor_pid"])
    watched.up()

    assert scrape(watched)[ANSWERED] == 10


@pytest.mark.parametrize("way", [(), ("--detach",)], ids=["foreground", "detached"])
def test_an_admin_port_in_use_is_told_and_nothing_is_left(watched, way):
    with socket.create_server(("127.0.0.1", watched.admin)):
        ran = watched.mainstay("up", *way)

    assert ran.returncode == 6
    assert f"gateway.admin: cannot listen on 127.0.0.1:{watched.admin}: address already in use" in ran.stderr
    assert watched.mainstay("status").returncode == 4
