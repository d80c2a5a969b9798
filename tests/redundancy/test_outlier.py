import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.dice import Dice
from mainstay.base.errors import SpecError
from mainstay.base.outcome import CANCELLED, FAILED, OK, REFUSED, RESET, STALE, TIMEOUT
from mainstay.redundancy.outlier import Outlier, OutlierSpec

SPEC = OutlierSpec(refused=1, reset=2, timeout=3, failed=4, base=2.0, cap=10.0)


def test_the_defaults_weigh_each_kind_of_proof():
    spec = OutlierSpec()

    assert (spec.refused, spec.reset, spec.timeout, spec.failed) == (2, 3, 5, 10)
    assert (spec.base, spec.cap, spec.keep) == (1.0, 30.0, 0.5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"refused": 0}, "refused must be above 0, not 0"),
        ({"reset": 0}, "reset must be above 0, not 0"),
        ({"timeout": 0}, "timeout must be above 0, not 0"),
        ({"failed": 0}, "failed must be above 0, not 0"),
        ({"base": 0.0}, "base must be above 0, not 0"),
        ({"base": 2.0, "cap": 1.5}, "cap must be at least 2, not 1.5"),
        ({"keep": 1.1}, "keep must be from 0 to 1, not 1.1"),
        ({"keep": -0.1}, "keep must be from 0 to 1, not -0.1"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(SpecError) as refusal:
        OutlierSpec(**wrong)

    assert str(refusal.value) == message


@pytest.mark.parametrize(("outcome", "limit"), [(REFUSED, 1), (RESET, 2), (TIMEOUT, 3), (FAILED, 4)])
def test_each_outcome_has_a_limit_of_its_own(outcome, limit):
    outlier = Outlier(SPEC)

    verdicts = [outlier.observe(outcome) for _ in range(limit + 1)]

    assert verdicts == [False] * (limit - 1) + [True, True]


def test_different_outcomes_are_counted_apart():
    outlier = Outlier(SPEC)

    verdicts = [outlier.observe(o) for o in (RESET, TIMEOUT, FAILED, TIMEOUT, FAILED, FAILED)]

    assert not any(verdicts)


def test_one_good_answer_clears_every_count():
    outlier = Outlier(SPEC)
    for outcome in (RESET, TIMEOUT, TIMEOUT, FAILED, FAILED, FAILED):
        outlier.observe(outcome)

    verdict = outlier.observe(OK)

    assert verdict is False
    assert [outlier.observe(o) for o in (RESET, TIMEOUT, FAILED)] == [False] * 3
    assert outlier.observe(RESET) is True


def test_a_good_answer_clears_again_what_came_after_the_last_one():
    outlier = Outlier(SPEC)
    for outcome in (RESET, OK, RESET):
        outlier.observe(outcome)

    outlier.observe(OK)

    assert outlier.observe(RESET) is False


@pytest.mark.parametrize("outcome", [STALE, CANCELLED])
def test_what_proves_nothing_neither_counts_nor_clears(outcome):
    outlier = Outlier(SPEC)
    outlier.observe(RESET)

    verdicts = [outlier.observe(outcome) for _ in range(20)]

    assert not any(verdicts)
    assert outlier.observe(RESET) is True


def test_ejections_double_up_to_the_cap(loaded):
    outlier = Outlier(SPEC)
    dice = loaded(0.5)

    ends = [outlier.eject(now, dice) - now for now in (100.0, 102.0, 106.0, 114.0, 124.0)]

    assert ends == pytest.approx([2.0, 4.0, 8.0, 10.0, 10.0])


@pytest.mark.parametrize(("roll", "length"), [(0.0, 1.8), (1.0, 2.2)])
def test_an_ejection_is_jittered_by_a_tenth(loaded, roll, length):
    assert Outlier(SPEC).eject(100.0, loaded(roll)) == pytest.approx(100.0 + length)


def test_every_cap_of_good_behaviour_forgets_one_ejection(loaded):
    outlier = Outlier(SPEC)
    dice = loaded(0.5)
    outlier.eject(0.0, dice)
    outlier.eject(2.0, dice)
    back = outlier.eject(6.0, dice)

    again = back + 10.0
    once = outlier.eject(again, dice)

    assert back == pytest.approx(14.0)
    assert once - again == pytest.approx(8.0)


def test_just_less_than_a_cap_of_good_behaviour_forgets_nothing(loaded):
    outlier = Outlier(SPEC)
    dice = loaded(0.5)
    back = outlier.eject(0.0, dice)

    again = back + 9.9

    assert outlier.eject(again, dice) - again == pytest.approx(4.0)


def test_after_long_good_behaviour_it_begins_anew(loaded):
    outlier = Outlier(SPEC)
    dice = loaded(0.5)
    for now in (0.0, 2.0, 6.0):
        outlier.eject(now, dice)

    lengths = [outlier.eject(now, dice) - now for now in (1000.0, 1002.0)]

    assert lengths == pytest.approx([2.0, 4.0])


def test_an_ejection_forgets_what_was_counted():
    outlier = Outlier(SPEC)
    outlier.observe(RESET)
    outlier.observe(RESET)

    outlier.eject(0.0, Dice(1))

    assert outlier.observe(RESET) is False


def test_thousands_of_ejections_in_a_row_do_not_overflow():
    outlier = Outlier(SPEC)
    dice = Dice(1)

    ends = [outlier.eject(0.0, dice) for _ in range(2000)]

    assert max(ends) <= 11.0


@given(st.lists(st.sampled_from([OK, REFUSED, STALE, RESET, TIMEOUT, FAILED, CANCELLED]), max_size=60))
def test_it_is_an_outlier_exactly_when_a_limit_is_reached_since_the_last_good_answer(script):
    spec = OutlierSpec()
    outlier = Outlier(spec)
    limits = {REFUSED: 2, RESET: 3, TIMEOUT: 5, FAILED: 10}

    for end, outcome in enumerate(script, 1):
        verdict = outlier.observe(outcome)

        since = script[:end][::-1]
        since = since[: since.index(OK)] if OK in since else since
        assert verdict is (outcome in limits and since.count(outcome) >= limits[outcome])


def test_by_another_spec_what_was_counted_and_ejected_so_far_still_counts():
    outlier = Outlier(SPEC)
    first = outlier.eject(0.0, Dice(1))
    outlier.observe(FAILED)
    outlier.observe(FAILED)

    outlier.configure(OutlierSpec(failed=3, base=2.0, cap=10.0))

    assert outlier.observe(FAILED)
    assert outlier.eject(first, Dice(1)) - first > 1.5 * first
