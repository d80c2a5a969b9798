"""What users ask for: a mix of requests, each as often as its weight says, and each as it goes over the wire.

As a file it is a JSON list, one object for each request; all but `method` and `path` may be left out::

    [{"method": "GET", "path": "/"},
     {"method": "POST", "path": "/orders", "headers": {"Content-Type": "text/plain"}, "body": "id={id}",
      "weight": 2, "writes": true}]

`{id}` in path, headers and body becomes the id of the very request that is sent.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from mainstay.base.errors import SpecError
from mainstay.base.message import FRAMING, ID, METHOD, NAME, NEVER, PATH, SAFE, VALUE

LARGEST = 64 * 2**20
"""Bytes that a file of requests may have: they are kept in memory, as often as once for each kind of connection."""
MOST = 10_000
"""Requests that a mix may have."""
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_BODILESS = frozenset({"GET", "HEAD"})
_ECHO = "x-order-id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One request of the mix.

    Raises:
        SpecError: it cannot be sent.
    """

    method: str
    path: str
    """Path and query."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers beside those that the generator has of its own; of the same name, these count."""
    body: str = ""
    weight: float = 1
    """How often it is sent, compared with the others."""
    writes: bool = False
    """Whether it changes something."""

    def __post_init__(self) -> None:
        """Refuse what cannot be sent, or should not be without a word."""
        if not METHOD.fullmatch(self.method) or self.method in NEVER:
            raise SpecError(f"method must be one in capitals, not {self.method!r}")
        if not PATH.fullmatch(self.path):
            raise SpecError(f"path must begin with / and be printable ASCII, not {self.path[:60]!r}")
        for name, value in self.headers.items():
            if not NAME.fullmatch(name) or name.lower() in FRAMING or not VALUE.fullmatch(value):
                raise SpecError(
                    f"header {name[:60]!r} cannot be sent: its name, or its value, is not for that"
                )
        if self.body and self.method in _BODILESS:
            raise SpecError(f"a {self.method} has no body (RFC 9110 §9.3.1)")
        if not 0 <= self.weight < math.inf:
            raise SpecError(f"weight must be 0 or more, not {self.weight}")
        if self.method not in SAFE and not self.writes:
            raise SpecError(f"{self.method} {self.path[:60]} may change something, and `writes` is not told")

    @property
    def route(self) -> str:
        """Method and path without the query."""
        return f"{self.method} {self.path.partition('?')[0]}"

    def header(self, name: str) -> str | None:
        """Give the value of a header, whose name is told in small letters."""
        return next((value for key, value in self.headers.items() if key.lower() == name), None)


Mix = Sequence[Errand]
"""What users ask for, by places."""


def shop(posts: float, *, keyed: bool) -> Mix:
    """Give what users of the bundled service ask for: the front page, and a share of orders with ids of their own."""
    # A string of RFC 8941, as draft-ietf-httpapi-idempotency-key-header has it.
    key = {"Idempotency-Key": f'"{ID}"'} if keyed else {}
    wanted = {"Accept": "application/json"}
    known = {"Content-Type": "application/json", "X-Order-Id": ID}
    return (
        Errand(method="GET", path="/", headers=wanted, weight=1 - posts),
        Errand(
            method="POST",
            path="/orders",
            headers=wanted | known | key,
            body=f'{{"id":"{ID}"}}',
            weight=posts,
            writes=True,
        ),
    )


def write_mix(mix: Mix) -> str:
    """Give the file of a mix."""
    return json.dumps([asdict(errand) for errand in mix], indent=1)


def read_mix(text: str) -> Mix:
    """Read the file of a mix.

    Raises:
        SpecError: it cannot be used; the message tells which request.
    """
    if len(text) > LARGEST:
        raise SpecError(f"a file of requests must have at most {LARGEST} bytes")
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise SpecError(f"not a file of requests: {problem}") from problem
    if not isinstance(entries, list) or not 0 < len(entries) <= MOST:
        raise SpecError(f"a file of requests is a list of 1 to {MOST} objects")
    mix = [_errand(place, entry) for place, entry in enumerate(entries)]
    if not sum(errand.weight for errand in mix):
        raise SpecError("all requests have weight 0")
    return mix


