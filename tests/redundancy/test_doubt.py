import pytest

from mainstay.base.facts import InstanceDoubted, InstanceTrusted
from mainstay.base.outcome import OK
from mainstay.redundancy.doubt import Doubt
from mainstay.redundancy.pool import PoolSpec
from redundancy.test_pool import Stage, member


def test_one_in_doubt_is_asked_after_all_others():
    a, b = member("a"), member("b")
    stage = Stage(a, b)

    assert stage.pool.doubt(10.0, a, 0.2)

    assert stage.picked(10.5) == {"b"}
    assert stage.picked(10.5, tried=(b,)) == {"a"}
    assert stage.facts == [
        InstanceDoubted(at=10.0, service="web", instance="a", generation=1, waited=0.2, until=11.0)
    ]


def test_a_doubt_is_over_after_a_while():
    a = member("a")
    stage = Stage(a, member("b"))
    stage.pool.doubt(10.0, a, 0.2)

    during, after = stage.picked(10.99), stage.picked(11.0)

    assert (during, after) == ({"b"}, {"a", "b"})
    assert stage.facts[1:] == [InstanceTrusted(at=11.0, service="web", instance="a", generation=1)]


def test_the_last_one_that_is_up_is_not_doubted():
    a, b = member("a"), member("b")
    stage = Stage(a, b)

    assert stage.pool.doubt(10.0, a, 0.2)
    assert not stage.pool.doubt(10.0, b, 0.2)


def test_who_is_in_doubt_already_is_not_doubted_again():
    a = member("a")
    stage = Stage(a, member("b"), member("c"))
    stage.pool.doubt(10.0, a, 0.2)

    assert not stage.pool.doubt(10.5, a, 0.7)
    assert a.doubted_until == 11.0


def test_nobody_doubts_one_that_is_not_of_the_pool():
    gone = member("gone")
    stage = Stage(member("a"), member("b"))

    assert not stage.pool.doubt(10.0, gone, 0.2)


@pytest.mark.parametrize("in_time", [False, True])
def test_that_a_doubt_is_over_is_told_however_it_ends(in_time):
    a = member("a")
    stage = Stage(a, member("b"))
    stage.pool.doubt(10.0, a, 0.2)

    stage.pool.heard(10.1, a, in_time=in_time)

    assert stage.facts[1:] == [InstanceTrusted(at=10.1, service="web", instance="a", generation=1)]


def test_a_trial_ends_where_nothing_is_made_of_failures():
    a = member("a")
    stage = Stage(a, member("b"), spec=PoolSpec(outlier=None))
    stage.pool.doubt(10.0, a, 0.2)

    stage.pool.pick(11.0)
    before = a.on_trial
    stage.pool.observe(11.1, a, OK)

    assert (before, a.on_trial) == (12.0, 0.0)


@pytest.mark.parametrize("sign", ["check", "late answer", "answer in time"])
def test_a_sign_of_life_ends_a_first_doubt(sign):
    a = member("a")
    stage = Stage(a, member("b"))
    stage.pool.doubt(10.0, a, 0.2)

    if sign == "check":
        stage.pool.passed(10.1, a)
    else:
        stage.pool.heard(10.1, a, in_time=sign == "answer in time")

    assert a.doubted_until is None
    assert stage.picked(10.1) == {"a", "b"}


@pytest.mark.parametrize("sign", ["check", "late answer"])
def test_a_doubt_that_comes_again_outlasts_signs_of_life(sign):
    a = member("a")
    stage = Stage(a, member("b"))
    stage.pool.doubt(10.0, a, 0.2)
    stage.pool.passed(10.1, a)
    stage.pool.doubt(11.0, a, 0.2)

    if sign == "check":
        stage.pool.passed(11.1, a)
    else:
        stage.pool.heard(11.1, a, in_time=False)

    assert stage.picked(12.9) == {"b"}
    assert stage.picked(13.0) == {"a", "b"}


def test_an_answer_in_time_ends_any_doubt_and_is_the_last_of_it():
    a = member("a")
    stage = Stage(a, member("b"))
    stage.pool.doubt(10.0, a, 0.2)
    stage.pool.passed(10.1, a)
    stage.pool.doubt(11.0, a, 0.2)

    stage.pool.heard(11.1, a, in_time=True)
    stage.pool.doubt(12.0, a, 0.2)

    assert a.doubted_until == 13.0


def test_one_that_fails_its_checks_meanwhile_is_down_and_not_merely_in_doubt():
    a, b = member("a"), member("b")
    stage = Stage(a, b)
    stage.pool.doubt(10.0, a, 0.2)

    stage.pool.failed(10.5, a)
    stage.pool.failed(11.5, a)

    assert stage.pool.pick(11.6, (b,)) is None


def test_whose_doubt_is_over_starts_slowly():
    a = member("a")
    stage = Stage(a, member("b"))
    stage.pool.doubt(10.0, a, 0.2)

    stage.pool.passed(10.4, a)

    assert a.up_since == 10.4


def test_each_doubt_in_a_row_lasts_twice_as_long_up_to_half_a_minute():
    doubt = Doubt()

    lengths = [doubt.begin(0.0) for _ in range(7)]

    assert lengths == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_a_very_long_row_of_doubts_does_no_harm():
    doubt = Doubt()
    doubt.streak = 5000

    assert doubt.begin(1.0) == 31.0
