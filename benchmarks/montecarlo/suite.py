"""`python -m benchmarks montecarlo`: failures and repairs in a second on one core, and whether the result is true.

Two systems of 20 parts: five groups of four, all independent, and 17 of 20 with a shared crew. Both have an exact answer. Run it
alone on its core: `taskset -c 1 python -m benchmarks montecarlo`.
"""

import argparse
import importlib.util
import time
from typing import NamedTuple

from benchmarks.montecarlo.exact import (
    CREW,
    GROUPS,
    LIFE,
    NEEDED,
    OF_ALL,
    REPAIR,
    UNITS,
    in_groups,
    with_crew,
)
from mainstay.reliability.model.simulation import Members, Part, Plan, Simulated, by_chance, simulate

WANTED = 5e6
"""Events in a second."""
FAR = 3.5
"""Standard errors beyond which a result is not the exact one."""


class Case(NamedTuple):
    """One system."""

    name: str
    plan: Plan
    exact: float
    crew: bool


def _cases() -> list[Case]:
    part = Part(life=by_chance(LIFE), repair=by_chance(REPAIR))
    size = UNITS // GROUPS
    groups = [Members([[one * size + n] for n in range(size)], NEEDED) for one in range(GROUPS)]
    together = [Members([[n] for n in range(UNITS)], OF_ALL)]
    return [
        Case(
            "5 groups of 4, independent", Plan(parts=[part] * UNITS, groups=groups), in_groups(), crew=False
        ),
        Case(
            "17 of 20, a crew of 3",
            Plan(parts=[part] * UNITS, groups=together, crew=CREW),
            with_crew(),
            crew=True,
        ),
    ]


def main(argv: list[str] | None = None) -> int:
    """Run it; give 0 if it was fast and true."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks montecarlo", description=__doc__)
    parser.add_argument("--horizon", type=float, default=20_000.0, help="seconds of each history")
    parser.add_argument("--rounds", type=int, default=3, help="of which the fastest counts")
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args(argv)
    met = [_compare(case, told) for case in _cases()]
    return 0 if all(met) else 1


def _compare(case: Case, told: argparse.Namespace) -> bool:
    best, found = _ours(case, told)
    away = (found.available - case.exact) / found.error
    fine = best >= WANTED and abs(away) <= FAR
    print(f"{case.name}: exact {case.exact:.6f}")
    print(
        f"  mainstay {best / 1e6:6.2f} M events/s  {found.available:.6f} ± {1.96 * found.error:.6f}"
        f"  ({away:+.1f} standard errors)  bound {WANTED / 1e6:g} M: {'met' if fine else 'MISSED'}"
    )
    _peer(case, told, best)
    return fine


def _ours(case: Case, told: argparse.Namespace) -> tuple[float, Simulated]:
    best = 0.0
    for _ in range(told.rounds):
        begun = time.perf_counter()
        found = simulate(case.plan, told.horizon, told.seed, settle=told.horizon / 10)
        best = max(best, found.events / (time.perf_counter() - begun))
    return best, found


def _peer(case: Case, told: argparse.Namespace, ours: float) -> None:
    if importlib.util.find_spec("simpy") is None:
        print("  SimPy is not installed: pip install --group bench")
        return
    from benchmarks.montecarlo.simpy_peer import Plant  # noqa: PLC0415 - only where it is installed

    best = 0.0
    for number in range(told.rounds):
        plant = Plant(told.seed + number, crew=case.crew)
        begun = time.perf_counter()
        available = plant.run(told.horizon * 250)
        best = max(best, plant.events / (time.perf_counter() - begun))
    print(
        f"  SimPy    {best / 1e6:6.2f} M events/s  {available:.6f}; Mainstay does {ours / best:.0f} times as many"
    )
