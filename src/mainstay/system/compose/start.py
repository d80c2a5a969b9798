"""A first system file from a Compose file: what `mainstay init --from` writes.

Mainstay runs programs and no images. A service with a command of its own becomes one that runs it here; any other is taken to be
run by somebody else, and reached at an address. What cannot be carried over is said in comments.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from mainstay.system.compose.dependency import named
from mainstay.system.compose.plan import Composed, composed
from mainstay.system.compose.project import read_project
from mainstay.system.compose.service import Service
from mainstay.system.scalar import url_name
from mainstay.system.spelling import spelt
from mainstay.system.value import SLUG

_HEAD = """\
# A system file of Mainstay, made from {file}. Mainstay runs programs on this machine, and no images:
# a service with a command runs it here; for others write where they are reached, or the command that runs them.
name: {name}

services:
"""
# What speaks something else than HTTP, with its usual port (IANA, or its maker's documentation).
_USUAL = {
    "postgres": 5432,
    "redis": 6379,
    "valkey": 6379,
    "mysql": 3306,
    "mariadb": 3306,
    "mongo": 27017,
    "rabbitmq": 5672,
    "memcached": 11211,
    "kafka": 9092,
    "nats": 4222,
    "zookeeper": 2181,
    "etcd": 2379,
    "cassandra": 9042,
}
_OF_COMMANDS = frozenset({"environment", "env_file", "scale", "deploy", "restart"})
_CARRIED = _OF_COMMANDS | frozenset(
    {"command", "entrypoint", "image", "build", "ports", "depends_on", "links", "profiles", "healthcheck"}
    | {"volumes", "networks", "extends", "x-mainstay", "expose"}
)
"""Keys that are carried over, have a comment of their own, or need none."""
_LAST = 65535
_OWN = 20000
"""From here on listeners have their ports, where the file tells none: below those that systems give to clients."""


def from_compose(file: Path, folder: Path) -> str:
    """Give the text of a system file.

    Values of the environment are not written into it: they may be secrets.

    Args:
        file: The Compose file.
        folder: Where the system file will be.

    Raises:
        OtherFileError: the Compose file cannot be used.
    """
    project = read_project(file, {})
    told = composed(project)
    names = _names(told.services)
    ports = _Ports(
        {_first(each.ports[0]) for each in told.services.values() if each.ports and not each.command}
    )
    head = _HEAD.format(file=_plain(file.name), name=_slug(project.name, "system"))
    here = project.file.parent.resolve() == folder.resolve()
    bodies = [
        f"  # {_plain(name)} is left out: it is to run once, before others start.\n"
        if told.plan.containers[name].once
        else f"  {names[name]}:\n"
        + "".join(f"    # {_plain(note)}\n" for note in _left(project.services[name].keys, service))
        + _body(service, told, names, ports, here=here)
        for name, service in told.services.items()
    ]
    left = "".join(f"# {_plain(each)}\n" for each in told.remarks if "no rule looks" not in each)
    return head + "\n".join(bodies) + (f"\n{left}" if left else "")


def _body(service: Service, told: Composed, names: Mapping[str, str], ports: "_Ports", *, here: bool) -> str:
    notes = list(_notes(service, told, names))
    if service.command:
        content = _run(service, told, names, ports, here=here)
    else:
        content, missing = _reached(service, ports)
        notes += missing
    return "".join(f"    # {_plain(note)}\n" for note in notes) + spelt(content, "    ")


def _run(
    service: Service, told: Composed, names: Mapping[str, str], ports: "_Ports", *, here: bool
) -> dict[str, object]:
    content: dict[str, object] = {"command": service.command, "instances": service.replicas}
    if service.ports:
        content["listen"] = f"http://127.0.0.1:{ports.take(_first(service.ports[0]))}"
    if needs := [names[need] for need in _needs(service.name, told)]:
        content["needs"] = needs
    if here and service.env_files:
        content["env_file"] = service.env_files
    if env := {key: value for key, value in service.environment.items() if _may_be(key, value)}:
        content["env"] = env
    return content


def _reached(service: Service, ports: "_Ports") -> tuple[dict[str, object], list[str]]:
    """Give where it is reached, and what has to be looked at."""
    image = service.image.rpartition("/")[2].partition(":")[0].partition("@")[0]
    usual = next((port for name, port in _USUAL.items() if name in image), None)
    scheme = "tcp" if usual else "http"
    port, notes = usual or 80, []
    if service.ports:
        port = _first(service.ports[0])
    else:
        notes.append("it publishes no port: write where it is reached")
    content: dict[str, object] = {
        "addresses": [f"{scheme}://127.0.0.1:{port}"],
        "listen": f"{scheme}://127.0.0.1:{ports.take(None)}",
    }
    return content, notes


def _notes(service: Service, told: Composed, names: Mapping[str, str]) -> Iterator[str]:
    """Say what is not carried over."""
    what = f"the image {service.image}" if service.image else "an image that is built"
    if service.command:
        yield f"in the Compose file it runs in {what}: its program has to be on this machine"
        if service.ports:
            yield "each instance gets PORT and must listen there"
    else:
        yield f"{what}, whose command only the image knows: give it a command, or keep it running elsewhere"
        if told.plan.groups[service.name].needs:
            yield f"it needs {', '.join(told.plan.groups[service.name].needs)}"
    if service.restart == "no" and service.command:
        yield "in the Compose file it is not started again when it exits; here it is, unless `restart: off`"
    if service.checked:
        yield "its health check is a command in the container; here it is `health`, a request or a connection"
    if service.written:
        yield f"volumes are not carried over: {', '.join(service.written)}"
    if len(service.ports) > 1:
        yield f"further ports are not carried over: {', '.join(service.ports[1:])}"
    if service.env_files:
        yield f"its environment is in {', '.join(service.env_files)} as well"
    yield from _hosts(service, told, names)


def _hosts(service: Service, told: Composed, names: Mapping[str, str]) -> Iterator[str]:
    """Name the variables that lead to other services: names of Compose's network mean nothing here."""
    needs = set(_needs(service.name, told)) if service.command else set()
    for other, variable in named(service.environment, told.services).items():
        there = told.services[other]
        if other in needs and (there.ports or not there.command):
            yield f"{variable} names {other}: the gateway listens for it at ${{{url_name(names[other])}}}"
        elif other != service.name:
            yield f"{variable} names {other}: write the address at which it is reached"


