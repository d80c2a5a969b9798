from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.dice import Dice
from mainstay.base.errors import SpecError
from mainstay.base.outcome import CANCELLED, FAILED, OK, REFUSED, RESET, STALE, TIMEOUT
from mainstay.redundancy.bond import Named
from mainstay.redundancy.health import Health
from mainstay.redundancy.outlier import OutlierSpec
from mainstay.redundancy.pool import Pool, PoolSpec
from mainstay.tolerance.backoff import BackoffSpec
from mainstay.tolerance.breaker import CLOSED, HALF_OPEN, OPEN, Breaker, BreakerSpec
from mainstay.tolerance.budget import BudgetSpec
from mainstay.tolerance.call import CallSpec, Policy
from mainstay.tolerance.order import (
    DONE,
    ENDED,
    GIVE_UP,
    GO_ON,
    IDLE,
    PAUSE,
    PAUSED,
    TRANSITIONS,
    TRY,
    TRYING,
    WAIT,
    Because,
)
from mainstay.tolerance.retry import RetrySpec
from mainstay.tolerance.target import Target

STEADY = BackoffSpec(base=0.1, cap=0.4, jitter="none")
RETRY = RetrySpec(attempts=3, backoff=STEADY)
SPEC = CallSpec(attempt=2.0, request=5.0, retry=RETRY, wait=0)
WAITING = CallSpec(attempt=2.0, request=5.0, retry=RETRY, wait=1.0)
FRAIL = BreakerSpec(minimum=1, rest=4.0, cap=30.0, probes=1, ramp=0.0)


class Stage:
    """A policy over targets `a`, `b`, …, asked in turn, without outlier ejection unless it is told."""

    def __init__(self, size=3, spec=SPEC, outlier=None, breaker=None):
        self.dice = Dice(5)
        self.pool = Pool(PoolSpec(balance="round_robin", outlier=outlier), "web", self.dice)
        self.targets = [
            Target(
                "web",
                "abcdefgh"[place],
                1,
                "127.0.0.1",
                1,
                health=Health(None),
                breaker=Breaker(breaker, self.dice) if breaker is not None else None,
            )
            for place in range(size)
        ]
        self.pool.replace(0.0, self.targets)
        self.policy = Policy(spec, self.pool, self.dice)

    def call(self, now=0.0, *, idempotent=True, keyed=False, sent=True):
        call = self.policy.call(now, idempotent=idempotent, keyed=keyed)
        assert call.start(now) is TRY
        if sent:
            call.sent(now)
        return call

    def in_flight(self):
        return [target.in_flight for target in self.targets]


def spec(**retry):
    return CallSpec(attempt=2.0, request=5.0, wait=0, retry=RetrySpec(**{"backoff": STEADY, **retry}))


def test_who_waits_for_less_shortens_the_deadline_also_after_a_long_upload():
    call = Stage().policy.call(0.0, idempotent=True)
    call.shorten(0.0, 1.5)

    call.start(0.0)
    before = call.until
    call.extend(4.0)

    assert (before, call.until) == (1.5, 5.5)


def test_who_waits_for_longer_changes_nothing():
    call = Stage().policy.call(0.0, idempotent=True)
    call.shorten(0.0, 99.0)

    call.start(0.0)

    assert (call.until, call.deadline.at) == (2.0, 5.0)


def test_a_call_that_has_started_cannot_be_shortened():
    call = Stage().call()

    with pytest.raises(RuntimeError):
        call.shorten(0.0, 1.0)


