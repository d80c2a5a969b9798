"""How many replicas are best: with imperfect coverage each one more is also one more that can take everything down."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from mainstay.base.errors import SpecError
from mainstay.reliability.model.chain import Group, available

AvailableWith = Callable[[int], float]
"""Gives the availability with so many replicas."""
MOST = 8
"""Replicas up to which is looked, unless told."""


class Choice(NamedTuple):
    """What each number of replicas would give."""

    fewest: int
    """The first of `available`: below, it cannot work at all."""
    available: list[float]
    """By the number of replicas, from `fewest` on."""

    @property
    def best(self) -> int:
        """The number with the highest availability; the smallest of those that are equal."""
        return self.fewest + self.available.index(max(self.available))

    @property
    def worse(self) -> int | None:
        """The first number that gives *less* than one fewer; None when there is none among those looked at."""
        for number in range(1, len(self.available)):
            if self.available[number] < self.available[number - 1]:
                return self.fewest + number
        return None

    def gain(self, replicas: int) -> float:
        """Give what one more than so many adds to the availability; below 0 when it takes away.

        Raises:
            SpecError: it was not looked at.
        """
        place = replicas - self.fewest
        if not 0 <= place < len(self.available) - 1:
            raise SpecError(f"replicas must be from {self.fewest} to {self.fewest + len(self.available) - 2}")
        return self.available[place + 1] - self.available[place]


def choice(available_with: AvailableWith, most: int = MOST, fewest: int = 1) -> Choice:
    """Try every number of replicas.

    Raises:
        SpecError: there is none to try.
    """
    if not 1 <= fewest <= most:
        raise SpecError(f"most must be {fewest} or more, not {most}")
    return Choice(fewest, [available_with(count) for count in range(fewest, most + 1)])


def of_group(group: Group, most: int = MOST) -> Choice:
    """Try every number of units of a group."""
    return choice(lambda count: available(replace(group, units=count)), most, group.needed)
