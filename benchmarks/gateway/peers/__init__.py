"""The peers, each with the same features on: active checks each second, retries, time limits, metrics, TLS.

Each has one worker, no access log, kept-alive connections to the origins, and otherwise what its own
documentation recommends or does by default. Where a feature does not exist, its module says so.
"""

from types import ModuleType

from benchmarks.gateway.peers import caddy, envoy, haproxy, nginx, traefik
from benchmarks.gateway.proxy import Place, Proxy
from benchmarks.program import spawn, version, which

PEERS: dict[str, ModuleType] = {
    "nginx": nginx,
    "haproxy": haproxy,
    "envoy": envoy,
    "traefik": traefik,
    "caddy": caddy,
}


def found() -> dict[str, str]:
    """Give the peers that this machine has, with their programs."""
    return {name: program for name in PEERS if (program := which(name)) is not None}


def versions(programs: dict[str, str]) -> dict[str, str]:
    """Give what each of them is."""
    return {name: version(program, *PEERS[name].VERSION) for name, program in programs.items()}


def start(name: str, program: str, place: Place) -> Proxy:
    """Start a peer."""
    peer = PEERS[name]
    place.folder.mkdir()
    process = spawn([program, *peer.configure(place)], place.folder, place.cores)
    return Proxy(name, {door: getattr(place, door) for door in peer.DOORS}, [process])
