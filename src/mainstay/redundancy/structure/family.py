"""Families of sets as a zero-suppressed decision diagram: equal parts shared, whatever their number.

After S. Minato ("Zero-suppressed BDDs for set manipulation in combinatorial problems", DAC 1993). All families here are minimal:
no set contains another one of the same family. A family is a number; those that it is made of have smaller ones.
"""

from collections.abc import Iterator, Mapping, Sequence

from mainstay.redundancy.structure.bounds import Bounds

NONE, EMPTY = 0, 1
"""The family without a set, and that of the empty set alone."""
_NOWHERE = 2**60


class Families:
    """Families over the same elements, which are numbered from 0."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._level, self._low, self._high = [_NOWHERE] * 2, [NONE, EMPTY], [NONE, EMPTY]
        self._known: dict[tuple[int, int, int], int] = {}
        self._kept: dict[tuple[int, int], int] = {}
        self._joined: dict[tuple[int, int], int] = {}
        self._crossed: dict[tuple[int, int, int], int] = {}

    def node(self, level: int, low: int, high: int) -> int:
        """Give the sets of `low`, and those of `high` with one element more, which stands before all of theirs."""
        if high == NONE:
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

    def beyond(self, sets: int, smaller: int) -> int:
        """Give those of the sets in which none of the smaller ones is contained."""
        if smaller == EMPTY or sets in (smaller, NONE):
            return NONE
        if smaller == NONE or sets == EMPTY:
            return sets
        known = self._kept.get((sets, smaller))
        if known is not None:
            return known
        mine, its = self._level[sets], self._level[smaller]
        if mine > its:
            result = self.beyond(sets, self._low[smaller])
        elif mine < its:
            low = self.beyond(self._low[sets], smaller)
            result = self.node(mine, low, self.beyond(self._high[sets], smaller))
        else:
            high = self.beyond(self.beyond(self._high[sets], self._high[smaller]), self._low[smaller])
            result = self.node(mine, self.beyond(self._low[sets], self._low[smaller]), high)
        self._bounds.step()
        self._kept[sets, smaller] = result
        return result

    def either(self, one: int, other: int) -> int:
        """Give the smallest sets of both."""
        if one > other:
            one, other = other, one
        if one in (NONE, other):
            return other
        if one == EMPTY:
            return EMPTY
        known = self._joined.get((one, other))
        if known is not None:
            return known
        level = min(self._level[one], self._level[other])
        low, high = self._split(one, level)
        its_low, its_high = self._split(other, level)
        without = self.either(low, its_low)
        result = self.node(level, without, self.beyond(self.either(high, its_high), without))
        self._bounds.step()
        self._joined[one, other] = result
        return result

    def both(self, one: int, other: int, most: int) -> int:
        """Give the smallest sets that contain one of each, of at most so many elements."""
        if one > other:
            one, other = other, one
        if one == NONE or most < 0:
            return NONE
        if other == EMPTY:
            return EMPTY
        known = self._crossed.get((one, other, most))
        if known is not None:
            return known
        level = min(self._level[one], self._level[other])
        low, high = self._split(one, level)
        its_low, its_high = self._split(other, level)
        without = self.both(low, its_low, most)
        # Those that have the element on either side, or on both.
        whole = self.either(
            self.both(high, self.either(its_high, its_low), most - 1), self.both(low, its_high, most - 1)
        )
        result = self.node(level, without, self.beyond(whole, without))
        self._bounds.step()
        self._crossed[one, other, most] = result
        return result

    def _split(self, sets: int, level: int) -> tuple[int, int]:
        """Give those without the element, and those with it, without it."""
        return (self._low[sets], self._high[sets]) if self._level[sets] == level else (sets, NONE)

    def below(self, root: int) -> list[int]:
        """Give all that a family is made of, the smallest number first."""
        seen, left = {NONE, EMPTY}, [root]
        while left:
            node = left.pop()
            if node not in seen:
                seen.add(node)
                left += (self._low[node], self._high[node])
        return sorted(seen - {NONE, EMPTY})

    def sizes(self, root: int) -> list[int]:
        """Give how many sets there are of 0, 1, 2, … elements."""
        found: dict[int, list[int]] = {NONE: [], EMPTY: [1]}
        for node in self.below(root):
            found[node] = _sum(found[self._low[node]], [0, *found[self._high[node]]])
        return found[root]

    def weight(self, root: int, weights: Sequence[float]) -> float:
        """Give the sum over all sets of the product of their elements' weights."""
        found = {NONE: 0.0, EMPTY: 1.0}
        for node in self.below(root):
            found[node] = found[self._low[node]] + weights[self._level[node]] * found[self._high[node]]
        return found[root]

    def sets(self, root: int) -> Iterator[list[int]]:
        """Give one set after another."""
        left: list[tuple[int, list[int]]] = [(root, [])]
        while left:
            node, elements = left.pop()
            if node == EMPTY:
                yield elements
            elif node != NONE:
                left.append((self._low[node], elements))
                left.append((self._high[node], [*elements, self._level[node]]))


class Sets:
    """One family, by the names of its elements."""

    def __init__(self, families: Families, root: int, names: Sequence[str]) -> None:
        self._families = families
        self._root = root
        self._names = names

    def by_order(self) -> list[int]:
        """Give how many there are of 1, 2, 3, … elements; empty when there are none at all."""
        return self._families.sizes(self._root)[1:]

    def __len__(self) -> int:
        return sum(self._families.sizes(self._root))

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        """Give one set after another, as names."""
        return (tuple(self._names[element] for element in each) for each in self._families.sets(self._root))

    def rare_event(self, chances: Mapping[str, float]) -> float:
        """Give the sum of their probabilities: never below the probability that all elements of one of them fail."""
        return self._families.weight(self._root, [chances[name] for name in self._names])


def _sum(one: list[int], other: list[int]) -> list[int]:
    if len(one) < len(other):
        one, other = other, one
    return [count + (other[place] if place < len(other) else 0) for place, count in enumerate(one)]
