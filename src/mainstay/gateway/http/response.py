"""HOT. Heads of answers: what cannot be passed on, and what the client gets in which words.

The first line is read here, by the letter of RFC 9112 §4; the fields are read by the parser, and judged here.
"""

import re
from collections.abc import Collection, Sequence
from time import time

from mainstay.gateway.http.date import until
from mainstay.gateway.http.grammar import (
    CHUNKED,
    CLOSES,
    DIGITS,
    NONE,
    REMEMBERED,
    STAYS,
    TEXT,
    fields,
    length,
    tokens,
    unlisted,
)

Headers = Sequence[tuple[bytes, bytes]]

# What a name asks for. Anything not in this table is passed on.
_LENGTH, _CODING, _CONNECTION, _DROP, _DATE, _RETRY, _KEEP, _HSTS, _ID, _UPGRADE = range(10)

_KINDS: dict[bytes, int] = {
    b"content-length": _LENGTH,
    b"transfer-encoding": _CODING,
    b"connection": _CONNECTION,
    b"keep-alive": _KEEP,
    b"date": _DATE,
    b"retry-after": _RETRY,
    b"strict-transport-security": _HSTS,
    b"x-request-id": _ID,
    b"proxy-connection": _DROP,
    b"te": _DROP,
    b"upgrade": _UPGRADE,
    b"trailer": _DROP,
}
SWITCHING = 101
"""The status by which an instance goes over to another protocol (RFC 9110 §15.2.2)."""
_UPGRADE_REQUIRED = 426
# The phrase may be left out with its space, as some instances do.
_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([^\r\n]*))?\r\n")
_PHRASE = re.compile(rb"%b*" % TEXT)
_LONGEST_LINE = 64

_LONGEST = 1024
_MOST = 1024

_passed: set[bytes] = set()
_first_lines: dict[bytes, tuple[int, bool, bytes]] = {}
_once: set[int] = set()
_again: "dict[bytes, Response]" = {}


def first_line(raw: bytes) -> tuple[int, bool, bytes] | None:
    """Read a status line: the status, whether it is HTTP/1.1, and the line that the client gets.

    Args:
        raw: It, from its first byte to its CRLF.
    """
    known = _first_lines.get(raw)
    if known is not None:
        return known
    line = _LINE.fullmatch(raw)
    if line is None:
        return None
    # A phrase means nothing (RFC 9112 §4), so one that may not stand there is left out.
    phrase = line[3] if line[3] and _PHRASE.fullmatch(line[3]) else b""
    read = (int(line[2]), line[1] == b"1", b"HTTP/1.1 %b %b" % (line[2], phrase))
    if len(_first_lines) < REMEMBERED and len(raw) <= _LONGEST_LINE:
        _first_lines[raw] = read
    return read


