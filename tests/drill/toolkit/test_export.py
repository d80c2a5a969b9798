"""Our drills as experiments: Chaos Toolkit's own library has to take them, and so do we."""

import json
import os
import sys
from pathlib import Path

import pytest
from chaoslib.experiment import ensure_experiment_is_valid

from mainstay.cli.app import main
from mainstay.drill.toolkit.experiment import check

SYSTEM = """\
zones: [a, b]
services:
  web: { command: run, listen: "http://0.0.0.0:8080", needs: [pay] }
  pay: { addresses: ["http://pay.example:81"], listen: "http://127.0.0.1:8443" }
"""


@pytest.fixture
def exported(tmp_path, monkeypatch):
    (tmp_path / "mainstay.yaml").write_text(SYSTEM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")

    def export(*words):
        with pytest.raises(SystemExit) as done:
            main(["drill", "export", "--to", "out", *words])
        assert done.value.code == 0
        return {path.stem: json.loads(path.read_text()) for path in (tmp_path / "out").iterdir()}

    return export


def test_every_drill_is_an_experiment_that_chaos_toolkit_and_we_take(exported):
    made = exported("--live")

    assert {"kill-web", "errors-pay", "zone-kill-a", "worker-kill-gateway"} <= set(made)
    for told in made.values():
        ensure_experiment_is_valid(told)
        assert list(check(told)) == []
        assert told["extensions"][0]["name"] == "mainstay"


def test_an_experiment_runs_the_drill_judges_by_its_verdict_and_undoes_what_is_left(exported):
    (told,) = exported("--fault", "kill", "--length", "quick").values()

    (probe,) = told["steady-state-hypothesis"]["probes"]
    (action,) = told["method"]
    (undo,) = told["rollbacks"]
    words = [" ".join(one["provider"]["arguments"]) for one in (probe, action, undo)]
    assert words == [
        "drill show --fault kill --target web --within 306s --file ${mainstay_file}",
        "drill run --fault kill --target web --json --quick --isolated --file ${mainstay_file}",
        "drill undo --file ${mainstay_file}",
    ]
    assert probe["tolerance"] == 0
    assert told["runtime"]["hypothesis"]["strategy"] == "after-method-only"


def test_on_the_running_system_its_entry_points_have_to_answer_as_well(exported):
    (told,) = exported("--fault", "kill", "--live").values()

    _, *asked = told["steady-state-hypothesis"]["probes"]

    assert [one["provider"]["url"] for one in asked] == ["http://127.0.0.1:8080/", "http://127.0.0.1:8443/"]
    assert told["method"][0]["provider"]["arguments"][-4:-2] == ["--live", "--yes"]
