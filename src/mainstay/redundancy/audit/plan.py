"""A system as the audit sees it: plain values, whatever file they come from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from mainstay.redundancy.audit.container import Container

Keys = tuple[str | int, ...]
"""Where something is said in the file: `("services", "web", "instances")`."""


class Part(NamedTuple):
    """One of those that can do the same: an instance, or an address of somebody else's."""

    name: str
    zone: str = ""
    """The zone that it is in; empty: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A service: one of its parts is enough, and what it needs must be there as well."""

    name: str
    parts: tuple[Part, ...]
    runs: bool = True
    """Whether Mainstay runs its parts; otherwise they are addresses."""
    needs: tuple[str, ...] = ()
    stand_in: str = ""
    """The service that answers when none of its parts can be asked; empty: none."""
    listens: bool = False
    """Whether clients reach it through the gateway."""
    http: bool = False
    reached: tuple[str, ...] = ()
    """How others on this machine reach it, as in `127.0.0.1:6379`."""
    named: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Names of variables in the environment of its parts, each with the addresses on this machine that are in it."""
    health: bool = True
    failover: bool = True
    retries: bool = True
    """Whether a request may have a second attempt."""
    attempt: float = 0.0
    """Seconds that one attempt may take."""
    request: float = 0.0
    """Seconds that a request may take with all attempts."""
    outlier: bool = True
    keep: float = 0.5
    """The share of its parts that is never ejected."""
    drain: float = 0.0
    """Seconds that requests in progress have when a part is stopped."""
    sticky: bool = False
    restart: bool = True

    def at(self, *keys: str | int) -> Keys:
        """Give where something of it is said."""
        return ("services", self.name, *keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A whole system."""

    name: str
    groups: Mapping[str, Group]
    zones: tuple[str, ...] = ()
    workers: int | None = None
    """Processes of the gateway; None: one for each processor of the machine."""
    drain: float = 0.0
    """Seconds that requests in progress have when the gateway stops."""
    containers: Mapping[str, Container] = field(default_factory=dict)
    """What a Compose file says of its services, by name; empty for other files."""
    development: bool = False
    """Whether the file is for a developer's machine, where nobody minds a failure."""
    accepted: tuple[str, ...] = ()
    """Outages that are accepted for ever, as in `kill at db`; empty text where one has a last day."""

    def entries(self) -> list[str]:
        """Give the services that users come to: those with a listener that no other service needs.

        Where all are needed by another, all with a listener; where none has one, all that nobody needs.
        """
        needed = {need for group in self.groups.values() for need in group.needs}
        listening = [name for name, group in self.groups.items() if group.listens]
        outer = [name for name in listening if name not in needed]
        return outer or listening or [name for name in self.groups if name not in needed]

    def below(self, name: str) -> list[str]:
        """Give a service with all that it needs, directly or not."""
        found: dict[str, None] = {}
        left = [name]
        while left:
            one = left.pop()
            if one not in found:
                found[one] = None
                left += reversed(self.groups[one].needs)
        return list(found)

    def users(self) -> dict[str, list[str]]:
        """Give for each service those that cannot do without it."""
        found: dict[str, list[str]] = {name: [] for name in self.groups}
        for name in self.groups:
            for need in self.below(name)[1:]:
                found[need].append(name)
        return found

    def parts(self) -> Iterator[tuple[Group, Part]]:
        """Give every part of every service."""
        return ((group, part) for group in self.groups.values() for part in group.parts)
