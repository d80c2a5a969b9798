"""What all instances of a pool answered lately: the measure of each of them.

An instance that fails some requests is not told from a service that does by any number of its own. So each is
held against all others, over the same stretch of time: its share of failures must be large in itself, twice
theirs, and further from theirs than chance takes it. If all fail alike, it is not the instance.

One that is slow is told in the same way: by the median of its answers' times against the median of those of the others,
twice in a row, and by its share of answers that take as long, since where every second request is slow, so
is every second median.

Time is cut into stretches of half a `window`, the same for all. What began in this stretch is judged by it alone,
before the good answers of the former one can hide it; what is rarer, by both together.
"""

from collections.abc import Iterable
from math import sqrt

from mainstay.redundancy.outlier import Outlier, OutlierSpec

_SURE = 3.5
"""Standard deviations that chance is not believed to reach: one in four thousand, since it is asked at every failure."""
_FEW = 5
"""Failures below which nothing is made of them: the test is too willing where nearly all answers are good."""
_TWICE = 2.0
"""How many times the share of the others it must be: what differs by less is made no better by leaving one out."""
_ENOUGH = 8
"""Answers below which no median is made of their times."""
_IN_A_ROW = 2
"""Stretches in which it must be slow: one may end in the middle of something that goes past."""
_SLICE = 500
"""Members that are looked at in one go: less than a millisecond."""


def stands_out(marked: int, count: int, others_marked: int, others_count: int, sure: float = _SURE) -> bool:
    """Tell whether a share is above that of the others by more than chance explains; both counts must be above 0.

    The test of two proportions with their common variance, and Yates's correction for small counts; `sure` is the number of
    standard deviations that chance is not believed to reach.
    """
    share, others_share = marked / count, others_marked / others_count
    common = (marked + others_marked) / (count + others_count)
    parts = 1.0 / count + 1.0 / others_count
    distance = share - others_share - parts / 2.0
    return distance > sure * sqrt(common * (1.0 - common) * parts) and share >= _TWICE * others_share


class Peers:
    """The sums over the members of one pool."""

    __slots__ = ("bad", "bad_before", "good", "good_before", "number")

    def __init__(self) -> None:
        self.good = 0
        """Good answers in this stretch."""
        self.bad = 0
        """Failures charged to a member in this stretch."""
        self.good_before = 0
        """Good answers in the stretch before."""
        self.bad_before = 0
        """Failures in the stretch before."""
        self.number = 0
        """Of this stretch."""

    def sum_up(self, known: Iterable[Outlier]) -> None:
        """Count anew: a stretch has begun, or members came or went."""
        self.good = self.bad = self.good_before = self.bad_before = 0
        for one in known:
            self.good += one.good
            self.bad += one.bad
            self.good_before += one.good_before
            self.bad_before += one.bad_before

    def leave_out(self, one: Outlier) -> None:
        """Count a member no more, since what is known of it is about to be forgotten."""
        self.good -= one.good
        self.bad -= one.bad
        self.good_before -= one.good_before
        self.bad_before -= one.bad_before

    def outdone(self, one: Outlier, spec: OutlierSpec) -> bool:
        """Tell whether a member fails far more than the others do, or has a relapse while they are well."""
        good, bad = self.good - one.good, self.bad - one.bad
        if _worse(one.good, one.bad, good, bad, spec):
            return True
        good += self.good_before - one.good_before
        bad += self.bad_before - one.bad_before
        if one.answered < one.trusted_at and spec.errors is not None and good + bad >= spec.minimum:
            # That it is a bad one has been proved, and nothing has been proved since but that it still fails.
            return bad <= spec.errors / _TWICE * (good + bad)
        return _worse(one.good + one.good_before, one.bad + one.bad_before, good, bad, spec)


def _worse(good: int, bad: int, others_good: int, others_bad: int, spec: OutlierSpec) -> bool:
    count, others = good + bad, others_good + others_bad
    if spec.errors is None or bad < max(_FEW, spec.errors * count):
        return False
    if count < spec.minimum or others < spec.minimum:
        return False
    return stands_out(bad, count, others_bad, others)


class Look:
    """The turn of a stretch: a look at all members of whom something was heard, some hundreds at a time.

    In a pool of thousands it would take longer than a request may wait for others.
    """

    __slots__ = ("_left", "_measured", "_number", "heard")

    def __init__(self, number: int, heard: list[Outlier]) -> None:
        self.heard = heard
        self._number = number
        self._left = list(heard)
        self._measured: list[tuple[float, Outlier]] = []

    def go_on(self) -> bool:
        """Look at some; say whether all are looked at."""
        for one in self._left[-_SLICE:]:
            one.turn(self._number)
            times = one.lately()
            if len(times) >= _ENOUGH:
                self._measured.append((sorted(times)[len(times) // 2], one))
        del self._left[-_SLICE:]
        return not self._left

    def slowest(self, spec: OutlierSpec) -> Outlier | None:
        """Give who takes far longer than the others, the slowest of them."""
        measured = sorted(self._measured, key=_median)
        if spec.slow is None or len(measured) < 2:  # noqa: PLR2004 - it and another one
            return None
        # The median of all others, the higher one of two, for each that is above it: half of them must be faster.
        usual = measured[(len(measured) - 1) // 2][0]
        bound = max(spec.slow * usual, usual + spec.slow_by)
        for median, one in measured:
            one.late = one.late + 1 if median > bound else 0
        late = [one for _, one in measured if one.late >= _IN_A_ROW]
        return late[-1] if late and _is_slower(late[-1], measured, bound) else None


def _median(measured: tuple[float, Outlier]) -> float:
    return measured[0]


def _is_slower(slow: Outlier, measured: list[tuple[float, Outlier]], bound: float) -> bool:
    times = slow.lately()
    others = [took for _, one in measured if one is not slow for took in one.lately()]
    return stands_out(_beyond(times, bound), len(times), _beyond(others, bound), len(others))


def _beyond(times: list[float], bound: float) -> int:
    return sum(took > bound for took in times)
