"""HOT. Heads of requests: what is refused, and what an instance gets in which words.

Names are compared in lower case and passed on as they came. The first line is read here, by the letter
of RFC 9112 §3; the fields are read by the parser, and judged here.
"""

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from mainstay.gateway.http.grammar import (
    CHUNKED,
    CLOSES,
    DIGITS,
    NONE,
    REMEMBERED,
    STAYS,
    TOKEN,
    fields,
    is_host,
    length,
    tokens,
    unlisted,
)
from mainstay.tolerance.retry import IDEMPOTENT_METHODS

if TYPE_CHECKING:
    from mainstay.gateway.proxies import Believed, Told

Headers = Sequence[tuple[bytes, bytes]]

# What a name asks for. Anything not in this table is passed on.
(
    _HOST,
    _LENGTH,
    _CODING,
    _CONNECTION,
    _EXPECT,
    _ACCEPT,
    _DROP,
    _KEY,
    _VIA,
    _MAX_FORWARDS,
    _UPGRADE,
    _TOLD,
    _CLAIM,
    _CONTEXT,
    _DEADLINE,
) = range(15)

_KINDS: dict[bytes, int] = {
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
    b"upgrade": _UPGRADE,
    b"http2-settings": _DROP,
    b"trailer": _DROP,
    # Only what we saw ourselves is told to the instance, or what a trusted proxy says: a client could claim anything.
    b"forwarded": _TOLD,
    b"x-forwarded-for": _TOLD,
    b"x-forwarded-host": _TOLD,
    b"x-forwarded-port": _TOLD,
    b"x-forwarded-prefix": _TOLD,
    b"x-forwarded-proto": _TOLD,
    b"x-real-ip": _DROP,
    b"mainstay-attempt": _DROP,
    b"mainstay-deadline-ms": _DEADLINE,
    b"client-cert": _CLAIM,
    b"client-cert-chain": _CLAIM,
    b"true-client-ip": _CLAIM,
    b"x-client-ip": _CLAIM,
    b"x-cluster-client-ip": _CLAIM,
    b"x-original-forwarded-for": _CLAIM,
    b"x-envoy-external-address": _CLAIM,
    b"cf-connecting-ip": _CLAIM,
    b"cf-connecting-ipv6": _CLAIM,
    b"fastly-client-ip": _CLAIM,
    # CVE-2016-5385: programs that speak CGI take it for the proxy that they are to go through themselves.
    b"proxy": _DROP,
}
_CLAIMS = (b"x-forwarded-", b"x-client-cert", b"x-ssl-client-", b"ssl-client-")
"""Beginnings of names by which proxies say who a client is; of strangers none is passed on."""
# One space between the parts, no fragment, and of the bytes beyond the RFC's what browsers leave as it is.
_LINE = re.compile(rb"(%b) ([!\"\x24-\x7e]+) HTTP/([0-9]\.[0-9])\r\n" % TOKEN)
_VERSIONS = {b"1.1": True, b"1.0": False}
_BEGINNING = re.compile(rb"%b(?: |\Z)" % TOKEN)
_METHODS = frozenset(
    b"GET HEAD POST PUT DELETE OPTIONS PATCH ACL BIND CHECKOUT COPY LINK LOCK M-SEARCH MERGE MKACTIVITY "
    b"MKCALENDAR MKCOL MOVE NOTIFY PROPFIND PROPPATCH PURGE QUERY REBIND REPORT SEARCH SOURCE SUBSCRIBE "
    b"UNBIND UNLINK UNLOCK UNSUBSCRIBE".split(b" ")
)
"""What is passed on: the registered methods (RFC 9110 §16.1.2) that ask for no tunnel and no echo, and
a few that are common without."""
# OPTIONS may have come to its last hop, which its fields tell.
_PLAIN_METHODS = _METHODS - {b"OPTIONS"}
_ABSOLUTE = re.compile(rb"http(s?)://([^/?#]*)([^#]*)", re.IGNORECASE)
_HOST_AND_PORT = re.compile(rb"[^/?@]+:[0-9]+")


class Words:
    """What the names of fields ask for."""

    __slots__ = ("anyone", "kinds", "passed")

    def __init__(self, kinds: dict[bytes, int], *, anyone: bool = False) -> None:
        self.kinds = kinds
        self.anyone = anyone
        """Everybody is believed who says what a request is called."""
        # Names of fields that are just passed on, in the very bytes they came in: most names of most requests are
        # among a few dozen, and looking one up costs a third of judging it. Bounded, as strangers choose them.
        self.passed: set[bytes] = set()

    def unknown(self, name: bytes) -> int | None:
        """Judge a name that is none of the kinds.

        CGI and its heirs take `X_Forwarded_For`, with underscores, for what only we may set.
        """
        if b"_" not in name:
            return _CLAIM if name.startswith(_CLAIMS) else None
        plain = name.replace(b"_", b"-")
        return _DROP if plain in self.kinds or plain.startswith(_CLAIMS) else None


