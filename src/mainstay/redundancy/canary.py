"""Whether a new instance is as good as those beside it: the verdict on a canary.

::

    UNKNOWN ──▶ WELL     asked often enough, and no worse than the others
       │
       └──────▶ WORSE    fails more, is slower, is left out, or has died

A canary is held against the others over the same stretch of time, never against a number of its own: if a database behind
all of them is away, they fail alike, and it is not the new program. Shares are compared by the test of two proportions. While
the watch lasts it is asked again and again, so little is left to chance; at its end it is asked once, and believed sooner.

How long an answer took is compared in the same way, by the share of answers that take far longer than the others do: twice
as long as their median, or as their 99th percentile. What a hedge has overtaken took longer than anybody wished to wait for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from mainstay.base.histogram import merged, quantile, upper
from mainstay.redundancy.peers import stands_out

LONGEST = 86400.0
"""Seconds that a watch may last at most: nothing else of the service can be changed meanwhile."""
MOST_REQUESTS = 1_000_000
"""Requests that may be waited for at most."""
_SURE = 3.5
"""Standard deviations while it is asked twice a second; see `peers`."""
_SURE_AT_LAST = 2.0
"""And when it is asked once, at the end: one in twenty, and a deploy put off is cheap."""
_FEW = 3
"""Failures, or late answers, below which nothing is made of them."""
_ERRORS = 0.01
"""The share of failures below which nothing is."""
_ALONE = 0.1
"""The share of failures that is too much where there is nobody to be held against."""
_SLOW = 2.0
"""How many times as long as the others an answer may take."""
_SLOW_BY = 0.02
"""Seconds more than theirs that are nothing: a new process is cold, and buckets are coarse."""
_LATE = 0.3
"""The share of late answers that is too large at once; a cold start has some."""
_LATE_AT_LAST = 0.1
"""And at the end, when it has had the time to warm up."""
_LEAST = 3.0
"""The part of the watch, as a divisor, that is sat out in any case: what dies by and by does not die at once."""


class Verdict(Enum):
    """What is known of a canary."""

    WELL = "well"
    WORSE = "worse"
    UNKNOWN = "not known yet"


class Score(NamedTuple):
    """What was counted of one instance, or of several together."""

    requests: int = 0
    """Attempts."""
    failures: int = 0
    """Those that failed by the instance's fault: no answer, a broken one, or one of 500 and above."""
    overtaken: int = 0
    """Those whose answer was late, so that a hedge elsewhere had answered before."""
    left_out: bool = False
    """Whether the gateway gives it nothing for now: ejected, or with an open breaker."""
    latency: Mapping[int, int] = {}
    """Answers of late by the bucket of their latency; see `base.histogram`."""

    def since(self, before: "Score") -> "Score":
        """Give what has been counted since then; latencies are of late in any case."""
        return self._replace(
            requests=max(0, self.requests - before.requests),
            failures=max(0, self.failures - before.failures),
            overtaken=max(0, self.overtaken - before.overtaken),
        )


def together(scores: Iterable[Score]) -> Score:
    """Add scores up; they are left out if any of them is."""
    every = list(scores)
    return Score(
        sum(one.requests for one in every),
        sum(one.failures for one in every),
        sum(one.overtaken for one in every),
        any(one.left_out for one in every),
        merged(one.latency for one in every),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CanarySpec:
    """How long a canary is watched."""

    watch: float = 30.0
    """Seconds at most: long enough for caches and pools to have warmed up, short enough to be waited for."""
    requests: int = 100
    """Requests that it must have had: one failure in fifty shows in most cases. 0: none, only that it lives."""


class Judgement(NamedTuple):
    """A verdict, and why."""

    verdict: Verdict
    because: str
    """In words that follow the instance's name: `fails more than the others`."""


_UNKNOWN = Judgement(Verdict.UNKNOWN, "has had too few requests")


def judge(spec: CanarySpec, elapsed: float, canary: Score, others: Score) -> Judgement:
    """Judge a canary that lives.

    Args:
        spec: How long it is watched.
        elapsed: Seconds since it went into rotation.
        canary: What was counted of it.
        others: What was counted of the others meanwhile.

    Returns:
        UNKNOWN while the watch lasts and nothing is certain, and at its end when there were too few requests.
    """
    at_last = elapsed >= spec.watch
    found = _worse(canary, others, at_last=at_last)
    if found:
        return Judgement(Verdict.WORSE, found)
    if canary.requests < spec.requests:
        return _UNKNOWN
    early = spec.requests > 0 and elapsed * _LEAST >= spec.watch and _is_clean(canary, others)
    return Judgement(Verdict.WELL, "is no worse than the others") if at_last or early else _UNKNOWN


def _worse(canary: Score, others: Score, *, at_last: bool) -> str:
    """Say in what it is worse; nothing, if it is not."""
    sure = _SURE_AT_LAST if at_last else _SURE
    if _fails_more(canary, others, sure):
        return "fails more than the others"
    if canary.left_out and not others.left_out:
        return "is left out by the gateway, and the others are not"
    if _is_slower(canary, others, sure, _LATE_AT_LAST if at_last else _LATE):
        return "is slower than the others"
    return ""


def _fails_more(canary: Score, others: Score, sure: float) -> bool:
    if canary.failures < max(_FEW, _ERRORS * canary.requests):
        return False
    if not others.requests:
        return canary.failures >= _ALONE * canary.requests
    return stands_out(canary.failures, canary.requests, others.failures, others.requests, sure)


def _is_slower(canary: Score, others: Score, sure: float, share: float) -> bool:
    for quantile_ in (0.5, 0.99):
        late, count = _beyond(canary, others, quantile_)
        others_late, others_count = _beyond(others, others, quantile_)
        if late < _FEW or not others_count or late < share * count:
            continue
        if stands_out(late, count, others_late, others_count, sure):
            return True
    return False


def _beyond(one: Score, others: Score, share: float) -> tuple[int, int]:
    """Give how many answers took far longer than that quantile of the others, and of how many."""
    usual = quantile(others.latency, share)
    if usual is None:
        return 0, 0
    bound = max(_SLOW * usual, usual + _SLOW_BY)
    late = sum(count for index, count in one.latency.items() if upper(index) > bound)
    return late + one.overtaken, sum(one.latency.values()) + one.overtaken


def _is_clean(canary: Score, others: Score) -> bool:
    """Tell whether nothing speaks against it, however little: only then is the rest of the watch left out."""
    if canary.failures * others.requests > others.failures * canary.requests:
        return False
    late, count = _beyond(canary, others, 0.99)
    return late < _FEW or late < _LATE_AT_LAST / 2 * count
