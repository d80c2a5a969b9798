"""Our own answers when there is none to pass on: small, honest, as JSON or for people.

Nothing of the request is ever repeated in them: what a stranger sent is not shown to anybody.
"""

import json
import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mainstay.gateway.table import Fallback

REASONS: dict[str, tuple[int, str]] = {
    "no_instance": (
        503,
        "No instance of this service is ready to answer. It may be starting; please try again shortly.",
    ),
    "no_route": (404, "No service is known here for this host and path."),
    "unreachable": (
        503,
        "No instance of this service could be reached. Nothing was sent, so it is safe to try again.",
    ),
    "circuit_open": (503, "This service has been failing, so it is left alone for a moment to recover."),
    "overloaded": (503, "This service has more to do than it can just now; please try again shortly."),
    "crowded": (503, "Too many connections are open just now; please try again shortly."),
    "broken_answer": (502, "The instance that worked on this request ended before its answer was complete."),
    "timeout": (504, "This service did not answer in time."),
    "ambiguous_path": (400, "Those who work on this path could read it in different ways."),
    "bad_request": (400, "The request is not valid HTTP."),
    "bad_host": (400, "The request needs exactly one valid Host."),
    "slow_request": (408, "The request did not arrive in time."),
    "body_too_large": (413, "The body of this request is larger than is allowed here."),
    "many_connections": (429, "There are too many connections from this address."),
    "misdirected": (421, "This connection is not the one for this address: its scheme, or its certificate."),
    "not_encrypted": (400, "Only https:// is spoken here."),
    "loop": (508, "This request has been here before: it is being passed on in a circle."),
    "last_hop": (200, "The request was to come this far and no farther."),
    "uri_too_long": (414, "The address of this request is too long."),
    "expectation": (417, "The only expectation that can be met here is 100-continue."),
    "head_too_large": (431, "The header of this request is too large."),
    "method": (501, "This method is not supported here."),
    "coding": (501, "This transfer coding is not supported here."),
    "bad_key": (
        400,
        "The Idempotency-Key is one text of 1 to 255 visible ASCII characters, with quotes around it or without.",
    ),
    "key_reused": (422, "This Idempotency-Key was used before, for another request or by somebody else."),
    "key_in_use": (409, "The first request with this Idempotency-Key is still being worked on."),
    "key_in_doubt": (
        409,
        "It is not known whether the first request with this Idempotency-Key was carried out. It is not done again.",
    ),
    "answer_not_kept": (
        409,
        "The first request with this Idempotency-Key was answered, by more than is kept. It is not done again.",
    ),
    "keys_unavailable": (
        503,
        "It cannot be looked up just now whether this request came before. Nothing was sent, so it is safe to try again.",
    ),
    "version": (505, "Only HTTP/1.0 and HTTP/1.1 are spoken here."),
}
"""Every reason for which the gateway itself answers, with its status and what a person is told."""

UNASKED = frozenset({"no_instance", "unreachable", "circuit_open", "overloaded"})
"""Reasons that mean that nothing has been carried out, so that another answer may stand in for ours."""
FALLBACK = b"Mainstay-Fallback: "
"""Tells that an answer stands in for the service's own: `static`, or the name of the service that gave it."""

RETRIED = (429, 503)
"""Statuses that mean "later", so that such an answer says when (RFC 9110 §10.2.3, RFC 6585 §4)."""
LATER = ("key_in_use",)
"""Reasons that mean the same, with statuses that do not."""
REST = 1.0
"""Seconds after which to ask again when nothing better is known: about a restart."""

_HTML = (
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    "<title>{status} {phrase}</title><style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;"
    "margin:18vh auto;padding:0 1rem;color:#223}}h1{{font-size:1.25rem}}p{{color:#445}}</style>"
    "<h1>{status} {phrase}</h1><p>{text}</p>"
)


def body_size(answer: bytes) -> int:
    """Give the bytes of an answer's body."""
    return len(answer) - answer.index(b"\r\n\r\n") - 4


def answer(  # noqa: PLR0913 - all by name, all but one with a default
    reason: str,
    *,
    html: bool = False,
    close: bool = False,
    retry_after: float | None = None,
    head: bool = False,
    date: bytes = b"",
    more: Sequence[bytes] = (),
) -> bytes:
    """Write the whole answer for a reason (a key of `REASONS`).

    Args:
        reason: Why we answer ourselves.
        html: The client prefers a page to JSON.
        close: Announce that the connection ends with this answer.
        retry_after: Seconds after which another try makes sense, if that is known; told where the status is
            one of `RETRIED`, or the reason one of `LATER`.
        head: The request was HEAD, so the body is left out (RFC 9110 §9.3.2).
        date: The `Date` line (RFC 9110 §6.6.1).
        more: Other lines; empty ones are none.
    """
    status, text = REASONS[reason]
    phrase = HTTPStatus(status).phrase
    if html:
        kind = "text/html; charset=utf-8"
        body = _HTML.format(status=status, phrase=phrase, text=text).encode()
    else:
        kind = "application/json"
        body = json.dumps({"status": status, "error": reason, "message": text}).encode() + b"\n"
    lines = [
        f"HTTP/1.1 {status} {phrase}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        f"Mainstay-Reason: {reason}",
    ]
    if status in RETRIED or reason in LATER:
        lines.append(f"Retry-After: {_seconds(retry_after)}")
    if close:
        lines.append("Connection: close")
    told = [line.encode() for line in lines]
    told += filter(None, (date, *more))
    told.append(b"\r\n" if head else b"\r\n" + body)
    return b"\r\n".join(told)


def instead(  # noqa: PLR0913 - all by name
    fallback: "Fallback",
    reason: str,
    *,
    close: bool,
    retry_after: float | None,
    head: bool,
    date: bytes,
    more: Sequence[bytes] = (),
) -> bytes:
    """Write the whole answer that a service has for when it cannot be asked; arguments as in `answer`."""
    body = fallback.body.encode()
    lines = [
        f"HTTP/1.1 {fallback.status} {HTTPStatus(fallback.status).phrase}".encode(),
        b"Content-Type: " + fallback.type.encode(),
        b"Content-Length: %d" % len(body),
        b"Cache-Control: no-store",
        b"Mainstay-Reason: " + reason.encode(),
        FALLBACK + b"static",
    ]
    if fallback.status in RETRIED:
        lines.append(b"Retry-After: %d" % _seconds(retry_after))
    if close:
        lines.append(b"Connection: close")
    lines += filter(None, (date, *more))
    return b"\r\n".join([*lines, b"\r\n" if head else b"\r\n" + body])


def redirect(
    status: int, location: bytes, *, close: bool = False, date: bytes = b"", more: Sequence[bytes] = ()
) -> bytes:
    """Write the whole answer that sends a client elsewhere (RFC 9110 §15.4); it has no body.

    Args:
        status: How.
        location: Where, as it stands in `Location`.
        close: Announce that the connection ends with this answer.
        date: The `Date` line.
        more: Other lines; empty ones are none.
    """
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode(),
        b"Location: " + location,
        b"Content-Length: 0",
        b"Mainstay-Reason: redirect",
    ]
    if close:
        lines.append(b"Connection: close")
    lines += filter(None, (date, *more))
    return b"\r\n".join([*lines, b"\r\n"])


def _seconds(retry_after: float | None) -> int:
    """Give the whole seconds after which to ask again, at least one."""
    return max(1, math.ceil(REST if retry_after is None else retry_after))
