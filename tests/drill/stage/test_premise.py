"""What a fault takes that the system it would be done to may not have."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mainstay.drill.campaign import Campaign, Wish
from mainstay.drill.cell import cells, chosen
from mainstay.drill.fault.faketime import Clocks
from mainstay.drill.stage.premise import missing, prepared
from mainstay.drill.stage.stage import Stage
from mainstay.supervisor.rundir import RunDir
from mainstay.system.load import load

SYSTEM = """\
services:
  web: { command: run, listen: "http://127.0.0.1:1", env: { LD_PRELOAD: /own.so } }
  other: { command: run, USER listen: "http://127.0.0.1:2" }
drills:
  disk: { web: data }
  env: { PLACE: ENV }
  accept: [{ fault: clock, target: web, reason: watched elsewhere }]
"""


def nobody(*_: Any, **__: Any) -> dict[str, Any]:
    raise AssertionError("nobody is asked")


Staged = Callable[..., Stage]


@pytest.fixture
def original(tmp_path: Path) -> Iterator[RunDir]:
    run = RunDir(tmp_path / "run")
    run.take()
    yield run
    run.release()


@pytest.fixture
def staged(tmp_path: Path) -> Staged:
    def stage(env: str = "x", user: str = "", *, live: bool = False, beside: RunDir | None = None) -> Stage:
        file = tmp_path / "mainstay.yaml"
        file.write_text(SYSTEM.replace("ENV", env).replace("USER", user))
        made = Stage(load(file, {}), RunDir(tmp_path / "copy"), nobody, live=live)
        made.original = beside
        return made

    return stage


def why(stage: Stage, fault: str, target: str) -> str:
    (cell,) = chosen(cells(stage.system), [fault], [target])
    return missing(stage, cell)


def test_a_folder_that_the_running_system_may_use_is_not_filled(staged: Staged, original: RunDir) -> None:
    stage = staged(beside=original)

    said = why(stage, "disk", "web")

    assert f"the system itself runs, and may use {stage.system.folder / 'data'} as well" in said


@pytest.mark.parametrize("env", ["data", "data/inner", "TMP/data"])
def test_one_that_only_the_copy_uses_is_filled(
    staged: Staged, original: RunDir, tmp_path: Path, env: str
) -> None:
    stage = staged(env.replace("TMP", str(tmp_path)), beside=original)

    assert why(stage, "disk", "web") == ""


def test_when_the_system_does_not_run_or_is_itself_drilled_its_folder_is_filled(
    staged: Staged, original: RunDir
) -> None:
    assert why(staged(live=True, beside=original), "disk", "web") == ""
    original.release()
    assert why(staged(beside=original), "disk", "web") == ""


def test_a_clock_moves_only_where_it_was_prepared(staged: Staged, tmp_path: Path) -> None:
    stage = staged(live=True)

    assert "moves only in a private copy" in why(stage, "clock", "web")
    stage.clocks = Clocks(tmp_path)
    assert why(stage, "clock", "web") == ""
    assert why(stage, "kill", "web") == ""


def test_a_clock_does_not_move_of_who_cannot_read_how(staged: Staged, tmp_path: Path) -> None:
    stage = staged(user="user: nobody,")
    stage.clocks = Clocks(tmp_path)

    assert "run as the same user" in why(stage, "clock", "other")


@pytest.mark.parametrize(
    ("missing", "verdict", "because"),
    [
        ("no libfaketime", "ACCEPTED", "no libfaketime; accepted: watched elsewhere"),
        ("", "NOT_RUN", "it was halted"),
    ],
)
def test_what_cannot_be_played_may_be_accepted_and_what_was_only_not_reached_may_not(
    staged: Staged, tmp_path: Path, missing: str, verdict: str, because: str
) -> None:
    system = staged().system
    (cell,) = chosen(cells(system), ["clock"], ["web"])
    campaign = Campaign(system, RunDir(tmp_path / "run"), Wish(), ask=nobody, tell=lambda _: None)

    row = campaign.unplayed(cell, missing, "it was halted")

    assert (row["verdict"], row["because"]) == (verdict, because)
    assert row["met"] == (verdict == "ACCEPTED")


def test_only_services_whose_clock_is_to_move_are_started_for_it(staged: Staged, tmp_path: Path) -> None:
    system = staged().system

    async def variables(*faults: str) -> dict[str, Any]:
        wanted = chosen(cells(system), faults, ["web"])
        async with prepared(system, tmp_path, wanted) as having:
            assert (having.clocks.folder is not None) == bool(having.own.env)
            return {name: dict(env) for name, env in having.own.env.items()}

    assert asyncio.run(variables("kill")) == {}
    assert not (tmp_path / "clock").exists()
    own = asyncio.run(variables("kill", "clock"))
    assert list(own) == ["web"]
    assert own["web"]["LD_PRELOAD"].endswith(":/own.so")
    assert sorted(path.name for path in (tmp_path / "clock").glob("web-*")) == ["web-1", "web-2"]
