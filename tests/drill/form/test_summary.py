"""The line, and the three sentences, by which a report is read by those who read nothing else."""

import pytest

from mainstay.drill.cell import cells
from mainstay.drill.form.summary import summary, title
from mainstay.drill.report import coverage, report, unplayed
from mainstay.drill.standing import standing
from matrices import AT, cell, played, terms

DAY = 86400.0


def only(report, *names, **told):
    """Give the same report with these cells alone."""
    rows = [row for row in report["cells"] if row["cell"] in names]
    whole = {"cells": rows, "met": all(row["met"] for row in rows), "coverage": coverage(rows)}
    return report | whole | told


@pytest.mark.parametrize(
    ("names", "line", "first"),
    [
        ([], "nothing was drilled", "No cell of the survival matrix was drilled."),
        (
            ["kill@web"],
            "1 cell as expected",
            "1 cell of the survival matrix was drilled, and it came out as expected.",
        ),
        (
            ["kill@web", "freeze@api"],
            "all 2 cells as expected",
            "2 cells of the survival matrix were drilled, and all came out as expected (1 of these as the system file accepts).",
        ),
        (
            ["kill@api", "stop@web"],
            "2 of 2 cells not as expected",
            "2 cells of the survival matrix were drilled, and none came out as expected.",
        ),
        (
            ["kill@web", "kill@api"],
            "1 of 2 cells not as expected",
            "2 cells of the survival matrix were drilled: 1 came out as expected, and 1 did not.",
        ),
    ],
)
def test_how_many_cells(mixed, names, line, first):
    told = only(mixed, *names)

    assert title(told) == line
    assert summary(told).cells == first


def test_the_worst_is_told_by_what_was_measured_also_when_it_is_accepted(mixed):
    told = summary(only(mixed, "kill@web", "freeze@api"))

    assert told.worst == (
        "The worst is freeze at api, OUTAGE: 39 of 200 requests failed, and nobody was served for 0.16 s."
    )


def test_of_two_outages_the_worse_is_that_in_which_more_failed(mixed):
    assert summary(only(mixed, "kill@api", "stop@web")).worst.startswith("The worst is stop at web, OUTAGE")


def test_where_nothing_happened_that_is_said(mixed):
    told = summary(only(mixed, "kill@web"))

    assert told.worst == "In none of them did a request fail, or take much longer than before."


def test_what_is_missing_is_counted_and_what_would_show_more_is_told(mixed, shop):
    told = summary(only(mixed, "kill@web"))

    assert told.missing == (
        "Of 61 cells that the system file implies, 60 were not drilled. Least is known of crash faults: 1 of 1 trial survived,"
        " which shows a coverage of at least 0.050 with 95% confidence; 58 clean trials more would show 95 %."
    )


def test_a_cell_that_could_not_be_played_is_not_counted_twice(mixed, shop):
    told = only(mixed, "kill@web", planned=2)
    told["cells"].append(unplayed(cell(shop, "clock@web"), "libfaketime is missing"))

    assert "1 was not drilled" in summary(told).missing
    assert title(told) == "1 of 2 cells not known"


def test_what_is_stale_is_neither_the_worst_nor_as_expected_nor_not(mixed, shop):
    told = standing(shop, cells(shop), [mixed | {"fingerprint": "of another system"}], AT + DAY)

    assert title(told) == "61 of 61 cells not known"
    assert summary(told).worst == "What its users would see when something breaks is not known."
    assert "52 were not drilled and 9 were stale" in summary(told).missing


def test_where_nothing_is_missing_that_is_said(mixed):
    assert summary(only(mixed, "kill@web", planned=1)).missing.startswith("Nothing is missing.")


def test_pairs_are_counted_by_themselves(shop):
    rows = [
        played(shop, "kill@web+kill@api", failing=(0.0, 0.2)),
        played(shop, "kill@web+latency@api", confirmed=""),
    ]
    told = summary(report(shop, terms(shop), rows, len(cells(shop))))

    assert told.cells == "2 pairs of faults were drilled, and none came out as expected."
    assert told.missing.startswith(
        "Of 2 pairs that were asked for, 1 was without a result that proves anything. Least is known"
    )


def test_beside_single_cells_a_pair_that_was_played_is_no_cell_that_is_implied(shop):
    rows = [played(shop, "kill@web"), played(shop, "kill@web+kill@api")]

    told = summary(report(shop, terms(shop), rows, len(cells(shop))))

    assert told.missing.startswith("Of 61 cells that the system file implies, 60 were not drilled. Least")


def test_of_cells_that_nobody_asked_for_nothing_is_said(mixed, shop):
    asked = [cell(shop, name) for name in ("kill@web", "files@web")]

    some = standing(shop, asked, [mixed], AT + DAY, planned=61)
    one = standing(shop, asked[:1], [mixed], AT + DAY, planned=61)

    assert summary(some).missing.startswith("Of 2 cells that were asked for, 1 was not drilled. Least")
    assert summary(one).missing.startswith(
        "Nothing is missing of what was asked for: 1 of 61 cells that the system file implies. Least"
    )
