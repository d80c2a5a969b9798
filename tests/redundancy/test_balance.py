from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.dice import Dice
from mainstay.redundancy.balance import (
    BALANCES,
    Least,
    PowerOfTwo,
    RoundRobin,
    ramp,
    rendezvous,
    scattered,
)
from mainstay.redundancy.health import Health
from mainstay.redundancy.instance import Instance


def instance(name, in_flight=0, weight=1.0, up_since=None):
    made = Instance("web", name, 1, "127.0.0.1", 1, health=Health(None), weight=weight, up_since=up_since)
    made.in_flight = in_flight
    return made


def counted(balance, usable, turns, now=0.0, seed=1):
    dice = Dice(seed)
    return Counter(balance.choose(usable, dice, now).name for _ in range(turns))


@pytest.mark.parametrize(
    ("now", "part"), [(100.0, 0.1), (102.5, 0.325), (105.0, 0.55), (110.0, 1.0), (500.0, 1.0)]
)
def test_the_slow_start_rises_from_a_tenth_to_one(now, part):
    assert ramp(instance("a", up_since=100.0), now, 10.0) == pytest.approx(part)


def test_without_a_slow_start_it_gets_its_full_share_at_once():
    assert ramp(instance("a", up_since=100.0), 100.0, 0.0) == 1.0


def test_one_whose_coming_up_nobody_saw_gets_its_full_share():
    assert ramp(instance("a"), 0.0, 10.0) == 1.0


def test_the_ways_have_the_names_of_the_system_file():
    assert {"power_of_two": PowerOfTwo, "round_robin": RoundRobin, "least": Least} == BALANCES


@pytest.mark.parametrize("balance", BALANCES.values())
def test_of_one_that_one_is_chosen(balance):
    only = instance("a", in_flight=7)

    assert balance(0.0).choose([only], Dice(1), 0.0) is only


def test_power_of_two_draws_every_pair_of_different_places_equally(loaded):
    usable = [instance("a"), instance("b"), instance("c")]
    pairs = []

    for place in range(6):
        roll = (place + 0.5) / 6
        first = PowerOfTwo(0.0).choose(usable, loaded(roll), 0.0)
        first.in_flight = 9
        second = PowerOfTwo(0.0).choose(usable, loaded(roll), 0.0)
        first.in_flight = 0
        pairs.append(first.name + second.name)

    assert pairs == ["ab", "ac", "ba", "bc", "ca", "cb"]


def test_power_of_two_never_takes_the_busiest():
    usable = [instance("a", 3), instance("b", 9), instance("c", 4), instance("d", 5)]

    chosen = counted(PowerOfTwo(0.0), usable, 2000)

    assert chosen["b"] == 0
    assert chosen["a"] > chosen["c"] > chosen["d"] > 0


def test_power_of_two_of_equals_gives_each_the_same():
    chosen = counted(PowerOfTwo(0.0), [instance("a"), instance("b")], 2000)

    assert 900 < chosen["a"] < 1100


def test_power_of_two_weighs_what_is_to_do(loaded):
    heavy, light = instance("heavy", in_flight=2, weight=3.5), instance("light")

    chosen = {PowerOfTwo(0.0).choose([heavy, light], loaded(roll), 0.0).name for roll in (0.0, 0.9)}

    assert chosen == {"heavy"}


@pytest.mark.parametrize(("busy", "chosen"), [(8, "warm"), (10, "cold")])
@pytest.mark.parametrize("roll", [0.0, 0.9])
def test_power_of_two_spares_the_cold(loaded, busy, chosen, roll):
    cold, warm = instance("cold", up_since=100.0), instance("warm", in_flight=busy, up_since=0.0)

    choice = PowerOfTwo(20.0).choose([cold, warm], loaded(roll), 100.0)

    assert choice.name == chosen


@pytest.mark.parametrize(("busy", "chosen"), [(3, "warm"), (5, "cold")])
@pytest.mark.parametrize("places", [[0, 1], [1, 0]])
def test_power_of_two_spares_the_cold_in_proportion_to_their_weight(loaded, busy, chosen, places):
    # The cold one carries 0.2 of 2, the warm one 1: one attempt there weighs as much as five here.
    pair = [instance("cold", weight=2.0, up_since=100.0), instance("warm", in_flight=busy, up_since=0.0)]

    choice = PowerOfTwo(20.0).choose([pair[place] for place in places], loaded(0.0), 100.0)

    assert choice.name == chosen


def test_power_of_two_counts_the_attempt_to_come(loaded):
    # 2/2 against 1/0.9: without the attempt to come it would be 1/2 against 0/0.9.
    busy, idle = instance("busy", in_flight=1, weight=2.0), instance("idle", weight=0.9)

    chosen = {PowerOfTwo(0.0).choose([busy, idle], loaded(roll), 0.0).name for roll in (0.0, 0.9)}

    assert chosen == {"busy"}


@given(st.lists(st.integers(0, 9), min_size=1, max_size=9), st.integers(0, 99))
def test_power_of_two_chooses_one_that_is_there(loads, seed):
    usable = [instance(str(place), load) for place, load in enumerate(loads)]

    assert PowerOfTwo(0.0).choose(usable, Dice(seed), 0.0) in usable


def test_least_takes_the_one_with_least_to_do():
    usable = [instance("a", 3), instance("b", 1), instance("c", 2)]

    assert counted(Least(0.0), usable, 50) == {"b": 50}


