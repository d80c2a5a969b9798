"""Common causes: what makes several equal parts fail at once, so that they are less redundant than they look.

The formulas are those of the Open-PSA Model Exchange Format. Each gives, for k from 1 to n, the probability that exactly one
certain set of k of the n parts fails by a cause that is theirs alone.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import comb, prod

from mainstay.base.errors import SpecError
from mainstay.redundancy.structure.formula import OR, Gate, Tree

MOST = 12
"""Parts that a group may have: each set of them becomes an event of its own, and there are 2 to the power of it."""


def beta(total: float, parts: int, factor: float) -> list[float]:
    """The beta factor: a share of the failures takes all parts, the others take one."""
    _share("beta", factor)
    return [(1.0 - factor) * total] + [0.0] * (parts - 2) + [factor * total]


def mgl(total: float, parts: int, factors: Sequence[float]) -> list[float]:
    """Multiple Greek letters: of failures that take k - 1 parts at least, the share that takes one more.

    Args:
        total: The probability that a part fails, by whatever cause.
        parts: How many there are.
        factors: Beta, gamma, delta, …: one less than there are parts; missing ones are 0.
    """
    for factor in factors:
        _share("MGL", factor)
    if len(factors) >= parts:
        raise SpecError(f"MGL has at most {parts - 1} factors for {parts} parts, not {len(factors)}")
    letters = [1.0, *factors, *[0.0] * (parts - len(factors))]
    return [
        prod(letters[:size]) * (1.0 - letters[size]) * total / comb(parts - 1, size - 1)
        for size in range(1, parts + 1)
    ]


def alpha(total: float, parts: int, factors: Sequence[float]) -> list[float]:
    """Alpha factors: of all failures, the share that takes 1, 2, …, n parts at once (not staggered)."""
    for factor in factors:
        _share("alpha", factor)
    if len(factors) != parts or not sum(factors):
        raise SpecError(f"there are {parts} parts, so there must be {parts} alpha factors, not all 0")
    weight = sum(size * factor for size, factor in enumerate(factors, 1))
    return [
        size / comb(parts - 1, size - 1) * factor / weight * total for size, factor in enumerate(factors, 1)
    ]


def with_cause(
    tree: Tree, chances: Mapping[str, float], members: Sequence[str], sizes: Sequence[float]
) -> tuple[Tree, dict[str, float]]:
    """Give the tree in which the members of a group fail alone or together, and the probabilities of its events.

    Args:
        tree: Where the members are basic events.
        chances: The probabilities of all basic events; those of the members are replaced.
        members: The equal parts of the group.
        sizes: What `beta`, `mgl` or `alpha` gave.
    """
    if not 1 < len(members) <= MOST:
        raise SpecError(f"a group of common causes has 2 to {MOST} parts, not {len(members)}")
    for member in members:
        if member in tree.gates or members.count(member) > 1:
            raise SpecError(f"{member}: must be a basic event that is in one group of common causes, once")
    gates, found = dict(tree.gates), dict(chances)
    causes: dict[str, list[str]] = {member: [] for member in members}
    for size, chance in enumerate(sizes, 1):
        for together in combinations(members, size) if chance else ():
            name = f"[{' '.join(together)}]"
            found[name] = chance
            for member in together:
                causes[member].append(name)
    for member, names in causes.items():
        gates[member] = Gate(OR, tuple(names))
        found.pop(member, None)
    return Tree(tree.top, gates), found


def _share(what: str, factor: float) -> None:
    if not 0.0 <= factor <= 1.0:
        raise SpecError(f"a factor of {what} must be from 0 to 1, not {factor:g}")
