"""The schema for others: JSON Schema for editors, Markdown tables for the reference; both made from the models."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mainstay.base.units import (
    DURATION_PATTERN,
    SHARE_PATTERN,
    SIZE_PATTERN,
    format_duration,
    format_share,
    format_size,
)
from mainstay.system.alerts import Destination
from mainstay.system.drills import Abort, Accept, DrillLoad, Drills, Expect
from mainstay.system.entrance import Entrance, Redirect, ServiceRoute
from mainstay.system.limits import Limits
from mainstay.system.mechanism import Section
from mainstay.system.request import Ask
from mainstay.system.schema import Gateway, Service, System
from mainstay.system.tls import Certificate, Tls
from mainstay.system.witness import AccessLog, Tracing

Schema = dict[str, Any]

_FORMATS: dict[str, tuple[str, Callable[[Any], str]]] = {
    DURATION_PATTERN: ("duration", format_duration),
    SIZE_PATTERN: ("size", format_size),
    SHARE_PATTERN: ("share", format_share),
}
_INTERPOLATED = "Interpolated"


def json_schema() -> Schema:
    """Give the JSON Schema (draft 2020-12) of a system file, for editors that check while one types."""
    schema = System.model_json_schema()
    definitions: dict[str, Schema] = schema.pop("$defs")
    for section in (schema, *definitions.values()):
        section["properties"] = {key: _property(value) for key, value in section["properties"].items()}
    definitions[_INTERPOLATED] = {
        "description": "Taken from the environment: ${NAME} or ${NAME:-default}.",
        "type": "string",
        "pattern": r"\$\{[A-Za-z_]",
    }
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Mainstay system file"}
    return {
        **head,
        **_untitled(schema),
        "$defs": {name: _untitled(each) for name, each in definitions.items()},
    }


def _property(schema: Schema) -> Schema:
    """Write a default as a person would, and let the environment stand for a value."""
    options = [option for option in _options(schema) if option != {"type": "null"}]
    told: Schema = {key: schema[key] for key in ("description", "examples") if key in schema}
    default = schema.get("default")
    if default is not None and not isinstance(default, (dict, list)):
        told["default"] = _default(options, default)
    if "patternProperties" in options[0]:
        # Pydantic leaves it open what other names may mean.
        return told | options[0] | {"additionalProperties": False}
    if any(
        option.get("type") in ("string", "array", "object") and "pattern" not in option for option in options
    ):
        return told | (options[0] if len(options) == 1 else {"anyOf": options})
    if len(options) == 1 and "$ref" in options[0]:
        return told | options[0]
    return told | {"anyOf": [*options, {"$ref": f"#/$defs/{_INTERPOLATED}"}]}


def _options(schema: Schema) -> list[Schema]:
    if "anyOf" in schema:
        options: list[Schema] = schema["anyOf"]
        return options
    about = ("description", "default", "title", "examples")
    return [{key: value for key, value in schema.items() if key not in about}]


def _default(options: list[Schema], default: object) -> object:
    for option in options:
        if option.get("pattern") in _FORMATS:
            _, written = _FORMATS[option["pattern"]]
            return written(default)
    if isinstance(default, bool) and {"type": "boolean"} not in options:
        return "on" if default else "off"
    return default


def _untitled(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "title"}


def reference() -> str:
    """Give the reference of the system file as Markdown: a table of keys for every mapping in it."""
    definitions = System.model_json_schema()["$defs"]
    tables: list[tuple[str, type[Section]]] = [
        ("the file itself", System),
        ("gateway", Gateway),
        ("gateway.limits", Limits),
        ("gateway.access_log", AccessLog),
        ("gateway.tracing", Tracing),
        ("listeners.NAME", Entrance),
        ("listeners.NAME.redirects[]", Redirect),
        ("services.NAME", Service),
        ("services.NAME.routes[]", ServiceRoute),
        ("listeners.NAME.tls` and `services.NAME.tls", Tls),
        ("certificates[]` of a `tls", Certificate),
    ]
    known = {section for _, section in tables}
    for key, field in Service.model_fields.items():
        section = section_of(field)
        if section is not None and section not in known:
            tables.append((f"services.NAME.{key}", section))
    tables += [
        ("alerts[]", Destination),
        ("drills", Drills),
        ("drills.load", DrillLoad),
        ("drills.load.requests[]", Ask),
        ("drills.expect[]", Expect),
        ("drills.accept[]", Accept),
        ("drills.abort", Abort),
    ]
    return "\n".join(_table(title, section, definitions) for title, section in tables)


def section_of(field: FieldInfo) -> type[Section] | None:
    """Give the mapping that a key takes, or None when it takes a value."""
    options = (field.annotation, *getattr(field.annotation, "__args__", ()))
    return next((each for each in options if isinstance(each, type) and issubclass(each, Section)), None)


def _table(title: str, section: type[BaseModel], definitions: Schema) -> str:
    schema = definitions.get(section.__name__) or System.model_json_schema()
    heading = title if title == "the file itself" else f"`{title}`"
    lines = [f"## {heading}", "", _one_line(section.__doc__ or ""), ""]
    lines += ["| Key | Type | Default | Meaning |", "| --- | --- | --- | --- |"]
    for name, field in section.model_fields.items():
        key = field.alias or name
        kind, default = _kind(schema["properties"][key]), _shown_default(field, schema["properties"][key])
        lines.append(f"| `{key}` | {kind} | {default} | {_one_line(field.description or '')} |")
    return "\n".join([*lines, ""])


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _shown_default(field: FieldInfo, schema: Schema) -> str:
    if field.is_required():
        return "required"
    default = schema.get("default")
    if field.default is None and (section_of(field) or {"const": "off"} in _options(schema)):
        return "off"
    if field.default is None or field.default_factory is not None:
        return "none"
    if isinstance(default, dict) or section_of(field):
        return "on" if "anyOf" in schema else "as below"
    if default is None or default in ([], {}):
        return "none"
    written = _default(_options(schema), default)
    return f"`{str(written).lower() if isinstance(written, bool) else written}`"


def _kind(schema: Schema) -> str:
    kinds = [_option_kind(option) for option in _options(schema) if option != {"type": "null"}]
    return " or ".join(dict.fromkeys(kinds)) + _example(schema)


def _option_kind(option: Schema) -> str:
    if "enum" in option:
        return ", ".join(dict.fromkeys(f"`{word}`" for word in option["enum"]))
    if "const" in option:
        return f"`{option['const']}`"
    if option.get("pattern") in _FORMATS:
        return _FORMATS[option["pattern"]][0]
    if option.get("type") == "integer":
        return f"whole number, {option['minimum']} to {option['maximum']}"
    words = {"boolean": "`true`, `false`", "array": "list", "string": "text"}
    return words.get(str(option.get("type")), "mapping")


def _example(schema: Schema) -> str:
    for option in (schema, *_options(schema)):
        if "examples" in option and option.get("pattern") not in _FORMATS:
            return f", as in `{option['examples'][0]}`"
    return ""
