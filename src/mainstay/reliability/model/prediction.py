"""What availability is to be expected, with an interval: the model, run for many draws of what its numbers may be.

A system serves while each of its components does; a component is a group of like units. Components fail independently of one
another: what they share is a component of its own. All draws come from a seed that is handed in, and the same seed gives the same
draws to each component by its name, so that two variants of a system differ by what was varied alone.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from mainstay.base.errors import SpecError
from mainstay.reliability.interval import Interval
from mainstay.reliability.model.chain import balance
from mainstay.reliability.model.parameter import Parameter, declared

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DRAWS = 4000
_TAILS = (0.025, 0.5, 0.975)
_SURE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """Like units that stand in for one another, and what is known of them; times in seconds."""

    name: str
    units: int
    mtbf: Parameter
    mttr: Parameter
    coverage: Parameter = field(default_factory=lambda: declared(1.0))
    failover: Parameter = field(default_factory=lambda: declared(0.0))
    recovery: Parameter = field(default_factory=lambda: declared(0.0))
    needed: int = 1
    crew: int | None = None
    """How many are repaired at once; all of them, unless told."""

    def __post_init__(self) -> None:
        if not 1 <= self.needed <= self.units:
            raise SpecError(
                f"{self.name}: needed must be from 1 to the {self.units} instances, not {self.needed}"
            )

    @property
    def covers(self) -> bool:
        """Whether coverage plays any part: there is something to fail over to."""
        return self.units > self.needed

    @property
    def is_proved(self) -> bool:
        """Whether its coverage is known, as far as it plays a part."""
        return self.coverage.is_proved or not self.covers


class Prediction(NamedTuple):
    """What is to be expected."""

    available: float | None
    """The median; None while a coverage is unproved."""
    interval: Interval
    """95 %. While a coverage is unproved, its ends are those with a coverage of 0 and of 1."""

    @property
    def is_proved(self) -> bool:
        """Whether it rests on coverage that was shown."""
        return self.available is not None


class Change(NamedTuple):
    """What a change would be worth."""

    component: str
    what: str
    gain: float
    """The share of time by which availability would be higher; below 0: lower. The median; while a coverage is unproved, the
    middle of the interval."""
    interval: Interval
    """95 %. It compares like with like, draw by draw, so it is narrower than the difference of two predictions."""


def predict(components: Sequence[Component], seed: int, draws: int = DRAWS) -> Prediction:
    """Predict the availability of what needs all of these components."""
    import numpy as np  # noqa: PLC0415 - takes a while to load, and only predictions need it

    if all(one.is_proved for one in components):
        low, middle, high = np.quantile(_drawn(components, seed, draws), _TAILS)
        return Prediction(float(middle), Interval(float(low), float(high)))
    ends = [np.quantile(_drawn(components, seed, draws, share), _TAILS) for share in (0.0, 1.0)]
    return Prediction(None, Interval(float(min(one[0] for one in ends)), float(max(one[2] for one in ends))))


def matter(components: Sequence[Component], seed: int, draws: int = DRAWS) -> list[tuple[str, float]]:
    """Give how much availability each component costs, in shares of time: the greatest first.

    Where coverage is unproved it is taken as 1, so that no more is blamed on a component than is known.
    """
    found = []
    for component in components:
        rest = [one for one in components if one is not component]
        found.append((component.name, _difference(components, rest, seed, draws)[1]))
    return sorted(found, key=lambda one: -one[1])


def changes(components: Sequence[Component], seed: int, draws: int = DRAWS) -> list[Change]:
    """Give what one more unit, a faster failover, faster repairs and full coverage would be worth: the best first.

    Where coverage is unproved, the interval is from what it would be with none to what it would be with all of it.
    """
    found = []
    for component in components:
        for what, other in _variants(component):
            after = [other if one is component else one for one in components]
            found.append(Change(component.name, what, *_gain(components, after, seed, draws)))
    return sorted(found, key=lambda one: -one.gain)


def worse_from(components: Sequence[Component], name: str, most: int, seed: int) -> int | None:
    """Give the first number of units of a component that gives less than one fewer does, as sure as 95 %; None if there is none.

    Nothing is said while its coverage is unproved.
    """
    (varied,) = [one for one in components if one.name == name]
    if not varied.coverage.is_proved:
        return None
    for count in range(varied.needed + 1, most + 1):
        fewer, more = ([replace(varied, units=units)] for units in (count - 1, count))
        if _difference(fewer, more, seed, DRAWS, (_SURE,))[0] < 0:
            return count
    return None


def by_units(
    components: Sequence[Component], name: str, most: int, seed: int, draws: int = DRAWS
) -> list[tuple[int, Prediction]]:
    """Give what is to be expected for each number of units of one component."""
    rest = [one for one in components if one.name != name]
    (varied,) = [one for one in components if one.name == name]
    return [
        (count, predict([*rest, replace(varied, units=count)], seed, draws))
        for count in range(varied.needed, max(most, varied.needed) + 1)
    ]


def _gain(
    before: Sequence[Component], after: Sequence[Component], seed: int, draws: int
) -> tuple[float, Interval]:
    if all(one.is_proved for one in (*before, *after)):
        low, middle, high = _difference(before, after, seed, draws)
        return middle, Interval(low, high)
    ends = [_difference(before, after, seed, draws, unproved=share) for share in (0.0, 1.0)]
    low, high = min(one[0] for one in ends), max(one[2] for one in ends)
    return (low + high) / 2, Interval(low, high)


def _variants(component: Component) -> list[tuple[str, Component]]:
    found = [
        ("one more", replace(component, units=component.units + 1)),
        ("repairs in half the time", replace(component, mttr=_half(component.mttr))),
    ]
    if component.covers and component.is_proved:
        found.append(("failover in half the time", replace(component, failover=_half(component.failover))))
        found.append(("every failure survived", replace(component, coverage=declared(1.0))))
    return found


def _half(parameter: Parameter) -> Parameter:
    law = parameter.law
    return replace(parameter, law=lambda chance, count: law(chance, count) / 2)


def _difference(  # noqa: PLR0913, PLR0917 - two systems, and how they are compared
    before: Sequence[Component],
    after: Sequence[Component],
    seed: int,
    draws: int,
    shares: tuple[float, ...] = _TAILS,
    unproved: float = 1.0,
) -> list[float]:
    import numpy as np  # noqa: PLC0415 - likewise

    gained = _drawn(after, seed, draws, unproved) - _drawn(before, seed, draws, unproved)
    return [float(one) for one in np.quantile(gained, shares)]


def _drawn(
    components: Sequence[Component], seed: int, draws: int, unproved: float = 1.0
) -> "NDArray[np.float64]":
    import numpy as np  # noqa: PLC0415 - likewise

    shares = np.ones(draws)
    for one in components:
        shares *= _of_component(one, seed, draws, unproved)
    return shares


@lru_cache(maxsize=512)  # of 32 KiB each: variants of a system differ in one component
def _of_component(component: Component, seed: int, draws: int, unproved: float) -> "NDArray[np.float64]":
    import numpy as np  # noqa: PLC0415 - likewise

    def drawn(name: str) -> "NDArray[np.float64]":
        told = hashlib.sha256(f"{seed}/{component.name}/{name}".encode()).digest()
        parameter: Parameter = getattr(component, name)
        return parameter.law(np.random.default_rng(list(told)), draws)

    covered = drawn("coverage") if component.coverage.is_proved else np.full(draws, unproved)
    without = covered * drawn("failover") + (1 - covered) * drawn("recovery")
    shape = (component.units, component.needed, component.crew or component.units)
    shares = balance(shape, drawn("mtbf"), drawn("mttr"), without)
    shares.flags.writeable = False  # it may be given again
    return shares
