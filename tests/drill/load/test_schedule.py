import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.errors import SpecError
from mainstay.drill.load import schedule
from mainstay.drill.load.schedule import LoadSpec


def arrivals(spec, weights=(4, 1)):
    return schedule.arrivals(spec, weights)


def test_the_same_seed_gives_the_same_arrivals_and_another_seed_others():
    spec = LoadSpec(rate=100, seconds=3, seed=5)

    first, again = arrivals(spec), arrivals(spec)
    other = arrivals(LoadSpec(rate=100, seconds=3, seed=6))

    assert first == again
    assert first != other


def test_another_mix_leaves_times_and_connections_as_they_were():
    few = arrivals(LoadSpec(rate=100, seconds=3), (9, 1))
    many = arrivals(LoadSpec(rate=100, seconds=3), (1, 4, 5))

    assert [(one.at, one.fresh) for one in few] == [(one.at, one.fresh) for one in many]
    assert {one.what for one in few} == {0, 1}
    assert {one.what for one in many} == {0, 1, 2}


def test_even_arrivals_come_every_part_of_a_second_without_drift():
    made = arrivals(LoadSpec(rate=3, seconds=1000, arrivals="even"))

    assert len(made) == 3000
    assert made[0].at == 0.0
    assert made[-1].at == 2999 / 3


def test_poisson_arrivals_keep_the_rate_and_have_exponential_gaps():
    made = arrivals(LoadSpec(rate=200, seconds=100))

    gaps = [later.at - earlier.at for earlier, later in pairwise(made)]
    mean = sum(gaps) / len(gaps)
    spread = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert mean == pytest.approx(1 / 200, rel=0.03)
    # The exponential distribution is the one whose spread is its mean.
    assert spread == pytest.approx(mean, rel=0.05)


def test_the_shares_are_kept():
    made = arrivals(LoadSpec(rate=200, seconds=100, fresh=0.1))

    assert sum(one.what for one in made) / len(made) == pytest.approx(0.2, abs=0.02)
    assert sum(one.fresh for one in made) / len(made) == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize(("share", "fresh"), [(0.0, {False}), (1.0, {True})])
@pytest.mark.parametrize(("weights", "what"), [((1, 0), {0}), ((0, 1), {1}), ((0, 7, 0), {1})])
def test_a_share_of_none_and_of_all_leave_nothing_to_chance(share, fresh, weights, what):
    made = arrivals(LoadSpec(rate=100, seconds=5, fresh=share), weights)

    assert {one.fresh for one in made} == fresh
    assert {one.what for one in made} == what


@given(
    rate=st.floats(0.5, 500),
    seconds=st.floats(0.01, 3),
    seed=st.integers(),
    kind=st.sampled_from(["poisson", "even"]),
)
def test_arrivals_are_in_order_and_within_the_run(rate, seconds, seed, kind):
    made = arrivals(LoadSpec(rate=rate, seconds=seconds, seed=seed, arrivals=kind))

    times = [one.at for one in made]
    assert times == sorted(times)
    assert all(0 <= at < seconds for at in times)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rate": 0}, "rate must be above 0, not 0"),
        ({"rate": math.inf}, "rate must be above 0, not inf"),
        ({"rate": math.nan}, "rate must be above 0, not nan"),
        ({"seconds": -1}, "seconds must be above 0, not -1"),
        ({"deadline": 0.0}, "deadline must be above 0, not 0.0"),
        ({"in_flight": 0}, "in_flight must be above 0, not 0"),
        ({"posts": 1.5}, "posts must be from 0 to 1, not 1.5"),
        ({"fresh": -0.1}, "fresh must be from 0 to 1, not -0.1"),
        ({"connections": -1}, "connections must be 0 or more, not -1"),
        ({"arrivals": "closed"}, "arrivals must be poisson or even, not closed"),
    ],
)
def test_what_cannot_be_is_refused(wrong, message):
    with pytest.raises(SpecError) as refusal:
        LoadSpec(**({"rate": 1, "seconds": 1} | wrong))

    assert str(refusal.value) == message
