"""The file that `drills.load.from` names: what kind it is, and what requests it tells of.

=============== =================================================== ============================
what it is      how it is recognised                                what a request's weight is
=============== =================================================== ============================
HAR             a JSON object with `log`                            how often it was made
OpenAPI 3       a JSON or YAML mapping with `openapi`               1
access log      lines, each a JSON object with `method` and `target` how often it was made
=============== =================================================== ============================
"""

import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from mainstay.base.errors import EnvironmentProblem, SpecError
from mainstay.drill.recording.har import read_har
from mainstay.drill.recording.openapi import read_openapi
from mainstay.drill.recording.recorded import BAD, Collection, Recording
from mainstay.gateway.log.line import LONGEST
from mainstay.system.node import UNREADABLE

LARGEST = 64 * 2**20
"""Bytes that are read of a file: HAR files have all answers in them. Of a longer access log, the last ones count."""
LARGEST_YAML = 4 * 2**20
"""Bytes of a YAML file: it is read by the letter."""


def recording(file: Path) -> Recording:
    """Read what requests a file tells of.

    Raises:
        EnvironmentProblem: it cannot be read.
        SpecError: it is of none of these kinds, or too large.
    """
    try:
        return _recording(file)
    except SpecError as problem:
        raise SpecError(f"{file}: {problem}") from problem
    except OSError as problem:
        raise EnvironmentProblem(f"{file} cannot be read: {problem.strerror}") from problem


def _recording(file: Path) -> Recording:
    if not file.is_file():
        raise EnvironmentProblem(f"{file} {'is not a file' if file.exists() else 'is not there'}")
    with file.open("rb") as stream:
        first = stream.readline(2**20).removeprefix(b"\xef\xbb\xbf")
        if _entry(first) is not None:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - LARGEST))
            lines = stream.read(LARGEST).split(b"\n")
            # What was cut in the middle is no line.
            return read_log(lines[1:] if size > LARGEST else lines)
        stream.seek(0)
        content = _content(stream.read(LARGEST + 1))
    if isinstance(content, dict) and "log" in content:
        return read_har(content)
    if isinstance(content, dict) and ("openapi" in content or "swagger" in content):
        return read_openapi(content)
    raise SpecError("is neither a HAR file, nor an OpenAPI 3 description, nor an access log in JSON")


def _content(written: bytes) -> Any:  # noqa: ANN401 - any JSON
    if len(written) > LARGEST:
        raise SpecError(f"is larger than {LARGEST} bytes")
    try:
        text = written.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise SpecError("is not UTF-8 text") from problem
    try:
        return json.loads(text)
    except RecursionError as problem:
        raise SpecError("is nested too deep") from problem
    except ValueError as problem:
        if text.lstrip().startswith(("{", "[")) or len(written) > LARGEST_YAML:
            raise SpecError(f"is not JSON: {problem}") from problem
    try:
        # `safe`: no objects are ever made from tags.
        return YAML(typ="safe", pure=True).load(text)
    except (*UNREADABLE, RecursionError) as problem:
        said = str(problem).splitlines()
        raise SpecError(f"is not YAML: {said[0] if said else type(problem).__name__}") from problem


def read_log(lines: list[bytes]) -> Recording:
    """Read lines of our access log; what is no such line is left out."""
    found = Collection()
    for line in lines:
        if not line:
            continue
        entry = _entry(line)
        if entry is None:
            found.leave("", "", "is no line of an access log")
            continue
        method, target = str(entry["method"]), str(entry["target"])
        status = entry.get("status")
        if entry.get("tunnel") is True:
            found.leave(method, target, "went over to another protocol")
        elif not isinstance(status, int) or status >= BAD:
            found.leave(method, target, "had no good answer")
        elif len(target) >= LONGEST:
            found.leave(method, target, "is so long that the log has only a part of it")
        else:
            service = entry.get("service")
            found.take(method, target, service=service if isinstance(service, str) else "")
    return found.recording()


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or not {"method", "target", "status"} <= entry.keys():
        return None
    return entry if isinstance(entry["method"], str) and isinstance(entry["target"], str) else None
