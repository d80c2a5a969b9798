"""The plugin for pytest, in a project of its own with one real system."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from mainstay.cli.app import command_line
from mainstay.testing.result import Result

PUBLISHED = Path(__file__).parents[2] / "docs" / "reference" / "drill-report.schema.json"
PROJECT = """\
import pytest

def test_a_death_is_survived(drill):
    seen = drill("kill", "web")
    assert seen.survived, seen
    assert (seen.failed, seen.gap, seen.verdict) == (0, 0.0, "SURVIVED")
    assert seen.sent > 50 and bool(seen)
    assert seen.record["reproduce"].endswith("--quick --rps 60 --seed 7")

async def _nothing(): pass

def test_what_nobody_planned_is_told(drill):
    with pytest.raises(pytest.fail.Exception, match="no fault 'kil'.*did you mean 'kill'"):
        drill("kil", "web")

def test_what_nobody_planned_fails_in_a_line(drill):
    drill("kil", "web")
"""
SYSTEM = f"""\
gateway: {{ workers: 1 }}
services:
  web: {{ command: [{sys.executable}, -m, mainstay.drill.demo.service], listen: "http://127.0.0.1:1", instances: 2 }}
"""


def pytest_run(folder, *words):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def show(folder):
    """Give what is known of its drills, having written it in every form."""
    forms = (
        word for kind in ("junit", "markdown", "html") for word in (f"--{kind}", str(folder / f"it.{kind}"))
    )
    words = ["drill", "show", "--file", str(folder / "system.yaml"), "--json", *forms]
    return json.loads(CliRunner().invoke(command_line(), words).stdout)


@pytest.mark.e2e
def test_a_project_drills_its_system_from_its_own_tests(tmp_path):
    (tmp_path / "system.yaml").write_text(SYSTEM)
    (tmp_path / "test_it.py").write_text(PROJECT)

    ran = pytest_run(
        tmp_path, "--mainstay-file", "system.yaml", "--mainstay-rps", "60", "--mainstay-seed", "7"
    )

    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "1 failed, 2 passed" in ran.stdout
    assert "\ndrill('kil', 'web'): no fault 'kil'" in ran.stdout
    assert "drill.py" not in ran.stdout
    assert "another exception" not in ran.stdout
    (kept,) = (tmp_path / ".mainstay-system" / "drills" / "reports").iterdir()
    jsonschema.validate(json.loads(kept.read_text()), json.loads(PUBLISHED.read_text()))
    told = show(tmp_path)
    jsonschema.validate(told, json.loads(PUBLISHED.read_text()))
    assert [row["cell"] for row in told["cells"] if row["verdict"] == "SURVIVED"] == ["kill@web"]


def test_without_a_system_file_the_test_fails_in_one_line(tmp_path):
    (tmp_path / "test_it.py").write_text("def test_it(drill): pass")

    ran = pytest_run(tmp_path)

    assert ran.returncode == 1
    assert "no drills can be played: mainstay.yaml: no such file in this folder" in ran.stdout
    assert "Traceback" not in ran.stdout


def test_who_does_not_drill_imports_nothing_of_it():
    code = "import sys, mainstay.testing.plugin; print([m for m in sys.modules if m.startswith('mainstay.')])"

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert told.strip() == "['mainstay.testing', 'mainstay.testing.plugin']"


def test_a_result_tells_its_numbers_and_is_true_only_when_it_is_as_expected():
    told = {
        "cell": "kill@web", "measured": "OUTAGE", "verdict": "ACCEPTED", "met": True, "sent": 389, "failed": 12,
        "gap": 0.3, "because": "12 of 389 failed (12 reset), nobody served for 0.30 s; accepted: known",
    }  # fmt: skip

    accepted, bad = Result(told), Result({**told, "met": False})

    assert repr(accepted) == f"<kill@web OUTAGE: {told['because']}>"
    assert (accepted.survived, accepted.verdict, accepted.failed, accepted.gap) == (False, "OUTAGE", 12, 0.3)
    assert accepted
    assert not bad
