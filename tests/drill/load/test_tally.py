import json
import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.drill.load.record import OUTCOMES, Record
from mainstay.drill.load.tally import (
    Fault,
    Latency,
    Orders,
    Share,
    Stretch,
    orders,
    outages,
    percentile,
    progress,
    tally,
    troubles,
)


def made(at, outcome="ok", *, took=0.01, method="GET", connection="kept", lag=0.0, route=None):  # noqa: PLR0913 - each has its default
    status = {"ok": 200, "status": 503}.get(outcome, 0)
    return Record(
        0,
        f"r-{at}",
        method,
        connection,
        0,
        at,
        lag,
        at + took,
        outcome,
        status,
        route or f"{method} /",
        method == "POST",
    )


def run(script, gap=1.0):
    """A request each `gap` seconds: `.` succeeds, `x` fails."""
    return [made(number * gap, "ok" if sign == "." else "reset") for number, sign in enumerate(script)]


# Outages and troubles


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("", []),
        ("...", []),
        (".xx.", [Stretch(1, 3, 2, 2)]),
        ("xx..", [Stretch(0, 2, 2, 2)]),
        (".x.xx.", [Stretch(1, 2, 1, 1), Stretch(3, 5, 2, 2)]),
    ],
)
def test_an_outage_goes_from_the_first_failed_start_to_the_start_of_the_next_success(script, expected):
    assert outages(run(script)) == expected


def test_an_outage_without_a_next_success_ends_when_the_last_user_had_given_up():
    records = [made(0), made(1, "timeout", took=5), made(2, "refused", took=0.1)]

    assert outages(records) == [Stretch(1, 6, 2, 2)]


def test_a_late_success_ends_the_outage_at_its_own_start_since_it_was_served():
    records = [made(0), made(1, "reset"), made(2, took=4), made(3)]

    assert outages(records) == [Stretch(1, 2, 1, 1)]


def test_failures_among_successes_are_one_trouble_and_many_outages():
    records = run(".x.x.xx...", gap=0.1)

    assert len(outages(records)) == 3
    (trouble,) = troubles(records)
    assert (trouble.began, trouble.sent, trouble.failed) == (0.1, 6, 4)
    assert trouble.ended == pytest.approx(0.7)


def test_failures_a_quiet_second_apart_are_two_troubles():
    records = [made(0, "reset"), made(0.5), made(1.0, "reset"), made(1.5)]

    assert [stretch.began for stretch in troubles(records)] == [0, 1.0]
    assert [stretch.began for stretch in troubles(records, quiet=1.1)] == [0]


def test_failures_with_nothing_in_between_are_one_trouble_however_far_apart():
    assert troubles(run(".xx.", gap=10)) == [Stretch(10, 30, 2, 2)]


@given(st.text(alphabet=".x", max_size=40), st.floats(0.01, 3))
def test_every_failure_is_in_just_one_outage_and_one_trouble(script, gap):
    records = run(script, gap)

    for stretches in (outages(records), troubles(records)):
        assert sum(stretch.failed for stretch in stretches) == script.count("x")
        assert all(one.ended <= other.began for one, other in pairwise(stretches))
        assert all(stretch.seconds > 0 for stretch in stretches)
    assert all(stretch.sent == stretch.failed for stretch in outages(records))


# Counts


def test_failures_are_counted_by_method_connection_and_outcome():
    records = [
        made(0),
        made(1, "reset", method="POST"),
        made(2, "reset", connection="fresh"),
        made(3, "unsent", method="POST", connection="fresh"),
    ]

    counted = tally(records)

    assert (counted.sent, counted.failed, counted.unsent) == (4, 3, 1)
    assert counted.by_method == {"GET": Share(2, 1), "POST": Share(2, 2)}
    assert counted.by_connection == {"fresh": Share(2, 2), "kept": Share(2, 1)}
    assert counted.failures == {"reset": 2, "unsent": 1}


def test_the_longest_outage_is_found_from_records_in_any_order():
    counted = tally(reversed(run(".x..xxx.xx.")))

    assert counted.longest_outage == Stretch(4, 7, 3, 3)


def test_a_run_without_failures_has_no_outage():
    counted = tally(run("..."))

    assert counted.longest_outage is None
    assert counted.longest_trouble is None


@given(st.lists(st.tuples(st.floats(0, 10), st.sampled_from(sorted(OUTCOMES))), max_size=40))
def test_windows_and_sorts_each_add_up_to_all_that_was_sent(script):
    counted = tally([made(at, outcome) for at, outcome in script], [Fault(3, 5), Fault(4, 6), Fault(8, 9)])

    for parts in (
        counted.by_method.values(),
        counted.by_connection.values(),
        (counted.before, counted.during, counted.after),
    ):
        assert sum(part.sent for part in parts) == counted.sent == len(script)
        assert sum(part.failed for part in parts) == counted.failed == sum(counted.failures.values())


