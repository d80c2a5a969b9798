"""How the values of a system file are read: durations, sizes, shares, numbers, names and switches.

Each is a type for a model's field: it reads what a person wrote, says what was found and what is allowed
when it cannot, and publishes its own JSON Schema.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, PlainValidator, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from mainstay.base.errors import SpecError
from mainstay.base.units import (
    DURATION_PATTERN,
    SHARE_PATTERN,
    SIZE_PATTERN,
    parse_duration,
    parse_share,
    parse_size,
)
from mainstay.system.scalar import URL, is_of_the_instance

SLUG = re.compile(r"[a-z][a-z0-9-]{0,62}")
"""Names of systems, services and zones: they become file names, headers and host names (RFC 1123 labels)."""


def wrong(message: str) -> PydanticCustomError:
    """Make the error of a value that cannot be; the message is told to the user as it is."""
    # Braces would be taken for pydantic's own placeholders, hence the value in the context.
    return PydanticCustomError("wrong", "{message}", {"message": message})


def shown(value: object) -> str:
    """Write a found value as a user would recognise it, on one line and not too long."""
    longest = 60
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    quoted = repr(value)
    return quoted if len(quoted) <= longest else f"{quoted[: longest - 2]}…{quoted[0]}"


def _reads(parse: Callable[[object], float], *, above_zero: bool) -> Callable[[object], float]:
    def read(written: object) -> float:
        if written is None or isinstance(written, (list, dict)):
            raise wrong(f"found {shown(written)}, allowed is a single value")
        try:
            value = parse(written)
        except SpecError as error:
            raise wrong(str(error)) from error
        if above_zero and not value:
            raise wrong(f"must be above 0, not {written}")
        return value

    return read


def _written(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


def _written_or_zero(pattern: str, example: str) -> WithJsonSchema:
    unit = {"type": "string", "pattern": pattern, "examples": [example]}
    return WithJsonSchema({"anyOf": [unit, {"const": 0}]})


Duration = Annotated[
    float,
    PlainValidator(_reads(parse_duration, above_zero=True)),
    _written(DURATION_PATTERN, "500ms"),
]
"""Seconds, above zero."""

DurationOrZero = Annotated[
    float,
    PlainValidator(_reads(parse_duration, above_zero=False)),
    _written_or_zero(DURATION_PATTERN, "500ms"),
]
"""Seconds; zero has a meaning of its own."""

Size = Annotated[int, PlainValidator(_reads(parse_size, above_zero=True)), _written(SIZE_PATTERN, "64KiB")]
"""Bytes, above zero."""

SizeOrZero = Annotated[
    int,
    PlainValidator(_reads(parse_size, above_zero=False)),
    _written_or_zero(SIZE_PATTERN, "64KiB"),
]
"""Bytes; zero has a meaning of its own."""

Share = Annotated[float, PlainValidator(_reads(parse_share, above_zero=True)), _written(SHARE_PATTERN, "20%")]
"""A share above 0, up to 1."""

ShareOrZero = Annotated[
    float, PlainValidator(_reads(parse_share, above_zero=False)), _written(SHARE_PATTERN, "20%")
]
"""A share from 0 to 1."""


def text(written: object) -> str:
    """Read text that is not empty."""
    if isinstance(written, (bool, int, float)):
        raise wrong(f"must be text, not {shown(written)}: put it in quotes")
    if not isinstance(written, str):
        raise wrong(f"must be text, not {shown(written)}")
    if not written or "\0" in written:
        raise wrong("must not contain a null character" if written else "must not be empty")
    return written


Text = Annotated[str, PlainValidator(text), WithJsonSchema({"type": "string", "minLength": 1})]
"""Text that is not empty."""

File = Annotated[
    Path,
    PlainValidator(lambda written: written if isinstance(written, Path) else Path(text(written))),
    WithJsonSchema({"type": "string", "minLength": 1}),
]
"""A file or folder, relative to the system file's folder."""


def _files(written: object) -> list[Path]:
    return [
        each if isinstance(each, Path) else Path(text(each))
        for each in (written if isinstance(written, list) else [written])
    ]


Files = Annotated[
    list[Path],
    PlainValidator(_files),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "string", "minLength": 1}},
            ]
        }
    ),
]
"""One file or a list of them, relative to the system file's folder."""


