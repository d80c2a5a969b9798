from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.errors import SpecError, TooLarge
from mainstay.redundancy.structure.bounds import Bounds
from mainstay.redundancy.structure.cutset import CutSets
from mainstay.redundancy.structure.diagram import Diagram
from mainstay.redundancy.structure.formula import MOST, Gate, Tree
from mainstay.redundancy.structure.truncation import SmallSets

ABC = {"a": 0.1, "b": 0.2, "c": 0.3}
"""The probabilities of the worked numbers, which come from the tests of SCRAM."""
THEATRE = Tree("dark", {"dark": Gate("and", ("mains", "spare")), "spare": Gate("or", ("generator", "relay"))})
TWO_TRAIN = Tree(
    "top",
    {"top": Gate("and", ("one", "two")), "one": Gate("or", ("v1", "p1")), "two": Gate("or", ("v2", "p2"))},
)


def tree(kind, *inputs, least=0):
    return Tree("top", {"top": Gate(kind, inputs, least)})


@pytest.mark.parametrize(
    ("told", "chances", "probability"),
    [
        (THEATRE, {"mains": 0.03, "generator": 0.02, "relay": 0.05}, 0.00207),
        (TWO_TRAIN, {"v1": 0.5, "v2": 0.5, "p1": 0.7, "p2": 0.7}, 0.7225),
        (tree("atleast", "a", "b", "c", least=2), ABC, 0.098),
        (tree("or", "a", "b", "c"), ABC, 0.496),
        (tree("xor", "a", "b", "c"), ABC, 0.404),
        (tree("and"), {}, 1.0),
        (tree("or"), {}, 0.0),
        (
            Tree(
                "top",
                {
                    "top": Gate("or", ("ab", "bc")),
                    "ab": Gate("and", ("a", "b")),
                    "bc": Gate("and", ("b", "c")),
                },
            ),
            ABC,
            0.074,
        ),
    ],
    ids=["theatre", "two trains", "2 of 3", "abc", "xor", "true", "false", "ab_bc"],
)
def test_the_probability_is_the_published_one(told, chances, probability):
    diagram = Diagram(told)

    assert diagram.probability(chances) == pytest.approx(probability, rel=1e-9)


NAMES = ("a", "b", "c", "d", "e")


@st.composite
def trees(draw, kinds=("and", "or", "atleast")):
    gates = {}
    for number in range(draw(st.integers(1, 5))):
        below = [*NAMES, *gates]
        inputs = tuple(draw(st.lists(st.sampled_from(below), min_size=1, max_size=4)))
        kind = draw(st.sampled_from(kinds))
        inputs = inputs[:1] if kind == "not" else inputs
        gates[f"g{number}"] = Gate(
            kind, inputs, draw(st.integers(1, len(inputs))) if kind == "atleast" else 0
        )
    return Tree(list(gates)[-1], gates)


def true(told, name, failed):
    gate = told.gates.get(name)
    if gate is None:
        return name in failed
    count = sum(true(told, each, failed) for each in gate.inputs)
    return {
        "and": count == len(gate.inputs),
        "or": count > 0,
        "atleast": count >= gate.least,
        "not": count == 0,
        "xor": count % 2 == 1,
    }[gate.kind]


def subsets():
    for chosen in product((False, True), repeat=len(NAMES)):
        yield frozenset(name for name, taken in zip(NAMES, chosen, strict=True) if taken)


@given(trees(("and", "or", "atleast", "not", "xor")))
def test_a_diagram_says_of_every_set_of_failures_what_its_formula_says(told):
    diagram = Diagram(told)

    for failed in subsets():
        assert diagram.holds(failed.__contains__) == true(told, told.top, failed)


@given(trees())
def test_cut_sets_are_the_smallest_sets_that_bring_it_down(told):
    down = [failed for failed in subsets() if true(told, told.top, failed)]
    smallest = {failed for failed in down if not any(other < failed for other in down)}
    diagram = Diagram(told)

    every, pairs = CutSets(diagram), CutSets(diagram, 2)

    assert sorted(map(sorted, every)) == sorted(map(sorted, smallest))
    assert sorted(map(sorted, pairs)) == sorted(sorted(each) for each in smallest if len(each) <= 2)
    assert len(every) == len(smallest)