# Latencies


def test_latencies_are_told_before_during_and_after_the_faults():
    took = {0.9: 0.1, 1.0: 0.2, 1.9: 0.3, 2.0: 0.4, 4.0: 0.5, 5.0: 0.6}
    records = [made(at, took=seconds) for at, seconds in took.items()]

    counted = tally(records, [Fault(1, 2), Fault(4, 5)])

    assert counted.before == Latency(1, 0, *[pytest.approx(0.1)] * 3)
    assert counted.during == Latency(3, 0, pytest.approx(0.3), pytest.approx(0.5), pytest.approx(0.5))
    assert counted.after == Latency(2, 0, pytest.approx(0.4), pytest.approx(0.6), pytest.approx(0.6))


def test_a_fault_without_an_end_has_no_after():
    counted = tally(run("....."), [Fault(2)])

    assert (counted.before.sent, counted.during.sent, counted.after.sent) == (2, 3, 0)


def test_a_request_that_was_under_way_when_it_broke_and_failed_counts_as_hit():
    records = [
        made(0),
        made(1.9, took=0.5),
        made(1.95, "reset", took=0.1),
        made(1, "reset", took=0.1),
        made(3),
    ]

    counted = tally(records, [Fault(2, 2.5)])

    assert (counted.before.sent, counted.before.failed) == (3, 1)
    assert (counted.during.sent, counted.during.failed) == (1, 1)
    assert counted.after.sent == 1


def test_failed_requests_are_counted_and_not_ranked():
    counted = tally([made(0, took=0.3), made(1, "refused", took=0.001), made(2, "timeout", took=5)])

    assert counted.before == Latency(3, 2, *[pytest.approx(0.3)] * 3)


def test_percentiles_are_of_the_nearest_rank():
    ranked = [number / 100 for number in range(1, 101)]

    assert percentile(ranked, 0.5) == 0.5
    assert percentile(ranked, 0.99) == 0.99
    assert percentile(ranked, 1.0) == 1.0
    assert percentile([1, 2, 3], 0.99) == 3
    assert percentile([1, 2, 3], 0.0) == 1
    assert math.isnan(percentile([], 0.5))


def test_the_lag_of_all_requests_is_told():
    counted = tally([made(0, lag=0.001), made(1, "reset", lag=0.004), made(2, lag=0.002)])

    assert counted.lag == (0.002, 0.004, 0.004)


def test_the_record_of_a_tally_is_json_without_numbers_that_are_none():
    told = json.loads(json.dumps(tally(run(".x."), [Fault(0.5)]).record(), allow_nan=False))

    assert told["by_method"] == {"GET": {"sent": 3, "failed": 1}}
    assert told["longest_outage"] == {"began": 1.0, "ended": 2.0, "seconds": 1.0, "sent": 1, "failed": 1}
    assert told["after"] == {"sent": 0, "failed": 0, "p50": None, "p99": None, "max": None}
    assert told["before"]["p50"] == 0.01


def test_progress_sums_up_what_ended():
    assert progress([made(0, lag=0.002), made(1, "reset", lag=0.001)]) == {
        "ended": 2,
        "failed": 1,
        "failures": {"reset": 1},
        "p50": 0.01,
        "p99": 0.01,
        "max": 0.01,
        "lag_p99": 0.002,
    }


def test_progress_of_nothing_has_no_numbers():
    told = progress([])

    assert (told["ended"], told["p50"], told["lag_p99"]) == (0, None, None)


# Orders


def test_orders_done_twice_lost_unknown_and_strange_are_told_apart():
    records = [
        made(0, method="POST"),
        made(1, method="POST"),
        made(2, "reset", method="POST"),
        made(3, "refused", method="POST"),
        made(4, "reset", method="GET"),
        made(5, "status", method="POST"),
        made(6, "status", method="POST")._replace(status=400),
    ]

    told = orders(records, ["r-0 web-1 7\n", "r-0 web-2 8\n", "r-2 web-1 7\n", "other web-1 7\n", "\n"])

    assert told == Orders(
        acknowledged=2, executed=3, twice=["r-0"], lost=["r-1"], unknown=["r-2", "r-5"], strange=["other"]
    )


def test_of_more_routes_than_anybody_reads_those_that_failed_are_told_and_the_rest_is_one():
    records = [made(number, route=f"GET /{number}") for number in range(150)]
    records += [made(200, "reset", route="GET /149")]

    seen = tally(records).by_route

    assert seen["GET /149"] == Share(2, 1)
    assert seen["others"] == Share(50, 0)
    assert len(seen) == 101
