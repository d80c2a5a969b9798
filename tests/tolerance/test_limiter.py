"""A limit that is learnt: what it does to services that are slow, and to those that are overloaded."""

from math import inf

import pytest

from mainstay.base.errors import SpecError
from mainstay.tolerance.limiter import FREE, LIMITED, TRIED, Limiter, LimiterSpec
from tolerance.overload import Service


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("places", "takes"), [(3, 0.01), (12, 0.01), (60, 0.05)])
def test_three_times_too_much_leaves_goodput_at_its_peak_and_waits_bounded(places, takes, workers):
    service = Service(places, takes, workers=workers)
    peak = places / takes
    service.run(8, peak / 2)
    began = service.now

    service.run(8, peak * 3)

    assert service.limiter.state is LIMITED
    assert service.good(began) > 0.9 * peak
    assert service.p99(began + 3) < 0.1 + 8 * takes


def test_one_worker_that_begins_later_is_not_kept_from_it_by_the_other():
    service = Service(12, 0.01, workers=2)
    service.run(8, 600)
    late = service.gates[1].limiter
    late._quiet_until = service.now + 3
    began = service.now

    service.run(12, 3600)

    assert late.state is LIMITED
    assert service.p99(began + 9) < 0.2


def test_without_a_limit_waits_grow_for_as_long_as_it_lasts():
    service = Service(12, 0.01, limiter=False)
    service.run(8, 600)
    began = service.now

    service.run(8, 3600)

    assert service.p99(began) > 4.0


def test_when_it_is_over_there_is_no_limit_and_nobody_is_refused():
    service = Service(12, 0.01)
    service.run(8, 600).run(5, 3600)
    over = service.now

    service.run(15, 600)

    assert service.limiter.state is FREE
    assert service.limiter.most == inf
    assert not [at for at in service.refused if at > over + 1]


@pytest.mark.parametrize("times", [3, 20, 200])
def test_who_is_slower_but_keeps_up_is_left_alone(times):
    service = Service(10**6, 0.01)
    service.run(8, 600)

    service.takes *= times
    service.run(10, 600)

    assert service.limiter.most == inf
    assert not service.refused


def test_a_burst_that_is_worked_off_is_left_alone():
    service = Service(12, 0.01)
    service.run(8, 600)

    service.run(0.1, 3000).run(3, 600)

    assert service.limiter.most == inf
    assert not service.refused


def test_clients_that_ask_again_do_not_keep_an_overload_going():
    """What makes an outage outlast its cause: clients give up, ask again, and nothing but what nobody waits for is done."""
    trouble = {}
    for limiter in (True, False):
        service = Service(12, 0.01, limiter=limiter, patience=0.5, retries=8)
        service.run(6, 900).run(4, 3600)
        service.run(6, 900)
        trouble[limiter] = service.good(service.now - 2) / 900

    assert trouble[True] > 0.95
    assert trouble[False] < 0.5


def told(limiter, now, waits, under_way, *, width=1):
    limiter.judge(now, waits, width, under_way, 0)
    return limiter.state


def usual(**spec):
    limiter = Limiter(LimiterSpec(**spec))
    for tick in range(1, 50):
        told(limiter, tick / 10, [0.01] * 20, 2)
    return limiter


def crowd(limiter, start, ticks=4):
    """Have waits and what is under way grow."""
    for tick in range(1, ticks + 1):
        told(limiter, start + tick / 10, [0.01 * (4 + tick)] * 20, 40 * tick)
    return limiter


def test_it_is_tried_whether_less_at_once_is_as_much_altogether():
    limiter = crowd(usual(), 5.0)

    assert limiter.state is TRIED
    assert 4 <= limiter.most < 160


def test_when_less_is_answered_then_it_is_free_again_and_takes_the_waits_for_usual():
    limiter = crowd(usual(), 5.0)

    for tick in range(10, 40):
        told(limiter, 5.0 + tick / 10, [0.08] * 5, 4)

    assert limiter.state is FREE
    assert told(limiter, 9.5, [0.08] * 20, 40) is FREE
    assert limiter.most == inf


def test_when_nothing_at_all_is_answered_any_more_the_trial_ends_too():
    limiter = crowd(usual(), 5.0)

    for tick in range(10, 40):
        told(limiter, 5.0 + tick / 10, [], 4)

    assert limiter.state is FREE


def test_an_instance_that_is_lost_meanwhile_is_not_taken_for_the_trials_end():
    limiter = usual()
    for tick in range(1, 5):
        told(limiter, 5.0 + tick / 10, [0.01 * (4 + tick)] * 30, 40 * tick, width=3)
    assert limiter.state is TRIED

    for tick in range(5, 30):
        told(limiter, 5.0 + tick / 10, [0.02] * 20, 20, width=2)

    assert limiter.state is LIMITED


def test_few_answers_prove_nothing():
    limiter = usual()

    for tick in range(1, 20):
        told(limiter, 5.0 + tick / 100, [1.0] if tick % 3 == 0 else [], 1000 * tick)

    assert limiter.state is FREE


def test_the_limit_follows_the_number_of_instances_at_once():
    limiter = crowd(usual(), 5.0)
    each = limiter.most

    told(limiter, 5.45, [], 10, width=3)

    assert limiter.most == pytest.approx(3 * each)


def test_it_is_worth_looking_more_often_only_while_much_is_under_way():
    limiter = usual()
    before = limiter.alarm

    crowd(limiter, 5.0)

    assert 4 <= before < 20
    assert limiter.alarm == 0.0


def test_it_may_never_be_none():
    with pytest.raises(SpecError):
        LimiterSpec(least=0)
