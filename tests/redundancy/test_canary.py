import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.histogram import bucket
from mainstay.redundancy.canary import CanarySpec, Score, Verdict, judge, together

SPEC = CanarySpec(watch=30.0, requests=100)
FAST = 0.01


def score(  # noqa: PLR0913 - each test names what it is about
    requests, failures=0, *, seconds=FAST, overtaken=0, late=0, left_out=False
):
    latency = {bucket(seconds): requests - late - overtaken}
    if late:
        latency[bucket(1.0)] = late
    return Score(requests, failures, overtaken, left_out, latency)


def verdict(canary, others, *, at=15.0, spec=SPEC):
    return judge(spec, at, canary, others).verdict


def test_one_that_is_as_good_as_the_others_is_well_before_the_watch_is_over():
    assert verdict(score(100), score(300)) is Verdict.WELL


def test_what_dies_by_and_by_does_not_die_at_once_so_a_third_of_the_watch_is_sat_out():
    assert verdict(score(5000), score(15000), at=9.9) is Verdict.UNKNOWN
    assert verdict(score(5000), score(15000), at=10.0) is Verdict.WELL


def test_too_few_requests_prove_nothing_also_when_the_time_is_up():
    assert verdict(score(99), score(300), at=30.0) is Verdict.UNKNOWN
    assert judge(SPEC, 30.0, score(99), score(300)).because == "has had too few requests"


def test_without_a_wish_for_requests_it_is_well_when_it_has_lived_for_the_whole_watch():
    spec = CanarySpec(watch=30.0, requests=0)

    assert verdict(score(0), score(0), at=29.9, spec=spec) is Verdict.UNKNOWN
    assert verdict(score(0), score(0), at=30.0, spec=spec) is Verdict.WELL


def test_a_few_failures_are_enough_where_the_others_have_none():
    assert verdict(score(2, 2), score(20), at=0.5) is Verdict.UNKNOWN
    assert verdict(score(3, 3), score(20), at=0.5) is Verdict.WORSE


def test_what_all_fail_alike_is_not_the_new_one():
    assert verdict(score(100, 40), score(300, 120), at=30.0) is Verdict.WELL


def test_some_failures_more_are_watched_to_the_end_and_then_believed_sooner():
    canary, others = score(120, 4), score(360)

    assert verdict(canary, others, at=15.0) is Verdict.UNKNOWN
    assert verdict(canary, others, at=30.0) is Verdict.WORSE


def test_failures_under_a_hundredth_are_nothing():
    assert verdict(score(10_000, 60), score(30_000), at=30.0) is Verdict.WELL


@pytest.mark.parametrize(("failures", "expected"), [(9, Verdict.WELL), (10, Verdict.WORSE)])
def test_with_nobody_to_be_held_against_a_tenth_is_too_much(failures, expected):
    assert verdict(score(100, failures), score(0), at=30.0) is expected


def test_one_that_is_slow_is_worse():
    assert verdict(score(30, seconds=0.2), score(90), at=2.0) is Verdict.WORSE


def test_answers_that_hedges_have_overtaken_are_slow_ones():
    assert verdict(score(10, overtaken=8), score(60), at=2.0) is Verdict.WORSE


def test_a_cold_start_is_forgiven_if_it_is_over_before_the_watch_is():
    cold = score(40, late=8)
    warm = score(200, late=8)

    assert verdict(cold, score(120), at=2.0) is Verdict.UNKNOWN
    assert verdict(warm, score(600), at=30.0) is Verdict.WELL


def test_one_whose_requests_are_of_two_kinds_is_held_against_both():
    others = Score(400, latency={bucket(0.01): 160, bucket(0.5): 240})
    slower = Score(200, latency={bucket(0.03): 80, bucket(2.0): 120})

    assert verdict(others._replace(requests=200), others) is Verdict.WELL
    assert verdict(slower, others) is Verdict.WORSE


def test_some_milliseconds_more_are_nothing():
    assert verdict(score(200, seconds=0.012), score(600, seconds=0.001), at=30.0) is Verdict.WELL


def test_one_that_the_gateway_leaves_out_is_worse_unless_the_others_are_too():
    assert verdict(score(9, left_out=True), score(30), at=1.0) is Verdict.WORSE
    assert verdict(score(9, left_out=True), score(30, left_out=True), at=1.0) is Verdict.UNKNOWN


def test_scores_are_added_up_and_taken_since_a_moment():
    assert together([score(3, 1), score(4, 2, left_out=True)]) == Score(7, 3, 0, True, {bucket(FAST): 7})
    assert score(9, 4).since(score(5, 3))[:3] == (4, 1, 0)
    assert score(1).since(score(5))[:3] == (0, 0, 0)
    assert together([]) == Score()


counts = st.integers(0, 5000).flatmap(
    lambda requests: st.tuples(st.just(requests), st.integers(0, requests), st.integers(0, requests))
)


@st.composite
def scores(draw):
    requests, failures, late = draw(counts)
    return score(requests, failures, late=late, left_out=draw(st.booleans()))


@given(scores(), scores(), st.floats(0.0, 60.0))
def test_every_verdict_keeps_its_promises(canary, others, at):
    found = verdict(canary, others, at=at)

    if found is Verdict.WELL:
        assert canary.requests >= SPEC.requests
        assert at >= SPEC.watch / 3
    if at >= SPEC.watch and canary.requests >= SPEC.requests:
        assert found is not Verdict.UNKNOWN
    if found is Verdict.WORSE:
        assert canary.failures >= 3 or canary.left_out or sum(canary.latency.values()) >= 3


@given(scores(), st.integers(1, 20), st.floats(0.0, 60.0))
def test_one_that_is_just_as_its_others_is_never_worse(one, times, at):
    others = together([one._replace(left_out=False)] * times)

    assert verdict(one._replace(left_out=False), others, at=at) is not Verdict.WORSE


@given(scores(), scores(), st.floats(0.0, 60.0), st.integers(1, 500))
def test_more_failures_never_make_it_better(canary, others, at, more):
    order = [Verdict.WELL, Verdict.UNKNOWN, Verdict.WORSE]
    failures = min(canary.requests, canary.failures + more)

    before, after = verdict(canary, others, at=at), verdict(canary._replace(failures=failures), others, at=at)

    assert order.index(after) >= order.index(before) or canary.requests == 0
