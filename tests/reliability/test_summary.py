import math

import pytest

from mainstay.base.dice import Dice
from mainstay.base.errors import SpecError
from mainstay.reliability import rate
from mainstay.reliability.excess import excess
from mainstay.reliability.interval import Interval
from mainstay.reliability.life import EXITED, READY, STARTED, STOPPED, Event, lives, loops
from mainstay.reliability.share import share
from mainstay.reliability.span import DOWN, DRILL, MAINTENANCE, UNKNOWN, UP, Span, over, uptime, within
from mainstay.reliability.summary import LEAST_FOR_TREND, available, failures, summary

DAY = 86400.0


def spans(*told: tuple[str, float]) -> list[Span]:
    found, at = [], 0.0
    for state, seconds in told:
        found.append(Span(state, at, at + seconds))
        at += seconds
    return found


def test_a_break_of_the_watching_is_neither_a_failure_nor_a_repair() -> None:
    watched = spans((UP, 100), (UNKNOWN, 50), (UP, 100), (DOWN, 10), (UNKNOWN, 5), (UP, 100))

    found = failures(watched)

    assert found.times == [200]
    assert found.repairs == []
    assert found.unseen == 1


def test_a_repair_is_what_was_seen_from_its_beginning_to_its_end() -> None:
    found = failures(spans((DOWN, 7), (UP, 100), (DOWN, 10), (UP, 100), (DOWN, 3)))

    assert found.times == [100, 200]
    assert found.repairs == [10]
    assert found.unseen == 2


def test_restarts_of_the_one_who_watches_change_nothing_but_the_time_that_is_known() -> None:
    whole = spans((UP, 1000), (DOWN, 10), (UP, 990))
    broken = spans((UP, 500), (UNKNOWN, 1), (UP, 499), (DOWN, 10), (UP, 400), (UNKNOWN, 2), (UP, 588))

    one, other = summary(whole), summary(broken)

    assert one.rate.failures == other.rate.failures == 1
    assert one.repair.mean == other.repair.mean == 10
    assert other.available.share == pytest.approx(one.available.share, abs=1e-4)
    assert other.available.interval.low == pytest.approx(one.available.interval.low, rel=1e-3)
    assert other.spent.unknown == 3


def test_what_is_excused_is_not_charged_and_what_failed_in_it_is_no_failure() -> None:
    watched = over(
        spans((UP, 100), (DOWN, 20), (UP, 100)), [Span(MAINTENANCE, 95, 125), Span(DRILL, 150, 160)]
    )

    found = summary(watched)

    assert found.spent.excused == 40
    assert found.spent.down == 0
    assert found.rate.failures == 0
    assert found.available.share == 1


def test_without_an_outage_the_bound_says_which_repair_it_assumes_and_what_the_next_nine_takes() -> None:
    found = summary(spans((UP, 30 * DAY)), assumed=300).available

    assert found.share == 1
    assert found.assumed == 300
    mean = 30 * DAY / -math.log(0.05)
    assert found.interval == Interval(pytest.approx(mean / (mean + 300)), 1)
    assert found.next[0] == math.floor(found.nines) + 1
    more = summary(spans((UP, 30 * DAY + found.next[1] + 1)), assumed=300).available
    assert math.floor(more.nines) == found.next[0]


def test_of_what_nobody_watched_nothing_is_told() -> None:
    found = summary(within([], 0, DAY))

    assert found.available.share is None
    assert found.available.interval == Interval(0, 1)
    assert found.rate is None
    assert found.repair is None
    assert found.trend is None


def test_what_was_down_all_the_time_has_no_interval_and_no_rate() -> None:
    found = summary(spans((DOWN, 100)))

    assert found.available.share == 0
    assert found.available.interval == Interval(0, 1)
    assert found.rate is None
    assert found.unseen == 1


def test_a_trend_is_told_only_of_enough_failures() -> None:
    few = summary(spans(*[(UP, 100), (DOWN, 1)] * (LEAST_FOR_TREND - 1), (UP, 100)))
    rarer = summary(
        spans(*[part for step in range(1, 12) for part in ((UP, 2.0**step), (DOWN, 1))], (UP, 9000))
    )

    assert few.trend is None
    assert rarer.trend.direction == 1
    assert rarer.trend.p < 0.05


def test_the_intervals_of_made_up_histories_contain_the_truth() -> None:
    dice, mtbf, mttr, period = Dice(4), 2 * DAY, 3600.0, 60 * DAY
    truth, hits, rates = mtbf / (mtbf + mttr), 0, 0
    histories = 300
    for _ in range(histories):
        told, at = [], 0.0
        while at < period:
            told += [(UP, -mtbf * math.log(1 - dice.random())), (DOWN, -mttr * math.log(1 - dice.random()))]
            at = sum(seconds for _, seconds in told)
        watched = within(spans(*told), 0, period)
        used, found = uptime(watched), failures(watched)
        hits += available(used, found).interval.has(truth)
        rates += rate.mtbf(used.served, len(found.times)).interval.has(mtbf)

    assert hits / histories > 0.91
    assert rates / histories > 0.91


