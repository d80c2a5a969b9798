import pytest

from mainstay.base.errors import SpecError
from mainstay.redundancy.structure.cause import alpha, beta, mgl, with_cause
from mainstay.redundancy.structure.cutset import CutSets
from mainstay.redundancy.structure.diagram import Diagram
from mainstay.redundancy.structure.formula import Gate, Tree

TRAINS = Tree(
    "top",
    {
        "top": Gate("and", ("t1", "t2", "t3")),
        **{f"t{n}": Gate("or", (f"pump-{n}", f"valve-{n}")) for n in (1, 2, 3)},
    },
)
"""Three trains, each of a pump and a valve that fail with 0.1: all of them must fail."""
GROUPS = [[f"{part}-{n}" for n in (1, 2, 3)] for part in ("pump", "valve")]
CHANCES = {name: 0.1 for group in GROUPS for name in group}


@pytest.mark.parametrize(
    ("sizes", "probability", "sets"),
    [
        (None, 0.006859, 8),
        (beta(0.1, 3, 0.2), 1 - 0.98**2 * (1 - 0.1536**3), 10),
        (mgl(0.1, 3, [0.2, 0.1]), 0.0162948, 34),
        (alpha(0.1, 3, [0.7, 0.2, 0.1]), 0.0529814, 34),
    ],
    ids=["none", "beta", "mgl", "alpha"],
)
def test_three_trains_with_common_causes_fail_as_published(sizes, probability, sets):
    tree, chances = TRAINS, CHANCES
    for group in GROUPS if sizes else ():
        tree, chances = with_cause(tree, chances, group, sizes)

    diagram = Diagram(tree)

    assert diagram.probability(chances) == pytest.approx(probability, abs=5e-8)
    assert len(CutSets(diagram)) == sets


def test_each_part_fails_as_often_as_before():
    for sizes in (beta(0.1, 3, 0.3), mgl(0.1, 3, [0.3, 0.5]), alpha(0.1, 3, [0.9, 0.07, 0.03])):
        # One part is in one set of one, two sets of two, one set of three.
        assert sizes[0] + 2 * sizes[1] + sizes[2] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: beta(0.1, 3, 1.5), "beta must be from 0 to 1, not 1.5"),
        (lambda: mgl(0.1, 3, [0.1, 0.1, 0.1]), "at most 2 factors for 3 parts, not 3"),
        (lambda: alpha(0.1, 3, [0.1]), "must be 3 alpha factors"),
        (lambda: with_cause(TRAINS, CHANCES, ["pump-1", "t1"], [0.1, 0.1]), "t1: must be a basic event"),
        (
            lambda: with_cause(TRAINS, CHANCES, ["pump-1"] * 2, [0.1, 0.1]),
            "in one group of common causes, once",
        ),
        (lambda: with_cause(TRAINS, CHANCES, ["pump-1"], [0.1]), "2 to 12 parts, not 1"),
    ],
)
def test_factors_that_cannot_be_are_refused(build, said):
    with pytest.raises(SpecError, match=said):
        build()
