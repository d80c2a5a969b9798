"""What a person is told about a value that does not fit the schema: found, allowed, and the nearest known key."""

from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic_core import ErrorDetails

from mainstay.base.errors import Problem
from mainstay.system.document import Document
from mainstay.system.mechanism import Section
from mainstay.system.place import Path, written
from mainstay.system.schema import System
from mainstay.system.value import shown

_KEY = "[key]"
"""What pydantic ends the path with when a mapping's key is wrong rather than its value."""

_SHAPES = {
    "model_type": "a mapping of keys",
    "dict_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
    "list_type": "a list",
}


MOST_TOLD = 200
"""Errors that are put into words; a file with more is not a system file."""


def tell(errors: list[ErrorDetails], document: Document) -> list[Problem]:
    """Put errors of the schema into words, each at its place; what is broken already is not told again."""
    errors = errors[:MOST_TOLD]
    likely = {
        (*path[:-1], near)
        for error in errors
        if error["type"] == "extra_forbidden" and (near := nearest(path := error["loc"]))
    }
    problems = []
    for error in errors:
        path = tuple(step for step in error["loc"] if step != _KEY)
        known = any(path[:length] in document.broken for length in range(len(path) + 1))
        if known or (error["type"] == "missing" and path in likely):
            continue
        about_key = error["type"] == "extra_forbidden" or error["loc"][-1:] == (_KEY,)
        place = document.place(path, key=about_key)
        problems.append(Problem(*place, written(path), say(error)))
    return problems


def say(error: ErrorDetails) -> str:
    """Tell one error of the schema: what was found and what is allowed."""
    kind, found = error["type"], error["input"]
    if kind == "extra_forbidden":
        near, allowed = nearest(error["loc"]), ", ".join(known_keys(error["loc"][:-1]))
        return f"unknown key; {f'did you mean {near}? ' if near else ''}allowed: {allowed}"
    if kind == "missing":
        return "is required, but missing"
    if kind in _SHAPES:
        return f"must be {_SHAPES[kind]}, not {shown(found)}"
    if kind in ("too_short", "too_long"):
        context = error["ctx"]
        few = kind == "too_short"
        return (
            f"must have at least {context['min_length']} entry"
            if few
            else f"must have at most {context['max_length']} entries"
        )
    return error["msg"]


def nearest(path: Path) -> str | None:
    """Give the known key that an unknown one, the path's last step, was probably meant to be."""
    found = str(path[-1]).lower().replace("-", "_")
    near = get_close_matches(found, known_keys(path[:-1]), n=1, cutoff=0.6)
    return near[0] if near else None


def known_keys(path: Path) -> list[str]:
    """Give the keys that the mapping at a path may have."""
    section: Any = System
    for step in path:
        fields = _fields(section)
        section = _inside(fields[step].annotation) if step in fields else _inside(section, item=True)
    return [str(key) for key in _fields(section)]


def _fields(section: Any) -> dict[str | int, Any]:  # noqa: ANN401 - annotations are of every type
    """Give the fields of a section by the keys that people write."""
    return {field.alias or name: field for name, field in getattr(section, "model_fields", {}).items()}


def _inside(kind: Any, *, item: bool = False) -> Any:  # noqa: ANN401 - annotations are of every type
    """Take the section out of `Section | None`, or the value's type out of `dict[str, Section]`."""
    if get_origin(kind) is dict:
        return get_args(kind)[1] if item else kind
    options = [
        option for option in get_args(kind) if isinstance(option, type) and issubclass(option, Section)
    ]
    return options[0] if options else kind
