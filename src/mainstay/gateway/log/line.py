"""The lines of an access log, in JSON or in the format that Apache and nginx call combined.

What a stranger sent is never written raw: control bytes, quotes and whatever is not ASCII are escaped, and
long values are cut, so that a request can neither forge a line nor fill the disk.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from time import gmtime
from typing import NamedTuple

LONGEST = 2048
"""Characters of a target that are written; of other values fewer."""
_LONGEST_HEADER = 512
_CLIENT_LEFT = 499
"""What nginx writes for a request that its client gave up: no status was sent."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNSAFE = re.compile(r"[^ !#-\[\]-~]")


class Entry(NamedTuple):
    """What is known of a request at its end; times are monotonic seconds."""

    listener: str
    client: str
    service: str | None
    instance: str | None
    """Where the last attempt was made."""
    attempts: int
    method: bytes
    """Empty when no request was understood."""
    target: bytes
    http11: bool
    status: int
    """0 when the client left before there was one."""
    received: int
    """Bytes of the request's body."""
    sent: int
    """Bytes of the answer's body."""
    began: float
    asked: float | None
    """When the last attempt was sent to an instance."""
    answered: float | None
    """When the head of the answer came that is passed on."""
    ended: float
    reason: str | None
    """Why we answered ourselves, or cut the answer."""
    cancelled: bool
    """The client left before the end."""
    headers: list[bytes] | None
    """Lines of the request's head, if the format needs some of them."""
    request_id: bytes = b""
    trace: bytes = b""
    """Ids; empty without tracing."""
    tunnel: bool = False
    """It was a tunnel: a TCP connection, or one that went over to another protocol."""


Format = Callable[[Entry, float], str]
"""Writes an entry as a line; the second argument added to a monotonic time is seconds since 1970."""


def as_json(entry: Entry, shift: float) -> str:
    """Write a line of JSON."""
    ended, began = entry.ended, entry.began
    wall = began + shift
    return _JSON % (
        _iso(int(wall)),
        wall % 1 * 1000,
        _text(entry.client),
        entry.listener,
        _name(entry.service),
        _name(entry.instance),
        entry.attempts,
        _bytes(entry.method, _LONGEST_HEADER),
        _bytes(entry.target, LONGEST),
        entry.status or "null",
        entry.received,
        entry.sent,
        ended - began,
        _seconds(began, entry.answered),
        _seconds(entry.asked, ended),
        "true" if entry.attempts > 1 else "false",
        _name(entry.reason),
        "true" if entry.cancelled else "false",
        _name(entry.request_id.decode() or None),
        _name(entry.trace.decode() or None),
        "true" if entry.tunnel else "false",
    )


_FIELDS = (
    ("time", '"%s.%03dZ"'),
    ("client", "%s"),
    ("listener", '"%s"'),
    ("service", "%s"),
    ("instance", "%s"),
    ("attempts", "%d"),
    ("method", "%s"),
    ("target", "%s"),
    ("status", "%s"),
    ("bytes_in", "%d"),
    ("bytes_out", "%d"),
    ("duration", "%.6f"),
    ("first_byte", "%s"),
    ("upstream", "%s"),
    ("retried", "%s"),
    ("reason", "%s"),
    ("cancelled", "%s"),
    ("request_id", "%s"),
    ("trace_id", "%s"),
    ("tunnel", "%s"),
)
FIELDS = tuple(name for name, _ in _FIELDS)
"""The fields of a line of JSON; all of them are in each."""
_JSON = "{" + ",".join(f'"{name}":{form}' for name, form in _FIELDS) + "}\n"


def as_combined(entry: Entry, shift: float) -> str:
    """Write a line of the combined format, in UTC: neither identity nor user is known."""
    request = "-"
    if entry.method:
        version = "1.1" if entry.http11 else "1.0"
        request = (
            f"{_escaped(entry.method, _LONGEST_HEADER)} {_escaped(entry.target, LONGEST)} HTTP/{version}"
        )
    referer, agent = _two(entry.headers or [])
    return (
        f"{_escaped(entry.client.encode(), _LONGEST_HEADER)} - - [{_clf(int(entry.began + shift))}] "
        f'"{request}" {entry.status or _CLIENT_LEFT} {entry.sent or "-"} "{referer}" "{agent}"\n'
    )


FORMATS: dict[str, Format] = {"json": as_json, "combined": as_combined}
"""By the names that the system file has for them."""


@lru_cache(maxsize=64)
def _iso(second: int) -> str:
    """Write a second, as RFC 3339 does; lines come in crowds of the same one."""
    year, month, day, hour, minute, rest, *_ = gmtime(second)
    return f"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{rest:02}"


@lru_cache(maxsize=64)
def _clf(second: int) -> str:
    """Write a second, as Apache does."""
    year, month, day, hour, minute, rest, *_ = gmtime(second)
    return f"{day:02}/{_MONTHS[month - 1]}/{year}:{hour:02}:{minute:02}:{rest:02} +0000"


def _seconds(since: float | None, until: float | None) -> str:
    return "null" if since is None or until is None else f"{until - since:.6f}"


def _name(name: str | None) -> str:
    return "null" if name is None else f'"{name}"'


def _bytes(value: bytes, longest: int) -> str:
    return _text(_cut(value.decode("latin-1"), longest)) if value else "null"


def _text(value: str) -> str:
    # It leaves the one control byte of ASCII that JSON allows.
    text = encode_basestring_ascii(value)
    return text.replace("\x7f", "\\u007f") if "\x7f" in text else text


def _escaped(value: bytes, longest: int) -> str:
    """Escape as Apache does."""
    return _UNSAFE.sub(_escape, _cut(value.decode("latin-1"), longest))


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return "\\" + character if character in '"\\' else f"\\x{ord(character):02x}"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}..."


def _two(lines: list[bytes]) -> tuple[str, str]:
    """Give Referer and User-Agent, or dashes."""
    referer = agent = "-"
    for line in lines:
        name, _, value = line.partition(b":")
        if len(name) == 7 and name.lower() == b"referer":  # noqa: PLR2004 - its length
            referer = _escaped(value.strip(b" \t"), _LONGEST_HEADER) or "-"
        elif len(name) == 10 and name.lower() == b"user-agent":  # noqa: PLR2004 - its length
            agent = _escaped(value.strip(b" \t"), _LONGEST_HEADER) or "-"
    return referer, agent
