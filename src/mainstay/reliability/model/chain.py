"""Redundancy in time: a Markov chain of like units, in which failing over takes a while and repairs wait for one another.

With `n` units up, one fails at `n` times the rate of one. The failure is covered with chance `c`: then the system is down for as
long as failover takes, and goes on with one less. Or it is not: then it is down until somebody, or something slower, has brought it
back. With fewer than `k` up it is down until one is repaired::

    n ─┬─▶ failing over ─┬─▶ n - 1 ──▶ … ──▶ k ──▶ k - 1 (down)
       └─▶ not covered ──┘
    ◀────── repair, from each to the one before ──────

The structure is that of Heimann, Mittal and Trivedi (Availability and Reliability Modeling for Computer Systems, 1990). Only one unit
fails at a time, and none while the system is failing over: those times are short beside the time between failures.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from mainstay.base.errors import SpecError
from mainstay.reliability.model.covered import refuse_share

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Number = TypeVar("Number", float, "NDArray[np.float64]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Like units that stand in for one another. Times are means, in seconds."""

    units: int
    mtbf: float
    """Between failures of one unit; may be infinite."""
    mttr: float
    """To repair one unit."""
    coverage: float = 1.0
    """The chance that a failure is survived while another unit is left."""
    failover: float = 0.0
    """How long users are without it when a failure is covered."""
    recovery: float = 0.0
    """How long they are when it is not."""
    needed: int = 1
    """How many have to work."""
    crew: int = 1
    """How many are repaired at once; the others wait."""

    def __post_init__(self) -> None:
        if not 1 <= self.needed <= self.units:
            raise SpecError(f"needed must be from 1 to the {self.units} units, not {self.needed}")
        if self.crew < 1:
            raise SpecError(f"crew must be 1 or more, not {self.crew}")
        if not self.mtbf > 0:
            raise SpecError(f"mtbf must be above 0, not {self.mtbf}")
        for name in ("mttr", "failover", "recovery"):
            if not 0 <= getattr(self, name) < math.inf:
                raise SpecError(f"{name} must be 0 or more, not {getattr(self, name)}")
        refuse_share(self.coverage)


def available(group: Group) -> float:
    """Give the share of time in which the group serves, in the long run."""
    return balance((group.units, group.needed, group.crew), group.mtbf, group.mttr, _without(group))


def balance(shape: tuple[int, int, int], mtbf: Number, mttr: Number, without: Number) -> Number:
    """Give the same for numbers, or for arrays of them.

    The chain of units up and down is one of births and deaths; the times of failing over hang on it like loops. So the balance
    between neighbours alone gives the answer, without a system of equations; `solved` is the check of it.

    Args:
        shape: How many units there are, are needed, and are repaired at once.
        mtbf: Seconds between failures of one unit.
        mttr: Seconds to repair one.
        without: Seconds of being down at a failure after which enough units are left: of failover or recovery, by coverage.
    """
    units, needed, crew = shape
    weight = mttr * 0.0 + 1.0  # of the state with so many up; all up has 1
    up, down = weight, weight * 0.0
    for count in range(units, needed - 1, -1):
        failing = count / mtbf
        if count > needed:
            down = down + weight * failing * without
        weight = weight * failing * mttr / min(crew, units - count + 1)
        if count > needed:
            up = up + weight
    # Below what is needed nothing more fails: it is down, and waits for a repair.
    return up / (up + down + weight)


def solved(group: Group) -> float:
    """Give the same by solving the equations of the chain, state by state, with NumPy; repairs must take some time."""
    import numpy as np  # noqa: PLC0415 - takes a while to load, and only predictions need it

    rates, serving = _generator(group)
    equations = rates.T.copy()
    equations[-1, :] = 1.0  # the shares add up to one
    shares = np.linalg.solve(equations, np.eye(len(rates))[-1])
    return float(shares[serving].sum())


def duplex(group: Group) -> float:
    """Give the availability of two units of which one has to work, by its closed form.

    Raises:
        SpecError: it is not such a group.
    """
    if (group.units, group.needed, group.crew) != (2, 1, 1):
        raise SpecError(f"a duplex has 2 units, needs 1 and repairs 1 at once, not {group}")
    lost = group.mttr / group.mtbf
    one = 1 + 2 * lost
    return one / (one + 2 * _without(group) / group.mtbf + 2 * lost**2)


def _without(group: Group) -> float:
    """Give the seconds of being down at a failure after which enough units are left."""
    return group.coverage * group.failover + (1 - group.coverage) * group.recovery


def _repair_time(group: Group, broken: int) -> float:
    return group.mttr / min(group.crew, broken)


def _generator(group: Group) -> "tuple[NDArray[np.float64], list[int]]":
    """Give the rates between the states, and which of them serve. What takes no time is no state."""
    import numpy as np  # noqa: PLC0415 - likewise

    counts = range(group.units, group.needed - 2, -1)
    names = [("up", count) for count in counts]
    detours = [(kind, share, time) for kind, share, time in _detours(group) if share and time]
    names += [(kind, count) for count in range(group.units, group.needed, -1) for kind, *_ in detours]
    at = {name: number for number, name in enumerate(names)}
    rates = np.zeros((len(names), len(names)))
    for count in range(group.units, group.needed - 1, -1):
        failing, here, less = count / group.mtbf, at["up", count], at["up", count - 1]
        direct = failing
        for kind, share, time in detours if count > group.needed else ():
            rates[here, at[kind, count]] = failing * share
            rates[at[kind, count], less] = 1 / time
            direct -= failing * share
        rates[here, less] += max(0.0, direct)
        rates[less, here] = 1 / _repair_time(group, group.units - count + 1)
    rates -= np.diag(rates.sum(axis=1))
    return rates, [at["up", count] for count in counts if count >= group.needed]


def _detours(group: Group) -> tuple[tuple[str, float, float], ...]:
    return (
        ("failing over", group.coverage, group.failover),
        ("not covered", 1 - group.coverage, group.recovery),
    )
