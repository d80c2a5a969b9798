"""What users were promised, and how much of what may go wrong has gone wrong already: the error budget.

An objective says which share of events has to be good: 99.9 % of requests answered, 99 % of answers within 300 ms. What may be
bad is its budget. Three ways to count it (the words are those of OpenSLO v1):

================= ==============================================================================
occurrences       every request counts the same
timeslices        a slice of time is good or bad, by the share of requests in it that were good
ratio_timeslices  every slice counts the same, with the share of its requests that were good
================= ==============================================================================

A slice in which nothing was asked is neither good nor bad. What was not counted is not known, and spends nothing.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

from mainstay.base.errors import SpecError
from mainstay.base.histogram import upper
from mainstay.reliability.account import Account
from mainstay.reliability.interval import CONFIDENCE, Interval, refuse_confidence

OCCURRENCES, TIMESLICES, RATIO_TIMESLICES = "occurrences", "timeslices", "ratio_timeslices"
METHODS = (OCCURRENCES, TIMESLICES, RATIO_TIMESLICES)
GOOD = ("1xx", "2xx", "3xx", "4xx")
"""Classes of status that count as good unless told: those that are not the server's fault (RFC 9110 §15.6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveSpec:
    """Which events are good, and which share of them has to be."""

    target: float
    """The share that has to be good, above 0 and below 1."""
    latency: float | None = None
    """Seconds within which an answer is good; None: its status decides."""
    good: tuple[str, ...] = GOOD
    """Classes of status that are good."""
    method: str = OCCURRENCES
    """One of `METHODS`."""
    slice: int = 60
    """Seconds of a slice, where slices count."""
    slice_target: float | None = None
    """The share of good events from which on a slice is good; None: the target."""
    at_least: int = 5
    """Bad events that an alert takes, whatever their share: of ten requests in an hour, one is a burn rate of 100 already."""

    def __post_init__(self) -> None:
        for name in ("target", "slice_target"):
            share = getattr(self, name)
            if share is not None and not (0 < share < 1 or (name == "slice_target" and share == 1)):
                raise SpecError(f"{name} must be above 0 and below 1, not {share}")
        if self.method not in METHODS:
            raise SpecError(f"method must be one of {', '.join(METHODS)}, not {self.method}")
        if self.slice <= 0 or self.at_least <= 0:
            raise SpecError(f"slice and at_least must be above 0, not {self.slice} and {self.at_least}")

    @property
    def sliced(self) -> bool:
        """Whether slices of time count."""
        return self.method != OCCURRENCES


class Events(NamedTuple):
    """How many events counted, and how many of them were good."""

    good: int
    valid: int


class Measure(NamedTuple):
    """What an objective has counted: events, or slices."""

    good: float
    valid: float
    """What counted: requests, or slices in which there were any."""
    bad_events: int
    events: int
    """Requests behind it."""

    @property
    def ratio(self) -> float | None:
        """The share that was good; None without any."""
        return self.good / self.valid if self.valid else None

    @property
    def bad(self) -> float:
        """How many were not."""
        return self.valid - self.good


class Budget(NamedTuple):
    """An error budget, in events or in slices."""

    allowed: float
    """How many may be bad."""
    spent: float
    """How many were."""

    @property
    def consumed(self) -> float | None:
        """The share that is spent, above 1 when the objective is missed; None while nothing has counted."""
        return self.spent / self.allowed if self.allowed else None

    @property
    def left(self) -> float | None:
        """The share that is left, below 0 when the objective is missed."""
        consumed = self.consumed
        return None if consumed is None else 1 - consumed


def events(spec: ObjectiveSpec, account: Account) -> Events:
    """Tell good events from bad ones.

    By status: answers in a good class, unless they were cut off in the middle. Requests that their clients gave up are not
    counted. By latency: answers in the buckets that lie wholly within the limit, so that one is never counted as good that was
    not; a bucket is an eighth of a doubling wide.
    """
    if spec.latency is not None:
        valid = sum(account.latencies.values())
        return Events(
            sum(count for index, count in account.latencies.items() if upper(index) <= spec.latency), valid
        )
    counts = account.counts
    valid = counts.get("requests", 0)
    cut = max(0, counts.get("failures", 0) - counts.get("status_5xx", 0))
    good = sum(counts.get(f"status_{one}", 0) for one in spec.good) - cut
    return Events(min(max(good, 0), valid), valid)


def measured(spec: ObjectiveSpec, accounts: Iterable[Account]) -> Measure:
    """Count by the objective's method.

    Args:
        spec: The objective.
        accounts: What was counted: of each slice where slices count, else of any parts of the time.
    """
    good = valid = 0.0
    bad_events = all_events = 0
    least = spec.target if spec.slice_target is None else spec.slice_target
    for account in accounts:
        one = events(spec, account)
        all_events += one.valid
        bad_events += one.valid - one.good
        if not spec.sliced:
            good += one.good
            valid += one.valid
        elif one.valid:
            share = one.good / one.valid
            good += share if spec.method == RATIO_TIMESLICES else float(share >= least)
            valid += 1
    return Measure(good, valid, bad_events, all_events)


def budget(spec: ObjectiveSpec, measure: Measure, seconds: float) -> Budget:
    """Give the error budget, and what is spent of it.

    Args:
        spec: The objective.
        measure: What was counted in the period so far.
        seconds: How long the whole period is: so many slices have a share in the budget, whether or not anything was asked in them.
    """
    counted = seconds / spec.slice if spec.sliced else measure.valid
    return Budget((1 - spec.target) * counted, measure.bad)


def interval(good: float, valid: float, confidence: float = CONFIDENCE) -> Interval:
    """Give between what and what the share of good events lies (the score interval; Wilson, JASA 22, 1927).

    It takes events for independent. Failures come in bursts, so it is narrower than the truth; `coverage.interval` is exact under
    the same assumption, and takes longer.

    Raises:
        SpecError: numbers that cannot be.
    """
    refuse_confidence(confidence)
    if not 0 <= good <= valid:
        raise SpecError(f"good must be from 0 to the {valid} that counted, not {good}")
    if not valid:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, more = good / valid, z * z / valid
    middle = (share + more / 2) / (1 + more)
    half = z / (1 + more) * math.sqrt(share * (1 - share) / valid + more / (4 * valid))
    return Interval(max(0.0, middle - half), min(1.0, middle + half))
