"""What may be lost before users are no longer served.

A service is served while one of its parts is there and all that it needs is served. What a loss means for those who are
served meanwhile (failover, retries) is not said here: that is for drills.
"""

from collections.abc import Collection, Iterator
from itertools import islice
from typing import NamedTuple

from mainstay.redundancy.audit.plan import Plan
from mainstay.redundancy.structure.bounds import Bounds
from mainstay.redundancy.structure.cutset import CutSets
from mainstay.redundancy.structure.diagram import Diagram
from mainstay.redundancy.structure.formula import AND, OR, Gate, Tree

SHOWN = 1000
"""Cut sets of one entry point that are listed; all of them are counted."""


class Loss(NamedTuple):
    """What stops one entry point."""

    entry: str
    parts: int
    """How many parts it stands on, those of all that it needs included."""
    by_order: list[int]
    """How many minimal cut sets there are of one part, of two, …; as many as were asked for."""
    cut_sets: list[tuple[str, ...]]
    """The sets themselves, the smallest first; at most `SHOWN`."""
    zones: list[str]
    """Zones whose loss stops it, when all parts in them are gone."""

    def survives(self, count: int) -> bool:
        """Tell whether it outlives the loss of any so many parts."""
        return not any(self.by_order[:count])


def losses(plan: Plan, entries: Collection[str], order: int, bounds: Bounds) -> list[Loss]:
    """Give for each entry point what stops it.

    Args:
        plan: The system.
        entries: Names of services.
        order: The most parts that a set may have.
        bounds: Of all diagrams together.

    Raises:
        TooLarge: it does not fit into them.
    """
    zones = {part.name: part.zone for _, part in plan.parts()}
    return [_loss(plan, entry, order, zones, bounds) for entry in entries]


def tree(plan: Plan, entry: str) -> Tree:
    """Give when an entry point is not served: one of all that it needs has no part left, and nothing stands in for that."""
    gates: dict[str, Gate] = {}
    for name in plan.below(entry):
        gates[_gone(name)] = _no_part(plan, name)
        if spare := plan.groups[name].stand_in:
            # What stands in has no stand-in of its own, nor has what it needs: two may stand in for one another.
            behind = plan.below(spare)
            gates |= {_gone(each): _no_part(plan, each) for each in behind}
            gates[_spare(name)] = Gate(OR, tuple(_gone(each) for each in behind))
            gates[_lost(name)] = Gate(AND, (_gone(name), _spare(name)))
        else:
            gates[_lost(name)] = Gate(AND, (_gone(name),))
    top = f"{entry} stopped"
    return Tree(top, gates | {top: Gate(OR, tuple(_lost(name) for name in plan.below(entry)))})


def _loss(plan: Plan, entry: str, order: int, zones: dict[str, str], bounds: Bounds) -> Loss:
    diagram = Diagram(tree(plan, entry), bounds)
    sets = CutSets(diagram, order)
    counted = sets.by_order()
    return Loss(
        entry,
        len(diagram.events),
        counted + [0] * (order - len(counted)),
        sorted(islice(sets, SHOWN), key=len),
        [zone for zone in plan.zones if diagram.holds(lambda name, zone=zone: zones[name] == zone)],  # type: ignore[misc]
    )


def _no_part(plan: Plan, name: str) -> Gate:
    return Gate(AND, tuple(part.name for part in plan.groups[name].parts))


# No part is called like these.
def _gone(name: str) -> str:
    return f"{name} gone"


def _spare(name: str) -> str:
    return f"{name} without a stand-in"


def _lost(name: str) -> str:
    return f"{name} lost"


class Single(NamedTuple):
    """A single point of failure."""

    part: str
    service: str
    stops: list[str]
    """Entry points whose users are no longer served."""
    comes_back: bool
    """Whether Mainstay starts it again."""

    @property
    def sentence(self) -> str:
        """What it means, in one sentence."""
        end = ", until it is started again" if self.comes_back else ""
        return f"losing {self.part} stops {listed(self.stops)}{end}"


def singles(plan: Plan, found: Collection[Loss]) -> Iterator[Single]:
    """Give the single points of failure of all entry points, in the order of the file."""
    stops: dict[str, list[str]] = {}
    for loss in found:
        for names in loss.cut_sets:
            if len(names) == 1:
                stops.setdefault(names[0], []).append(loss.entry)
    for group, part in plan.parts():
        if part.name in stops:
            yield Single(part.name, group.name, stops[part.name], group.runs and group.restart)


def listed(names: Collection[str]) -> str:
    """Write names as a sentence has them: `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
