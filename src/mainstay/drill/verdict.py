"""What a drill has shown: from what users saw, and what the system told, to one word and the numbers behind it.

The phases are those of ISO/IEC 25045:2010::

    baseline     injection         detection          failover           recovery           keep
    ──────────┬──────────────┬────────────────────┬───────────────────┬───────────────┬─────────────▶
          the fault     the system has        users are served    all that was     the load goes on
          begins        noticed it            again               lost is back

Nothing here is an average of anything: each cell stands for itself, and the worst one counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, nan
from typing import Any, NamedTuple

from mainstay.drill.load.tally import Latency, Orders, Stretch

SURVIVED = "SURVIVED"
DEGRADED = "DEGRADED"
OUTAGE = "OUTAGE"
LOST = "LOST"
DUPLICATED = "DUPLICATED"
NOT_RECOVERED = "NOT_RECOVERED"
INVALID = "INVALID"
STALE = "STALE"
NOT_RUN = "NOT_RUN"
ACCEPTED = "ACCEPTED"

VERDICTS: dict[str, str] = {
    SURVIVED: "no request failed, and answers took about as long as without the fault",
    DEGRADED: "no request failed, and answers took much longer than without the fault",
    OUTAGE: "requests failed",
    LOST: "a write that was acknowledged has not been carried out",
    DUPLICATED: "a write was carried out more than once",
    NOT_RECOVERED: "what was lost did not come back, or requests went on failing, after the fault was over",
    INVALID: "it proves nothing: the fault did not act, or the load was not what it should have been",
    STALE: "it was run, and the system has changed since, or it is too long ago",
    NOT_RUN: "it was never run, or could not be",
    ACCEPTED: "it did not meet what is expected, and the system file says why that is accepted",
}
"""What each verdict means."""

SLOW_FACTOR = 4.0
SLOW_FLOOR = 0.25
"""Answers are much slower when 99 of 100 take more than four times as long as before, and more than a quarter of a second:
below that few people notice, and above it a time limit somewhere else may come near."""
LAG = 0.05
"""The generator's own lateness, in seconds, at which it cannot vouch for what it measured: a fifth of what counts as
slow."""


class Expectation(NamedTuple):
    """What is allowed in a cell."""

    failed: float = 0.0
    """The share of requests that may fail."""
    gap: float | None = None
    """The longest time, in seconds, in which all requests may fail."""
    latency: float | None = None
    """What 99 of 100 answers may take, in seconds."""

    def words(self) -> str:
        """Write it for a table."""
        parts = [f"failed <= {100 * self.failed:.3g}%" if self.failed else "none failed"]
        if self.gap is not None:
            parts.append(f"gap <= {self.gap:g} s")
        if self.latency is not None:
            parts.append(f"p99 <= {self.latency * 1000:.0f} ms")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of one cell. Times are in seconds from the fault's beginning."""

    confirmed: str = ""
    """The evidence that the fault acted; empty when there is none."""
    trouble: str = ""
    """Why the cell proves nothing, when that was found out while it ran."""
    aborted: str = ""
    """Why it was called off; empty when it was not."""
    before: Latency
    during: Latency
    """From the fault until all was back."""
    after: Latency
    failures: Mapping[str, int] = field(default_factory=dict)
    """Failed requests from the fault on, by how they failed."""
    gap: Stretch | None = None
    """The longest time in which every request failed."""
    served_again: float = 0.0
    """When the last request failed that did; 0 when none did."""
    detected: float = nan
    """When the system first told that it noticed; `nan` when it never did."""
    recovered: float = nan
    """How long after the fault was over (at once, for one that is over when it is done) all that was lost was back;
    `nan` when it was not."""
    failing_after: int = 0
    """Requests that failed after that."""
    lag: float = 0.0
    """The 99th percentile of the generator's lateness, in seconds."""
    unsent: int = 0
    """Requests that the generator could not send."""
    orders: Orders | None = None
    """What became of writes; None when nobody can tell."""
    untold: str = ""
    """Why nobody can, where somebody should: the journal of the writes could not be read. Otherwise empty."""
    retries: int = 0
    hedges: int = 0
    human: bool = False
    """Whether somebody had to do something for it to come back."""
    plays: int = 1
    """How many times it was played: again when the generator was late."""
    remark: str = ""
    """What explains that users noticed; empty when nothing is known that does."""

    @property
    def failed(self) -> int:
        """How many requests failed from the fault on."""
        return self.during.failed + self.after.failed

    @property
    def sent(self) -> int:
        """How many there were from the fault on."""
        return self.during.sent + self.after.sent


class Judgement(NamedTuple):
    """The verdict on one cell."""

    verdict: str
    because: str
    """The reason, in one sentence."""
    met: bool
    """Whether it is as expected."""