def test_the_defaults_are_three_attempts_of_ten_seconds():
    defaults = CallSpec()

    assert (defaults.attempt, defaults.request, defaults.retry) == (10.0, 30.0, RetrySpec())
    assert defaults.wait == 2.0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"attempt": 0.0}, "attempt must be above 0, not 0"),
        ({"attempt": 6.0, "request": 5.0}, "request must be at least 6, not 5"),
        ({"wait": -1.0}, "wait must be at least 0, not -1"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(SpecError) as refusal:
        CallSpec(**wrong)

    assert str(refusal.value) == message


def test_a_target_is_an_instance_with_a_breaker():
    breaker = Breaker(FRAIL, Dice(1))

    target = Target(
        "web",
        "web-1",
        3,
        "::1",
        80,
        health=Health(None),
        zone="a",
        weight=2.0,
        up_since=4.0,
        breaker=breaker,
    )

    assert (target.service, target.name, target.generation, target.host, target.port) == (
        *("web", "web-1", 3),
        *("::1", 80),
    )
    assert (target.zone, target.weight, target.up_since, target.key) == ("a", 2.0, 4.0, ("web-1", 3))
    assert target.breaker is breaker
    assert Target("web", "web-1", 3, "::1", 80, health=Health(None)).breaker is None
    plain = Target("web", "web-1", 3, "::1", 80, health=Health(None))
    assert (plain.zone, plain.weight, plain.up_since) == ("", 1.0, None)


# How a call begins and ends well


def test_a_new_call_is_idle_and_holds_nothing():
    stage = Stage()

    call = stage.policy.call(1.0, idempotent=True)

    assert (call.state, call.attempt, call.because, call.retry_after) == (IDLE, 0, None, None)
    assert call.deadline.at == 6.0
    assert call.until == 1.0
    assert stage.in_flight() == [0, 0, 0]


def test_it_begins_with_an_attempt_at_an_instance():
    stage = Stage()
    call = stage.policy.call(1.0, idempotent=True)

    order = call.start(1.5)

    assert order is TRY
    assert (call.state, call.attempt, call.instance.name, call.until) == (TRYING, 1, "a", 3.5)
    assert stage.in_flight() == [1, 0, 0]


def test_attempts_at_one_instance_add_up():
    stage = Stage(size=1)
    calls = [stage.call(), stage.call()]

    both = stage.in_flight()
    calls[0].settle(0.1, OK)

    assert both == [2]
    assert stage.in_flight() == [1]


def test_a_good_answer_ends_it():
    stage = Stage()
    call = stage.call()

    order = call.settle(0.1, OK)

    assert order is DONE
    assert (call.state, call.because, call.attempt) == (ENDED, None, 1)
    assert stage.in_flight() == [0, 0, 0]


def test_without_a_usable_instance_it_gives_up_at_once():
    stage = Stage(size=0)
    call = stage.policy.call(0.0, idempotent=True)

    order = call.start(0.0)

    assert order is GIVE_UP
    assert (call.state, call.because, call.retry_after) == (ENDED, Because.NO_INSTANCE, None)


def test_every_call_pays_into_the_budget_and_a_policy_without_retries_has_none():
    stage = Stage(spec=spec(budget=BudgetSpec(share=0.5, floor=0.0)))

    stage.policy.call(0.0, idempotent=False)
    stage.policy.call(0.0, idempotent=True)

    assert stage.policy.budget.balance(0.0) == 1.0
    assert Stage(spec=CallSpec(retry=None)).policy.budget is None


# What may be tried again


@pytest.mark.parametrize("outcome", [REFUSED, STALE, RESET, TIMEOUT])
def test_what_was_never_sent_goes_to_another_whatever_it_is(outcome):
    stage = Stage()
    call = stage.call(idempotent=False, sent=False)

    order = call.settle(0.1, outcome)

    assert order is TRY
    assert (call.instance.name, call.attempt, call.until) == ("b", 2, 2.1)
    assert stage.in_flight() == [0, 1, 0]


@pytest.mark.parametrize("outcome", [STALE, RESET, TIMEOUT])
@pytest.mark.parametrize("kind", [{"idempotent": True}, {"idempotent": False, "keyed": True}])
def test_what_was_sent_and_may_be_repeated_goes_to_another(outcome, kind):
    stage = Stage()
    call = stage.call(**kind)

    assert call.settle(0.1, outcome) is TRY
    assert call.instance.name == "b"


@pytest.mark.parametrize("outcome", [STALE, RESET, TIMEOUT])
def test_what_was_sent_and_may_not_be_repeated_is_never_sent_twice(outcome):
    stage = Stage()
    call = stage.call(idempotent=False)

    order = call.settle(0.1, outcome)

    assert order is GIVE_UP
    assert call.because is Because.UNPROVED
    assert stage.in_flight() == [0, 0, 0]


def test_unless_told_a_request_carries_no_key():
    call = Stage().policy.call(0.0, idempotent=False)
    call.start(0.0)
    call.sent(0.0)

    assert call.settle(0.1, RESET) is GIVE_UP


def test_what_was_sent_is_asked_of_each_attempt_anew():
    call = Stage().call(idempotent=False, sent=False)
    call.settle(0.1, REFUSED)
    call.sent(0.2)
    keyed = Stage().call(idempotent=False, keyed=True)
    keyed.settle(0.1, RESET)

    assert call.settle(0.3, RESET) is GIVE_UP
    assert keyed.sent_at is None


def test_when_the_client_has_a_part_of_the_answer_that_attempt_is_the_last():
    call = Stage().call()
    call.committed(0.1)

    order = call.settle(0.2, RESET)

    assert order is GIVE_UP
    assert call.because is Because.COMMITTED


def test_a_body_that_cannot_be_repeated_is_not():
    call = Stage().call()
    call.unrepeatable()

    assert call.settle(0.1, RESET) is GIVE_UP
    assert call.because is Because.UNREPEATABLE


def test_a_body_that_was_never_sent_need_not_be_repeated():
    call = Stage().call(sent=False)
    call.unrepeatable()

    assert call.settle(0.1, RESET) is TRY


@pytest.mark.parametrize("outcome", [REFUSED, STALE, RESET, TIMEOUT])
def test_with_retries_off_nothing_is_tried_again(outcome):
    stage = Stage(spec=CallSpec(retry=None))
    call = stage.call(sent=False)

    assert call.settle(0.1, outcome) is GIVE_UP
    assert call.because is Because.ATTEMPTS


# An answer that says the instance cannot


@pytest.mark.parametrize("status", [502, 503, 504])
def test_an_answer_that_another_might_not_give_goes_to_another(status):
    call = Stage().call()

    assert call.settle(0.1, FAILED, status) is TRY
    assert call.instance.name == "b"


@pytest.mark.parametrize("status", [501, 505])
def test_the_applications_own_failure_is_passed_on(status):
    call = Stage().call()

    order = call.settle(0.1, FAILED, status, 7.0)

    assert order is DONE
    assert (call.because, call.retry_after, call.state) == (Because.STATUS, 7.0, ENDED)


def test_of_what_may_be_its_own_failure_one_other_is_asked():
    stage = Stage()
    call = stage.call()

    orders = [call.settle(0.1, FAILED, 500)]
    call.sent(0.1)
    orders.append(call.settle(0.2, FAILED, 500))

    assert orders == [TRY, DONE]
    assert (call.because, call.attempt, call.instance) == (Because.STATUS, 2, stage.targets[1])


@pytest.mark.parametrize("why", ["nobody else", "not idempotent", "budget"])
def test_where_no_other_may_be_asked_it_is_passed_on_at_once(why):
    stage = Stage(
        size=1 if why == "nobody else" else 3,
        spec=spec(budget=BudgetSpec(share=0.0, floor=0.0)) if why == "budget" else SPEC,
    )
    call = stage.call(idempotent=why != "not idempotent")

    assert call.settle(0.1, FAILED, 500) is DONE
    assert stage.in_flight() == [0] * len(stage.targets)


def test_a_status_that_was_not_told_is_passed_on():
    assert Stage().call().settle(0.1, FAILED) is DONE


def test_a_failure_that_may_not_be_repeated_is_passed_on_although_nobody_said_it_was_sent():
    call = Stage().call(idempotent=False, sent=False)

    assert call.settle(0.1, FAILED, 503) is DONE
    assert call.because is Because.UNPROVED


def test_a_keyed_failure_goes_to_another():
    assert Stage().call(idempotent=False, keyed=True).settle(0.1, FAILED, 503) is TRY


def test_the_last_failure_of_all_is_passed_on():
    call = Stage().call()
    call.settle(0.1, FAILED, 503)
    call.settle(0.2, FAILED, 503)

    order = call.settle(0.3, FAILED, 503, 2.0)

    assert order is DONE
    assert (call.because, call.retry_after) == (Because.ATTEMPTS, 2.0)


def test_a_failure_is_passed_on_when_retries_are_off_or_the_client_has_a_part_of_it():
    off = Stage(spec=CallSpec(retry=None)).call()
    begun = Stage().call()
    begun.committed(0.05)

    assert off.settle(0.1, FAILED, 503) is DONE
    assert begun.settle(0.1, FAILED, 503) is DONE
    assert begun.because is Because.COMMITTED


def test_a_retry_after_of_an_earlier_attempt_is_forgotten():
    call = Stage().call()
    call.settle(0.1, FAILED, 503, 7.0)

    call.settle(0.2, OK)

    assert call.retry_after is None


# Pauses


def test_when_all_were_tried_it_pauses_and_starts_over():
    stage = Stage(size=2)
    call = stage.call()
    call.settle(0.1, RESET)

    order = call.settle(0.2, RESET)
    paused = (call.state, call.until, stage.in_flight())
    again = call.resume(0.3)

    assert order is PAUSE
    assert paused == (PAUSED, pytest.approx(0.3), [0, 0])
    assert again is TRY
    assert (call.state, call.attempt, call.instance.name) == (TRYING, 3, "b")
    assert stage.in_flight() == [0, 1]


def test_pauses_grow():
    call = Stage(size=1, spec=spec(attempts=9)).call()
    pauses = []

    for now in (1.0, 2.0, 3.0, 4.0):
        assert call.settle(now, RESET) is PAUSE
        pauses.append(call.until - now)
        call.resume(now)
        call.sent(now)

    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.4])


