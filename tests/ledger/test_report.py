from pathlib import Path

import pytest

from mainstay.base.moment import stamp
from mainstay.ledger.figure import between, latency, percent, span
from mainstay.ledger.markdown import markdown
from mainstay.ledger.page import page
from mainstay.ledger.report import report
from mainstay.ledger.store import INSTANCE, SERVICE, Row, Store, Subject, opened
from mainstay.ledger.told import _availability as told_of_availability
from mainstay.reliability.account import Account
from mainstay.reliability.span import DEGRADED, DOWN, MAINTENANCE, UP

NOW = 1_800_000_000
DAY = 86400
WEB = Subject(SERVICE, "web", "web")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made, _ = opened(tmp_path / "ledger.db", NOW)
    return made


def fact(name: str, at: float, instance: str, generation: int, **more: object) -> dict[str, object]:
    return {"fact": name, "at": at, "service": "web", "instance": instance, "generation": generation, **more}


def ten_days(store: Store) -> None:
    """Write ten days: two outages, a day that nobody watched, and an hour of maintenance."""
    with store.writing():
        for state, day, seconds in (
            (UP, 0, 0),
            (DOWN, 2, 0),
            (UP, 2, 300),
            (DEGRADED, 3, 0),
            (UP, 3, 600),
            (DOWN, 7, 0),
            (UP, 7, 60),
            (DOWN, 8, 1800),
            (UP, 8, 2400),
        ):
            store.enter(WEB, state, NOW + day * DAY + seconds)
            if (state, day) == (UP, 3):
                store.leave(WEB, NOW + 4 * DAY)
                store.enter(WEB, UP, NOW + 5 * DAY)
        store.mark(MAINTENANCE, "web", NOW + 8 * DAY, NOW + 8 * DAY + 3600, "a larger disk")
        for hour in range(240):
            latencies = {100: 98, 150: 2}
            failed = {"failures": 50} if hour == 48 else {}
            store.count([Row(WEB, 10, NOW + hour * 3600, Account({"requests": 100, **failed}, latencies))])
        for number, name in enumerate(("web-1", "web-2")):
            subject = Subject(INSTANCE, "web", name, "ab"[number])
            store.enter(subject, UP, NOW)
        told = [fact("InstanceStarted", NOW + 10, "web-1", 1)]
        for number in range(1, 12):
            at = NOW + number * 20000
            told += [
                fact("InstanceExited", at, "web-1", number, reason="exit code 1"),
                fact("InstanceStarted", at + 1, "web-1", number + 1),
            ]
        store.tell(told)
        store.watch(NOW + 10 * DAY)


def test_a_report_tells_what_is_known_of_a_period_and_what_is_not(store: Store) -> None:
    ten_days(store)

    web = report(store, NOW, NOW + 10 * DAY)["services"][0]

    time = web["time"]
    assert time["down"] == 360
    assert time["outages"] == 2
    assert time["unknown"] == pytest.approx(DAY)
    assert time["excused"] == pytest.approx(3600)
    assert time["degraded"] == pytest.approx(600)
    assert time["availability"] == pytest.approx(1 - 360 / (9 * DAY - 3600))
    assert time["low"] < time["availability"] < time["high"]
    assert web["failures"]["count"] == 2
    assert web["failures"]["mtbf"] == pytest.approx((9 * DAY - 3600 - 360) / 2)
    assert (web["repair"]["count"], web["repair"]["mean"]) == (2, 180)


def test_requests_are_told_with_blocks_and_latencies_of_all_of_them(store: Store) -> None:
    ten_days(store)

    requests = report(store, NOW, NOW + 10 * DAY)["services"][0]["requests"]

    assert (requests["valid"], requests["good"]) == (24_000, 23_950)
    assert requests["blocks"] == 240
    assert requests["effective"] < 2000
    assert requests["p50"] < requests["p99"]


def test_the_time_of_users_is_told_with_the_worst_of_it_by_length(store: Store) -> None:
    ten_days(store)
    assert report(store, NOW, NOW + 10 * DAY)["services"][0]["users"] is None
    with store.writing():
        for hour in range(64):
            down = 2000 if hour in (20, 21) else 0
            counts = {"user_up": 10_000 - down, **({"user_down": down} if down else {})}
            store.count([Row(WEB, 10, NOW + hour * 3600, Account(counts))])

    web = report(store, NOW, NOW + 10 * DAY)["services"][0]

    users = web["users"]
    assert (users["up"], users["down"]) == (636, 4)
    assert users["availability"] == 636 / 640
    assert [one["availability"] for one in users["worst"]] == [0.8, 0.8, 0.9, 0.95, 0.975, 0.9875, 636 / 640]
    assert users["worst"][1]["seconds"] == 7200
    assert any("For its users it worked 99.37" in line for line in web["told"]), web["told"]


