from dataclasses import replace
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.drill.load.tally import Latency, Orders, Stretch
from mainstay.drill.verdict import (
    DEGRADED,
    DUPLICATED,
    INVALID,
    LOST,
    NOT_RECOVERED,
    OUTAGE,
    SURVIVED,
    VERDICTS,
    Expectation,
    Seen,
    judge,
    plain,
    slow_at,
    worst,
)

STRICT = Expectation()
CLEAN = Orders(acknowledged=10, executed=10, twice=(), lost=(), unknown=(), strange=())


def window(sent: int = 100, failed: int = 0, p99: float = 0.02) -> Latency:
    return Latency(sent, failed, p99 / 2, p99, p99)


WELL = Seen(confirmed="pid 1 ended", before=window(), during=window(), after=window(), recovered=0.5)


def test_what_nobody_noticed_was_survived() -> None:
    assert judge(WELL, STRICT) == (SURVIVED, "none of 200 failed", True)


def test_what_was_slow_is_degraded_and_yet_as_expected_where_time_is_not_judged() -> None:
    seen = replace(WELL, during=window(p99=0.9))

    assert judge(seen, STRICT)[::2] == (DEGRADED, True)
    assert judge(seen, Expectation(latency=0.5))[::2] == (DEGRADED, False)
    assert judge(seen, Expectation(latency=1.0))[::2] == (DEGRADED, True)


def test_one_failed_request_is_an_outage() -> None:
    seen = replace(WELL, during=window(failed=1), failures={"reset": 1}, gap=Stretch(1.0, 1.01, 1, 1))

    judged = judge(seen, STRICT)

    assert judged == (OUTAGE, "1 of 200 failed (1 reset), nobody served for 0.01 s", False)


@pytest.mark.parametrize(
    ("expected", "met"),
    [
        (Expectation(failed=0.1), True),
        (Expectation(failed=0.099), False),
        (Expectation(failed=0.1, gap=2.0), True),
        (Expectation(failed=0.1, gap=1.9), False),
        (Expectation(failed=0.1, latency=0.02), True),
        (Expectation(failed=0.1, latency=0.019), False),
    ],
)
def test_an_outage_is_as_expected_within_all_that_was_told(expected: Expectation, met: bool) -> None:
    seen = replace(WELL, during=window(failed=20), gap=Stretch(1.0, 3.0, 20, 20))

    assert judge(seen, expected).met is met


def test_an_outage_in_which_nobody_was_served_is_not_in_time() -> None:
    seen = replace(WELL, during=window(failed=100, p99=nan))

    assert not judge(seen, Expectation(failed=1.0, latency=5.0)).met


def test_data_comes_before_answers() -> None:
    failed = replace(WELL, during=window(failed=5))

    assert judge(replace(failed, orders=replace(CLEAN, lost=("a",), twice=("b",))), STRICT).verdict == LOST
    assert judge(replace(failed, orders=replace(CLEAN, twice=("b",))), STRICT).verdict == DUPLICATED
    assert judge(replace(failed, orders=CLEAN), STRICT).verdict == OUTAGE


def test_what_does_not_come_back_has_not_recovered() -> None:
    assert judge(replace(WELL, recovered=nan), STRICT).verdict == NOT_RECOVERED
    assert judge(replace(WELL, after=window(failed=3), failing_after=3), STRICT).verdict == NOT_RECOVERED


@pytest.mark.parametrize(
    "proves_nothing",
    [
        {"confirmed": ""},
        {"trouble": "no process of web-9 was found"},
        {"unsent": 1},
        {"lag": 0.051},
        {"before": window(failed=1)},
        {"before": window(sent=0)},
        {"during": window(sent=0), "after": window(sent=0)},
    ],
)
@pytest.mark.parametrize(
    "otherwise", [{}, {"during": window(failed=9)}, {"orders": replace(CLEAN, lost=("a",))}]
)
def test_what_proves_nothing_is_never_survived_nor_anything_else(
    proves_nothing: dict[str, object], otherwise: dict[str, object]
) -> None:
    judged = judge(replace(WELL, **{**otherwise, **proves_nothing}), Expectation(failed=1.0))  # type: ignore[arg-type]

    assert (judged.verdict, judged.met) == (INVALID, False)


windows = st.builds(
    window, st.integers(0, 50), st.just(0), st.sampled_from([0.001, 0.02, 0.3, 2.0, nan])
).flatmap(lambda one: st.integers(0, one.sent).map(lambda failed: one._replace(failed=failed)))


