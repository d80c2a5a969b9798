"""Spans of a running system: two workers, one collector, and what is said where OpenTelemetry is not installed."""

import http.client
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from e2e.conftest import PATIENCE

pytestmark = pytest.mark.e2e

SITE = """\
name: traced
gateway: { workers: 2, tracing: TRACING }
services:
  web:
    command: python3 -m http.server --bind 127.0.0.1 $PORT
    listen: http://127.0.0.1:PORT_HERE
"""
REFUSED = "gateway.tracing.export: OpenTelemetry is not installed; install it by pip install 'mainstay[otel]'"


@pytest.fixture
def collector():
    """Give a collector that keeps the spans that it gets."""
    spans = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                spans.extend(span for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, spans
    server.shutdown()
    thread.join()
    server.server_close()


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


def test_workers_send_spans_from_when_they_are_told_to(site, collector):
    port, spans = collector
    site.env["NO_PROXY"] = "127.0.0.1"
    site.write(SITE.replace("TRACING", "on"))
    site.up()
    get(site.port, "/before")

    site.write(SITE.replace("TRACING", f"{{ export: 'http://127.0.0.1:{port}', sample: 100% }}"))
    site.done("reload")
    statuses = {get(site.port, f"/none-{number}") for number in range(20)}
    deadline = time.monotonic() + PATIENCE
    while len(spans) < 40:
        assert time.monotonic() < deadline, len(spans)
        time.sleep(0.05)

    assert statuses == {404}
    paths = [
        value.value.string_value for span in spans for value in span.attributes if value.key == "url.path"
    ]
    assert sorted(paths) == sorted(f"/none-{number}" for number in range(20))
    assert len(spans) == 40


def test_without_opentelemetry_it_is_refused_with_what_to_install(site):
    # Python runs this before anything else.
    (site.folder / "sitecustomize.py").write_text("import sys; sys.modules['opentelemetry'] = None\n")
    site.env["PYTHONPATH"] = str(site.folder)
    site.write(SITE.replace("TRACING", "{ export: 'http://127.0.0.1:4318' }"))

    refused = site.mainstay("up", "--detach")

    assert (refused.returncode, refused.stderr.count("\n")) == (6, 1)
    assert REFUSED in refused.stderr

    site.write(SITE.replace("TRACING", "on"))
    site.up()
    site.write(SITE.replace("TRACING", "{ export: 'http://127.0.0.1:4318' }"))

    for words in (["reload", "--dry-run"], ["reload"]):
        refused = site.mainstay(*words)
        assert (refused.returncode, refused.stderr.count("\n")) == (6, 1)
        assert REFUSED in refused.stderr
    assert get(site.port, "/") == 200
