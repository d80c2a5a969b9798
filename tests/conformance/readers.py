"""Other people's parsers, each asked for the same: what messages do you see in these bytes?

They read from bytes that are all there, followed by the end of the connection; a reader that still wants
more says INCOMPLETE. Limits on sizes are set out of the way: who refuses what is long sees no other message.
"""

import http.client
import io
from types import SimpleNamespace

import h11
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParserPy, HttpResponseParserPy
from gunicorn.config import Config
from gunicorn.http.errors import ChunkMissingTerminator, NoMoreData, ParseException
from gunicorn.http.parser import RequestParser
from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser

from conformance.letter import CLEAN, CLOSED, INCOMPLETE, REFUSED, Answer, Reading, Seen

_MUCH = 2**24

# --- requests ---


def h11_requests(data):
    if not data:  # it takes nothing for the end
        return Reading([], CLEAN)
    conn = h11.Connection(h11.SERVER, max_incomplete_event_size=_MUCH)
    conn.receive_data(data)
    seen, head, body = [], None, b""
    try:
        while True:
            event = conn.next_event()
            if event is h11.NEED_DATA:
                trailing = conn.trailing_data[0].strip(b"\r\n")
                return Reading(seen, CLEAN if conn.their_state is h11.IDLE and not trailing else INCOMPLETE)
            if event is h11.PAUSED:
                return Reading(seen, CLOSED)
            if isinstance(event, h11.Request):
                head, body = event, b""
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                host = [value for name, value in head.headers if name == b"host"]
                seen.append(Seen(head.method, head.target, host[0] if host else b"", body))
                conn.send(h11.Response(status_code=404, headers=[("Content-Length", "0")]))
                conn.send(h11.EndOfMessage())
                if conn.our_state is not h11.DONE or conn.their_state is not h11.DONE:
                    return Reading(seen, CLOSED)
                conn.start_next_cycle()
    except h11.RemoteProtocolError as error:
        return Reading(seen, REFUSED, str(error))


_ADJUSTMENTS = Adjustments(max_request_header_size=_MUCH, max_request_body_size=_MUCH)


def waitress_requests(data):
    seen, at = [], 0
    while at < len(data):
        parser = HTTPRequestParser(_ADJUSTMENTS)
        # What came with the head is one reading, and what is left of it is handed in again, as its channel does.
        while at < len(data) and not parser.completed:
            try:
                taken = parser.received(data[at:])
            except ValueError as error:  # such as brackets in a target that are no address
                return Reading(seen, REFUSED, repr(error))
            at += taken
            if not taken and not parser.completed:
                break
        if parser.error is not None:
            return Reading(seen, REFUSED, parser.error.body)
        if not parser.completed:
            return Reading(
                seen, INCOMPLETE if parser.header_plus.strip(b"\r\n") or parser.headers_finished else CLEAN
            )
        if parser.empty:
            continue
        body = parser.get_body_stream().read()
        host = parser.headers.get("HOST", "").encode("latin-1")
        seen.append(Seen(parser.command.encode(), parser.request_uri.encode("latin-1"), host, body))
        parser.close()
        if parser.connection_close:
            return Reading(seen, CLOSED)
    return Reading(seen, CLEAN)


_CONFIG = Config()
_CONFIG.set("limit_request_line", 0)
_CONFIG.set("limit_request_field_size", 0)
_CONFIG.set("limit_request_fields", 32768)


def gunicorn_requests(data):
    seen = []
    parser = RequestParser(_CONFIG, iter([data]), ("127.0.0.1", 1))
    try:
        while True:
            # A bare end between messages stops the iteration, and so does one that was asked to be the last.
            last = parser.mesg
            rest = parser.unreader.take_buffered()
            parser.unreader.unread(rest)
            if last is not None and last.should_close():
                return Reading(seen, CLOSED)
            if last is not None and not rest:
                return Reading(seen, CLEAN)
            message = next(parser)
            body = message.body.read()
            length = [value for name, value in message.headers if name == "CONTENT-LENGTH"]
            if length and len(body) < int(length[0]):
                return Reading(seen, INCOMPLETE)
            host = [value.encode("latin-1") for name, value in message.headers if name == "HOST"]
            seen.append(
                Seen(
                    message.method.encode("latin-1"),
                    message.uri.encode("latin-1"),
                    host[0] if host else b"",
                    body,
                )
            )
    except StopIteration:
        return Reading(seen, CLEAN)
    except (NoMoreData, ChunkMissingTerminator) as error:
        # The end of the bytes is told the same way as what is wrong with them.
        partial = isinstance(error, NoMoreData) or not error.args or error.args[0] in (b"", b"\r")
        return Reading(seen, INCOMPLETE if partial else REFUSED, repr(error))
    except ParseException as error:
        return Reading(seen, REFUSED, repr(error))


class _Protocol(BaseProtocol):
    def __init__(self):
        super().__init__(SimpleNamespace(create_future=lambda: None))


def _content(payload):
    """Give what a reader of aiohttp holds, and whether it is whole."""
    return b"".join(getattr(payload, "_buffer", ())), payload.is_eof()


