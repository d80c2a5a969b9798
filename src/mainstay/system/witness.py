"""What the gateway tells of single requests, as the system file says it."""

from typing import Annotated

from mainstay.system.collector import Collector
from mainstay.system.mechanism import Section
from mainstay.system.value import File, OneOf, Share, Size, Whole

FORMATS = ("json", "combined")
ACCEPTED = ("trusted", "anyone")


class AccessLog(Section):
    """A line for each request: who asked, for what, and what came of it."""

    format: Annotated[str, OneOf(*FORMATS)] = "json"
    """`json` has a field for everything that is known, retries and times among them. `combined` is the format of
    Apache and nginx, for tools that read it."""

    path: File | None = None
    """The file, relative to the system file's folder. Without it: `logs/access.log` in the run directory, which
    nobody else may read. All gateway workers append to it, line by line."""

    sample: Share = 1.0
    """The share of requests that are written down, by lot. All of them, unless told: a log with gaps surprises.
    Answers of 5xx, those that the gateway made itself, and requests that their clients gave up are always
    written."""

    size: Size = 100 * 2**20
    """At this size the file is rotated: a few hundred thousand requests, which tools still open at once."""

    keep: Annotated[int, Whole(0, 1000)] = 5
    """Rotated files that are kept beside the current one, so that the log never fills the disk."""


class Tracing(Section):
    """Names for requests, so that all that is done for one can be found: `X-Request-Id`, `traceparent`, `tracestate`."""

    accept: Annotated[str, OneOf(*ACCEPTED)] = "trusted"
    """Whose names are taken up. `trusted`: those of trusted proxies; all others are made anew, since a stranger could
    choose those of somebody else's request, or have everything recorded. `anyone`: everybody's, where only your own
    programs can reach the gateway."""

    sample: Share = 0.01
    """The share of traces begun here whose `sampled` flag asks everybody to record them. One in a hundred shows how a
    system works and costs it next to nothing. A trace that is taken up keeps its flag."""

    export: Collector | None = None
    """The collector that the gateway's own spans are sent to, by OpenTelemetry's OTLP over HTTP. It needs
    `pip install 'mainstay[otel]'`. None by default: nothing leaves the machine that nobody asked for."""
