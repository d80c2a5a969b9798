from typing import Any

import pytest

from mainstay.control.questions import NO, UNPROVED, YES, backups, frequency, survival

HOST = {
    "part": "this host",
    "kind": "host",
    "service": None,
    "stops": ["web"],
    "comes_back": False,
    "sentence": "losing this host stops web: everything that Mainstay runs is on it",
}
NOW = 1_800_000_000.0


def audit(*single: str) -> dict[str, Any]:
    points = [
        {
            "part": f"{name}-1",
            "kind": "instance",
            "service": name,
            "stops": ["web"],
            "comes_back": True,
            "sentence": f"losing {name}-1 stops web",
        }
        for name in single
    ]
    return {
        "entries": [{"entry": "web", "survives": {"one": not single, "two": False, "zone": None}}],
        "single_points_of_failure": [*points, HOST],
    }


def row(cell: str, verdict: str, *, met: bool, age: float = 60.0) -> dict[str, Any]:
    played = (
        {"at": NOW - age, "reproduce": f"mainstay drill run --cell {cell}"} if verdict != "NOT_RUN" else {}
    )
    return {
        "cell": cell,
        "fault": cell.partition("@")[0],
        "verdict": verdict,
        "met": met,
        "because": "so it is",
        **played,
    }


def standing(*rows: dict[str, Any]) -> dict[str, Any]:
    return {
        "cells": list(rows),
        "coverage": [{"class": "crash", "survived": 1, "trials": 1, "at_least": 0.05}],
    }


def report(service: str = "web", *, low: float, high: float = 1.0, outages: int = 0) -> dict[str, Any]:
    time = {"availability": (low + high) / 2, "low": low, "high": high, "served": 80 * 86400.0, "down": 60.0}
    return {"services": [{"service": service, "time": time, "failures": {"count": outages}}]}


def test_there_are_backups_where_no_part_is_alone() -> None:
    found = backups(audit())

    assert found.answer == YES
    assert HOST["sentence"] in found.evidence
    assert found.next == []


def test_what_is_alone_is_named_with_what_to_do() -> None:
    found = backups(audit("redis", "db", "redis", "x"))

    assert found.answer == NO
    assert "losing redis-1 stops web" in found.evidence
    assert found.evidence[3] == "and 1 more; `mainstay audit` lists them"
    assert found.next[0] == "give redis a second instance, or another address"
    assert len(found.next) == 3


def test_redundancy_that_was_never_drilled_is_not_called_fault_tolerance() -> None:
    found = survival(
        standing(row("kill@web", "NOT_RUN", met=False), row("stop@web", "NOT_RUN", met=False)), NOW
    )

    assert (found.answer, found.age, found.next) == (UNPROVED, None, ["mainstay drill run --quick"])


def test_it_is_proved_when_what_says_most_has_been_shown() -> None:
    found = survival(
        standing(
            row("kill@web", "SURVIVED", met=True, age=5.0),
            row("freeze@web", "DEGRADED", met=True, age=70.0),
            row("stop@web", "NOT_RUN", met=False),
        ),
        NOW,
    )

    assert (found.answer, found.age, found.next) == (YES, 70.0, ["mainstay drill run"])
    assert "2 of 3 drills have shown that a failure is survived" in found.evidence


def test_what_has_changed_since_is_no_proof() -> None:
    found = survival(
        standing(row("kill@web", "STALE", met=False), row("stop@web", "SURVIVED", met=True)), NOW
    )

    assert found.answer == UNPROVED


@pytest.mark.parametrize("verdict", ["OUTAGE", "LOST", "DUPLICATED", "NOT_RECOVERED", "INVALID"])
def test_one_that_was_not_survived_is_a_no(verdict: str) -> None:
    found = survival(
        standing(row("kill@web", verdict, met=False), row("freeze@web", "SURVIVED", met=True)), NOW
    )

    assert found.answer == NO
    assert f"kill@web: {verdict}, so it is" in found.evidence
    assert found.next == ["mainstay drill run --cell kill@web"]


def test_an_accepted_outage_is_told_and_no_no() -> None:
    found = survival(
        standing(row("kill@web", "ACCEPTED", met=True), row("freeze@web", "SURVIVED", met=True)), NOW
    )

    assert found.answer == YES
    assert "1 outages are accepted, with reasons" in found.evidence


@pytest.mark.parametrize(
    ("low", "high", "target", "answer"),
    [
        (0.9995, 1.0, 0.999, YES),
        (0.95, 1.0, 0.999, UNPROVED),
        (0.95, 0.998, 0.999, NO),
        (0.991, 1.0, None, YES),
        (0.9, 0.98, None, NO),
    ],
)
def test_how_often_it_fails_is_held_against_what_is_wanted(
    low: float, high: float, target: float | None, answer: str
) -> None:
    found = frequency(report(low=low, high=high), {"web": target} if target is not None else {})

    assert found.answer == answer
    assert ("say what is wanted of web" in " ".join(found.next)) is (target is None)


@pytest.mark.parametrize(("high", "answer"), [(0.95, NO), (0.9995, YES), (None, YES)])
def test_a_promise_that_is_broken_is_a_no_though_nothing_was_down(high: float | None, answer: str) -> None:
    promise = {
        "service": "web",
        "promise": "99.9% good",
        "target": 0.999,
        "high": high,
        "events": 1000,
        "bad_events": 80,
    }

    found = frequency(report(low=0.9995, high=1.0), {"web": 0.999}, promises=[promise])

    assert found.answer == answer
    told = "web promises 99.9% good, and 80 of 1,000 were not good"
    assert (told in found.evidence) is (answer == NO)
    assert ("mainstay incident list --service web" in found.next) is (answer == NO)


def test_of_what_was_not_watched_nothing_is_known() -> None:
    assert frequency(None, {}).answer == UNPROVED
    assert frequency(None, {}, "it cannot be read").evidence == ["it cannot be read"]
    unwatched = report(low=0.0)
    unwatched["services"][0]["time"]["availability"] = None
    assert frequency(unwatched, {}).evidence == ["nothing was watched yet"]
