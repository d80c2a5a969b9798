"""HOT. Message heads: what is refused, and what is passed on in which words.

Names are compared in lower case and passed on as they came. Lengths are read digit by digit from the
wire's own bytes: `int()` takes `+5`, `5_0` and Arabic digits for numbers, and a message whose end two
parties see in different places is a smuggled message (RFC 9112 §11.2).
"""

import re
from collections.abc import Sequence

from mainstay.tolerance.retry import IDEMPOTENT_METHODS

NONE = -1
"""A body of no length told: none in a request; in a response, all until the connection ends."""
CHUNKED = -2
"""A body in chunks."""

Headers = Sequence[tuple[bytes, bytes]]

# What a name asks for. Anything not in these tables is passed on.
(
    _HOST,
    _LENGTH,
    _CODING,
    _CONNECTION,
    _EXPECT,
    _ACCEPT,
    _DROP,
    _DATE,
    _RETRY,
    _KEEP,
    _KEY,
    _VIA,
    _MAX_FORWARDS,
) = range(13)

_REQUEST_KINDS: dict[bytes, int] = {
    b"host": _HOST,
    b"content-length": _LENGTH,
    b"transfer-encoding": _CODING,
    b"connection": _CONNECTION,
    b"expect": _EXPECT,
    b"idempotency-key": _KEY,
    b"accept": _ACCEPT,
    b"via": _VIA,
    b"max-forwards": _MAX_FORWARDS,
    # RFC 9110 §7.6.1: fields for one connection only.
    b"proxy-connection": _DROP,
    b"keep-alive": _DROP,
    b"te": _DROP,
    b"upgrade": _DROP,
    b"http2-settings": _DROP,
    b"trailer": _DROP,
    # Only what we saw ourselves is told to the instance: a client could claim anything.
    b"forwarded": _DROP,
    b"x-forwarded-for": _DROP,
    b"x-forwarded-host": _DROP,
    b"x-forwarded-port": _DROP,
    b"x-forwarded-proto": _DROP,
    b"x-real-ip": _DROP,
}
_RESPONSE_KINDS: dict[bytes, int] = {
    b"content-length": _LENGTH,
    b"transfer-encoding": _CODING,
    b"connection": _CONNECTION,
    b"keep-alive": _KEEP,
    b"date": _DATE,
    b"retry-after": _RETRY,
    b"proxy-connection": _DROP,
    b"te": _DROP,
    b"upgrade": _DROP,
    b"trailer": _DROP,
}
# reg-name, IPv4 or [IPv6], with an optional port (RFC 9110 §4.2, RFC 3986 §3.2)
_AUTHORITY = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?"
)
_ABSOLUTE = re.compile(rb"http(s?)://([^/?#]*)([^#]*)", re.IGNORECASE)
_MAX_DIGITS = 18
# Every byte that a target may have (beyond the RFC's, what browsers leave as it is); `#` would begin a
# fragment, which is nobody's business but the client's.
_TARGET_BYTES = bytes(byte for byte in range(0x21, 0x7F) if byte not in b"#")
# What a reason phrase may have (RFC 9112 §4).
_REASON_BYTES = b"\t" + bytes(byte for byte in range(0x20, 0x100) if byte != 0x7F)  # noqa: PLR2004 - DEL
# What Connection says nearly always, and what asks nothing of us: how long it stays, the parser tells.
_USUAL = frozenset({b"keep-alive", b"close", b"Keep-Alive", b"Close"})

# Names of fields that are just passed on, in the very bytes they came in: most names of most requests are
# among a few dozen, and looking one up costs a third of judging it. Bounded, as strangers choose the names.
_REMEMBERED = 4096
_passed_to_instances: set[bytes] = set()
_passed_to_clients: set[bytes] = set()
_sound_hosts: set[bytes] = set()


def length(value: bytes) -> int:
    """Read a Content-Length: digits and nothing else; anything else is a `ValueError`."""
    if not value.isdigit() or len(value) > _MAX_DIGITS:
        raise ValueError
    return int(value)


