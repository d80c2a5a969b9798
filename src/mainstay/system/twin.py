"""A private copy of a system: the same services at addresses of its own, so that drills can break it, not the running one.

====================================== ==================================================================
services.*.listen, listeners.*.at      127.0.0.1 and a port that is told; what is spoken there stays
listeners.*.redirect                   follows the listener that it leads to
listeners.*.proxy_protocol             left out: who comes to the copy comes by no load balancer
gateway.admin, gateway.tracing.export  left out: it is not to be taken for the running system
gateway.access_log.path                left out: its access log is in its own run directory
alerts                                 left out: nobody is to be woken by a drill
every other file and folder            absolute, so that each command runs where it did
services.*.env                         `drills.env`, and what else is told, comes over it, where there is a `command`
services.* env, env_file, command      addresses of the system's own listeners become those of the copy's; what changes of an
                                       `env_file` is in `env`
====================================== ==================================================================

The environment is read when the copy is made: `${NAME}` is in it as its value, and so may secrets be. Nobody but its
owner can read it. What a command finds out itself, such as an address in a file that it reads, stays as it is.
"""

import json
import os
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from mainstay.base.errors import EnvironmentProblem, SystemFileError
from mainstay.system.document import read_document
from mainstay.system.file import NAMES
from mainstay.system.listener import Listener
from mainstay.system.load import load, text_of
from mainstay.system.mechanism import Section
from mainstay.system.place import Path as KeyPath
from mainstay.system.relocation import Relocation
from mainstay.system.scalar import is_of_the_instance
from mainstay.system.schema import Service, System
from mainstay.system.spelling import spelt

HOST = "127.0.0.1"
"""Where a copy listens."""

LEFT_OUT: tuple[tuple[str, ...], ...] = (
    ("alerts",),
    ("gateway", "admin"),
    ("gateway", "tracing", "export"),
    ("gateway", "access_log", "path"),
    ("listeners", "*", "proxy_protocol"),
)
"""Keys that a copy does not have; `*` is every name."""

_SECURE = "https"
_NAMING = ("env", "command")
"""Keys of a service whose values may name listeners of the system. `addresses` may as well, and stay: drills know those
instances by them."""


class Own(NamedTuple):
    """What only a copy has."""

    env: Mapping[str, Mapping[str, str]] = {}
    """By service, variables of its instances, over all others."""
    certificates: Mapping[str, str] = {}
    """Files that listeners read in place of the certificates and keys that the system file names, by absolute path."""


OWN = Own()
"""Nothing."""


def copy(  # noqa: PLR0913 - the last by name
    system: System,
    folder: Path,
    ports: Mapping[str, int],
    env: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    own: Own = OWN,
) -> System:
    """Write a private copy of a system as `mainstay.yaml` (mode 600) into a folder (mode 700), and read it.

    Args:
        system: As it was read from its file, which is read once more.
        folder: An empty folder, or one that is to be made.
        ports: Where the copy listens, by the keys of `Opening.key`: `services.web.listen`, `listeners.public.at`.
        env: Variables that its instances get, over those of the file and of its `drills.env`.
        environ: What `${NAME}` is taken from; by default the environment of this process.
        own: What else only the copy has.

    Raises:
        SystemFileError: the file cannot be used any more, or the copy cannot.
        EnvironmentProblem: the copy cannot be written.
    """
    environ = os.environ if environ is None else environ
    # By the file as it is now, also where what was read before is out of date.
    system = load(system.file, environ)
    document = read_document(text_of(system.file), environ)
    if document.problems or not isinstance(document.content, dict):  # it has changed between two readings
        raise SystemFileError(str(system.file), document.problems)
    content = altered(document.content, system, ports, {**system.drills.env, **(env or {})}, own)
    head = f"# A private copy of {json.dumps(str(system.file))} for a drill; it is removed when that ends.\n"
    file = folder / NAMES[0]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(opened, "w", encoding="utf-8") as out:
            out.write(head + spelt(content))
    except OSError as problem:
        raise EnvironmentProblem(f"cannot write '{file}': {problem.strerror}") from problem
    try:
        return load(file, {})
    except SystemFileError:
        file.unlink()
        raise


def altered(
    content: Mapping[str, Any],
    system: System,
    ports: Mapping[str, int],
    env: Mapping[str, str],
    own: Own,
) -> dict[str, Any]:
    """Give what the copy's file says, of what the system's says; the arguments are those of `copy`."""
    told: dict[str, Any] = {"name": system.name, **_absolute(content, System, system.folder)}
    journal = system.drills.load.journal
    if journal is not None and journal.file is not None:
        told["drills"]["load"]["journal"] = str(system.folder / journal.file)
    for path in LEFT_OUT:
        _leave_out(told, path)
    moved = {
        opening.key: Listener(HOST, ports[opening.key], opening.listener.scheme)
        for opening in system.openings().values()
    }
    for key, listener in moved.items():
        section, name, last = key.split(".")
        told[section][name][last] = str(listener)
    _redirects(told, system, moved)
    for section in ("listeners", "services"):
        for mine in told.get(section, {}).values():
            if "tls" in mine:
                mine["tls"] = _texts(mine["tls"], lambda file: own.certificates.get(file, file))
    _commands(told["services"], system, Relocation(_moves(system, moved)), env, own)
    return told


def _moves(system: System, moved: Mapping[str, Listener]) -> Iterator[tuple[Listener, Listener]]:
    return ((opening.listener, moved[opening.key]) for opening in system.openings().values())


