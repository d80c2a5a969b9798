"""The simulator agrees, within the error that it states, with everything that has a closed form."""

from dataclasses import replace
from math import gamma

import pytest
from benchmarks.montecarlo.exact import CREW, LIFE, OF_ALL, REPAIR, UNITS, with_crew

from mainstay.base.errors import SpecError
from mainstay.reliability.model.chain import Group, available
from mainstay.reliability.model.covered import k_of_n
from mainstay.reliability.model.simulation import (
    Law,
    Members,
    Part,
    Plan,
    Simulated,
    ageing,
    by_chance,
    fixed,
    simulate,
)

UNIT = Part(life=by_chance(900), repair=by_chance(100))
# Of a hundred million runs one would miss by this many standard errors; and the seed is fixed.
FAR = 5.5


def agrees(found: Simulated, exact: float) -> bool:
    return abs(found.available - exact) <= FAR * found.error and found.error < 0.01


def run(plan: Plan, horizon: float = 20_000) -> Simulated:
    return simulate(plan, horizon, seed=3, settle=3_000, histories=400)


def test_independent_parts_agree_with_the_formula() -> None:
    plan = Plan(parts=[UNIT] * 4, groups=[Members([[0], [1], [2]], 2), Members([[3]])])

    found = run(plan)

    assert agrees(found, k_of_n(2, 3, 0.9) * 0.9)
    assert found.interval.low < found.available < found.interval.high
    assert found.events > 4 * 400 * 20_000 / 1000


@pytest.mark.parametrize("crew", [1, 2])
def test_a_shared_crew_agrees_with_the_chain(crew: int) -> None:
    # In the chain nothing fails while it is down, so here all three have to be lost.
    plan = Plan(parts=[replace(UNIT, life=by_chance(300))] * 3, groups=[Members([[0], [1], [2]])], crew=crew)

    assert agrees(run(plan), available(Group(units=3, mtbf=300, mttr=100, crew=crew)))


def test_twenty_that_share_a_crew_agree_with_the_machine_repair_model() -> None:
    unit = Part(life=by_chance(LIFE), repair=by_chance(REPAIR))
    plan = Plan(parts=[unit] * UNITS, groups=[Members([[n] for n in range(UNITS)], OF_ALL)], crew=CREW)

    assert agrees(run(plan), with_crew())


def test_a_crew_that_is_large_enough_is_none() -> None:
    plan = Plan(parts=[UNIT] * 3, groups=[Members([[0], [1], [2]], 2)], crew=3)

    assert agrees(run(plan), k_of_n(2, 3, 0.9))


def test_failing_over_agrees_with_the_chain() -> None:
    unit = Part(life=by_chance(900), repair=by_chance(100), coverage=0.8, failover=0.5, recovery=5.0)
    plan = Plan(parts=[unit] * 2, groups=[Members([[0], [1]])])

    exact = available(Group(units=2, crew=2, mtbf=900, mttr=100, coverage=0.8, failover=0.5, recovery=5.0))

    # In the chain a failure waits for the end of a failover, which is of the second order here.
    assert run(plan, 100_000).available == pytest.approx(exact, abs=4e-4)


def test_what_ages_is_available_as_its_means_say_when_parts_are_independent() -> None:
    plan = Plan(parts=[Part(life=ageing(900, 3), repair=ageing(100, 0.7))], groups=[Members([[0]])])

    assert agrees(run(plan, 60_000), 0.9)


def test_a_zone_takes_all_its_members_with_it() -> None:
    zone = Part(life=by_chance(1900), repair=by_chance(100), crewed=False)
    plan = Plan(parts=[UNIT, UNIT, zone], groups=[Members([[0, 2], [1, 2]])])

    assert agrees(run(plan), 0.95 * 0.99)


def test_a_maintenance_window_takes_its_share_of_the_time() -> None:
    window = Part(life=fixed(90), repair=fixed(10), crewed=False, first=50)
    plan = Plan(parts=[window], groups=[Members([[0]])])

    found = simulate(plan, 1000, seed=1, histories=2)

    assert found.available == pytest.approx(0.9)
    assert found.events == 2 * 20


def test_the_same_seed_gives_the_same_and_another_one_does_not() -> None:
    plan = Plan(parts=[UNIT] * 2, groups=[Members([[0], [1]])], crew=1)

    first, again, other = (simulate(plan, 5000, seed, histories=50) for seed in (1, 1, 2))

    assert first == again != other


def test_laws_have_the_means_that_were_asked_for() -> None:
    assert ageing(100, 2).mean == pytest.approx(100)
    assert by_chance(100).mean == 100
    assert fixed(100).mean == 100
    assert Law(1, 0.5).mean == pytest.approx(gamma(1.5))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: Part(life=by_chance(0), repair=by_chance(1)), "scale above 0"),
        (lambda: replace(UNIT, coverage=2), "from 0 to 1"),
        (lambda: replace(UNIT, failover=-1), "0 or more"),
        (lambda: Plan(parts=[UNIT], groups=[Members([[0]], 2)]), "needed must be from 1"),
        (lambda: Plan(parts=[UNIT], groups=[Members([[1]])]), "a part that is not there"),
        (lambda: Plan(parts=[UNIT], groups=[]), "parts, groups"),
        (lambda: simulate(Plan(parts=[UNIT], groups=[Members([[0]])]), 0, 1), "horizon"),
    ],
)
def test_what_cannot_be_is_refused(wrong: object, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        wrong()  # type: ignore[operator]
