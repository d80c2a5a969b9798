"""The routing table: what a worker needs to know, whole, as it crosses the socket between the processes."""

from dataclasses import dataclass, field

from pydantic import TypeAdapter

from mainstay.redundancy.health import HealthSpec
from mainstay.redundancy.pool import PoolSpec
from mainstay.tolerance.breaker import BreakerSpec
from mainstay.tolerance.call import CallSpec

UP = "up"
"""It takes traffic."""
DRAINING = "draining"
"""It takes no new traffic; what it works on is finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One life of an instance that the gateway is to know."""

    service: str
    instance: str
    generation: int
    host: str
    port: int
    zone: str = ""
    state: str = UP
    authority: str = ""
    """What it is told as `Host`; empty: what the client asked for."""
    path: str | None = None
    """What its health check asks for; None: `OPTIONS *`, which any answer satisfies. While one definition of a
    service replaces another, lives of both are here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How one service's traffic is to be treated."""

    health: HealthSpec | None = field(default_factory=HealthSpec)
    pool: PoolSpec = field(default_factory=PoolSpec)
    call: CallSpec = field(default_factory=CallSpec)
    breaker: BreakerSpec | None = field(default_factory=BreakerSpec)
    keyed: bool = False
    """The service honours idempotency keys: what carries one may be sent again."""
    connect: float = 1.0
    """Seconds for making a connection to an instance."""
    idle: float = 60.0
    """Seconds in which something must move while a body is under way."""
    hold: int = 65536
    """Answers up to this many bytes are passed on when they are complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Requests of one listener that are for one service."""

    service: str
    host: str = ""
    """In small letters; empty: every host."""
    path: str = ""
    """What the path begins with, by whole segments; empty: every path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """How the traffic of one listening socket is taken."""

    rules: list[Rule]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a request may be at most."""

    head: int = 32768
    """Bytes of a head; also what is buffered of a head that has not arrived whole."""
    headers: int = 100
    """Number of headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """How requests are written down."""

    path: str
    format: str = "json"
    sample: float = 1.0
    """The share of those that went well."""
    size: int = 100 * 2**20
    """Bytes at which the file is rotated."""
    keep: int = 5
    """Older files that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Everything a worker routes by; a later version replaces an earlier one whole."""

    version: int
    limits: Limits = field(default_factory=Limits)
    drain: float = 10.0
    """Seconds that requests in progress have when the worker is told to stop."""
    log: LogSettings | None = None
    """The access log, if there is one."""
    doors: dict[str, Door] = field(default_factory=dict)
    """By the names of the listening sockets."""
    services: dict[str, Settings] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)


_TABLE = TypeAdapter(Table)


def dump(table: Table) -> bytes:
    """Write a table as one line of JSON."""
    return _TABLE.dump_json(table)


def load(data: bytes) -> Table:
    """Read a table that `dump` wrote."""
    return _TABLE.validate_json(data)