OFFERS = "offers"
"""What stands in place of a fault in a request that offers other protocols: it has to be looked at as well."""
PLAIN = Words(_KINDS)
_TRACED = _KINDS | dict.fromkeys((b"x-request-id", b"traceparent", b"tracestate"), _CONTEXT)
TRACED = {"trusted": Words(_TRACED), "anyone": Words(_TRACED, anyone=True)}
"""Likewise where it is we who say what requests are called, unless these do."""


def forwarded_for(
    peer: bytes, name: bytes = b"mainstay", scheme: bytes = b"http", more: bytes = b""
) -> bytes:
    """Write what an instance is told of a client: from our name in `Via` to where the host it asked for follows.

    Args:
        peer: The client's address.
        name: Ours.
        scheme: What it speaks.
        more: Further lines, each with its end.
    """
    lines = b"%b\r\nX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n%bX-Forwarded-Host: "
    return lines % (name, peer, scheme, more)


def of_attempt(attempt: int, seconds: float) -> bytes:
    """Write what an instance is told of an attempt, which ends the head: its number, and how long it is waited for."""
    return b"Mainstay-Attempt: %d\r\nMainstay-Deadline-Ms: %d\r\n\r\n" % (attempt, seconds * 1000)


def too_large(raw: bytes, most: int) -> str:
    """Say what is too large of a head, or of the beginning of one, that has more than `most` bytes."""
    line = raw.find(b"\r\n")
    return "uri_too_long" if (line if line >= 0 else len(raw)) > most // 2 else "head_too_large"


def may_begin(raw: bytes) -> bool:
    """Tell whether this may be the beginning of a request: what is not even that need not be waited for."""
    line, end, _ = raw.partition(b"\r\n")
    return _LINE.fullmatch(line + end) is not None if end else _BEGINNING.match(raw) is not None


