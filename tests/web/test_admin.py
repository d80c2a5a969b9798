"""What the admin listener answers; the control behind it is a stand-in around a real tally."""

import asyncio
import http.client
import json
import re
import socket
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from mainstay import __version__
from mainstay.gateway.histogram import bucket, upper
from mainstay.gateway.tally import Tally
from mainstay.web.admin import application, listening
from mainstay.web.metrics import STATES

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "watch-with-prometheus.md"


STATE_OF_WEB_2 = ("mainstay_instance_state", "web", "web-2")
LABELS = ("service", "instance", "class", "state", "le", "worker", "version", "python", "key", "name")


def ordered(labels):
    """Give labels in an order that reads well; they are written in that of the alphabet."""
    return {name: labels[name] for name in LABELS if name in labels}


def told(requests=0, latencies=(), attempts=None, **more):
    """Give what a worker tells of the service web."""
    durations = Counter(str(bucket(seconds)) for seconds in latencies)
    instance = {
        "instance": "web-1",
        "generation": 1,
        "requests": requests,
        "failures": 0,
        "in_flight": 2,
        "latency": {},
        "health": "up",
        "ejected": True,
        "breaker": "open",
    }
    web = {
        "requests": requests,
        "failures": 1,
        "broken": 2,
        "cancelled": 3,
        "refused": 4,
        "retries": 5,
        "in_flight": 6,
        "panicking": False,
        "latency": {},
        "classes": [0, 0, requests, 0, 0, 0],
        "durations": durations,
        "micros": int(sum(latencies) * 1e6),
        "attempts": attempts or {},
        "instances": [instance],
    }
    sums = {"access_log_lines": 8, "access_log_lines_dropped": 9, "tls_handshakes": 5}
    return {"clients": 7, "sums": sums, "services": {"web": web | more}}


def row(service, instance, state, restarts=0):
    return {
        "service": service,
        "instance": instance,
        "state": state,
        "restarts": restarts,
        "serves": state in ("up", "suspect"),
    }


class Control:
    """A running system as far as anybody can tell."""

    def __init__(self):
        listens, silent = SimpleNamespace(listen="http://127.0.0.1:80"), SimpleNamespace(listen=None)
        self.system = SimpleNamespace(services={"web": listens, "jobs": silent})
        self.phase = "running"
        self.tally = Tally()
        self.table = 9
        self.ejections = Counter({("web", "web-1"): 3})
        self.worker_exits = Counter({2: 1})
        self.admin = asyncio.get_running_loop().create_future()
        self.lives = [
            row("web", "web-1", "up", restarts=4),
            row("web", "web-2", "crash loop"),
            row("jobs", "jobs-1", "up"),
        ]
        self.lacks = []

    def rows(self):
        return self.lives

    def workers(self):
        return [{"worker": number, "pid": 10 + number, "clients": 7, "table": 8} for number in (1, 2)]

    def missing(self):
        return self.lacks

    def certificates(self):
        shop = {"key": "services.web.tls", "name": "shop.example", "until": 1e9, "trouble": "is gone"}
        pay = {"key": "services.pay.upstream_tls", "name": "us", "until": 2e9, "trouble": None}
        return [shop, pay]


@pytest.fixture
async def control():
    return Control()


async def get(control, path, accept=""):
    """Ask as a scraper does, without the sockets."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "root_path": "",
        "headers": [(b"accept", accept.encode())],
    }
    await application(control)(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(one.get("body", b"") for one in sent[1:]).decode()


async def scrape(control):
    """Give every sample by its name and its labels' values."""
    _, _, text = await get(control, "/metrics")
    return {
        (sample.name, *ordered(sample.labels).values()): sample.value
        for family in parse(text)
        for sample in family.samples
    }


# --- metrics ---


