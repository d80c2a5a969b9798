"""What a system file says, as the gateway is told it: pure."""

from dataclasses import replace
from pathlib import Path

from mainstay.gateway.crew.place import Address
from mainstay.gateway.table import (
    Concurrency,
    Door,
    Fallback,
    LogSettings,
    Redirect,
    Rule,
    Settings,
    StickySettings,
    Terms,
    TraceSettings,
    Trust,
    UsersSettings,
)
from mainstay.gateway.tls.keyring import Keyring
from mainstay.supervisor.rundir import ACCESS, RunDir
from mainstay.system.entrance import Opening
from mainstay.system.listener import TCP
from mainstay.system.mechanism import Concurrency as Limits
from mainstay.system.mechanism import Fallback as Instead
from mainstay.system.schema import Service, System
from mainstay.system.sticky import By, Sticky


def addresses(system: System) -> dict[str, Address]:
    """Give where it listens, by the keys of the system file that say so."""
    return {opening.key: opening.listener.address for opening in system.openings().values()}


def beside(door: Door, other: Door) -> Door:
    """Lead to both, and where both would take the same requests, as the first does."""
    taken = {(rule.host, rule.path) for rule in door.rules}
    return replace(
        door, rules=[*door.rules, *(rule for rule in other.rules if (rule.host, rule.path) not in taken)]
    )


def doors(system: System, keyring: Keyring) -> dict[str, Door]:
    """Say how the traffic of each listening socket is taken; one whose certificates cannot be read is left out."""
    openings = system.openings()
    rules: dict[str, list[Rule]] = {name: [] for name in openings}
    for name, service in system.services.items():
        if service.listen is None:
            continue
        at = service.listen if isinstance(service.listen, str) else name
        rules[at] += [
            Rule(
                service=name,
                host=route.host or "",
                path=route.path or "",
                rewrite=route.rewrite or "",
                importance=_IMPORTANCE[route.priority],
            )
            for route in service.routes
        ] or [Rule(service=name)]
    return {
        name: _door(system, opening, rules[name], keyring.terms(name))
        for name, opening in openings.items()
        if opening.entrance.tls is None or keyring.terms(name) is not None
    }


def _door(system: System, opening: Opening, rules: list[Rule], terms: Terms | None) -> Door:
    entrance = opening.entrance
    hsts = entrance.tls.hsts if entrance.tls is not None else None
    return Door(
        rules=rules,
        redirects=[
            Redirect(host=one.host or "", path=one.path or "", to=one.to, keep=one.keep, status=one.status)
            for one in entrance.redirects
        ],
        introduced=entrance.proxy_protocol,
        https=entrance.redirect,
        terms=terms,
        hsts=int(hsts) if hsts is not None else None,
        tcp=opening.listener.scheme == TCP,
        most=_most(system, rules),
    )


def _most(system: System, rules: list[Rule]) -> int | None:
    """Give how many connections a listener may have; only one of a single service has a limit."""
    return system.services[rules[0].service].max_connections if rules else None


def access_log(system: System, rundir: RunDir) -> LogSettings | None:
    """Say how requests are to be written down, and where."""
    told = system.gateway.access_log
    if told is None:
        return None
    path = rundir.log(ACCESS) if told.path is None else system.folder / told.path
    return LogSettings(path=str(path), format=told.format, sample=told.sample, size=told.size, keep=told.keep)


def trace(system: System) -> TraceSettings | None:
    """Say how the gateway is to name requests, and who is told of them."""
    told = system.gateway.tracing
    if told is None:
        return None
    return TraceSettings(accept=told.accept, sample=told.sample, export=told.export, system=system.name)


_IMPORTANCE = {"high": 0, "normal": 1, "low": 2}


def concurrency(told: Limits | None) -> Concurrency | None:
    """Say how much a service is given at once."""
    if told is None:
        return None
    return Concurrency(
        adaptive=told.limit == "auto",
        limit=told.limit if isinstance(told.limit, int) else None,
        per_instance=told.per_instance,
        queue=told.queue,
        client_priority=told.client_priority,
    )


def fallback(told: Instead | None) -> Fallback | None:
    """Say what stands in for a service that cannot be asked."""
    if told is None:
        return None
    return Fallback(service=told.service or "", status=told.status, body=told.body, type=told.type)


def settings(  # noqa: PLR0913 - all that it depends on
    name: str,
    service: Service,
    secret: str,
    trust: Trust,
    zone: str | None = None,
    *,
    key_store: Path = Path(),
) -> Settings:
    """Say how the gateway is to treat a service's traffic.

    Args:
        name: The service's.
        service: What the system file says of it.
        secret: Hides what cookies say.
        trust: How its instances are believed.
        zone: The gateway's own.
        key_store: The file for what carries an idempotency key, if anything is kept of that.
    """
    keys = service.key_spec()
    return Settings(
        health=service.health_spec(),
        pool=replace(service.pool_spec(), zone=zone or ""),
        call=service.call_spec(),
        breaker=service.breaker_spec(),
        sticky=sticky(name, service.sticky, secret) if service.sticky is not None else None,
        users=users(service.users, secret) if service.users is not None else None,
        keyed=service.idempotency == "service",
        keys=keys,
        key_store=str(key_store) if keys is not None else "",
        concurrency=concurrency(service.concurrency),
        connect=service.timeouts.connect,
        idle=service.timeouts.idle,
        tunnel=service.timeouts.tunnel,
        upgrades=service.upgrade,
        fallback=fallback(service.fallback),
        hold=service.hold,
        trust=trust,
    )


def users(by: By, secret: str) -> UsersSettings:
    """Say how the users of a service are told apart."""
    return UsersSettings(by=by.kind, name=by.name, secret=secret)


def sticky(service: str, told: Sticky, secret: str) -> StickySettings:
    """Say what ties requests of a service to its instances."""
    session = told.by.kind == "session"
    return StickySettings(
        by=told.by.kind,
        name=(told.cookie or f"mainstay-{service}") if session else told.by.name,
        secret=secret if session else "",
        lasts=int(told.lasts),
        same_site=told.same_site,
    )
