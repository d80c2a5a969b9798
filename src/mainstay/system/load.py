"""Reading a system file: all of its problems at once, each with line, column, what was found and is allowed."""

import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from mainstay.base.errors import Problem, SystemFileError
from mainstay.system.aim import check_drills
from mainstay.system.check import check, check_log
from mainstay.system.document import Document, read_document
from mainstay.system.drills import Drills
from mainstay.system.entrance import Entrance
from mainstay.system.file import NAMES, find
from mainstay.system.opening import check_openings
from mainstay.system.place import Path as KeyPath
from mainstay.system.place import written
from mainstay.system.schema import Gateway, Service, System
from mainstay.system.trust import check_tls
from mainstay.system.value import SLUG
from mainstay.system.wording import tell

LARGEST = 2**20
"""Bytes that a system file may have; a thousand services take about half of it."""


def load(path: str | Path | None = None, environ: Mapping[str, str] | None = None) -> System:
    """Read a system file.

    Args:
        path: The file; by default `mainstay.yaml` or `mainstay.yml` in the current folder.
        environ: What `${NAME}` is taken from; by default the environment of this process.

    Raises:
        SystemFileError: it cannot be used; it has all the problems.
    """
    return load_with_places(path, environ)[0]


def load_with_places(
    path: str | Path | None = None, environ: Mapping[str, str] | None = None
) -> tuple[System, Document]:
    """Read a system file as `load` does, and give as well where everything in it stands."""
    file = Path(path) if path is not None else find(Path())
    if file is None:
        message = "no such file in this folder; `mainstay init` writes one, `--file` names another"
        raise SystemFileError(NAMES[0], [Problem(0, 0, "", message)])
    document = read_document(text_of(file), os.environ if environ is None else environ)
    system, problems = _system(document, file.resolve())
    if system is None or problems:
        raise SystemFileError(str(file), sorted(set(problems)))
    return system, document


