"""OpenAPI 3 descriptions: what may be asked of a service, with the examples and defaults that its author wrote."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from mainstay.base.errors import SpecError
from mainstay.base.message import SAFE
from mainstay.drill.recording.recorded import Collection, Recording

_METHODS = ("get", "head", "options", "post", "put", "patch", "delete")
_VARIABLE = re.compile(r"\{([^{}]*)\}")
_DEEPEST = 20
"""References that are followed one after another; a description that needs more goes in a circle."""
_NOT_HERE = ("accept", "authorization", "content-type")
"""Headers that are described elsewhere (OpenAPI 3.1 §4.8.12.2)."""
_NOTHING = object()


def read_openapi(content: dict[str, Any]) -> Recording:
    """Give the requests that can be made from a description alone.

    An operation is left out when it needs credentials, or a parameter without example and default.

    Raises:
        SpecError: it is not of version 3, or has no paths.
    """
    version, paths = content.get("openapi"), content.get("paths")
    if not isinstance(version, str) or not version.startswith("3."):
        raise SpecError(f"of OpenAPI only version 3 can be read, not {str(version)[:20]}")
    if not isinstance(paths, dict):
        raise SpecError("an OpenAPI description has a mapping of `paths`")
    found, base = Collection(), _base(content)
    for path, written in paths.items():
        item = _followed(content, written)
        if not isinstance(path, str) or not isinstance(item, dict):
            continue
        for method in _METHODS:
            if isinstance(operation := item.get(method), dict):
                _operation(content, found, (method.upper(), base + path), item, operation)
    return found.recording()


def _operation(
    content: dict[str, Any],
    found: Collection,
    asked: tuple[str, str],
    item: dict[str, Any],
    operation: dict[str, Any],
) -> None:
    method, path = asked
    security = operation.get("security", content.get("security"))
    # An empty object among them says that it works without as well.
    if method in SAFE and security and {} not in security:
        found.leave(method, path, "needs credentials: write it into `requests` with its headers")
        return
    query: list[tuple[str, str]] = []
    headers: list[tuple[str, str]] = []
    cookies: list[str] = []
    for name, place, required, value in _parameters(content, item, operation):
        if value is _NOTHING or isinstance(value, dict):
            if required and method in SAFE:
                found.leave(method, path, f"its parameter {name[:60]} has neither example nor default")
                return
        elif place == "path":
            path = path.replace(f"{{{name}}}", quote(_text(value), safe=""))
        elif place == "query":
            query += [(name, _text(each)) for each in (value if isinstance(value, list) else [value])]
        elif place == "header" and name.lower() not in _NOT_HERE:
            headers.append((name, _text(value)))
        elif place == "cookie":
            cookies.append(f"{name}={_text(value)}")
    if method in SAFE and _VARIABLE.search(path):
        found.leave(method, path, "a part of its path is not described")
        return
    headers += [("Cookie", "; ".join(cookies))] if cookies else []
    found.take(method, f"{path}?{urlencode(query)}" if query else path, headers)


def _parameters(
    content: dict[str, Any], item: dict[str, Any], operation: dict[str, Any]
) -> Iterator[tuple[str, str, bool, Any]]:
    """Give name, place, whether it must be told, and value of each; those of an operation replace its path's."""
    told: dict[tuple[str, str], dict[str, Any]] = {}
    for each in (*_list(item.get("parameters")), *_list(operation.get("parameters"))):
        parameter = _followed(content, each)
        if isinstance(parameter, dict):
            name, place = parameter.get("name"), parameter.get("in")
            if isinstance(name, str) and isinstance(place, str):
                told[name, place] = parameter
    for (name, place), parameter in told.items():
        # Parameters in the path are always required (OpenAPI 3.1 §4.8.12.2).
        required = parameter.get("required") is True or place == "path"
        yield name, place, required, _value(content, parameter)


def _value(content: dict[str, Any], parameter: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    if "example" in parameter:
        return parameter["example"]
    examples = parameter.get("examples")
    for each in examples.values() if isinstance(examples, dict) else ():
        example = _followed(content, each)
        if isinstance(example, dict) and "value" in example:
            return example["value"]
    schema = _followed(content, parameter.get("schema"))
    if not isinstance(schema, dict):
        return _NOTHING
    for key, plural in (("example", False), ("examples", True), ("default", False), ("enum", True)):
        if key in schema and not plural:
            return schema[key]
        if plural and _list(schema.get(key)):
            return schema[key][0]
    return _NOTHING


def _followed(content: dict[str, Any], node: Any) -> Any:  # noqa: ANN401 - any JSON
    """Give what a reference within the file points to; None for any other."""
    for _ in range(_DEEPEST):
        if not isinstance(node, dict) or "$ref" not in node:
            return node
        reference = node["$ref"]
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return None
        node = content
        for step in reference[2:].split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            node = node.get(key) if isinstance(node, dict) else None
    return None


def _base(content: dict[str, Any]) -> str:
    """Give what stands before all paths: the path of the first server, its variables at their defaults."""
    servers = _list(content.get("servers"))
    server = servers[0] if servers and isinstance(servers[0], dict) else {}
    url, variables = server.get("url"), server.get("variables")
    if not isinstance(url, str):
        return ""

    def default(match: re.Match[str]) -> str:
        variable = variables.get(match[1]) if isinstance(variables, dict) else None
        return _text(variable.get("default", "")) if isinstance(variable, dict) else ""

    try:
        return urlsplit(_VARIABLE.sub(default, url)).path.rstrip("/")
    except ValueError:
        return ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
