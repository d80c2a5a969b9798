"""Imperfect coverage: a spare is worth something only if the failure that calls for it is survived.

Coverage `c` is the chance that the system goes on when a part of it fails (Bouricius, Carter and Schneider, 1969). A failure
that is not covered takes everything down, however many spares there are. Two models of it (Myers, 2007):

- element level: each part has its own coverage, whatever else is broken: `k_of_n`, and `any_structure`;
- fault level: coverage depends on how many faults there are already in the group: `by_fault`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from mainstay.base.errors import SpecError

Failing = Callable[[Mapping[str, float]], float]
"""Gives the chance that a structure has failed, for the chance of each of its units: what a decision diagram is asked."""


class Unit(NamedTuple):
    """One part of a structure."""

    available: float
    """The share of time in which it works."""
    coverage: float = 1.0
    """The chance that the system goes on when it fails."""


def k_of_n(k: int, n: int, available: float, coverage: float = 1.0) -> float:
    """Give the availability of `n` like units of which `k` have to work, with a coverage of each failure.

    Raises:
        SpecError: numbers that cannot be.
    """
    return by_fault(k, n, available, [coverage] * (n - k if n > k else 0))


def by_fault(k: int, n: int, available: float, coverages: Sequence[float]) -> float:
    """Give the availability of `n` like units of which `k` have to work, with a coverage that depends on the fault.

    Args:
        k: How many have to work.
        n: How many there are.
        available: The share of time in which each works.
        coverages: Of the first fault, the second, and so on: one for each of the `n - k` that can be survived.

    Raises:
        SpecError: numbers that cannot be.
    """
    if not 1 <= k <= n:
        raise SpecError(f"k must be from 1 to the {n} units, not {k}")
    if len(coverages) < n - k:
        raise SpecError(f"there must be a coverage for each of {n - k} faults, not {len(coverages)}")
    for share in (available, *coverages):
        refuse_share(share)
    survived, terms = 1.0, []
    for faults in range(n - k + 1):
        if faults:
            survived *= coverages[faults - 1]
        terms.append(math.comb(n, faults) * available ** (n - faults) * (1 - available) ** faults * survived)
    return min(1.0, math.fsum(terms))


def any_structure(units: Mapping[str, Unit], failing: Failing) -> float:
    """Give the availability of any structure, with a coverage for each of its units.

    A unit brings everything down with chance `u = q (1 - c)`; where none does, it has failed with chance `q c / (1 - u)`, and
    the structure decides as if all failures were covered (Amari, Dugan and Misra, 1999). So one diagram serves for both.

    Args:
        units: By name.
        failing: Of the structure; it is asked once.

    Raises:
        SpecError: numbers that cannot be.
    """
    alone, rest = {}, 1.0
    for name, (available, coverage) in units.items():
        refuse_share(available)
        refuse_share(coverage)
        uncovered = (1 - available) * (1 - coverage)
        rest *= 1 - uncovered
        alone[name] = (1 - available) * coverage / (1 - uncovered) if uncovered < 1 else 0.0
    return rest * (1 - failing(alone))


def refuse_share(share: float) -> None:
    """Refuse what is no share.

    Raises:
        SpecError: it is not from 0 to 1.
    """
    if not 0 <= share <= 1:
        raise SpecError(f"a share must be from 0 to 1, not {share}")
