"""Which drills a system implies: each of its parts with each fault that makes sense there.

A *cell* of the survival matrix is one kind of fault at one target. Every part that the system file declares has cells,
whether or not anybody has run them: what was never drilled is a gap that can be seen.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mainstay.base.errors import SpecError
from mainstay.drill.fault.kind import INSTANCE, KINDS, SERVICE, SYSTEM, TRAFFIC, ZONE, Kind, kind_of
from mainstay.redundancy.zone import spread
from mainstay.system.schema import Service, System

GATEWAY = "gateway"
"""The name of Mainstay itself as a target."""

_LAST = frozenset({"crash-loop"})
"""Kinds after which the supervisor waits for long before it starts the instance again. What is drilled next would be
measured with that."""


class Target(NamedTuple):
    """What a fault is aimed at."""

    name: str
    """A service, a zone, one instance, or `gateway`."""
    service: str
    """The service; empty for a zone and for Mainstay itself."""
    instances: tuple[str, ...]
    """The instances that it hits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One drill: one kind of fault, or two at the same time, at one target each."""

    kind: Kind
    target: Target
    beside: "Cell | None" = None
    """A second fault at the same time."""

    @property
    def name(self) -> str:
        """Its name: `kill@web`, `kill@web+latency@db`."""
        own = f"{self.kind.name}@{self.target.name}"
        return own if self.beside is None else f"{own}+{self.beside.name}"

    @property
    def parts(self) -> "tuple[Cell, ...]":
        """All faults of it."""
        return (self,) if self.beside is None else (self, *self.beside.parts)

    @property
    def lasts(self) -> bool:
        """Whether any of its faults goes on until it is undone."""
        return any(part.kind.lasts for part in self.parts)

    @property
    def touches(self) -> frozenset[str]:
        """The instances that it breaks."""
        return frozenset(name for part in self.parts for name in part.target.instances)


def cells(system: System, kinds: Mapping[str, Kind] = KINDS) -> list[Cell]:
    """Give every cell that a system implies, in the order of its file and of the kinds, and then those of `_LAST`."""
    found = [
        Cell(kind=kind, target=target)
        for target_of in (_services, _zones, _itself)
        for kind in kinds.values()
        for target in target_of(system, kind)
    ]
    return sorted(found, key=lambda cell: cell.kind.name in _LAST)


def pairs(given: Sequence[Cell]) -> list[Cell]:
    """Give every two of them at the same time that break different instances, each once."""
    return [
        Cell(kind=one.kind, target=one.target, beside=other)
        for number, one in enumerate(given)
        for other in given[number + 1 :]
        if one.touches and other.touches and not one.touches & other.touches
    ]


def chosen(
    all_: Sequence[Cell], faults: Iterable[str] = (), targets: Iterable[str] = (), *, quick: bool = False
) -> list[Cell]:
    """Give the cells that are asked for by name; with no names, all, or the quick ones.

    Raises:
        SpecError: no cell is like that, or one of the names is none.
    """
    faults, targets = list(faults), list(targets)
    _known(all_, faults, targets)
    found = []
    for cell in all_:
        if faults and cell.kind.name not in faults:
            continue
        if quick and not faults and not cell.kind.quick:
            continue
        if not targets or cell.target.name in targets:
            found.append(cell)
    if not found:
        what = " and ".join(
            part for part in (" ".join(faults), f"target {' '.join(targets)}" if targets else "") if part
        )
        raise SpecError(f"no drill is like that: {what or 'the system file has nothing to break'}")
    return found


def named(all_: Sequence[Cell], names: Iterable[str]) -> list[Cell]:
    """Give the cells of these names, also those of two faults, as in `kill@api+latency@web`.

    Raises:
        SpecError: there is none of such a name, or the two faults of one break the same instances.
    """
    found = [_named(all_, name) for name in names]
    return list({cell.name: cell for cell in found}.values())


def _named(all_: Sequence[Cell], name: str) -> Cell:
    by = {cell.name: cell for cell in all_}
    parts = [name] if name in by else name.split("+")
    for part in parts:
        if part not in by:
            near = difflib.get_close_matches(part, by, 1)
            hint = f"did you mean '{near[0]}'?" if near else "`mainstay drill plan` lists them"
            raise SpecError(f"no cell '{part}', which is FAULT@TARGET; {hint}")
    if len(parts) == 1:
        return by[parts[0]]
    # In the order of the plan, whatever the order in which they are told: it is the same drill.
    found = pairs([cell for cell in all_ if cell.name in parts])
    if len(parts) > 2 or not found:  # noqa: PLR2004 - two at the same time
        raise SpecError(f"'{name}' is no pair: a pair is two faults that break different instances")
    return found[0]


def _known(all_: Sequence[Cell], faults: Iterable[str], targets: Iterable[str]) -> None:
    kinds = KINDS | {cell.kind.name: cell.kind for cell in all_}
    for name in faults:
        kind_of(name, kinds)
    there = dict.fromkeys(cell.target.name for cell in all_)
    for name in targets:
        if name not in there:
            raise SpecError(f"no target '{name}'; there are: {', '.join(there)}")


def instances(system: System) -> dict[str, list[str]]:
    """Give the names of all instances by service, as they are called when it runs."""
    return {name: _names(name, service) for name, service in system.services.items()}


def only_one(system: System, cell: Cell) -> str:
    """Say of which services that a cell breaks there is a single instance; empty when of none."""
    there = instances(system)
    alone = dict.fromkeys(
        part.target.service for part in cell.parts if len(there.get(part.target.service, ())) == 1
    )
    return f"there is only one instance of {' and of '.join(alone)}" if alone else ""


def zone_of(system: System) -> dict[str, str]:
    """Give the zone of every instance that is in one."""
    found: dict[str, str] = {}
    for name, service in system.services.items():
        zones = (
            [address.zone for address in service.addresses]
            if service.command is None
            else spread(service.instances, system.zones)
        )
        found |= {instance: zone for instance, zone in zip(_names(name, service), zones, strict=True) if zone}
    return found


def dependents(system: System, service: str) -> set[str]:
    """Give a service with all those that need it, directly or not."""
    found = {service}
    while more := {
        name for name, one in system.services.items() if name not in found and found & set(one.needs)
    }:
        found |= more
    return found


def _names(name: str, service: Service) -> list[str]:
    if service.command is None:
        return [address.authority for address in service.addresses]
    return [f"{name}-{slot}" for slot in range(1, service.instances + 1)]


def _services(system: System, kind: Kind) -> list[Target]:
    if kind.aim not in (INSTANCE, SERVICE):
        return []
    found = []
    for name, service in system.services.items():
        if not _makes_sense(system, name, service, kind):
            continue
        names = _names(name, service)
        hit = names
        if kind.aim == INSTANCE:
            hit = _first_named(service) if kind.name == "dns" else names[:1]
        found.append(Target(name, name, tuple(hit)))
    return found


def _makes_sense(system: System, name: str, service: Service, kind: Kind) -> bool:
    if kind.own and service.command is None:
        return False
    if kind.name == "disk":
        return name in system.drills.disk
    if kind.aim == SERVICE and kind.means == TRAFFIC and dependents(system, name) == {name}:
        # The loss of all of a service says something only of those that need it.
        return False
    if kind.name == "dns":
        return bool(_first_named(service))
    if kind.means == TRAFFIC:
        # Only what comes through the gateway can be held up there; and of a TCP connection nobody knows what is said.
        return system.listener_of(name) is not None and not (kind.http and service.is_tcp)
    return True


def _first_named(service: Service) -> list[str]:
    """Give the first address that takes a look-up."""
    return [one.authority for one in service.addresses if not _is_number(one.host)][:1]


def _is_number(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def _zones(system: System, kind: Kind) -> list[Target]:
    if kind.aim != ZONE:
        return []
    where = zone_of(system)
    own = {
        name
        for service, names in instances(system).items()
        if system.services[service].command
        for name in names
    }
    found = []
    for zone in system.zones:
        hit = tuple(name for name, its in where.items() if its == zone and (not kind.own or name in own))
        if hit:
            found.append(Target(zone, "", hit))
    return found


def _itself(system: System, kind: Kind) -> list[Target]:
    if kind.aim != SYSTEM:
        return []
    if kind.name == "worker-kill" and not system.openings():
        return []
    if kind.name == "certificate" and not any(one.entrance.tls for one in system.openings().values()):
        return []
    return [Target(GATEWAY, "", ())]
