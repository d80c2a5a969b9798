"""What all instances of a pool answered lately: the measure of each of them.

An instance that fails some requests is not told from a service that does by any number of its own. So each is
held against all others, over the same stretch of time: its share of failures must be large in itself, twice
theirs, and further from theirs than chance takes it. If all fail alike, it is not the instance.

Time is cut into stretches of half a `window`, the same for all. What began in this stretch is judged by it alone,
before the good answers of the former one can hide it; what is rarer, by both together.
"""

from collections.abc import Iterable
from math import inf, sqrt

from mainstay.redundancy.outlier import Outlier, OutlierSpec

_SURE = 3.5
"""Standard deviations that chance is not believed to reach: one in four thousand, since it is asked at every failure."""
_FEW = 5
"""Failures below which nothing is made of them: the test is too willing where nearly all answers are good."""
_TWICE = 2.0
"""How many times the share of the others it must be: what differs by less is made no better by leaving one out."""


def stands_out(marked: int, count: int, others_marked: int, others_count: int) -> bool:
    """Tell whether a share is above that of the others by more than chance explains; both counts must be above 0.

    The test of two proportions with their common variance, and Yates's correction for small counts.
    """
    share, others_share = marked / count, others_marked / others_count
    common = (marked + others_marked) / (count + others_count)
    parts = 1.0 / count + 1.0 / others_count
    distance = share - others_share - parts / 2.0
    return distance > _SURE * sqrt(common * (1.0 - common) * parts) and share >= _TWICE * others_share


class Peers:
    """The sums over the members of one pool."""

    __slots__ = ("bad", "bad_before", "good", "good_before", "turns_at")

    def __init__(self) -> None:
        self.good = 0
        """Good answers in this stretch."""
        self.bad = 0
        """Failures charged to a member in this stretch."""
        self.good_before = 0
        """Good answers in the stretch before."""
        self.bad_before = 0
        """Failures in the stretch before."""
        self.turns_at = -inf
        """When the next stretch begins."""

    def turn(self, now: float, spec: OutlierSpec, known: Iterable[Outlier]) -> None:
        """Begin a stretch; `known` are those of all members."""
        # After a silence longer than a stretch, what was before it is too old to be compared with.
        stretch = spec.window / 2.0
        twice = now >= self.turns_at + stretch
        self.turns_at = now + stretch
        members = list(known)
        for one in members:
            one.turn()
            if twice:
                one.turn()
        self.sum_up(members)

    def sum_up(self, known: Iterable[Outlier]) -> None:
        """Count anew: members came or went, or what was known of one was forgotten."""
        self.good = self.bad = self.good_before = self.bad_before = 0
        for one in known:
            self.good += one.good
            self.bad += one.bad
            self.good_before += one.good_before
            self.bad_before += one.bad_before

    def outdone(self, one: Outlier, spec: OutlierSpec) -> bool:
        """Tell whether a member fails far more than the others do."""
        good, bad = self.good - one.good, self.bad - one.bad
        if _worse(one.good, one.bad, good, bad, spec):
            return True
        good += self.good_before - one.good_before
        bad += self.bad_before - one.bad_before
        return _worse(one.good + one.good_before, one.bad + one.bad_before, good, bad, spec)


def _worse(good: int, bad: int, others_good: int, others_bad: int, spec: OutlierSpec) -> bool:
    count, others = good + bad, others_good + others_bad
    if spec.errors is None or bad < max(_FEW, spec.errors * count):
        return False
    if count < spec.minimum or others < spec.minimum:
        return False
    return stands_out(bad, count, others_bad, others)
