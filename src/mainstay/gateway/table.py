"""The routing table: what a worker needs to know, whole. How it is told is the crew's (`crew/telling.py`)."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator

from mainstay.base.probe import Talk
from mainstay.redundancy.health import HealthSpec
from mainstay.redundancy.outlier import OutlierSpec
from mainstay.redundancy.pool import PoolSpec
from mainstay.system.certificate import Pair
from mainstay.tolerance.backoff import BackoffSpec
from mainstay.tolerance.breaker import BreakerSpec
from mainstay.tolerance.budget import BudgetSpec
from mainstay.tolerance.call import CallSpec
from mainstay.tolerance.hedge import HedgeSpec, SuspicionSpec
from mainstay.tolerance.key import KeySpec
from mainstay.tolerance.retry import RetrySpec

UP = "up"
"""It takes traffic."""
DRAINING = "draining"
"""It takes no new traffic; what it works on is finished."""


_PARTS: dict[str, Callable[[Any], Any]] = {
    "outlier": lambda told: _read(OutlierSpec, told),
    "retry": lambda told: _read(RetrySpec, told),
    "backoff": lambda told: _read(BackoffSpec, told),
    "budget": lambda told: _read(BudgetSpec, told),
    "hedge": lambda told: _read(HedgeSpec, told),
    "suspicion": lambda told: _read(SuspicionSpec, told),
    "statuses": frozenset,
    "second": frozenset,
}
"""What the parts of a spec that are no plain values are made of."""


def _read(kind: type[Any], told: Any) -> Any:  # noqa: ANN401 - JSON
    """Make a spec of what was told, which is checked by the spec itself.

    Not by pydantic, which would have to look into classes that may be compiled, and cannot.
    """
    if told is None or isinstance(told, kind):
        return told
    known = {one.name for one in fields(kind)}
    return kind(
        **{
            name: _PARTS[name](value) if name in _PARTS else value
            for name, value in told.items()
            if name in known
        }
    )


def _written(spec: Any) -> dict[str, Any] | None:  # noqa: ANN401 - one of the specs
    return asdict(spec) if spec is not None else None


_AS_DICT = PlainSerializer(_written)
_HEALTH = PlainValidator(partial(_read, HealthSpec))
_POOL = PlainValidator(partial(_read, PoolSpec))
_CALL = PlainValidator(partial(_read, CallSpec))
_BREAKER = PlainValidator(partial(_read, BreakerSpec))
_KEYS = PlainValidator(partial(_read, KeySpec))


@dataclass(slots=True)
class Row:
    """One life of an instance that the gateway is to know.

    Nobody changes one. It is not frozen because that would make it five times as dear, ten thousand times over.
    """

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
    preamble: str = ""
    """The version of the PROXY protocol with which every connection to it begins; empty: none does."""
    talk: Talk | None = None
    """What its health check says in place of HTTP."""
    server_name: str = ""
    """The name that its certificate must be for; empty: it speaks without TLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StickySettings:
    """What ties requests of one service to one instance."""

    by: str
    """`session`, `client`, `path`, `header` or `cookie`."""
    name: str = ""
    """Of the header (in small letters) or cookie; that of a session is ours."""
    secret: str = ""
    """What hides which instance a session has, in hexadecimal digits."""
    lasts: int = 0
    """Seconds for which a browser keeps a session's cookie; 0: until it is closed."""
    same_site: str = "lax"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersSettings:
    """By what the users of one service are told apart."""

    by: str
    """`client`, `header` or `cookie`."""
    name: str = ""
    """Of the header (in small letters) or cookie."""
    secret: str = ""
    """What hides who they are, in hexadecimal digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How instances that speak TLS are believed."""

    ca: str = ""
    """The authorities that vouch for them, in PEM form; empty: those that this machine trusts."""
    verify: bool = True
    """Whether they have to prove who they are."""
    pair: Pair | None = None
    """What is shown to those that ask for a certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """How much a service is given at once."""

    adaptive: bool = True
    """Whether it is found out what it can do."""
    limit: int | None = None
    """Requests at most, over all workers; None: any number."""
    per_instance: int | None = None
    """Requests at each instance at most, over all workers; None: any number."""
    queue: float = 1.0
    """Seconds that others wait at most."""
    client_priority: bool = False
    """Whether clients say how important their requests are (RFC 9218)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """What stands in for a service that cannot be asked."""

    service: str = ""
    """The service that is asked in its place; empty: there is an answer for all."""
    status: int = 503
    body: str = ""
    type: str = ""
    """Of the body, as in `Content-Type`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How one service's traffic is to be treated."""

    health: Annotated[HealthSpec | None, _HEALTH, _AS_DICT] = field(default_factory=HealthSpec)
    pool: Annotated[PoolSpec, _POOL, _AS_DICT] = field(default_factory=PoolSpec)
    call: Annotated[CallSpec, _CALL, _AS_DICT] = field(default_factory=CallSpec)
    breaker: Annotated[BreakerSpec | None, _BREAKER, _AS_DICT] = field(default_factory=BreakerSpec)
    sticky: StickySettings | None = None
    """What ties requests to an instance, if anything does."""
    users: UsersSettings | None = None
    """How its users are told apart; None: they are not."""
    keyed: bool = False
    """The service honours idempotency keys: what carries one may be sent again."""
    keys: Annotated[KeySpec | None, _KEYS, _AS_DICT] = None
    """How the first answers to writes that carry a key are kept here; None: they are not."""
    key_store: str = ""
    """The file that they are kept in."""
    connect: float = 1.0
    """Seconds for making a connection to an instance."""
    idle: float = 60.0
    """Seconds in which something must move while a body is under way."""
    tunnel: float = 3600.0
    """Seconds in which something must move while two connections are joined."""
    upgrades: tuple[str, ...] = ("websocket",)
    """Protocols, in small letters, to which a connection may go over (RFC 9110 §7.8)."""
    concurrency: Concurrency | None = field(default_factory=Concurrency)
    """How much it is given at once; None: whatever comes."""
    fallback: Fallback | None = None
    """What stands in for it when it cannot be asked; None: our own answer."""
    hold: int = 65536
    """Answers up to this many bytes are passed on when they are complete."""
    trust: Trust = field(default_factory=Trust)