class Request:
    """One request as it was read, and its head as an instance gets it."""

    __slots__ = (
        "_aim",
        "_extra",
        "_tail",
        "block",
        "body",
        "client",
        "complete",
        "context",
        "expects",
        "fault",
        "host",
        "html",
        "http11",
        "idempotent",
        "keep_alive",
        "keyed",
        "length",
        "method",
        "offers",
        "patience",
        "secure",
        "size",
        "target",
        "whole",
        "words",
    )

    def __init__(self, method: bytes, target: bytes, *, http11: bool) -> None:
        self.method = method
        self.target = target
        self.host = b""
        self.client: str | None = None
        """Who asks, where a trusted proxy says so; otherwise the connection's other end."""
        self.secure: bool | None = None
        """Whether it came by https to that proxy; otherwise as this connection is."""
        self.http11 = http11
        self.keep_alive = http11
        self.idempotent = method in IDEMPOTENT_METHODS
        self.keyed = False
        self.length = NONE
        self.expects = False
        self.html = False
        self.offers: tuple[bytes, ...] = ()
        """Protocols, in small letters, that the client would go over to with this request (RFC 9110 §7.8)."""
        self.fault: str | None = None
        self.block = b""
        """Its field lines, if what they say is the same for every request of its connection that has them."""
        self.words = PLAIN
        """What they were judged by."""
        # What an instance gets: the target, what follows the host, and what was added for this request alone.
        self._aim = target
        self._tail = b""
        self._extra = b""
        # Seconds that whoever asks waits for the answer, if that is told.
        self.patience: float | None = None
        # What it is called by somebody who is believed.
        self.context: list[tuple[bytes, bytes]] | None = None
        # The body so far; `whole` turns false when its beginning is no longer kept.
        self.body: list[bytes] = []
        self.size = 0
        self.whole = True
        self.complete = False

    @classmethod
    def read(  # noqa: PLR0913 - what is known of the connection that it came on
        cls,
        raw: bytes,
        most: int,
        forwarded: bytes,
        believed: "Believed | None" = None,
        words: Words = PLAIN,
        *,
        secure: bool = False,
        model: "Request | None" = None,
    ) -> "Request":
        """Read a head; `fault` tells what is wrong with it.

        Args:
            raw: It, from its first byte to the empty line.
            most: Fields that it may have.
            forwarded: What `forwarded_for` wrote for the client.
            believed: The connection's other end, if that is a proxy which may tell who the client is.
            words: What the names of its fields ask for.
            secure: Whether it came over TLS.
            model: One before it on its connection: most clients say the same each time, and what is the
                same byte by byte need not be understood anew.
        """
        line = _LINE.match(raw)
        if line is None:
            return cls.refused("bad_request")
        method, target, version = line.groups()
        block = raw[line.end() :]
        plain = version == b"1.1" and target[:1] == b"/" and method in _PLAIN_METHODS
        if plain and model is not None and block == model.block and words is model.words:
            return model.again(method, target)
        http11 = _VERSIONS.get(version)
        if http11 is None:
            return cls.refused("version", method, target)
        if method not in _METHODS:
            return cls.refused(_unknown(method, target), method, target)
        request = cls(method, target, http11=http11)
        headers = fields(block)
        if headers is None:
            request.fault = "bad_request"
        elif len(headers) > most:
            request.fault = "head_too_large"
        else:
            request.judge(headers, forwarded, believed, words, secure=secure)
            if plain and request.fault is None and request.length == NONE and not request.expects:
                request.block, request.words = block, words
        return request

    def again(self, method: bytes, target: bytes) -> "Request":
        """Give a request that says of itself what this one says, which has a `block`."""
        request = Request(method, target, http11=True)
        request.block, request.words = self.block, self.words
        request.client, request.secure = self.client, self.secure
        request.context, request.patience = self.context, self.patience
        request.host = self.host
        request.html = self.html
        request.keep_alive = self.keep_alive
        request.keyed = self.keyed
        request.complete = True
        request._tail = self._tail
        return request

    @classmethod
    def refused(cls, fault: str, method: bytes = b"", target: bytes = b"") -> "Request":
        """Give what stands for bytes that are no request, with what of them was understood."""
        request = cls(method, target, http11=True)
        request.fault = fault
        return request

    def judge(  # noqa: C901, PLR0912, PLR0915 - a branch for each kind
        self,
        headers: Headers,
        forwarded: bytes,
        believed: "Believed | None" = None,
        words: Words = PLAIN,
        *,
        secure: bool = False,
    ) -> None:
        """Check the fields and write the lines an instance gets."""
        told: Told | None = [] if believed is not None else None
        host: bytes | None = None
        hosts = hops = 0
        offered = b""
        listed: list[bytes] = []
        lines: list[bytes] = []
        kinds, passed = words.kinds, words.passed
        for name, value in headers:
            if name in passed:
                lines.append(b": ".join((name, value)))
                continue
            lower = name.lower()
            kind = kinds.get(lower)
            if kind is None:
                kind = words.unknown(lower)
            if kind is None:
                lines.append(b": ".join((name, value)))
                if len(passed) < REMEMBERED:
                    passed.add(name)
            elif kind == _HOST:
                host = value.strip(b" \t")
                hosts += 1
            elif kind == _ACCEPT:
                self.html = b"text/html" in value
                lines.append(b": ".join((name, value)))
            elif kind == _CONNECTION:
                if self.http11 and value in CLOSES:
                    self.keep_alive = False
                elif value not in STAYS or not self.http11:
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
                    self.fault = self.fault or "loop"
                lines.append(b": ".join((name, value)))
            elif kind == _MAX_FORWARDS:
                lines.append(self._one_hop_less(name, value.strip(b" \t"), hops))
                hops += 1
            elif kind == _DEADLINE and believed is not None:
                self.patience = _seconds(value.strip(b" \t"))
            elif kind == _CONTEXT and (believed is not None or words.anyone):
                self.context = [*(self.context or ()), (lower, value)]
            elif kind == _EXPECT and self.http11:
                self._expect(value.strip(b" \t"))
            elif kind == _UPGRADE:
                offered = offered + b"," + value if offered else value
            elif kind == _TOLD and told is not None:
                told.append((lower, value))
            elif kind == _CLAIM and believed is not None:
                lines.append(b": ".join((name, value)))
        shown = self.host = self._meant(host, hosts, secure=secure) or b""
        if believed is not None and told is not None:
            forwarded, shown = believed.introduce(self, told)
        if self.fault is None:
            self._finish(lines, listed, forwarded + shown)
            if offered and listed:
                self._offer(offered, listed)

    def _offer(self, offered: bytes, listed: list[bytes]) -> None:
        """Note which other protocols are offered, by a request that has nothing behind it."""
        if self.http11 and b"upgrade" in listed and self.complete:
            self.fault = OFFERS
            self.offers = tuple(token for token in tokens(offered) if token)

    def offer(self, allowed: Collection[bytes]) -> None:
        """Pass on the offer of such protocols as are allowed, by a request that can be repeated, and of no others."""
        self._extra = self._extra.removesuffix(_offer(self.offers))
        self.offers = tuple(token for token in self.offers if token in allowed and self.method == b"GET")
        self._extra += _offer(self.offers)

    def _one_hop_less(self, name: bytes, value: bytes, before: int) -> bytes:
        """Count this hop where hops are counted (RFC 9110 §7.6.2); elsewhere the field means nothing."""
        if self.method == b"OPTIONS":
            if not value.isdigit() or len(value) > DIGITS or before:
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
        # RFC 9112 §6.3: never both, and never two, even if they are the same.
        if self.length != NONE:
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

    def _expect(self, value: bytes) -> None:
        self.expects = True
        if value.lower() != b"100-continue":
            self.fault = self.fault or "expectation"

    def _meant(self, host: bytes | None, hosts: int, *, secure: bool) -> bytes | None:
        """Check target and Host, and give the host that is meant."""
        target = self.target
        absolute = _ABSOLUTE.fullmatch(target) if target[:1] not in (b"/", b"*") else None
        if absolute is not None:
            # RFC 9112 §3.2.2: the target's authority replaces Host.
            if bool(absolute[1]) is not secure:
                # RFC 9110 §7.4: what is to be secret is not answered where it is not.
                self.fault = self.fault or "misdirected"
            if not absolute[2] or (host is not None and not is_host(host)):
                self.fault = "bad_host"
            host = absolute[2] if hosts or not self.http11 else None
            path = absolute[3]
            self.target = path if path[:1] == b"/" else b"/" + path
            if self.method == b"OPTIONS" and not path:
                self.target = b"*"
            self._aim = self.target
        elif target[:1] != b"/" and not (target == b"*" and self.method == b"OPTIONS"):
            self.fault = "bad_request"
        if hosts > 1 or (not host and self.http11) or (host and not is_host(host)):
            self.fault = "bad_host"
        return host

    def _finish(self, lines: list[bytes], listed: list[bytes], forwarded: bytes) -> None:
        if listed:
            if b"close" in listed:
                self.keep_alive = False
            elif b"keep-alive" in listed and not self.http11:
                self.keep_alive = True  # RFC 9112 §9.3: what comes before 1.1 must ask to stay
            # RFC 9110 §7.6.1: what Connection lists is for us alone.
            lines = unlisted(lines, listed)
            if b"idempotency-key" in listed:
                self.keyed = False  # the instance does not get it
        lines.append((b"Via: 1.1 " if self.http11 else b"Via: 1.0 ") + forwarded)
        if self.length == CHUNKED:
            lines.append(b"Transfer-Encoding: chunked")
        elif self.length >= 0:
            lines.append(b"Content-Length: %d" % self.length)
        lines.append(b"")
        self._tail = b"\r\n".join(lines)
        self.complete = self.length in (NONE, 0)

    @property
    def lines(self) -> list[bytes]:
        """The field lines that an instance gets, but for the host."""
        return self._tail.split(b"\r\n")

    @property
    def aim(self) -> bytes:
        """The target that an instance gets."""
        return self._aim

    def retarget(self, target: bytes, line: bytes) -> None:
        """Let an instance have another target than the client asked for, and a line that says so."""
        self._aim = target
        self._extra = line + b"\r\n"

    def head(self, attempt: bytes = b"\r\n", authority: bytes = b"") -> bytes:
        """Write the head that an instance gets.

        Args:
            attempt: What `of_attempt` wrote of the attempt.
            authority: What it is told as `Host`; empty: what the client asked for.
        """
        return b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%b%b" % (
            self.method,
            self._aim,
            authority or self.host,
            self._tail,
            self._extra,
            attempt,
        )


def _offer(protocols: Collection[bytes]) -> bytes:
    """Write the lines by which protocols are offered."""
    return b"Connection: upgrade\r\nUpgrade: %b\r\n" % b", ".join(protocols) if protocols else b""


def _seconds(millis: bytes) -> float | None:
    """Read what is left until a deadline; None: what is told is no such thing."""
    return int(millis) / 1000 if millis.isdigit() and len(millis) <= DIGITS else None


def _unknown(method: bytes, target: bytes) -> str:
    """Say what is wrong with a request by a method that is not passed on."""
    # RFC 9112 §3.2.3: CONNECT has a target of its own.
    return "bad_request" if method == b"CONNECT" and not _HOST_AND_PORT.fullmatch(target) else "method"
