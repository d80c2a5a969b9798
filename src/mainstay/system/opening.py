"""What must hold between listeners, and between them and the services that take traffic there."""

import re
from collections.abc import Container, Iterator, Mapping
from difflib import get_close_matches

from mainstay.system.entrance import Entrance, Redirect, ServiceRoute
from mainstay.system.listener import TCP, Listener
from mainstay.system.place import Finding, Path, written
from mainstay.system.protocol import check_protocol
from mainstay.system.schema import Service

Services = Mapping[str, Service]
Shared = Mapping[str, Entrance]


def check_openings(
    services: Services,
    shared: Shared,
    admin: Listener | None,
    *,
    trusted: bool = False,
    told: Container[Path] = (),
) -> Iterator[Finding]:
    """Check listeners against one another, and the services that share one.

    Args:
        services: Those that could be read.
        shared: The system's `listeners`.
        admin: The gateway's own, if there is one.
        trusted: Whether the gateway has `trusted_proxies`.
        told: What is known to have something wrong in it.
    """
    for name, entrance in shared.items():
        if entrance.proxy_protocol and not trusted:
            yield (
                ("listeners", name, "proxy_protocol"),
                "lets in nobody but gateway.trusted_proxies, and there are none",
            )
    yield from _clashes(services, shared, admin)
    yield from _names(services, shared, told)
    for name, service in services.items():
        yield from _use(name, service, shared)
    yield from _same_requests(services, shared)
    yield from _redirects(services, shared)
    yield from _to_https(services, shared)
    yield from _alone(services, shared)
    if admin is not None and admin.scheme != "http":
        yield ("gateway", "admin"), f"must be http://HOST:PORT, not {admin}: plain HTTP is spoken there"


def _clashes(services: Services, shared: Shared, admin: Listener | None) -> Iterator[Finding]:
    wanted: list[tuple[Path, Listener]] = [
        (("listeners", name, "at"), one.at) for name, one in shared.items()
    ]
    wanted += [
        (("services", name, "listen"), service.listen)
        for name, service in services.items()
        if isinstance(service.listen, Listener)
    ]
    if admin is not None:
        wanted.append((("gateway", "admin"), admin))
    seen: dict[int, list[tuple[Path, Listener]]] = {}
    for path, listener in wanted:
        others = seen.setdefault(listener.port, [])
        for other, its in others:
            if listener.overlaps(its):
                yield path, f"{listener} is taken by {written(other[:-1])}, which listens on {its}"
                break
        others.append((path, listener))


def _names(services: Services, shared: Shared, told: Container[Path]) -> Iterator[Finding]:
    used = {service.listen for service in services.values()}
    for name, entrance in shared.items():
        # One name for both would make their metrics and sockets one.
        if name in services and isinstance(services[name].listen, Listener):
            yield ("listeners", name), f"services.{name} has a listener of its own under the same name"
        elif name not in used and not entrance.redirects and entrance.redirect is None:
            if ("listeners", name) in told:
                continue  # perhaps that is what is wrong
            yield ("listeners", name), "no service takes traffic here: name it as `listen` of one"


def _use(name: str, service: Service, shared: Shared) -> Iterator[Finding]:
    listen = service.listen
    if isinstance(listen, str) and listen not in shared:
        near = get_close_matches(listen, shared, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        yield ("services", name, "listen"), f"there is no listener {listen} under listeners{hint}"
    at = listen if not isinstance(listen, str) else shared[listen].at if listen in shared else None
    for path, message in check_protocol(service, at):
        yield ("services", name, *path), message
    if service.routes and isinstance(listen, Listener) and listen.scheme != TCP:
        yield (
            ("services", name, "routes"),
            "only a shared listener has routes: put its address under listeners, and its name here as `listen`",
        )
    for place, route in enumerate(service.routes):
        if route.rewrite is not None and not _prefix(route):
            yield (
                ("services", name, "routes", place, "rewrite"),
                "takes the place of `path`, which is not told",
            )


def _alone(services: Services, shared: Shared) -> Iterator[Finding]:
    """Refuse a second service, and redirects, at a TCP listener: nothing in the bytes would tell whose they are."""
    for name, entrance in shared.items():
        if entrance.redirects and entrance.at.scheme == TCP:
            yield (
                ("listeners", name, "redirects"),
                f"means nothing at {entrance.at}: no requests are read there",
            )
    first: dict[str, str] = {}
    for name, service in services.items():
        listen = service.listen
        if isinstance(listen, str) and listen in shared and shared[listen].at.scheme == TCP:
            other = first.setdefault(listen, name)
            if other != name:
                yield (
                    ("services", name, "listen"),
                    (
                        f"listeners.{listen} is that of services.{other}: a tcp:// listener has one service, "
                        "since it has neither hosts nor paths to tell services apart by"
                    ),
                )


def _same_requests(services: Services, shared: Shared) -> Iterator[Finding]:
    seen: dict[tuple[str, str, str], Path] = {}
    for listener, path, asked in _asked(services, shared):
        other = seen.setdefault((listener, asked.host or "", _prefix(asked)), path)
        if other != path:
            yield path, f"takes the same requests of listeners.{listener} as {written(other)}"


def _asked(services: Services, shared: Shared) -> Iterator[tuple[str, Path, ServiceRoute | Redirect]]:
    for name, entrance in shared.items():
        for place, redirect in enumerate(entrance.redirects):
            yield name, ("listeners", name, "redirects", place), redirect
    for name, service in services.items():
        if not isinstance(service.listen, str) or service.listen not in shared:
            continue
        if shared[service.listen].at.scheme == TCP:
            continue  # that there are two is told already
        for place, route in enumerate(service.routes):
            yield service.listen, ("services", name, "routes", place), route
        if not service.routes:
            yield service.listen, ("services", name, "listen"), ServiceRoute()


def _redirects(services: Services, shared: Shared) -> Iterator[Finding]:
    takes = {(name, asked.host, _prefix(asked)): asked for name, _, asked in _asked(services, shared)}
    for name, entrance in shared.items():
        for place, redirect in enumerate(entrance.redirects):
            path: Path = ("listeners", name, "redirects", place, "to")
            if redirect.keep and ("?" in redirect.to or "#" in redirect.to):
                yield path, "has a query or a fragment, after which nothing can be kept: tell `keep: off`"
            elif redirect.to.startswith("/"):
                to = re.split("[?#]", redirect.to)[0].rstrip("/")
                while to and (name, redirect.host, to) not in takes:
                    to = to.rpartition("/")[0]
                if takes.get((name, redirect.host, to)) is redirect:
                    yield path, "is taken by this very redirect, so that clients would go round in a circle"


def _to_https(services: Services, shared: Shared) -> Iterator[Finding]:
    everything = {
        name: path
        for name, path, asked in _asked(services, shared)
        if asked.host is None and not _prefix(asked)
    }
    for name, entrance in shared.items():
        if entrance.redirect is None:
            continue
        if entrance.at.scheme != "http":
            yield (
                ("listeners", name, "redirect"),
                f"means nothing at {entrance.at}: only http:// leads to https://",
            )
        if name in everything:
            yield (
                everything[name],
                f"takes every request of listeners.{name}, so that none is left to be sent to https",
            )


def _prefix(asked: ServiceRoute | Redirect) -> str:
    """Give what the paths begin with that are asked for, without a slash at the end."""
    return (asked.path or "").rstrip("/")