_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _env_name(written: object) -> str:
    name = text(written)
    if not _ENV_NAME.fullmatch(name):
        raise wrong(
            f"{shown(name)} is not an environment variable: allowed are letters, digits and underscores, "
            "not beginning with a digit"
        )
    if name.startswith(URL):
        raise wrong(f"{name} is set by Mainstay, for what the service needs")
    if is_of_the_instance(name):
        raise wrong(f"{name} is set by Mainstay, differently for each instance")
    return name


EnvName = Annotated[
    str, PlainValidator(_env_name), WithJsonSchema({"type": "string", "pattern": f"^{_ENV_NAME.pattern}$"})
]
"""The name of an environment variable."""


def _env_value(written: object) -> str:
    if written is None:
        raise wrong("has no value: write '' for an empty one")
    if isinstance(written, (list, dict)):
        raise wrong(f"must be a single value, not {shown(written)}")
    if "\0" in (value := written if isinstance(written, str) else shown(written)):
        raise wrong("must not contain a null character")
    return value


EnvValue = Annotated[
    str, PlainValidator(_env_value), WithJsonSchema({"type": ["string", "number", "boolean"]})
]
"""What an environment variable is set to: any single value, taken as it is written."""


def slug(written: object) -> str:
    """Read the name of a system, service or zone."""
    if not isinstance(written, str) or not SLUG.fullmatch(written):
        raise wrong(
            f"{shown(written)} is not a name: allowed are small letters, digits and hyphens, "
            "beginning with a letter, up to 63"
        )
    return written


Slug = Annotated[
    str, PlainValidator(slug), WithJsonSchema({"type": "string", "pattern": f"^{SLUG.pattern}$"})
]
"""The name of a system, service or zone."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from `low` to `high`."""

    low: int
    high: int

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read a whole number within the bounds."""
        del source, handler

        def read(written: object) -> int:
            if isinstance(written, bool) or not isinstance(written, int):
                raise wrong(f"must be a whole number from {self.low} to {self.high}, not {shown(written)}")
            if not self.low <= written <= self.high:
                raise wrong(f"must be from {self.low} to {self.high}, not {written}")
            return written

        return core_schema.no_info_plain_validator_function(read)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Publish the bounds."""
        del schema, handler
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True, init=False)
class OneOf:
    """One of a few words."""

    words: tuple[str, ...]

    def __init__(self, *words: str) -> None:
        object.__setattr__(self, "words", words)

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read one of the words."""
        del source, handler

        return core_schema.no_info_plain_validator_function(self.read)

    def read(self, written: object) -> object:
        """Read one of the words."""
        if not isinstance(written, str) or written not in self.words:
            near = get_close_matches(str(written), self.words, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise wrong(f"found {shown(written)}{hint}, allowed: {', '.join(self.words)}")
        return written

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Publish the words."""
        del schema, handler
        return {"enum": list(self.words)}


@dataclass(frozen=True, slots=True, init=False)
class Either(OneOf):
    """One of two words, one of which is read as true and the other as false."""

    true: str

    def __init__(self, *words: str, true: str) -> None:
        object.__setattr__(self, "words", words)
        object.__setattr__(self, "true", true)

    def read(self, written: object) -> object:
        """Tell whether it is the one."""
        return OneOf.read(self, written) == self.true


def _network(written: object) -> str:
    example = "write an address or a network, as in 10.0.0.0/8"
    if not isinstance(written, str) or "%" in written:
        raise wrong(f"{shown(written)} is not a network: {example}")
    try:
        return str(ip_network(written))
    except ValueError:
        pass
    try:
        meant = ip_network(written, strict=False)
    except ValueError:
        raise wrong(f"{shown(written)} is not a network: {example}") from None
    raise wrong(f"{shown(written)} is an address within a network: write {meant}, or the address alone")


Network = Annotated[
    str,
    PlainValidator(_network),
    WithJsonSchema(
        {"type": "string", "pattern": r"^[0-9a-fA-F.:]+(?:/[0-9]{1,3})?$", "examples": ["10.0.0.0/8"]}
    ),
]
"""Addresses of IP: one, or all of a network."""


BALANCES = ("power_of_two", "round_robin", "least")
Balance = Annotated[Literal["power_of_two", "round_robin", "least"], OneOf(*BALANCES)]
"""How the next instance is chosen."""

OwnHost = Annotated[bool, Either("client", "address", true="address")]
"""Whose idea of its host an instance is told; true means its own."""


