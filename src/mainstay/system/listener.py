"""Where a service takes its traffic, as the system file tells it: `http://HOST:PORT`."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, NamedTuple

from pydantic import PlainValidator, WithJsonSchema

from mainstay.system.value import shown, wrong

_LISTEN = re.compile(r"http://(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")  # RFC 1123 §2.1
_LAST_PORT = 65535


class Listener(NamedTuple):
    """Where a service takes its traffic: an address and a port of this machine."""

    host: str
    """A name or an IP address, without brackets."""
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

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


def _listener(written: object) -> Listener:
    if isinstance(written, Listener):
        return written
    match = _LISTEN.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        raise wrong(f"{shown(written)} is not a listener: write http://HOST:PORT, as in http://0.0.0.0:8080")
    host, port = match[1] or match[2], int(match[3])
    if not 0 < port <= _LAST_PORT:
        raise wrong(f"port {port} cannot be: allowed are 1 to {_LAST_PORT}")
    address = _address(host)
    looks_numeric = ":" in host or re.fullmatch(r"[0-9.]+", host)
    if isinstance(address, str) and (looks_numeric or not _HOST.fullmatch(host)):
        raise wrong(f"'{host}' is not a host: write a name or an IP address, as in http://0.0.0.0:8080")
    return Listener(host, port)


Listen = Annotated[
    Listener,
    PlainValidator(_listener),
    WithJsonSchema(
        {"type": "string", "pattern": f"^{_LISTEN.pattern}$", "examples": ["http://0.0.0.0:8080"]}
    ),
]
"""The address that clients use."""
