"""The availability model: worked numbers to the digits given, and laws that hold for all numbers."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.base.errors import SpecError
from mainstay.redundancy.structure.diagram import Diagram
from mainstay.redundancy.structure.formula import Gate, Tree
from mainstay.reliability.model.chain import Group, available, duplex, solved
from mainstay.reliability.model.covered import Unit, any_structure, by_fault, k_of_n
from mainstay.reliability.model.downtime import downtime, steady
from mainstay.reliability.model.replicas import choice, of_group

HOUR = 3600.0
# Structure after Heimann, Mittal and Trivedi: MTTF 6000 h, MTTR 1 h, failover 10 s, uncovered recovery 5 min.
DUPLEX = Group(units=2, mtbf=6000 * HOUR, mttr=HOUR, failover=10, recovery=300)


@pytest.mark.parametrize(
    ("n", "k", "told"),
    [
        (2, 1, [0.9999, 0.999702, 0.99891, 0.99792]),
        (3, 2, [0.999702, 0.99940797, 0.99823185, 0.9967617]),
        (3, 1, [0.999999, 0.9996990597, 0.9984998925, 0.9970022700]),
        (5, 3, [0.9999901494, 0.9994905424, 0.9974940552, 0.9950028125]),
        (4, 1, [0.99999999, 0.9996000504, 0.9980014914, 0.9960059894]),
        (8, 1, [1 - 1e-16, 0.9992002799, 0.9960069930, 0.9920279441]),
    ],
)
def test_k_of_n_with_coverage_of_each_element(n: int, k: int, told: list[float]) -> None:
    found = [k_of_n(k, n, 0.99, c) for c in (1.0, 0.99, 0.95, 0.90)]

    assert found == pytest.approx(told, abs=6e-11)


def test_coverage_that_falls_with_the_faults_there_are() -> None:
    assert by_fault(1, 4, 0.99, [0.99, 0.95, 0.9]) == pytest.approx(0.9995762728, abs=5e-11)


def _one_of(names: list[str]) -> object:
    def failing(units: Mapping[str, float]) -> float:
        chance = 1.0
        for name in names:
            chance *= units[name]
        return chance

    return failing


@given(st.integers(1, 6), st.floats(0, 1), st.floats(0, 1))
def test_any_structure_agrees_with_k_of_n(n: int, p: float, c: float) -> None:
    names = [f"web.{number}" for number in range(n)]

    found = any_structure({name: Unit(p, c) for name in names}, _one_of(names))  # type: ignore[arg-type]

    # The last one that works needs no cover: nothing is left to go on with, and 1-of-n fails either way.
    assert found == pytest.approx(k_of_n(1, n, p, c), abs=1e-12)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=3))
def test_any_structure_agrees_with_counting_all_states(told: list[tuple[float, float]]) -> None:
    """Of a database and one of two servers."""
    units = {name: Unit(*one) for name, one in zip(("db", "a", "b"), told, strict=True)}
    exact = 0.0
    for states in product(("up", "covered", "uncovered"), repeat=3):
        chance = 1.0
        for state, unit in zip(states, units.values(), strict=True):
            q = 1 - unit.available
            chance *= {
                "up": unit.available, "covered": q * unit.coverage, "uncovered": q * (1 - unit.coverage)
            }[state]  # fmt: skip
        works = states[0] == "up" and "up" in states[1:] and "uncovered" not in states
        exact += chance * works

    found = any_structure(units, lambda q: 1 - (1 - q["db"]) * (1 - q["a"] * q["b"]))

    assert found == pytest.approx(exact, abs=1e-12)


def test_a_decision_diagram_is_asked_for_the_structure() -> None:
    # Two of three web servers, and the database.
    gates = {"down": Gate("or", ("db", "webs")), "webs": Gate("atleast", ("a", "b", "c"), 2)}
    diagram = Diagram(Tree("down", gates))
    units = {"db": Unit(0.999), **{name: Unit(0.99, 0.95) for name in "abc"}}

    found = any_structure(units, diagram.probability)

    assert found == pytest.approx(0.999 * k_of_n(2, 3, 0.99, 0.95), abs=1e-12)


def test_more_replicas_than_three_make_it_worse_with_a_coverage_of_95_percent() -> None:
    found = choice(lambda n: k_of_n(1, n, 0.9, 0.95))

    assert found.available == pytest.approx(
        [0.9, 0.981, 0.984218, 0.980068, 0.975241, 0.970372, 0.965521, 0.960693], abs=5e-7
    )
    assert (found.best, found.worse) == (3, 4)
    assert found.gain(2) > 0 > found.gain(3)


def test_with_full_coverage_and_no_failover_time_more_never_hurts() -> None:
    found = choice(lambda n: k_of_n(1, n, 0.9))

    assert (found.best, found.worse) == (8, None)


@pytest.mark.parametrize(
    ("coverage", "share", "minutes"),
    [
        (1.0, 0.9999990188, [87.5854, 0.5157, 0.7299, 0.9732, 1.2165, 1.4598, 1.7030, 1.9463]),
        (0.99, 0.9999987504, [87.5854, 0.6568, 0.9416, 1.2554, 1.5692, 1.8831, 2.1969, 2.5108]),
        (0.95, 0.9999976767, [87.5854, 1.2211, 1.7882, 2.3843, 2.9803, 3.5764, 4.1724, 4.7685]),
        (0.90, 0.9999963346, [87.5854, 1.9266, 2.8465, 3.7953, 4.7442, 5.6930, 6.6418, 7.5906]),
    ],
)
def test_downtime_of_one_to_eight_units_that_fail_over_in_ten_seconds(
    coverage: float, share: float, minutes: list[float]
) -> None:
    group = replace(DUPLEX, coverage=coverage)

    found = of_group(group)

    assert duplex(group) == pytest.approx(share, abs=5e-11)
    assert [downtime(one) / 60 for one in found.available] == pytest.approx(minutes, abs=5e-5)
    assert (found.best, found.worse) == (2, 3)


@pytest.mark.parametrize(
    ("coverage", "share", "minutes"), [(0.5, 0.9999855976, 7.5699), (0.0, 0.9999721767, 14.6239)]
)
def test_downtime_of_a_duplex_of_little_coverage(coverage: float, share: float, minutes: float) -> None:
    found = duplex(replace(DUPLEX, coverage=coverage))

    assert found == pytest.approx(share, abs=5e-11)
    assert downtime(found) / 60 == pytest.approx(minutes, abs=5e-5)


def test_a_duplex_that_fails_over_at_once() -> None:
    at_once = replace(DUPLEX, failover=0.0, recovery=0.0)

    assert duplex(at_once) == pytest.approx(0.999999944463, abs=5e-13)
    assert available(replace(at_once, units=1)) == pytest.approx(0.9998333611, abs=5e-11)


@settings(deadline=None)  # the first one loads NumPy
@given(
    st.builds(
        Group,
        units=st.integers(3, 6),
        needed=st.integers(1, 3),
        crew=st.integers(1, 7),
        mtbf=st.floats(1e3, 1e8),
        mttr=st.floats(1, 1e5),
        coverage=st.floats(0, 1),
        failover=st.sampled_from([0.0, 0.5, 30.0]),
        recovery=st.sampled_from([0.0, 300.0, 3600.0]),
    )
)
def test_the_balance_of_neighbours_agrees_with_the_equations(group: Group) -> None:
    assert available(group) == pytest.approx(solved(group), abs=1e-9)


@given(st.floats(0, 1), st.floats(0, 1e3), st.floats(0, 1e4))
def test_the_closed_form_agrees_with_the_chain(coverage: float, failover: float, recovery: float) -> None:
    group = replace(DUPLEX, coverage=coverage, failover=failover, recovery=recovery)

    assert duplex(group) == pytest.approx(available(group), abs=1e-12)


def test_units_that_repair_themselves_are_independent() -> None:
    group = Group(units=3, mtbf=900, mttr=100, crew=3)

    assert available(group) == pytest.approx(k_of_n(1, 3, 0.9), abs=1e-12)


def test_what_never_fails_is_always_there() -> None:
    assert available(replace(DUPLEX, mtbf=float("inf"))) == 1
    assert steady(float("inf"), 300) == 1
    assert steady(900, 100) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: k_of_n(3, 2, 0.9), "k must be from 1 to the 2 units"),
        (lambda: k_of_n(1, 2, 1.1), "from 0 to 1"),
        (lambda: by_fault(1, 3, 0.9, [1]), "a coverage for each of 2 faults"),
        (lambda: Group(units=1, needed=2, mtbf=1, mttr=1), "needed must be"),
        (lambda: Group(units=1, mtbf=0, mttr=1), "mtbf must be above 0"),
        (lambda: Group(units=1, mtbf=1, mttr=-1), "mttr must be 0 or more"),
        (lambda: Group(units=1, mtbf=1, mttr=1, crew=0), "crew must be 1 or more"),
        (lambda: duplex(replace(DUPLEX, units=3)), "a duplex has 2 units"),
        (lambda: choice(lambda _: 1.0, most=0), "most must be 1 or more"),
        (lambda: choice(lambda _: 1.0, most=2).gain(2), "replicas must be from 1 to 1"),
    ],
)
def test_what_cannot_be_is_refused(wrong: object, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        wrong()  # type: ignore[operator]
