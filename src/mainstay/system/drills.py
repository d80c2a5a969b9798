"""How the system is drilled: on what, under which load, what is allowed to happen, and when it is called off."""

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field, GetJsonSchemaHandler, PlainValidator, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from mainstay.base.message import SAFE
from mainstay.system.command import Command
from mainstay.system.mechanism import Section
from mainstay.system.request import Ask, InShort, request_line
from mainstay.system.value import (
    SLUG,
    Duration,
    DurationOrZero,
    EnvName,
    EnvValue,
    File,
    OneOf,
    Share,
    ShareOrZero,
    Slug,
    Whole,
    shown,
    text,
    wrong,
)

PROCESS_FAULTS = ("kill", "stop", "freeze", "crash-loop", "slow-start")
TRAFFIC_FAULTS = (
    *("latency", "ramp", "errors", "some-errors", "reset", "truncate", "stall", "wrong-length", "bandwidth"),
    *("refuse", "silent", "loss", "partition", "partition-to", "partition-from", "dns"),
    *("dependency-down", "dependency-slow"),
)
RESOURCE_FAULTS = ("cpu", "memory", "files", "disk", "clock")
ZONE_FAULTS = ("zone-kill", "zone-freeze", "zone-cut")
OWN_FAULTS = ("worker-kill", "supervisor-kill", "reload", "rolling", "certificate")
FAULTS = (*PROCESS_FAULTS, *TRAFFIC_FAULTS, *RESOURCE_FAULTS, *ZONE_FAULTS, *OWN_FAULTS)
"""What can be done to a system, by name."""
FAULT_GROUP = "mainstay.faults"
"""The group of entry points by which packages bring faults of their own."""
ANY = "*"
"""Every fault, or every target."""
GATEWAY = "gateway"
"""The target that is Mainstay itself."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LEASE = (1.0, 60.0)


class Known(OneOf):
    """One of a few words, or the name of an entry point."""

    def read(self, written: object) -> object:
        """Read one of them; what the entry point gives is not looked at."""
        if isinstance(written, str) and SLUG.fullmatch(written) and written not in self.words:
            names = entry_points(group=FAULT_GROUP).names
            if written in names:
                return written
        return super().read(written)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Publish the words, and that there may be others."""
        words = super().__get_pydantic_json_schema__(schema, handler)
        return {"anyOf": [words, {"type": "string", "pattern": f"^{SLUG.pattern}$"}]}


class Journal(NamedTuple):
    """Where the ids of writes that were carried out are found."""

    file: Path | None
    """A file, relative to the system file's folder."""
    request: str
    """Or a request whose answer has them, as in `GET /orders.txt`; empty when it is a file."""


def _journal(written: object) -> Journal:
    if isinstance(written, Journal):
        return written
    if text(written).startswith(tuple(f"{method} " for method in SAFE)):
        line = request_line(written)
        if not line.startswith("GET "):
            raise wrong(f"must be a file or a GET, as in GET /orders.txt, not {shown(line)}")
        return Journal(None, line)
    return Journal(Path(text(written)), "")


def _date(written: object) -> dt.date:
    if isinstance(written, str) and _DATE.fullmatch(written):
        try:
            return dt.date.fromisoformat(written)
        except ValueError:
            pass
    raise wrong(f"{shown(written)} is not a date: write year, month and day, as in 2027-01-31")


def _reason(written: object) -> str:
    reason = text(written)
    if not reason.strip():
        raise wrong("must say why, in a sentence that others understand")
    return reason


def _lease(written: float) -> float:
    low, high = _LEASE
    if not low <= written <= high:
        raise wrong(f"must be from {low:.0f}s to {high:.0f}s")
    return written


Fault = Annotated[str, Known(*FAULTS, ANY)]
"""What is done: one of ours, or one that an installed package brings."""
Date = Annotated[
    dt.date,
    PlainValidator(lambda written: written if isinstance(written, dt.date) else _date(written)),
    WithJsonSchema({"type": "string", "pattern": f"^{_DATE.pattern}$", "examples": ["2027-01-31"]}),
]
"""A day, as ISO 8601 writes it."""
Reason = Annotated[str, PlainValidator(_reason), WithJsonSchema({"type": "string", "pattern": r"\S"})]
"""Why something is accepted."""
JournalAt = Annotated[Journal, PlainValidator(_journal), WithJsonSchema({"type": "string", "minLength": 1})]
"""Where writes are looked up."""
Target = Annotated[str, PlainValidator(text), WithJsonSchema({"type": "string", "minLength": 1})]
"""What a fault is done to."""


class DrillLoad(Section):
    """The users that a drill makes up. They come whether or not the system answers, as real ones do."""

    rate: Annotated[int, Whole(1, 100_000)] = 100
    """Users who come each second, at each entry point: a service that takes HTTP, or a listener that `to` of a request
    names. An outage shorter than the time between two of them may go unseen; with 100, one of 50ms does not."""

    fresh: ShareOrZero = 0.1
    """The share of users on a connection of their own. Kept connections do not notice that new ones are refused, and the
    other way round, so both must be there; most traffic is kept alive."""

    deadline: Duration = 5.0
    """How long users wait, from when they meant to come; then the request has failed. Few people wait longer for a page."""

    requests: Annotated[list[Ask], InShort()] = Field(default_factory=list, max_length=1000)
    """What they ask for: `GET /orders`, or a mapping as below. Without any, and without `from`: `GET /` at each entry
    point, or the path of the service's first route. Reads harm nothing, but only you know which writes may be done."""

    recorded: File | None = Field(default=None, alias="from")
    """A file of recorded or described requests, relative to the system file's folder: a HAR file of a browser, an OpenAPI
    3 description, or an access log that the gateway wrote as `json`. They come beside `requests`. Of them only GET,
    HEAD and OPTIONS are sent: a write that somebody once made should not be made again."""

    journal: JournalAt | None = None
    """Where it can be seen which writes were carried out: a file, relative to the system file's folder, or `GET /PATH`,
    asked where the first request with `writes` goes. Each line begins with the id of one. Without it, nobody knows
    whether a write was lost or done twice."""


