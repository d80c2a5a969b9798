"""What must hold between the keys of a system file, and between it and the machine."""

import pwd
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from mainstay.base.errors import SpecError
from mainstay.base.units import format_duration
from mainstay.system.envfile import read_env_file
from mainstay.system.place import Finding
from mainstay.system.place import Path as KeyPath
from mainstay.system.scalar import URL, url_name
from mainstay.system.schema import Service
from mainstay.system.witness import AccessLog


def check(
    services: Mapping[str, Service],
    names: Iterable[str],
    zones: list[str],
    folder: Path,
    own: str | None = None,
) -> list[Finding]:
    """Check services against one another and against the machine.

    Args:
        services: Those that could be read.
        names: Of all services in the file, so that nobody is told that a wrong one is not there.
        zones: Of the system.
        folder: The system file's.
        own: The zone of the gateway, if it is told.
    """
    findings = list(_zones(zones))
    if own is not None and own not in zones:
        findings.append((("gateway", "zone"), _no_zone(own, zones)))
    for name, service in services.items():
        for place, address in enumerate(service.addresses):
            if address.zone and address.zone not in zones:
                findings.append((("services", name, "addresses", place), _no_zone(address.zone, zones)))
        findings += [(("services", name, *path), message) for path, message in _service(service, folder)]
    known = set(names)
    return [
        *findings,
        *_unknown_needs(services, known),
        *_unknown_urls(services),
        *_circles(services),
        *_fallbacks(services, known),
    ]


def check_log(log: AccessLog | None, folder: Path) -> Iterator[Finding]:
    """Check where the access log is to be; `folder` is the system file's."""
    if log is None or log.path is None:
        return
    file = (folder / log.path).resolve()
    if file.exists() and not file.is_file():
        yield ("gateway", "access_log", "path"), f"is {'a folder' if file.is_dir() else 'not a file'}: {file}"
    elif not file.parent.is_dir():
        yield ("gateway", "access_log", "path"), f"no such folder: {file.parent}"


def _zones(zones: list[str]) -> Iterator[Finding]:
    seen: set[str] = set()
    for place, zone in enumerate(zones):
        if zone in seen:
            yield ("zones", place), f"the zone {zone} is named twice"
        seen.add(zone)


def _no_zone(name: str, zones: list[str]) -> str:
    allowed = f"allowed are {', '.join(zones)}" if zones else "the system has none"
    return f"there is no zone {name}; {allowed}"


_URL = re.compile(rf"\$\{{({URL}\w*)\}}", re.ASCII)
_OF_COMMANDS = (
    *("instances", "cwd", "env", "env_file", "user", "failover"),
    *("restart", "ready_within", "drain", "stop_timeout", "needs", "logs"),
)
"""Keys that say how a command is run and replaced."""


def _addressed(service: Service) -> Iterator[Finding]:
    if not service.addresses:
        return
    for key in _OF_COMMANDS:
        if key in service.model_fields_set:
            yield (key,), "means nothing with addresses: Mainstay does not run what is there"
    if service.listen is None:
        yield ("addresses",), "needs `listen` as well: nobody could send requests there"
    seen = set()
    for place, address in enumerate(service.addresses):
        if address.authority in seen:
            yield ("addresses", place), f"{address} is there twice"
        seen.add(address.authority)


def _service(service: Service, folder: Path) -> Iterator[Finding]:
    yield from _addressed(service)
    cwd = service.working_folder(folder)
    if not cwd.is_dir():
        yield ("cwd",), f"{'is not a folder' if cwd.exists() else 'no such folder'}: {cwd}"
    for place, file in enumerate(service.env_file):
        try:
            read_env_file(folder / file)
        except SpecError as error:
            yield ("env_file", place), str(error)
    if service.user is not None and not _is_user(service.user):
        yield ("user",), f"this machine has no user '{service.user}'"
    yield from _sticky(service)
    if service.listen is None and service.users is not None:
        yield ("users",), "means nothing without `listen`: no requests come here"
    if service.listen is None and service.preamble():
        yield ("proxy_protocol",), "means nothing without `listen`: no connection comes here"
    yield from _timing(service)
    yield from _specs(service)
    yield from _objective(service)


def _sticky(service: Service) -> Iterator[Finding]:
    sticky = service.sticky
    if sticky is None:
        return
    if service.listen is None:
        yield ("sticky",), "means nothing without `listen`: no requests come here"
    if sticky.by.kind != "session":
        for key in ("cookie", "lasts", "same_site"):
            if key in sticky.model_fields_set:
                yield (
                    ("sticky", key),
                    f"is for `by: session`, where the gateway sets a cookie, not for {sticky.by}",
                )
    if 0 < sticky.lasts < 1:
        yield ("sticky", "lasts"), "must be 0 or at least 1s: cookies count whole seconds (RFC 6265 §5.2.2)"


