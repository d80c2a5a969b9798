"""Minimal cut sets: the smallest sets of failures that bring the whole down.

They are kept as a zero-suppressed diagram (S. Minato, 1993), made from the decision diagram by A. Rauzy's rule ("New algorithms for
fault trees analysis", Reliability Engineering and System Safety 40, 1993): the minimal solutions of a node are those
without its event, and those with it that hold none of these. Billions of sets are counted without listing one.
"""

from collections.abc import Iterator, Mapping
from math import prod

from mainstay.base.errors import SpecError
from mainstay.redundancy.structure.bounds import depth
from mainstay.redundancy.structure.diagram import Diagram

_NONE, _EMPTY = 0, 1
_NOWHERE = 2**60


class CutSets:
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
            raise SpecError("minimal cut sets are those of trees without not, xor, nand and nor")
        self.order = order
        self._events = diagram.events
        self._bounds = diagram.bounds
        self._level, self._low, self._high = [_NOWHERE] * 2, [_NONE, _EMPTY], [_NONE, _EMPTY]
        self._known: dict[tuple[int, int, int], int] = {}
        self._kept: dict[tuple[int, int], int] = {}
        with depth(len(self._events)):
            self._root = self._minimal(diagram, order)

    def by_order(self) -> list[int]:
        """Give how many there are of 1, 2, 3, … failures; empty when there are none at all."""
        return self._counts()[self._root][1:]

    def __len__(self) -> int:
        return sum(self._counts()[self._root])

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        """Give one set after another, as names in the diagram's order."""
        left: list[tuple[int, tuple[str, ...]]] = [(self._root, ())]
        while left:
            node, names = left.pop()
            if node == _EMPTY:
                yield names
            elif node != _NONE:
                left.append((self._low[node], names))
                left.append((self._high[node], (*names, self._events[self._level[node]])))

    def rare_event(self, chances: Mapping[str, float]) -> float:
        """Give the sum of their probabilities, which is never below that of the top event when none is left out."""
        return sum(prod(chances[name] for name in each) for each in self)

    def _counts(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {_NONE: [], _EMPTY: [1]}
        # Every node has a larger number than those it leads to.
        for node in range(2, len(self._level)):
            found[node] = _sum(found[self._low[node]], [0, *found[self._high[node]]])
        return found

    def _minimal(self, diagram: Diagram, order: int | None) -> int:
        return self._cut(diagram, order) if order is not None else self._all(diagram)

    def _all(self, diagram: Diagram) -> int:
        found = {0: _NONE, 1: _EMPTY}
        for node in diagram.nodes:
            without, having = found[diagram.low[node]], found[diagram.high[node]]
            found[node] = self._node(diagram.level[node], without, self._beyond(having, without))
        return found[diagram.root]

    def _cut(self, diagram: Diagram, order: int) -> int:
        # found[node][n]: of at most n failures. What is longer can be no part of what is shorter.
        found = {0: [_NONE] * (order + 1), 1: [_EMPTY] * (order + 1)}
        for node in diagram.nodes:
            without, having = found[diagram.low[node]], found[diagram.high[node]]
            level = diagram.level[node]
            found[node] = [without[0]] + [
                self._node(level, without[most], self._beyond(having[most - 1], without[most - 1]))
                for most in range(1, order + 1)
            ]
        return found[diagram.root][order]

    def _node(self, level: int, low: int, high: int) -> int:
        if high == _NONE:
            return low
        key = (level, low, high)
        node = self._known.get(key)
        if node is None:
            self._bounds.step()
            node = self._known[key] = len(self._level)
            self._level.append(level)
            self._low.append(low)
            self._high.append(high)
        return node

    def _beyond(self, sets: int, smaller: int) -> int:
        """Give those of the sets in which none of the smaller ones is contained."""
        if smaller == _EMPTY or sets in (smaller, _NONE):
            return _NONE
        if smaller == _NONE or sets == _EMPTY:
            return sets
        known = self._kept.get((sets, smaller))
        if known is not None:
            return known
        mine, its = self._level[sets], self._level[smaller]
        if mine > its:
            result = self._beyond(sets, self._low[smaller])
        elif mine < its:
            low = self._beyond(self._low[sets], smaller)
            result = self._node(mine, low, self._beyond(self._high[sets], smaller))
        else:
            high = self._beyond(self._beyond(self._high[sets], self._high[smaller]), self._low[smaller])
            result = self._node(mine, self._beyond(self._low[sets], self._low[smaller]), high)
        self._bounds.step()
        self._kept[sets, smaller] = result
        return result


def _sum(one: list[int], other: list[int]) -> list[int]:
    if len(one) < len(other):
        one, other = other, one
    return [count + (other[place] if place < len(other) else 0) for place, count in enumerate(one)]