def test_pauses_are_jittered_by_the_dice_of_the_policy():
    stage = Stage(size=1, spec=spec(backoff=BackoffSpec(base=0.1, cap=0.4)))
    stage.policy.dice = Dice(9)
    call = stage.call()

    call.settle(1.0, RESET)

    assert call.until == 1.0 + 0.1 * Dice(9).random()


def test_a_policy_keeps_what_it_was_given():
    stage = Stage()

    assert stage.policy.spec is SPEC
    assert stage.policy.pool is stage.pool
    assert stage.policy.dice is stage.dice


def test_a_pause_that_would_miss_the_deadline_is_not_made():
    stage = Stage(size=1)
    just, late = stage.call(), stage.call()

    assert just.settle(4.89, RESET) is PAUSE
    assert late.settle(4.9, RESET) is GIVE_UP
    assert late.because is Because.DEADLINE


def test_resumed_too_late_it_gives_up():
    call = Stage(size=1).call()
    call.settle(4.0, RESET)

    order = call.resume(5.0)

    assert order is GIVE_UP
    assert (call.state, call.because) == (ENDED, Because.DEADLINE)


def test_resumed_when_nobody_is_left_it_gives_up():
    stage = Stage(size=1)
    call = stage.call()
    call.settle(0.1, RESET)
    stage.pool.replace(0.2, [])

    assert call.resume(0.2) is GIVE_UP
    assert call.because is Because.NO_INSTANCE


def test_the_instances_own_time_is_waited_for_when_it_is_short():
    call = Stage(size=1).call()

    order = call.settle(1.0, FAILED, 503, 0.3)

    assert order is PAUSE
    assert call.until == pytest.approx(1.3)


def test_the_pause_is_no_shorter_for_an_instance_that_asks_for_less():
    call = Stage(size=1).call()

    call.settle(1.0, FAILED, 503, 0.0)

    assert call.until == pytest.approx(1.1)


def test_an_instance_may_ask_for_the_longest_pause_and_no_more():
    stage = Stage(size=1)
    longest, longer = stage.call(), stage.call()

    assert longest.settle(1.0, FAILED, 503, 0.4) is PAUSE
    assert longer.settle(1.0, FAILED, 503, 0.5) is DONE
    assert (longer.because, longer.retry_after) == (Because.STATUS, 0.5)


def test_what_an_instance_asks_for_does_not_keep_the_others_from_being_tried():
    assert Stage().call().settle(1.0, FAILED, 503, 60.0) is TRY


def test_only_an_answer_can_ask_for_time():
    call = Stage(size=1).call()

    assert call.settle(1.0, RESET, 0, 60.0) is PAUSE
    assert call.until == pytest.approx(1.1)


def test_after_a_stale_connection_the_only_instance_is_tried_again_at_once():
    stage = Stage(size=1)
    call = stage.call(sent=False)

    order = call.settle(0.1, STALE)

    assert order is TRY
    assert (call.instance.name, call.attempt) == ("a", 2)
    assert stage.in_flight() == [1]


def test_stale_connections_without_end_are_given_up():
    call = Stage(size=1).call(sent=False)

    orders = [call.settle(0.1, STALE) for _ in range(3)]

    assert orders == [TRY, TRY, GIVE_UP]
    assert call.because is Because.ATTEMPTS


def test_after_a_stale_connection_and_with_nobody_left_it_pauses():
    stage = Stage(size=1)
    call = stage.call(sent=False)
    stage.pool.replace(0.1, [])

    assert call.settle(0.1, STALE) is PAUSE


# What bounds it


def test_attempts_are_bounded():
    stage = Stage(size=5)
    call = stage.call()
    orders = []

    for now in (0.1, 0.2, 0.3):
        orders.append(call.settle(now, RESET))
        if orders[-1] is TRY:
            call.sent(now)

    assert orders == [TRY, TRY, GIVE_UP]
    assert (call.because, call.attempt) == (Because.ATTEMPTS, 3)


def test_a_single_attempt_may_be_all():
    call = Stage(spec=spec(attempts=1)).call()

    assert call.settle(0.1, RESET) is GIVE_UP
    assert call.because is Because.ATTEMPTS


def test_what_reached_nobody_goes_on_to_everybody():
    stage = Stage(size=5)
    call = stage.call(idempotent=False, sent=False)

    orders = [call.settle(0.1, REFUSED) for _ in range(5)]

    assert orders == [TRY, TRY, TRY, TRY, GIVE_UP]
    assert (call.because, call.attempt) == (Because.ATTEMPTS, 5)


