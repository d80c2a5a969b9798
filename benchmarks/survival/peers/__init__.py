"""The peers, each configured to survive: what its own documentation offers for that, as far as it goes.

Active checks each second, ejection of instances that traffic shows to be bad, retries on another instance, half a second
for a connection and one for an answer. A POST is sent a second time only when nothing of it had been sent. Where a
feature does not exist, the module says so.
"""

from types import ModuleType

from benchmarks.gateway import peers
from benchmarks.program import spawn
from benchmarks.survival.ours import herd, roll
from benchmarks.survival.peers import caddy, envoy, haproxy, nginx, traefik
from benchmarks.survival.system import Site, System

PEERS: dict[str, ModuleType] = {
    "nginx": nginx,
    "haproxy": haproxy,
    "envoy": envoy,
    "traefik": traefik,
    "caddy": caddy,
}


class Peer(System):
    """A peer, in front of instances that the benchmark runs."""

    def __init__(self, name: str, program: str, site: Site) -> None:
        super().__init__(site)
        self._peer, self._turn, self._program = PEERS[name], 0, program
        self.reloads, self.workers = hasattr(self._peer, "reload"), hasattr(self._peer, "worker")
        self.instances = herd(site)

    def start(self) -> None:
        self.instances.start()
        arguments = self._peer.configure(self.site, 0)
        self.process = spawn([self._program, *arguments], self.site.folder, self.site.cores)

    def reload(self) -> None:
        self._turn += 1
        arguments = self._peer.configure(self.site, self._turn)
        self._peer.reload(self._program, arguments, self._pid(), self.site)

    def worker(self) -> int:
        found: int = self._peer.worker(self._pid())
        return found

    def roll(self) -> None:
        roll(self.instances)

    def _pid(self) -> int:
        assert self.process is not None
        return self.process.pid


def found() -> dict[str, str]:
    """Give the peers that this machine has, with their programs."""
    return {name: program for name, program in peers.found().items() if name in PEERS}


def versions(programs: dict[str, str]) -> dict[str, str]:
    """Give what each of them is."""
    return peers.versions(programs)