@given(
    st.builds(
        Seen,
        confirmed=st.sampled_from(["", "yes"]),
        before=windows,
        during=windows,
        after=windows,
        recovered=st.sampled_from([0.0, 1.0, nan]),
        failing_after=st.integers(0, 2),
        lag=st.sampled_from([0.0, 0.1]),
        unsent=st.integers(0, 1),
        orders=st.sampled_from([None, CLEAN, replace(CLEAN, lost=("a",)), replace(CLEAN, twice=("b",))]),
    ),
    st.builds(Expectation, failed=st.sampled_from([0.0, 0.5, 1.0])),
)
def test_nothing_is_survived_that_failed_for_anybody(seen: Seen, expected: Expectation) -> None:
    judged = judge(seen, expected)

    assert judged.verdict in VERDICTS
    if judged.verdict in (SURVIVED, DEGRADED):
        assert seen.confirmed
        assert not seen.failed
        assert not seen.failing_after
        assert seen.orders in (None, CLEAN)
    if judged.met:
        assert seen.failed <= expected.failed * seen.sent


def test_slow_is_four_times_as_slow_and_slow_enough_to_be_noticed() -> None:
    assert slow_at(0.01) == 0.25
    assert slow_at(0.1) == 0.4
    assert slow_at(nan) == 0.25


def test_the_worst_verdict_is_the_worst_for_users() -> None:
    assert worst([SURVIVED, OUTAGE, LOST, INVALID]) == LOST
    assert worst([SURVIVED, INVALID]) == INVALID
    assert worst([]) == "NOT_RUN"


def test_numbers_that_json_cannot_have_are_not_known() -> None:
    assert plain(nan) is None
    assert plain(inf) is None
    assert plain(0.12345678) == 0.123457


def test_what_was_called_off_is_not_survived() -> None:
    early = replace(WELL, aborted="called off: the probe `x` ended with 1")
    failing = replace(early, during=window(failed=2), failures={"reset": 2}, gap=Stretch(1.0, 1.02, 2, 2))

    assert judge(early, STRICT) == (INVALID, "called off: the probe `x` ended with 1", False)
    assert judge(failing, Expectation(failed=0.5)) == (
        OUTAGE,
        "2 of 200 failed (2 reset), nobody served for 0.02 s; called off: the probe `x` ended with 1",
        False,
    )


def test_of_which_the_journal_could_not_be_read_is_not_survived_and_what_users_saw_stands() -> None:
    untold = replace(WELL, untold="GET /orders.txt was answered with 503")
    failing = replace(untold, during=window(failed=2), failures={"reset": 2}, gap=Stretch(1.0, 1.02, 2, 2))
    why = "what became of the writes is not known: GET /orders.txt was answered with 503"

    assert judge(untold, STRICT) == (INVALID, why, False)
    assert judge(replace(untold, during=window(p99=0.9)), STRICT).verdict == INVALID
    assert judge(failing, Expectation(failed=0.5)) == (
        OUTAGE,
        f"2 of 200 failed (2 reset), nobody served for 0.02 s; {why}",
        False,
    )
    assert judge(replace(failing, recovered=nan), STRICT).verdict == NOT_RECOVERED
    assert judge(replace(failing, aborted="called off"), STRICT).because.endswith(f"; called off; {why}")


def test_a_share_that_may_fail_is_written_as_a_percentage() -> None:
    assert Expectation(0.6, 3.0).words() == "failed <= 60%, gap <= 3 s"
    assert Expectation().words() == "none failed"


def test_what_explains_an_outage_is_told_and_of_what_was_survived_there_is_nothing_to_explain() -> None:
    alone = replace(WELL, remark="there is only one instance of web")
    failed = replace(alone, during=window(failed=2), failures={"reset": 2}, gap=Stretch(1.0, 1.01, 1, 1))

    assert judge(failed, STRICT).because.endswith("; there is only one instance of web")
    assert judge(replace(alone, during=window(p99=0.9)), STRICT).because.endswith("only one instance of web")
    assert judge(alone, STRICT).because == "none of 200 failed"


@pytest.mark.parametrize("late", [{"lag": 0.08}, {"unsent": 3}])
def test_a_generator_that_was_late_tells_how_often_and_what_to_do(late: dict[str, float]) -> None:
    once = judge(replace(WELL, **late), STRICT).because
    thrice = judge(replace(WELL, plays=3, **late), STRICT).because

    assert once.endswith(": ask for fewer requests a second (--rps), or drill on a machine that is less busy")
    assert ", each of the 3 times that it was played: ask for fewer" in thrice
    assert "times" not in once


def test_one_request_that_failed_afterwards_is_no_plural() -> None:
    assert judge(replace(WELL, failing_after=1), STRICT).because == "1 request failed after all was back"
