import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.errors import SpecError
from mainstay.supervisor.plan import Found, adoption, resize, scaled, waves


def test_services_that_need_nothing_start_together():
    assert waves({"b": [], "a": []}) == [["b", "a"]]


def test_what_is_needed_comes_first():
    assert waves({"web": ["api", "db"], "api": ["db"], "db": [], "mail": []}) == [
        ["db", "mail"],
        ["api"],
        ["web"],
    ]


def test_a_circle_has_no_order():
    with pytest.raises(SpecError, match="need one another in a circle, or what does not exist: a, b"):
        waves({"a": ["b"], "b": ["a"], "c": []})


def test_what_does_not_exist_cannot_be_waited_for():
    with pytest.raises(SpecError, match="what does not exist: a"):
        waves({"a": ["gone"]})


def test_nothing_has_no_waves():
    assert waves({}) == []


@given(st.lists(st.lists(st.integers(0, 30), max_size=5), max_size=20))
def test_every_service_starts_once_and_after_all_it_needs(wants):
    needs = {str(at): {str(want) for want in some if want < at} for at, some in enumerate(wants)}

    order = waves(needs)

    when = {name: at for at, wave in enumerate(order) for name in wave}
    assert sorted(when) == sorted(needs)
    assert sum(map(len, order)) == len(needs)
    assert all(when[need] < when[name] for name, some in needs.items() for need in some)


@pytest.mark.parametrize(
    ("have", "want", "start", "stop"),
    [
        ([], 2, [1, 2], []),
        ([1, 2, 3], 3, [], []),
        ([1, 2, 3, 4], 2, [], [4, 3]),
        ([2, 5], 3, [1, 3], [5]),
    ],
)
def test_slots_are_filled_from_below_and_emptied_from_above(have, want, start, stop):
    assert resize(have, want) == (start, stop)


def test_a_life_in_a_wanted_slot_goes_on():
    found = [Found("web", 1, 3, True), Found("web", 2, 1, False)]

    assert adoption(found, {"web": 2}) == ([0, 1], [])


def test_lives_beyond_what_is_wanted_end():
    found = [Found("web", 1, 1, True), Found("web", 2, 1, True), Found("old", 1, 1, True)]

    assert adoption(found, {"web": 1}) == ([0], [1, 2])


@pytest.mark.parametrize(
    ("first", "second", "keep"),
    [
        ((1, True), (2, False), 0),
        ((1, True), (2, True), 1),
        ((1, False), (2, False), 1),
        ((2, False), (1, True), 1),
        ((2, True), (1, True), 0),
    ],
)
def test_of_two_in_a_slot_the_ready_one_goes_on_and_else_the_younger(first, second, keep):
    found = [Found("web", 1, *first), Found("web", 1, *second)]

    assert adoption(found, {"web": 1}) == ([keep], [1 - keep])


def test_a_number_asked_for_by_hand_holds_until_the_file_says_something_else():
    assert scaled(2, None) == 2
    assert scaled(2, (5, 2)) == 5
    assert scaled(3, (5, 2)) == 3
