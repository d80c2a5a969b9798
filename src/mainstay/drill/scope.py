"""Which part of a system a drill is about, and which drills may run at the same time: those whose parts have nothing in common."""

from collections.abc import Sequence
from typing import NamedTuple

from mainstay.drill.cell import Cell, dependents
from mainstay.drill.fault.kind import ACT, INSTANCE, SERVICE, TRAFFIC
from mainstay.drill.stage.entry import Entry
from mainstay.system.schema import System

_ALONE = frozenset({"cpu", "disk", "clock"})
"""Kinds that others on the machine may feel."""


class Scope(NamedTuple):
    """What a drill is about."""

    services: frozenset[str]
    """Services that it breaks, those that need them, and those that share an entry point with one of these."""
    entries: tuple[Entry, ...]
    """Where its users come in."""
    alone: bool
    """Whether nothing else may go on meanwhile."""


def scope(system: System, entries: Sequence[Entry], cell: Cell) -> Scope:
    """Give what a drill is about."""
    every = Scope(frozenset(system.services), tuple(entries), alone=True)
    if any(
        part.kind.aim not in (INSTANCE, SERVICE) or part.kind.means == ACT or part.kind.name in _ALONE
        for part in cell.parts
    ):
        return every
    services = {name for part in cell.parts for name in dependents(system, part.target.service)}
    reached = tuple(entry for entry in entries if services.intersection(entry.services))
    # That a service which is gone does not answer is no news: it is about what is left to those who need it.
    gone = {
        part.target.service for part in cell.parts if part.kind.aim == SERVICE and part.kind.means == TRAFFIC
    }
    reached = tuple(entry for entry in reached if not gone.issuperset(entry.services)) or reached
    if not reached:
        # Nobody is seen to need it, so it is seen whether anybody does.
        return every
    return Scope(frozenset(services.union(*(entry.services for entry in reached))), reached, alone=False)


def waves(given: Sequence[tuple[Cell, Scope]], most: int) -> list[list[tuple[Cell, Scope]]]:
    """Give which drills run at the same time, one wave after another, each as early as it may.

    Args:
        given: All of them, in order.
        most: How many may run at the same time: each has a load of its own.
    """
    made: list[list[tuple[Cell, Scope]]] = []
    for cell, its in given:
        for wave in made:
            if len(wave) < most and not its.alone and all(_apart(its, other) for _, other in wave):
                wave.append((cell, its))
                break
        else:
            made.append([(cell, its)])
    return made


def _apart(one: Scope, other: Scope) -> bool:
    return not other.alone and not one.services & other.services