def aiohttp_requests(data):
    protocol = _Protocol()
    parser = HttpRequestParserPy(
        protocol, protocol._loop, _MUCH, max_line_size=_MUCH, max_headers=_MUCH, max_field_size=_MUCH
    )
    seen, found = [], []
    end, why = CLEAN, ""
    # Messages found in one reading before what is wrong are lost with it; line by line they are not.
    for piece in data.splitlines(keepends=True) or [b""]:
        try:
            messages, upgraded, _ = parser.feed_data(piece)
        except (HttpProcessingError, ValueError) as error:
            end, why = REFUSED, repr(error)
            break
        found += messages
        if upgraded or (found and found[-1][0].should_close and found[-1][1].is_eof()):
            end = CLOSED
            break
    for message, payload in found:
        body, whole = _content(payload)
        if not whole:
            return Reading(seen, end if end == REFUSED else INCOMPLETE, why)
        host = message.headers.get("Host", "").encode("utf-8", "surrogateescape")
        method, path = message.method.encode(), message.path.encode("utf-8", "surrogateescape")
        seen.append(Seen(method, path, host, body))
    if end == CLEAN and (parser._lines or parser._tail.strip(b"\r\n")):
        end = INCOMPLETE
    return Reading(seen, end, why)


REQUESTS = {
    "h11": h11_requests,
    "waitress": waitress_requests,
    "gunicorn": gunicorn_requests,
    "aiohttp": aiohttp_requests,
}

# --- answers ---


def _h11_answer(conn):
    head, body = None, b""
    while True:
        event = conn.next_event()
        if event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed):
            return None
        if isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return Answer(head.status_code, body)


def h11_answers(data, method, *, ended):
    conn = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MUCH)
    conn.receive_data(data)
    if ended:
        conn.receive_data(b"")
    conn.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    conn.send(h11.EndOfMessage())
    try:
        answer = _h11_answer(conn)
    except h11.RemoteProtocolError as error:
        # It tells a truncated message and a wrong one by the same error.
        short = "peer closed connection" in str(error)
        return Reading([], INCOMPLETE if short else REFUSED, str(error))
    if answer is None:
        return Reading([], INCOMPLETE)
    return Reading([answer], CLOSED if conn.trailing_data[0] else CLEAN)


class _Blocked(Exception):
    """More is awaited."""


class _Stream(io.BytesIO):
    """What `http.client` takes for a socket: one that waits where its bytes end, unless that is the end."""

    def __init__(self, data, *, ended):
        super().__init__(data)
        self._ended = ended

    def makefile(self, mode):
        return self

    def read(self, count=-1):
        data = super().read(count)
        self._wait(short=count is None or count < 0 or len(data) < count)
        return data

    def readline(self, limit=-1):
        data = super().readline(limit)
        self._wait(short=not data.endswith(b"\n") and len(data) != limit)
        return data

    def close(self):
        pass

    def _wait(self, *, short):
        if short and not self._ended:
            raise _Blocked


def standard_answers(data, method, *, ended):
    stream = _Stream(data, ended=ended)
    response = http.client.HTTPResponse(stream, method=method.decode())
    try:
        response.begin()
        body = response.read()
    except (_Blocked, http.client.IncompleteRead, http.client.RemoteDisconnected) as error:
        return Reading([], INCOMPLETE, repr(error))
    except (http.client.HTTPException, ValueError, OverflowError) as error:
        return Reading([], REFUSED, repr(error))
    return Reading([Answer(response.status, body)], CLOSED if stream.tell() < len(data) else CLEAN)


def _aiohttp_answers(method):
    protocol = _Protocol()
    return HttpResponseParserPy(
        protocol,
        protocol._loop,
        _MUCH,
        max_line_size=_MUCH,
        max_headers=_MUCH,
        max_field_size=_MUCH,
        method=method.decode(),
        read_until_eof=True,
        response_with_body=method != b"HEAD",
        auto_decompress=False,
    )


def aiohttp_answers(data, method, *, ended):
    try:
        return _aiohttp_fed(data, method, [data], ended=ended)
    except (HttpProcessingError, ValueError):
        # What is wrong may come after the answer: byte by byte, it is known what belongs to it.
        pieces = [data[at : at + 1] for at in range(len(data))]
    try:
        return _aiohttp_fed(data, method, pieces, ended=ended)
    except (HttpProcessingError, ValueError) as error:
        return Reading([], INCOMPLETE if "Not enough data" in str(error) else REFUSED, repr(error))


def _aiohttp_fed(data, method, pieces, *, ended):
    parser, found, more, read = _aiohttp_answers(method), [], False, 0
    for piece in pieces:
        messages, _, _ = parser.feed_data(piece)
        read += len(piece)
        found += [one for one in messages if one[0].code >= 200 or one[0].code == 101]
        if found and found[0][1].is_eof():
            break
    else:
        if ended:
            parser.feed_eof()
    if not found or not found[0][1].is_eof():
        return Reading([], INCOMPLETE)
    more = read < len(data) or len(found) > 1 or parser._lines or parser._tail
    message, payload = found[0]
    return Reading([Answer(message.code, _content(payload)[0])], CLOSED if more else CLEAN)


ANSWERS = {
    "h11": h11_answers,
    "http.client": standard_answers,
    "aiohttp": aiohttp_answers,
}
