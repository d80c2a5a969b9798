"""The simulator plays the system of a prediction."""

from dataclasses import replace

import pytest

from mainstay.reliability.model import parameter
from mainstay.reliability.model.covered import k_of_n
from mainstay.reliability.model.parameter import declared
from mainstay.reliability.model.played import Beyond, plan, played
from mainstay.reliability.model.prediction import Component, predict

WEB = Component(name="web", units=2, mtbf=declared(900), mttr=declared(100))
DB = Component(name="db", units=1, mtbf=declared(9900), mttr=declared(100))
ZONES = Component(name="zone", units=2, mtbf=declared(1900), mttr=declared(100))
FEW = 300_000


def test_what_has_a_formula_agrees_with_it() -> None:
    found = played([WEB, DB], Beyond(), seed=1, events=FEW)

    exact = predict([WEB, DB], seed=1).available
    assert abs(found.available - exact) < 5 * found.error


def test_a_zone_that_is_lost_takes_its_units_and_not_what_stands_alone() -> None:
    found = played([WEB, DB], Beyond(zones=ZONES), seed=1, events=FEW)

    exact = k_of_n(1, 2, 0.9 * 0.95) * 0.99
    assert abs(found.available - exact) < 5 * found.error


def test_windows_take_one_unit_after_another() -> None:
    found = plan([WEB, DB], Beyond(windows={"web": (60.0, 600.0)}))

    assert [part.first for part in found.parts] == [None, None, 150.0, 450.0, None]
    assert [list(places) for places in found.groups[0].places] == [[0, 2], [1, 3]]


def test_one_crew_for_all_makes_repairs_wait() -> None:
    alone, shared = (
        played([replace(WEB, units=4, needed=3)], Beyond(crew=crew), seed=1, events=FEW) for crew in (None, 1)
    )

    assert shared.interval.high < alone.interval.low


def test_without_a_failure_the_worse_end_is_played() -> None:
    never = replace(DB, mtbf=parameter.mtbf(1e6, 0))

    assert plan([never], Beyond()).parts[0].life.mean == pytest.approx(never.mtbf.interval.low)
