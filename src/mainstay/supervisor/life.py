"""What the supervisor tells others: the lives in rotation, and what it asks of the gateway."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from mainstay.base.probe import ProbeResult, Talk
from mainstay.redundancy.canary import Score
from mainstay.system.schema import Service

HOST = "127.0.0.1"
"""Where instances listen: they are the gateway's to reach, and nobody else's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One life of an instance that the gateway is to know."""

    service: str
    instance: str
    generation: int
    host: str
    port: int
    zone: str
    state: str
    """`up`: it may be given requests. `draining`: only those that it has already."""
    path: str | None = None
    """What its health check asks for; None: nothing in particular."""
    preamble: str = ""
    """The version of the PROXY protocol with which every connection to it begins; empty: none does."""
    talk: Talk | None = None
    """What its health check says in place of HTTP."""
    server_name: str = ""
    """The name that its certificate must be for; empty: it speaks without TLS."""


Probe = Callable[[Service, str, int], Awaitable[ProbeResult]]
"""Asks an instance of a service, at a host and port, once whether it is well."""


class Turn(Protocol):
    """The traffic's part in a change of the system, in the order of its methods."""

    def begin(self) -> None:
        """Take hold of what will be needed.

        Raises:
            MainstayError: it cannot be had; nothing is changed then.
        """
        ...

    def show(self, ready: frozenset[str]) -> None:
        """Let these new services have traffic, and no others; called each time there are more.

        Raises:
            MainstayError: that cannot be.
        """
        ...

    def prepare(self) -> None:
        """Make sure that `switch` cannot fail; all that is new is ready.

        Raises:
            MainstayError: it would.
        """
        ...

    async def switch(self) -> None:
        """Have the traffic follow the new system."""
        ...

    async def undo(self) -> None:
        """In place of all that has not been called yet: have the traffic follow the former system, as before."""
        ...

    def end(self) -> None:
        """Take it that all is over, one way or the other."""
        ...


class Gate(Protocol):
    """The traffic, as far as the supervisor must know of it."""

    def publish(self) -> None:
        """Hear that the lives in rotation have changed; read them from `Supervisor.rotation` now or later."""
        ...

    def scores(self, service: str) -> Mapping[tuple[str, int], Score]:
        """Give what the traffic has shown of each life of a service, by instance and generation."""
        ...

    async def drained(self, life: Life, limit: float) -> bool:
        """Wait until no request is in progress on a life, `limit` seconds at most; tell whether none is."""
        ...