def _timing(service: Service) -> Iterator[Finding]:
    timeouts, restart = service.timeouts, service.restart
    if timeouts.attempt_limit() > timeouts.request:
        attempt, request = format_duration(timeouts.attempt), format_duration(timeouts.request)
        yield ("timeouts", "attempt"), f"must not be longer than request ({request}), not {attempt}"
    if restart is not None and restart.delay > restart.cap:
        delay, cap = format_duration(restart.delay), format_duration(restart.cap)
        yield ("restart", "delay"), f"must not be longer than cap ({cap}), not {delay}"


def _specs(service: Service) -> Iterator[Finding]:
    builders: dict[str, Callable[[], object]] = {
        "health": service.health_spec,
        "retry": service.retry_spec,
        "breaker": service.breaker_spec,
        "outlier": service.outlier_spec,
    }
    for key, build in builders.items():
        try:
            build()
        except SpecError as error:
            yield (key,), str(error)


def _objective(service: Service) -> Iterator[Finding]:
    objective = service.objective
    if objective is None:
        return
    if service.listen is None:
        yield ("objective",), "means nothing without `listen`: no requests come here"
    elif service.is_tcp and objective.latency:
        yield ("objective", "latency"), "is for HTTP: nobody knows when an answer is there in TCP"
    for key, message in objective.problems():
        yield ("objective", key), message


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _unknown_urls(services: Mapping[str, Service]) -> Iterator[Finding]:
    """Find names of what a service is told only of those that it needs: they would be left as they are."""
    for name, service in services.items():
        if any(need not in services for need in service.needs):
            continue  # where that is reached is told when it can be read
        known = [
            url_name(told)
            for need in service.needs
            if (at := services[need].listen) is not None
            for told in (need, *([at] if isinstance(at, str) else []))
        ]
        words = service.command if isinstance(service.command, list) else [service.command or ""]
        texts: list[tuple[KeyPath, str]] = [(("env", key), value) for key, value in service.env.items()]
        texts += [(("command",), word) for word in words]
        for path, text in texts:
            for asked in _URL.findall(text):
                if asked not in known:
                    only = f"which only who `needs` a service with a `listen` is told: {', '.join(known) or 'it needs none'}"
                    yield ("services", name, *path), f"names {asked}, {only}"


def _unknown_needs(services: Mapping[str, Service], names: set[str]) -> Iterator[Finding]:
    for name, service in services.items():
        for place, need in enumerate(service.needs):
            if need not in names:
                yield ("services", name, "needs", place), _no_service(need, names - {name})


def _no_service(name: str, names: set[str]) -> str:
    near = get_close_matches(name, sorted(names), n=1)
    return f"there is no service {name}{f'; did you mean {near[0]}?' if near else ''}"


def _fallbacks(services: Mapping[str, Service], names: set[str]) -> Iterator[Finding]:
    for name, service in services.items():
        if service.fallback is None:
            continue
        place, other = ("services", name, "fallback"), service.fallback.service
        if why := _why_no_http(service):
            yield place, f"is for services that take requests over HTTP; {why}"
        elif other is None:
            continue
        elif other == name:
            yield (*place, "service"), "names the service itself: that is what cannot be asked then"
        elif other not in names:
            yield (*place, "service"), _no_service(other, names - {name})
        elif other in services and (why := _why_no_http(services[other])):
            yield (*place, "service"), f"names {other}, which takes no requests over HTTP: {why}"


def _why_no_http(service: Service) -> str:
    if service.listen is None:
        return "it has no `listen`"
    return "it speaks TCP" if service.is_tcp else ""


def _circles(services: Mapping[str, Service]) -> Iterator[Finding]:
    # Take away what needs nothing that is left, again and again; what stays is in a circle or needs one.
    left = {name: [need for need in service.needs if need in services] for name, service in services.items()}
    while left:
        free = [name for name, needs in left.items() if not any(need in left for need in needs)]
        for name in free:
            del left[name]
        if free or not left:
            continue
        circle = _follow(left)
        place = services[circle[0]].needs.index(circle[1])
        yield ("services", circle[0], "needs", place), f"needs go in a circle: {' → '.join(circle)}"
        for name in circle[:-1]:
            del left[name]


def _follow(left: dict[str, list[str]]) -> list[str]:
    walk = [next(iter(left))]
    while walk.count(walk[-1]) == 1:
        walk.append(next(need for need in left[walk[-1]] if need in left))
    return walk[walk.index(walk[-1]) :]
