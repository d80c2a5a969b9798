import json
import os
from pathlib import Path
from typing import Any

import pytest

from mainstay.base.errors import AlreadyRunning
from mainstay.drill.cell import Cell, Target
from mainstay.drill.fault.kind import KINDS
from mainstay.drill.history import AGE, KEPT, History, latest
from mainstay.drill.report import PLAYED

KILL = Cell(kind=KINDS["kill"], target=Target("web", "web", ("web-1",)))
FREEZE = Cell(kind=KINDS["freeze"], target=Target("web", "web", ("web-1",)))


def report(run: str, at: float, verdict: str = "SURVIVED", fingerprint: str = "x") -> dict[str, Any]:
    row = dict.fromkeys(PLAYED) | {
        "cell": KILL.name,
        "verdict": verdict,
        "measured": verdict,
        "met": True,
        "because": "so",
        "at": at,
    }
    return {"version": 1, "run": run, "at": at, "fingerprint": fingerprint, "cells": [row]}


@pytest.fixture
def history(tmp_path: Path) -> History:
    made = History(tmp_path / ".mainstay")
    made.make()
    return made


def test_reports_come_back_in_the_order_of_their_runs(history: History) -> None:
    for run in ("20260102-000000-aa", "20260101-000000-bb"):
        history.keep(report(run, 1.0))

    assert [one["run"] for one in history.reports()] == ["20260101-000000-bb", "20260102-000000-aa"]


def test_what_cannot_be_read_is_passed_over_and_old_ones_go(history: History) -> None:
    for number in range(KEPT + 3):
        history.keep(report(f"20260101-{number:06}-aa", 1.0))
    broken = history.path / "reports" / "20260202-000000-zz.json"
    broken.write_text("{")

    found = list(history.reports())

    assert len(found) == KEPT
    assert found[0]["run"] == "20260101-000003-aa"
    assert broken.exists()


@pytest.mark.parametrize("left_out", ["cells", "fingerprint", "timeline"])
def test_a_report_that_is_not_whole_is_passed_over(history: History, left_out: str) -> None:
    whole = report("20260101-000000-aa", 1.0)
    del (whole["cells"][0] if left_out == "timeline" else whole)[left_out]
    history.keep(whole)

    assert list(history.reports()) == []


def test_one_drill_runs_at_a_time_and_can_be_found(history: History) -> None:
    assert history.runner() is None
    with history.running() as folder:
        assert list(folder.iterdir()) == []
        assert history.runner() == os.getpid()
        with (
            pytest.raises(AlreadyRunning, match=r"a drill of this system is running.*drill halt"),
            history.running(),
        ):
            pass
    assert history.runner() is None
    assert not folder.exists()


def test_its_folders_are_for_nobody_else(history: History) -> None:
    assert (history.path.parent / ".gitignore").read_text() == "*\n"
    assert all(folder.stat().st_mode & 0o777 == 0o700 for folder in (history.path, history.intents))


def test_the_newest_of_each_cell_is_known_and_gaps_are_seen(history: History) -> None:
    reports = [report("1", 10.0, "OUTAGE"), report("2", 20.0)]

    kill, freeze = latest([KILL, FREEZE], reports, "x", 25.0)

    assert (kill["verdict"], kill["age"]) == ("SURVIVED", 5.0)
    assert (freeze["verdict"], freeze["met"], freeze["because"]) == ("NOT_RUN", False, "it was never drilled")


def test_a_newer_run_of_another_system_does_not_hide_what_was_shown_of_this_one() -> None:
    reports = [report("1", 10.0), report("2", 20.0, "OUTAGE", "y"), report("3", 30.0, "OUTAGE", "z")]

    (of_this,) = latest([KILL], reports, "x", 40.0)
    (of_another,) = latest([KILL], reports, "w", 40.0)

    assert (of_this["verdict"], of_this["age"]) == ("SURVIVED", 30.0)
    assert (of_another["verdict"], of_another["measured"], of_another["age"]) == ("STALE", "OUTAGE", 10.0)


@pytest.mark.parametrize(("fingerprint", "now"), [("y", 20.0), ("x", 21.0 + AGE)])
def test_what_was_shown_of_another_system_or_long_ago_is_stale(fingerprint: str, now: float) -> None:
    (found,) = latest([KILL], [report("1", 20.0)], fingerprint, now)

    assert (found["verdict"], found["met"], found["measured"]) == ("STALE", False, "SURVIVED")
    json.dumps(found)