def test_what_reached_nobody_is_tried_again_after_a_pause_only_within_the_attempts():
    call = Stage(size=2).call(sent=False)

    orders = [
        call.settle(0.1, REFUSED),
        call.settle(0.2, REFUSED),
        call.resume(0.3),
        call.settle(0.4, REFUSED),
    ]
    fourth = [call.settle(0.5, REFUSED)]

    assert orders == [TRY, PAUSE, TRY, TRY]
    assert fourth == [GIVE_UP]
    assert call.because is Because.ATTEMPTS


def test_retries_are_taken_from_the_budget():
    stage = Stage(spec=spec(budget=BudgetSpec(share=0.0, floor=0.1)))
    first, second = stage.call(), stage.call()

    orders = [first.settle(0.1, RESET), second.settle(0.1, RESET)]

    assert orders == [TRY, GIVE_UP]
    assert second.because is Because.BUDGET


@pytest.mark.parametrize(
    ("outcome", "sent"), [(REFUSED, False), (RESET, False), (STALE, False), (STALE, True)]
)
def test_what_cost_nobody_anything_is_not_taken_from_the_budget(outcome, sent):
    stage = Stage(spec=spec(budget=BudgetSpec(share=0.0, floor=0.0)))
    call = stage.call(sent=sent)

    assert call.settle(0.1, outcome) is TRY


def test_a_stale_retry_by_key_is_taken_from_the_budget():
    stage = Stage(spec=spec(budget=BudgetSpec(share=0.0, floor=0.0)))
    call = stage.call(idempotent=False, keyed=True)

    assert call.settle(0.1, STALE) is GIVE_UP
    assert call.because is Because.BUDGET


def test_a_retry_that_is_not_allowed_costs_nothing():
    stage = Stage(spec=spec(attempts=1, budget=BudgetSpec(share=0.0, floor=0.1)))

    stage.call().settle(0.1, RESET)

    assert stage.policy.budget.balance(0.1) == 1.0


def test_after_the_deadline_nothing_is_tried():
    stage = Stage()
    just, late = stage.call(), stage.call(sent=False)

    assert just.settle(4.99, RESET) is TRY
    assert just.until == 5.0
    assert late.settle(5.0, REFUSED) is GIVE_UP
    assert late.because is Because.DEADLINE


def test_a_long_upload_moves_the_deadline_and_the_attempts_time():
    call = Stage().call()

    call.extend(30.0)

    assert call.deadline.at == 35.0
    assert call.until == 32.0
    assert call.settle(33.0, RESET) is TRY


def test_an_upload_that_ends_during_a_pause_leaves_the_pause_alone():
    call = Stage(size=1).call()
    call.settle(1.0, RESET)

    call.extend(1.05)

    assert call.until == pytest.approx(1.1)
    assert call.deadline.at == pytest.approx(6.05)


# The witnesses: breaker and pool


def test_the_breaker_and_the_pool_hear_how_it_ended():
    stage = Stage(outlier=OutlierSpec(refused=1), breaker=FRAIL)
    call = stage.call(sent=False)

    call.settle(0.1, REFUSED)

    assert stage.targets[0].breaker.state is OPEN
    assert stage.targets[0].ejected_until is not None
    assert stage.targets[1].breaker.state is CLOSED


def test_one_whose_breaker_is_open_is_passed_over():
    stage = Stage(breaker=FRAIL)
    stage.call().settle(0.0, RESET)

    names = {stage.call().instance.name for _ in range(6)}

    assert names == {"b", "c"}


def test_the_only_one_that_admits_is_found_however_the_pool_would_choose():
    stage = Stage(breaker=FRAIL, spec=spec(attempts=1))
    for _ in range(2):
        stage.call().settle(0.0, RESET)
    stage.targets[2].in_flight = 9
    least = Pool(PoolSpec(balance="least", outlier=None), "web", stage.dice)
    least.replace(0.0, stage.targets)
    call = Policy(SPEC, least, stage.dice).call(0.0, idempotent=True)

    call.start(0.0)

    assert call.instance is stage.targets[2]


def test_when_every_breaker_is_open_it_gives_up_and_tells_when_to_come_back():
    stage = Stage(size=2, breaker=FRAIL, spec=spec(attempts=1))
    stage.call(0.0).settle(0.0, RESET)
    stage.call(1.0).settle(1.0, RESET)
    call = stage.policy.call(2.0, idempotent=True)

    order = call.start(2.0)

    assert order is GIVE_UP
    assert call.because is Because.CIRCUIT_OPEN
    assert call.retry_after == pytest.approx(min(t.breaker.reopens_at for t in stage.targets) - 2.0)
    assert stage.in_flight() == [0, 0]


def test_when_a_breaker_is_half_open_and_full_it_is_worth_coming_back_at_once():
    stage = Stage(size=2, breaker=FRAIL, spec=spec(attempts=1))
    stage.call(0.0).settle(0.0, RESET)
    stage.call(4.0).settle(4.0, RESET)
    probe = stage.call(5.0)
    call = stage.policy.call(5.0, idempotent=True)

    order = call.start(5.0)

    assert probe.instance.breaker.state is HALF_OPEN
    assert order is GIVE_UP
    assert (call.because, call.retry_after) == (Because.CIRCUIT_OPEN, 0.0)


def test_a_breaker_that_has_only_just_closed_spares_its_instance_as_long_as_there_is_another():
    stage = Stage(size=2, breaker=replace(FRAIL, ramp=1000.0), spec=spec(attempts=1))
    stage.call(0.0).settle(0.0, RESET)
    for _ in range(3):
        probe = stage.call(5.0)
        probe.settle(5.0, OK)
    first, second = stage.targets

    asked = [stage.call(5.1).instance for _ in range(40)]

    assert first.breaker.state is CLOSED
    assert asked.count(first) < 15
    assert asked.count(second) > 25


def test_breakers_that_have_only_just_closed_refuse_nobody_when_there_is_no_other_instance():
    stage = Stage(size=2, breaker=replace(FRAIL, ramp=1000.0), spec=spec(attempts=1))
    for _ in range(2):
        stage.call(0.0).settle(0.0, RESET)
    for _ in range(2):
        stage.call(5.0).settle(5.0, OK)
    assert {target.breaker.state for target in stage.targets} == {CLOSED}

    calls = [stage.call(5.1) for _ in range(40)]

    assert {call.state for call in calls} == {TRYING}


