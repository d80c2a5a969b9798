"""What is known of every cell, by what the system file allows now."""

import pytest

import matrices
from mainstay.drill.cell import cells
from mainstay.drill.report import report
from mainstay.drill.standing import standing

DAY = 86400.0
ACCEPTED = "drills: { accept: [{ fault: kill, target: api, reason: nobody uses it at night }] }\n"


def ran(system, *rows, run="1", at=matrices.AT):
    return report(system, matrices.terms(system, run=run, at=at), rows, len(cells(system)))


def outage(system):
    return matrices.played(system, "kill@api", failing=(0.0, 1.9), entry="api")


def known(system, *reports, now=matrices.AT + DAY):
    told = standing(system, cells(system), reports, now)
    return told, {row["cell"]: row for row in told["cells"]}


@pytest.fixture
def shop(tmp_path):
    return matrices.shop(tmp_path)


def test_what_was_never_drilled_is_a_gap_and_not_as_expected(shop):
    told, rows = known(shop)

    assert set(rows) == {cell.name for cell in cells(shop)}
    assert {row["verdict"] for row in rows.values()} == {"NOT_RUN"}
    assert (told["met"], told["coverage"], told["run"]) == (False, [], None)


def test_the_newest_of_each_cell_counts_and_tells_its_age(shop):
    first = ran(shop, outage(shop), matrices.played(shop, "freeze@web"))
    second = ran(shop, matrices.played(shop, "kill@api", entry="api"), run="2")

    _, rows = known(shop, first, second)

    assert (rows["kill@api"]["verdict"], rows["freeze@web"]["verdict"]) == ("SURVIVED", "SURVIVED")
    assert rows["freeze@web"]["age"] == pytest.approx(DAY, abs=5)


def test_how_many_cells_there_are_is_told_also_when_few_are_asked_for(shop):
    told = standing(shop, cells(shop)[:3], [], matrices.AT, planned=len(cells(shop)))

    assert (len(told["cells"]), told["planned"]) == (3, len(cells(shop)))


def test_coverage_is_of_all_trials_of_the_system_as_it_is(shop, tmp_path):
    reports = [ran(shop, matrices.played(shop, "kill@web")) for _ in range(3)]
    reports.append(ran(shop, outage(shop)))
    other = ran(shop, matrices.played(shop, "kill@web")) | {"fingerprint": "of another system"}

    told, _ = known(shop, other, *reports)

    (crash,) = told["coverage"]
    assert (crash["class"], crash["trials"], crash["survived"]) == ("crash", 4, 3)


def test_what_the_file_accepts_since_the_run_is_accepted(shop, tmp_path):
    before = ran(shop, outage(shop))
    after = matrices.shop(tmp_path, ACCEPTED)

    _, rows = known(after, before)

    row = rows["kill@api"]
    assert (row["verdict"], row["measured"], row["met"]) == ("ACCEPTED", "OUTAGE", True)
    assert row["because"].endswith("nobody served for 1.90 s; accepted: nobody uses it at night")


def test_what_the_file_accepts_no_more_counts_again(shop, tmp_path):
    accepting = matrices.shop(tmp_path, ACCEPTED)
    row = matrices.played(
        accepting, "kill@api", failing=(0.0, 1.9), entry="api", accepted="nobody uses it at night"
    )
    assert row["verdict"] == "ACCEPTED"

    _, rows = known(matrices.shop(tmp_path), ran(accepting, row))

    assert (rows["kill@api"]["verdict"], rows["kill@api"]["accepted"]) == ("OUTAGE", None)
    assert rows["kill@api"]["because"].endswith("nobody served for 1.90 s")


@pytest.mark.parametrize(
    ("expected", "met"),
    [
        ("failed: 50%", True),
        ("failed: 10%", False),
        ("failed: 50%, gap: 2s", True),
        ("failed: 50%, gap: 1s", False),
        ("failed: 50%, latency: 100ms", True),
        ("failed: 50%, latency: 10ms", False),
    ],
)
def test_what_is_expected_now_counts(shop, tmp_path, expected, met):
    before = ran(shop, outage(shop))
    now = matrices.shop(tmp_path, f"drills: {{ expect: [{{ fault: kill, target: api, {expected} }}] }}\n")

    _, rows = known(now, before)

    assert (rows["kill@api"]["verdict"], rows["kill@api"]["met"]) == ("OUTAGE", met)


def test_what_was_called_off_is_never_as_expected(shop, tmp_path):
    row = outage(shop) | {"aborted": "called off: 50% of the requests to api failed for 3 s"}
    now = matrices.shop(tmp_path, "drills: { expect: [{ fault: kill, target: api, failed: 100% }] }\n")

    _, rows = known(now, ran(shop, row))

    assert (rows["kill@api"]["verdict"], rows["kill@api"]["met"]) == ("OUTAGE", False)


def test_lost_writes_are_never_as_expected(shop, tmp_path):
    before = ran(shop, matrices.played(shop, "kill@web", orders=matrices.writes(lost=["o-1"])))
    now = matrices.shop(tmp_path, "drills: { expect: [{ fault: kill, target: web, failed: 100% }] }\n")

    _, rows = known(now, before)

    assert (rows["kill@web"]["verdict"], rows["kill@web"]["met"]) == ("LOST", False)


def test_what_is_stale_stays_stale_whatever_is_accepted(shop, tmp_path):
    before = ran(shop, outage(shop)) | {"fingerprint": "of another system"}

    _, rows = known(matrices.shop(tmp_path, ACCEPTED), before)

    assert (rows["kill@api"]["verdict"], rows["kill@api"]["met"]) == ("STALE", False)
