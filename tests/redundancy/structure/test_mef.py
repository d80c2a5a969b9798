import pytest

from mainstay.base.errors import OtherFileError
from mainstay.redundancy.structure.cutset import CutSets
from mainstay.redundancy.structure.diagram import Diagram
from mainstay.redundancy.structure.mef import read_fault_tree


def text(inner, after=""):
    return f"<opsa-mef><define-fault-tree name='t'>{inner}</define-fault-tree>{after}</opsa-mef>".encode()


def gate(name, formula):
    return f"<define-gate name='{name}'>{formula}</define-gate>"


A, B, C = (f"<basic-event name='{name}'/>" for name in "abc")
CHANCES = "<model-data>" + "".join(
    f"<define-basic-event name='{name}'><float value='{value}'/></define-basic-event>"
    for name, value in (("a", 0.1), ("b", 0.2), ("c", 0.3))
)
MODEL = CHANCES + "</model-data>"


@pytest.mark.parametrize(
    ("formula", "probability"),
    [
        (f"<or>{A}{B}{C}</or>", 0.496),
        (f"<xor>{A}{B}{C}</xor>", 0.404),
        (f"<atleast min='2'>{A}{B}{C}</atleast>", 0.098),
        (f"<or><and>{A}{B}</and><and>{B}{C}</and></or>", 0.074),
        (f"<nor>{A}{B}{C}</nor>", 0.504),
        (f"<nand>{A}{B}</nand>", 0.98),
        (f"<not>{A}</not>", 0.9),
        (f"<and>{A}<house-event name='on'/></and>", 0.1),
        (f"<or>{A}<constant value='false'/></or>", 0.1),
        (A, 0.1),
    ],
)
def test_gates_mean_what_the_format_says(formula, probability):
    on = "<define-house-event name='on'><constant value='true'/></define-house-event>"
    content = text(gate("top", f"<label>what users see</label>{formula}") + on, MODEL)
    if "house-event name" not in formula:
        content = text(gate("top", formula), MODEL)

    tree = read_fault_tree(content, "t.xml")

    assert Diagram(tree.tree).probability(tree.chances) == pytest.approx(probability)


@pytest.mark.parametrize(
    ("model", "factors", "probability", "sets"),
    [
        ("beta-factor", [0.2], 0.0430804, 10),
        ("MGL", [0.2, 0.1], 0.0162948, 34),
        ("alpha-factor", [0.7, 0.2, 0.1], 0.0529814, 34),
    ],
)
def test_groups_of_common_causes_are_taken_into_the_tree(model, factors, probability, sets):
    trains = "".join(
        gate(f"t{n}", f"<or><basic-event name='p{n}'/><basic-event name='v{n}'/></or>") for n in (1, 2, 3)
    )
    top = gate("top", "<and>" + "".join(f"<gate name='t{n}'/>" for n in (1, 2, 3)) + "</and>")

    tree = read_fault_tree(text(top + trains + ccf("p", model, factors) + ccf("v", model, factors)), "t.xml")

    diagram = Diagram(tree.tree)
    assert diagram.probability(tree.chances) == pytest.approx(probability, abs=5e-8)
    assert len(CutSets(diagram)) == sets


def ccf(part, model, factors):
    members = "".join(f"<basic-event name='{part}{n}'/>" for n in (1, 2, 3))
    told = "".join(f"<factor><float value='{factor}'/></factor>" for factor in factors)
    return (
        f"<define-CCF-group name='{part}' model='{model}'><members>{members}</members>"
        f"<distribution><float value='0.1'/></distribution><factors>{told}</factors></define-CCF-group>"
    )


@pytest.mark.parametrize(
    ("model", "factors", "said"),
    [
        ("beta-factor", [0.2, 0.1], "of beta-factor has one factor, not 2"),
        ("phi-factor", [0.2], "has the model 'phi-factor'; allowed are beta-factor, MGL, alpha-factor"),
        ("alpha-factor", [0.2], "must be 3 alpha factors"),
    ],
)
def test_groups_that_cannot_be_are_told(model, factors, said):
    top = gate("top", "<and>" + "".join(f"<basic-event name='p{n}'/>" for n in (1, 2, 3)) + "</and>")

    with pytest.raises(OtherFileError) as refused:
        read_fault_tree(text(top + ccf("p", model, factors)), "t.xml")

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "t.xml:1:1: is no XML: no element found"),
        (b"<opsa-mef>", "t.xml:1:11: is no XML"),
        (b"\x00\x01", "is no XML"),
        (b"<?xml version='1.0' encoding='nonsense'?><a/>", "is no XML"),
        (b"<project/>", "is not opsa-mef"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><opsa-mef>&b;</opsa-mef>", "DOCTYPE: is not taken"),
        (b"<!DOCTYPE a SYSTEM 'http://127.0.0.1/'><opsa-mef/>", "DOCTYPE: is not taken"),
        (b"<a>" * 1000, "nested more than 200 levels"),
        (b"<opsa-mef/>", "must have one gate that is no other's input, the top event; there is none"),
        (text(gate("x", A) + gate("y", B)), "found 2: x, y"),
        (text(gate("x", A) + gate("x", B)), "'x' is defined twice"),
        (text(gate("x", A + B)), "must have one formula, not 2"),
        (text(gate("x", "<imply/>")), "imply: is not understood; allowed are and, or, atleast"),
        (text(gate("x", "<or/>")), "or: has no inputs"),
        (text(gate("x", f"<not>{A}{B}</not>")), "not: has one input, not 2"),
        (text(gate("x", f"<atleast min='3'>{A}{B}</atleast>")), "min must be from 1 to its 2 inputs, not 3"),
        (text(gate("x", f"<atleast min='1_0'>{A}{B}</atleast>")), "not 1_0"),
        (text(gate("x", f"<atleast>{A}</atleast>")), "atleast: needs min"),
        (
            text(gate("x", "<or><gate name='y'/><gate name='z'/></or>") + gate("y", "<gate name='y'/>")),
            "circle",
        ),
        (text("<define-parameter name='x'/>"), "define-parameter: is not understood"),
        (text(gate("(1)", A)), "a name does not begin with"),
        (text(gate("x", "<constant value='maybe'/>")), "value must be true or false, not maybe"),
        (
            text("<define-basic-event name='a'><float value='2'/></define-basic-event>"),
            "float: must be a number from 0 to 1, not 2",
        ),
        (
            text("<define-basic-event name='a'><float value='nan'/></define-basic-event>"),
            "must be a number from 0 to 1, not nan",
        ),
        (
            text("<define-basic-event name='a'><exponential/></define-basic-event>"),
            "exponential: is not understood",
        ),
        (
            text("<define-basic-event name='a'><float value='x'/></define-basic-event>"),
            "must be a number from 0 to 1, not x",
        ),
        (text(gate("x", A) + "<define-CCF-group name='g' model='phi-factor'/>"), "needs one members, not 0"),
    ],
)
def test_what_is_no_such_tree_is_told_with_its_place(content, said):
    with pytest.raises(OtherFileError) as refused:
        read_fault_tree(content, "t.xml")

    assert said in str(refused.value)
    assert "Traceback" not in str(refused.value)
