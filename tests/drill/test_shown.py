from mainstay.drill.shown import of_instances, of_zones, trials


def report(fingerprint: str, *rows: tuple[str, str, str, float | None]) -> dict[str, object]:
    return {
        "fingerprint": fingerprint,
        "cells": [
            {"fault": fault, "target": target, "measured": measured, "failover": failover, "class": "crash"}
            for fault, target, measured, failover in rows
        ],
    }


REPORTS = [
    report("old", ("kill", "web", "OUTAGE", 9.0)),
    report(
        "now",
        ("kill", "web", "SURVIVED", None),
        ("freeze", "web-2", "DEGRADED", 0.4),
        ("kill", "web", "OUTAGE", 8.0),
        ("kill", "web", "INVALID", None),
        ("kill", "web-app", "SURVIVED", 5.0),
        ("latency", "web", "OUTAGE", None),
        ("kill+latency", "web+db", "OUTAGE", None),
        ("zone-kill", "a", "SURVIVED", 0.2),
    ),
]


def test_a_trial_is_the_loss_of_one_instance_alone_of_the_system_as_it_is() -> None:
    found = of_instances("web", trials(REPORTS, "now"))

    assert found == (2, 3, [0.0, 0.4])


def test_zones_have_trials_of_their_own() -> None:
    assert of_zones(trials(REPORTS, "now")) == (1, 1, [0.2])


def test_what_was_not_played_is_no_trial() -> None:
    unplayed = {"fingerprint": "now", "cells": [{"fault": "kill", "target": "web"}]}

    assert trials([unplayed], "now") == []
