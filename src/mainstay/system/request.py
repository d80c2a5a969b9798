"""Requests that a load is made of, as the system file tells them: `GET /`, or a mapping with more to say."""

import re
from typing import Annotated, Any

from pydantic import (
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from mainstay.base.message import (
    FRAMING,
    ID,
    METHOD_PATTERN,
    NAME,
    NAME_PATTERN,
    NEVER,
    PATH_PATTERN,
    SAFE,
    VALUE,
)
from mainstay.system.mechanism import Section
from mainstay.system.value import Slug, Truth, Whole, shown, text, wrong

LARGEST_BODY = 1_000_000
"""Bytes of a body: it is sent as often as the load's rate says."""

_LINE = re.compile(rf"({METHOD_PATTERN}) ({PATH_PATTERN})")


def request_line(written: object) -> str:
    """Read a method and a path, as in `GET /orders?page=2`."""
    if not isinstance(written, str) or not _LINE.fullmatch(written):
        raise wrong(
            f"{shown(written)} is not a request: write a method and a path, as in GET /orders; "
            "others than printable ASCII characters as %XX (RFC 3986 §2.1)"
        )
    if (method := written.partition(" ")[0]) in NEVER:
        raise wrong(f"{method} cannot be part of a load")
    return written


def _header_name(written: object) -> str:
    name = text(written)
    if not NAME.fullmatch(name):
        raise wrong(f"{shown(name)} is not the name of a header (RFC 9110 §5.1)")
    if name.lower() in FRAMING:
        raise wrong(f"{name} says how a message is sent, which is for the load generator to tell")
    return name


def _header_value(written: object) -> str:
    value = written if written == "" else text(written)
    if not isinstance(value, str) or not VALUE.fullmatch(value):
        raise wrong(f"{shown(value)} is not the value of a header: allowed is printable ASCII on one line")
    return value


def _body(written: object) -> str:
    if not isinstance(written, str):
        raise wrong(f"must be text, not {shown(written)}: put it in quotes")
    if len(written.encode()) > LARGEST_BODY:
        raise wrong(f"has more than {LARGEST_BODY} bytes")
    return written


RequestLine = Annotated[
    str,
    PlainValidator(request_line),
    WithJsonSchema({"type": "string", "pattern": f"^{_LINE.pattern}$", "examples": ["GET /orders"]}),
]
"""A method and a path with its query."""
HeaderName = Annotated[
    str, PlainValidator(_header_name), WithJsonSchema({"type": "string", "pattern": f"^{NAME_PATTERN}$"})
]
"""The name of a header."""
HeaderValue = Annotated[str, PlainValidator(_header_value), WithJsonSchema({"type": "string"})]
"""The value of a header."""
Body = Annotated[str, PlainValidator(_body), WithJsonSchema({"type": "string"})]
"""Text that is sent as UTF-8."""


class Ask(Section):
    """A request of the load; `GET /` alone is short for `{ request: GET / }`."""

    request: RequestLine
    """Method and path, with the query if there is one. `{id}` in path, headers and body stands for an id that
    each request has for itself."""

    to: Slug | None = None
    """The service or the listener that it is sent to. Every one that takes HTTP, unless told."""

    weight: Annotated[int, Whole(1, 1_000_000)] = 1
    """How often it is sent, compared with the others. All alike, unless told."""

    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict, max_length=100)
    """Headers that it has. `Host` is told here if it is to be another than the first route of the service asks for."""

    body: Body | None = None
    """Its body. None by default; what it is, `Content-Type` under `headers` says."""

    writes: Truth = False
    """Whether it may change something. A method other than GET, HEAD and OPTIONS is refused without it: a load sends
    it hundreds of times. Each that was answered well is sought in the `journal`, if there is one."""

    @model_validator(mode="before")
    @classmethod
    def _in_short(cls, written: object) -> object:
        return {"request": request_line(written)} if isinstance(written, str) else written

    @model_validator(mode="after")
    def _safe_or_told(self) -> "Ask":
        if self.method not in SAFE and not self.writes:
            raise wrong(
                f"{self.method} may change something, and would be sent again and again: tell `writes: true` "
                f"if it may; safe are {', '.join(SAFE)}"
            )
        if self.method in ("GET", "HEAD") and self.body is not None:
            raise wrong(f"a {self.method} has no body (RFC 9110 §9.3.1)")
        lower = [name.lower() for name in self.headers]
        if twice := next((name for name in self.headers if lower.count(name.lower()) > 1), None):
            raise wrong(f"has the header {twice} twice")
        return self

    @property
    def method(self) -> str:
        """The method."""
        return self.request.partition(" ")[0]

    @property
    def path(self) -> str:
        """Path and query."""
        return self.request.partition(" ")[2]

    @property
    def names_itself(self) -> bool:
        """Whether its id is in it."""
        return any(ID in part for part in (self.path, self.body or "", *self.headers.values()))


class InShort:
    """Publishes that each entry of a list of requests may be the request alone."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401 - a type
        """Read the list as it is."""
        return handler(source)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Publish the short form beside the mapping."""
        published = handler(schema)
        short = {"type": "string", "pattern": f"^{_LINE.pattern}$"}
        return {**published, "items": {"anyOf": [short, published["items"]]}}
