"""One request over HTTP, as a probe makes it: on a connection of its own, within a time, and cancelled without a trace."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple, Self
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

import httptools

MOST = 2**24
"""Bytes that an answer may have."""
_HOPS = 10
_MOVED = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}
_SEE_OTHER = 303


class WebFailed(Exception):
    """No answer came, in a few words."""


class Request(NamedTuple):
    """What is asked."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    connect: float
    """Seconds for the connection."""
    verify: bool

    @classmethod
    def of(cls, told: Mapping[str, Any], limit: float) -> Self:
        """Read a provider: arguments become a query for a GET, and otherwise JSON or a form."""
        method = str(told.get("method") or "GET").upper()
        headers = {str(name): str(value) for name, value in (told.get("headers") or {}).items()}
        url, arguments, body = str(told["url"]), told.get("arguments"), b""
        kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
        if arguments and method == "GET":
            url += ("&" if urlsplit(url).query else "?") + urlencode(arguments, doseq=True)
        elif arguments and kind.startswith("application/json"):
            body = json.dumps(arguments).encode()
        elif arguments:
            body = urlencode(arguments, doseq=True).encode()
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        timeout = told.get("timeout")
        connect = float(timeout[0]) if isinstance(timeout, list) and timeout else limit
        return cls(method, url, headers, body, connect, told.get("verify_tls") is not False)


def shown(url: str) -> str:
    """Write an address for others to read: without what may be secret in it."""
    at = urlsplit(url)
    return f"{at.scheme}://{at.netloc.rpartition('@')[2]}{at.path}"


class _Answer:
    """Collects what the parser tells."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.parts: list[bytes] = []
        self.size = 0
        self.headed = False
        self.done = False

    def on_headers_complete(self) -> None:
        self.headed = True

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1")] = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        self.size += len(part)
        if self.size > MOST:
            raise WebFailed(f"more than {MOST} bytes")
        self.parts.append(part)

    def on_message_complete(self) -> None:
        self.done = True


async def fetch(request: Request) -> dict[str, Any]:
    """Ask, follow redirections, and give status, headers and body; a body of JSON is read.

    Raises:
        WebFailed: no whole answer came.
    """
    for _ in range(_HOPS):
        status, headers, body = await _once(request)
        location = next((value for name, value in headers.items() if name.lower() == "location"), None)
        if status not in _MOVED or location is None or request.method not in ("GET", "HEAD", "POST"):
            return {"status": status, "headers": headers, "body": _body(headers, body)}
        if request.method == "POST" and status not in (307, 308):
            request = request._replace(method="GET", body=b"")
        request = request._replace(url=urljoin(request.url, location))
    raise WebFailed(f"more than {_HOPS} redirections")


async def _once(request: Request) -> tuple[int, dict[str, str], bytes]:
    at = _split(request.url)
    answer = _Answer()
    parser = httptools.HttpResponseParser(answer)
    writer = None
    try:
        async with asyncio.timeout(request.connect):
            reader, writer = await asyncio.open_connection(
                at.hostname, at.port or _PORTS[at.scheme], ssl=_tls(at, verify=request.verify)
            )
        writer.write(_head(request, at) + request.body)
        while not answer.done and (data := await reader.read(2**16)):
            parser.feed_data(data)
    except TimeoutError:
        raise WebFailed(f"no connection within {request.connect:g} s") from None
    except (OSError, UnicodeError, httptools.HttpParserError) as problem:
        raise WebFailed(str(problem) or type(problem).__name__) from problem
    finally:
        if writer is not None:
            writer.transport.abort()
    whole = answer.done or request.method == "HEAD" or not _is_counted(answer.headers)
    if not answer.headed or not whole:
        raise WebFailed("the connection ended before the end of an answer")
    return parser.get_status_code(), answer.headers, b"".join(answer.parts)


def _split(url: str) -> SplitResult:
    try:
        at = urlsplit(url)
        port_is_sound = at.port != 0
    except ValueError as problem:
        raise WebFailed(str(problem)) from problem
    if at.scheme not in _PORTS or not at.hostname or not port_is_sound:
        raise WebFailed("that is no address of http or https")
    return at


def _tls(at: SplitResult, *, verify: bool) -> ssl.SSLContext | None:
    if at.scheme != "https":
        return None
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _head(request: Request, at: SplitResult) -> bytes:
    told = {"Host": at.netloc.rpartition("@")[2], "User-Agent": "mainstay", "Accept": "*/*"} | dict(
        request.headers
    )
    told |= {"Connection": "close", "Accept-Encoding": "identity"}
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        told["Content-Length"] = str(len(request.body))
    target = (at.path or "/") + (f"?{at.query}" if at.query else "")
    lines = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise WebFailed("a line break in a header or in the address")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def _is_counted(headers: Mapping[str, str]) -> bool:
    return any(name.lower() in ("content-length", "transfer-encoding") for name in headers)


def _body(headers: Mapping[str, str], body: bytes) -> Any:  # noqa: ANN401 - whatever JSON has
    text = body.decode("utf-8", "replace")
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    if kind.partition(";")[0].strip(" ") == "application/json":
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text