def judge(seen: Seen, expected: Expectation) -> Judgement:
    """Give the verdict on a cell.

    What proves nothing comes first, then what is worst for users: data before answers, and answers before time. One that
    was called off has shown what it has shown until then, but not that the rest would have been survived; and so has one
    of which nobody knows what became of the writes.
    """
    given = _judge(seen, expected)
    if seen.remark and given.verdict in (DEGRADED, OUTAGE):
        given = given._replace(because=f"{given.because}; {seen.remark}")
    untold = f"what became of the writes is not known: {seen.untold}" if seen.untold else ""
    for why in filter(None, (seen.aborted, untold)):
        if given.verdict in (SURVIVED, DEGRADED):
            given = Judgement(INVALID, why, met=False)
        else:
            given = given._replace(because=f"{given.because}; {why}", met=False)
    return given


def _judge(seen: Seen, expected: Expectation) -> Judgement:
    if trouble := _invalid(seen):
        return Judgement(INVALID, trouble, met=False)
    if seen.orders is not None and seen.orders.lost:
        count = len(seen.orders.lost)
        return Judgement(LOST, f"{count} acknowledged {_writes(count)} not carried out", met=False)
    if seen.orders is not None and seen.orders.twice:
        count = len(seen.orders.twice)
        return Judgement(DUPLICATED, f"{count} {_writes(count)} carried out more than once", met=False)
    if not isfinite(seen.recovered):
        return Judgement(NOT_RECOVERED, "what was lost did not come back", met=False)
    if seen.failing_after:
        count = seen.failing_after
        return Judgement(
            NOT_RECOVERED, f"{count} request{'' if count == 1 else 's'} failed after all was back", met=False
        )
    return _of_users(seen, expected)


def late(seen: Seen) -> bool:
    """Tell whether the generator itself was too late to vouch for what it measured."""
    return seen.lag > LAG or seen.unsent > 0


def _of_users(seen: Seen, expected: Expectation) -> Judgement:
    if seen.failed:
        met = seen.failed <= expected.failed * seen.sent and _in_time(seen, expected)
        gap = seen.gap.seconds if seen.gap is not None else 0.0
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(seen.failures.items()))
        return Judgement(
            OUTAGE, f"{seen.failed} of {seen.sent} failed ({kinds}), nobody served for {gap:.2f} s", met
        )
    slow = slow_at(seen.before.p99)
    if seen.during.p99 > slow:
        because = f"99 of 100 answers within {seen.during.p99 * 1000:.0f} ms, {seen.before.p99 * 1000:.0f} ms before"
        return Judgement(DEGRADED, because, _in_time(seen, expected))
    return Judgement(SURVIVED, f"none of {seen.sent} failed", _in_time(seen, expected))


def slow_at(before: float) -> float:
    """Give from which 99th percentile on answers are much slower than before, in seconds."""
    return max(SLOW_FLOOR, SLOW_FACTOR * before) if isfinite(before) else SLOW_FLOOR


def _in_time(seen: Seen, expected: Expectation) -> bool:
    gap = seen.gap.seconds if seen.gap is not None else 0.0
    return (expected.gap is None or gap <= expected.gap) and (
        # Not "above": of an outage in which nobody was served there is no percentile, which is not in time.
        expected.latency is None or seen.during.p99 <= expected.latency
    )


def _invalid(seen: Seen) -> str:
    """Tell why it proves nothing; empty when it proves something."""
    before = seen.before
    lag = f"{seen.lag * 1000:.0f} ms late for one request in 100, above {LAG * 1000:.0f} ms"
    reasons = (
        (seen.trouble, seen.trouble),
        (not seen.confirmed, "nothing shows that the fault acted"),
        (seen.unsent, f"the generator could not send {seen.unsent} of its requests{_too_busy(seen)}"),
        (seen.lag > LAG, f"the generator was {lag}{_too_busy(seen)}"),
        (before.failed, f"{before.failed} of {before.sent} requests failed before the fault"),
        (not before.sent or not seen.sent, "no request was made"),
    )
    return next((words for holds, words in reasons if holds), "")


def _too_busy(seen: Seen) -> str:
    again = f", each of the {seen.plays} times that it was played" if seen.plays > 1 else ""
    return f"{again}: ask for fewer requests a second (--rps), or drill on a machine that is less busy"


def _writes(count: int) -> str:
    return "write was" if count == 1 else "writes were"


def worst(verdicts: Sequence[str]) -> str:
    """Give the worst of several verdicts."""
    return max(verdicts, key=rank, default=NOT_RUN)


def rank(verdict: str) -> int:
    """Give how bad a verdict is: the higher, the worse."""
    return _SEVERITY.index(verdict)


_SEVERITY = (SURVIVED, DEGRADED, ACCEPTED, NOT_RUN, STALE, INVALID, OUTAGE, NOT_RECOVERED, DUPLICATED, LOST)
"""From the best to the worst; what proves nothing is worse than what was survived, and better than what was not."""


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever JSON has
    """Give a number that JSON can have: None for one that is not known."""
    return (
        round(value, 6)
        if isinstance(value, float) and isfinite(value)
        else None
        if isinstance(value, float)
        else value
    )
