"""Which drills `drill run` and `drill plan` take, and what is shown of a run that is halted."""

import asyncio
import json
import os
import signal

import pytest
from typer.testing import CliRunner

import matrices
from mainstay.cli import drill
from mainstay.cli.app import command_line
from mainstay.drill.cell import cells
from mainstay.drill.report import report, unplayed


@pytest.fixture
def shop(tmp_path):
    return matrices.shop(tmp_path)


@pytest.fixture
def run(shop):
    def ran(*words):
        return CliRunner().invoke(command_line(), ["drill", *words, "--file", str(shop.file)])

    return ran


@pytest.fixture
def halted_after(shop, monkeypatch):
    """Have a run be halted by Ctrl-C when these cells have been played."""

    def after(*names):
        class Halted:
            def __init__(self, *_, **__):
                self.rows = [matrices.played(shop, name) for name in names]

            async def run(self, chosen):
                self.rows += [unplayed(cell, "it was not reached") for cell in chosen[len(names) :]]
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.sleep(30)

            def report(self):
                return report(shop, matrices.terms(shop), self.rows, len(cells(shop)))

        monkeypatch.setattr(drill, "Campaign", Halted)

    return after


def test_what_was_finished_before_it_was_halted_is_shown(run, halted_after, tmp_path):
    halted_after("kill@web", "kill@api")

    ended = run("run", "--fault", "kill", "--fault", "freeze", "--markdown", str(tmp_path / "a.md"))

    assert ended.exit_code == 2
    assert "it was halted; all that was broken is mended" in ended.stderr
    assert [line.split()[:2] for line in ended.stdout.splitlines()[1:3]] == [["kill", "web"], ["kill", "api"]]
    assert "2 cells: NOT RUN it was not reached" in ended.stdout
    assert (tmp_path / "a.md").exists()


def test_of_a_run_that_is_halted_before_anything_was_finished_nothing_is_shown(run, halted_after):
    halted_after()

    ended = run("run", "--fault", "kill")

    assert (ended.exit_code, ended.stdout) == (2, "")


def test_a_cell_is_chosen_by_its_name(run):
    told = json.loads(run("plan", "--cell", "kill@web+latency@api", "--cell", "stop@api", "--json").stdout)

    assert [one["cell"] for one in told["cells"]] == ["kill@web+latency@api", "stop@api"]


def test_a_name_that_no_cell_has_ends_the_run_with_2(run):
    ended = run("run", "--cell", "kil@web")

    assert ended.exit_code == 2
    assert "did you mean 'kill@web'?" in ended.stderr


@pytest.mark.parametrize("other", [("--fault", "kill"), ("--target", "web"), ("--pairs",)])
def test_the_name_of_a_cell_is_told_alone(run, other):
    ended = run("run", "--cell", "kill@web", *other)

    assert ended.exit_code == 2
    assert "--cell names a drill as a whole" in ended.stderr
