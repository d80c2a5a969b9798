from math import inf

import pytest

from mainstay.redundancy.structure.cutset import CutSets
from mainstay.redundancy.structure.diagram import Diagram
from mainstay.redundancy.structure.formula import Gate, Tree
from mainstay.redundancy.structure.importance import importance

THEATRE = Tree("dark", {"dark": Gate("and", ("mains", "spare")), "spare": Gate("or", ("generator", "relay"))})
CHANCES = {"mains": 0.03, "generator": 0.02, "relay": 0.05}


def test_the_importances_of_the_theatre_are_the_published_ones():
    found = importance(Diagram(THEATRE), CHANCES)

    assert found["mains"] == pytest.approx((0.069, 1.0, 1.0, 33.3333333, inf), rel=1e-6)
    assert found["generator"] == pytest.approx((0.0285, 0.275362, 0.289855, 14.492754, 1.38), rel=1e-5)
    assert found["relay"] == pytest.approx((0.0294, 0.710145, 0.724638, 14.492754, 3.45), rel=1e-5)


def test_the_rare_event_sum_of_the_theatre_is_above_its_probability():
    diagram = Diagram(THEATRE)

    assert CutSets(diagram).rare_event(CHANCES) == pytest.approx(0.0021)
    assert diagram.probability(CHANCES) == pytest.approx(0.00207)


def test_what_cannot_fail_has_no_infinite_share_in_it():
    found = importance(Diagram(THEATRE), {"mains": 0.0, "generator": 0.5, "relay": 0.0})

    assert found["mains"] == (0.5, 0.0, 0.0, inf, 1.0)
    assert found["generator"] == (0.0, 0.0, 0.0, 1.0, 1.0)
