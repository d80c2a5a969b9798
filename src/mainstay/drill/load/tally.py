"""What users saw: from the records of a run to the few numbers that answer "was there an outage?".

Everything here is counted, nothing estimated, and all of it in order of *intended* starts, the only
order that a stalled system cannot disturb.
"""

import math
from collections import Counter
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from mainstay.drill.load.record import GARBLED, RESET, TIMEOUT, TRUNCATED, UNSENT, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

QUIET = 1.0
"""Failures less than this many seconds apart belong to one trouble: no user would call them two incidents."""
MOST_ROUTES = 100
"""Routes that are told one by one; of more, the rest is told as `others`, so that a report stays one."""
SERVER_ERROR = 500
"""From here on a status says that the server could not, not that the request was wrong (RFC 9110 §15.6)."""


class Fault(NamedTuple):
    """When something was broken, in seconds from the start of the run."""

    began: float
    ended: float = math.inf
    """When it was whole again; infinite when never, or not known."""


class Share(NamedTuple):
    """How many requests of one sort were sent, and how many of them failed."""

    sent: int
    failed: int


class Stretch(NamedTuple):
    """A time in which users got no good answer."""

    began: float
    ended: float
    sent: int
    """Requests intended to start within it."""
    failed: int
    """How many of them failed."""

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.ended - self.began


class Latency(NamedTuple):
    """How long the answers of one window took, in seconds from the intended start.

    Only requests that succeeded are ranked: a refusal is fast, and would make an outage look quick.
    Percentiles are by nearest rank, so each is a latency that some user had; `nan` when there is none.
    """

    sent: int
    failed: int
    p50: float
    p99: float
    max: float


class Lag(NamedTuple):
    """How late the generator itself acted, in seconds after the intended start; by nearest rank."""

    p50: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What the users of one run saw."""

    sent: int
    """Requests that users wanted to make: every arrival, sent or not."""
    failed: int
    by_method: "Mapping[str, Share]"
    by_route: "Mapping[str, Share]"
    """As in `GET /orders`; see `MOST_ROUTES`."""
    by_connection: "Mapping[str, Share]"
    failures: "Mapping[str, int]"
    """Failed requests by outcome."""
    longest_outage: Stretch | None
    """The longest time in which *every* request failed; see `outages`."""
    longest_trouble: Stretch | None
    """The longest time in which *some* failed; see `troubles`."""
    before: Latency
    """Requests intended to start before the first fault."""
    during: Latency
    """Requests intended to start while something was broken."""
    after: Latency
    """All others: after a fault had ended."""
    lag: Lag
    """Of every request. A p99 of many milliseconds means that the generator, not only the system, was slow."""
    unsent: int
    """Failures that are the generator's own; above 0, the load was not what was asked for."""

    def record(self) -> dict[str, Any]:
        """Give it as plain values for JSON, where what is not a number is `None`."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


def tally(records: "Iterable[Record]", faults: "Sequence[Fault]" = ()) -> Tally:
    """Count what users saw.

    Args:
        records: every request of the run, in any order.
        faults: when something was broken; with none, all requests are `before`. A request that was under way when it
            broke, and failed, counts as one that came then.
    """
    ordered = sorted(records, key=lambda record: record.at)
    windows: dict[str, list[Record]] = {"before": [], "during": [], "after": []}
    for record in ordered:
        windows[_window(record, faults)].append(record)
    failures = Counter(record.outcome for record in ordered if record.failed)
    return Tally(
        sent=len(ordered),
        failed=failures.total(),
        by_method=_shares(ordered, "method"),
        by_route=_most(_shares(ordered, "route")),
        by_connection=_shares(ordered, "connection"),
        failures=dict(failures),
        longest_outage=max(outages(ordered), key=lambda stretch: stretch.seconds, default=None),
        longest_trouble=max(troubles(ordered), key=lambda stretch: stretch.seconds, default=None),
        before=_latency(windows["before"]),
        during=_latency(windows["during"]),
        after=_latency(windows["after"]),
        lag=_lag(ordered),
        unsent=failures[UNSENT],
    )


def outages(ordered: "Sequence[Record]") -> list[Stretch]:
    """Give each time in which every request failed, from records in order of intended start.

    An outage begins at the intended start of a failed request whose predecessor did not fail. It ends at
    the intended start of the next request that succeeds: from then on, whoever came was served, however
    late (lateness is told by the latencies). If none succeeds any more, it ends when the last user had given
    up or been turned away. Requests that fail while others succeed, as when one of two instances is dead,
    make many short outages; `troubles` tells how long that went on.
    """
    return _stretches(ordered, quiet=0.0)


def troubles(ordered: "Sequence[Record]", quiet: float = QUIET) -> list[Stretch]:
    """Give each time in which requests kept failing, from records in order of intended start.

    A trouble begins at the intended start of a failed request and goes on as long as another one fails whose
    intended start is less than `quiet` seconds after the last, or nothing succeeds in between; it ends as an
    outage does. Some requests
    within it may have succeeded: `failed` of `sent` did not.
    """
    return _stretches(ordered, quiet)


def _stretches(ordered: "Sequence[Record]", quiet: float) -> list[Stretch]:
    spans: list[list[int]] = []
    for number, record in enumerate(ordered):
        if not record.failed:
            continue
        last = spans[-1][1] if spans else -2
        # With no success in between it is the same outage, however far apart users come.
        if number == last + 1 or (last >= 0 and record.at - ordered[last].at < quiet):
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return [_stretch(ordered, first, last) for first, last in spans]


def _stretch(ordered: "Sequence[Record]", first: int, last: int) -> Stretch:
    within = ordered[first : last + 1]
    failed = [record for record in within if record.failed]
    served_again = last + 1 < len(ordered)
    ended = ordered[last + 1].at if served_again else max(record.end for record in failed)
    return Stretch(ordered[first].at, ended, len(within), len(failed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What became of the writes, by comparing answers with the journal of the services."""

    acknowledged: int
    """Orders whose user got a good answer."""
    executed: int
    """Orders in the journal, each counted once."""
    twice: "Sequence[str]"
    """Ids that are in the journal more than once: somebody repeated what may not be repeated."""
    lost: "Sequence[str]"
    """Ids that were acknowledged and are not in the journal."""
    unknown: "Sequence[str]"
    """Ids whose user cannot know: sent, and the answer was lost, or was a 5xx of whoever stood in between."""
    strange: "Sequence[str]"
    """Ids in the journal that nobody in this run wrote."""