class Response:
    """The head of an instance's answer, and the lines that the client gets of it."""

    __slots__ = (
        "dated",
        "fault",
        "first",
        "hsts",
        "http11",
        "keep_alive",
        "keep_for",
        "length",
        "lines",
        "named",
        "retry_after",
        "status",
        "upgrade",
    )

    def __init__(self, status: int, first: bytes, *, http11: bool = True) -> None:
        self.status = status
        self.first = first
        self.http11 = http11
        self.keep_alive = http11
        self.length = NONE
        self.dated = False
        self.fault = False
        self.hsts = False
        """It says itself that TLS alone is to be used."""
        self.retry_after: bytes | None = None
        self.keep_for: float | None = None
        """How long the instance says it keeps the connection when idle, in seconds."""
        self.named = False
        """It has a request id of its own."""
        self.upgrade: tuple[bytes, ...] = ()
        """Protocols, in small letters, that the instance goes over to, or would (RFC 9110 §7.8)."""
        self.lines: list[bytes] = []

    @classmethod
    def read(cls, raw: bytes, date: bytes, *, to_head: bool) -> "Response | None":
        """Read a head; None: it cannot be passed on.

        An instance that has much to do says the same many times in a second. What is the same byte by byte
        need not be understood anew.

        Args:
            raw: It, from its first byte to the empty line.
            date: A `Date` line for an answer that has none (RFC 9110 §6.6.1).
            to_head: It answers a HEAD request.
        """
        known = _again.get(raw)
        if known is not None and not to_head:
            return known.again()
        end = raw.index(b"\n") + 1
        first = first_line(raw[:end])
        if first is None:
            return None
        headers = fields(raw[end:])
        if headers is None:
            return None
        status, http11, line = first
        response = cls(status, line, http11=http11)
        # RFC 9112 §6.3: no body follows these, whatever the fields say.
        response.judge(headers, date, bodiless=to_head or status in (204, 304) or status < 200)  # noqa: PLR2004
        if response.fault:
            return None
        if response.dated and not to_head and len(raw) <= _LONGEST:
            _remember(raw, response)
        return response

    def again(self) -> "Response":
        """Give an answer whose head is the same."""
        response = Response(self.status, self.first, http11=self.http11)
        response.keep_alive = self.keep_alive
        response.hsts, response.named = self.hsts, self.named
        response.keep_for = self.keep_for
        response.length = self.length
        response.upgrade = self.upgrade
        response.lines = self.lines[:]
        response.retry_after = self.retry_after
        return response

    def judge(  # noqa: C901, PLR0912, PLR0915 - a branch for each kind
        self, headers: Headers, date: bytes, *, bodiless: bool
    ) -> None:
        """Check the fields and write the lines the client gets."""
        listed: list[bytes] = []
        told: bytes | None = None
        closes = False
        ours = date
        lines = self.lines
        for name, value in headers:
            if name in _passed:
                lines.append(b": ".join((name, value)))
                continue
            kind = _KINDS.get(name.lower())
            if kind is None:
                lines.append(b": ".join((name, value)))
                if len(_passed) < REMEMBERED:
                    _passed.add(name)
            elif kind == _DATE:
                date = b""
                self.dated = True
                lines.append(b": ".join((name, value)))
            elif kind == _LENGTH:
                if told is not None:
                    self.fault = True
                told = value.strip(b" \t")
            elif kind == _CODING:
                # RFC 9112 §6.1: before 1.1 such a length cannot be trusted.
                if value.strip(b" \t").lower() != b"chunked" or self.length == CHUNKED or not self.http11:
                    self.fault = True
                self.length = CHUNKED
            elif kind == _CONNECTION:
                if value in CLOSES:
                    closes = True
                elif value not in STAYS or not self.http11:
                    listed.extend(tokens(value))
            elif kind == _RETRY:
                self.retry_after = value.strip(b" \t")
                lines.append(b": ".join((name, value)))
            elif kind == _ID:
                self.named = True
                lines.append(b": ".join((name, value)))
            elif kind == _KEEP:
                self.keep_for = _keep_alive(value)
            elif kind == _HSTS:
                self.hsts = True
                lines.append(b": ".join((name, value)))
            elif kind == _UPGRADE:
                self.upgrade += tuple(token for token in tokens(value) if token)
        if listed:
            if b"keep-alive" in listed:
                self.keep_alive = True  # RFC 9112 §9.3: what comes before 1.1 must say so
            closes = closes or b"close" in listed
            lines[:] = unlisted(lines, listed)
            if self.upgrade and self.status == _UPGRADE_REQUIRED:
                self.upgrade_to(self.upgrade)
            if b"date" in listed:
                date = ours
                self.dated = False
        if closes:
            self.keep_alive = False
        if date:
            lines.append(date)
        self._frame(told, bodiless=bodiless)

    def _frame(self, told: bytes | None, *, bodiless: bool) -> None:
        """Tell the length in one way, and in none where there may be none (RFC 9110 §8.6)."""
        if told is not None:
            try:
                count = length(told)
            except ValueError:
                self.fault = True
                return
            if self.length == CHUNKED:
                self.fault = True
            self.length = count
            if not bodiless or (self.status >= 200 and self.status != 204):  # noqa: PLR2004 - RFC 9110 §8.6
                self.lines.append(b"Content-Length: %d" % count)
        if bodiless:
            self.length = 0

    def upgrade_to(self, protocols: Collection[bytes]) -> None:
        """Tell the client which protocols it should offer (RFC 9110 §15.5.22), or goes over to now."""
        self.lines.append(b"Connection: upgrade\r\nUpgrade: " + b", ".join(protocols))

    def head(self) -> bytes:
        """Write the head that the client gets."""
        self.lines.append(b"\r\n")
        return b"\r\n".join((self.first, *self.lines))

    def name(self, line: bytes) -> None:
        """Have the client told this request id, and no other."""
        if self.named:
            self.lines[:] = [one for one in self.lines if not one.lower().startswith(b"x-request-id:")]
        self.lines.append(line)

    def seconds_to_wait(self) -> float | None:
        """Give `Retry-After` in seconds from now, whether it was told so or as a date (RFC 9110 §10.2.3)."""
        value = self.retry_after
        if not value:
            return None
        if value.isdigit():
            return float(length(value)) if len(value) <= DIGITS else None
        return until(value, time())


def _remember(raw: bytes, response: Response) -> None:
    """Remember what comes for the second time: most of what has a tag or a cookie of its own never does."""
    mark = hash(raw)
    if mark not in _once:
        if len(_once) >= REMEMBERED:
            _once.clear()
        _once.add(mark)
        return
    if len(_again) >= _MOST:
        _again.clear()
    _again[raw] = response.again()


def _keep_alive(value: bytes) -> float | None:
    for part in tokens(value):
        if part.startswith(b"timeout="):
            seconds = part[8:]
            if seconds.isdigit() and len(seconds) <= DIGITS:
                return float(int(seconds))
    return None
