"""A Compose file with all that it includes and extends: the services as they are written, each whole."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mainstay.base.errors import OtherFileError, Problem, SpecError
from mainstay.system.compose.merge import merged
from mainstay.system.compose.text import read
from mainstay.system.document import Document
from mainstay.system.envfile import read_env_file
from mainstay.system.load import folder_slug
from mainstay.system.place import Path as Keys
from mainstay.system.place import Place, written

MOST_FILES = 64
"""Files that one may include and extend."""
_DEEPEST = 32
"""Services that extend one another in a row."""

_KNOWN = frozenset({"name", "version", "services", "networks", "volumes", "configs", "secrets", "include"})


@dataclass(slots=True)
class Written:
    """A service as it is written."""

    keys: dict[str, object]
    folder: Path
    """What its relative paths begin at."""


@dataclass(slots=True)
class Project:
    """All files together."""

    file: Path
    name: str
    document: Document
    """Of the main file. What came from another one stands at the key that names it."""
    services: dict[str, Written]
    environ: Mapping[str, str]
    remarks: list[str] = field(default_factory=list)
    """What was not understood, or taken in a way that should be known."""

    def refuse(self, problems: list[tuple[Keys, str]]) -> None:
        """Tell what is wrong in it.

        Raises:
            OtherFileError: there is something.
        """
        if problems:
            told = {Problem(*self.document.place(keys), written(keys), message) for keys, message in problems}
            raise OtherFileError(str(self.file), sorted(told))


def read_project(file: Path, environ: Mapping[str, str] | None = None) -> Project:
    """Read a Compose file.

    Args:
        file: Where it is.
        environ: What `${NAME}` is taken from; by default the environment of this process, and `.env` beside the file.

    Raises:
        OtherFileError: it cannot be used, or one that it names; it has all the problems of that file.
    """
    remarks: list[str] = []
    dotenv = file.parent / ".env"
    if environ is not None:
        environ = dict(environ)
    elif not dotenv.is_file():
        environ = dict(os.environ)
    else:
        try:
            environ = read_env_file(dotenv) | dict(os.environ)
        except SpecError as problem:
            environ = dict(os.environ)
            remarks.append(f"{problem}; taken without it")
    reader = _Files(environ, remarks)
    document = reader.document(file)
    services = reader.services(file, ())
    top = document.content if isinstance(document.content, dict) else {}
    said = top.get("name")
    name = said if isinstance(said, str) and said else folder_slug(_real(file).parent)
    remarks += [f"{each} has no value: taken to be empty" for each in sorted(reader.absent)]
    return Project(file, name, document, services, environ, remarks)


class _Files:
    """Reads each file once."""

    def __init__(self, environ: Mapping[str, str], remarks: list[str]) -> None:
        self.absent: set[str] = set()
        self._environ = environ
        self._remarks = remarks
        self._read: dict[Path, Document] = {}

    def document(self, file: Path) -> Document:
        """Give one file's content, which is a mapping with a mapping of services, or without any."""
        key = _real(file)
        if key not in self._read:
            if len(self._read) == MOST_FILES:
                raise OtherFileError(str(file), [Problem(0, 0, "", f"is one file more than {MOST_FILES}")])
            self._read[key] = document = read(file, self._environ, self.absent)
            self._check(file, document)
        return self._read[key]

    def services(self, file: Path, trail: tuple[Path, ...]) -> dict[str, Written]:
        """Give the services of a file and of those that it includes."""
        document = self.document(file)
        content = _mapping(document.content)
        found: dict[str, Written] = {}
        for keys, other in self._included(file, document, content.get("include")):
            if _real(other) in (*trail, _real(file)):
                raise _wrong(file, document, keys, f"{other.name} includes itself")
            for name, service in self.services(other, (*trail, _real(file))).items():
                if name in found or name in _mapping(content.get("services")):
                    raise _wrong(file, document, keys, f"the service {name} is there already")
                found[name] = service
                # So that findings have a line in the file that people asked about.
                document.keys["services", name] = document.place(keys)
        for name in _mapping(content.get("services")):
            found[name] = Written(self._whole(file, name, ()), file.parent)
        return found

    def _check(self, file: Path, document: Document) -> None:
        content = document.content
        if not isinstance(content, dict):
            raise _wrong(file, document, (), "must be a mapping with services")
        services = content.get("services")
        if services is not None and not isinstance(services, dict):
            raise _wrong(file, document, ("services",), "must be a mapping of services by their names")
        for name, keys in (services or {}).items():
            if keys is not None and not isinstance(keys, dict):
                raise _wrong(file, document, ("services", name), "must be a mapping")
        self._remarks += [
            f"{file.name}:{document.place((key,), key=True).line}: {key} is not known, and left out"
            for key in content
            if key not in _KNOWN and not key.startswith("x-")
        ]

    def _included(self, file: Path, document: Document, told: object) -> Iterator[tuple[Keys, Path]]:
        if told is not None and not isinstance(told, list):
            raise _wrong(file, document, ("include",), "must be a list of files")
        for place, each in enumerate(told or []):
            keys: Keys = ("include", place)
            paths = each.get("path") if isinstance(each, dict) else each
            for path in paths if isinstance(paths, list) else [paths]:
                if not isinstance(path, str) or not path:
                    raise _wrong(file, document, keys, "must be the path of a file, or have one as path")
                if (other := self._local(file, document, keys, path)) is not None:
                    yield keys, other

    def _local(self, file: Path, document: Document, keys: Keys, path: str) -> Path | None:
        """Give where a file is that another one names; None: not on this machine, which is remarked."""
        if "://" in path or path.startswith(("git@", "oci:")) or "\0" in path:
            line = document.place(keys).line
            self._remarks.append(f"{file.name}:{line}: {path!r} is not on this machine, and left out")
            return None
        other = file.parent / path
        if not os.path.exists(other):  # noqa: PTH110 - Path.exists raises for names that are too long
            raise _wrong(file, document, keys, f"there is no file '{path}'")
        return other

    def _whole(self, file: Path, name: str, trail: tuple[tuple[Path, str], ...]) -> dict[str, object]:
        """Give a service with what it extends."""
        document = self.document(file)
        keys = _mapping(_mapping(_mapping(document.content).get("services")).get(name))
        told = keys.get("extends")
        if told is None:
            return keys
        place: Keys = ("services", name, "extends")
        here = (_real(file), name)
        if here in trail:
            raise _wrong(file, document, place, f"{name} extends itself")
        if len(trail) == _DEEPEST:
            raise _wrong(file, document, place, f"more than {_DEEPEST} extend one another in a row")
        base = told if isinstance(told, str) else _mapping(told).get("service")
        path = _mapping(told).get("file")
        if not isinstance(base, str) or not (path is None or isinstance(path, str)):
            raise _wrong(file, document, place, "must be the name of a service, or have service and file")
        other = file if path is None else self._local(file, document, place, path)
        if other is None:
            return keys
        if base not in _mapping(_mapping(self.document(other).content).get("services")):
            raise _wrong(file, document, place, f"there is no service {base} in {other.name}")
        below = self._whole(other, base, (*trail, here))
        return merged(below, {key: value for key, value in keys.items() if key != "extends"})


def _real(file: Path) -> Path:
    # `Path.resolve` raises where links lead in a circle; reading the file tells that better.
    return Path(os.path.realpath(file))


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _wrong(file: Path, document: Document, keys: Keys, message: str) -> OtherFileError:
    place = document.place(keys) if keys else Place(0, 0)
    return OtherFileError(str(file), [Problem(*place, written(keys), message)])
