import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.dice import Dice
from mainstay.base.errors import SpecError
from mainstay.tolerance.backoff import JITTERS, Backoff, BackoffSpec


def test_the_defaults_wait_milliseconds_because_a_client_is_waiting():
    spec = BackoffSpec()

    assert (spec.base, spec.cap, spec.factor, spec.jitter) == (0.025, 0.25, 2.0, "full")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"base": 0.0}, "base must be above 0, not 0"),
        ({"cap": 0.01}, "cap must be at least 0.025, not 0.01"),
        ({"factor": 0.9}, "factor must be at least 1, not 0.9"),
        ({"jitter": "half"}, "jitter must be one of full, decorrelated, none, not half"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(SpecError) as refusal:
        BackoffSpec(**wrong)

    assert str(refusal.value) == message


def test_without_jitter_it_grows_by_the_factor_up_to_the_cap():
    backoff = Backoff(BackoffSpec(base=1.0, cap=20.0, factor=3.0, jitter="none"), Dice(1))

    waits = [backoff.next() for _ in range(5)]

    assert waits == [1.0, 3.0, 9.0, 20.0, 20.0]


def test_full_jitter_takes_a_part_of_each_step(loaded):
    backoff = Backoff(BackoffSpec(base=1.0, cap=3.0), loaded(0.5, 0.25, 1.0, 0.0))

    waits = [backoff.next() for _ in range(4)]

    assert waits == [0.5, 0.5, 3.0, 0.0]


def test_decorrelated_jitter_lies_between_the_base_and_three_times_the_last_wait(loaded):
    spec = BackoffSpec(base=1.0, cap=6.0, jitter="decorrelated")

    high, low = Backoff(spec, loaded(1.0)), Backoff(spec, loaded(0.5, 0.5, 0.0))

    assert [high.next() for _ in range(3)] == [3.0, 6.0, 6.0]
    assert [low.next() for _ in range(3)] == [2.0, 3.5, 1.0]


@pytest.mark.parametrize("jitter", JITTERS)
def test_reset_it_begins_again(loaded, jitter):
    backoff = Backoff(BackoffSpec(base=1.0, cap=9.0, jitter=jitter), loaded(0.5))
    first = backoff.next()
    backoff.next()

    backoff.reset()

    assert backoff.next() == first


@given(st.sampled_from(JITTERS), st.integers(0, 99))
def test_however_often_it_never_waits_longer_than_the_cap(jitter, seed):
    backoff = Backoff(BackoffSpec(jitter=jitter), Dice(seed))

    waits = [backoff.next() for _ in range(1500)]

    assert 0.0 <= min(waits) <= max(waits) <= 0.25
