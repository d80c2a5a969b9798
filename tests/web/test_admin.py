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
from mainstay.base.histogram import bucket, upper
from mainstay.gateway.http.page import REASONS
from mainstay.gateway.tally import Tally
from mainstay.gateway.traffic import UNSHAKEN
from mainstay.web.admin import application, listening
from mainstay.web.metrics import STATES
from mainstay.web.metrics.request import CAUSES, OWN

DOCS = Path(__file__).parents[2] / "docs"


STATE_OF_WEB_2 = ("mainstay_instance_state", "web", "web-2")
LABELS = (
    *(
        "listener",
        "service",
        "instance",
        "class",
        "outcome",
        "because",
        "event",
        "reason",
        "state",
        "le",
        "worker",
    ),
    *("version", "python", "key", "name", "objective", "window", "severity"),
)


def ordered(labels):
    """Give labels in an order that reads well; they are written in that of the alphabet."""
    return {name: labels[name] for name in LABELS if name in labels}


def told(requests=0, latencies=(), scores=None, worker=1, **more):
    """Give what a worker tells of the service web, and of its listener."""
    durations = Counter(str(bucket(seconds)) for seconds in latencies)
    instance = {
        "instance": "web-1",
        "generation": 1,
        "requests": requests,
        "failures": 0,
        "in_flight": 2,
        "connections": 7,
        "idle": 3,
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
        "own": {"timeout": 2},
        "because": {"budget": 3},
        "scores": scores or {},
        "instances": [instance],
    }
    sums = {"access_log_lines": 8, "access_log_lines_dropped": 9, "cpu_micros": 1_500_000}
    sums |= {"spans": 3, "spans_dropped": 4}
    listener = {
        "sums": {
            "accepted": 4,
            "received": 5,
            "sent": 6,
            "redirects": 7,
            "handshakes": 8,
            "refused bad_host": 9,
        },
        "now": {"open": 10, "waiting": 11},
    }
    listener["sums"]["unshaken ciphers"] = 12
    return {
        "worker": worker,
        "clients": 7,
        "lag": 0.25,
        "sums": sums,
        "listeners": {"web": listener},
        "services": {"web": web | more},
    }


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
        openings = {"web": SimpleNamespace(entrance=SimpleNamespace(tls="some"))}
        self.system = SimpleNamespace(services={"web": listens, "jobs": silent}, openings=lambda: openings)
        self.phase = "running"
        self.tally = Tally()
        self.table = 9
        self.ejections = Counter({("web", "web-1"): 3})
        self.breaker_openings = Counter({("web", "web-2"): 5})
        self.worker_exits = Counter({2: 1})
        self.reloads = Counter({"failed": 2})
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

    def backlogs(self):
        return {"web": 13}

    def missing(self):
        return self.lacks

    def objectives(self):
        known = {"target": 0.999, "ratio": 0.9995, "low": 0.9989, "high": 0.9998, "events": 10_000}
        known |= {"bad_events": 5, "budget_left": 0.5, "alerts": ["page"]}
        unknown = dict.fromkeys(known) | {"target": 0.99, "events": 0, "bad_events": 0, "alerts": []}
        return [
            {"service": "web", "objective": "availability", "burn_rates": {"300": 15.0, "3600": None}}
            | known,
            {"service": "web", "objective": "p99", "burn_rates": {}} | unknown,
        ]

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
        "path": path.partition("?")[0],
        "query_string": path.partition("?")[2].encode(),
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


async def test_what_is_left_of_an_error_budget_is_told_and_what_is_unknown_is_not(control):
    seen = await scrape(control)

    told = {key: value for key, value in seen.items() if key[0].startswith("mainstay_objective_")}
    assert told["mainstay_objective_target", "web", "availability"] == 0.999
    assert told["mainstay_objective_ratio", "web", "availability"] == 0.9995
    assert told["mainstay_objective_budget_left", "web", "availability"] == 0.5
    assert told["mainstay_objective_burn_rate", "web", "availability", "300"] == 15
    assert told["mainstay_objective_alert", "web", "availability", "page"] == 1
    assert told["mainstay_objective_alert", "web", "p99", "ticket"] == 0
    assert ("mainstay_objective_ratio", "web", "p99") not in told
    assert ("mainstay_objective_burn_rate", "web", "availability", "3600") not in told


