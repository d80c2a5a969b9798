"""What is recorded of sampled requests, as a real collector gets it."""

import asyncio
import re

import pytest
from opentelemetry.exporter.otlp.common import http
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from mainstay.gateway.otel import outbox
from mainstay.gateway.table import Rule, TraceSettings
from mainstay.tolerance.hedge import HedgeSpec

SERVER, CLIENT = Span.SpanKind.SPAN_KIND_SERVER, Span.SpanKind.SPAN_KIND_CLIENT
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TOLD = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-0([0-3])")


class Collector:
    """A collector that keeps what it gets; `status` is what it answers, and None hangs up."""

    def __init__(self):
        self.status = 200
        self.requests = []
        self.heads = []
        self.resources = []
        self.spans = []
        self.server = None
        self.port = 0
        self.holds = None
        self._tasks = set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    async def listen(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=2**24)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(int(re.search(rb"(?i)content-length: (\d+)", head)[1]))
                self.heads.append(head)
                if self.holds is not None:
                    await self.holds.wait()
                if self.status == 200:
                    self._take(body)
                writer.write(b"HTTP/1.1 %d Word\r\nContent-Length: 0\r\n\r\n" % self.status)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(asyncio.current_task())
            writer.close()

    def _take(self, body):
        told = ExportTraceServiceRequest.FromString(body)
        for resource in told.resource_spans:
            self.resources.append(values(resource.resource.attributes))
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]

    def of(self, kind):
        return sorted(
            (span for span in self.spans if span.kind == kind), key=lambda span: span.start_time_unix_nano
        )

    async def close(self):
        self.server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def values(attributes):
    """Give attributes as plain values."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def ids(span):
    return span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()


def told(request):
    """Give the trace and the span that an instance was told."""
    return TOLD.fullmatch(request.get("traceparent")).groups()[:2]


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(outbox, "EVERY", 0.01)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    # Each batch is tried once; otherwise the exporter takes seven seconds until it gives up.
    monkeypatch.setattr(http, "_MAX_RETRIES", 1)


@pytest.fixture
async def collector():
    made = Collector()
    await made.listen()
    yield made
    await made.close()


async def up(rig, collector, *count, trace=None, **settings):
    rig.trace = TraceSettings(
        **{"accept": "anyone", "sample": 1.0, "export": collector.url, "system": "shop"} | (trace or {})
    )
    return await rig.up(*count, **settings)


async def recorded(rig, collector, count):
    """Wait until so many spans have come."""
    await rig.until(lambda: len(collector.spans) >= count, 30)
    return collector.spans


async def test_a_request_is_a_span_and_its_attempt_another(rig, collector):
    origin = await up(rig, collector)

    await rig.ask(rig.request("POST", "/a?secret=1", "User-Agent: me", body=b"12345"))
    await recorded(rig, collector, 2)
    (server,), (client,) = collector.of(SERVER), collector.of(CLIENT)

    trace, span = told(origin.requests[0])
    assert ids(client) == (trace, span, server.span_id.hex())
    assert ids(server)[0] == trace
    assert server.parent_span_id == b""
    assert server.span_id.hex() not in (span, "")
    assert (server.name, client.name) == ("POST web", "POST web-1")
    assert values(server.attributes) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "url.path": "/a",
        "network.protocol.version": "1.1",
        "network.peer.address": "127.0.0.1",
        "client.address": "127.0.0.1",
        "mainstay.listener": "web",
        "mainstay.service": "web",
        "mainstay.attempts": 1,
    }
    assert values(client.attributes) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "url.full": f"http://127.0.0.1:{origin.port}/a",
        "server.address": "127.0.0.1",
        "server.port": origin.port,
        "mainstay.service": "web",
        "mainstay.instance": "web-1",
    }
    assert server.status.code == client.status.code == Status.STATUS_CODE_UNSET
    times = [server.start_time_unix_nano, client.start_time_unix_nano]
    times += [client.end_time_unix_nano, server.end_time_unix_nano]
    assert times == sorted(times)
    assert abs(times[0] / 1e9 - rig.worker._clock.wall()) < 60
    (resource,) = collector.resources
    assert resource["service.name"] == "mainstay"
    assert resource["service.namespace"] == "shop"
    assert resource["mainstay.worker"] == 1


async def test_a_request_that_was_retried_is_one_span_with_one_for_each_attempt(rig, collector):
    first, second = await up(rig, collector, 2)
    first.answer = second.answer = lambda r: (
        rig.DROP
        if not (first.requests and second.requests)
        else b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    )

    await rig.ask(rig.get("/", f"traceparent: 00-{TRACE}-{PARENT}-01", "tracestate: a=1"))
    await recorded(rig, collector, 3)
    (server,), (failed, done) = collector.of(SERVER), collector.of(CLIENT)
    heard = {told(request) for origin in (first, second) for request in origin.requests}

    assert ids(server)[::2] == (TRACE, PARENT)
    assert {ids(span)[::2] for span in (failed, done)} == {(TRACE, server.span_id.hex())}
    assert {ids(span)[:2] for span in (failed, done)} == heard
    assert len({span.span_id for span in collector.spans}) == 3
    assert {span.trace_state for span in collector.spans} == {"a=1"}
    tried, again = values(failed.attributes), values(done.attributes)
    assert (tried["error.type"], failed.status.code) == ("reset", Status.STATUS_CODE_ERROR)
    assert "http.response.status_code" not in tried
    assert "http.request.resend_count" not in tried
    assert (again["http.request.resend_count"], again["http.response.status_code"]) == (1, 200)
    assert values(server.attributes)["mainstay.attempts"] == 2
    assert server.status.code == Status.STATUS_CODE_UNSET


# --- how it ended ---


async def test_an_answer_that_was_not_passed_on_is_its_attempts_alone(rig, collector):
    first, second = await up(rig, collector, 2)
    first.answer = second.answer = lambda r: (
        b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
        if not (first.requests and second.requests)
        else b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
    )

    await rig.ask(rig.get())
    await recorded(rig, collector, 3)
    (server,), (failed, done) = collector.of(SERVER), collector.of(CLIENT)

    assert [values(span.attributes)["error.type"] for span in (failed, done)] == ["503", "404"]
    assert [span.status.code for span in (failed, done)] == [Status.STATUS_CODE_ERROR] * 2
    # It is the client's own doing, and no error of who served it.
    assert values(server.attributes)["http.response.status_code"] == 404
    assert "error.type" not in values(server.attributes)
    assert server.status.code == Status.STATUS_CODE_UNSET


async def test_a_failure_of_the_service_that_is_passed_on_is_an_error(rig, collector):
    origin = await up(rig, collector)
    origin.answer = lambda r: b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"

    await rig.ask(rig.get())
    server, client = (await recorded(rig, collector, 2))[:2]

    assert {values(span.attributes)["error.type"] for span in (server, client)} == {"500"}
    assert {span.status.code for span in (server, client)} == {Status.STATUS_CODE_ERROR}


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"", 502),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbegun", 502),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nbegun", 200),
        (b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nbegun", 502),
    ],
    ids=["none", "held", "begun", "of a failure"],
)
async def test_an_answer_that_broke_says_so(rig, collector, answer, status):
    origin = await up(rig, collector, call={"retry": None})

    async def raw(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    origin.raw = raw
    client = await rig.client()
    client.send(rig.get())
    await client.rest() if status == 200 else await client.answer()
    await recorded(rig, collector, 2)
    (server,), (attempt,) = collector.of(SERVER), collector.of(CLIENT)

    told = values(server.attributes)
    assert (told["http.response.status_code"], told["error.type"]) == (status, "broken_answer")
    assert told["mainstay.reason"] == "broken_answer"
    assert server.status.code == Status.STATUS_CODE_ERROR
    assert values(attempt.attributes)["error.type"] == "reset"
    assert values(attempt.attributes).get("http.response.status_code") == (
        int(answer[9:12]) if answer else None
    )


async def test_where_nobody_is_asked_there_is_no_attempt(rig, collector):
    await up(rig, collector, 0)

    answer = await rig.ask(rig.get())
    (server,) = await recorded(rig, collector, 1)

    assert answer.status == 503
    told = values(server.attributes)
    assert (told["mainstay.reason"], told["mainstay.attempts"]) == ("no_instance", 0)


async def test_a_client_that_leaves_is_nobodys_error(rig, collector):
    origin = await up(rig, collector)
    origin.answer = lambda r: asyncio.sleep(30)
    client = await rig.client()
    client.send(rig.get())
    await rig.until(lambda: origin.requests)

    client.abort()
    await recorded(rig, collector, 2)

    for span in collector.spans:
        told = values(span.attributes)
        assert told["mainstay.cancelled"] is True
        assert "http.response.status_code" not in told
        assert span.status.code == Status.STATUS_CODE_UNSET


async def test_a_body_that_turns_out_to_be_none_ends_what_was_begun(rig, collector):
    origin = await up(rig, collector)
    heads = []

    async def raw(reader, writer):
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        await reader.read()
        writer.close()

    origin.raw = raw
    client = await rig.client()
    client.send(rig.request("POST", "/", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
    await rig.until(lambda: heads)

    client.send(b"nonsense\r\n")
    answer = await client.answer()
    await recorded(rig, collector, 2)

    (server,), (attempt,) = collector.of(SERVER), collector.of(CLIENT)
    told = values(server.attributes)
    assert answer.status == told["http.response.status_code"] == 400
    assert told["mainstay.reason"] == answer.get("mainstay-reason")
    assert values(attempt.attributes)["mainstay.cancelled"] is True


async def test_what_goes_over_to_another_protocol_is_told_when_it_does(rig, collector):
    origin = await up(rig, collector, upgrades=("websocket",))
    origin.answer = lambda r: b"HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    client = await rig.client()

    client.send(rig.get("/", "Connection: upgrade", "Upgrade: websocket"))
    await client.reader.readuntil(b"\r\n\r\n")
    await recorded(rig, collector, 2)
    client.close()

    assert {values(span.attributes)["http.response.status_code"] for span in collector.spans} == {101}
    assert {span.status.code for span in collector.spans} == {Status.STATUS_CODE_UNSET}


async def test_a_rewritten_path_is_told_as_each_knows_it(rig, collector):
    await up(rig, collector, door={"rules": [Rule(service="web", path="/shop", rewrite="/")]})

    await rig.ask(rig.request("PROPFIND", "/shop/a?b"))
    await recorded(rig, collector, 2)
    (server,), (client,) = collector.of(SERVER), collector.of(CLIENT)

    assert values(server.attributes)["url.path"] == "/shop/a"
    assert values(client.attributes)["url.full"].endswith("/a")
    assert "/shop" not in values(client.attributes)["url.full"]
    assert server.name == "HTTP web"
    told = values(server.attributes)
    assert (told["http.request.method"], told["http.request.method_original"]) == ("_OTHER", "PROPFIND")


# --- two attempts at the same time ---


async def hedged(rig, collector, count=2):
    return await up(rig, collector, count, call={"hedge": HedgeSpec(after=0.05), "suspicion": None})


async def spans_of_both(rig, collector):
    """Give the spans of two attempts, in the order in which they were made, and see that they fit together."""
    await recorded(rig, collector, 3)
    (server,), attempts = collector.of(SERVER), collector.of(CLIENT)
    heard = {told(request) for origin in rig.origins for request in origin.requests}
    assert {ids(span)[:2] for span in attempts} == heard
    assert {span.parent_span_id for span in attempts} == {server.span_id}
    first, second = (values(span.attributes) for span in attempts)
    assert "http.request.resend_count" not in first
    assert second["http.request.resend_count"] == 1
    return first, second


async def test_an_attempt_that_was_overtaken_is_nobodys_error(rig, collector):
    silent, _ = await hedged(rig, collector)
    silent.answer = lambda r: r.reader.read()

    await rig.ask(rig.get())
    first, second = await spans_of_both(rig, collector)

    assert (first["mainstay.instance"], second["mainstay.instance"]) == ("web-1", "web-2")
    assert first["mainstay.cancelled"] is True
    assert second["http.response.status_code"] == 200


async def test_a_second_attempt_that_comes_too_late_is_nobodys_error(rig, collector):
    slow, silent = await hedged(rig, collector)
    both = asyncio.Event()

    async def late(request):
        await both.wait()
        return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    def note(request):
        both.set()
        return request.reader.read()

    slow.answer, silent.answer = late, note

    await rig.ask(rig.get())
    first, second = await spans_of_both(rig, collector)

    assert first["http.response.status_code"] == 200
    assert second["mainstay.cancelled"] is True


async def test_a_second_attempt_that_fails_before_the_first_has_its_answer_is_the_second_all_the_same(
    rig, collector
):
    slow, dying = await hedged(rig, collector)

    async def late(request):
        await rig.until(lambda: rig.members[1].failures == 1)
        return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    slow.answer, dying.answer = late, lambda r: rig.DROP

    await rig.ask(rig.get())
    first, second = await spans_of_both(rig, collector)

    assert first["http.response.status_code"] == 200
    assert second["error.type"] == "reset"


# --- who is recorded ---


async def test_what_is_not_sampled_is_not_sent(rig, collector):
    origin = await up(rig, collector, trace={"sample": 1e-9})

    await rig.ask(rig.get("/one"))
    await rig.ask(rig.get("/two", f"traceparent: 00-{TRACE}-{PARENT}-00"))
    await rig.ask(rig.get("/three", f"traceparent: 00-{TRACE}-{PARENT}-01"))
    await recorded(rig, collector, 2)
    rig.worker.spans.end()
    await rig.worker.spans.ended()

    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    assert values(collector.of(SERVER)[0].attributes)["url.path"] == "/three"
    assert len(collector.spans) == 2
    # Nobody records what we did there, so the trace has no gap.
    assert told(origin.requests[1]) == (TRACE, PARENT)
    assert told(origin.requests[2]) == ids(collector.of(CLIENT)[0])[:2]


async def test_it_is_switched_on_moved_and_off_while_requests_come(rig, collector):
    origin = await rig.up()
    other = Collector()
    await other.listen()
    client = await rig.client()

    outboxes = []
    for trace in (
        None,
        TraceSettings(sample=1.0),
        TraceSettings(sample=1.0, export=collector.url),
        TraceSettings(sample=0.9999999, export=collector.url),
        TraceSettings(sample=1.0, export=other.url),
        TraceSettings(sample=1.0),
    ):
        rig.trace = trace
        rig.apply()
        outboxes.append(rig.worker.spans)
        await client.ask(rig.get(f"/{len(origin.requests)}"))
    await recorded(rig, collector, 4)
    await recorded(rig, other, 2)
    await rig.until(lambda: rig.worker.counted()["sums"]["spans"] == 6)
    await other.close()

    assert {id(outboxes[at]) for at in (0, 1, 5)} == {id(None)}
    assert outboxes[2] is outboxes[3] is not outboxes[4]
    assert [values(span.attributes)["url.path"] for span in collector.of(SERVER)] == ["/2", "/3"]
    assert [values(span.attributes)["url.path"] for span in other.of(SERVER)] == ["/4"]


# --- a collector that is away ---


async def test_a_collector_that_is_away_is_told_once_and_requests_go_on(rig, collector):
    await up(rig, collector)
    await collector.close()

    for count in range(1, 4):
        assert (await rig.ask(rig.get())).status == 200
        await rig.until(lambda: rig.worker.counted()["sums"]["spans_dropped"] == 2 * count, 30)  # noqa: B023
    await rig.until(lambda: rig.line.facts("SpanExportBroke"))
    await collector.listen()
    assert (await rig.ask(rig.get())).status == 200
    await rig.until(lambda: rig.line.facts("SpanExportMended"), 30)

    (broke,), (mended,) = rig.line.facts("SpanExportBroke"), rig.line.facts("SpanExportMended")
    assert (broke["collector"], broke["because"]) == (collector.url, "Connection refused")
    assert (mended["collector"], mended["lost"]) == (collector.url, 6)
    sums = rig.worker.counted()["sums"]
    assert (sums["spans"], sums["spans_dropped"]) == (2, 6)


async def test_what_was_dropped_before_it_broke_is_not_said_to_be_missing_because_of_that(
    rig, collector, monkeypatch
):
    await up(rig, collector)
    monkeypatch.setattr(outbox, "MOST", 0)
    await rig.ask(rig.get())
    monkeypatch.setattr(outbox, "MOST", 100)
    await rig.ask(rig.get())
    await recorded(rig, collector, 2)

    for status, name in ((400, "SpanExportBroke"), (200, "SpanExportMended")):
        collector.status = status
        await rig.ask(rig.get())
        await rig.until(lambda: rig.line.facts(name), 30)  # noqa: B023

    assert rig.line.facts("SpanExportMended")[0]["lost"] == 2
    assert rig.worker.counted()["sums"]["spans_dropped"] == 4


@pytest.mark.parametrize("status", [302, 401, 503])
async def test_a_collector_that_says_no_is_told_with_what_it_said(rig, collector, status):
    collector.status = status
    await up(rig, collector)

    await rig.ask(rig.get())
    await rig.until(lambda: rig.line.facts("SpanExportBroke"), 30)

    assert rig.line.facts("SpanExportBroke")[0]["because"] == f"it answered {status}"


async def test_a_collector_that_does_not_answer_is_told(rig, collector, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.1")
    collector.holds = asyncio.Event()
    await up(rig, collector)

    await rig.ask(rig.get())
    await rig.until(lambda: rig.line.facts("SpanExportBroke"), 30)

    assert rig.line.facts("SpanExportBroke")[0]["because"] == "it does not answer in time"


async def test_what_does_not_fit_is_dropped_and_counted_and_no_request_waits(rig, collector, monkeypatch):
    monkeypatch.setattr(outbox, "MOST", 2)
    monkeypatch.setattr(outbox, "EVERY", 3600)  # nobody sends
    await up(rig, collector)
    client = await rig.client()

    answers = [await client.ask(rig.get()) for _ in range(5)]

    assert {answer.status for answer in answers} == {200}
    assert rig.worker.counted()["sums"]["spans_dropped"] == 6


async def test_at_the_end_what_waits_is_sent(rig, collector, monkeypatch):
    monkeypatch.setattr(outbox, "PATIENCE", 30)
    monkeypatch.setattr(outbox, "EVERY", 3600)
    await up(rig, collector)
    client = await rig.client()
    for _ in range(300):
        await client.ask(rig.get())

    await rig.worker.close()

    assert len(collector.spans) == rig.worker.counted()["sums"]["spans"] == 600


async def test_at_the_end_a_collector_that_does_not_answer_is_not_awaited(rig, collector, monkeypatch):
    monkeypatch.setattr(outbox, "PATIENCE", 0.05)
    monkeypatch.setattr(outbox, "EVERY", 3600)
    monkeypatch.setattr(outbox, "BATCH", 1)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "30")
    collector.holds = asyncio.Event()
    await up(rig, collector)
    for _ in range(3):
        await rig.ask(rig.get())

    await rig.worker.close()

    assert rig.worker.counted()["sums"]["spans_dropped"] == 6


async def test_without_opentelemetry_it_is_told_what_to_install(rig, collector, monkeypatch):
    def missing(self):
        raise ModuleNotFoundError

    monkeypatch.setattr(outbox.Outbox, "_hired", missing)
    await up(rig, collector)

    assert (await rig.ask(rig.get())).status == 200
    await rig.until(lambda: rig.line.facts("SpanExportBroke"), 30)

    assert "pip install 'mainstay[otel]'" in rig.line.facts("SpanExportBroke")[0]["because"]


async def test_what_the_environment_says_of_the_service_is_told(rig, collector, monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "edge")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=word")
    await up(rig, collector)

    await rig.ask(rig.get())
    await recorded(rig, collector, 2)

    (resource,) = collector.resources
    assert (resource["service.name"], resource["deployment.environment"]) == ("edge", "test")
    assert b"x-key: word" in collector.heads[0]
    assert collector.heads[0].startswith(b"POST /v1/traces HTTP/1.1\r\n")
