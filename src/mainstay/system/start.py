"""A first system file for a folder: what `mainstay init` writes from a Procfile, a package.json or nothing."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from mainstay.base.errors import EnvironmentProblem, MainstayError
from mainstay.system.file import NAMES, find
from mainstay.system.load import folder_slug
from mainstay.system.scalar import typed
from mainstay.system.value import SLUG

_PROCESS = re.compile(r"([A-Za-z0-9_-]+)\s*:\s*(\S.*)")
# Heroku runs it once per deployment; here it would be started again for ever.
_ONCE = frozenset({"release"})
# What reads the same with and without quotes in YAML, so that no quotes are needed.
_BARE = re.compile(r"[A-Za-z./][A-Za-z0-9 ./_=@+$-]*(?<! )")

_HEAD = """\
# A system file of Mainstay: what runs, and how it stays up. `mainstay up` starts it.
# Every key has a default that a careful operator would choose; see the reference for all of them.
{source}
name: {name}

services:
"""

_WEB = """\
  {name}:
    command: {command}
    # Each instance gets PORT and must listen there; the gateway spreads requests over them.
    instances: 2
    listen: http://127.0.0.1:8080          # where clients connect; 0.0.0.0 for all networks
    # health: {{ path: /healthz }}         # better than the default, which any HTTP answer passes
"""

_WORKER = """\
  {name}:
    command: {command}
    # One, because two of a scheduler would do everything twice. Two survive the loss of one.
    instances: 1
"""


def first_file(folder: Path) -> str:
    """Give the text of a first system file for a folder, from its Procfile, its package.json, or a plain one.

    Raises:
        EnvironmentProblem: the Procfile or package.json cannot be read or understood.
    """
    name = folder_slug(folder.resolve())
    if (folder / "Procfile").is_file():
        return _from_procfile(name, _read(folder / "Procfile"))
    if (folder / "package.json").is_file():
        command = _start_script(folder / "package.json")
        if command is not None:
            head = _HEAD.format(name=name, source="# Made from package.json.\n")
            return head + _WEB.format(name="web", command=quoted(command))
    head = _HEAD.format(
        name=name, source="# No Procfile and no start script were found: put your command below.\n"
    )
    return head + _WEB.format(name="web", command=quoted("python3 -m http.server --bind 127.0.0.1 $PORT"))


def write_first_file(folder: Path, text: str | None = None) -> Path:
    """Write a first system file and give its path; one that is there is never touched.

    Args:
        folder: Where.
        text: What to write; by default what `first_file` gives.

    Raises:
        MainstayError: there is one already.
        EnvironmentProblem: the folder cannot be written, or what is in it cannot be read.
    """
    present = find(folder)
    if present is not None:
        raise MainstayError(f"{present} is there already; it was left as it is")
    file = folder / NAMES[0]
    text = first_file(folder) if text is None else text
    try:
        # `x`: also one that appeared a moment ago, or a dangling link, is not overwritten.
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise EnvironmentProblem(
            f"{file} cannot be written: {(error.strerror or str(error)).lower()}"
        ) from error
    return file


def _from_procfile(name: str, content: str) -> str:
    head = _HEAD.format(name=name, source="# Made from the Procfile.\n")
    services, notes = [], []
    for process, command in _processes(content):
        if process in _ONCE:
            notes.append(f"  # {process} is left out: it is to run once, not to be kept running.\n")
            continue
        shape = _WEB if process == "web" else _WORKER
        services.append(shape.format(name=process, command=quoted(command)))
    if not services:
        raise EnvironmentProblem(
            "the Procfile has no process to keep running: write NAME: COMMAND, one a line"
        )
    return head + "\n".join([*services, *notes])


def _processes(content: str) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for number, line in enumerate(content.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _PROCESS.fullmatch(stripped)
        slug = re.sub(r"[^a-z0-9]+", "-", match[1].lower()).strip("-") if match else ""
        if match is None or not SLUG.fullmatch(slug):
            raise EnvironmentProblem(f"Procfile:{number}: found '{stripped[:40]}', allowed is NAME: COMMAND")
        if slug in seen:
            raise EnvironmentProblem(f"Procfile:{number}: the process {slug} is there twice")
        seen.add(slug)
        yield slug, match[2]


def _start_script(file: Path) -> str | None:
    try:
        content = json.loads(_read(file))
    except (ValueError, RecursionError) as error:
        raise EnvironmentProblem(f"{file} is not JSON: {error}") from error
    scripts = content.get("scripts") if isinstance(content, dict) else None
    script = scripts.get("start") if isinstance(scripts, dict) else None
    if not isinstance(script, str) or not script.strip():
        return None
    # Without npm in between, signals and exit codes are the program's own.
    return script.strip() if re.fullmatch(r"node [A-Za-z0-9_./ =-]+", script.strip()) else "npm start"


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise EnvironmentProblem(f"{file} cannot be read: {error}") from error


def quoted(command: str) -> str:
    """Write a command as a YAML scalar that reads back as it is, whatever is in it."""
    escaped = command.replace("$$", "$$$$").replace("${", "$${")
    if _BARE.fullmatch(escaped) and typed(escaped) == escaped:
        return escaped
    # JSON is YAML, except for a few characters that YAML wants escaped.
    text = json.dumps(escaped, ensure_ascii=False)
    return "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in text)