def test_least_breaks_ties_by_chance(loaded):
    usable = [instance("a"), instance("b"), instance("c", 1)]

    chosen = [Least(0.0).choose(usable, loaded(roll), 0.0).name for roll in (0.0, 0.4, 0.9)]

    assert chosen == ["a", "b", "a"]


def test_least_weighs_and_spares_the_cold():
    heavy, cold = instance("heavy", in_flight=8, weight=2.0), instance("cold", up_since=100.0)

    assert Least(20.0).choose([cold, heavy], Dice(1), 100.0) is heavy
    assert Least(20.0).choose([cold, heavy], Dice(1), 120.0) is cold


def test_least_counts_the_attempt_to_come():
    busy, idle = instance("busy", in_flight=1, weight=2.0), instance("idle", weight=0.9)

    assert Least(0.0).choose([idle, busy], Dice(1), 0.0) is busy


def test_least_counts_only_one_attempt_to_come():
    busy, idle = instance("busy", in_flight=3, weight=3.0), instance("idle", weight=0.8)

    assert Least(0.0).choose([busy, idle], Dice(1), 0.0) is idle


def test_round_robin_takes_turns():
    usable, balance = [instance("a"), instance("b"), instance("c")], RoundRobin(0.0)

    turns = "".join(balance.choose(usable, Dice(1), 0.0).name for _ in range(7))

    assert turns == "abcabca"


def test_round_robin_gives_turns_by_weight_and_spreads_them():
    usable, balance = [instance("a", weight=3.0), instance("b"), instance("c")], RoundRobin(0.0)

    turns = "".join(balance.choose(usable, Dice(1), 0.0).name for _ in range(5))

    assert turns == "abaca"


def test_round_robin_spares_the_cold():
    usable = [instance("cold", up_since=100.0), instance("warm", up_since=0.0)]

    assert counted(RoundRobin(20.0), usable, 110, now=100.0) == {"warm": 100, "cold": 10}


# --- rendezvous ---

KEYS = [scattered(number * 7919 + 1) for number in range(2000)]
names = st.lists(
    st.text("abcdefgh0123456789-.:", min_size=1, max_size=20), min_size=2, max_size=8, unique=True
)
numbers = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50)


def places(members, keys=KEYS):
    return {key: rendezvous(members, key).name for key in keys}


@given(names, numbers, st.data())
def test_whoever_leaves_takes_nothing_but_its_own_keys_along(called, keys, data):
    members = [instance(name) for name in called]
    gone = data.draw(st.sampled_from(members))
    before = places(members, keys)

    after = places([member for member in members if member is not gone], keys)

    assert all(after[key] == before[key] for key in keys if before[key] != gone.name)
    assert gone.name not in after.values()


@given(names, numbers, st.randoms())
def test_who_is_chosen_depends_on_neither_order_nor_load_nor_life(called, keys, chance):
    members = [instance(name) for name in called]
    others = [instance(name, in_flight=5, up_since=9.0) for name in called]
    chance.shuffle(others)

    assert places(members, keys) == places(others, keys)


@pytest.mark.parametrize("count", [2, 3, 5, 10])
def test_equals_get_equal_parts(count):
    members = [instance(f"web-{number}") for number in range(1, count + 1)]

    parts = Counter(places(members).values())

    # Four standard deviations of a binomial distribution: once in some ten thousand choices of names.
    share = 1 / count
    most = 4 * (len(KEYS) * share * (1 - share)) ** 0.5
    assert len(parts) == count
    assert all(abs(part - len(KEYS) * share) < most for part in parts.values())


def test_what_whoever_leaves_had_is_spread_over_all_others():
    members = [instance(f"web-{number}") for number in range(1, 6)]
    before, after = places(members), places(members[1:])

    moved = Counter(after[key] for key in KEYS if before[key] == "web-1")

    assert len(moved) == 4
    assert max(moved.values()) < 2 * min(moved.values())


def test_parts_are_as_the_weights():
    members = [instance("a"), instance("b", weight=2.0), instance("c", weight=5.0)]

    parts = Counter(places(members).values())

    assert parts["a"] / len(KEYS) == pytest.approx(1 / 8, abs=0.03)
    assert parts["b"] / len(KEYS) == pytest.approx(2 / 8, abs=0.04)
    assert parts["c"] / len(KEYS) == pytest.approx(5 / 8, abs=0.045)


def test_a_greater_weight_takes_keys_and_gives_none_away():
    light, heavy = instance("a"), instance("a", weight=3.0)
    others = [instance("b"), instance("c")]
    before, after = places([light, *others]), places([heavy, *others])

    moved = {(before[key], after[key]) for key in KEYS if before[key] != after[key]}

    assert moved == {("b", "a"), ("c", "a")}


def test_where_keys_belong_is_the_same_in_every_version():
    members = [instance(f"web-{number}") for number in (1, 2, 3)]

    assert [rendezvous(members, key).name for key in (0, 1, 2**63, 2**64 - 1)] == [
        "web-1",
        "web-2",
        "web-3",
        "web-3",
    ]
    assert scattered(1) == 0x5692161D100B05E5


@given(st.integers(0, 2**64 - 1), st.integers(0, 63))
def test_one_bit_changes_about_half_of_the_others(number, bit):
    changed = (scattered(number) ^ scattered(number ^ (1 << bit))).bit_count()

    assert 8 <= changed <= 56