ORDINARY = 1
"""How important a request is of which nobody has said it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Requests of one listener that are for one service."""

    service: str
    host: str = ""
    """In small letters; with `*.` before it, every host that ends so; empty: every host."""
    path: str = ""
    """What the path begins with, by whole segments; empty: every path."""
    rewrite: str = ""
    """What an instance gets in place of `path`; empty: that itself."""
    importance: int = ORDINARY
    """The class in which its requests wait for room, from 0, which goes first, to 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """Requests of one listener that are sent elsewhere."""

    to: str
    """A URL, or a path of the same host."""
    host: str = ""
    """As in a rule."""
    path: str = ""
    """As in a rule."""
    keep: bool = True
    """The rest of the path and the query go with it."""
    status: int = 307


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How TLS is spoken at one listening socket."""

    certificates: list[Pair]
    """The first is for who asks for none of the others' names."""
    min_version: str = "1.2"
    client_ca: str = ""
    """The authorities whose certificates clients have to show, in PEM form; empty: nobody has to."""
    required: bool = True
    """Whether a client without a certificate is refused, where there are such authorities."""
    patience: float = 10.0
    """Seconds that a handshake may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """How the traffic of one listening socket is taken."""

    rules: list[Rule]
    name: str = ""
    """What people call the listener; empty: its place."""
    redirects: list[Redirect] = field(default_factory=list)
    introduced: bool = False
    """Every connection is from a trusted proxy, and begins with a preamble that says whom it is for."""
    tcp: bool = False
    """What comes is no HTTP, and for the one service that there is a rule for."""
    most: int | None = None
    """Connections at most, over all workers; only of those that are no HTTP. None: any number."""
    https: int | None = None
    """The port of https that requests are sent to which are for nobody here; None: they are answered with 404."""
    terms: Terms | None = None
    """None: it is spoken without TLS."""
    hsts: int | None = None
    """Seconds for which browsers are told to use TLS alone; None: they are told nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What clients may send and take up; None: any number."""

    head: int = 32768
    """Bytes of a head; also what is buffered of a head that has not arrived whole."""
    headers: int = 100
    """Number of headers."""
    head_time: float = 10.0
    """Seconds for a head."""
    idle: float = 75.0
    """Seconds that a connection is kept while nothing is asked on it."""
    rate: int | None = 240
    """Bytes a second that a body must make, either way, on average over the service's `idle`."""
    body: int | None = None
    """Bytes of a request's body."""
    chunk_extensions: int = 4096
    """Bytes of all chunk extensions of one body, either way."""
    trailers: int = 8192
    """Bytes of trailers, either way."""
    interim: int = 100
    """Interim answers before one answer."""
    requests: int | None = None
    """Requests on one connection."""
    connections: int | None = None
    """Connections from one address to one worker."""


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
class TraceSettings:
    """How requests are told apart, here and behind us."""

    accept: str = "trusted"
    """Whose request ids and trace contexts are taken up: of trusted proxies, or `anyone`."""
    sample: float = 0.01
    """The share of traces begun here that are to be recorded."""
    export: str | None = None
    """The collector that spans are sent to: `http://collector:4318`. None: nobody records what we do."""
    system: str = ""
    """The name of the system, which spans are told to be of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Everything a worker routes by; a later version replaces an earlier one whole."""

    version: int
    limits: Limits = field(default_factory=Limits)
    workers: int = 1
    """How many workers share the traffic."""
    trusted: list[str] = field(default_factory=list)
    """Networks of proxies that may tell who a client is."""
    drain: float = 10.0
    """Seconds that requests in progress have when the worker is told to stop."""
    linger: float = 600.0
    """Seconds that a worker has whose place another one has taken."""
    log: LogSettings | None = None
    """The access log, if there is one."""
    trace: TraceSettings | None = None
    """Request ids and trace contexts, if there are any."""
    doors: dict[str, Door] = field(default_factory=dict)
    """By the places of the listening sockets; there are no others."""
    services: dict[str, Settings] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