def _left(keys: Mapping[str, object], service: Service) -> Iterator[str]:
    """Name the keys that a system file has nothing for, or that mean nothing for an address."""
    known = _CARRIED if service.command else _CARRIED - _OF_COMMANDS
    left = [key for key, value in keys.items() if key not in known and value not in (None, [], {})]
    if left:
        yield f"not carried over: {', '.join(left)}"


def _needs(name: str, told: Composed) -> Iterator[str]:
    """Give what it needs, without what would be a circle: a start order has none."""
    for need in told.plan.groups[name].needs:
        if name not in told.plan.below(need):
            yield need


def _names(services: Mapping[str, Service]) -> dict[str, str]:
    """Give each service a name that a system file allows."""
    found: dict[str, str] = {}
    for name in services:
        slug = base = _slug(name, "service")
        number = 1
        while slug in found.values():
            number += 1
            slug = f"{base[:58]}-{number}"
        found[name] = slug
    return found


def _slug(name: str, otherwise: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-").lstrip("0123456789-")[:63].rstrip("-")
    return slug if SLUG.fullmatch(slug) else otherwise


def _may_be(name: str, value: str) -> bool:
    return bool(value) and "\0" not in value and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is not None


def _first(port: str) -> int:
    """Give the host's port of a mapping, or the container's where the host's is any."""
    number = int(port.partition(":")[0].partition("-")[0])
    return number if 0 < number <= _LAST else 80


def _plain(text: str) -> str:
    """Keep text of others on the line of its comment."""
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


class _Ports:
    """Gives each listener a port of its own."""

    def __init__(self, taken: set[int]) -> None:
        self._taken = taken

    def take(self, wanted: int | None) -> int:
        port = _OWN if wanted is None or wanted in self._taken else wanted
        while port in self._taken:
            port += 1
        self._taken.add(port)
        return port
