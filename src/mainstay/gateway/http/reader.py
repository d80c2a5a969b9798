"""HOT. What a client sends: bytes in, requests out, each judged before anybody works on it."""

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

from mainstay.gateway.http.chunk import Chunks
from mainstay.gateway.http.grammar import CHUNKED, END, bare
from mainstay.gateway.http.request import OFFERS, Request, may_begin, too_large

if TYPE_CHECKING:
    from mainstay.gateway.entrance import Entrance
    from mainstay.gateway.proxies import Believed
    from mainstay.gateway.table import Limits
    from mainstay.gateway.tls.accept import Greeting
    from mainstay.gateway.worker import Worker


_CR = 13


class Reader(asyncio.Protocol):
    """The reading half of a client's connection; `ClientConnection` is the other."""

    __slots__ = (
        "_behind",
        "_believed",
        "_chunks",
        "_deaf",
        "_forwarded",
        "_model",
        "_raw",
        "_reading",
        "_requests",
        "entrance",
        "heard_at",
        "loop",
        "route",
        "tls",
        "traffic",
        "transport",
        "worker",
    )

    def __init__(self, worker: "Worker", entrance: "Entrance") -> None:
        self.worker = worker
        self.entrance = entrance
        self.traffic = entrance.traffic
        # Of the request that is worked on; before there is one, where such is counted.
        self.route = entrance.home
        self.loop = worker.loop
        self.transport: asyncio.Transport = None  # type: ignore[assignment] # told by connection_made
        # What is between it and the socket, where TLS is spoken.
        self.tls: Greeting | None = None
        self.heard_at = 0.0
        # The request whose body is coming, and what reads it if it comes in chunks.
        self._reading: Request | None = None
        self._chunks: Chunks | None = None
        # What has come of a head that is not whole.
        self._raw = b""
        # How many requests have come, where that matters.
        self._requests = 0
        self._forwarded = b""
        # The last request of which another one may say the same.
        self._model: Request | None = None
        # Set where the other end is a proxy that may tell who the client is.
        self._believed: Believed | None = None
        # Nothing that comes can be trusted, or wanted, any more; or it cannot be understood yet.
        self._deaf = False
        # What has come behind a request that may be the last in HTTP.
        self._behind: bytes | None = None

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

    def _keep(self, data: bytes) -> None:
        """Keep what comes behind a request by which another protocol was offered."""
        raise NotImplementedError

    def _head_began(self) -> None:
        """Give the client its time for a head that did not come in one piece."""
        raise NotImplementedError

    def _body_began(self) -> None:
        """See to it that a body comes fast enough."""
        raise NotImplementedError

    # --- the loop tells us ---

    def data_received(self, data: bytes) -> None:
        """Read what came; a request may begin with its head."""
        if self._deaf:
            if self._behind is not None:
                self._keep(data)
            return
        self.traffic.received += len(data)
        self.heard_at = monotonic()
        if (
            self._reading is None
            and not self._raw
            and data[0] != _CR
            and 0 <= len(data) - 4 == data.find(END)
        ):
            self._read(data)  # one head and nothing else: nearly always
            return
        at, size = 0, len(data)
        while at < size and not self._deaf:
            request = self._reading
            if request is None:
                at = self._head(data, at)
            elif self._chunks is not None:
                at = self._in_chunks(request, self._chunks, data, at)
            else:
                at = self._counted(request, data, at)
        if at < size and self._behind is not None:
            self._keep(data[at:])

    def hear_again(self) -> None:
        """Go on in HTTP, if that was in doubt: nothing comes of the other protocol."""
        behind, self._behind = self._behind, None
        if behind is not None:
            self._deaf = False
            if behind:
                self.data_received(behind)

    # --- heads ---

    def _head(self, data: bytes, at: int) -> int:
        """Read a head if it is whole now, or keep what has come of it; give where that ends."""
        raw = self._raw
        if not raw and data[at : at + 2] == b"\r\n":
            return at + 2  # empty lines before a request are nothing (RFC 9112 §2.2)
        if raw == b"\r":
            self._raw = b""
            if data[at : at + 1] == b"\n":
                return at + 1
        if raw:
            # This is the first piece of what has come now.
            data = raw + data
            found = data.find(END, max(0, len(raw) - 3))
        else:
            found = data.find(END, at)
        if found < 0:
            if bare(data, len(raw) - 1 if raw else at):
                self._refuse("bad_request")
            else:
                self._part(data[at:] if at else data, fresh=not raw)
            return at + len(data)
        self._raw = b""
        self._read(data[at : found + 4])
        return found + 4 - len(raw)

    def _part(self, raw: bytes, *, fresh: bool) -> None:
        """Keep the beginning of a head; refuse what never will be one, or never ends."""
        self._raw = raw
        if len(raw) > self.worker.limits.head:
            self._refuse(too_large(raw, self.worker.limits.head))
        elif fresh and raw != b"\r":
            if may_begin(raw):
                self._head_began()
            else:
                self._refuse("bad_request")

    def _read(self, raw: bytes) -> None:
        """Judge a head, and pass the request on."""
        limits = self.worker.limits
        if len(raw) > limits.head:
            request = Request.refused(too_large(raw, limits.head))
        else:
            words, secure = self.worker.words, self.tls is not None
            request = Request.read(
                raw,
                limits.headers,
                self._forwarded,
                self._believed,
                words,
                secure=secure,
                model=self._model,
            )
            if request.block:
                self._model = request
        if limits.body is not None or limits.requests is not None:
            self._limit(request, limits)
        if request.fault is not None:
            # Where it ends, and so where the next one begins, is not known for certain.
            self._deaf = True
            if request.fault == OFFERS:
                self._behind = b""
        elif not request.complete:
            self._reading = request
            if request.length == CHUNKED:
                self._chunks = Chunks(limits.chunk_extensions, limits.trailers)
        self._take(request)
        if self._reading is not None:
            self._body_began()

    def _limit(self, request: Request, limits: "Limits") -> None:
        """Hold a request to what is allowed besides what its head may be."""
        if limits.body is not None and request.length > limits.body:
            request.fault = request.fault or "body_too_large"
        self._requests += 1
        if limits.requests is not None and self._requests >= limits.requests:
            request.keep_alive = False

    # --- bodies ---

    def _counted(self, request: Request, data: bytes, at: int) -> int:
        """Take what has come of a body of known length; give where that ends."""
        end = min(len(data), at + request.length - request.size)
        piece = data[at:end]
        request.size += len(piece)
        self._more(request, piece)
        if request.size == request.length and not self._deaf:
            self._whole(request)
        return end

    def _in_chunks(self, request: Request, chunks: Chunks, data: bytes, at: int) -> int:
        """Take what has come of a body in chunks; give where that ends."""
        body, at = chunks.feed(data, at)
        if chunks.broken:
            self._refuse("bad_request")
            return at
        if body:
            request.size += len(body)
            most = self.worker.limits.body
            if most is not None and request.size > most:
                self._refuse("body_too_large")
                return at
            self._more(request, body)
        if chunks.done and not self._deaf:
            self._whole(request)
        return at

    def _whole(self, request: Request) -> None:
        self._reading = self._chunks = None
        request.complete = True
        self._ended(request)
