"""What may stand in a fault tree: a tree comes of it, or its problems; and what is said of it agrees with itself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mainstay.base.errors import OtherFileError, SpecError, TooLarge
from mainstay.redundancy.structure.bounds import Bounds
from mainstay.redundancy.structure.cutset import CutSets
from mainstay.redundancy.structure.diagram import Diagram
from mainstay.redundancy.structure.importance import importance
from mainstay.redundancy.structure.mef import FaultTree, read_fault_tree
from mainstay.redundancy.structure.truncation import SmallSets

LARGEST = 2048
_STEPS = 20_000
_FEW = 100
_ROUNDING = 1e-9

_GROUP = b"""<opsa-mef><define-fault-tree name="t">
<define-gate name="top"><atleast min="2"><gate name="x"/><basic-event name="a"/><not><basic-event name="b"/></not></atleast></define-gate>
<define-gate name="x"><or><basic-event name="a"/><house-event name="h"/><constant value="false"/></or></define-gate>
<define-house-event name="h"><constant value="true"/></define-house-event>
<define-CCF-group name="g" model="beta-factor"><members><basic-event name="a"/><basic-event name="b"/></members>
<distribution><float value="0.1"/></distribution><factor level="2"><float value="0.2"/></factor></define-CCF-group>
</define-fault-tree></opsa-mef>"""
_PLAIN = b"""<?xml version="1.0"?><opsa-mef><define-fault-tree name="dark">
<define-gate name="dark"><and><basic-event name="mains"/><gate name="spare"/></and></define-gate>
<define-gate name="spare"><or><basic-event name="generator"/><basic-event name="relay"/></or></define-gate>
</define-fault-tree><model-data><define-basic-event name="mains"><float value="0.03"/></define-basic-event>
<define-basic-event name="generator"><float value="0.02"/></define-basic-event>
<define-basic-event name="relay"><float value="5e-2"/></define-basic-event></model-data></opsa-mef>"""

TOKENS = (
    *(f"<{name}>".encode() for name in ("and", "or", "not", "xor", "nand", "nor", "/and", "/or", "/opsa-mef", "/define-gate")),
    *(f'<{name} name="a"/>'.encode() for name in ("gate", "basic-event", "event", "house-event")),
    *(b'<define-gate name="a">', b'<atleast min="2">', b'<float value="nan"/>', b'<constant value="true"/>', b' model="MGL"'),
    *(b"<!DOCTYPE a [", b"<!ENTITY a 'b'>", b"&a;", b"&#0;", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"\xef\xbb\xbf", b"<label>"),
)  # fmt: skip


def seeds() -> list[bytes]:
    """Give trees that are good."""
    return [_PLAIN, _GROUP]


@contextmanager
def prepared() -> Iterator[Callable[[bytes], None]]:
    """Give the function that judges one input."""

    def judge(data: bytes) -> None:
        try:
            told = read_fault_tree(data, "tree.xml")
        except OtherFileError as error:
            assert error.problems
            assert all(problem.message for problem in error.problems)
            "\n".join(error.lines()).encode()
            return
        try:
            _agrees(told)
        except (TooLarge, SpecError):
            return

    yield judge


def _agrees(told: FaultTree) -> None:
    diagram = Diagram(told.tree, Bounds(_STEPS))
    chances = dict.fromkeys(diagram.events, 0.25) | told.chances
    probability = diagram.probability(chances)
    assert -_ROUNDING <= probability <= 1.0 + _ROUNDING
    assert all(
        -_ROUNDING <= each.diagnostic <= 1.0 + _ROUNDING for each in importance(diagram, chances).values()
    )
    if not diagram.is_coherent:
        return
    sets = CutSets(diagram)
    if len(sets) > _FEW:
        return
    small = SmallSets(told.tree, 2, Bounds(_STEPS))
    assert sorted(small) == sorted(CutSets(diagram, 2))
    low, high = small.probability(chances)
    assert low - _ROUNDING <= probability <= high + _ROUNDING
    assert sum(sets.by_order()) + (diagram.root == 1) == len(sets) == len(list(sets))
    assert sets.rare_event(chances) >= probability - _ROUNDING
    for names in sets:
        assert diagram.holds(frozenset(names).__contains__)
        assert not any(diagram.holds((frozenset(names) - {name}).__contains__) for name in names)
