"""The system of a prediction, made ready for the simulator: with ageing, one crew for all, maintenance windows and zones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from mainstay.reliability.model.parameter import Parameter
from mainstay.reliability.model.prediction import Component
from mainstay.reliability.model.simulation import (
    HISTORIES,
    Members,
    Part,
    Plan,
    Simulated,
    ageing,
    by_chance,
    fixed,
    simulate,
)

EVENTS = 3_000_000
"""Failures and repairs that are simulated: some tenths of a second."""
_MOMENT = 1e-6
"""Seconds of a repair that takes none."""
_SETTLE = 0.1
"""The share of the time that it takes to forget that everything worked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """What the formulas do not know."""

    shapes: Mapping[str, float] = field(default_factory=dict)
    """By component: above 1 it ages, below it has its troubles early."""
    windows: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """By component: how long each unit is taken out, and how often, in seconds; one unit after another."""
    crew: int | None = None
    """How many are repaired at once, of all components together; all, unless told."""
    zones: Component | None = None
    """The zones that units stand in, in turn; one that is lost takes its units with it."""


def played(components: Sequence[Component], beyond: Beyond, seed: int, events: int = EVENTS) -> Simulated:
    """Simulate a system with the best guess of each of its numbers; coverage must be proved wherever it plays a part."""
    made = plan(components, beyond)
    pace = sum(2 / (part.life.mean + part.repair.mean) for part in made.parts)
    horizon = events / (HISTORIES * pace)
    return simulate(made, horizon, seed, settle=_SETTLE * horizon)


def plan(components: Sequence[Component], beyond: Beyond) -> Plan:
    """Give the parts of a system, and what stands on what."""
    parts: list[Part] = []
    zones = _add(parts, beyond.zones, beyond) if beyond.zones is not None else []
    groups = []
    for one in components:
        members = [[place] for place in _add(parts, one, beyond)]
        for number, member in zip(count(), members, strict=False):
            if zones and one.units > 1:
                member.append(zones[number % len(zones)])
        _add_windows(parts, one, beyond, members)
        groups.append(Members(members, one.needed))
    return Plan(parts=parts, groups=groups, crew=beyond.crew)


def _add(parts: list[Part], component: Component, beyond: Beyond) -> list[int]:
    """Add its units, and give their places."""
    covers = component.covers
    part = Part(
        life=ageing(_guess(component.mtbf), beyond.shapes.get(component.name, 1.0)),
        repair=by_chance(max(_MOMENT, _guess(component.mttr))),
        # Who mends machines does not mend zones.
        crewed=component is not beyond.zones,
        coverage=_guess(component.coverage) if covers else 1.0,
        failover=_guess(component.failover) if covers else 0.0,
        recovery=_guess(component.recovery) if covers else 0.0,
    )
    first = len(parts)
    parts += [part] * component.units
    return list(range(first, len(parts)))


def _add_windows(
    parts: list[Part], component: Component, beyond: Beyond, members: Sequence[list[int]]
) -> None:
    if component.name not in beyond.windows:
        return
    lasts, every = beyond.windows[component.name]
    for number, member in enumerate(members):
        member.append(len(parts))
        first = every * (number + 0.5) / len(members)
        parts.append(Part(life=fixed(every - lasts), repair=fixed(lasts), crewed=False, first=first))


def _guess(parameter: Parameter) -> float:
    """Give the best guess; without one, the lower end, which is the worse."""
    return parameter.interval.low if parameter.value is None else parameter.value