async def test_what_workers_counted_is_added_up(control):
    control.tally.take(11, told(requests=5, attempts={"web-1": [6, 1]}, received=10, sent=2000))
    control.tally.take(12, told(requests=2, attempts={"web-1": [2, 0], "web-2": [1, 1]}, panicking=True))

    seen = await scrape(control)

    assert seen["mainstay_requests_total", "web", "2xx"] == 7
    assert seen["mainstay_requests_total", "web", "5xx"] == 0
    assert seen["mainstay_request_failures_total", "web"] == 2
    assert seen["mainstay_responses_broken_total", "web"] == 4
    assert seen["mainstay_requests_cancelled_total", "web"] == 6
    assert seen["mainstay_requests_refused_total", "web"] == 8
    assert seen["mainstay_retries_total", "web"] == 10
    assert seen["mainstay_tunnel_received_bytes_total", "web"] == 10
    assert seen["mainstay_tunnel_sent_bytes_total", "web"] == 2000
    assert seen["mainstay_requests_in_flight", "web"] == 12
    assert seen["mainstay_panicking", "web"] == 1
    assert seen["mainstay_attempts_total", "web", "web-1"] == 8
    assert seen["mainstay_attempts_total", "web", "web-2"] == 1
    assert seen["mainstay_attempt_failures_total", "web", "web-2"] == 1
    assert seen["mainstay_attempts_in_flight", "web", "web-1"] == 4
    assert seen["mainstay_instance_ejected", "web", "web-1"] == 2
    assert seen["mainstay_breakers_open", "web", "web-1"] == 2
    assert seen[("mainstay_access_log_lines_total",)] == 16
    assert seen[("mainstay_tls_handshakes_total",)] == 10
    assert seen[("mainstay_tls_handshake_failures_total",)] == 0
    assert seen[("mainstay_access_log_lines_dropped_total",)] == 18


async def test_certificates_are_told_with_their_end_and_their_trouble(control):
    seen = await scrape(control)

    expiry, trouble = "mainstay_certificate_expiry_timestamp_seconds", "mainstay_certificate_trouble"
    assert seen[expiry, "services.web.tls", "shop.example"] == 1e9
    assert seen[expiry, "services.pay.upstream_tls", "us"] == 2e9
    assert seen[trouble, "services.web.tls"] == 1
    assert seen[trouble, "services.pay.upstream_tls"] == 0


async def test_counters_stay_when_a_worker_dies_and_what_it_did_at_the_time_does_not(control):
    control.tally.take(11, told(requests=5, latencies=[0.1] * 5, attempts={"web-1": [6, 1]}))
    before = await scrape(control)

    control.tally.lost(11)
    after = await scrape(control)

    grows = {key for key in before if re.search(r"_(total|bucket|sum|count)$", key[0])} - {
        key for key in before if key[0].startswith("process_")
    }
    assert len(grows) > 40
    assert {key: after[key] for key in grows} == {key: before[key] for key in grows}
    assert after["mainstay_requests_in_flight", "web"] == 0


async def test_what_has_not_happened_yet_is_there_as_a_zero(control):
    seen = await scrape(control)

    assert seen["mainstay_attempt_failures_total", "web", "web-2"] == 0
    assert seen["mainstay_ejections_total", "web", "web-2"] == 0
    assert seen["mainstay_worker_restarts_total", "1"] == 0
    assert seen["mainstay_request_duration_seconds_count", "web"] == 0


async def test_a_service_without_a_listener_has_instances_and_no_traffic(control):
    seen = await scrape(control)

    assert seen["mainstay_instance_up", "jobs", "jobs-1"] == 1
    assert {key[0] for key in seen if "jobs" in key} == {
        *("mainstay_instance_up", "mainstay_instance_state", "mainstay_instance_restarts_total")
    }


async def test_latencies_are_a_cumulative_histogram_in_seconds(control):
    latencies = [0.0001, 0.0007, 0.02, 0.021, 1.5, 80.0]
    control.tally.take(11, told(requests=6, latencies=latencies))

    seen = await scrape(control)

    buckets = {float(key[2]): value for key, value in seen.items() if key[0].endswith("_seconds_bucket")}
    counts = [buckets[bound] for bound in sorted(buckets)]
    assert counts == sorted(counts)
    assert buckets == {bound: sum(one < bound for one in latencies) for bound in buckets}
    assert {0.000512, 0.000768, 1.048576, upper(191), float("inf")} <= set(buckets)
    assert len(buckets) == 36
    assert seen["mainstay_request_duration_seconds_count", "web"] == 6
    assert seen["mainstay_request_duration_seconds_sum", "web"] == pytest.approx(sum(latencies))


async def test_instances_are_told_by_state(control):
    seen = await scrape(control)

    assert seen["mainstay_instance_up", "web", "web-1"] == 1
    assert seen["mainstay_instance_up", "web", "web-2"] == 0
    states = {key[3]: value for key, value in seen.items() if key[:3] == STATE_OF_WEB_2}
    assert states == {state: state == "crash loop" for state in STATES}
    assert seen["mainstay_instance_restarts_total", "web", "web-1"] == 4
    assert seen["mainstay_ejections_total", "web", "web-1"] == 3