def test_failures_in_clusters_make_the_interval_of_requests_wider() -> None:
    spread = share([(999, 1000)] * 100)
    clustered = share([(1000, 1000)] * 99 + [(900, 1000)])

    assert spread.share == clustered.share == pytest.approx(0.999)
    assert spread.effective == pytest.approx(100_000)
    assert clustered.effective < 2000
    assert clustered.interval.low < spread.interval.low < 0.999 < spread.interval.high


def test_too_few_blocks_leave_each_request_for_itself_which_is_told() -> None:
    few, none = share([(9, 10)] * 3), share([])

    assert few.effective is None
    assert few.interval.has(0.9)
    assert none.share is None
    assert none.interval == Interval(0, 1)
    with pytest.raises(SpecError, match="from 0 to all"):
        share([(3, 2)])


def test_one_that_fails_far_more_often_than_its_share_is_told_and_chance_is_not() -> None:
    hour = 3600.0

    odd = excess({"web-1": (1, hour), "web-2": (9, hour), "web-3": (1, hour)})
    even = excess({"web-1": (3, hour), "web-2": (5, hour), "web-3": (3, hour)})

    assert [one.name for one in odd] == ["web-2"]
    exact = sum(math.comb(11, k) * 2 ** (11 - k) for k in range(9, 12)) / 3**11
    assert odd[0].p == pytest.approx(3 * exact)
    assert even == []
    assert excess({"web-1": (9, hour)}) == []
    assert excess({"web-1": (9, 0.0), "web-2": (0, hour)})[0].p == 0
    with pytest.raises(SpecError):
        excess({"web-1": (-1, hour)})


def test_lives_that_go_on_or_were_ended_are_told_apart_from_those_that_failed() -> None:
    told = lives(
        [
            Event(0, STARTED, "web-1", 1),
            Event(1, READY, "web-1", 1),
            Event(50, EXITED, "web-1", 1, "killed by SIGKILL"),
            Event(51, STARTED, "web-1", 2),
            Event(60, STARTED, "web-1", 3),
            Event(61, READY, "web-1", 3),
            Event(62, STOPPED, "web-1", 2, "exit code 0"),
            Event(70, EXITED, "web-2", 9, "exit code 1"),
        ],
        100,
    )

    assert [(life.generation, life.seconds, life.ended) for life in told] == [
        (1, 50, EXITED),
        (2, 11, STOPPED),
        (3, 40, ""),
    ]
    assert told[0].reason == "killed by SIGKILL"
    assert told[0].ready == 1


def test_a_life_whose_end_nobody_saw_lasted_until_it_was_last_heard_of() -> None:
    told = lives(
        [
            Event(0, STARTED, "web-1", 1),
            Event(5, READY, "web-1", 1),
            Event(50, STARTED, "web-1", 1),
            Event(80, STARTED, "web-1", 2),
        ],
        100,
    )

    assert [(life.since, life.until, life.ended) for life in told] == [
        (0, 5, ""),
        (50, 50, ""),
        (80, 100, ""),
    ]


def test_three_short_lives_in_a_row_are_a_crash_loop() -> None:
    short = [(at, at + 1) for at in (0, 10, 20)]
    mixed = [(0, 1), (10, 11), (20, 90), (95, 96)]

    def told(name: str, times: list[tuple[int, int]]) -> list[Event]:
        return [
            event
            for number, (since, until) in enumerate(times)
            for event in (
                Event(since, STARTED, name, number),
                Event(until, EXITED, name, number, "exit code 1"),
            )
        ]

    events = sorted([*told("web-1", short), *told("web-2", mixed)], key=lambda event: event.at)

    assert loops(lives(events, 100)) == ["web-1"]


def test_where_there_is_a_trend_the_law_tells_how_often_it_fails_by_now() -> None:
    # Failures by a square of time: they come faster and faster.
    at, spans = 0.0, []
    for number in range(1, 31):
        end = 100_000.0 * (number / 31) ** 0.5
        spans += [Span(UP, at, end), Span(DOWN, end, end + 1.0)]
        at = end + 1.0

    found = summary(spans)

    assert found.trend is not None
    assert found.trend.direction == -1
    assert found.growth is not None
    assert found.growth.beta == pytest.approx(2.0, rel=0.15)
    assert found.rate is not None
    assert found.growth.mtbf < found.rate.mtbf


def test_without_a_trend_there_is_no_law() -> None:
    at, spans = 0.0, []
    for _ in range(20):
        spans += [Span(UP, at, at + 100.0), Span(DOWN, at + 100.0, at + 101.0)]
        at += 101.0

    assert summary(spans).growth is None