def tokens(value: bytes) -> list[bytes]:
    """Give the lower-case members of a comma-separated list, without optional white space."""
    return [part.strip(b" \t").lower() for part in value.split(b",")]


def forwarded_for(peer: bytes, name: bytes = b"mainstay") -> bytes:
    """Write what an instance is told of a client: from our name in `Via` to where the host it asked for follows."""
    return b"%b\r\nX-Forwarded-For: %b\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: " % (name, peer)


class Request:
    """One request as it was read, and its head as an instance gets it."""

    __slots__ = (
        "body",
        "complete",
        "expects",
        "fault",
        "host",
        "html",
        "http11",
        "idempotent",
        "keep_alive",
        "keyed",
        "length",
        "lines",
        "method",
        "size",
        "target",
        "whole",
    )

    def __init__(self, method: bytes, target: bytes, *, http11: bool, keep_alive: bool) -> None:
        self.method = method
        self.target = target
        self.host = b""
        self.http11 = http11
        self.keep_alive = keep_alive
        self.idempotent = method in IDEMPOTENT_METHODS
        self.keyed = False
        self.length = NONE
        self.expects = False
        self.html = False
        self.fault: str | None = None
        self.lines: list[bytes] = []
        # The body so far; `whole` turns false when its beginning is no longer kept.
        self.body: list[bytes] = []
        self.size = 0
        self.whole = True
        self.complete = False

    def read(self, headers: Headers, forwarded: bytes) -> None:  # noqa: C901, PLR0912 - a branch for each kind
        """Check the head and write the lines an instance gets; `fault` tells what is wrong with it.

        Args:
            headers: As they were parsed.
            forwarded: What `forwarded_for` wrote for the client.
        """
        host: bytes | None = None
        hosts = 0
        listed: list[bytes] = []
        lines = self.lines
        for name, value in headers:
            if name in _passed_to_instances:
                lines.append(b": ".join((name, value)))
                continue
            lower = name.lower()
            kind = _REQUEST_KINDS.get(lower)
            if kind is None and b"_" in lower and lower.replace(b"_", b"-") in _REQUEST_KINDS:
                continue  # CGI and its heirs take `X_Forwarded_For` for the field that only we may set
            if kind is None:
                lines.append(b": ".join((name, value)))
                if len(_passed_to_instances) < _REMEMBERED:
                    _passed_to_instances.add(name)
            elif kind == _HOST:
                # The parser leaves white space at the end, which is no part of a value (RFC 9112 §5.1).
                host = value.strip(b" \t")
                hosts += 1
            elif kind == _ACCEPT:
                self.html = b"text/html" in value
                lines.append(b": ".join((name, value)))
            elif kind == _CONNECTION:
                if value not in _USUAL:
                    listed.extend(tokens(value))
            elif kind == _LENGTH:
                self._content_length(value.strip(b" \t"))
            elif kind == _CODING:
                self._transfer_coding(value.strip(b" \t"))
            elif kind == _KEY:
                self.keyed = bool(value.strip(b" \t"))
                lines.append(b": ".join((name, value)))
            elif kind == _VIA:
                # RFC 9110 §7.6: what has been here before would come for ever.
                if forwarded[: forwarded.index(b"\r\n")] in value:
                    self.fault = "loop"
                lines.append(b": ".join((name, value)))
            elif kind == _MAX_FORWARDS:
                lines.append(self._one_hop_less(name, value.strip(b" \t")))
            elif kind == _EXPECT and self.http11:
                self.expects = True
                if value.strip(b" \t").lower() != b"100-continue":
                    self.fault = "expectation"
        self.host = self._aim(host, hosts) or b""
        if self.fault is None:
            self._finish(self.host, listed, forwarded)

    def _one_hop_less(self, name: bytes, value: bytes) -> bytes:
        """Count this hop where hops are counted (RFC 9110 §7.6.2); elsewhere the field means nothing."""
        if self.method == b"OPTIONS":
            if not value.isdigit() or len(value) > _MAX_DIGITS:
                self.fault = "bad_request"
            elif int(value) == 0:
                self.fault = self.fault or "last_hop"
            else:
                value = b"%d" % (int(value) - 1)
        return b": ".join((name, value))

    def _content_length(self, value: bytes) -> None:
        try:
            told = length(value)
        except ValueError:
            self.fault = "bad_request"
            return
        # RFC 9112 §6.3: never both, never two that differ.
        if self.length == CHUNKED or (self.length >= 0 and self.length != told):
            self.fault = "bad_request"
        self.length = told

    def _transfer_coding(self, value: bytes) -> None:
        if self.length != NONE or not self.http11:
            self.fault = "bad_request"
        elif value.lower() != b"chunked":
            # RFC 9112 §6.1: a coding that is not understood is 501, unless framing itself is in doubt.
            *others, last = tokens(value)
            sound = last == b"chunked" and all(other not in (b"", b"chunked") for other in others)
            self.fault = "coding" if sound else "bad_request"
        self.length = CHUNKED

    def _aim(self, host: bytes | None, hosts: int) -> bytes | None:
        """Check target and Host, and give the host that is meant."""
        target = self.target
        absolute = _ABSOLUTE.fullmatch(target) if target[:1] not in (b"/", b"*") else None
        if absolute is not None:
            # RFC 9112 §3.2.2: the target's authority replaces Host.
            if absolute[1]:
                # RFC 9110 §7.4: what is to be secret is not answered where it is not.
                self.fault = self.fault or "misdirected"
            if not absolute[2] or (host is not None and not _sound(host)):
                self.fault = "bad_host"
            host = absolute[2] if hosts or not self.http11 else None
            path = absolute[3]
            self.target = path if path[:1] == b"/" else b"/" + path
            if self.method == b"OPTIONS" and not path:
                self.target = b"*"
        elif target[:1] != b"/" and not (target == b"*" and self.method == b"OPTIONS"):
            self.fault = "bad_request"
        if self.target.translate(None, _TARGET_BYTES):
            self.fault = "bad_request"
        if host is None or host not in _sound_hosts:
            if hosts > 1 or (not host and self.http11) or (host and not _sound(host)):
                self.fault = self.fault or "bad_host"
        elif hosts > 1:
            self.fault = self.fault or "bad_host"
        return host

    def _finish(self, host: bytes, listed: list[bytes], forwarded: bytes) -> None:
        lines = self.lines
        if listed:
            # RFC 9110 §7.6.1: what Connection lists is for us alone.
            lines[:] = _unlisted(lines, listed)
            if b"idempotency-key" in listed:
                self.keyed = False  # the instance does not get it
        lines.append((b"Via: 1.1 " if self.http11 else b"Via: 1.0 ") + forwarded + host)
        if self.length == CHUNKED:
            lines.append(b"Transfer-Encoding: chunked")
        elif self.length >= 0:
            lines.append(b"Content-Length: %d" % self.length)
        lines.append(b"\r\n")
        lines.insert(0, b"%b %b HTTP/1.1\r\nHost: %b" % (self.method, self.target, host))

    def head(self, authority: bytes = b"") -> bytes:
        """Write the head that an instance gets.

        Args:
            authority: What it is told as `Host`; empty: what the client asked for.
        """
        if authority:
            self.lines[0] = b"%b %b HTTP/1.1\r\nHost: %b" % (self.method, self.target, authority)
        return b"\r\n".join(self.lines)