_KINDS: dict[str, type | tuple[type, ...]] = {
    "method": str,
    "path": str,
    "headers": dict,
    "body": str,
    "weight": (int, float),
    "writes": bool,
}


def _errand(place: int, entry: object) -> Errand:
    if not isinstance(entry, dict):
        raise SpecError(f"request {place} must be an object")
    for key, value in entry.items():
        kind = _KINDS.get(key)
        if kind is None:
            raise SpecError(f"request {place} has an unknown {key[:60]!r}; allowed: {', '.join(_KINDS)}")
        if not isinstance(value, kind) or (key == "weight" and isinstance(value, bool)):
            raise SpecError(f"request {place}: {key} cannot be {json.dumps(value)[:60]}")
    if missing := [key for key in ("method", "path") if key not in entry]:
        raise SpecError(f"request {place} has no {missing[0]}")
    if not all(isinstance(value, str) for value in entry.get("headers", {}).values()):
        raise SpecError(f"request {place}: the values of headers must be text")
    try:
        return Errand(**entry)
    except SpecError as problem:
        raise SpecError(f"request {place}: {problem}") from problem


class Letter:
    """A request of the mix as it goes over the wire, made ready beforehand."""

    __slots__ = (
        "_body",
        "_heads",
        "_sized",
        "_whole",
        "bodiless",
        "echoed",
        "errand",
        "method",
        "route",
        "writes",
    )

    def __init__(self, errand: Errand, host: str) -> None:
        self.errand = errand
        self.method = errand.method
        self.route = errand.route
        self.writes = errand.writes
        self.echoed = errand.header(_ECHO) == ID
        """Whether it names itself in a header that an answer to it may repeat."""
        self.bodiless = errand.method == "HEAD"
        """Whether its answer has no body, whatever its headers say (RFC 9112 §6.3)."""
        self._body = errand.body.encode().split(ID.encode())
        self._sized = bool(errand.body) or errand.method in _WITH_BODY
        self._heads = [
            _head(errand, host, fresh=fresh).encode().split(ID.encode()) for fresh in (False, True)
        ]
        alone = all(len(parts) == 1 for parts in (self._body, *self._heads))
        self._whole = [self._made(b"", fresh) for fresh in (False, True)] if alone else None

    def written(self, known: bytes, *, fresh: bool) -> bytes:
        """Give it as it is sent under this id."""
        return self._made(known, fresh) if self._whole is None else self._whole[fresh]

    def _made(self, known: bytes, fresh: bool) -> bytes:
        body = known.join(self._body)
        head = known.join(self._heads[fresh])
        if not self._sized:
            return head + b"\r\n"
        return b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body)


def _head(errand: Errand, host: str, *, fresh: bool) -> str:
    own: dict[str, Any] = {"Host": host, "User-Agent": "mainstay-load", "Accept": "*/*"}
    told = {name.lower() for name in errand.headers}
    lines = [f"{name}: {value}" for name, value in own.items() if name.lower() not in told]
    lines += [f"{name}: {value}" for name, value in errand.headers.items()]
    lines += ["Connection: close"] if fresh else []
    return "\r\n".join([f"{errand.method} {errand.path} HTTP/1.1", *lines, ""])


def letters(mix: Mix, host: str, *, one_host: bool = False) -> list[Letter]:
    """Make a mix ready to be sent.

    Args:
        mix: The requests.
        host: What `Host` says where a request does not.
        one_host: Whether all must go to that one: a TLS connection is for one name.

    Raises:
        SpecError: a request goes to another host.
    """
    if one_host:
        for errand in mix:
            other = errand.header("host")
            if other is not None and other.lower() != host.lower():
                raise SpecError(f"over https all requests must go to one host: found {host} and {other[:60]}")
    return [Letter(errand, host) for errand in mix]
