import pytest

from mainstay.base.errors import SpecError
from mainstay.drill.fault.grip import GRIPS
from mainstay.drill.fault.kind import CLASSES, HOLD, KINDS, kind_of
from mainstay.system.drills import FAULTS


def test_the_system_file_knows_the_kinds_that_there_are() -> None:
    assert set(KINDS) == set(FAULTS)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_says_what_it_does_and_how_it_ends(name: str) -> None:
    kind = KINDS[name]

    assert kind.name == name
    assert kind.family in CLASSES
    assert kind.does.endswith(".")
    assert kind.undone


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.means == HOLD])
def test_every_kind_that_is_held_has_a_grip(name: str) -> None:
    assert KINDS[name].order in GRIPS


def test_an_unknown_kind_is_told_with_the_nearest() -> None:
    with pytest.raises(SpecError, match=r"no fault 'freze'.*did you mean 'freeze'"):
        kind_of("freze")