async def test_what_workers_counted_is_added_up(control):
    first = {"web-1": {"attempts": 6, "failed reset": 1, "answers 2": 5, "received": 100}}
    second = {
        "web-1": {"attempts": 2, "opened": 2, "sent": 50},
        "web-2": {"attempts": 1, "failed refused": 1},
    }
    control.tally.take(11, told(requests=5, scores=first, received=10, sent=2000))
    control.tally.take(12, told(requests=2, scores=second, worker=2, panicking=True))

    seen = await scrape(control)

    assert seen["mainstay_requests_total", "web", "2xx"] == 7
    assert seen["mainstay_requests_total", "web", "5xx"] == 0
    assert seen["mainstay_request_failures_total", "web"] == 2
    assert seen["mainstay_responses_broken_total", "web"] == 4
    assert seen["mainstay_requests_cancelled_total", "web"] == 6
    assert seen["mainstay_own_answers_total", "web", "timeout"] == 4
    assert seen["mainstay_own_answers_total", "web", "unreachable"] == 0
    assert seen["mainstay_requests_given_up_total", "web", "budget"] == 6
    assert seen["mainstay_retries_total", "web"] == 10
    assert seen["mainstay_tunnel_received_bytes_total", "web"] == 10
    assert seen["mainstay_tunnel_sent_bytes_total", "web"] == 2000
    assert seen["mainstay_requests_in_flight", "web"] == 12
    assert seen["mainstay_panicking", "web"] == 1
    assert seen["mainstay_attempts_total", "web", "web-1"] == 8
    assert seen["mainstay_attempts_total", "web", "web-2"] == 1
    assert seen["mainstay_attempt_failures_total", "web", "web-1", "reset"] == 1
    assert seen["mainstay_attempt_failures_total", "web", "web-2", "refused"] == 1
    assert seen["mainstay_responses_total", "web", "web-1", "2xx"] == 5
    assert seen["mainstay_upstream_received_bytes_total", "web", "web-1"] == 100
    assert seen["mainstay_upstream_sent_bytes_total", "web", "web-1"] == 50
    assert seen["mainstay_upstream_connections_opened_total", "web", "web-1"] == 2
    assert seen["mainstay_upstream_connections", "web", "web-1", "idle"] == 6
    assert seen["mainstay_upstream_connections", "web", "web-1", "used"] == 8
    assert seen["mainstay_attempts_in_flight", "web", "web-1"] == 4
    assert seen["mainstay_instance_ejected", "web", "web-1"] == 2
    assert seen["mainstay_breakers", "web", "web-1", "open"] == 2
    assert seen["mainstay_breakers", "web", "web-1", "closed"] == 0
    assert seen["mainstay_breaker_openings_total", "web", "web-2"] == 5
    assert seen[("mainstay_access_log_lines_total",)] == 16
    assert seen[("mainstay_access_log_lines_dropped_total",)] == 18
    assert seen[("mainstay_spans_total",)] == 6
    assert seen[("mainstay_spans_dropped_total",)] == 8


async def test_certificates_are_told_with_their_end_and_their_trouble(control):
    seen = await scrape(control)

    expiry, trouble = "mainstay_certificate_expiry_timestamp_seconds", "mainstay_certificate_trouble"
    assert seen[expiry, "services.web.tls", "shop.example"] == 1e9
    assert seen[expiry, "services.pay.upstream_tls", "us"] == 2e9
    assert seen[trouble, "services.web.tls"] == 1
    assert seen[trouble, "services.pay.upstream_tls"] == 0


