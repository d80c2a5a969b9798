"""A binary decision diagram: a formula as questions to one basic event after another, equal parts shared.

Reduced and ordered, as R. E. Bryant has it ("Graph-based algorithms for Boolean function manipulation", IEEE Transactions on
Computers C-35, 1986). Probability and importance are then exact, and take one walk over the nodes, however many cut
sets there are. A node is a number; those that it leads to have smaller ones.
"""

from collections.abc import Callable, Mapping, Sequence

from mainstay.base.errors import SpecError
from mainstay.redundancy.structure.bounds import Bounds, depth
from mainstay.redundancy.structure.formula import AND, ATLEAST, NOT, OR, Gate, Tree

FALSE, TRUE = 0, 1
_NOWHERE = 2**60
"""The level of what asks nothing more; below all others."""


class Diagram:
    """The diagram of one tree."""

    def __init__(self, tree: Tree, bounds: Bounds | None = None) -> None:
        """Build it.

        Raises:
            SpecError: the tree goes in a circle, or a gate cannot be.
            TooLarge: it does not fit into the bounds.
        """
        names, self.events = tree.ordered()
        self.bounds = bounds or Bounds()
        self.is_coherent = tree.is_coherent
        self.level = [_NOWHERE, _NOWHERE]
        self.low = [FALSE, TRUE]
        self.high = [FALSE, TRUE]
        self._known: dict[tuple[int, int, int], int] = {}
        self._both: dict[tuple[int, int], int] = {}
        self._either: dict[tuple[int, int], int] = {}
        self._negated: dict[int, int] = {FALSE: TRUE, TRUE: FALSE}
        built = {name: self._node(place, FALSE, TRUE) for place, name in enumerate(self.events)}
        with depth(len(self.events)):
            for name in names:
                gate = tree.gates[name]
                built[name] = self._gate(gate, [built[each] for each in gate.inputs])
        self.root = built[tree.top]
        self.nodes = self._below(self.root)
        """Those that the top event needs, the smallest number first."""

    def probability(self, chances: Mapping[str, float]) -> float:
        """Give the exact probability of the top event, all basic events being independent.

        Args:
            chances: The probability of each basic event.

        Raises:
            SpecError: one is missing, or no probability.
        """
        return self.probabilities(self.chances(chances))[self.root]

    def probabilities(self, chances: Sequence[float]) -> dict[int, float]:
        """Give for each node the probability that the answers from there on end in failure."""
        found = {FALSE: 0.0, TRUE: 1.0}
        for node in self.nodes:
            chance = chances[self.level[node]]
            found[node] = chance * found[self.high[node]] + (1.0 - chance) * found[self.low[node]]
        return found

    def chances(self, told: Mapping[str, float]) -> list[float]:
        """Give the probabilities of the basic events in the diagram's order; see `probability`."""
        for name in self.events:
            if name not in told:
                raise SpecError(f"{name}: has no probability")
            if not 0.0 <= told[name] <= 1.0:
                raise SpecError(f"{name}: must have a probability from 0 to 1, not {told[name]:g}")
        return [told[name] for name in self.events]

    def holds(self, failed: Callable[[str], bool]) -> bool:
        """Tell whether the top event happens when exactly those parts have failed of which `failed` says so."""
        node = self.root
        while node > TRUE:
            node = (self.high if failed(self.events[self.level[node]]) else self.low)[node]
        return node == TRUE

    def _gate(self, gate: Gate, inputs: list[int]) -> int:
        # From the last to the first: what comes later in the order is then below, and little is done twice.
        inputs = sorted(inputs, key=lambda node: self.level[node], reverse=True)
        if gate.kind == NOT:
            return self._not(inputs[0])
        if gate.kind == ATLEAST:
            return self._atleast(gate.least, inputs)
        result = TRUE if gate.kind == AND else FALSE
        for each in inputs:
            if gate.kind == AND:
                result = self._and(each, result)
            elif gate.kind == OR:
                result = self._or(each, result)
            else:
                result = self._xor(each, result)
        return result

    def _atleast(self, least: int, inputs: list[int]) -> int:
        # reached[n]: at least n of those seen so far. No list of all combinations is ever made.
        reached = [TRUE] + [FALSE] * least
        for seen, each in enumerate(inputs, 1):
            for count in range(min(least, seen), 0, -1):
                reached[count] = self._or(self._and(each, reached[count - 1]), reached[count])
        return reached[least]

    def _node(self, level: int, low: int, high: int) -> int:
        if low == high:
            return low
        key = (level, low, high)
        node = self._known.get(key)
        if node is None:
            self.bounds.step()
            node = self._known[key] = len(self.level)
            self.level.append(level)
            self.low.append(low)
            self.high.append(high)
        return node

    def _and(self, one: int, other: int) -> int:
        return self._joined(FALSE, self._both, one, other)

    def _or(self, one: int, other: int) -> int:
        return self._joined(TRUE, self._either, one, other)

    def _joined(self, decides: int, joined: dict[tuple[int, int], int], one: int, other: int) -> int:
        """Join two nodes by "and" or "or": one of the two terminals decides alone, and the other one changes nothing."""
        if one > other:
            one, other = other, one
        if one < 2:  # noqa: PLR2004 - false, or true
            return one if one == decides else other
        if one == other:
            return one
        known = joined.get((one, other))
        if known is not None:
            return known
        first, second = self.level[one], self.level[other]
        level = min(first, second)
        low, high = (self.low[one], self.high[one]) if first == level else (one, one)
        its_low, its_high = (self.low[other], self.high[other]) if second == level else (other, other)
        self.bounds.step()
        result = self._node(
            level,
            self._joined(decides, joined, low, its_low),
            self._joined(decides, joined, high, its_high),
        )
        joined[one, other] = result
        return result

    def _not(self, node: int) -> int:
        known = self._negated.get(node)
        if known is None:
            known = self._node(self.level[node], self._not(self.low[node]), self._not(self.high[node]))
            self._negated[node] = known
        return known

    def _xor(self, one: int, other: int) -> int:
        return self._or(self._and(one, self._not(other)), self._and(self._not(one), other))

    def _below(self, root: int) -> list[int]:
        seen, left = {FALSE, TRUE}, [root]
        while left:
            node = left.pop()
            if node not in seen:
                seen.add(node)
                left += (self.low[node], self.high[node])
        return sorted(seen - {FALSE, TRUE})
