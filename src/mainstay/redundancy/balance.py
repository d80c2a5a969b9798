"""Choosing one of several usable instances.

power of two: of two taken by chance, the one with less to do. As good as looking at all of them to within
    a constant (Mitzenmacher 2001), and no herd runs to the one that looks idle. The default.
least: the one with least to do, of all; ties by chance.
round robin: each in its turn, in proportion to its share (nginx's smooth weighted round robin).

To do is (in flight + 1) / share; share is weight times ramp, which rises from a tenth to 1 during the slow
start, because a cold instance cannot carry a full part.

rendezvous: for a key, the one with the highest score, of all (Thaler and Ravishankar 1998). A score depends on
    the key and the instance alone, so that whoever leaves takes nothing but its own keys along, to be spread over
    all others, and whoever comes takes an equal part from each. Their weights are their parts (Schindelhauer and
    Schomaker 2005).
"""

from hashlib import blake2b
from math import log
from typing import Protocol, TypeVar

from mainstay.base.dice import Dice
from mainstay.redundancy.instance import Instance

I = TypeVar("I", bound=Instance)  # noqa: E741 - one letter for a type variable

COLD = 0.1
"""The part of its share that an instance gets when it has just come up."""


def ramp(instance: Instance, now: float, slow_start: float) -> float:
    """Give the part of its share that an instance can carry by now: 0.1 to 1."""
    up_since = instance.up_since
    if up_since is None or now - up_since >= slow_start:
        return 1.0
    return COLD + (1.0 - COLD) * (now - up_since) / slow_start


class Balance(Protocol):
    """A way to choose; it may remember whose turn it is."""

    def choose(self, usable: list[I], dice: Dice, now: float) -> I:
        """Choose one of the usable, of which there must be at least one."""
        ...


class PowerOfTwo:
    """Take two by chance and give the one with less to do."""

    __slots__ = ("_slow_start",)

    def __init__(self, slow_start: float) -> None:
        self._slow_start = slow_start

    def choose(self, usable: list[I], dice: Dice, now: float) -> I:
        """Choose one of the usable."""
        others = len(usable) - 1
        if not others:
            return usable[0]
        # One roll gives two *different* places: the first of n, and the second of the n - 1 others.
        first, second = divmod(int(dice.random() * (others + 1) * others), others)
        if second >= first:
            second += 1
        one, other = usable[first], usable[second]
        one_share, other_share = one.weight, other.weight
        if self._slow_start:
            one_share *= ramp(one, now, self._slow_start)
            other_share *= ramp(other, now, self._slow_start)
        if (one.in_flight + 1) * other_share <= (other.in_flight + 1) * one_share:
            return one
        return other


class Least:
    """Give the one with least to do; looks at all of them."""

    __slots__ = ("_slow_start",)

    def __init__(self, slow_start: float) -> None:
        self._slow_start = slow_start

    def choose(self, usable: list[I], dice: Dice, now: float) -> I:
        """Choose one of the usable."""
        # Begun at a place taken by chance: otherwise the first would get all that comes while all are idle.
        start = dice.below(len(usable))
        return min(
            usable[start:] + usable[:start],
            key=lambda it: (it.in_flight + 1) / (it.weight * ramp(it, now, self._slow_start)),
        )


class RoundRobin:
    """Give each its turn, in proportion to its share; looks at all of them."""

    __slots__ = ("_slow_start",)

    def __init__(self, slow_start: float) -> None:
        self._slow_start = slow_start

    def choose(self, usable: list[I], dice: Dice, now: float) -> I:  # noqa: ARG002 - turns need no chance
        """Choose one of the usable."""
        chosen, total = usable[0], 0.0
        for instance in usable:
            share = instance.weight * ramp(instance, now, self._slow_start)
            total += share
            instance.credit += share
            if instance.credit > chosen.credit:
                chosen = instance
        chosen.credit -= total
        return chosen


BALANCES: dict[str, type[PowerOfTwo | Least | RoundRobin]] = {
    "power_of_two": PowerOfTwo,
    "round_robin": RoundRobin,
    "least": Least,
}
"""The ways to choose, by the name they have in the system file."""


_WORD = 2**64 - 1
_FRACTION = 2.0**52


def scattered(number: int) -> int:
    """Give 64 bits each of which depends on all of the given ones (the last step of SplitMix64, Steele et al. 2014)."""
    number = ((number ^ number >> 30) * 0xBF58476D1CE4E5B9) & _WORD
    number = ((number ^ number >> 27) * 0x94D049BB133111EB) & _WORD
    return number ^ number >> 31


def rendezvous(members: list[I], key: int) -> I:
    """Choose the one of the members, at least one, that a key of 64 bits belongs to; their loads make no difference."""
    chosen, highest = members[0], 0.0
    for member in members:
        if not member.place:
            member.place = int.from_bytes(blake2b(member.name.encode(), digest_size=8).digest(), "big")
        # Between 0 and 1, neither of them included.
        part = ((scattered(key ^ member.place) >> 12) + 0.5) / _FRACTION
        score = -member.weight / log(part)
        if score > highest:
            chosen, highest = member, score
    return chosen
