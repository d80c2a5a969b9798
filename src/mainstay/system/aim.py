"""What must hold between the drills of a system and what there is to be drilled."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from mainstay.system.drills import ANY, GATEWAY, Drills
from mainstay.system.entrance import Entrance
from mainstay.system.listener import TCP, Listener
from mainstay.system.place import Finding, Path
from mainstay.system.schema import Service
from mainstay.system.value import shown


def check_drills(
    drills: Drills,
    services: Mapping[str, Service],
    shared: Mapping[str, Entrance],
    names: Iterable[str],
    zones: Iterable[str],
) -> Iterator[Finding]:
    """Check what drills aim at.

    Args:
        drills: The system's.
        services: Those that could be read.
        shared: The system's `listeners`.
        names: Of all services in the file, so that nobody is told that a wrong one is not there.
        zones: Of the system.
    """
    known = {ANY, GATEWAY, *names, *zones, *_instances(services)}
    aims = {("expect", place): each.target for place, each in enumerate(drills.expect)}
    aims |= {("accept", place): each.target for place, each in enumerate(drills.accept)}
    for (key, place), target in aims.items():
        if target not in known:
            hint = _nearest(target, known) or "write a service, a zone, an instance, gateway or *"
            yield ("drills", key, place, "target"), f"there is no {shown(target)}; {hint}"
    commands = {name for name in names if name not in services or services[name].command is not None}
    for name in drills.disk:
        if name not in commands:
            hint = _nearest(name, commands) or "write a service that has a `command`"
            yield ("drills", "disk", name), f"there is no service {name} that Mainstay runs; {hint}"
    yield from _entrances(drills, services, shared, set(names))
    load = drills.load
    if load.journal is not None and not any(ask.writes and ask.names_itself for ask in load.requests):
        yield (
            ("drills", "load", "journal"),
            "has nothing to be looked up: no request has `writes: true` and `{id}` in its path, headers or body",
        )


def _instances(services: Mapping[str, Service]) -> Iterator[str]:
    for name, service in services.items():
        if service.addresses:
            yield from (address.authority for address in service.addresses)
        else:
            yield from (f"{name}-{slot}" for slot in range(1, service.instances + 1))


def _entrances(
    drills: Drills, services: Mapping[str, Service], shared: Mapping[str, Entrance], names: set[str]
) -> Iterator[Finding]:
    for place, ask in enumerate(drills.load.requests):
        path: Path = ("drills", "load", "requests", place, "to")
        to = ask.to
        if to is None:
            continue
        if to not in names and to not in shared:
            hint = _nearest(to, names | set(shared)) or "write a service or a listener"
            yield path, f"there is no service and no listener {to}; {hint}"
        elif to in shared and to not in services and shared[to].at.scheme == TCP:
            yield path, f"names listeners.{to}, where no HTTP is spoken"
        elif to in services and (why := _why_no_http(services[to], shared)):
            yield path, f"names services.{to}, which takes no requests over HTTP: {why}"


def _why_no_http(service: Service, shared: Mapping[str, Entrance]) -> str:
    listen = service.listen
    if listen is None:
        return "it has no `listen`"
    at = listen if isinstance(listen, Listener) else shared[listen].at if listen in shared else None
    return "it speaks TCP" if at is not None and at.scheme == TCP else ""


def _nearest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, sorted(known), n=1)
    return f"did you mean {near[0]}?" if near else ""