def text_of(file: Path) -> str:
    """Give the text of a system file.

    Raises:
        SystemFileError: it cannot be read, or is no text of a bearable size.
    """
    try:
        # A pipe would wait for its other end, and a device has no end.
        if not stat.S_ISREG(file.stat().st_mode):
            kind = "a folder" if file.is_dir() else "not a regular file"
            raise SystemFileError(str(file), [Problem(0, 0, "", f"is {kind}; allowed is a YAML file")])
        with file.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise SystemFileError(str(file), [Problem(0, 0, "", f"cannot be read: {reason}")]) from error
    if len(content) > LARGEST:
        raise SystemFileError(str(file), [Problem(0, 0, "", f"is larger than {LARGEST} bytes")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        message = f"is not UTF-8 text: found the byte 0x{content[error.start]:02x}"
        raise SystemFileError(str(file), [Problem(line, column, "", message)]) from error


def _system(document: Document, file: Path) -> tuple[System | None, list[Problem]]:
    content = document.content
    if content is None and document.problems:
        return None, document.problems
    if isinstance(content, dict):
        content = {"name": folder_slug(file.parent), **content}
    system, problems = None, list(document.problems)
    told: set[KeyPath] = set()
    try:
        system = System.model_validate(content, context={"file": file})
    except ValidationError as error:
        problems += tell(error.errors(include_url=False), document)
        told = {each["loc"][:length] for each in error.errors() for length in range(1, len(each["loc"]) + 1)}
    services = system.services if system else _sound_services(content)
    names = {
        path[1] for path in document.keys if path[0] == "services" and len(path) == len(("services", "NAME"))
    }
    shared = system.listeners if system else _sound_listeners(content)
    findings = [
        *check(
            services,
            {str(name) for name in names},
            _zones(content),
            file.parent,
            _gateway(content, "zone").zone,
        ),
        *check_openings(
            services, shared, _gateway(content, "admin").admin, trusted=_trusts(content), told=told
        ),
        *check_log(_gateway(content, "access_log").access_log, file.parent),
        *check_tls(services, shared, file.parent, told),
        *check_drills(
            system.drills if system else _sound_drills(content),
            services,
            shared,
            {str(name) for name in names},
            _zones(content),
        ),
    ]
    for path, message in findings:
        shown_path = path if path in document.values else _without_index(path)
        problems.append(Problem(*document.place(shown_path), written(shown_path), message))
    return system, problems


def _without_index(path: KeyPath) -> KeyPath:
    # `env_file: web.env` is one file, and so is the first of a list.
    return path[:-1] if isinstance(path[-1], int) else path


def _zones(content: object) -> list[str]:
    zones = content.get("zones") if isinstance(content, dict) else None
    return [str(zone) for zone in zones] if isinstance(zones, list) else []


def _gateway(content: object, key: str) -> Gateway:
    """Give the gateway's section with this one key, if it can be read."""
    gateway = content.get("gateway") if isinstance(content, dict) else None
    written = gateway if isinstance(gateway, dict) else {}
    try:
        return Gateway.model_validate({key: written[key]} if key in written else {})
    except ValidationError:  # what is wrong with it is told already
        return Gateway()


def _trusts(content: object) -> bool:
    """Tell whether there are trusted proxies; what is wrong with them is told elsewhere."""
    gateway = content.get("gateway") if isinstance(content, dict) else None
    return bool(isinstance(gateway, dict) and gateway.get("trusted_proxies"))


def _sound_services(content: object) -> dict[str, Service]:
    """Give the services with what is wrong in them set aside, so that the whole-file checks see the rest."""
    services = content.get("services") if isinstance(content, dict) else None
    sound: dict[str, Service] = {}
    for name, keys in list(services.items())[:1000] if isinstance(services, dict) else ():
        if not isinstance(keys, dict):
            continue
        try:
            sound[name] = Service.model_validate(keys)
        except ValidationError as error:
            right = _right(keys, error)
            if "routes" in keys and "routes" not in right:
                # Without any it would seem to take what is others'; `.invalid` is nobody's (RFC 6761 §6.4).
                right["routes"] = [{"host": f"{len(sound)}.invalid"}]
            # One of these is required; without any there would be nothing to look at.
            if "command" in right or not right.get("addresses"):
                right = {"command": "true", **right, "addresses": []}
            sound[name] = Service.model_validate(right)
    return sound


def _sound_listeners(content: object) -> dict[str, Entrance]:
    """Give the shared listeners whose address can be read; what is wrong with others is told already."""
    listeners = content.get("listeners") if isinstance(content, dict) else None
    sound: dict[str, Entrance] = {}
    for name, keys in list(listeners.items())[:1000] if isinstance(listeners, dict) else ():
        if not isinstance(keys, dict):
            continue
        try:
            sound[name] = Entrance.model_validate(keys)
        except ValidationError as error:
            with suppress(ValidationError):
                sound[name] = Entrance.model_validate(_right(keys, error))
    return sound


def _sound_drills(content: object) -> Drills:
    """Give the drills without what is wrong in them."""
    drills = content.get("drills") if isinstance(content, dict) else None
    if not isinstance(drills, dict):
        return Drills()
    try:
        return Drills.model_validate(drills)
    except ValidationError as error:
        return Drills.model_validate(_right(drills, error))


def _right(keys: Mapping[str, object], error: ValidationError) -> dict[str, object]:
    """Leave out what is wrong; of TLS only the key in it, so that the files of others are looked at as well."""
    right = dict(keys)
    for each in error.errors():
        key, inner = (*each["loc"], "", "")[:2]
        section = right.get(str(key))
        if key in ("tls", "upstream_tls") and inner and isinstance(section, dict):
            right[str(key)] = {name: value for name, value in section.items() if name != inner}
        else:
            right.pop(str(key), None)
    return right


def folder_slug(folder: Path) -> str:
    """Make a system's name of its folder's: `/srv/My Shop` gives `my-shop`."""
    words = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")
    slug = words.lstrip("0123456789-")[:63].rstrip("-")
    return slug if SLUG.fullmatch(slug) else "system"
