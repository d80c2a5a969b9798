"""The shape of a system file: every key with its meaning, unit, default, and the reason for the default.

::

    System
    ├── name, zones
    ├── gateway       Gateway ── limits, access_log, tracing
    ├── listeners
    │   └── NAME      Entrance ── tls
    ├── services
    │   └── NAME      Service ── routes, sticky, tls, upstream_tls, health, timeouts, retry, breaker, outlier, restart, objective, logs
    ├── alerts        Destination
    └── drills        Drills ── load (requests), expect, accept, abort

All of it is frozen. The published JSON Schema and the reference are generated from here.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, PrivateAttr, model_validator

from mainstay.base.probe import Talk
from mainstay.redundancy.health import HealthSpec
from mainstay.redundancy.outlier import OutlierSpec
from mainstay.redundancy.pool import PoolSpec
from mainstay.system.address import Address, At
from mainstay.system.alerts import Destination
from mainstay.system.command import Command, argv, executable_problem
from mainstay.system.drills import Drills
from mainstay.system.entrance import Entrance, Opening, ServiceRoute
from mainstay.system.envfile import read_env_file
from mainstay.system.limits import Limits
from mainstay.system.listener import TCP, Listen, ListenAt, Listener
from mainstay.system.mechanism import (
    Breaker,
    Concurrency,
    Fallback,
    Health,
    Hedge,
    Idempotency,
    Logs,
    Outlier,
    Restart,
    Retry,
    Section,
    Suspicion,
    Timeouts,
)
from mainstay.system.objective import Objective
from mainstay.system.scalar import url_name
from mainstay.system.sticky import Sticky, Users
from mainstay.system.tls import Tls, UpstreamTls
from mainstay.system.value import (
    AutoOrOff,
    Balance,
    Duration,
    DurationOrZero,
    EnvName,
    EnvValue,
    File,
    Files,
    Network,
    OneOf,
    OnOrOff,
    OrOff,
    OwnHost,
    SizeOrZero,
    Slug,
    Switch,
    Text,
    Whole,
    WordOrOff,
    Workers,
    wrong,
)
from mainstay.system.wire import Upgrades
from mainstay.system.witness import AccessLog, Tracing
from mainstay.tolerance.breaker import BreakerSpec
from mainstay.tolerance.call import CallSpec
from mainstay.tolerance.key import KeySpec
from mainstay.tolerance.retry import RetrySpec

PREAMBLES = ("v1", "v2")
"""Versions of the PROXY protocol."""

_CALL = CallSpec()


class Service(Section):
    """Something that takes requests: one command, run several times over, or the addresses of what others run."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["command"]}, {"required": ["addresses"]}]}
    )

    command: Command = None
    """What to run, in the foreground. Text is run by `/bin/sh` when it has shell syntax (`&&`, `$NAME`, `>`)
    and directly otherwise; a list is always run directly. Each instance gets PORT, where it must listen on
    127.0.0.1 or all addresses, MAINSTAY_INSTANCE, MAINSTAY_ZONE and MAINSTAY_SERVICE, and for what it `needs`
    MAINSTAY_URL_ and its name, where that is reached. A `${NAME}` of
    Mainstay's own environment becomes part of the text, which a shell then reads: pass a value that others
    control through `env`, and write `"$NAME"`."""

    addresses: list[At] = Field(default_factory=list, max_length=1000)
    """Where instances are reached that Mainstay does not run, in place of `command`: another machine's, or
    somebody else's service. They get the same health checks, balancing, failover and time limits. A name is
    looked up for each new connection. `{ at: http://HOST:PORT, zone: NAME }` tells in which of the `zones` it is;
    otherwise it is in none."""

    host: OwnHost | None = None
    """What an instance is told as `Host`: `client`, what the client asked for, or `address`, its own. By
    default `client` for a `command`, and `address` for `addresses`, since others' servers answer to their own
    name only. `X-Forwarded-Host` always has the client's."""

    instances: Annotated[int, Whole(1, 1000)] = 2
    """How many of it run. Two is the least that survives the loss of one."""

    listen: ListenAt | None = None
    """The address that clients use; the gateway listens there and spreads requests over the instances. Or the
    name of one of the system's `listeners`, which several services may share. Without it the service takes no
    requests through the gateway."""

    max_connections: Annotated[int, Whole(1, 1_000_000)] | None = None
    """How many clients may be connected to a service at a `tcp://` listener, shared out evenly among the
    gateway workers. More are reset, so that they know. Any number by default; tell what the service can bear,
    as in `max_connections` of PostgreSQL."""

    routes: list[ServiceRoute] = Field(default_factory=list, max_length=10_000)
    """Which requests it takes of those that come to a shared listener. Without any it takes what no other
    service takes."""

    tls: Tls | None = None
    """Certificates, when `listen` is an address of `https://`."""

    upstream_tls: UpstreamTls | None = None
    """TLS to its instances. None by default for a `command`, whose instances are on this machine. For `addresses`
    the scheme decides: `https://` is TLS, verified by the authorities that this machine trusts unless told
    otherwise here."""

    proxy_protocol: Annotated[str, OneOf("off", *PREAMBLES)] = "off"
    """The PROXY protocol, by which an instance is told at the beginning of a connection whose it is: `v1` or `v2`,
    which it must expect. With HTTP, each connection then carries one request. Off by default: what speaks HTTP has
    `X-Forwarded-For`, and keeps its connections."""

    cwd: File = Path()
    """The folder that it runs in, relative to the system file's own, which is the default."""

    env: dict[EnvName, EnvValue] = Field(default_factory=dict)
    """Environment variables of its instances; they win over `env_file`. Nothing is set unless told, except
    what every program needs (PATH, HOME, LANG and the like)."""

    env_file: Files = Field(default_factory=list)
    """One file or several with lines of NAME=VALUE, relative to the system file; later ones win. Read
    whenever an instance starts, so that a rolling restart takes up a change."""

    user: Text | None = None
    """The user to run as; only root can become another. By default whoever runs Mainstay."""

    health: Annotated[Health | None, OrOff()] = Health()
    """Health checks, or `off`. On for a service with `listen`; off for one without, which may not speak
    HTTP at all, unless told."""

    timeouts: Timeouts = Timeouts()
    """How long each part of a request may take."""

    retry: Annotated[Retry | None, OrOff()] = Retry()
    """Retries on another instance, or `off`: of what has not been answered or was answered with 502, 503 or 504; of a 500, one
    other instance is asked. On: only what is proved to be safe is tried again."""

    idempotency: Annotated[
        Idempotency | Literal["service"] | None, WordOrOff(Idempotency, theirs="service", mine="gateway")
    ] = None
    """Who sees to it that a POST or PATCH which carries an `Idempotency-Key` is done once, however often it is sent.
    `service`: it does so itself, and such requests are retried like a GET. `gateway`, or a mapping: the gateway keeps the
    first answer, and gives it to whoever sends the same again; nothing is sent to the service twice. `off` by default: only
    the service can promise the one, and the other writes to the disk twice for each such request."""

    hedge: Annotated[Hedge | None, AutoOrOff()] = Hedge()
    """A second attempt at another instance beside one that takes longer than usual, or `off`; whichever answers first
    counts. `auto` by default: what hangs, and what is unlucky, then costs users nearly nothing. Its attempts are paid
    for out of `retry.budget`, and none is made while far more is under way than usual."""

    suspicion: Annotated[Suspicion | None, OrOff()] = Suspicion()
    """Doubt in an instance that has answered nothing for twice as long as all but one in a thousand answers take, or
    `off`: it is checked at once, and asked after all others until it is heard of. On: nothing else notices in a tenth of a
    second that a process hangs."""

    concurrency: Annotated[Concurrency | None, AutoOrOff()] = Concurrency()
    """How much it is given at once, or `off`. `auto` by default: what is asked of a service beyond what it can do is
    refused early, so that the rest is answered as ever. Health checks are never refused."""

    breaker: Annotated[Breaker | None, OrOff()] = Breaker()
    """A circuit breaker for each instance, or `off`. On: asking an instance that fails half of the time
    costs clients theirs."""

    outlier: Annotated[Outlier | None, OrOff()] = Outlier()
    """Ejection of instances that traffic shows to be bad, or `off`. On: traffic notices before checks do."""

    balance: Balance = "power_of_two"
    """Who gets the next request. `power_of_two` takes the less busy of two chosen by lot: nearly as even as
    `least`, and it does not send every worker's traffic to the same newcomer."""

    sticky: Annotated[Sticky | None, OrOff("{ by: session } or { by: client }")] = None
    """What ties requests to one instance, as long as that is in service. `off` by default: whoever is tied to an
    instance feels its death."""

    slow_start: DurationOrZero = 0.0
    """How long a new instance is given less than its share, for caches and compilers to warm up. None by
    default: most services are as fast at once."""

    failover: Switch = True
    """Whether a dead instance is taken out of rotation at once. `off` leaves it in until its replacement is
    ready, which shows what failover is worth."""

    upgrade: Upgrades = ("websocket",)
    """Protocols that a connection may go over to when both client and instance want it, as a list, or `off`. Only
    `websocket` by default: whatever is spoken then, the gateway can no longer look into it. `h2c` is
    refused, since requests could hide in it."""

    fallback: Annotated[Fallback | None, OrOff("{ service: spare } or { status: 503, body: Back soon. }")] = (
        None
    )
    """What a client gets when no instance could even be asked, after `wait`, or when the service is overloaded: the answer
    of another service, or always the same one. Only where nothing was carried out. `off` by default: an honest 503 is what
    programs understand, and what else would help people, only you know."""

    hold: SizeOrZero = 64 * 2**10
    """An answer of known length up to this size is passed on only when it is complete, so that an instance
    that dies halfway is a retry and not a broken page. Most pages fit in 64KiB; it bounds the memory."""

    wait: DurationOrZero = _CALL.wait
    """How long a request, or a TCP connection, may wait while no instance of the service can be asked, before it
    is refused; 0 refuses it at once. What is not sent yet can wait without harm, and two seconds are longer than most
    services take to start again: then users see a slow answer, and no error."""

    restart: Annotated[Restart | None, OrOff()] = Restart()
    """Starting an instance again when it exits, or `off`."""

    ready_within: Duration = 30.0
    """How long an instance may take from its start until it is ready. Enough for a large Java service."""

    drain: DurationOrZero = 10.0
    """How long requests in progress may take when an instance is stopped; as long as an attempt."""

    stop_timeout: Duration = 10.0
    """How long it may take to end after SIGTERM, before SIGKILL."""

    needs: list[Slug] = Field(default_factory=list, max_length=1000)
    """Services that must be ready before this one starts; it is stopped before them. What is reached by
    `addresses` is not waited for. Instances are told where the gateway listens for each, and for the shared
    listener that it is at: MAINSTAY_URL_MAIN_API is `http://127.0.0.1:8081` for `main-api`. A private copy tells its own."""

    objective: Annotated[Objective | None, OrOff("{ availability: 99.9% }")] = None
    """What its users are promised, and so how much may fail before somebody is told. `off` by default: a promise is for people to
    make."""

    users: Users = None
    """By what its users are told apart, so that the [report](../how-to/read-a-report.md) can tell for which share of *their* time it worked: `client`
    (the address), `header NAME` or `cookie NAME`. `off` by default, as it is about people. Only a digest under a secret of the
    system is kept, in memory, for a minute. Requests without that header or cookie are of nobody."""

    logs: Logs = Logs()
    """How much of its output is kept."""

    # Whether it speaks TCP, when only its shared listener tells.
    _shares_tcp: bool = PrivateAttr(default=False)
    # Where it reaches what it needs, which only the whole system tells.
    _urls: dict[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _without_listener_no_checks(cls, written: object) -> object:
        if isinstance(written, dict) and "listen" not in written and "health" not in written:
            return {**written, "health": "off"}
        return written

    @model_validator(mode="after")
    def _run_or_reached(self) -> "Service":
        if (self.command is None) is not bool(self.addresses):
            found = "both" if self.command is not None else "neither"
            raise wrong(f"must have either a command or addresses; it has {found}")
        return self

    @property
    def is_tcp(self) -> bool:
        """Whether it speaks whatever it likes over TCP, not HTTP."""
        return self.listen.scheme == TCP if isinstance(self.listen, Listener) else self._shares_tcp

    @property
    def urls(self) -> Mapping[str, str]:
        """Where its instances reach what it needs, by the variable that tells them."""
        return self._urls

    @property
    def told_own_host(self) -> bool:
        """Whether instances are told their own address as `Host`."""
        return bool(self.addresses) if self.host is None else self.host

    def argv(self, values: Mapping[str, str] | None = None) -> list[str]:
        """Give the words to execute.

        Args:
            values: The instance's environment, for `${PORT}` and the like in a command told as a list;
                one told as text is run by a shell if it names any.
        """
        assert self.command is not None
        return argv(self.command, values)

    def working_folder(self, folder: Path) -> Path:
        """Give the folder that it runs in; `folder` is the system file's."""
        return (folder / self.cwd).resolve()

    def environment(self, folder: Path) -> dict[str, str]:
        """Read what `env_file` and `env` set for its instances; `folder` is the system file's.

        Raises:
            SpecError: an environment file cannot be read or has a line that is not NAME=VALUE.
        """
        values: dict[str, str] = {}
        for file in self.env_file:
            values.update(read_env_file(folder / file))
        return values | self.env

    def executable_problem(self, folder: Path, path: str | None = None) -> str | None:
        """Tell why its command cannot be started, or None when it can, a shell will find out, or it has none.

        Args:
            folder: The system file's.
            path: Where to look for programs, unless `env` tells a PATH; by default Mainstay's own PATH.
        """
        if self.command is None:
            return None
        path = self.env.get("PATH", os.environ.get("PATH", os.defpath) if path is None else path)
        return executable_problem(self.command, self.working_folder(folder), path)

    def health_spec(self) -> HealthSpec | None:
        """Build what the health machine takes; None when health checks are off."""
        return self.health.spec() if self.health is not None else None

    def server_name(self, address: Address | None = None) -> str:
        """Give the name that an instance's certificate must be for; empty when it speaks without TLS.

        Args:
            address: Where it is reached; None for one of ours.
        """
        tls = self.upstream_tls
        if address is None:
            return (tls.server_name or "localhost") if tls is not None else ""
        if address.scheme != "https":
            return ""
        return (tls and tls.server_name) or address.host

    def preamble(self) -> str:
        """Give the version of the PROXY protocol that instances are spoken to with; empty: none."""
        return "" if self.proxy_protocol == "off" else self.proxy_protocol

    def health_path(self) -> str | None:
        """Give what health checks ask for; None: nothing in particular."""
        return self.health.path if self.health is not None else None

    def health_talk(self) -> Talk | None:
        """Give what health checks say in place of HTTP; None: they speak HTTP, or are off."""
        health = self.health
        if health is None or not (self.is_tcp or health.send or health.expect):
            return None
        return health.talk()

    def retry_spec(self) -> RetrySpec | None:
        """Build what the retry policy takes; None when retries are off."""
        return self.retry.spec() if self.retry is not None else None

    def breaker_spec(self) -> BreakerSpec | None:
        """Build what the circuit breakers take; None when they are off."""
        return self.breaker.spec() if self.breaker is not None else None

    def key_spec(self) -> KeySpec | None:
        """Build what the gateway takes to keep first answers; None when it does not."""
        return self.idempotency.spec() if isinstance(self.idempotency, Idempotency) else None

    def outlier_spec(self) -> OutlierSpec | None:
        """Build what the outlier detection takes; None when it is off."""
        return self.outlier.spec() if self.outlier is not None else None

    def pool_spec(self) -> PoolSpec:
        """Build what the pool of instances takes."""
        return PoolSpec(balance=self.balance, slow_start=self.slow_start, outlier=self.outlier_spec())

    def call_spec(self) -> CallSpec:
        """Build what the machine for one request takes."""
        return CallSpec(
            attempt=self.timeouts.attempt_limit(),
            request=self.timeouts.request,
            retry=self.retry_spec(),
            wait=self.wait,
            hedge=self.hedge.spec() if self.hedge is not None else None,
            suspicion=self.suspicion.spec() if self.suspicion is not None else None,
        )


class Gateway(Section):
    """The processes that take the traffic."""

    workers: Workers = "auto"
    """How many gateway processes there are, or `auto`: one for each processor that may be used."""

    zone: Slug | None = None
    """The one of the `zones` that the gateway is in. Its traffic then stays there as long as the zone is whole; of what
    is missing there, so much of the traffic goes elsewhere. None by default: then all zones get their part, and none has
    to carry what was meant for all."""

    drain: DurationOrZero = 10.0
    """How long requests in progress may take when the gateway stops; as long as an attempt."""

    linger: DurationOrZero = 600.0
    """How long a worker may go on whose place another one has taken, or nobody is to have: each client gets its
    next answer from it, and long answers go on; who is left then is cut. Ten minutes: longer than clients keep
    idle connections, and than most downloads take."""

    limits: Limits = Limits()
    """What clients may send and take up."""

    trusted_proxies: list[Network] = Field(default_factory=list, max_length=1000)
    """Addresses and networks of proxies in front of Mainstay, as in `10.0.0.0/8`. What they say of a client
    (`X-Forwarded-For` and its family, `Forwarded`, the PROXY protocol) is believed and passed on; of everybody else
    it is dropped. None by default: anybody can claim to be anybody."""

    admin: Listen | None = None
    """The address where the supervisor tells how things are: `/metrics` for Prometheus, `/livez` and `/readyz`.
    None by default: nobody should get a port that they did not ask for. It asks for no password."""

    access_log: Annotated[AccessLog | None, OnOrOff()] = None
    """A line for each request, or `on` with the defaults below. Off unless told: a log costs a part of every
    request, grows with the traffic, and keeps addresses of people, so somebody should have decided on it. The
    admin listener's metrics tell how the traffic is without it."""

    tracing: Annotated[Tracing | None, OnOrOff()] = None
    """Names for requests, or `on` with the defaults below. Off unless told: headers of that kind are then passed on
    as they come, and making them costs a part of every request."""

    def worker_count(self) -> int:
        """Give the number of workers on this machine."""
        # Not `cpu_count`: a container or taskset may allow fewer than the machine has.
        return len(os.sched_getaffinity(0)) if self.workers == "auto" else self.workers


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default")


class System(Section):
    """A whole system: what the system file says."""

    # A program that builds a system gets the name "system"; that is no news to a file's author.
    name: Slug = Field(default="system", json_schema_extra=_without_default)
    """The system's name, for output and the run directory. By default that of the system file's folder."""

    zones: list[Slug] = Field(default_factory=list, max_length=100)
    """Names of what fails together: racks, rooms, machines. Instances are spread evenly over them."""

    gateway: Gateway = Gateway()
    """The processes that take the traffic."""

    listeners: Annotated[dict[Slug, Entrance], Field(max_length=250)] = Field(default_factory=dict)
    """Listeners by name, for services that share one. A service that has one for itself tells the address at
    its own `listen`."""

    services: Annotated[dict[Slug, Service], Field(min_length=1, max_length=1000)]
    """The services by name: at least one, at most 1000."""

    alerts: list[Destination] = Field(default_factory=list, max_length=20)
    """Who is told when an `objective` of a service is in danger. Nobody unless told: `mainstay status` shows it all the same."""

    drills: Drills = Drills()
    """How the system is drilled: what is broken on purpose to see whether users notice."""

    _file: Path = PrivateAttr(default=Path("mainstay.yaml"))

    @property
    def file(self) -> Path:
        """The file it was read from, resolved."""
        return self._file

    @property
    def folder(self) -> Path:
        """The folder of that file, which all paths in it are relative to."""
        return self._file.parent

    def openings(self) -> dict[str, Opening]:
        """Give the listening sockets that it needs: shared ones by their name, others by their service's."""
        shared = {
            name: Opening(entrance.at, f"listeners.{name}.at", entrance)
            for name, entrance in self.listeners.items()
        }
        return shared | {
            name: Opening(
                service.listen, f"services.{name}.listen", Entrance(at=service.listen, tls=service.tls)
            )
            for name, service in self.services.items()
            if isinstance(service.listen, Listener)
        }

    def listener_of(self, service: str) -> Listener | None:
        """Give where a service takes its traffic; None when it takes none."""
        listen = self.services[service].listen
        return self.listeners[listen].at if isinstance(listen, str) else listen

    def model_post_init(self, context: Mapping[str, Path] | None) -> None:
        """Keep where it was read from: the validation context's `file`, or `mainstay.yaml` in this folder."""
        for service in self.services.values():
            shared = self.listeners.get(service.listen) if isinstance(service.listen, str) else None
            service._shares_tcp = shared is not None and shared.at.scheme == TCP  # noqa: SLF001 - it is ours
            service._urls = self._reached(service.needs)  # noqa: SLF001 - likewise
        self._file = (context or {}).get("file", Path("mainstay.yaml")).resolve()

    def _reached(self, needs: Sequence[str]) -> dict[str, str]:
        """Give where the gateway listens for services, and for the listeners that they share."""
        services = [(name, self.services[name].listen) for name in needs if name in self.services]
        # Of a service and a listener with one name, the service is what is needed.
        shared = {
            name: self.listeners[name].at
            for _, name in services
            if isinstance(name, str) and name in self.listeners
        }
        own = {name: shared.get(at) if isinstance(at, str) else at for name, at in services}
        return {url_name(name): str(at.near) for name, at in {**shared, **own}.items() if at is not None}
