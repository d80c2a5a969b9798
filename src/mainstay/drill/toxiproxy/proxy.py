"""Proxies, as Toxiproxy's clients know them: the gateway's ways to each instance, and to all of a service."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from mainstay.drill.toxiproxy.toxic import Wrong

_LOCAL = "127.0.0.1"


class Proxy(NamedTuple):
    """One of them: an instance's, or a service's, which is all of its instances."""

    name: str
    service: str
    instance: str
    """Empty: all that the service has."""
    listen: str
    """Where the gateway takes what goes there."""
    upstream: str
    """Where it goes; of a service, the addresses of all."""

    @property
    def aim(self) -> dict[str, Any]:
        """Give where a fault on it is aimed."""
        return {"service": self.service} | ({"instances": [self.instance]} if self.instance else {})


def proxies(status: Mapping[str, Any]) -> dict[str, Proxy]:
    """Give all that a running system has, by name; where a service is called as an instance, it is the service.

    Args:
        status: The state of the system, as the control API tells it.
    """
    found: dict[str, Proxy] = {}
    for service in status["services"]:
        if service["listen"] is None:
            continue  # the gateway has no connections to it
        name = service["service"]
        listen = service["listen"].partition("://")[2] or service["listen"]
        ends: dict[str, str] = {}
        # While one life replaces another, both are told, the newer one last.
        for row in sorted(status["instances"], key=lambda row: row["generation"]):
            if row["service"] == name:
                ends[row["instance"]] = _end(row)
        found |= {one: Proxy(one, name, one, listen, end) for one, end in ends.items() if one not in found}
        found[name] = Proxy(name, name, "", listen, ",".join(end for end in ends.values() if end))
    return found


def named(known: Mapping[str, Proxy], name: str, *, status: int = 404) -> Proxy:
    """Give one.

    Raises:
        Wrong: there is none; tells which there are.
    """
    if name in known:
        return known[name]
    raise Wrong(
        f"proxy not found: {name[:100]!r}; proxies are the services and instances of the running system,"
        f" and no others can be made; there are: {', '.join(known)}",
        status,
    )


def _end(row: Mapping[str, Any]) -> str:
    instance: str = row["instance"]
    if ":" in instance:  # one that others run is called by its address
        return instance
    return f"{_LOCAL}:{row['port']}" if row["port"] is not None else ""