def _duration_or_auto(written: object) -> float | None:
    return None if written == "auto" else _reads(parse_duration, above_zero=True)(written)


DurationOrAuto = Annotated[
    float | None,
    PlainValidator(_duration_or_auto),
    WithJsonSchema(
        {"anyOf": [{"const": "auto"}, {"type": "string", "pattern": DURATION_PATTERN, "examples": ["50ms"]}]}
    ),
]
"""Seconds, above zero; None: to be found out."""


def _truth(written: object) -> bool:
    if not isinstance(written, bool):
        raise wrong(f"found {shown(written)}, allowed: true, false")
    return written


Truth = Annotated[bool, PlainValidator(_truth), WithJsonSchema({"type": "boolean"})]
"""Whether something is so: `true` or `false`. What is switched on or off is a `Switch`."""

Switch = Annotated[bool, Either("on", "off", true="on")]
"""Written `on` or `off`, which in YAML 1.2 are plain words."""


class OrOff:
    """Lets a mechanism be switched off: `off` is read as None, and nothing else is."""

    _words: tuple[str, ...] = ("off",)

    def __init__(self, example: str = "") -> None:
        """Show an example to who has written something else, where the keys alone do not tell what to write."""
        self._example = f", as in {example}" if example else ""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read `off` before the mechanism's own keys are looked at."""
        return core_schema.no_info_wrap_validator_function(self._read, handler(source))

    def _read(self, written: object, keys: core_schema.ValidatorFunctionWrapHandler) -> object:
        if written == "off":
            return None
        if written in self._words:
            return keys({})
        if isinstance(written, (str, int, float, list)) or written is None:
            allowed = ", ".join(self._words)
            raise wrong(
                f"found {shown(written)}, allowed: {allowed}, or a mapping of its keys{self._example}"
            )
        return keys(written)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Publish `off` in place of null, which a file cannot say."""
        published = handler(schema)
        mechanism = next(option for option in published["anyOf"] if option != {"type": "null"})
        return {"anyOf": [*({"const": word} for word in self._words), mechanism]}


class OnOrOff(OrOff):
    """Likewise for what is off unless told: `on` is the mechanism with all its defaults."""

    _words = ("on", "off")


class AutoOrOff(OrOff):
    """Likewise for what finds out itself what nobody tells it: `auto` is the mechanism with all its defaults."""

    _words = ("auto", "off")


class WordOrOff(OrOff):
    """Likewise for what somebody else may do as well: a word of theirs is read as it is.

    `mine` is the mechanism with all its defaults.
    """

    def __init__(self, section: type, *, theirs: str, mine: str) -> None:
        super().__init__()
        self._section = section
        self._theirs = theirs
        self._words = (theirs, mine, "off")

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read the words before the mechanism's own keys are looked at."""
        # By the mechanism alone: what is wrong with a mapping is not told once for each thing that it might be.
        return super().__get_pydantic_core_schema__(self._section, handler.generate_schema)  # type: ignore[arg-type] # called, and no more

    def _read(self, written: object, keys: core_schema.ValidatorFunctionWrapHandler) -> object:
        return written if written == self._theirs else super()._read(written, keys)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Publish the words beside the mechanism."""
        return {"anyOf": [*({"const": word} for word in self._words), handler(schema)]}


class ValueOrOff:
    """Lets a value be left out: `off` is read as None, and anything else as the value."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read `off` before the value is looked at."""
        inner = handler(source)

        def read(written: object, value: core_schema.ValidatorFunctionWrapHandler) -> object:
            if written is None:
                raise wrong("found nothing, allowed: off, or a value")
            return None if written == "off" else value(written)

        return core_schema.no_info_wrap_validator_function(read, inner)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Publish `off` in place of null, which a file cannot say."""
        published = handler(schema)
        options = published.get("anyOf", [published])
        return {"anyOf": [{"const": "off"}, *(option for option in options if option != {"type": "null"})]}


def _workers(written: object) -> int | str:
    most = 256
    if written == "auto":
        return "auto"
    if isinstance(written, bool) or not isinstance(written, int) or not 1 <= written <= most:
        raise wrong(f"found {shown(written)}, allowed: auto, or a whole number from 1 to {most}")
    return written


Workers = Annotated[
    int | Literal["auto"],
    PlainValidator(_workers),
    WithJsonSchema({"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": 256}]}),
]
"""A number of processes, or as many as there are processors."""
