"""The small cut sets of a tree whose diagram is too large, and what they say of its probability.

They are made from the gates, without a diagram of the whole, and nothing larger than the order is ever kept. When the top event
happens, either one of them has happened, or more basic events than the order at once: that bounds what was left out.
"""

from collections.abc import Mapping
from math import prod
from typing import NamedTuple

from mainstay.base.errors import SpecError
from mainstay.redundancy.structure.bounds import Bounds, depth
from mainstay.redundancy.structure.cutset import MENDS
from mainstay.redundancy.structure.family import EMPTY, NONE, Families, Sets
from mainstay.redundancy.structure.formula import AND, ATLEAST, Gate, Tree


class Between(NamedTuple):
    """A probability that is not known exactly."""

    low: float
    high: float


class SmallSets(Sets):
    """All minimal cut sets of at most so many failures."""

    def __init__(self, tree: Tree, order: int, bounds: Bounds) -> None:
        """Find them.

        Raises:
            SpecError: the tree has `not` or `xor`, or cannot be.
            TooLarge: even they do not fit into the bounds.
        """
        if not tree.is_coherent:
            raise SpecError(MENDS)
        names, self.events = tree.ordered()
        self.order = order
        families = Families(bounds)
        found = {name: families.node(place, NONE, EMPTY) for place, name in enumerate(self.events)}
        with depth(len(self.events)):
            for name in names:
                gate = tree.gates[name]
                found[name] = _gate(families, gate, [found[each] for each in gate.inputs], order)
        super().__init__(families, found[tree.top], self.events)

    def probability(self, chances: Mapping[str, float]) -> Between:
        """Give bounds of the probability of the top event, all basic events being independent."""
        likeliest = max((prod(chances[name] for name in each) for each in self), default=0.0)
        more = _more_than(self.order, [chances[name] for name in self.events])
        return Between(likeliest, min(1.0, self.rare_event(chances) + more))


def _gate(families: Families, gate: Gate, inputs: list[int], order: int) -> int:
    if gate.kind == ATLEAST:
        reached = [EMPTY] + [NONE] * gate.least
        for seen, each in enumerate(inputs, 1):
            for count in range(min(gate.least, seen), 0, -1):
                more = families.both(each, reached[count - 1], order)
                reached[count] = families.either(more, reached[count])
        return reached[gate.least]
    result = EMPTY if gate.kind == AND else NONE
    for each in sorted(inputs, reverse=True):
        result = families.both(each, result, order) if gate.kind == AND else families.either(each, result)
    return result


def _more_than(order: int, chances: list[float]) -> float:
    """Give the probability that more than so many of the events happen."""
    exactly = [1.0] + [0.0] * order
    more = 0.0
    for chance in chances:
        more += chance * exactly[order]
        for count in range(order, 0, -1):
            exactly[count] += chance * (exactly[count - 1] - exactly[count])
        exactly[0] *= 1.0 - chance
    return more
