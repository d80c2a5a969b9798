"""What ties requests to an instance, as the system file tells it."""

import re
from typing import Annotated, NamedTuple

from pydantic import PlainValidator, WithJsonSchema

from mainstay.system.mechanism import Section
from mainstay.system.value import DurationOrZero, OneOf, shown, wrong

_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_BY = re.compile(rf"(session|client|path)|(header|cookie) ({_WORD})")
_COOKIE = re.compile(_WORD)


class By(NamedTuple):
    """By what requests are told to belong together."""

    kind: str
    """`session`, `client`, `path`, `header` or `cookie`."""
    name: str = ""
    """Of the header (in small letters) or the cookie."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".rstrip(" ")


def _by(written: object) -> By:
    if isinstance(written, By):
        return written
    match = _BY.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        raise wrong(
            f"found {shown(written)}, allowed: session, client, path, header NAME or cookie NAME, as in header X-User"
        )
    kind, named, name = match.groups()
    return By(kind) if kind else By(named, name.lower() if named == "header" else name)


_USERS = re.compile(rf"off|client|(?:header|cookie) {_WORD}")


def _users(written: object) -> By | None:
    if written is None or written == "off":
        return None
    if not isinstance(written, By) and not (isinstance(written, str) and _USERS.fullmatch(written)):
        raise wrong(
            f"found {shown(written)}, allowed: off, client, header NAME or cookie NAME, as in header X-User-Id"
        )
    return _by(written)


Users = Annotated[
    By | None,
    PlainValidator(_users),
    WithJsonSchema(
        {"type": "string", "pattern": f"^(?:{_USERS.pattern})$", "examples": ["header X-User-Id"]}
    ),
]
"""By what the users of a service are told apart."""


def _cookie(written: object) -> str:
    if not isinstance(written, str) or not _COOKIE.fullmatch(written):
        raise wrong(
            f"{shown(written)} is not the name of a cookie: allowed are letters, digits and !#$%&'*+-.^_`|~"
        )
    return written


class Sticky(Section):
    """Which requests go to the same instance, for services that keep something for their clients in memory."""

    by: Annotated[
        By,
        PlainValidator(_by),
        WithJsonSchema({"type": "string", "pattern": f"^(?:{_BY.pattern})$", "examples": ["session"]}),
    ]
    """What requests have in common. `session`: a cookie that the gateway sets; it names the instance, so that a session
    stays where it is when instances are added, and stays where it went when its instance died. `client` (the
    address), `path`, `header NAME` and `cookie NAME` (of the service): equal values go to the same instance, by
    rendezvous hashing, so that a lost instance moves its own values only, and they come back with it. Requests
    without that header or cookie go to any."""

    cookie: Annotated[
        str | None,
        PlainValidator(_cookie),
        WithJsonSchema({"type": "string", "pattern": f"^{_COOKIE.pattern}$"}),
    ] = None
    """The name of the cookie of a `session`. By default `mainstay-` and the service's name, so that services on one
    host do not take each other's."""

    lasts: DurationOrZero = 0.0
    """How long a browser keeps that cookie, in whole seconds; 0: until it is closed, as sessions mostly do."""

    same_site: Annotated[str, OneOf("lax", "strict", "none")] = "lax"
    """Whether that cookie comes with requests from other sites' pages: `lax` with links only, which is what browsers
    do by themselves; `none` for a service that is embedded elsewhere, with https only."""