def test_a_pause_may_end_before_open_breakers():
    stage = Stage(size=1, breaker=FRAIL)
    call = stage.call()

    order = call.settle(0.1, RESET)

    assert order is PAUSE
    assert call.resume(0.2) is GIVE_UP
    assert call.because is Because.CIRCUIT_OPEN


def test_every_probe_is_settled_under_its_permit():
    stage = Stage(size=1, breaker=FRAIL)
    stage.call(0.0).settle(0.0, RESET)
    probe = stage.call(5.0)

    probe.settle(5.1, OK)

    assert stage.targets[0].breaker.state is CLOSED


def test_a_call_that_is_cancelled_gives_its_place_back_and_proves_nothing():
    stage = Stage(size=1, breaker=FRAIL, outlier=OutlierSpec())
    stage.call(0.0).settle(0.0, RESET)
    probe = stage.call(5.0)

    probe.cancel(5.1)

    assert (probe.state, probe.because) == (ENDED, Because.CANCELLED)
    assert stage.in_flight() == [0]
    assert stage.targets[0].breaker.state is HALF_OPEN
    assert stage.call(5.2).state is TRYING


def test_an_attempt_settled_as_cancelled_ends_the_call():
    stage = Stage(breaker=FRAIL)
    call = stage.call(sent=False)

    order = call.settle(0.1, CANCELLED)

    assert order is GIVE_UP
    assert (call.state, call.because) == (ENDED, Because.CANCELLED)
    assert stage.in_flight() == [0, 0, 0]
    assert stage.targets[0].breaker.state is CLOSED


def test_a_call_may_be_cancelled_before_it_begins_or_while_it_pauses():
    stage = Stage(size=1)
    idle, paused = stage.policy.call(0.0, idempotent=True), stage.call()
    paused.settle(0.1, RESET)

    idle.cancel(0.2)
    paused.cancel(0.2)

    assert (idle.state, paused.state) == (ENDED, ENDED)
    assert stage.in_flight() == [0]


def test_cancelling_what_has_ended_changes_nothing():
    stage = Stage()
    call = stage.call()
    call.settle(0.1, OK)

    call.cancel(0.2)

    assert call.because is None
    assert stage.in_flight() == [0, 0, 0]


def test_a_timeout_within_its_full_time_is_charged_to_the_instance():
    stage = Stage(breaker=FRAIL)

    stage.call().settle(2.0, TIMEOUT)

    assert stage.targets[0].breaker.state is OPEN


def test_a_timeout_cut_short_by_the_deadline_is_charged_to_nobody():
    stage = Stage(breaker=FRAIL, outlier=OutlierSpec(timeout=1))
    call = stage.policy.call(0.0, idempotent=True)
    call.start(3.1)

    order = call.settle(5.0, TIMEOUT)

    assert order is GIVE_UP
    assert call.because is Because.DEADLINE
    assert stage.targets[0].breaker.state is CLOSED
    assert stage.targets[0].ejected_until is None


def test_a_connection_lost_in_a_time_cut_short_is_charged_all_the_same():
    stage = Stage(breaker=FRAIL)
    call = stage.policy.call(0.0, idempotent=True)
    call.start(3.1)

    call.settle(4.0, RESET)

    assert stage.targets[0].breaker.state is OPEN


def test_an_attempt_that_just_fits_is_not_cut_short():
    stage = Stage(breaker=FRAIL)
    call = stage.policy.call(0.0, idempotent=True)
    call.start(3.0)

    call.settle(5.0, TIMEOUT)

    assert stage.targets[0].breaker.state is OPEN


# Nobody to ask


def test_while_there_is_nobody_to_ask_it_waits_and_goes_on_with_who_comes():
    stage = Stage(size=0, spec=WAITING)
    call = stage.policy.call(0.0, idempotent=False)

    order = call.start(0.25)
    stage.pool.replace(0.5, Stage(size=1).targets)

    assert (order, call.until, call.attempt) == (WAIT, 1.25, 0)
    assert call.resume(0.5) is TRY
    assert (call.attempt, call.until) == (1, 2.5)


def test_it_waits_once_and_then_gives_up():
    stage = Stage(size=0, spec=WAITING)
    call = stage.policy.call(0.0, idempotent=True)
    call.start(0.0)

    again = call.resume(0.75)
    until = call.until
    end = call.resume(1.0)

    assert (again, until) == (WAIT, 1.0)
    assert (end, call.because, call.state) == (GIVE_UP, Because.NO_INSTANCE, ENDED)


def test_it_waits_no_longer_than_who_asks_and_says_what_it_waited_for():
    stage = Stage(size=0, spec=WAITING)
    call = stage.policy.call(0.0, idempotent=True)
    call.shorten(0.0, 0.5)

    order = call.start(0.0)

    assert (order, call.until) == (WAIT, 0.5)
    assert (call.resume(0.5), call.because) == (GIVE_UP, Because.NO_INSTANCE)


def test_it_does_not_wait_for_a_breaker():
    stage = Stage(size=1, spec=WAITING, breaker=FRAIL)
    stage.call(0.0, idempotent=False).settle(0.1, RESET)
    call = stage.policy.call(0.2, idempotent=True)

    assert (call.start(0.2), call.because) == (GIVE_UP, Because.CIRCUIT_OPEN)


def test_a_request_whose_only_instance_died_waits_for_the_next_life():
    stage = Stage(size=1, spec=WAITING)
    call = stage.call()
    pausing = call.settle(0.1, RESET)
    stage.pool.replace(0.1, [])

    waiting = call.resume(0.2)
    until = call.until
    stage.pool.replace(0.9, Stage(size=1).targets)

    assert (pausing, waiting, until) == (PAUSE, WAIT, 1.2)
    assert (call.resume(0.9), call.attempt) == (TRY, 2)


def test_one_that_may_not_be_repeated_does_not_wait():
    stage = Stage(size=1, spec=WAITING)
    call = stage.call(idempotent=False)
    stage.pool.replace(0.1, [])

    assert (call.settle(0.1, RESET), call.because) == (GIVE_UP, Because.UNPROVED)


