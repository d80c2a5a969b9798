"""Whether what a probe has seen is within its tolerance.

==================================== ==========================================================================
a text, a number, `true`             it is that; a whole number is compared with `status` where there is one
`[a, b]`                             it is from a to b; where there is a `status`, that is one of the two
`[a, b, c, ...]`                     it, or its `status`, is one of them
{type: regex, pattern, target}       the pattern is found in it
{type: jsonpath, path, expect,       the path finds something; so many; exactly what is expected
count, target}
{type: range, range: [a, b], target} it is a number from a to b
{type: probe, provider}              what the provider gives, told the `value`, is true; see `run`
==================================== ==========================================================================

`target` names a part of it: `body`, `stdout`, `status`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from math import isfinite
from typing import Any

Problem = tuple[str, str]
"""Where, and what."""
PAIR = 2
TYPES = ("regex", "jsonpath", "range", "probe")


def check(told: object) -> Iterator[Problem]:
    """Check a tolerance; give what is wrong with it, and where in it."""
    if not isinstance(told, Mapping):
        if told is None or (isinstance(told, list) and not told):
            yield "", "must be a value, a list of values or an object"
        return
    kind = told.get("type")
    if kind == "regex":
        yield from _check_regex(told.get("pattern"))
    elif kind == "jsonpath":
        yield from _check_path(told.get("path"))
    elif kind == "range":
        bounds = told.get("range")
        if not isinstance(bounds, list) or len(bounds) != PAIR or not all(map(_is_number, bounds)):
            yield ".range", "must be two numbers"
    elif kind != "probe":
        yield ".type", f"found '{kind}', allowed: {', '.join(TYPES)}"


def within(tolerance: Any, value: Any) -> bool:  # noqa: ANN401 - whatever JSON has
    """Tell whether a value is within a tolerance, which has been checked and filled in, and is no probe."""
    if isinstance(tolerance, Mapping):
        part = _target(tolerance, value)
        return _JUDGES[tolerance["type"]](tolerance, part)
    has_status = isinstance(value, Mapping) and "status" in value
    if isinstance(tolerance, list):
        if has_status:
            return any(_same(one, value["status"]) for one in tolerance)
        if len(tolerance) == PAIR and all(map(_is_number, tolerance)):
            return _between(tolerance, value)
        return any(_same(one, value) for one in tolerance)
    if has_status and _is_number(tolerance):
        return _same(tolerance, value["status"])
    return _same(tolerance, value)


def _same(one: object, other: object) -> bool:
    # `true` is no 1 in JSON.
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _between(bounds: list[Any], value: object) -> bool:
    try:
        number = (
            float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
        )
    except ValueError:
        return False
    return number is not None and isfinite(number) and bool(bounds[0] <= number <= bounds[1])


def _target(told: Mapping[str, Any], value: Any) -> Any:  # noqa: ANN401 - whatever JSON has
    name = told.get("target")
    return value.get(name, value) if name and isinstance(value, Mapping) else value


def _regex(told: Mapping[str, Any], value: object) -> bool:
    text = value if isinstance(value, str) else json.dumps(value)
    return re.search(told["pattern"], text) is not None


def _range(told: Mapping[str, Any], value: object) -> bool:
    return _between(told["range"], value)


def _jsonpath(told: Mapping[str, Any], value: object) -> bool:
    import jsonpath  # noqa: PLC0415 - an extra

    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return False
    if not isinstance(value, dict | list):
        return False
    found = jsonpath.findall(told["path"], value)
    if "expect" in told:
        expected = told["expect"] if isinstance(told["expect"], list) else [told["expect"]]
        return len(found) == len(expected) and all(map(_same, found, expected))
    if told.get("count") is not None:
        return bool(len(found) == told["count"])
    return bool(found)


_JUDGES = {"regex": _regex, "range": _range, "jsonpath": _jsonpath}


def _check_regex(pattern: object) -> Iterator[Problem]:
    if not isinstance(pattern, str):
        yield ".pattern", "must be a regular expression"
        return
    try:
        re.compile(pattern)
    except re.error as problem:
        yield ".pattern", f"is no regular expression: {problem}"


def _check_path(path: object) -> Iterator[Problem]:
    if not isinstance(path, str) or not path.strip():
        yield ".path", "must be a JSONPath"
        return
    if find_spec("jsonpath") is None:
        yield "", "JSONPath is not installed; install it by pip install 'mainstay[chaos]'"
        return
    import jsonpath  # noqa: PLC0415 - an extra

    try:
        jsonpath.compile(path)
    except jsonpath.JSONPathError as problem:
        yield ".path", f"is no JSONPath: {str(problem).splitlines()[0]}"
