"""The HTTP/1.1 side of the bundled service: one connection, its requests answered in order.

Keep-alive, pipelining, chunked bodies, `Expect: 100-continue`; a client that does not read its answers is not
read from either. What the answers are is the business of the `Site`.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple, Protocol, cast

import httptools

BODY = 64 * 1024
"""The largest body in bytes; an order is a few dozen."""
PIPELINE = 16
"""Requests read ahead on one connection before it is made to wait."""
LATECOMER = 0.1
"""Seconds that a connection gets to ask something when it was accepted while the service stops."""


class Request(NamedTuple):
    """One complete request."""

    method: str
    path: str
    order: str
    """Its X-Order-Id header, if any."""
    keyed: bool
    """Whether it carries an Idempotency-Key."""
    body: bytes
    keep: bool
    """Whether the client wants the connection kept."""


class Answer(NamedTuple):
    """What to say, and how long it takes to find out."""

    status: HTTPStatus
    said: Mapping[str, object]
    work: float = 0.0
    extra: str = ""
    """Further header lines, each with its line end."""


class Site(Protocol):
    """What a connection asks for its answers."""

    stopping: bool
    """Whether connections are to end after what is in progress."""

    def answer(self, request: Request) -> Answer:
        """Do what a request asks."""
        ...

    def joined(self, conversation: "Conversation") -> None:
        """Learn of a new connection."""
        ...

    def left(self, conversation: "Conversation") -> None:
        """Learn that a connection is over."""
        ...


class Conversation(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._queue: deque[Request | Answer] = deque()
        """What is to be answered in this order; an `Answer` is the last word of the connection."""
        self._work: asyncio.TimerHandle | None = None
        """The work on the request in progress, if any."""
        self._begun = False
        """Whether a request has begun to arrive and is not complete."""
        self._clogged = False
        """Whether the client does not read."""
        self._target = b""
        self._order = b""
        self._keyed = False
        self._body = bytearray()
        self._expects = False

    def wind_up(self) -> None:
        """End it now if nothing is in progress; otherwise it ends after the answer."""
        if self._transport is not None and not (self._work or self._queue or self._begun):
            self._transport.close()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._site.joined(self)
        if self._site.stopping:
            self._loop.call_later(LATECOMER, self.wind_up)

    def data_received(self, data: bytes) -> None:
        """Read a piece of a request, or of several."""
        if self._parser is None:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # No other protocol is spoken here: the request is answered as it is (RFC 9110 §7.8), and what
            # follows it cannot be told apart any more.
            self._parser = None
        except httptools.HttpParserError:
            self._give_up(HTTPStatus.BAD_REQUEST, "that was not HTTP")
        if len(self._body) > BODY:
            self._give_up(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has more than {BODY} bytes")
        self._go_on()

    def pause_writing(self) -> None:
        """Learn that the client does not read."""
        self._clogged = True
        self._throttle()

    def resume_writing(self) -> None:
        """Learn that the client reads again."""
        self._clogged = False
        self._throttle()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything; an order that was written down stays so."""
        del exc
        if self._work is not None:
            self._work.cancel()
            self._work = None
        self._queue.clear()
        self._parser = None
        self._site.left(self)

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._begun = True
        self._target = b""
        self._order = b""
        self._keyed = False
        self._expects = False
        self._body = bytearray()

    def on_url(self, piece: bytes) -> None:
        """Take a piece of the target."""
        self._target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        """Look at the few headers that matter."""
        name = name.lower()
        if name == b"x-order-id":
            self._order = value
        elif name == b"idempotency-key":
            self._keyed = True
        elif name == b"expect":
            self._expects = value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        """Invite the body of a client that waits to be invited, unless earlier answers are still due."""
        if self._expects and self._transport is not None and not (self._work or self._queue):
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, piece: bytes) -> None:
        """Take a piece of the body, no more of it than is needed to see that it is too large."""
        if len(self._body) <= BODY:
            self._body += piece

    def on_message_complete(self) -> None:
        """Queue a complete request."""
        assert self._parser is not None
        self._begun = False
        if len(self._body) > BODY:
            return
        method = self._parser.get_method().decode("latin-1")
        order = self._order.decode("latin-1")
        keep = self._parser.should_keep_alive() and not self._parser.should_upgrade()
        self._queue.append(Request(method, _path(self._target), order, self._keyed, bytes(self._body), keep))

    def _go_on(self) -> None:
        while self._queue and self._work is None:
            request = self._queue.popleft()
            if isinstance(request, Answer):
                self._write(request, keep=False, bare=False)
                break
            try:
                answer = self._site.answer(request)
            except OSError as problem:
                # Above all a journal that cannot be written: an order that is not written down is not accepted.
                answer = Answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": str(problem)})
            if answer.work:
                self._work = self._loop.call_later(answer.work, self._finish, request, answer)
            else:
                self._say(request, answer)
        self._throttle()

    def _finish(self, request: Request, answer: Answer) -> None:
        self._work = None
        self._say(request, answer)
        self._go_on()

    def _say(self, request: Request, answer: Answer) -> None:
        keep = request.keep and not self._site.stopping
        self._write(answer, keep=keep, bare=request.method == "HEAD")

    def _write(self, answer: Answer, *, keep: bool, bare: bool) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(_bytes(answer, keep=keep, bare=bare))
        if not keep:
            self._queue.clear()
            self._parser = None
            self._transport.close()

    def _give_up(self, status: HTTPStatus, why: str) -> None:
        # The answers to the requests before it come first.
        self._parser = None
        self._begun = False
        self._body.clear()
        self._queue.append(Answer(status, {"error": why}))

    def _throttle(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._clogged or len(self._queue) >= PIPELINE:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()


def _path(target: bytes) -> str:
    if not target.startswith(b"/") and b"://" in target:
        # The absolute form, which every server must take (RFC 9112 §3.2.2).
        target = httptools.parse_url(target).path or b"/"
    return target.decode("latin-1")


def _bytes(answer: Answer, *, keep: bool, bare: bool) -> bytes:
    body = json.dumps(answer.said).encode()
    end = "" if keep else "Connection: close\r\n"
    head = (
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n"
        f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime())}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"{answer.extra}{end}\r\n"
    )
    return head.encode() if bare else head.encode() + body
