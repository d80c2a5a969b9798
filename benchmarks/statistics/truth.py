"""Made-up histories with known truth, and the intervals that are told of them.

The truth has to be in an interval of 95 % in 95 of 100 histories: in fewer, it is not true; in many more, it says less than
it could. Each kind is simulated as its law says, with numbers as a service has them in a year.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from mainstay.base.dice import Dice
from mainstay.reliability import growth, rate, uptime
from mainstay.reliability.coverage import interval as coverage
from mainstay.reliability.interval import Interval
from mainstay.reliability.lifetime import weibull
from mainstay.reliability.model import parameter
from mainstay.reliability.model.chain import Group, available
from mainstay.reliability.model.prediction import Component, predict
from mainstay.reliability.recurrence import History, mean_cumulative
from mainstay.reliability.repair import repair

YEAR = 365 * 86400.0
MTBF = 12 * 86400.0
"""Seconds between failures: about thirty a year."""
MEDIAN, SPREAD = 240.0, 0.9
"""Of repairs: the median in seconds, and the standard deviation of the logarithm."""

PAIR = Group(units=2, mtbf=MTBF, mttr=1200.0, crew=2, coverage=0.9, failover=5.0, recovery=300.0)
"""Two instances, that fail over well most of the time."""

SHAPE, CENSORED = 1.5, 40.0
SURVIVED = 0.9
AGE = 50.0


class Kind(NamedTuple):
    """One kind of interval."""

    name: str
    truth: float
    draw: Callable[[Dice], Interval | None]
    """Gives the interval that is told of one made-up history; None where nothing can be told of it."""
    conservative: bool = False
    """Whether it promises at least its confidence, and for few trials keeps more: counts move in steps."""


def _exponential(dice: Dice, mean: float) -> float:
    return -math.log(1.0 - dice.random()) * mean


def _normal(dice: Dice) -> float:
    return math.sqrt(-2 * math.log(1.0 - dice.random())) * math.cos(2 * math.pi * dice.random())


def _failures(dice: Dice, mean: float, end: float) -> list[float]:
    times, at = [], _exponential(dice, mean)
    while at < end:
        times.append(at)
        at += _exponential(dice, mean)
    return times


def _mtbf(dice: Dice) -> Interval:
    return rate.mtbf(YEAR, len(_failures(dice, MTBF, YEAR))).interval


def _seldom(dice: Dice) -> Interval:
    return rate.mtbf(YEAR, len(_failures(dice, YEAR / 3, YEAR))).interval


def _availability(dice: Dice) -> Interval:
    # As many ups as downs, both exponential.
    up = sum(_exponential(dice, MTBF) for _ in range(30))
    down = sum(_exponential(dice, 300.0) for _ in range(30))
    return uptime.interval(up, down, 30, 30)


def _mttr(count: int) -> Callable[[Dice], Interval | None]:
    def draw(dice: Dice) -> Interval | None:
        found = repair(
            [MEDIAN * math.exp(SPREAD * _normal(dice)) for _ in range(count)], seed=int(dice.random() * 1e9)
        )
        return found.interval if found is not None else None

    return draw


def _growth(dice: Dice) -> Interval:
    # A power law in time is a homogeneous process in time**beta.
    times = [at ** (1 / 0.7) for at in _failures(dice, 1.0, 30.0)]
    return growth.fit(times, 30.0 ** (1 / 0.7)).interval


def _weibull(dice: Dice) -> Interval:
    lives = [_exponential(dice, 1.0) ** (1 / SHAPE) * 30.0 for _ in range(60)]
    over = [one for one in lives if one < CENSORED]
    return weibull(over, [CENSORED] * (len(lives) - len(over))).shape_interval


def _drills(dice: Dice) -> Interval:
    return coverage(sum(dice.random() < SURVIVED for _ in range(200)), 200)


def _recurrence(dice: Dice) -> Interval:
    units = []
    for _ in range(40):
        end = dice.between(AGE, 2 * AGE)
        units.append(History(_failures(dice, 20.0, end), end))
    return [point for point in mean_cumulative(units) if point.age <= AGE][-1].interval


def _foretold(group: Group, years: float, trials: int) -> Callable[[Dice], Interval]:
    """Watch the parts and drill the system; say what availability of the whole is to be expected."""

    def draw(dice: Dice) -> Interval:
        failures = len(_failures(dice, group.mtbf, years * YEAR * group.units))
        survived = sum(dice.random() < group.coverage for _ in range(trials))
        watched = Component(
            name="pair",
            units=group.units,
            crew=group.crew,
            mtbf=parameter.mtbf(years * YEAR * group.units, failures),
            mttr=parameter.mttr([_exponential(dice, group.mttr) for _ in range(4)]),
            coverage=parameter.coverage(survived, trials),
            failover=parameter.declared(group.failover),
            recovery=parameter.declared(group.recovery),
        )
        return predict([watched], int(dice.random() * 1e9), draws=1000).interval

    return draw


KINDS = (
    Kind("MTBF, thirty failures", MTBF, _mtbf),
    Kind("MTBF, three failures", YEAR / 3, _seldom),
    Kind("availability", MTBF / (MTBF + 300.0), _availability),
    Kind("MTTR, ten repairs", MEDIAN * math.exp(SPREAD**2 / 2), _mttr(10)),
    Kind("MTTR, fifty repairs", MEDIAN * math.exp(SPREAD**2 / 2), _mttr(50)),
    Kind("trend (beta)", 0.7, _growth),
    Kind("lives (shape)", SHAPE, _weibull),
    Kind("drills survived", SURVIVED, _drills, conservative=True),
    Kind("failures of a unit", AGE / 20.0, _recurrence),
    Kind("foretold, a year, 100 drills", available(PAIR), _foretold(PAIR, 1, 100)),
    Kind("foretold, a month, 30 drills", available(PAIR), _foretold(PAIR, 1 / 12, 30)),
    Kind(
        "foretold, one instance", available(replace(PAIR, units=1)), _foretold(replace(PAIR, units=1), 1, 0)
    ),
)


def contained(kind: Kind, histories: int, seed: int) -> float:
    """Give the share of histories whose interval contains the truth."""
    found = list(_drawn(kind, histories, seed))
    return sum(one.has(kind.truth) for one in found) / len(found)


def _drawn(kind: Kind, histories: int, seed: int) -> Iterator[Interval]:
    dice = Dice(f"{kind.name}/{seed}")
    for _ in range(histories):
        interval = kind.draw(dice)
        if interval is not None:
            yield interval
