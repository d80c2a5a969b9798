"""The command of a service: text that reads as in a terminal, or a list of words."""

import os
import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema

from mainstay.system.value import shown, text, wrong

# With one of these anywhere, even in quotes, the text is left to the shell: it knows its own grammar.
_SHELL = re.compile(r"[|&;<>()$`*?\[\]{}~#!\n]|^[A-Za-z_][A-Za-z0-9_]*=")
# These make more than one simple command of it, or begin with what `exec` would not take.
_COMPOUND = re.compile(r"[|&;()`{}!\n]|^[A-Za-z_][A-Za-z0-9_]*=|^(?:exec|eval|command|source|\.)\s")
_VALUE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}")


def _command(written: object) -> str | list[str]:
    if isinstance(written, list):
        words = [text(word) if not place else _word(word) for place, word in enumerate(written)]
        if not words:
            raise wrong("must have at least one word")
        return words
    line = text(written)
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise wrong(f"cannot be split into words: {str(error).lower()}") from error
    if not words or not words[0]:
        raise wrong("must have at least one word")
    return line


def _word(written: object) -> str:
    # `[sleep, 5]` and `[grep, ""]` are what they look like; only the program itself must be proper text.
    if written is None or isinstance(written, (list, dict)):
        raise wrong(f"must be a list of words, but has {shown(written)} in it")
    word = written if isinstance(written, str) else shown(written)
    return text(word) if word else word


Command = Annotated[
    # None is what a service without one has; nobody can write it.
    str | list[str] | None,
    PlainValidator(_command),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "minItems": 1, "items": {"type": ["string", "number", "boolean"]}},
            ]
        }
    ),
]
"""What to run."""


def argv(command: str | list[str], values: Mapping[str, str] | None = None) -> list[str]:
    """Give the words to execute.

    Text with shell syntax goes to `/bin/sh -c`. When it is one simple command, `exec` is put before it, so
    that the process is the program itself and its exit code and signals are its own.
    """
    if isinstance(command, list):
        return [expanded(word, values) for word in command] if values else list(command)
    command = command.strip()
    if not _SHELL.search(command):
        return shlex.split(command)
    return ["/bin/sh", "-c", command if _COMPOUND.search(_plain(command)) else f"exec {command}"]


def expanded(word: str, values: Mapping[str, str]) -> str:
    """Put values in place of `${NAME}` and `${NAME:-default}`; names that have none are left as they are."""

    def value(match: re.Match[str]) -> str:
        known = values.get(match[1])
        return (known or match[2]) if match[2] is not None else match[0] if known is None else known

    return _VALUE.sub(value, word)


def executable_problem(command: str | list[str], folder: Path, path: str) -> str | None:
    """Tell why the program cannot be started, or None.

    Args:
        command: As the system file tells it.
        folder: Where it would run.
        path: The folders to look for it in, as in PATH.
    """
    words = argv(command)
    if words[0] == "/bin/sh" and isinstance(command, str):
        words = shlex.split(command)
        if _SHELL.search(words[0]) or _COMPOUND.search(_plain(command)):
            return None
    program = words[0]
    if "/" in program:
        return _file_problem(folder / program)
    if shutil.which(program, path=path) is None:
        return f"command not found: {program} (looked in PATH: {path})"
    return None


def _file_problem(file: Path) -> str | None:
    if not file.exists():
        return f"command not found: {file}"
    if not file.is_file() or not os.access(file, os.X_OK):
        return f"command cannot be executed: {file} (a file with execute permission is needed)"
    return None


def _plain(command: str) -> str:
    # Braces of ${NAME} make nothing compound.
    return _VALUE.sub("", command.strip())
