import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.errors import SpecError
from mainstay.tolerance.budget import Budget, BudgetSpec


def test_the_defaults_are_a_fifth_of_the_traffic_and_ten_a_second():
    spec = BudgetSpec()

    assert (spec.share, spec.floor, spec.window) == (0.2, 10.0, 10.0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"share": 1.2}, "share must be from 0 to 1, not 1.2"),
        ({"share": -0.2}, "share must be from 0 to 1, not -0.2"),
        ({"floor": -1.0}, "floor must be at least 0, not -1"),
        ({"window": 0.0}, "window must be above 0, not 0"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(SpecError) as refusal:
        BudgetSpec(**wrong)

    assert str(refusal.value) == message


def test_the_floor_is_there_without_any_traffic():
    budget = Budget(BudgetSpec(floor=0.5, window=4.0))

    allowed = [budget.withdraw(0.0) for _ in range(4)]

    assert allowed == [True, True, False, False]
    assert budget.balance(0.0) == 0.0


def test_every_request_pays_its_share_in():
    budget = Budget(BudgetSpec(share=0.2, floor=0.0))

    for _ in range(10):
        budget.deposit(0.0)

    assert budget.balance(0.0) == pytest.approx(2.0)
    assert [budget.withdraw(0.0) for _ in range(3)] == [True, True, False]


def test_a_part_of_a_retry_is_no_retry():
    budget = Budget(BudgetSpec(share=0.2, floor=0.0))

    for _ in range(4):
        budget.deposit(0.0)
    too_few = budget.withdraw(0.0)
    budget.deposit(0.0)

    assert too_few is False
    assert budget.withdraw(0.0) is True


def test_the_rounding_of_shares_costs_nobody_a_retry():
    budget = Budget(BudgetSpec(share=0.1, floor=0.07, window=10.0))

    for _ in range(3):
        budget.deposit(0.0)

    assert budget.withdraw(0.0) is True


def test_what_was_paid_in_and_taken_out_is_forgotten_after_the_window():
    budget = Budget(BudgetSpec(share=0.5, floor=0.1, window=10.0))
    for _ in range(8):
        budget.deposit(100.0)
    budget.withdraw(100.0)

    balances = [budget.balance(now) for now in (100.0, 109.0, 110.0)]

    assert balances == pytest.approx([4.0, 4.0, 1.0])


@given(st.lists(st.booleans(), max_size=200))
def test_retries_never_exceed_the_share_and_the_floor(script):
    budget, paid, taken = Budget(BudgetSpec(share=0.2, floor=0.3, window=10.0)), 0, 0

    for pays in script:
        if pays:
            budget.deposit(1.0)
            paid += 1
        else:
            taken += budget.withdraw(1.0)

        assert taken <= 3.0 + 0.2 * paid + 1e-6


def test_by_another_spec_what_was_spent_stays_spent():
    budget = Budget(BudgetSpec(share=0.5, floor=0.2, window=10.0))
    for _ in range(10):
        budget.deposit(0.0)
    for _ in range(3):
        budget.withdraw(0.0)

    budget.configure(BudgetSpec(share=0.1, floor=0.4, window=10.0))

    assert budget.balance(0.0) == pytest.approx(4.0 + 1.0 - 3.0)


def test_over_another_window_counting_begins_anew():
    budget = Budget(BudgetSpec(share=0.5, floor=0.2, window=10.0))
    budget.withdraw(0.0)

    budget.configure(BudgetSpec(share=0.5, floor=1.0, window=4.0))
    budget.deposit(0.0)

    assert budget.balance(0.0) == pytest.approx(4.5)
