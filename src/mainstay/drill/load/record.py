"""What became of each request, as a user saw it, and the file that tells it.

The file is JSON lines: first one object `{"load": {…}}` about the run, then one object a request. Times
are in seconds from the start of the run; the head gives that start on the machine's monotonic clock (the
same for every process of a Linux machine) and in seconds since 1970, so that faults find their place.
"""

import json
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from mainstay.base.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION = 2
"""The version of the file's shape; it grows when a field changes its meaning."""

OK = "ok"
STATUS = "status"
REFUSED = "refused"
RESET = "reset"
TIMEOUT = "timeout"
TRUNCATED = "truncated"
GARBLED = "garbled"
UNSENT = "unsent"

OUTCOMES: dict[str, str] = {
    OK: "a complete answer of status 100 to 399, in time",
    STATUS: "a complete answer of status 400 or above: all that is asked for exists",
    REFUSED: "no connection was made: refused, unreachable, or without TLS that both sides agree to",
    RESET: "the connection ended before the first byte of an answer",
    TIMEOUT: "no complete answer within the user's patience",
    TRUNCATED: "the connection ended in the middle of an answer",
    GARBLED: "what came was not HTTP, or was the answer to another request",
    UNSENT: "the generator could not send it: its own limit, not the system's doing, yet a user without an answer",
}
"""How a request can end, and what each means; all but `ok` are failures."""

GET = "GET"
POST = "POST"
KEPT = "kept"
FRESH = "fresh"


class Record(NamedTuple):
    """One request, from its intended start to its end."""

    number: int
    """Its place in the schedule, from 0."""
    id: str
    """Its own name; a write is carried out under it."""
    method: str
    """As in `GET`."""
    connection: str
    """`kept` (alive, from the pool) or `fresh` (a connection of its own)."""
    carried: int
    """How many requests the connection had carried before; 0 for a new one."""
    at: float
    """The intended start, in seconds from the start of the run."""
    lag: float
    """How much later the generator acted on it, in seconds: the generator's own lateness."""
    end: float
    """When its fate was known, in seconds from the start of the run."""
    outcome: str
    """One of `OUTCOMES`."""
    status: int
    """The status of the answer; 0 when there was none."""
    route: str
    """Method and path without the query, as in `GET /orders`; of one with an id of its own in the path, `{id}` there."""
    writes: bool
    """Whether it changes something, so that its id can be sought in a journal."""

    @property
    def failed(self) -> bool:
        """Whether the user got no good answer."""
        return self.outcome != OK

    @property
    def latency(self) -> float:
        """Seconds from the *intended* start to the end."""
        return self.end - self.at


class Head(NamedTuple):
    """What a file of records says of the run."""

    url: str
    run: str
    """The name that all ids of the run begin with."""
    monotonic: float
    """The start of the run on the machine's monotonic clock, in seconds."""
    wall: float
    """The start of the run in seconds since 1970 (UTC)."""
    spec: dict[str, Any]
    """The load, field by field."""
    lane: dict[str, Any]
    """How the generator's own echo answered it meanwhile, in seconds; see `mainstay.drill.load.lane`."""
    version: int = VERSION


def write(file: IO[str], head: Head, records: "Iterable[Record]") -> None:
    """Write a run; the seventh digit of a second is noise and is left out."""
    file.write(json.dumps({"load": head._asdict()}) + "\n")
    for record in records:
        rounded = record._replace(at=round(record.at, 6), lag=round(record.lag, 6), end=round(record.end, 6))
        file.write(json.dumps(rounded._asdict()) + "\n")


def read(lines: "Iterable[str]") -> tuple[Head, list[Record]]:
    """Read what `write` wrote.

    Raises:
        SpecError: it is not such a file, or of another version.
    """
    rows = iter(lines)
    try:
        head = Head(**json.loads(next(rows, "null"))["load"])
        if head.version != VERSION:
            raise SpecError(f"records of version {head.version} cannot be read, only {VERSION}")
        return head, [Record(**json.loads(row)) for row in rows]
    except (ValueError, TypeError, KeyError) as problem:
        raise SpecError(f"not a file of load records: {problem}") from problem
