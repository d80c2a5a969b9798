"""HOT. What a client sends: bytes in, requests out, each judged before anybody works on it."""

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

import httptools

from mainstay.gateway.head import CHUNKED, NONE, Request

if TYPE_CHECKING:
    from mainstay.gateway.entrance import Entrance
    from mainstay.gateway.worker import Worker

_UNSUPPORTED = (b"CONNECT", b"TRACE")
_HTTP11 = b" HTTP/1.1\r\n"
_HTTP10 = b" HTTP/1.0\r\n"
_END = b"\r\n\r\n"
"""What ends a head, and also a body in chunks: nothing else does for this parser."""


class Reader(asyncio.Protocol):
    """The reading half of a client's connection; `ClientConnection` is the other."""

    __slots__ = (
        "_deaf",
        "_forwarded",
        "_fresh",
        "_headers",
        "_parser",
        "_raw",
        "_reading",
        "_replaying",
        "_size",
        "_tail",
        "_url",
        "entrance",
        "heard_at",
        "loop",
        "route",
        "transport",
        "worker",
    )

    def __init__(self, worker: "Worker", entrance: "Entrance") -> None:
        self.worker = worker
        self.entrance = entrance
        # Of the request that is worked on; before there is one, where such is counted.
        self.route = entrance.home
        self.loop = worker.loop
        self.transport: asyncio.Transport = None  # type: ignore[assignment] # told by connection_made
        self.heard_at = 0.0
        self._parser = httptools.HttpRequestParser(self)
        self._reading: Request | None = None
        self._headers: list[tuple[bytes, bytes]] | None = None
        self._url = b""
        # The head so far, in the very bytes that came, and the last of them that were read of chunks.
        self._raw = b""
        self._tail = b""
        # Bytes read of a body's framing since anything came of them.
        self._size = 0
        self._forwarded = b""
        self._fresh = False
        self._replaying = False
        # Nothing that comes can be trusted, or wanted, any more.
        self._deaf = False

    # --- what the other half does ---

    def _take(self, request: Request) -> None:
        """Begin a request whose head has come, or let it wait for its turn."""
        raise NotImplementedError

    def _more(self, request: Request, data: bytes) -> None:
        """Take a piece of its body."""
        raise NotImplementedError

    def _ended(self, request: Request) -> None:
        """Take the end of its body."""
        raise NotImplementedError

    def _refuse(self, reason: str) -> None:
        """Answer bytes that are no request."""
        raise NotImplementedError

    def _head_began(self) -> None:
        """Give the client its time for a head that did not come in one piece."""
        raise NotImplementedError

    # --- the loop tells us ---

    def data_received(self, data: bytes) -> None:
        """Read what came; a request may begin with its head."""
        if self._deaf:
            return
        self.heard_at = monotonic()
        before = self._reading
        size = before.size if before is not None else 0
        if before is None and not self._raw and data.find(_END) == len(data) - 4:
            self._raw = data  # one head and nothing else: nearly always
            self._feed(data)
        else:
            self._feed_pieces(data)
        if self._deaf:
            return  # type: ignore[unreachable] # the parser calls us back
        if self._raw:
            self._bound_head()
        elif before is not None and before is self._reading:
            self._bound_framing(len(data), before.size - size)

    def _feed_pieces(self, data: bytes) -> None:
        """Give the parser one head, or what belongs to one body, at a time.

        It would take several messages at once, but not tell where each begins, and it forgives what
        must not be forgiven there: `_other_line` looks at the bytes themselves.
        """
        view = memoryview(data)
        at = 0
        while at < len(data) and not self._deaf:
            request = self._reading
            if request is None:
                end = self._end_of_head(data, at)
            elif request.length == CHUNKED:
                end = self._end_of_chunks(data, at)
            else:
                end = min(len(data), at + request.length - request.size)
            self._feed(view[at:end] if at or end < len(data) else data)
            at = end
            if self._raw and (self._headers is None or self._raw[-4:] == _END):
                self._skip_blank()

    def _feed(self, piece: bytes | memoryview) -> None:
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            # It comes with the end of a head, and so of the piece.
            if not self._deaf:
                self._decline()
        except httptools.HttpParserCallbackError as error:
            self._fail(error)
        except httptools.HttpParserError as error:
            if not self._deaf:
                self._refuse(_fault(error))

    def _end_of_head(self, data: bytes, at: int) -> int:
        """Give where the head ends, or what has come of it, which is kept."""
        raw = self._raw
        if not raw:
            found = data.find(_END, at)
            end = len(data) if found < 0 else found + 4
            self._raw = data[at:end]
            return end
        # Its beginning came before, so this is the first piece of what has come now.
        raw += data
        found = raw.find(_END, max(0, len(self._raw) - 3))
        end = len(data) if found < 0 else found + 4 - len(self._raw)
        self._raw = raw if found < 0 else raw[: found + 4]
        return end

    def _end_of_chunks(self, data: bytes, at: int) -> int:
        """Give where the chunks may end, at the soonest: how many there are only the parser knows."""
        tail = self._tail
        if tail:
            found = (tail + data[at : at + 3]).find(_END)
            if found >= 0:
                self._tail = b""
                return at + found + 4 - len(tail)
        found = data.find(_END, at)
        if found >= 0:
            self._tail = b""
            return found + 4
        self._tail = (tail + data[max(at, len(data) - 3) :])[-3:]
        return len(data)

    def _skip_blank(self) -> None:
        """Forget empty lines before a request (RFC 9112 §2.2), and refuse what is neither these nor a head."""
        lines, rest = divmod(len(self._raw), 2)
        if self._raw != b"\r\n" * lines + b"\r" * rest:
            if not self._deaf:
                self._refuse("bad_request")
        elif not rest:
            self._raw = b""

    def _bound_head(self) -> None:
        """Refuse a head that never ends; give one that did not come at once its time."""
        if len(self._raw) > self.worker.limits.head:
            self._refuse(self._what_is_large())
        elif self._fresh:
            self._fresh = False
            self._head_began()

    def _bound_framing(self, count: int, moved: int) -> None:
        """Refuse chunk extensions and trailers that never end."""
        self._size = 0 if moved else self._size + count
        if self._size > self.worker.limits.head:
            self._refuse("bad_request")

    # --- the parser tells us ---

    def on_message_begin(self) -> None:
        """Begin a request."""
        if not self._replaying:
            self._headers = []
            self._url = b""
            self._fresh = True

    def on_url(self, url: bytes) -> None:
        """Keep the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; one that comes after the body is a trailer, and dropped (RFC 9110 §6.5.1)."""
        if self._headers is not None:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Judge the head, and pass the request on."""
        if self._replaying:
            return
        headers, self._headers = self._headers or [], None
        raw, self._raw = self._raw, b""
        self._size = 0
        self._tail = b""
        if self._deaf:
            return
        parser = self._parser
        method, limits = parser.get_method(), self.worker.limits
        line = method + b" " + self._url
        fault = None
        http11 = raw.startswith(line + _HTTP11)
        if not http11 and not raw.startswith(line + _HTTP10):
            http11, fault = _other_line(raw, line, parser.get_http_version())
        request = Request(method, self._url, http11=http11, keep_alive=parser.should_keep_alive())
        if method in _UNSUPPORTED:
            request.fault = fault or "method"
        elif len(raw) > limits.head or len(headers) > limits.headers:
            request.fault = fault or self._what_is_large()
        elif fault is not None:
            request.fault = fault
        else:
            request.read(headers, self._forwarded)
        if request.fault is not None:
            # Where it ends, and so where the next one begins, is not known for certain.
            self._deaf = True
        else:
            self._reading = request
            request.complete = request.length in (NONE, 0)
        self._take(request)

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        request = self._reading
        if request is not None and data and not self._deaf:
            request.size += len(data)
            self._more(request, data)

    def on_message_complete(self) -> None:
        """End the request."""
        request = self._reading
        if request is None or self._deaf:
            return
        if self._parser.should_upgrade() and request.length not in (NONE, 0):
            return  # the parser skips the body of what asks for an upgrade; `_decline` reads it
        self._reading = None
        if not request.complete:
            request.complete = True
            self._ended(request)

    # --- in between ---

    def _decline(self) -> None:
        """Go on in HTTP/1.1 with a client that offered another protocol (RFC 9110 §7.8 lets us)."""
        request = self._reading
        self._parser = httptools.HttpRequestParser(self)
        if request is not None:
            # The parser took the body for the other protocol; a new one is told where it stands.
            self._replaying = True
            length = request.length
            framing = b"Transfer-Encoding: chunked" if length == CHUNKED else b"Content-Length: %d" % length
            self._parser.feed_data(b"POST / HTTP/1.1\r\nHost: .\r\n%b\r\n\r\n" % framing)
            self._replaying = False

    def _what_is_large(self) -> str:
        return "uri_too_long" if len(self._url) > self.worker.limits.head // 2 else "head_too_large"

    def _fail(self, error: Exception) -> None:
        """Tell of a mistake of ours, and end only the connection on which it was made."""
        self._deaf = True
        self.loop.call_exception_handler(
            {"message": "a request could not be worked on", "exception": error.__context__ or error}
        )
        self.transport.abort()


def _other_line(raw: bytes, line: bytes, version: str) -> tuple[bool, str | None]:
    """Tell whether it is HTTP/1.1, and what is wrong, of a head that does not begin as most do."""
    if version not in ("1.1", "1.0"):
        return False, "version"
    # One empty line may come before (RFC 9112 §2.2). The parser takes more: spaces, RTSP/1.0, ICE/1.0.
    empty = raw.startswith(b"\r\n")
    if empty and raw.startswith(line + _HTTP11, 2):
        return True, None
    return False, None if empty and raw.startswith(line + _HTTP10, 2) else "bad_request"


def _fault(error: httptools.HttpParserError) -> str:
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        return "method"
    return "version" if error.args[:1] == ("Invalid HTTP version",) else "bad_request"
