"""The survival matrix on a terminal."""

import io

import pytest
from rich.console import Console

import matrices
from mainstay.cli import matrix, show
from mainstay.drill.cell import cells, pairs
from mainstay.drill.report import coverage


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    system = matrices.shop(tmp_path_factory.mktemp("shop"))
    told = matrices.mixed(system)
    told["cells"][0] |= {"sent": 12_000, "failed": 11_000, "fault": "supervisor-kill", "target": "gateway"}
    return told


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (80, ["fault", "target", "verdict", "failed", "gap", "recover"]),
        (160, ["fault", "target", "expected", "verdict", "failed", "gap", "detect", "failover", "recover"]),
    ],
)
def test_a_narrow_terminal_shows_the_columns_that_say_most(monkeypatch, report, width, columns):
    file = io.StringIO()
    monkeypatch.setattr(show, "out", Console(file=file, force_terminal=True, width=width, color_system=None))

    matrix.matrix(report)

    lines = file.getvalue().splitlines()
    table = lines[: len(report["cells"]) + 1]
    assert table[0].split()[: len(columns)] == columns
    assert max(map(len, table)) <= width


def test_what_is_not_as_expected_or_is_accepted_is_explained_below(monkeypatch, report):
    file = io.StringIO()
    monkeypatch.setattr(show, "out", Console(file=file, width=160))

    matrix.matrix(report)

    text = file.getvalue()
    assert "kill@api: OUTAGE 95 of 200 failed (95 reset), nobody served for 1.90 s\n" in text
    assert "    mainstay drill run --fault kill --target api --quick --rps 50 --seed 1\n" in text
    assert "freeze@api: ACCEPTED 39 of 200 failed" in text
    assert "kill@web:" not in text
    assert "crash: 1 of 6 survived\n" in text


@pytest.mark.parametrize(
    ("trials", "line"),
    [
        (1, "crash: 1 of 1 survived; 58 more clean runs would show 95 %"),
        (58, "crash: 58 of 58 survived; 1 more clean run would show 95 %"),
        (59, "crash: 59 of 59 survived, at least 95.0 % of all"),
    ],
)
def test_what_is_missing_for_a_coverage_is_told(monkeypatch, tmp_path, report, trials, line):
    file = io.StringIO()
    monkeypatch.setattr(show, "out", Console(file=file, width=160))
    row = matrices.played(matrices.shop(tmp_path), "kill@web")

    matrix.matrix(report | {"cells": [row], "coverage": coverage([row] * trials)})

    assert file.getvalue().splitlines()[-1] == line


@pytest.fixture
def planned(monkeypatch, tmp_path):
    """Print a plan, and give what was printed on both outputs."""

    def print_plan(cells, *, terminal=False):
        said = io.StringIO(), io.StringIO()
        for name, file in zip(("out", "err"), said, strict=True):
            monkeypatch.setattr(
                show, name, Console(file=file, force_terminal=terminal, width=400, color_system=None)
            )
        matrix.plan(cells, 60.0)
        return [file.getvalue() for file in said]

    return print_plan


def test_a_plan_that_is_written_to_a_file_has_no_long_lines(planned, tmp_path):
    every = cells(matrices.shop(tmp_path))

    head, *lines = planned(every)[0].splitlines()

    assert head.split() == ["fault", "target", "class", "breaks"]
    assert max(map(len, lines)) <= 120
    assert planned(every, terminal=True)[0].splitlines()[0].split()[-1] == "how"


def test_a_plan_of_one_drill_is_no_plural(planned, tmp_path):
    _, news = planned(cells(matrices.shop(tmp_path))[:1])

    assert "1 drill, about" in news


def test_of_a_plan_of_very_many_the_first_are_listed_and_how_to_choose_is_told(planned, tmp_path):
    both = pairs(cells(matrices.shop(tmp_path)))
    assert len(both) > matrix.MANY

    text, news = planned(both)

    lines = text.splitlines()
    assert lines[1].split()[:2] == ["kill+kill", "web+api"]
    rest = next(number for number, line in enumerate(lines) if line.startswith("... and "))
    assert (rest, lines[rest]) == (21, f"... and {len(both) - 20:,} more; of each class of faults:")
    assert sum(int(line.split()[0].replace(",", "")) for line in lines[rest + 1 :]) == len(both)
    assert "choose some by --fault, --target, --quick or --cell" in news