def test_who_cannot_be_reached_is_asked_again_until_it_has_waited_long_enough():
    stage = Stage(size=1, spec=WAITING)
    call = stage.call(sent=False)
    now = first = 0.0

    while call.state is not ENDED:
        order = call.settle(now, REFUSED) if call.state is TRYING else call.resume(now)
        if order is PAUSE:
            first = first or (now if call.attempt >= 3 else 0.0)
            assert call.until <= now + 0.4
            now = call.until

    assert call.because is Because.ATTEMPTS
    assert call.attempt > 3
    assert first + 1.0 <= now <= first + 1.4


def test_what_was_sent_is_not_tried_more_often_for_waiting():
    stage = Stage(size=1, spec=WAITING)
    call = stage.call()

    for now in (0.1, 0.5):
        assert call.settle(now, RESET) is PAUSE
        assert call.resume(now + 0.3) is TRY
        call.sent(now + 0.3)

    assert (call.settle(1.0, RESET), call.because) == (GIVE_UP, Because.ATTEMPTS)


def test_it_can_be_told_not_to_wait_any_longer():
    stage = Stage(size=0, spec=WAITING)
    call = stage.policy.call(0.0, idempotent=True)
    call.start(0.0)

    assert (call.refuse(0.1), call.because, call.state) == (GIVE_UP, Because.NO_INSTANCE, ENDED)


def test_an_attempt_that_is_given_up_before_its_time_proves_nothing():
    stage = Stage(outlier=OutlierSpec(timeout=1))
    call = stage.call()

    call.unfair()

    assert call.settle(0.5, TIMEOUT) is TRY
    assert stage.targets[0].ejected_until is None


# Two attempts at the same time


def test_a_rival_is_a_second_attempt_elsewhere():
    stage = Stage()
    call = stage.call()

    assert call.hedge(0.5)

    assert call.instance is stage.targets[0]
    assert call.rival.instance is stage.targets[1]
    assert (call.attempt, call.until, call.rival.until) == (2, 2.0, 2.5)
    assert stage.in_flight() == [1, 1, 0]


def test_the_attempt_that_answers_first_wins_and_the_rival_proves_nothing():
    stage = Stage(outlier=OutlierSpec(refused=1))
    call = stage.call()
    call.hedge(0.5)

    assert call.settle(0.6, OK) is DONE

    assert stage.in_flight() == [0, 0, 0]
    assert stage.targets[1].ejected_until is None


def test_the_rival_that_answers_first_takes_the_place_of_the_attempt():
    stage = Stage()
    call = stage.call()
    call.hedge(0.5)
    call.rival.sent_at = 0.5

    call.overtake(0.6)

    assert (call.instance, call.rival, call.sent_at) == (stage.targets[1], None, 0.5)
    assert stage.in_flight() == [0, 1, 0]
    assert call.settle(0.7, OK) is DONE


@pytest.mark.parametrize("outcome", [RESET, REFUSED, TIMEOUT, STALE])
def test_when_the_attempt_fails_the_rival_goes_on(outcome):
    stage = Stage()
    call = stage.call()
    call.hedge(0.5)

    assert call.settle(0.6, outcome) is GO_ON

    assert (call.instance, call.rival, call.until) == (stage.targets[1], None, 2.5)
    assert stage.in_flight() == [0, 1, 0]


def test_an_answer_that_another_might_not_give_leaves_it_to_the_rival():
    stage = Stage()
    call = stage.call()
    call.hedge(0.5)

    assert call.settle(0.6, FAILED, 503) is GO_ON


def test_the_applications_own_failure_needs_no_rival():
    stage = Stage()
    call = stage.call()
    call.hedge(0.5)

    assert call.settle(0.6, FAILED, 501) is DONE

    assert stage.in_flight() == [0, 0, 0]


def test_one_instance_on_trial_gets_one_request_that_may_be_repeated():
    stage = Stage(size=2)
    stage.targets[0].on_trial = 1.0
    one = stage.policy.call(0.0, idempotent=False)
    one.start(0.0)
    others = [stage.policy.call(0.0, idempotent=True) for _ in range(3)]
    for call in others:
        call.start(0.0)

    assert one.instance is stage.targets[1]
    assert stage.in_flight() == [1, 3]


def test_what_was_there_before_does_not_keep_one_on_trial_from_being_tried():
    stage = Stage(size=2)
    stage.call().committed(0.0)
    stage.targets[0].on_trial = 1.0

    calls = [stage.call() for _ in range(3)]

    assert stage.in_flight() == [2, 2]
    assert calls[1].instance is stage.targets[0] or calls[0].instance is stage.targets[0]


def test_an_answer_that_goes_on_for_hours_does_not_keep_others_from_one_on_trial():
    stage = Stage(size=2)
    stage.targets[0].on_trial = 1.0

    for _ in range(4):
        stage.call().committed(0.0)

    assert stage.in_flight() == [2, 2]


def test_streams_prove_that_an_instance_works_again_before_they_end():
    stage = Stage(size=1, breaker=FRAIL)
    stage.call().settle(0.1, RESET)

    stage.call(9.0).committed(9.1)

    assert stage.targets[0].breaker.state is CLOSED


def test_who_tries_in_vain_makes_room_for_the_next_one():
    stage = Stage(size=2)
    stage.targets[0].on_trial = 1.0
    stage.call().cancel(0.1)

    stage.call()
    stage.call()

    assert stage.in_flight() == [1, 1]


def test_what_is_tied_to_one_on_trial_stays_there():
    stage = Stage(size=2)
    stage.targets[0].on_trial = 1.0
    calls = [stage.policy.call(0.0, idempotent=False, bond=Named("a")) for _ in range(3)]

    for call in calls:
        call.start(0.0)

    assert stage.in_flight() == [3, 0]


def test_when_nothing_comes_that_may_be_repeated_something_else_finds_out():
    stage = Stage(size=2)
    stage.targets[0].on_trial = 1.0
    calls = [stage.policy.call(1.0, idempotent=False) for _ in range(2)]

    for call in calls:
        call.start(1.0)

    assert stage.in_flight() == [1, 1]


def test_who_is_on_trial_is_asked_when_there_is_nobody_else():
    stage = Stage(size=1)
    stage.targets[0].on_trial = 1.0

    calls = [stage.policy.call(0.0, idempotent=False) for _ in range(2)]

    assert [call.start(0.0) for call in calls] == [TRY, TRY]


