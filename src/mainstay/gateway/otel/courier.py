"""Makes OpenTelemetry's spans of what was recorded, and sends them; imported where spans are sent, and nowhere else.

Names and values are those of the semantic conventions for HTTP, stable since version 1.23. What may hold a secret is
not told: no query, no value of a header.
"""

import logging
import os
import socket
import uuid
from collections.abc import Iterator
from typing import Any

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from requests.adapters import HTTPAdapter

from mainstay import __version__
from mainstay.base.outcome import CANCELLED, FAILED, OK
from mainstay.gateway.otel.recording import Attempt, Journey
from mainstay.system.collector import TRACES

KNOWN = frozenset(
    (b"CONNECT", b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"PATCH", b"POST", b"PUT", b"QUERY", b"TRACE")
)
"""Methods that are told by their names, as the conventions want it; others are `_OTHER`."""
LONGEST = 2048
"""Characters of a path that are told."""
_GOOD = 2
_SERVER_FAULT, _CLIENT_FAULT = 500, 400
_NANO = 1_000_000_000
_UNSET, _ERROR = Status(StatusCode.UNSET), Status(StatusCode.ERROR)

# Each batch that is lost would be a line on standard error; it is counted, and told as a fact.
logging.getLogger(OTLPSpanExporter.__module__).disabled = True


class Witness(HTTPAdapter):
    """Remembers why the last request to the collector failed, which the exporter does not tell."""

    problem: str | None = None

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:  # noqa: ANN401 - requests' own signature
        """Send as ever."""
        try:
            response = super().send(*args, **kwargs)
        except Exception as error:
            self.problem = said(error)
            raise
        # The exporter takes 3xx for good, and follows nobody.
        good = response.status_code // 100 == _GOOD
        self.problem = None if good else f"it answered {response.status_code}"
        return response


