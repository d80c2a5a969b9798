r"""Environment files: one NAME=VALUE a line, as Docker, systemd and dotenv write them where they agree.

::

    # a comment
    export NAME=value        # `export` is allowed, so that a shell can read the file too
    QUOTED="two\nlines"      # double quotes: \n \t \" \\ \$ are understood
    RAW='as it is: \n'       # single quotes: nothing is
"""

import re
from pathlib import Path

from mainstay.base.errors import SpecError

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?')
_SINGLE = re.compile(r"'([^']*)'\s*(?:#.*)?")
_COMMENT = re.compile(r"(?:^|\s)#.*")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$"}


def read_env_file(file: Path) -> dict[str, str]:
    """Read an environment file.

    Raises:
        SpecError: it cannot be read, or lines of it are wrong; the message has the line numbers.
    """
    try:
        content = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError(
            f"{file} is not UTF-8 text: byte {error.start} is 0x{error.object[error.start]:02x}"
        ) from error
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise SpecError(f"{file} cannot be read: {reason}") from error
    values, problems = parse_env(content)
    if problems:
        raise SpecError("; ".join(f"{file}:{line}: {message}" for line, message in problems))
    return values


def parse_env(content: str) -> tuple[dict[str, str], list[tuple[int, str]]]:
    """Read the lines of an environment file: the values, and the problems as (line, message)."""
    values: dict[str, str] = {}
    problems: list[tuple[int, str]] = []
    # Not `splitlines`, which would also break values at form feeds and Unicode separators.
    for number, line in enumerate(content.replace("\r\n", "\n").split("\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.fullmatch(stripped)
        value = _value(match[2]) if match else None
        if match is None:
            problems.append((number, f"found '{stripped[:40]}', allowed is NAME=VALUE"))
        elif value is None:
            problems.append((number, f"the value of {match[1]} has an unfinished quote or text after it"))
        elif "\0" in value:
            problems.append((number, f"the value of {match[1]} has a null character"))
        else:
            values[match[1]] = value
    return values, problems


def _value(written: str) -> str | None:
    if written.startswith('"'):
        quoted = _DOUBLE.fullmatch(written)
        return re.sub(r"\\(.)", _unescaped, quoted[1]) if quoted else None
    if written.startswith("'"):
        quoted = _SINGLE.fullmatch(written)
        return quoted[1] if quoted else None
    return _COMMENT.sub("", written, count=1).strip()


def _unescaped(escape: re.Match[str]) -> str:
    return _ESCAPES.get(escape[1], escape[0])
