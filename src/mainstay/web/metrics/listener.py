"""Metrics by listener: connections, bytes, and what is refused before it is any service's."""

from collections.abc import Iterator

from prometheus_client import Metric

from mainstay.control import Control
from mainstay.gateway.traffic import UNSHAKEN
from mainstay.web.metrics.family import counter, gauge

_LISTENER = ("listener",)
_SUMS = (
    ("connections_accepted", "accepted", "Connections of clients that were accepted."),
    ("redirects", "redirects", "Requests that the gateway sent elsewhere."),
    ("client_received_bytes", "received", "Bytes of requests that came from clients, before encryption."),
    ("client_sent_bytes", "sent", "Bytes of answers that were sent to clients, before encryption."),
    ("tls_handshakes", "handshakes", "Handshakes of TLS that were completed."),
)


def listeners(control: Control) -> Iterator[Metric]:
    """Give what is known of each listening socket."""
    openings = control.system.openings()
    counts = {name: control.tally.listener(name) for name in openings}
    for metric, key, about in _SUMS:
        yield counter(metric, about, _LISTENER, (((name,), one.sums[key]) for name, one in counts.items()))
    yield counter(
        "requests_refused",
        "Requests and connections that were passed on to nobody, by the reason.",
        (*_LISTENER, "reason"),
        (
            ((name, key.removeprefix("refused ")), count)
            for name, one in counts.items()
            for key, count in sorted(one.sums.items())
            if key.startswith("refused ")
        ),
    )
    yield counter(
        "tls_handshake_failures",
        "Handshakes of TLS that failed, by why.",
        (*_LISTENER, "reason"),
        (
            ((name, why), one.sums[f"unshaken {why}"])
            for name, one in counts.items()
            if openings[name].entrance.tls is not None
            for why in UNSHAKEN
        ),
    )
    yield gauge(
        "client_connections",
        "Connections of clients that are open.",
        (*_LISTENER, "worker"),
        (
            ((name, str(number)), now["open"])
            for name, one in counts.items()
            for number, now in sorted(one.now.items())
        ),
    )
    yield gauge(
        "requests_waiting",
        "Requests that wait for the one before them on the same connection.",
        _LISTENER,
        (((name,), sum(now["waiting"] for now in one.now.values())) for name, one in counts.items()),
    )
    yield gauge(
        "listener_backlog",
        "Connections that wait to be accepted.",
        _LISTENER,
        (((name,), count) for name, count in control.backlogs().items()),
    )