class Courier:
    """The way from here to one collector."""

    def __init__(self, collector: str, system: str, worker: int) -> None:
        """Open nothing yet.

        Args:
            collector: Its address: `http://collector:4318`.
            system: The name of the system.
            worker: The number of the worker.
        """
        self._witness = Witness()
        session = requests.Session()
        session.mount("http://", self._witness)
        session.mount("https://", self._witness)
        self._exporter = OTLPSpanExporter(endpoint=collector + TRACES, session=session)
        self._scope = InstrumentationScope("mainstay", __version__)
        ours: dict[str, str | int] = {
            "service.name": "mainstay",
            "service.namespace": system,
            "service.version": __version__,
            "service.instance.id": str(uuid.uuid4()),
            "host.name": socket.gethostname(),
            "process.pid": os.getpid(),
            "mainstay.worker": worker,
        }
        # What the environment says (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES) is said on purpose.
        self._resource = Resource.create(ours).merge(OTELResourceDetector().detect())

    def deliver(self, journeys: list[tuple[Any, ...]], shift: float) -> str | None:
        """Send spans, and wait until the collector has taken them; give why it has not.

        Args:
            journeys: The values of `Journey`s.
            shift: What is added to a monotonic time to give seconds since 1970.
        """
        spans = [span for values in journeys for span in self._spans(Journey(*values), shift)]
        self._witness.problem = None
        taken = self._exporter.export(spans) is SpanExportResult.SUCCESS
        return self._witness.problem or (None if taken else "the spans could not be sent")

    def close(self) -> None:
        """Wait for no answer any more."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call] # so it is

    # --- spans ---

    def _spans(self, journey: Journey, shift: float) -> Iterator[ReadableSpan]:
        state = TraceState.from_header([journey.state.decode("ascii")]) if journey.state else None
        own = _context(journey, journey.span, state)
        yield self._span(
            f"{_method(journey.method)} {journey.service}",
            own,
            _context(journey, journey.parent, state, remote=True) if journey.parent else None,
            SpanKind.SERVER,
            _of_request(journey),
            failed=journey.status >= _SERVER_FAULT or (journey.reason is not None and not journey.cancelled),
            times=(journey.began + shift, journey.ended + shift),
        )
        attempts = [Attempt(*values) for values in journey.attempts]  # type: ignore[arg-type] # they are its values
        # Of two at once, the second may have ended first.
        for before, attempt in enumerate(sorted(attempts, key=lambda attempt: attempt.began)):
            yield self._span(
                f"{_method(journey.method)} {attempt.instance}",
                _context(journey, attempt.span, state),
                own,
                SpanKind.CLIENT,
                _of_attempt(journey, attempt, before),
                failed=attempt.status >= _CLIENT_FAULT or attempt.outcome not in (OK, CANCELLED),
                times=(attempt.began + shift, attempt.ended + shift),
            )

    def _span(  # noqa: PLR0913 - what a span is
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: dict[str, str | int | bool],
        *,
        failed: bool,
        times: tuple[float, float],
    ) -> ReadableSpan:
        began, ended = times
        return ReadableSpan(
            name,
            context,
            parent,
            self._resource,
            attributes,
            kind=kind,
            status=_ERROR if failed else _UNSET,
            start_time=int(began * _NANO),
            end_time=int(max(began, ended) * _NANO),
            instrumentation_scope=self._scope,
        )


def _context(journey: Journey, span: bytes, state: TraceState | None, *, remote: bool = False) -> SpanContext:
    return SpanContext(
        int(journey.trace, 16), int(span, 16), remote, TraceFlags(TraceFlags.SAMPLED), state or TraceState()
    )


def _of_request(journey: Journey) -> dict[str, str | int | bool]:
    told: dict[str, str | int | bool] = {
        **_of_method(journey),
        "url.scheme": "https" if journey.secure else "http",
        "url.path": _path(journey.target),
        "network.protocol.version": "1.1" if journey.http11 else "1.0",
        "client.address": journey.client,
        "mainstay.listener": journey.listener,
        "mainstay.service": journey.service,
        "mainstay.attempts": len(journey.attempts),
    }
    if journey.peer is not None:
        told["network.peer.address"] = journey.peer
    if journey.status:
        told["http.response.status_code"] = journey.status
    if journey.reason is not None:
        told["error.type"] = told["mainstay.reason"] = journey.reason
    elif journey.status >= _SERVER_FAULT:
        told["error.type"] = str(journey.status)
    if journey.cancelled:
        told["mainstay.cancelled"] = True
    return told


def _of_attempt(journey: Journey, attempt: Attempt, before: int) -> dict[str, str | int | bool]:
    host = f"[{attempt.host}]" if ":" in attempt.host else attempt.host
    scheme = "https" if attempt.secure else "http"
    told: dict[str, str | int | bool] = {
        **_of_method(journey),
        "url.full": f"{scheme}://{host}:{attempt.port}{_path(journey.aim)}",
        "server.address": attempt.host,
        "server.port": attempt.port,
        "mainstay.service": journey.service,
        "mainstay.instance": attempt.instance,
    }
    if before:
        told["http.request.resend_count"] = before
    if attempt.status:
        told["http.response.status_code"] = attempt.status
    if attempt.outcome not in (OK, FAILED, CANCELLED):
        told["error.type"] = attempt.outcome.name.lower()
    elif attempt.status >= _CLIENT_FAULT:
        told["error.type"] = str(attempt.status)
    if attempt.outcome is CANCELLED:
        told["mainstay.cancelled"] = True
    return told


def _of_method(journey: Journey) -> dict[str, str | int | bool]:
    method = _method(journey.method)
    told: dict[str, str | int | bool] = {"http.request.method": "_OTHER" if method == "HTTP" else method}
    if method == "HTTP":
        told["http.request.method_original"] = journey.method.decode("ascii", "replace")[:64]
    return told


def _method(method: bytes) -> str:
    """Write a method as names of spans have it."""
    return method.decode("ascii") if method in KNOWN else "HTTP"


def _path(target: bytes) -> str:
    return target.partition(b"?")[0][:LONGEST].decode("latin-1")


def said(error: BaseException) -> str:
    """Say in few words why nothing could be sent: what the machine said, if it did."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.strerror:
            return found.strerror
        found = found.__cause__ or found.__context__
    return "it does not answer in time" if isinstance(error, requests.Timeout) else type(error).__name__
