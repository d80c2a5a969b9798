"""What the benchmark of the load generator says of what it measured."""

import pytest
from benchmarks.load.suite import failings, line

HELD = {
    "rate": 2000,
    "sent": 20_000,
    "failed": 0,
    "unsent": 0,
    "failures": {},
    "lag": {"p50": 0.001, "p99": 0.002, "max": 0.01},
    "lane": {"asked": 500, "p50": 0.001, "p99": 0.002, "max": 0.01},
    "busy": 0.2,
    "disturbed": 0.01,
}


def test_a_rate_that_was_held_is_told_with_its_figures():
    said = line(HELD, 10.0)

    assert "2000 requests/s: held" in said
    assert "sent 2000/s" in said
    assert "p99 2.00 ms" in said


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ({"lag": {"p50": 0.001, "p99": 0.0051, "max": 0.1}}, "requests were sent late, p99 5.10 ms"),
        ({"lag": {"p50": None, "p99": None, "max": None}}, "requests were sent late, p99 none"),
        ({"unsent": 3, "failed": 3}, "3 requests were not sent"),
        ({"failed": 2, "failures": {"reset": 2}}, "2 requests failed: {'reset': 2}"),
        ({"sent": 15_000}, "there were 15000 requests"),
    ],
)
def test_a_rate_that_was_not_held_is_told_with_the_reason(found, why):
    missed = HELD | found

    assert [each for each in failings(missed, 10.0) if why in each]
    assert "NOT HELD" in line(missed, 10.0)
