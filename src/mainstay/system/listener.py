"""Where traffic is taken, as the system file tells it: `http://HOST:PORT`, or the name of a shared listener."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, NamedTuple

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from mainstay.system.value import SLUG, shown, wrong

TCP = "tcp"
"""The scheme of listeners and addresses where anything may be spoken."""
SCHEMES = ("http", "https", TCP)
"""What is spoken at listeners."""
_HOW = f"write {' or '.join(f'{scheme}://HOST:PORT' for scheme in SCHEMES)}, as in http://0.0.0.0:8080"
_LISTEN = re.compile(rf"({'|'.join(SCHEMES)})://(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{{1,5}})")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")  # RFC 1123 §2.1
_LAST_PORT = 65535
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound
"""Where somebody on this machine reaches who listens on all addresses."""


class Listener(NamedTuple):
    """Where a service takes its traffic: an address and a port of this machine."""

    host: str
    """A name or an IP address, without brackets."""
    port: int
    scheme: str = "http"
    """One of `SCHEMES`."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port

    @property
    def near(self) -> "Listener":
        """Where it is reached from this machine."""
        return self._replace(host=_ANY.get(self.host, self.host))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def overlaps(self, other: "Listener") -> bool:
        """Tell whether both cannot be listened on at once."""
        mine, its = _address(self.host), _address(other.host)
        if self.port != other.port:
            return False
        return mine == its or any(not isinstance(a, str) and a.is_unspecified for a in (mine, its))


def _address(host: str) -> IPv4Address | IPv6Address | str:
    if host.lower() == "localhost":
        return IPv4Address("127.0.0.1")
    try:
        return ip_address(host)
    except ValueError:
        return host.lower()


def is_host(host: str) -> bool:
    """Tell whether it may be a name or an IP address (without brackets)."""
    if not isinstance(_address(host), str):
        return True
    looks_numeric = ":" in host or re.fullmatch(r"[0-9.]+", host)
    return not looks_numeric and _HOST.fullmatch(host) is not None


def _listener(written: object) -> Listener:
    if isinstance(written, Listener):
        return written
    match = _LISTEN.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        raise wrong(f"{shown(written)} is not a listener: {_HOW}")
    host, port = match[2] or match[3], int(match[4])
    if not 0 < port <= _LAST_PORT:
        raise wrong(f"port {port} cannot be: allowed are 1 to {_LAST_PORT}")
    if not is_host(host):
        raise wrong(f"'{host}' is not a host: write a name or an IP address, as in http://0.0.0.0:8080")
    return Listener(host, port, match[1])


def _listener_or_name(written: object) -> Listener | str:
    if isinstance(written, str) and SLUG.fullmatch(written):
        return written
    try:
        return _listener(written)
    except PydanticCustomError:
        if isinstance(written, str) and "://" in written:
            raise
        raise wrong(
            f"{shown(written)} is not a listener: {_HOW}, or the name of one under listeners"
        ) from None


Listen = Annotated[
    Listener,
    PlainValidator(_listener),
    WithJsonSchema(
        {"type": "string", "pattern": f"^{_LISTEN.pattern}$", "examples": ["http://0.0.0.0:8080"]}
    ),
]
"""The address that clients use."""

ListenAt = Annotated[
    Listener | str,
    PlainValidator(_listener_or_name),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^(?:{_LISTEN.pattern}|{SLUG.pattern})$",
            "examples": ["http://0.0.0.0:8080"],
        }
    ),
]
"""The address that clients use, or the name of a listener that several services share."""
