"""A Compose file as the audit sees it."""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from mainstay.redundancy.audit.container import COMPLETED, Container
from mainstay.redundancy.audit.plan import Group, Part, Plan
from mainstay.system.compose.dependency import named
from mainstay.system.compose.project import Project
from mainstay.system.compose.service import Reading, Service
from mainstay.system.place import Path as Keys
from mainstay.system.place import written

_FOR_DEVELOPERS = frozenset({"dev", "devel", "development", "debug", "local", "test", "tests", "tools"})
"""Profiles that say so."""


class Composed(NamedTuple):
    """What is known of a Compose file."""

    plan: Plan
    services: dict[str, Service]
    """Those that would be started."""
    remarks: list[str]


def composed(project: Project, profiles: Collection[str] = ()) -> Composed:
    """Give what a Compose file describes.

    Args:
        project: The file, as it was read.
        profiles: Those that are switched on; `*` is all.

    Raises:
        OtherFileError: what it says cannot be.
    """
    reading = Reading(project.environ)
    every = {name: reading.service(name, each.keys, each.folder) for name, each in project.services.items()}
    project.refuse(reading.problems or list(_wrong(every)))
    started = {name: each for name, each in every.items() if each.replicas and _is_on(each, profiles)}
    if not started:
        project.refuse([(("services",), "has no service to start; --profile NAME switches others on")])
    remarks = [*project.remarks, *(_told(project, keys, message) for keys, message in reading.remarks)]
    remarks += [
        f"{name} is left out: it has {'no replica' if not each.replicas else 'the profile ' + ' or '.join(each.profiles)}"
        for name, each in every.items()
        if name not in started
    ]
    plan = _plan(project.name, started)
    if plan.development:
        remarks.append(
            "this is a file for development, whose services mount their source: no rule looks at it"
        )
    return Composed(plan, started, remarks)


def _told(project: Project, keys: Keys, message: str) -> str:
    return f"{project.file.name}:{project.document.place(keys, key=True).line}: {written(keys)} {message}"


def _is_on(service: Service, profiles: Collection[str]) -> bool:
    return not service.profiles or "*" in profiles or bool(set(service.profiles) & set(profiles))


def _plan(name: str, services: Mapping[str, Service]) -> Plan:
    tasks = {
        need for each in services.values() for need, how in each.waits.items() if how == COMPLETED
    } & services.keys()
    parts = _parts(services)
    called = _called(services)
    containers = {key: _container(each, once=key in tasks) for key, each in services.items()}
    built = [each for each in containers.values() if each.built]
    return Plan(
        name=name,
        groups={
            key: Group(
                name=key,
                parts=parts[key],
                needs=tuple(need for need in _needs(each, services, called) if need not in tasks),
                listens=bool(each.ports),
                restart=containers[key].restarts,
            )
            for key, each in services.items()
        },
        containers=containers,
        development=bool(built) and all(each.source for each in built),
    )


def _parts(services: Mapping[str, Service]) -> dict[str, tuple[Part, ...]]:
    """Name the replicas as Compose does: `web-1`; one alone has its service's name, unless that is another's."""
    several = {
        name: tuple(Part(f"{name}-{number}") for number in range(1, each.replicas + 1))
        for name, each in services.items()
        if each.replicas > 1
    }
    taken = {part.name for parts in several.values() for part in parts}
    alone = {
        name: (Part(f"{name}-1" if name in taken else name),) for name in services if name not in several
    }
    return several | alone


def _called(services: Mapping[str, Service]) -> dict[str, str]:
    """Give the service of each name; a service's own name wins."""
    return {other: name for name, each in services.items() for other in each.names} | {
        name: name for name in services
    }


def _needs(service: Service, services: Mapping[str, Service], called: Mapping[str, str]) -> Iterator[str]:
    told = [name for name in service.waits if name not in service.optional]
    hosts = [called[host] for host in named(service.filed | service.environment, called)]
    for name in dict.fromkeys([*told, *service.links, *service.goals, *hosts]):
        if name in services and name != service.name:
            yield name


def _container(service: Service, *, once: bool) -> Container:
    return Container(
        replicas=service.replicas,
        image=service.image,
        built=service.build,
        checked=service.checked,
        unchecked=service.unchecked,
        restart=service.restart,
        waits=service.waits,
        writes=tuple(service.written),
        ports=tuple(
            each.partition(":")[0]
            for each in service.ports
            if ":" in each and "-" not in each.partition(":")[0]
        ),
        once=once,
        source=(service.build and service.mounted) or bool(_FOR_DEVELOPERS & set(service.profiles)),
    )


def _wrong(services: Mapping[str, Service]) -> Iterator[tuple[Keys, str]]:
    for name, each in services.items():
        for key, needs in (
            (("depends_on",), list(each.waits)),
            ((), each.links),
            (("x-mainstay", "needs"), each.goals),
        ):
            for need in needs:
                if need not in services and need not in each.optional:
                    yield ("services", name, *key), f"there is no service {need}"
    yield from _circles({name: list(each.waits) for name, each in services.items()})


def _circles(waits: Mapping[str, list[str]]) -> Iterator[tuple[Keys, str]]:
    """Find a service that waits for itself: what waits for nothing is taken away, until nothing changes."""
    waiting = {name: len(needs) for name, needs in waits.items()}
    users: dict[str, list[str]] = {}
    for name, needs in waits.items():
        for need in needs:
            users.setdefault(need, []).append(name)
    left = [name for name in (*waits, *users) if not waiting.get(name)]
    within = dict.fromkeys(waits)
    while left:
        name = left.pop()
        within.pop(name, None)
        for user in users.pop(name, ()):
            waiting[user] -= 1
            if not waiting[user]:
                left.append(user)
    if within:
        # Each of those left waits for another one of them, so the walk comes back to where it was.
        trail = [next(iter(within))]
        while (after := next(need for need in waits[trail[-1]] if need in within)) not in trail:
            trail.append(after)
        circle = [*trail[trail.index(after) :], after]
        yield ("services", after, "depends_on"), f"waits for itself: {' → '.join(circle)}"