def orders(records: "Iterable[Record]", journal: "Iterable[str]") -> Orders:
    """Compare the writes of a run with the journal.

    Args:
        records: every request of the run.
        journal: its lines, each beginning with the id of an order that was executed.
    """
    posts = {record.id: record for record in records if record.writes}
    executed = Counter(line.split()[0] for line in journal if line.strip())
    acknowledged = [name for name, record in posts.items() if not record.failed]
    return Orders(
        acknowledged=len(acknowledged),
        executed=len(executed),
        twice=[name for name, times in executed.items() if times > 1],
        lost=[name for name in acknowledged if name not in executed],
        unknown=[name for name, record in posts.items() if _unknown(record)],
        strange=[name for name in executed if name not in posts],
    )


def _unknown(record: Record) -> bool:
    # A 502 or 504 of a gateway says that it does not know either.
    return record.outcome in (RESET, TIMEOUT, TRUNCATED, GARBLED) or record.status >= SERVER_ERROR


def progress(ended: "Sequence[Record]") -> dict[str, Any]:
    """Sum up the requests that ended since the last look, as plain values for a line of progress."""
    latency = _latency(ended)
    return {
        "ended": latency.sent,
        "failed": latency.failed,
        "failures": dict(Counter(record.outcome for record in ended if record.failed)),
        "p50": _plain(latency.p50),
        "p99": _plain(latency.p99),
        "max": _plain(latency.max),
        "lag_p99": _plain(_lag(ended).p99),
    }


def percentile(ranked: "Sequence[float]", share: float) -> float:
    """Give the percentile by nearest rank of ascending numbers: an actual one of them, `nan` of none."""
    if not ranked:
        return math.nan
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def hit(record: "Record", broken: float) -> bool:
    """Tell whether a request came when something had broken, or was under way then and failed."""
    return record.at >= broken or (record.failed and record.end >= broken)


def _window(record: "Record", faults: "Sequence[Fault]") -> str:
    at = max([record.at, *(fault.began for fault in faults if hit(record, fault.began))])
    if any(fault.began <= at < fault.ended for fault in faults):
        return "during"
    return "after" if any(fault.began <= at for fault in faults) else "before"


def _shares(records: "Sequence[Record]", field: str) -> dict[str, Share]:
    sent = Counter(getattr(record, field) for record in records)
    failed = Counter(getattr(record, field) for record in records if record.failed)
    return {name: Share(sent[name], failed[name]) for name in sorted(sent)}


def _most(shares: dict[str, Share]) -> dict[str, Share]:
    """Keep those with most failures, then those with most requests; what is left is one sum."""
    ranked = sorted(shares, key=lambda name: (-shares[name].failed, -shares[name].sent))
    rest = [shares[name] for name in ranked[MOST_ROUTES:]]
    told = {name: shares[name] for name in sorted(ranked[:MOST_ROUTES])}
    if rest:
        told["others"] = Share(sum(share.sent for share in rest), sum(share.failed for share in rest))
    return told


def _latency(records: "Sequence[Record]") -> Latency:
    served = [record.latency for record in records if not record.failed]
    return Latency(len(records), len(records) - len(served), *_ranked(served))


def _lag(records: "Sequence[Record]") -> Lag:
    return Lag(*_ranked([record.lag for record in records]))


def _ranked(values: "Sequence[float]") -> tuple[float, float, float]:
    ranked = sorted(values)
    return percentile(ranked, 0.5), percentile(ranked, 0.99), percentile(ranked, 1.0)


def _plain(value: object) -> object:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        parts = {name: _plain(part) for name, part in value._asdict().items()}
        return parts | {"seconds": _plain(value.seconds)} if isinstance(value, Stretch) else parts
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value