def _commands(
    told: dict[str, Any], system: System, places: Relocation, env: Mapping[str, str], own: Own
) -> None:
    """Have each command run where it did, and find the copy where it found the system."""
    for name, service in system.services.items():
        if service.command is None:
            continue
        mine = told[name]
        mine["cwd"] = str(system.folder / service.cwd)
        over = {**mine.get("env", {}), **env, **own.env.get(name, {})}
        if over := {**_of_files(service, system.folder, places, over), **over}:
            mine["env"] = over
        for key in _NAMING:
            if key in mine:
                mine[key] = _texts(mine[key], places.of)


def relocated(system: System) -> list[str]:
    """Give the keys whose values name listeners of the system, and are others in a copy: `services.web.env.API_URL`.

    Raises:
        SpecError: a file of `env_file` cannot be read.
    """
    # Anywhere else will do: what would change is looked for.
    elsewhere = {opening.key: Listener(HOST, 0) for opening in system.openings().values()}
    places = Relocation(_moves(system, elsewhere))
    return [
        f"services.{name}.{key}"
        for name, service in system.services.items()
        if service.command is not None
        for key in _relocated(service, system, places)
    ]


def _relocated(service: Service, system: System, places: Relocation) -> Iterator[str]:
    told = {**service.env, **system.drills.env}
    yield from (f"env.{key}" for key, value in told.items() if places.of(value) != value)
    yield from (f"env_file ({key})" for key in _of_files(service, system.folder, places, told))
    if _texts(service.command, places.of) != service.command:
        yield "command"


def _of_files(service: Service, folder: Path, places: Relocation, told: Mapping[str, Any]) -> dict[str, str]:
    """Give the variables of environment files that are others in a copy, but for those that `env` tells."""
    if not service.env_file:
        return {}
    values = service.environment(folder)
    return {
        name: new
        for name, value in values.items()
        # What only an instance knows wins over what a file says of it.
        if name not in told and not is_of_the_instance(name) and (new := places.of(value)) != value
    }


def _redirects(told: dict[str, Any], system: System, moved: Mapping[str, Listener]) -> None:
    """Lead to the copy's own listener for https what is led to the system's."""
    secure = {
        opening.listener.port: moved[opening.key].port
        for opening in system.openings().values()
        if opening.listener.scheme == _SECURE
    }
    for name, entrance in system.listeners.items():
        if entrance.redirect in secure:
            told["listeners"][name]["redirect"] = f"{_SECURE}:{secure[entrance.redirect]}"


def _texts(value: Any, new: Callable[[str], str]) -> Any:  # noqa: ANN401 - as the document has it
    """Give a value with each text in it made anew."""
    if isinstance(value, dict):
        return {key: _texts(inner, new) for key, inner in value.items()}
    if isinstance(value, list):
        return [_texts(inner, new) for inner in value]
    return new(value) if isinstance(value, str) else value


def _leave_out(content: dict[str, Any], path: tuple[str, ...]) -> None:
    first, *rest = path
    for key in list(content) if first == "*" else [first]:
        if not rest:
            content.pop(key, None)
        elif isinstance(content.get(key), dict):
            _leave_out(content[key], tuple(rest))


def files(section: type[Section] = System, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Give the keys of a system file whose values are, or may be, files or folders; `*` is every name, or every place in a list."""
    for key, (steps, kind) in _leaves(section):
        here = (*path, key, *steps)
        if issubclass(kind, Section):
            yield from files(kind, here)
        elif kind is Path or any(part is Path for part in _parts(kind)):
            yield here


def _parts(kind: type) -> Iterator[type]:
    """Give the types of what a tuple with names is made of."""
    for annotation in getattr(kind, "__annotations__", {}).values():
        yield from (part for _, part in _kinds(annotation))


def _leaves(section: type[Section]) -> Iterator[tuple[str, tuple[KeyPath, type]]]:
    """Give the keys of a section, as they are written, with each type that values may have there in the end."""
    for name, field in section.model_fields.items():
        for leaf in _kinds(field.annotation):
            yield field.alias or name, leaf


def _kinds(annotation: Any) -> Iterator[tuple[KeyPath, type]]:  # noqa: ANN401 - whatever a field may be annotated with
    """Give the types that a value may have in the end, with the steps to it through mappings and lists."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        for each in inner:
            yield from _kinds(each)
    elif origin is Annotated:
        yield from _kinds(inner[0])
    elif origin in (dict, list):
        for steps, kind in _kinds(inner[-1]):
            yield ("*", *steps), kind
    elif isinstance(annotation, type):
        yield (), annotation


def _absolute(content: Any, section: type[Section], folder: Path) -> Any:  # noqa: ANN401 - as the document has it
    """Give the content of a section, copied, with its files and folders absolute."""
    if not isinstance(content, dict):
        return content  # a word in place of the mapping, such as `off`
    told = dict(content)
    for key, (steps, kind) in _leaves(section):
        if key in told and (kind is Path or issubclass(kind, Section)):
            told[key] = _each(told[key], steps, kind, folder)
    return told


def _each(value: Any, steps: KeyPath, kind: type, folder: Path) -> Any:  # noqa: ANN401 - likewise
    if steps and isinstance(value, dict):
        return {key: _each(inner, steps[1:], kind, folder) for key, inner in value.items()}
    if steps and isinstance(value, list):
        return [_each(inner, steps[1:], kind, folder) for inner in value]
    # Where one will do, it may stand without a list.
    return _absolute(value, kind, folder) if issubclass(kind, Section) else str(folder / value)
