from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mainstay.redundancy.zone import spread


def test_slots_go_round_the_zones_in_their_order():
    zones = spread(5, ["a", "b"])

    assert zones == ["a", "b", "a", "b", "a"]


def test_without_zones_every_slot_is_nowhere():
    zones = spread(2, [])

    assert zones == ["", ""]


@given(st.integers(0, 50), st.lists(st.text(min_size=1), min_size=1, max_size=7, unique=True))
def test_no_zone_has_more_than_one_slot_above_another(count, zones):
    spread_out = spread(count, zones)

    held = Counter(spread_out)
    assert len(spread_out) == count
    assert max(held[zone] for zone in zones) - min(held[zone] for zone in zones) <= 1


@given(st.integers(0, 50))
def test_scaling_up_moves_nobody(count):
    assert spread(count + 1, ["a", "b", "c"])[:count] == spread(count, ["a", "b", "c"])