async def test_two_lives_of_an_instance_share_its_series(control):
    control.lives = [row("web", "web-2", "draining", restarts=1), row("web", "web-2", "up", restarts=1)]

    seen = await scrape(control)

    assert seen["mainstay_instance_up", "web", "web-2"] == 1
    states = {key[3] for key, value in seen.items() if key[:3] == STATE_OF_WEB_2 and value}
    assert states == {"draining", "up"}
    assert seen["mainstay_instance_restarts_total", "web", "web-2"] == 1


async def test_the_gateway_and_the_program_are_told(control):
    seen = await scrape(control)

    assert seen["mainstay_client_connections", "2"] == 7
    assert seen["mainstay_worker_restarts_total", "2"] == 1
    assert seen["mainstay_worker_table_version", "1"] == 8
    assert seen[("mainstay_table_version",)] == 9
    assert [key for key in seen if key[0] == "mainstay_build_info" and __version__ in key]
    assert ("process_start_time_seconds",) in seen


async def test_no_series_is_there_twice(control):
    control.tally.take(11, told(requests=5, attempts={"web-1": [6, 1]}))
    control.lives = [*control.lives, *control.lives]

    _, _, text = await get(control, "/metrics")

    series = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(series) == len(set(series))


async def test_who_asks_for_openmetrics_gets_it(control):
    control.tally.take(11, told(requests=1, latencies=[0.1]))

    _, plain, _ = await get(control, "/metrics")
    _, headers, text = await get(control, "/metrics", "application/openmetrics-text;version=1.0.0,*/*;q=0.1")

    assert plain["content-type"].startswith("text/plain; version=0.0.4")
    assert headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family.type for family in openmetrics.text_string_to_metric_families(text)}
    assert families["mainstay_requests"] == "counter"
    assert families["mainstay_request_duration_seconds"] == "histogram"


async def test_every_metric_is_documented_with_its_labels(control):
    control.tally.take(11, told(requests=1, attempts={"web-1": [1, 0]}))
    _, _, text = await get(control, "/metrics")
    page = PAGE.read_text(encoding="utf-8")

    for family in parse(text):
        if family.name.startswith("mainstay_"):
            names = {"le"} if family.type == "histogram" else set()
            labels = [label for label in ordered(family.samples[0].labels) if label not in names]
            name = f"{family.name}_total" if family.type == "counter" else family.name
            assert f"| `{name}` | {family.type} | {', '.join(labels) or '-'} |" in page, name


# --- livez and readyz ---


async def test_it_lives_while_it_answers(control):
    control.phase, control.lacks = "starting", [{"service": "web", "up": 0, "instances": 2}]

    status, _, text = await get(control, "/livez")

    assert (status, text) == (200, "ok\n")


async def test_it_is_ready_when_it_runs_and_nothing_is_missing(control):
    status, _, text = await get(control, "/readyz")

    assert status == 200
    assert json.loads(text) == {"version": 1, "ready": True, "phase": "running", "workers": 2, "missing": []}


@pytest.mark.parametrize("phase", ["starting", "stopping"])
async def test_it_is_not_ready_before_and_after(control, phase):
    control.phase = phase

    status, _, text = await get(control, "/readyz")

    assert status == 503
    assert json.loads(text) == {"version": 1, "ready": False, "phase": phase, "workers": 2, "missing": []}


async def test_it_says_what_is_missing(control):
    control.lacks = [{"service": "web", "up": 0, "instances": 2}]

    status, _, text = await get(control, "/readyz")

    assert status == 503
    assert json.loads(text)["missing"] == [{"service": "web", "up": 0, "instances": 2}]


async def test_it_is_not_ready_without_a_worker_that_answers(control):
    control.workers = list

    status, _, text = await get(control, "/readyz")

    assert status == 503
    assert json.loads(text)["workers"] == 0


# --- the listener ---


def fetch(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    said = answer.status, answer.read()
    connection.close()
    return said


async def test_it_listens_from_when_the_system_says_so_until_the_end(control):
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    async with listening(control):
        control.admin.set_result(sock)

        said = await asyncio.to_thread(fetch, port, "/livez")

    assert said == (200, b"ok\n")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.to_thread(fetch, port, "/livez")


async def test_a_system_without_one_ends_as_it_began(control):
    async with listening(control):
        await asyncio.sleep(0)

    assert not control.admin.done()


async def test_a_client_that_never_reads_does_not_hold_up_the_end(control):
    sock = socket.create_server(("127.0.0.1", 0))
    control.lives = [row("web", f"web-{number}", "up") for number in range(5000)]
    async with asyncio.timeout(20):
        async with listening(control):
            control.admin.set_result(sock)
            reader, writer = await asyncio.open_connection(*sock.getsockname(), limit=1)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            await reader.readexactly(1)

        writer.close()