def test_a_good_answer_ends_a_trial():
    stage = Stage(size=1, outlier=OutlierSpec())
    stage.targets[0].on_trial = 1.0

    stage.call().settle(0.1, OK)

    assert not stage.targets[0].on_trial


def test_an_instance_has_no_more_attempts_than_it_may_have():
    stage = Stage(size=2)
    stage.policy.each = 1

    calls = [stage.policy.call(0.0, idempotent=True) for _ in range(3)]

    assert [call.start(0.0) for call in calls] == [TRY, TRY, GIVE_UP]
    assert calls[2].because is Because.FULL
    assert stage.in_flight() == [1, 1]


def test_a_rival_that_fails_is_charged_and_the_attempt_goes_on():
    stage = Stage(outlier=OutlierSpec(refused=1))
    call = stage.call()
    call.hedge(0.5)

    call.drop(0.6, REFUSED)

    assert stage.targets[1].ejected_until is not None
    assert (call.instance, call.rival, call.state) == (stage.targets[0], None, TRYING)
    assert call.settle(0.7, RESET) is TRY
    assert call.instance is stage.targets[2]


def test_whoever_goes_away_leaves_both():
    stage = Stage()
    call = stage.call()
    call.hedge(0.5)

    call.cancel(0.6)

    assert stage.in_flight() == [0, 0, 0]


def test_when_the_client_has_a_part_of_the_answer_the_rival_is_over():
    stage = Stage()
    call = stage.call()
    call.hedge(0.5)

    call.committed(0.6)

    assert (call.rival, stage.in_flight()) == (None, [1, 0, 0])
    assert not call.hedge(0.7)


def test_a_rival_costs_a_retry():
    stage = Stage(spec=spec(budget=BudgetSpec(share=0.0, floor=0.1, window=10.0)))
    first, second = stage.call(), stage.call()

    assert (first.hedge(0.5), second.hedge(0.5)) == (True, False)
    assert second.settle(0.6, RESET) is GIVE_UP


@pytest.mark.parametrize(
    "why", ["not idempotent", "no retries", "attempts", "twice", "nobody else", "body gone", "too late"]
)
def test_there_is_no_rival_where_there_may_be_none(why):
    few = {"no retries": CallSpec(retry=None), "attempts": spec(attempts=1)}
    stage = Stage(size=1 if why == "nobody else" else 3, spec=few.get(why, SPEC))
    call = stage.call(idempotent=why != "not idempotent", keyed=True)
    if why == "twice":
        call.hedge(0.4)
    if why == "body gone":
        call.unrepeatable()
    before = stage.in_flight()

    assert not call.hedge(9.0 if why == "too late" else 0.5)
    assert stage.in_flight() == before


def test_a_rivals_silence_proves_nothing_when_it_had_little_time():
    stage = Stage(outlier=OutlierSpec(timeout=1))
    call = stage.call()
    call.hedge(4.0)

    call.drop(5.0, TIMEOUT)

    assert stage.targets[1].ejected_until is None


def test_a_rival_needs_the_breakers_permit():
    stage = Stage(size=2, breaker=FRAIL)
    stage.targets[1].breaker.settle(0.0, stage.targets[1].breaker.admit(0.0), RESET)
    call = stage.call()

    assert call.instance is stage.targets[0]
    assert not call.hedge(0.5)


# Misuse


@pytest.mark.parametrize("what", ["start", "resume", "refuse", "settle", "sent", "committed", "hedge"])
@pytest.mark.parametrize("state", ["idle", "trying", "paused", "ended"])
def test_what_does_not_belong_to_a_state_is_refused_and_changes_nothing(what, state):
    stage = Stage(size=1)
    call = stage.policy.call(0.0, idempotent=True) if state == "idle" else stage.call()
    if state == "paused":
        call.settle(0.1, RESET)
    elif state == "ended":
        call.settle(0.1, OK)
    if {"start": "idle", "resume": "paused", "refuse": "paused"}.get(what, "trying") == state:
        return
    before = (call.state, call.attempt, call.until, stage.in_flight())

    with pytest.raises(RuntimeError) as refusal:
        getattr(call, what)(0.2, *([OK] if what == "settle" else []))

    assert str(refusal.value) == f"{what} does not belong to a call that is {state}"
    assert (call.state, call.attempt, call.until, stage.in_flight()) == before


# Whatever happens


def test_every_move_of_the_table_can_be_made():
    seen = set()

    def note(before, order, call):
        seen.add((before, order, call.state))

    for size, spec in ((0, SPEC), (0, WAITING), (1, SPEC), (2, SPEC), (3, SPEC)):
        for outcome in (OK, RESET, REFUSED):
            for now in (0.2, 9.0):
                stage = Stage(size=size, spec=spec)
                call = stage.policy.call(0.0, idempotent=True)
                note(IDLE, call.start(0.0), call)
                if call.state is TRYING:
                    note(TRYING, call.settle(0.1, outcome), call)
                if call.state is PAUSED:
                    note(PAUSED, call.resume(now), call)
                if call.state is PAUSED:
                    note(PAUSED, call.resume(9.0), call)
                if call.state is TRYING:
                    call.hedge(now)
                    note(TRYING, call.settle(now, outcome), call)

    assert seen == {(state, order, after) for (state, order), after in TRANSITIONS.items()}


outcomes = st.sampled_from([OK, REFUSED, STALE, RESET, TIMEOUT, FAILED, CANCELLED])
steps = st.tuples(
    st.floats(0.0, 1.5),
    st.sampled_from(
        ["go", "go", "go", "cancel", "extend", "drop", "hedge", "hedge", "overtake", "rival ends"]
    ),
    outcomes,
    st.sets(st.sampled_from(["sent", "committed", "unrepeatable"])),
    st.sampled_from([500, 503]),
    st.sampled_from([None, 0.2, 9.0]),
)


def advance(call, now, step):
    """Do what the call waits for; give the order it answers with."""
    _, _, outcome, told, status, retry_after = step
    if call.state is IDLE:
        return call.start(now)
    if call.state is PAUSED:
        return call.resume(now)
    if "sent" in told:
        call.sent(now)
    if "committed" in told:
        call.committed(now)
    return call.settle(now, outcome, status, retry_after)


