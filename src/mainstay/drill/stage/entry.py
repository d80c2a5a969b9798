"""Where users come in: each address and host of a system at which HTTP is spoken, and whom it reaches."""

from collections import Counter
from dataclasses import dataclass

from mainstay.system.listener import TCP
from mainstay.system.schema import System


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One way in."""

    name: str
    """What no other entry of the system is called: the listener's name, followed by the host where it has several."""
    listener: str
    """The listener's name, or the service's whose own it is."""
    url: str
    """Scheme, host and port: `https://127.0.0.1:8443`."""
    host: str
    """What to send as `Host`, and to ask for in the handshake of TLS where it is a name."""
    ways: tuple[tuple[str, str], ...]
    """Each service that is reached, and what its paths begin with: `("api", "/v1")`."""

    @property
    def services(self) -> tuple[str, ...]:
        """The services that are reached, each once."""
        return tuple(dict.fromkeys(service for service, _ in self.ways))


def entries(system: System) -> list[Entry]:
    """Give all ways in, in the order of the file; one for each host that routes of a listener name."""
    ways: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for name, service in system.services.items():
        at = service.listen if isinstance(service.listen, str) else name
        if service.listen is None:
            continue
        for host, path in [(route.host, route.path) for route in service.routes] or [(None, None)]:
            ways.setdefault((at, host or ""), []).append((name, path or "/"))
    openings = system.openings()
    hosts = Counter(name for name, _ in ways)
    return [
        Entry(
            name=f"{name} {host}" if host and hosts[name] > 1 else name,
            listener=name,
            url=str(near),
            host=_said(host) or str(near).partition("://")[2],
            ways=tuple(inner),
        )
        for (name, host), inner in ways.items()
        if (near := openings[name].listener.near).scheme != TCP
    ]


def _said(host: str) -> str:
    # A wildcard stands for any name in its place.
    return host.replace("*", "drill", 1)
