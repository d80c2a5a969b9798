"""Minimal cut sets: the smallest sets of failures that bring the whole down.

From a decision diagram by A. Rauzy's rule ("New algorithms for fault trees analysis", Reliability Engineering and System Safety 40,
1993): the minimal solutions of a node are those without its event, and those with it that hold none of these.
Billions of sets are counted without listing one.
"""

from mainstay.base.errors import SpecError
from mainstay.redundancy.structure.bounds import depth
from mainstay.redundancy.structure.diagram import Diagram
from mainstay.redundancy.structure.family import EMPTY, NONE, Families, Sets

MENDS = "minimal cut sets are those of trees without not, xor, nand and nor"


class CutSets(Sets):
    """All minimal cut sets of a diagram, or those of at most so many failures."""

    def __init__(self, diagram: Diagram, order: int | None = None) -> None:
        """Find them.

        Args:
            diagram: Of a tree without `not` and `xor`.
            order: The most failures that a set may have; None: any number.

        Raises:
            SpecError: the tree has `not` or `xor`, so that a failure may mend what another broke.
            TooLarge: they do not fit into the diagram's bounds.
        """
        if not diagram.is_coherent:
            raise SpecError(MENDS)
        families = Families(diagram.bounds)
        with depth(len(diagram.events)):
            root = _cut(diagram, families, order) if order is not None else _all(diagram, families)
        super().__init__(families, root, diagram.events)


def _all(diagram: Diagram, families: Families) -> int:
    found = {0: NONE, 1: EMPTY}
    for node in diagram.nodes:
        without, having = found[diagram.low[node]], found[diagram.high[node]]
        found[node] = families.node(diagram.level[node], without, families.beyond(having, without))
    return found[diagram.root]


def _cut(diagram: Diagram, families: Families, order: int) -> int:
    # found[node][n]: of at most n failures. What is longer can be no part of what is shorter.
    found = {0: [NONE] * (order + 1), 1: [EMPTY] * (order + 1)}
    for node in diagram.nodes:
        without, having = found[diagram.low[node]], found[diagram.high[node]]
        level = diagram.level[node]
        found[node] = [without[0]] + [
            families.node(level, without[most], families.beyond(having[most - 1], without[most - 1]))
            for most in range(1, order + 1)
        ]
    return found[diagram.root][order]
