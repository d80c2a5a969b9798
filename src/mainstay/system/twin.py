"""A private copy of a system: the same services at addresses of its own, so that drills can break it, not the running one.

====================================== ==================================================================
services.*.listen, listeners.*.at      127.0.0.1 and a port that is told; what is spoken there stays
listeners.*.redirect                   follows the listener that it leads to
listeners.*.proxy_protocol             left out: who comes to the copy comes by no load balancer
gateway.admin, gateway.tracing.export  left out: it is not to be taken for the running system
gateway.access_log.path                left out: its access log is in its own run directory
every other file and folder            absolute, so that each command runs where it did
services.*.env                         what is told comes over it, for services with a `command`
====================================== ==================================================================

The environment is read when the copy is made: `${NAME}` is in it as its value, and so may secrets be. Nobody but its
owner can read it. What a command itself names, such as a port or a file that it writes to, stays as it is.
"""

import json
import os
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from mainstay.base.errors import EnvironmentProblem, SystemFileError
from mainstay.system.document import read_document
from mainstay.system.listener import Listener
from mainstay.system.load import NAMES, load, text_of
from mainstay.system.mechanism import Section
from mainstay.system.place import Path as KeyPath
from mainstay.system.schema import System
from mainstay.system.spelling import spelt

HOST = "127.0.0.1"
"""Where a copy listens."""

LEFT_OUT: tuple[tuple[str, ...], ...] = (
    ("gateway", "admin"),
    ("gateway", "tracing", "export"),
    ("gateway", "access_log", "path"),
    ("listeners", "*", "proxy_protocol"),
)
"""Keys that a copy does not have; `*` is every name."""

_SECURE = "https"


def copy(
    system: System,
    folder: Path,
    ports: Mapping[str, int],
    env: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> System:
    """Write a private copy of a system as `mainstay.yaml` (mode 600) into a folder (mode 700), and read it.

    Args:
        system: As it was read from its file, which is read once more.
        folder: An empty folder, or one that is to be made.
        ports: Where the copy listens, by the keys of `Opening.key`: `services.web.listen`, `listeners.public.at`.
        env: Variables that its instances get, over those of the file.
        environ: What `${NAME}` is taken from; by default the environment of this process.

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
    content = altered(document.content, system, ports, env or {})
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
    return load(file, {})


def altered(
    content: Mapping[str, Any], system: System, ports: Mapping[str, int], env: Mapping[str, str]
) -> dict[str, Any]:
    """Give what the copy's file says, of what the system's says; the arguments are those of `copy`."""
    told: dict[str, Any] = {"name": system.name, **_absolute(content, System, system.folder)}
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
    for name, service in system.services.items():
        if service.command is not None:
            mine = told["services"][name]
            mine["cwd"] = str(system.folder / service.cwd)
            if env:
                mine["env"] = {**mine.get("env", {}), **env}
    return told


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


def _leave_out(content: dict[str, Any], path: tuple[str, ...]) -> None:
    first, *rest = path
    for key in list(content) if first == "*" else [first]:
        if not rest:
            content.pop(key, None)
        elif isinstance(content.get(key), dict):
            _leave_out(content[key], tuple(rest))


def files(section: type[Section] = System, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Give the keys of a system file whose values are files or folders; `*` is every name, or every place in a list."""
    for key, field in section.model_fields.items():
        for steps, kind in _kinds(field.annotation):
            here: KeyPath = (*path, key, *steps)
            if kind is Path:
                # Of several files, one may stand without a list.
                yield (*path, key)
            elif isinstance(kind, type) and issubclass(kind, Section):
                yield from files(kind, here)


def _kinds(annotation: Any) -> Iterator[tuple[KeyPath, Any]]:  # noqa: ANN401 - whatever a field may be annotated with
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
    else:
        yield (), annotation


def _absolute(content: Any, section: type[Section], folder: Path) -> Any:  # noqa: ANN401 - as the document has it
    """Give the content of a section, copied, with its files and folders absolute."""
    if not isinstance(content, dict):
        return content  # a word in place of the mapping, such as `off`
    return {
        key: _absolute_value(value, section.model_fields[key].annotation, folder)
        for key, value in content.items()
    }


def _absolute_value(value: Any, annotation: Any, folder: Path) -> Any:  # noqa: ANN401 - likewise
    for steps, kind in _kinds(annotation):
        if kind is Path:
            return [str(folder / each) for each in value] if isinstance(value, list) else str(folder / value)
        if isinstance(kind, type) and issubclass(kind, Section):
            return _each(value, steps, kind, folder)
    return value


def _each(value: Any, steps: KeyPath, section: type[Section], folder: Path) -> Any:  # noqa: ANN401 - likewise
    if not steps:
        return _absolute(value, section, folder)
    if isinstance(value, dict):
        return {key: _each(inner, steps[1:], section, folder) for key, inner in value.items()}
    return [_each(inner, steps[1:], section, folder) for inner in value]
