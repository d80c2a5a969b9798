"""Where somebody else's instance is reached, as the system file tells it.

`http://HOST`, `http://HOST:PORT`, or `{ at: http://HOST:PORT, zone: NAME }`.
"""

import re
from typing import Annotated, NamedTuple

from pydantic import PlainValidator, WithJsonSchema

from mainstay.system.listener import TCP, is_host
from mainstay.system.value import shown, slug, wrong

PORTS: dict[str, int | None] = {"http": 80, "https": 443, TCP: None}
"""What can be spoken there, each with its own port, if it has one."""
_ADDRESS = re.compile(
    rf"({'|'.join(PORTS)})://(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::([0-9]{{1,5}}))?/?"
)
_LAST_PORT = 65535


class Address(NamedTuple):
    """Where an instance is reached that Mainstay does not run."""

    host: str
    """A name or an IP address, without brackets. A name is looked up for each new connection."""
    port: int
    scheme: str = "http"
    """One of `PORTS`."""
    zone: str = ""
    """The zone that it is in; empty: none."""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """Host and port as `Host` has them (RFC 9110 §7.2): the scheme's own port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def _placed(written: dict[object, object]) -> Address:
    unknown = sorted(shown(key) for key in written if key not in ("at", "zone"))
    if unknown or "at" not in written:
        found = f"{', '.join(unknown)} is unknown" if unknown else "at is missing"
        raise wrong(f"{found}: write an address, or {{ at: ADDRESS, zone: NAME }}")
    address = _written(written["at"])
    return address._replace(zone=slug(written["zone"])) if "zone" in written else address


def _address(written: object) -> Address:
    if isinstance(written, Address):
        return written
    return _placed(written) if isinstance(written, dict) else _written(written)


def _written(written: object) -> Address:
    match = _ADDRESS.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        allowed = " or ".join(f"{scheme}://HOST:PORT" for scheme in PORTS)
        raise wrong(f"{shown(written)} is not an address: write {allowed}, without a path")
    host, told = match[2] or match[3], match[4] or PORTS[match[1]]
    if told is None:
        raise wrong(f"{shown(written)} has no port: write {match[1]}://HOST:PORT")
    port = int(told)
    if not 0 < port <= _LAST_PORT:
        raise wrong(f"port {port} cannot be: allowed are 1 to {_LAST_PORT}")
    if not is_host(host):
        raise wrong(f"'{host}' is not a host: write a name or an IP address")
    return Address(host, port, match[1])


_TEXT = {"type": "string", "pattern": f"^{_ADDRESS.pattern}$", "examples": ["http://10.0.0.7:8080"]}
At = Annotated[
    Address,
    PlainValidator(_address),
    WithJsonSchema(
        {
            "anyOf": [
                _TEXT,
                {
                    "type": "object",
                    "properties": {"at": _TEXT, "zone": {"type": "string"}},
                    "required": ["at"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
"""Where an instance is reached."""
