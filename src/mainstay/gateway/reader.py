"""HOT. What a client sends: bytes in, requests out, each judged before anybody works on it."""

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

import httptools

from mainstay.gateway.head import CHUNKED, NONE, Request

if TYPE_CHECKING:
    from mainstay.gateway.route import Route
    from mainstay.gateway.worker import Worker

_UNSUPPORTED = (b"CONNECT", b"TRACE")


class Reader(asyncio.Protocol):
    """The reading half of a client's connection; `ClientConnection` is the other."""

    __slots__ = (
        "_came",
        "_deaf",
        "_forwarded",
        "_fresh",
        "_headers",
        "_parser",
        "_reading",
        "_replaying",
        "_size",
        "_url",
        "heard_at",
        "loop",
        "route",
        "transport",
        "worker",
    )

    def __init__(self, worker: "Worker", route: "Route") -> None:
        self.worker = worker
        self.route = route
        self.loop = worker.loop
        self.transport: asyncio.Transport = None  # type: ignore[assignment] # told by connection_made
        self.heard_at = 0.0
        self._parser = httptools.HttpRequestParser(self)
        self._reading: Request | None = None
        self._headers: list[tuple[bytes, bytes]] | None = None
        self._url = b""
        # Bytes read of a head, or of a body's framing, since anything came of them.
        self._size = 0
        self._came = 0
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

    def data_received(self, data: bytes) -> None:  # noqa: C901 - one step for each end a read may have
        """Read what came; a request may begin with its head."""
        if self._deaf:
            return
        self.heard_at = monotonic()
        self._came = len(data)
        before = self._reading
        size = before.size if before is not None else 0
        rest: bytes | memoryview = data
        while True:
            try:
                self._parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                # A view: hundreds of offers in one read must not copy the rest hundreds of times.
                rest = memoryview(rest)[upgrade.args[0] :]
                if self._deaf:
                    return  # type: ignore[unreachable] # the parser calls us back
                self._decline()
                if rest:
                    continue
            except httptools.HttpParserCallbackError as error:
                self._fail(error)
                return
            except httptools.HttpParserError as error:
                if not self._deaf:
                    self._refuse(_fault(error))
                return
            break
        if self._deaf:
            return  # type: ignore[unreachable] # the parser calls us back
        if self._headers is not None:
            self._bound_head(len(data))
        elif before is not None and before is self._reading:
            self._bound_framing(len(data), before.size - size)

    def _bound_head(self, count: int) -> None:
        """Refuse a head that never ends: what is not parsed yet is kept by the parser."""
        if self._fresh:
            self._fresh = False
            self._size = 0
            self._head_began()
            return
        self._size += count
        if self._size > self.worker.limits.head:
            self._refuse(self._what_is_large())

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
            self._size = 0
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
        self._size = 0
        if self._deaf:
            return
        parser = self._parser
        version = parser.get_http_version()
        request = Request(
            parser.get_method(), self._url, http11=version == "1.1", keep_alive=parser.should_keep_alive()
        )
        if version not in ("1.1", "1.0"):
            request.fault = "version"
        elif request.method in _UNSUPPORTED:
            request.fault = "method"
        elif self._too_large(headers):
            request.fault = self._what_is_large()
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
        if request is not None and not self._deaf:
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

    def _too_large(self, headers: list[tuple[bytes, bytes]]) -> bool:
        limits = self.worker.limits
        if len(headers) > limits.headers:
            return True
        if self._fresh and self._came <= limits.head:
            return False  # it is a part of one read that is no larger
        return len(self._url) + sum(len(name) + len(value) + 4 for name, value in headers) > limits.head

    def _what_is_large(self) -> str:
        return "uri_too_long" if len(self._url) > self.worker.limits.head // 2 else "head_too_large"

    def _fail(self, error: Exception) -> None:
        """Tell of a mistake of ours, and end only the connection on which it was made."""
        self._deaf = True
        self.loop.call_exception_handler(
            {"message": "a request could not be worked on", "exception": error.__context__ or error}
        )
        self.transport.abort()


def _fault(error: httptools.HttpParserError) -> str:
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        return "method"
    return "version" if error.args[:1] == ("Invalid HTTP version",) else "bad_request"
