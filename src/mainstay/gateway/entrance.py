"""HOT. Where requests come in: one listening socket in one worker, and whose its requests are."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mainstay.gateway.table import Door

if TYPE_CHECKING:
    from mainstay.gateway.request import Request
    from mainstay.gateway.route import Route


class Entrance:
    """One listening socket, and the rules by which its requests find their service."""

    __slots__ = ("_hosts", "door", "home", "name", "sole", "via")

    def __init__(self, name: str, via: bytes, nowhere: "Route") -> None:
        """Lead nowhere, until `apply`.

        Args:
            name: Of the listening socket.
            via: Our pseudonym in `Via`.
            nowhere: Counts what is no service's.
        """
        self.name = name
        self.via = via
        self.door = Door(rules=[])
        self.sole: Route | None = None
        """Where everything goes, if there is one service that takes it all."""
        self.home: Route = nowhere
        """Where is counted what never was a request that could be routed."""
        self._hosts: dict[bytes, list[tuple[bytes, Route]]] = {}

    def apply(self, door: Door, routes: Mapping[str, "Route"]) -> None:
        """Follow these rules from now on."""
        self.door = door
        self._hosts = {}
        for rule in door.rules:
            prefix = rule.path.encode().rstrip(b"/")
            self._hosts.setdefault(rule.host.encode(), []).append((prefix, routes[rule.service]))
        for rules in self._hosts.values():
            rules.sort(key=lambda rule: -len(rule[0]))
        whole = [routes[rule.service] for rule in door.rules if not rule.host and not rule.path]
        self.sole = whole[0] if whole and len(door.rules) == 1 else None
        if door.rules:
            self.home = whole[0] if whole else routes[door.rules[0].service]

    def find(self, request: "Request") -> "Route | None":
        """Give the service that takes a request: its host before every host, the longest path first."""
        path = request.target.partition(b"?")[0]
        for host in (_name(request.host), b""):
            for prefix, route in self._hosts.get(host, ()):
                if path == prefix or path.startswith(prefix + b"/"):
                    return route
        return None


def _name(host: bytes) -> bytes:
    """Leave out the port, and tell names that differ in capitals only to be one (RFC 9110 §4.2.3)."""
    return host.rpartition(b":")[0].lower() if b":" in host and host[-1:] != b"]" else host.lower()