class Response:
    """The head of an instance's answer, and the lines that the client gets of it."""

    __slots__ = ("fault", "keep_for", "length", "lines", "reason", "retry_after", "status")

    def __init__(self, status: int, reason: bytes) -> None:
        self.status = status
        self.reason = reason
        self.length = NONE
        self.fault = False
        self.retry_after: bytes | None = None
        self.keep_for: float | None = None
        """How long the instance says it keeps the connection when idle, in seconds."""
        self.lines: list[bytes] = []

    def read(self, headers: Headers, date: bytes, *, bodiless: bool) -> None:  # noqa: C901, PLR0912 - likewise
        """Check the head and write the lines the client gets.

        Args:
            headers: As they were parsed.
            date: A `Date` line for an answer that has none (RFC 9110 §6.6.1).
            bodiless: No body follows whatever the head says (RFC 9112 §6.3): HEAD, 1xx, 204, 304.
        """
        listed: list[bytes] = []
        told: bytes | None = None
        ours = date
        lines = self.lines
        for name, value in headers:
            if name in _passed_to_clients:
                lines.append(b": ".join((name, value)))
                continue
            kind = _RESPONSE_KINDS.get(name.lower())
            if kind is None:
                lines.append(b": ".join((name, value)))
                if len(_passed_to_clients) < _REMEMBERED:
                    _passed_to_clients.add(name)
            elif kind == _DATE:
                date = b""
                lines.append(b": ".join((name, value)))
            elif kind == _LENGTH:
                value = value.strip(b" \t")  # noqa: PLW2901 - the parser leaves what is no part of it
                if told is not None and told != value:
                    self.fault = True
                told = value
            elif kind == _CODING:
                if value.strip(b" \t").lower() != b"chunked" or self.length == CHUNKED:
                    self.fault = True
                self.length = CHUNKED
            elif kind == _CONNECTION:
                if value not in _USUAL:
                    listed.extend(tokens(value))
            elif kind == _RETRY:
                self.retry_after = value.strip(b" \t")
                lines.append(b": ".join((name, value)))
            elif kind == _KEEP:
                self.keep_for = _keep_alive(value)
        if told is not None:
            self._told(told)
        if listed:
            lines[:] = _unlisted(lines, listed)
            if b"date" in listed:
                date = ours
        if date:
            lines.append(date)
        if bodiless:
            if self.length >= 0 and self.status >= 200 and self.status != 204:  # noqa: PLR2004 - RFC 9110 §8.6
                lines.append(b"Content-Length: %d" % self.length)
            self.length = 0
        elif self.length >= 0:
            lines.append(b"Content-Length: %d" % self.length)

    def _told(self, value: bytes) -> None:
        try:
            told = length(value)
        except ValueError:
            self.fault = True
            return
        if self.length == CHUNKED:
            self.fault = True
        self.length = told

    def head(self) -> bytes:
        """Write the head that the client gets."""
        first = _first_lines.get((self.status, self.reason))
        if first is None:
            # A phrase means nothing (RFC 9112 §4), so one that may not stand there is left out.
            sound = not self.reason.translate(None, _REASON_BYTES)
            first = b"HTTP/1.1 %d %b" % (self.status, self.reason if sound else b"")
            if len(_first_lines) < _REMEMBERED:
                _first_lines[self.status, self.reason] = first
        self.lines.append(b"\r\n")
        return b"\r\n".join((first, *self.lines))

    def seconds_to_wait(self) -> float | None:
        """Give `Retry-After` in seconds, when it was given so."""
        value = self.retry_after
        return float(length(value)) if value and value.isdigit() and len(value) <= _MAX_DIGITS else None


_first_lines: dict[tuple[int, bytes], bytes] = {}


def _sound(host: bytes) -> bool:
    """Tell whether a host may be one, and remember those that may."""
    if host in _sound_hosts:
        return True
    if not _AUTHORITY.fullmatch(host):
        return False
    if host and len(_sound_hosts) < _REMEMBERED:
        _sound_hosts.add(host)
    return True


def _unlisted(lines: list[bytes], listed: list[bytes]) -> list[bytes]:
    """Leave out the lines whose names a Connection field lists."""
    names = frozenset(listed)
    return [line for line in lines if line[: line.index(b":")].lower() not in names]


def _keep_alive(value: bytes) -> float | None:
    for part in tokens(value):
        if part.startswith(b"timeout="):
            seconds = part[8:]
            if seconds.isdigit() and len(seconds) <= _MAX_DIGITS:
                return float(int(seconds))
    return None