def test_an_instance_that_dies_more_often_than_chance_would_allow_is_named(store: Store) -> None:
    ten_days(store)

    web = report(store, NOW, NOW + 10 * DAY, ["web"])["services"][0]

    assert [row["exits"] for row in web["instances"]] == [11, 0]
    assert {(row["by"], row["name"]) for row in web["unusual"]} == {("instance", "web-1"), ("zone", "a")}
    assert web["lives"]["begun"] == 12
    assert web["lives"]["reasons"] == {"exit code 1": 11}
    assert web["lives"]["going_on"] == 1
    assert web["lives"]["weibull"]["low"] < web["lives"]["weibull"]["high"]
    assert any("web-1 fails more than chance would allow: 11 of 11" in line for line in web["told"])


def test_what_happened_while_it_was_excused_is_not_charged_to_an_instance(store: Store) -> None:
    ten_days(store)
    with store.writing():
        store.mark(MAINTENANCE, "", NOW, NOW + 5 * DAY, "all of it")

    web = report(store, NOW, NOW + 10 * DAY)["services"][0]

    assert web["instances"][0]["on_purpose"] == 11
    assert web["unusual"] == []
    assert web["time"]["down"] == 60


def test_the_first_sentences_say_how_available_it_was_what_supports_it_and_how_it_failed(
    store: Store,
) -> None:
    ten_days(store)

    said = report(store, NOW, NOW + 10 * DAY)["services"][0]["told"]

    assert said[0] == "It served 99.953 % of the 8 d 23 h that were watched, down for 6 min."
    assert said[1].startswith("The evidence supports 2 nines: at least 99.")
    assert said[2].startswith("It failed twice: a mean time between failures of 4 d 11 h (")
    assert "1 d of the period nobody watched: that counts neither for nor against." in " ".join(said)
    assert any("Of a trend nothing can be said" in line for line in said)


def test_of_what_never_failed_the_evidence_says_what_it_assumes(store: Store) -> None:
    with store.writing():
        store.enter(WEB, UP, NOW)
        store.watch(NOW + 30 * DAY)

    web = report(store, NOW, NOW + 30 * DAY, assumed=600)["services"][0]

    assert web["time"]["assumed_repair"] == 600
    assert "if an outage would take 10 min; there was none to measure" in web["told"][1]
    assert web["told"][2].startswith("It did not fail: the mean time between failures is at least 10 d")
    assert "No request came." in web["told"]


def test_a_period_that_nobody_watched_is_told_as_unknown(store: Store) -> None:
    ten_days(store)

    web = report(store, NOW - 20 * DAY, NOW - 10 * DAY)["services"][0]

    assert web["time"]["availability"] is None
    assert web["told"][0] == "Nobody watched in this period: nothing is known of it."


def test_a_page_and_markdown_say_the_same_and_names_are_no_markup(store: Store) -> None:
    ten_days(store)
    told = {"system": "<b>shop", **report(store, NOW, NOW + 10 * DAY)}

    shown, written = page(told), markdown(told)

    assert "web served 99.953 % of the time" in shown
    assert "web served 99.953 % of the time" in written
    assert "<b>shop" not in shown + written
    assert "<script" not in shown
    assert 'class="down"' in shown  # six minutes of ten days are seen
    assert shown.count("<li>") == 3 + len(told["services"][0]["told"])


def test_of_a_ledger_that_knows_nothing_there_is_a_page_all_the_same(store: Store) -> None:
    told = {"system": "shop", **report(store, NOW, NOW + 10 * DAY)}

    assert "Nothing is known of this period" in page(told)
    assert "Nothing is known of this period" in markdown(told)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1.0, "100 %"),
        (0.99953, "99.953 %"),
        (0.999999, "99.99990 %"),
        (0.99999999, "99.9999990 %"),
        (0.97, "97.0 %"),
        (0.5, "50 %"),
        (0.0, "0 %"),
        (None, "–"),  # noqa: RUF001 - a dash is what is meant
    ],
)
def test_a_share_is_never_rounded_up_to_all_of_it(value: float | None, written: str) -> None:
    assert percent(value) == written


def test_figures_are_written_for_people() -> None:
    assert between(0.991, 0.99953) == "99.10 to 99.953 %"
    assert span(1e140) == "over 100 y"
    assert span(400 * DAY) == "1 y 35 d"
    assert span(4 * DAY + 2 * 3600 + 5) == "4 d 2 h"
    assert span(0.351) == "0.35 s"
    assert span(120) == "2 min"
    assert latency(0.0015) == "1.5 ms"
    assert latency(2.41) == "2.4 s"
    assert stamp("2027-01-15T08:00Z", "--since") == NOW


def test_who_reads_no_further_knows_that_requests_failed_while_somebody_served() -> None:
    time = {"availability": 1.0, "served": 600.0, "down": 0.0}
    requests = {"valid": 812, "good": 513, "availability": 513 / 812}

    said = told_of_availability(time, requests)

    assert said.endswith("never down; and yet 299 requests of 812 failed.")
    assert told_of_availability(time, {"valid": 0, "good": 0, "availability": None}).endswith("never down.")
