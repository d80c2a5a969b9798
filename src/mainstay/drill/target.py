"""Where the load goes, and what is said there."""

import socket
from typing import NamedTuple
from urllib.parse import urlsplit

from mainstay.base.errors import EnvironmentProblem, SpecError


class Target(NamedTuple):
    """Where the load goes."""

    host: str
    port: int
    address: str
    """The numeric address, looked up once: name lookups are not what is measured."""

    @property
    def url(self) -> str:
        """Give it as a URL."""
        return f"http://{self.netloc}"

    @property
    def netloc(self) -> str:
        """Give it as the Host header has it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def target(url: str) -> Target:
    """Find where a URL points.

    Raises:
        SpecError: not an `http://` URL without a path.
        EnvironmentProblem: the name is not known.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as problem:
        raise SpecError(f"url {url!r} is not a URL: {problem}") from problem
    if parts.scheme != "http" or not host or parts.path not in ("", "/") or parts.query or parts.username:
        raise SpecError(f"url must be like http://127.0.0.1:8080, not {url!r}")
    port = 80 if port is None else port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as problem:
        raise EnvironmentProblem(f"host {host!r} of {url} is not known: {problem}") from problem
    return Target(host, port, str(found[0][4][0]))


def openings(netloc: str) -> dict[tuple[bool, bool], bytes]:
    """Give what each request begins with, by (post, fresh); that of a POST ends where its length follows."""
    made = {}
    for fresh in (False, True):
        common = f"Host: {netloc}\r\nUser-Agent: mainstay-load\r\nAccept: application/json\r\n"
        common += "Connection: close\r\n" if fresh else ""
        made[False, fresh] = f"GET / HTTP/1.1\r\n{common}\r\n".encode()
        made[True, fresh] = (
            f"POST /orders HTTP/1.1\r\n{common}Content-Type: application/json\r\nContent-Length: "
        ).encode()
    return made


def order(opening: bytes, name: str, *, keyed: bool) -> bytes:
    """Give a whole POST of an order: its id in the header and in the body, and as its key if that is wanted."""
    known = name.encode()
    body = b'{"id":"%s"}' % known
    # A string of RFC 8941, as draft-ietf-httpapi-idempotency-key-header has it.
    key = b'Idempotency-Key: "%s"\r\n' % known if keyed else b""
    return b"%s%d\r\nX-Order-Id: %s\r\n%s\r\n%s" % (opening, len(body), known, key, body)