class Expect(Section):
    """What may happen in certain cells of the matrix. Where nothing is told: no request may fail."""

    fault: Fault = ANY
    """The fault, also one that an installed package brings, or `*` for every one, which is the default."""

    target: Target = ANY
    """A service, a zone, an instance as in `web-1`, `gateway`, or `*` for every one, which is the default. An instance
    falls under its service as well; what is said most exactly counts."""

    failed: ShareOrZero = 0.0
    """The share of requests that may fail from the fault until the system is well again. None by default: if some may, somebody
    should have said so."""

    gap: DurationOrZero | None = None
    """The longest time in which all requests may fail. Without it, only `failed` counts."""

    latency: Duration | None = None
    """What 99 of 100 answers may take from the fault until the system is well again. Without it, latency is shown and not
    judged."""


class Accept(Section):
    """An outage that the owner accepts. It is drilled and shown all the same, with the reason, and does not fail the run.

    So is a drill that cannot be run, as `clock` without libfaketime.
    """

    fault: Fault
    """The fault, also one that an installed package brings, or `*` for every one."""

    target: Target
    """A service, a zone, an instance, `gateway`, or `*` for every one."""

    reason: Reason
    """Why. It stands in every report: who reads it later must be able to judge whether it still holds."""

    until: Date | None = None
    """The last day on which it is accepted (UTC); from the next day on the cell counts again, and the drill tells so. For as
    long as it stands here, unless told."""

    def holds(self, today: dt.date) -> bool:
        """Tell whether it still counts on this day."""
        return self.until is None or today <= self.until


class Abort(Section):
    """When a drill of the running system is called off: everything is undone at once."""

    failed: Share = 0.5
    """The share of the drill's own requests that may fail before it is. Half: by then no user is served well, and nothing more can
    be learned."""

    after: Duration = 5.0
    """How long so many have to fail. Long enough for a failover that works to come to its end."""

    probe: Command = None
    """A command of your own that is run again and again; the drill is called off when it exits with another code than 0.
    None by default."""


class Drills(Section):
    """What drills do to the system. Nothing of it matters while none runs."""

    on: Annotated[str, OneOf("isolated", "live")] = "isolated"
    """What is drilled. `isolated`, the default: a private copy of the system, on ports and in a run directory of its own, so
    that no real user notices. `live`: the running one."""

    env: dict[EnvName, EnvValue] = Field(default_factory=dict)
    """Environment variables of all services in the private copy, over their own `env` and `env_file`: point databases and other
    people's services at something that may break. None by default: only you know what a copy must not touch."""

    load: DrillLoad = DrillLoad()
    """The load under which it is drilled."""

    expect: list[Expect] = Field(default_factory=list, max_length=1000)
    """What is allowed to happen where. Without any, no request may fail anywhere."""

    accept: list[Accept] = Field(default_factory=list, max_length=1000)
    """Outages that the owner accepts. None by default."""

    abort: Abort = Abort()
    """When a drill of the running system is called off."""

    lease: Annotated[Duration, AfterValidator(_lease)] = 10.0
    """After this time a fault ends by itself unless the drill renews it, so that a drill that was killed leaves nothing broken.
    From 1s to 60s. Ten seconds: a machine that is busy for a moment does not end it, and people bear it."""

    disk: dict[Slug, File] = Field(default_factory=dict)
    """By service, the folder that `disk` fills: one that is a file system of its own (a tmpfs, a volume), so that nobody
    else is without room. While the system itself runs, a drill of its copy fills it only if a value of `env` names it, so that
    only the copy uses it. None by default, and then that drill is not there."""

    def expected(self, fault: str, target: Sequence[str]) -> Expect:
        """Give what may happen in a cell: by what is said most exactly, of equals by the first.

        Args:
            fault: The fault's name.
            target: The names of what it is done to, the most exact one first: `("web-1", "web")`.
        """
        found = _most_exact(self.expect, fault, target)
        return self.expect[found] if found is not None else Expect()

    def accepted(self, fault: str, target: Sequence[str], today: dt.date) -> Accept | None:
        """Give what says that an outage in a cell is accepted on this day; None when nothing does."""
        holding = [each for each in self.accept if each.holds(today)]
        found = _most_exact(holding, fault, target)
        return holding[found] if found is not None else None

    def lapsed(self, today: dt.date) -> list[Accept]:
        """Give what was accepted, and is no more on this day."""
        return [each for each in self.accept if not each.holds(today)]


def _most_exact(told: Iterable[Expect | Accept], fault: str, target: Sequence[str]) -> int | None:
    names = [*target, ANY]
    matching = [
        (names.index(each.target), each.fault == ANY, place)
        for place, each in enumerate(told)
        if each.target in names and each.fault in (fault, ANY)
    ]
    return min(matching)[-1] if matching else None