async def test_counters_stay_when_a_worker_dies_and_what_it_did_at_the_time_does_not(control):
    score = {"attempts": 6, "failed reset": 1, "answers 2": 5, "took 16": 5, "micros": 500_000, "opened": 1}
    control.tally.take(11, told(requests=5, latencies=[0.1] * 5, scores={"web-1": score}))
    before = await scrape(control)

    control.tally.lost(11)
    after = await scrape(control)

    grows = {key for key in before if re.search(r"_(total|bucket|sum|count)$", key[0])} - {
        key for key in before if key[0].startswith("process_")
    }
    assert len(grows) > 100
    assert {key: after[key] for key in grows} == {key: before[key] for key in grows}
    assert after["mainstay_requests_in_flight", "web"] == after["mainstay_requests_waiting", "web"] == 0
    assert ("mainstay_client_connections", "web", "1") not in after


async def test_what_has_not_happened_yet_is_there_as_a_zero(control):
    seen = await scrape(control)

    assert seen["mainstay_attempt_failures_total", "web", "web-2", "timeout"] == 0
    assert seen["mainstay_attempt_duration_seconds_count", "web", "web-2"] == 0
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

    metric = "mainstay_request_duration_seconds_bucket"
    buckets = {float(key[2]): value for key, value in seen.items() if key[0] == metric}
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


async def test_how_long_an_instance_took_is_told_by_doublings(control):
    score = {"attempts": 4, "took 7": 1, "took 16": 2, "took 30": 1, "micros": 2_000_000}
    control.tally.take(11, told(scores={"web-1": score}))

    seen = await scrape(control)

    metric = "mainstay_attempt_duration_seconds"
    buckets = {
        float(key[3]): value for key, value in seen.items() if key[:3] == (f"{metric}_bucket", "web", "web-1")
    }
    assert len(buckets) == 19
    assert (buckets[upper(55)], buckets[upper(63)], buckets[upper(127)], buckets[upper(135)]) == (0, 1, 1, 3)
    assert buckets[upper(191)] == 3
    assert buckets[float("inf")] == seen[f"{metric}_count", "web", "web-1"] == 4
    assert seen[f"{metric}_sum", "web", "web-1"] == 2


async def test_listeners_are_told_whether_or_not_a_service_is_concerned(control):
    control.tally.take(11, told())
    control.tally.take(12, told(worker=2))

    seen = await scrape(control)

    assert seen["mainstay_connections_accepted_total", "web"] == 8
    assert seen["mainstay_client_received_bytes_total", "web"] == 10
    assert seen["mainstay_client_sent_bytes_total", "web"] == 12
    assert seen["mainstay_redirects_total", "web"] == 14
    assert seen["mainstay_tls_handshakes_total", "web"] == 16
    assert seen["mainstay_requests_refused_total", "web", "bad_host"] == 18
    assert seen["mainstay_tls_handshake_failures_total", "web", "ciphers"] == 24
    assert seen["mainstay_tls_handshake_failures_total", "web", "left"] == 0
    assert seen["mainstay_client_connections", "web", "2"] == 10
    assert seen["mainstay_requests_waiting", "web"] == 22
    assert seen["mainstay_listener_backlog", "web"] == 13


async def test_workers_are_told_over_their_deaths(control):
    control.tally.take(11, told())
    control.tally.lost(11)
    control.tally.take(11, told())
    control.tally.take(12, told(worker=2))

    seen = await scrape(control)

    assert seen["mainstay_worker_cpu_seconds_total", "1"] == 3
    assert seen["mainstay_worker_cpu_seconds_total", "2"] == 1.5
    assert seen["mainstay_worker_loop_lag_seconds", "2"] == 0.25
    assert seen[("mainstay_access_log_lines_total",)] == 24


async def test_what_became_of_keys_is_told_by_event(control):
    control.tally.take(11, told(keys={"taken": 3, "answer": 2, "doubt": 1, "replayed": 4}))
    control.tally.take(12, told(keys={"taken": 1}))

    seen = await scrape(control)

    found = {key[2]: value for key, value in seen.items() if key[0] == "mainstay_idempotency_keys_total"}
    assert found == {"taken": 4, "answer": 2, "outgrow": 0, "doubt": 1, "release": 0, "replayed": 4}


