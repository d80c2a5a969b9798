"""Which part matters most; five questions, each with its own answer.

From the exact probability, as SCRAM defines them (its documentation, "Importance analysis"). S is the top event, e a basic one.
"""

from collections.abc import Mapping
from math import inf
from typing import NamedTuple

from mainstay.redundancy.structure.diagram import Diagram


class Importance(NamedTuple):
    """How much one basic event matters."""

    birnbaum: float
    """P(S | e) - P(S | not e): how much worse it gets when e happens."""

    criticality: float
    """P(e) / P(S) · birnbaum: the share of the failures in which e is what makes the difference. It is 1 - 1 / RRW, which most
    call the Fussell-Vesely importance."""

    diagnostic: float
    """P(e | S): the share of the failures in which e has happened, whether it made a difference or not."""

    achievement: float
    """P(S | e) / P(S): how many times as likely failure is once e has happened (RAW)."""

    reduction: float
    """P(S) / P(S | not e): how many times as likely as without e (RRW); infinite when nothing fails without it."""


def importance(diagram: Diagram, chances: Mapping[str, float]) -> dict[str, Importance]:
    """Give the importance of every basic event, in two walks over the diagram.

    Raises:
        SpecError: a probability is missing, or none.
    """
    each = diagram.chances(chances)
    below = diagram.probabilities(each)
    total = below[diagram.root]
    # The probability that a walk from the top comes by: parents before children.
    reached = dict.fromkeys(below, 0.0) | {diagram.root: 1.0}
    slopes = [0.0] * len(each)
    for node in reversed(diagram.nodes):
        low, high, level = diagram.low[node], diagram.high[node], diagram.level[node]
        slopes[level] += reached[node] * (below[high] - below[low])
        reached[high] += reached[node] * each[level]
        reached[low] += reached[node] * (1.0 - each[level])
    return {
        name: _of(slope, chance, total)
        for name, slope, chance in zip(diagram.events, slopes, each, strict=True)
    }


def _of(slope: float, chance: float, total: float) -> Importance:
    with_it, without = total + (1.0 - chance) * slope, total - chance * slope
    if total == 0.0:
        return Importance(slope, 0.0, 0.0, inf if with_it > 0.0 else 1.0, 1.0)
    # What is left of a difference of equals is rounding.
    without = 0.0 if without < total * 1e-12 else without
    return Importance(
        birnbaum=slope,
        criticality=chance / total * slope,
        diagnostic=chance * with_it / total,
        achievement=with_it / total,
        reduction=total / without if without else inf,
    )
