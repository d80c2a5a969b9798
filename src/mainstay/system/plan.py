"""A system file as the audit sees it."""

import re
from collections.abc import Iterator

from mainstay.redundancy.audit.plan import Group, Part, Plan
from mainstay.redundancy.zone import spread
from mainstay.system.listener import Listener
from mainstay.system.schema import Service, System

_ANY = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not listened on
_HERE = ("127.0.0.1", "localhost", "[::1]")
_ADDRESS = re.compile(r"(?<![\w.-])(127\.0\.0\.1|localhost|\[::1\]):([0-9]{1,5})(?![0-9])", re.ASCII)


def plan_of(system: System) -> Plan:
    """Give what the audit asks of a system.

    Raises:
        SpecError: an environment file cannot be read any more.
    """
    shared = [service.listen for service in system.services.values()]
    return Plan(
        name=system.name,
        groups={
            name: _group(
                system, name, alone=not isinstance(service.listen, str) or shared.count(service.listen) == 1
            )
            for name, service in system.services.items()
        },
        zones=tuple(system.zones),
        workers=None if system.gateway.workers == "auto" else system.gateway.workers,
        drain=system.gateway.drain,
        accepted=tuple(
            "" if one.until is not None else f"{one.fault} at {one.target}" for one in system.drills.accept
        ),
    )


def _group(system: System, name: str, *, alone: bool) -> Group:
    service = system.services[name]
    listener = system.listener_of(name)
    return Group(
        name=name,
        parts=tuple(_parts(system, name, service)),
        runs=service.command is not None,
        needs=tuple(service.needs),
        stand_in=(service.fallback.service or "") if service.fallback is not None else "",
        listens=listener is not None,
        http=listener is not None and not service.is_tcp,
        reached=_reached(listener) if listener is not None and alone else (),
        named={
            variable: frozenset(_named(value))
            for variable, value in service.environment(system.folder).items()
            if _ADDRESS.search(value)
        },
        health=service.health is not None,
        failover=service.failover,
        retries=service.retry is not None and service.retry.attempts > 1 and service.retry.budget > 0,
        attempt=service.timeouts.attempt_limit(),
        request=service.timeouts.request,
        outlier=service.outlier is not None,
        keep=service.outlier.keep if service.outlier is not None else 1.0,
        drain=service.drain,
        sticky=service.sticky is not None,
        restart=service.restart is not None,
    )


def _parts(system: System, name: str, service: Service) -> Iterator[Part]:
    if service.command is None:
        for address in service.addresses:
            yield Part(f"{name} at {address.authority}", address.zone)
    else:
        for slot, zone in enumerate(spread(service.instances, system.zones), 1):
            yield Part(f"{name}-{slot}", zone)


def _reached(listener: Listener) -> tuple[str, ...]:
    """Give how it is written on this machine; a listener on all addresses is reached at its own ones too."""
    host = f"[{listener.host}]" if ":" in listener.host else listener.host
    hosts = _HERE if listener.host in _ANY else ("127.0.0.1", "localhost") if host in _HERE[:2] else (host,)
    return tuple(f"{each}:{listener.port}" for each in hosts)


def _named(value: str) -> Iterator[str]:
    return (f"{match[1]}:{match[2]}" for match in _ADDRESS.finditer(value))
