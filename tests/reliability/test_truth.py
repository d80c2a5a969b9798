"""Intervals of 95 % have to contain the truth in about 95 of 100 histories; `python -m benchmarks statistics` takes a thousand."""

import pytest
from benchmarks.statistics.truth import KINDS, Kind, contained

FEW = 150
# Of 150 histories with 95 %, fewer than 131 or more than 150 would come in one of 20,000 runs; and the seed is fixed.
LEAST = 131 / FEW


@pytest.mark.parametrize("kind", [one for one in KINDS if "MTTR" not in one.name], ids=lambda one: one.name)
def test_the_truth_is_in_the_interval_as_often_as_it_says(kind: Kind) -> None:
    assert contained(kind, FEW, seed=3) >= LEAST


@pytest.mark.parametrize("kind", [one for one in KINDS if "MTTR" in one.name], ids=lambda one: one.name)
def test_so_it_is_for_repairs_whose_interval_is_drawn(kind: Kind) -> None:
    assert contained(kind, 40, seed=3) >= 33 / 40
