"""The survival matrix on a terminal."""

import io

import pytest
from rich.console import Console

import matrices
from mainstay.cli import matrix, show


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
    assert "crash: 1 of 6 survived; coverage at least 0.009 with 95% confidence" in text