async def test_what_workers_of_a_former_version_tell_is_enough(control):
    plain = told(requests=3)
    for key in ("worker", "lag", "sums", "listeners"):
        del plain[key]
    for key in ("own", "because", "scores"):
        del plain["services"]["web"][key]
    for key in ("connections", "idle"):
        del plain["services"]["web"]["instances"][0][key]
    control.tally.take(11, plain)
    control.tally.take(12, plain)
    control.tally.lost(12)

    seen = await scrape(control)

    assert seen["mainstay_requests_total", "web", "2xx"] == 6
    assert seen["mainstay_upstream_connections", "web", "web-1", "used"] == 0


async def test_the_gateway_and_the_program_are_told(control):
    seen = await scrape(control)

    assert seen["mainstay_worker_restarts_total", "2"] == 1
    assert seen["mainstay_worker_table_version", "1"] == 8
    assert seen[("mainstay_table_version",)] == 9
    assert (seen["mainstay_reloads_total", "done"], seen["mainstay_reloads_total", "failed"]) == (0, 2)
    assert [key for key in seen if key[0] == "mainstay_build_info" and __version__ in key]
    assert ("process_start_time_seconds",) in seen


async def test_no_series_is_there_twice(control):
    control.tally.take(11, told(requests=5, scores={"web-1": {"attempts": 6}}))
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
    control.tally.take(11, told(requests=1, scores={"web-1": {"attempts": 1}}))
    _, _, text = await get(control, "/metrics")
    page = (DOCS / "reference" / "metrics.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `(mainstay_[a-z_]+)`", page, re.MULTILINE))

    found = set()
    for family in parse(text):
        if family.name.startswith("mainstay_"):
            names = {"le"} if family.type == "histogram" else set()
            labels = [label for label in ordered(family.samples[0].labels) if label not in names]
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found.add(name)
            assert f"| `{name}` | {family.type} | {', '.join(labels) or '-'} |" in page, name
    assert documented == found


async def test_every_metric_that_a_page_asks_for_is_there(control):
    control.tally.take(11, told(requests=1))
    names = {key[0] for key in await scrape(control)}

    asked = {
        name
        for page in DOCS.rglob("*.md")
        for name in re.findall(r"(?<!\${)mainstay_[a-z_]+", page.read_text())
    }

    # The family of a histogram, and counters, which the parser calls by their family's name.
    families = {re.sub("_(bucket|count|sum)$", "", name) for name in names}
    assert len(asked) > 40
    assert asked <= names | families


@pytest.mark.parametrize(
    ("words", "heading"),
    [
        (CAUSES, "Why a request is given up"),
        (UNSHAKEN, "Why a handshake fails"),
    ],
)
def test_every_word_of_a_label_is_documented(words, heading):
    page = (DOCS / "reference" / "metrics.md").read_text(encoding="utf-8")
    table = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]

    assert re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE) == list(words)


def test_our_own_answers_have_reasons_that_exist():
    assert set(OWN) <= set(REASONS)


@pytest.mark.parametrize("query", ["", "?instances=on", "?instances=off"])
async def test_what_is_by_instance_can_be_left_out(control, query):
    control.tally.take(11, told(requests=1, scores={"web-1": {"attempts": 1}}))

    _, _, text = await get(control, f"/metrics{query}")

    assert ('instance="web-1"' in text) is (query != "?instances=off")
    assert "mainstay_requests_total" in text
    assert "process_start_time_seconds" in text


# --- livez and readyz ---


async def test_it_lives_while_it_answers(control):
    control.phase, control.lacks = "starting", [{"service": "web", "up": 0, "instances": 2}]

    status, _, text = await get(control, "/livez")

    assert (status, text) == (200, "ok\n")


async def test_it_is_ready_when_it_runs_and_nothing_is_missing(control):
    status, _, text = await get(control, "/readyz")

    assert status == 200
    assert json.loads(text) == {"version": 1, "ready": True, "phase": "running", "workers": 2, "missing": []}
    assert text.endswith("}\n")


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


@pytest.mark.parametrize("there", [[], [{"worker": 1, "pid": 11, "clients": 0, "table": 0}]])
async def test_it_is_not_ready_without_a_worker_that_has_a_table(control, there):
    control.workers = lambda: there

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