@given(trees(), st.integers(1, 3))
def test_small_cut_sets_are_found_without_a_diagram_and_bound_the_probability(told, order):
    diagram = Diagram(told)
    chances = dict(zip(NAMES, (0.1, 0.2, 0.3, 0.4, 0.5), strict=True))

    small = SmallSets(told, order, Bounds())

    assert sorted(map(sorted, small)) == sorted(map(sorted, CutSets(diagram, order)))
    low, high = small.probability(chances)
    assert low - 1e-9 <= diagram.probability(chances) <= high + 1e-9


def test_a_tree_in_which_failures_mend_has_no_small_sets():
    with pytest.raises(SpecError, match="without not, xor"):
        SmallSets(tree("not", "a"), 2, Bounds())


def test_cut_sets_are_counted_by_order_without_a_list_of_them():
    groups = {f"g{n}": Gate("or", tuple(f"e{n}-{m}" for m in range(10))) for n in range(20)}
    diagram = Diagram(Tree("top", {"top": Gate("and", tuple(groups)), **groups}))

    counted = CutSets(diagram)

    assert counted.by_order() == [0] * 19 + [10**20]


def test_so_many_of_so_many_needs_no_list_of_combinations():
    diagram = Diagram(tree("atleast", *(f"e{n}" for n in range(100)), least=50))

    assert len(diagram.nodes) == 50 * 51
    assert diagram.probability({f"e{n}": 0.5 for n in range(100)}) == pytest.approx(0.5397946186935895)


def test_a_long_chain_is_not_too_deep():
    gates = {f"g{n}": Gate("or" if n % 2 else "and", (f"e{n}", f"g{n + 1}")) for n in range(3000)}
    gates["g3000"] = Gate("or", ("e3000",))

    diagram = Diagram(Tree("g0", gates))

    assert len(diagram.nodes) == 3001
    assert sum(CutSets(diagram, 2).by_order()) == 1


def test_too_many_nodes_are_told_and_not_made():
    parts = [f"g{n}" for n in range(20)]
    # The worst order: each product's second half comes after all first halves.
    gates = {name: Gate("and", (f"a{name}", f"b{name}")) for name in parts}
    first = Gate("or", tuple(f"a{name}" for name in parts))
    told = Tree(
        "top",
        {"top": Gate("and", ("first", "pairs")), "first": first, "pairs": Gate("or", tuple(parts)), **gates},
    )

    with pytest.raises(TooLarge, match="more than 1,000 steps"):
        Diagram(told, Bounds(steps=1000))
    with pytest.raises(TooLarge, match="takes too long"):
        Diagram(told, Bounds(may_go_on=lambda: False))


@pytest.mark.parametrize(
    ("gates", "said"),
    [
        ({"top": Gate("or", ("x",)), "x": Gate("and", ("y", "top"))}, "circle: top → x → top"),
        ({"top": Gate("maybe", ("a",))}, "there is no gate 'maybe'"),
        ({"top": Gate("atleast", ("a", "b"), 3)}, "must be from 1 to its 2 inputs, not 3"),
        ({"top": Gate("not", ("a", "b"))}, "'not' has one input, not 2"),
        ({"top": Gate("or", tuple(f"e{n}" for n in range(MOST)))}, f"at most {MOST}"),
    ],
)
def test_a_tree_that_cannot_be_is_refused(gates, said):
    with pytest.raises(SpecError, match=said):
        Diagram(Tree("top", gates))


def test_probabilities_are_asked_for_by_name():
    diagram = Diagram(tree("or", "a", "b"))

    with pytest.raises(SpecError, match="b: has no probability"):
        diagram.probability({"a": 0.5})
    with pytest.raises(SpecError, match="a: must have a probability from 0 to 1, not 2"):
        diagram.probability({"a": 2.0, "b": 0.5})


def test_a_tree_in_which_failures_mend_has_no_cut_sets():
    diagram = Diagram(tree("xor", "a", "b"))

    with pytest.raises(SpecError, match="without not, xor"):
        CutSets(diagram)
