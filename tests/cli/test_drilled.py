"""`drill show` and `drill history`, on reports of runs that nobody ran."""

import json
import time

import pytest
from typer.testing import CliRunner

import matrices
from mainstay.cli.app import command_line
from mainstay.drill.cell import cells
from mainstay.drill.history import History
from mainstay.drill.report import report


@pytest.fixture
def shop(tmp_path):
    return matrices.shop(tmp_path)


@pytest.fixture
def keep(shop, tmp_path):
    """Keep the report of a run of these rows."""

    def kept(*rows, run="20261125-132950-c38e", **told):
        history = History(tmp_path / ".mainstay")
        history.make()
        terms = matrices.terms(shop, run=run, at=time.time(), **told)
        rows = [{**row, "at": time.time()} for row in rows]
        history.keep(report(shop, terms, rows, len(cells(shop))))

    return kept


@pytest.fixture
def drill(tmp_path):
    def run(*words):
        return CliRunner().invoke(
            command_line(), ["drill", *words, "--file", str(tmp_path / "mainstay.yaml")]
        )

    return run


def test_without_a_run_history_says_so_and_show_shows_the_gaps(drill, shop):
    history, shown = drill("history"), drill("show")

    assert (history.exit_code, history.stdout) == (0, "")
    assert "no drill has been run yet" in history.stderr
    assert shown.exit_code == 1
    assert "61 cells: NOT RUN it was never drilled" in shown.stdout
    assert "no drill of this system has been run" in shown.stderr


def test_the_history_is_a_line_for_each_run_the_newest_last(drill, shop, keep):
    keep(matrices.played(shop, "kill@web"), matrices.played(shop, "freeze@web"))
    keep(
        matrices.played(shop, "kill@api", failing=(0, 1.9), entry="api"),
        run="20261126-000000-0000",
        live=True,
    )

    lines = drill("history").stdout.splitlines()
    told = json.loads(drill("history", "--json").stdout)

    assert [line.split()[0] for line in lines] == ["run", "20261125-132950-c38e", "20261126-000000-0000"]
    assert lines[2].endswith("the running system      1            0  OUTAGE")
    assert [(one["cells"], one["as_expected"], one["met"], one["worst"]) for one in told["runs"]] == [
        (2, 2, True, "SURVIVED"),
        (1, 0, False, "OUTAGE"),
    ]


def test_show_tells_what_is_known_and_what_is_missing(drill, shop, keep):
    keep(matrices.played(shop, "kill@web"), matrices.played(shop, "kill@api", failing=(0, 1.9), entry="api"))

    shown = drill("show")

    assert shown.exit_code == 1
    assert "kill@api: OUTAGE 95 of 200 failed (95 reset), nobody served for 1.90 s" in shown.stdout
    assert "    mainstay drill run --fault kill --target api --quick --rps 50 --seed 1" in shown.stdout
    assert "59 cells: NOT RUN it was never drilled" in shown.stdout
    assert "crash: 1 of 2 survived" in shown.stdout


def test_show_ends_with_0_when_every_cell_is_as_expected(drill, shop, keep):
    keep(
        *(
            matrices.played(shop, cell.name, instance=next(iter(cell.touches), "web-1"))
            for cell in cells(shop)
        )
    )

    shown = drill("show", "--json")

    told = json.loads(shown.stdout)
    assert (shown.exit_code, told["met"], told["run"]) == (0, True, None)
    assert all("age" in row for row in told["cells"])


def test_show_writes_the_other_forms(drill, shop, keep, tmp_path):
    keep(matrices.played(shop, "kill@web"))

    drill(
        "show",
        "--junit",
        str(tmp_path / "a.xml"),
        "--markdown",
        str(tmp_path / "a.md"),
        "--html",
        str(tmp_path / "a.html"),
    )

    assert (tmp_path / "a.xml").read_text().count("NOT_RUN: it was never drilled") == 60
    assert "60 were not drilled" in (tmp_path / "a.md").read_text()
    assert "the newest that is known of every cell" in (tmp_path / "a.html").read_text()


def test_a_form_that_cannot_be_written_ends_with_2(drill, shop, tmp_path):
    assert drill("show", "--html", str(tmp_path / "none" / "a.html")).exit_code == 2


def test_a_pair_is_shown_by_its_name_and_counted_as_one(drill, shop, keep, tmp_path):
    keep(matrices.played(shop, "kill@web+kill@api"))

    shown = drill("show", "--cell", "kill@api+kill@web", "--markdown", str(tmp_path / "a.md"))

    assert (shown.exit_code, shown.stdout.splitlines()[1].split()[:2]) == (0, ["kill+kill", "web+api"])
    text = (tmp_path / "a.md").read_text()
    assert "1 pair of faults was drilled, and it came out as expected." in text
    assert "Nothing is missing." in text