def interfere(stage, call, now, deed, outcome):
    """Do what may be done at any time."""
    if deed == "cancel":
        call.cancel(now)
    elif deed == "extend":
        call.extend(now)
    elif deed == "drop":
        stage.pool.replace(now, stage.pool.members[1:])
    elif deed == "hedge" and call.state is TRYING:
        had = call.rival
        assert call.hedge(now) is (call.rival is not had)
    elif deed == "overtake" and call.rival is not None:
        rival = call.rival.instance
        call.overtake(now)
        assert (call.instance, call.rival) == (rival, None)
    elif deed == "rival ends":
        call.drop(now, outcome)
        assert call.rival is None


@given(
    st.integers(0, 4),
    st.fixed_dictionaries({"idempotent": st.booleans(), "keyed": st.booleans()}),
    st.sampled_from([SPEC, WAITING, CallSpec(attempt=2.0, request=5.0, retry=None)]),
    st.sampled_from([None, FRAIL]),
    st.lists(steps, max_size=25),
)
def test_whatever_happens_it_keeps_its_promises(size, kind, spec, breaker, script):
    stage = Stage(size, spec=spec, outlier=OutlierSpec(refused=1), breaker=breaker)
    call, now, executed = stage.policy.call(0.0, **kind), 0.0, False
    attempts = 1 if spec.retry is None else inf if spec.wait else max(3, size)
    waited_from = None

    for step in script:
        gap, deed, outcome, told, *_ = step
        now += gap
        before, tried = call.state, getattr(call, "instance", None)
        if "unrepeatable" in told:
            call.unrepeatable()
        if before is ENDED:
            break
        if deed == "go":
            order = advance(call, now, step)
            executed |= before is TRYING and outcome is not REFUSED and ("sent" in told or outcome is FAILED)
            assert TRANSITIONS[before, order] is call.state
            if order is TRY:
                assert now < call.until <= now + 2.0 or before is IDLE
                assert call.until <= call.deadline.at
                # Another instance, unless only its idle connection had ended.
                assert before is not TRYING or call.instance is not tried or outcome is STALE
                # What may have been carried out is never sent again unless that does no harm.
                assert any(kind.values()) or not executed
            elif order is PAUSE:
                assert now <= call.until < call.deadline.at
            elif order is WAIT:
                waited_from = now if waited_from is None else waited_from
                assert now < call.until <= min(waited_from + spec.wait, call.deadline.at)
                assert stage.pool.pick(now) is None
            elif order is GO_ON:
                assert call.until <= call.deadline.at
                assert call.instance is not tried
            else:
                assert (order is DONE) is (before is TRYING and outcome in {OK, FAILED})
                assert (call.because is None) is (before is TRYING and outcome is OK)
        else:
            interfere(stage, call, now, deed, outcome)
            assert call.state is (TRANSITIONS[before, GIVE_UP] if deed == "cancel" else before)
        assert call.rival is None or (call.state is TRYING and call.rival.instance is not call.instance)
        assert sum(stage.in_flight()) == (call.state is TRYING) + (call.rival is not None)
        assert call.attempt <= attempts


def test_by_another_spec_calls_under_way_go_on_and_retries_that_were_paid_for_stay_paid():
    stage = Stage()
    call = stage.call()
    spent = stage.policy.budget
    spent.withdraw(0.0)
    left = spent.balance(0.0)

    stage.policy.configure(CallSpec(attempt=1.0, request=5.0, retry=RetrySpec(attempts=5, backoff=STEADY)))

    assert stage.policy.budget.balance(0.0) == left
    assert call.settle(0.1, RESET) is TRY
    assert call.until == pytest.approx(1.1)


def test_with_retries_off_a_call_under_way_has_had_its_last_attempt():
    stage = Stage()
    call = stage.call()

    stage.policy.configure(CallSpec(attempt=2.0, request=5.0, retry=None))

    assert call.settle(0.1, RESET) is GIVE_UP
    assert call.because is Because.ATTEMPTS


def test_with_retries_on_again_there_is_a_budget_again():
    stage = Stage(spec=CallSpec(attempt=2.0, request=5.0, retry=None))

    stage.policy.configure(SPEC)

    assert stage.call().settle(0.1, RESET) is TRY


# --- bonds ---


def test_a_tied_call_goes_where_it_is_tied_to_and_elsewhere_when_that_fails():
    stage = Stage()
    call = stage.policy.call(0.0, idempotent=True, bond=Named("c"))

    call.start(0.0)
    first = call.instance.name
    call.settle(0.0, REFUSED)
    second = call.instance.name

    assert first == "c"
    assert second in ("a", "b")
    assert call.bond.name == "c"


def test_a_tied_call_passes_over_an_open_breaker():
    stage = Stage(breaker=FRAIL)
    broken = stage.policy.call(0.0, idempotent=False, bond=Named("c"))
    broken.start(0.0)
    broken.sent(0.0)
    broken.settle(0.0, RESET)

    call = stage.policy.call(0.0, idempotent=True, bond=Named("c"))
    call.start(0.0)

    assert call.instance.name in ("a", "b")


def test_after_a_stale_connection_a_tied_call_asks_the_same_instance_again_when_there_is_no_other():
    stage = Stage(size=1)
    call = stage.policy.call(0.0, idempotent=True, bond=Named("a"))
    call.start(0.0)

    order = call.settle(0.0, STALE)

    assert (order, call.instance.name) == (TRY, "a")


def test_a_tied_call_does_not_leave_for_a_stale_connection_but_does_for_a_second_one():
    stage = Stage()
    call = stage.policy.call(0.0, idempotent=True, bond=Named("c"))
    call.start(0.0)

    call.settle(0.0, STALE)
    again = call.instance.name
    call.settle(0.0, STALE)

    assert again == "c"
    assert call.instance.name in ("a", "b")
    assert stage.targets[2].in_flight == 0


def test_only_a_rival_overtakes():
    call = Stage().call()

    with pytest.raises(RuntimeError, match="overtake does not belong"):
        call.overtake(0.1)
