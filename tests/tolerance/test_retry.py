import pytest

from mainstay.base.errors import SpecError
from mainstay.base.outcome import CANCELLED, FAILED, REFUSED, RESET, STALE, TIMEOUT
from mainstay.tolerance.backoff import BackoffSpec
from mainstay.tolerance.budget import BudgetSpec
from mainstay.tolerance.retry import (
    IDEMPOTENT,
    IDEMPOTENT_METHODS,
    KEYED,
    UNKNOWN,
    UNSENT,
    RetrySpec,
    is_idempotent,
    proof,
)


def test_the_defaults_are_three_attempts_and_the_answers_of_gateways():
    spec = RetrySpec()

    assert spec.attempts == 3
    assert spec.statuses == {502, 503, 504}
    assert spec.second == {500}
    assert spec.budget == BudgetSpec()
    assert spec.backoff == BackoffSpec()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"attempts": 0}, "attempts must be above 0, not 0"),
        ({"statuses": frozenset({503, 600})}, "statuses must be from 500 to 599, not 600"),
        ({"statuses": frozenset({499, 503})}, "statuses must be from 500 to 599, not 499"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(SpecError) as refusal:
        RetrySpec(**wrong)

    assert str(refusal.value) == message


def test_any_server_error_may_be_a_status():
    assert RetrySpec(statuses=frozenset({500, 599})).statuses == {500, 599}


def test_the_idempotent_methods_are_those_of_the_standard():
    assert {b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"} == IDEMPOTENT_METHODS


@pytest.mark.parametrize(
    ("method", "expected"), [(b"GET", True), (b"POST", False), (b"PATCH", False), (b"get", False)]
)
def test_a_method_is_idempotent_only_by_its_exact_name(method, expected):
    assert is_idempotent(method) is expected


@pytest.mark.parametrize("outcome", [RESET, TIMEOUT, STALE, CANCELLED])
@pytest.mark.parametrize(
    ("sent", "idempotent", "keyed", "expected"),
    [
        (False, False, False, UNSENT),
        (False, True, True, UNSENT),
        (True, True, False, IDEMPOTENT),
        (True, True, True, IDEMPOTENT),
        (True, False, True, KEYED),
        (True, False, False, UNKNOWN),
    ],
)
def test_what_was_sent_and_what_it_was_decide_the_proof(outcome, sent, idempotent, keyed, expected):
    assert proof(outcome, sent=sent, idempotent=idempotent, keyed=keyed) is expected


def test_a_refused_connection_proves_that_nothing_was_sent():
    assert proof(REFUSED, sent=True, idempotent=False, keyed=False) is UNSENT


@pytest.mark.parametrize(
    ("idempotent", "keyed", "expected"),
    [(True, False, IDEMPOTENT), (False, True, KEYED), (False, False, UNKNOWN)],
)
def test_an_answer_proves_that_something_was_sent(idempotent, keyed, expected):
    assert proof(FAILED, sent=False, idempotent=idempotent, keyed=keyed) is expected
