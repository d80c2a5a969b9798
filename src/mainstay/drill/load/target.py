"""Where the load goes, and whom it trusts there."""

import socket
import ssl
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from mainstay.base.errors import EnvironmentProblem, SpecError
from mainstay.base.message import VALUE

PORTS = {"http": 80, "https": 443}


class Target(NamedTuple):
    """Where the load goes."""

    host: str
    port: int
    address: str
    """The numeric address, looked up once: name lookups are not what is measured."""
    scheme: str = "http"
    name: str = ""
    """What `Host` says, and what its certificate is for, when that is not where it is reached; empty: it is."""

    @property
    def url(self) -> str:
        """Give it as a URL."""
        return f"{self.scheme}://{self._reached}"

    @property
    def netloc(self) -> str:
        """Give it as the Host header has it."""
        return self.name or self._reached

    @property
    def server_name(self) -> str:
        """Give the name that a certificate must be for: without a port."""
        return (urlsplit(f"//{self.name}").hostname or self.host) if self.name else self.host

    @property
    def _reached(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def target(url: str, name: str = "") -> Target:
    """Find where a URL points.

    Args:
        url: `http://HOST:PORT` or `https://HOST:PORT`.
        name: What `Host` says, if that is another.

    Raises:
        SpecError: not such a URL, or not such a name.
        EnvironmentProblem: the host is not known.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as problem:
        raise SpecError(f"url {url!r} is not a URL: {problem}") from problem
    known = parts.scheme in PORTS
    if not known or not host or parts.path not in ("", "/") or parts.query or parts.username:
        raise SpecError(f"url must be like http://127.0.0.1:8080, not {url!r}")
    if name and (not VALUE.fullmatch(name) or set(name) & set("/?#@ \t")):
        raise SpecError(f"host must be a name, with a port if there is one, not {name!r}")
    port = PORTS[parts.scheme] if port is None else port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as problem:
        raise EnvironmentProblem(f"host {host!r} of {url} is not known: {problem}") from problem
    return Target(host, port, str(found[0][4][0]), parts.scheme, name)


def trust(to: Target, authorities: Path | None = None, *, unverified: bool = False) -> ssl.SSLContext | None:
    """Say what is needed to speak TLS there; None where none is spoken.

    Args:
        to: Where the load goes.
        authorities: A file of certificates to trust in place of those that the machine trusts.
        unverified: Speak to whoever answers there. Never by default: a load that anybody may answer proves nothing.

    Raises:
        EnvironmentProblem: the file cannot be used.
    """
    if to.scheme != "https":
        return None
    try:
        context = ssl.create_default_context(cafile=authorities)
    except (OSError, ssl.SSLError) as problem:
        raise EnvironmentProblem(f"{authorities} has no certificates to trust: {problem}") from problem
    if unverified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context
