"""The exact answers that simulations are held against."""

from mainstay.reliability.model.covered import k_of_n

UNITS, GROUPS, NEEDED = 20, 5, 2
LIFE, REPAIR = 900.0, 100.0
CREW, OF_ALL = 3, 17


def in_groups() -> float:
    """Give the availability of five groups of four, of each of which two have to work, all independent."""
    return k_of_n(NEEDED, UNITS // GROUPS, LIFE / (LIFE + REPAIR)) ** GROUPS


def with_crew() -> float:
    """Give the availability of 17 of 20 that share a crew of three: the machine-repair model (Feller, XVII.7)."""
    weights = [1.0]
    for broken in range(UNITS):
        failing, repairing = (UNITS - broken) / LIFE, min(CREW, broken + 1) / REPAIR
        weights.append(weights[-1] * failing / repairing)
    return sum(weights[: UNITS - OF_ALL + 1]) / sum(weights)
