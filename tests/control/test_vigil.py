import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.control.vigil import LATE, STEP, Lapse, Vigil

WALL = 1_800_000_000.0


@pytest.mark.parametrize("by", [3600.0, -3600.0, 1.5, -1.5])
def test_a_clock_that_is_set_is_seen_at_the_next_look_and_once(by: float) -> None:
    vigil = Vigil(5.0, WALL)
    assert vigil.look(7.0, WALL + 2) is None

    lapse = vigil.look(9.0, WALL + 4 + by)

    assert lapse == Lapse(WALL + 2, pytest.approx(by))
    assert vigil.look(11.0, WALL + 6 + by) is None


def test_a_supervisor_that_was_frozen_knows_nothing_of_that_time() -> None:
    vigil = Vigil(5.0, WALL)

    assert vigil.look(65.0, WALL + 60) == Lapse(WALL, 0.0)
    assert vigil.look(67.0, WALL + 62) is None


@given(st.lists(st.tuples(st.floats(0.0, LATE - 0.1), st.floats(-STEP / 2, STEP / 2)), max_size=30))
def test_a_clock_that_is_kept_right_by_and_by_is_no_matter(looks: list[tuple[float, float]]) -> None:
    now, wall = 5.0, WALL
    vigil = Vigil(now, wall)

    for passed, by in looks:
        now, wall = now + passed, wall + passed + by

        assert vigil.look(now, wall) is None
