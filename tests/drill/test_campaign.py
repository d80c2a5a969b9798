from typing import Any

import pytest

from mainstay.drill.campaign import budget_spent


def state(left: float | None, events: int = 100) -> dict[str, Any]:
    return {
        "objectives": [
            {"service": "web", "promise": "99.9 % of requests well", "budget_left": left, "events": events}
        ]
    }


@pytest.mark.parametrize("well", [state(0.2), state(None), state(-1.0, events=0), {"objectives": []}, {}])
def test_a_running_system_whose_budget_is_left_may_be_drilled(well: dict[str, Any]) -> None:
    assert budget_spent(well) == ""


@pytest.mark.parametrize("left", [0.0, -3.0])
def test_one_whose_error_budget_is_spent_may_not(left: float) -> None:
    assert budget_spent(state(left)).startswith(
        "the error budget of web (99.9 % of requests well) is spent: users have had their share"
    )
