"""An experiment of Chaos Toolkit on a private copy of a real system, with our users beside it."""

import json
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.e2e

SYSTEM = f"""\
gateway: {{ workers: 1 }}
services:
  web: {{ command: [{sys.executable}, -m, mainstay.drill.demo.service], listen: "http://127.0.0.1:1", instances: 1 }}
"""
# The copy's only instance is frozen: found by the mark that its processes bear.
FREEZE = (
    'import os, sys, signal; run = os.environ["MAINSTAY_RUN_DIR"]\n'
    "from pathlib import Path\n"
    "from mainstay.supervisor.orphan import of_instance\n"
    "[os.kill(pid, getattr(signal, sys.argv[1])) for pid, _ in of_instance(Path(run), 'web-1')]"
)


def python(name, *arguments):
    provider = {"type": "process", "path": sys.executable, "arguments": ["-c", *arguments], "timeout": 30}
    return {"type": "action", "name": name, "provider": provider}


def test_what_users_saw_while_an_experiment_ran_stands_in_its_journal(tmp_path):
    (tmp_path / "mainstay.yaml").write_text(SYSTEM)
    answers = {"type": "http", "url": "${mainstay_url_web}/", "timeout": 10}
    told = {
        "title": "The only instance is frozen",
        "description": "Nobody takes over.",
        "configuration": {"mainstay_url_web": "http://nobody.invalid"},
        "steady-state-hypothesis": {
            "title": "It answers",
            "probes": [{"type": "probe", "name": "it answers", "tolerance": 200, "provider": answers}],
        },
        "method": [python("freeze", FREEZE, "SIGSTOP") | {"pauses": {"after": 1.0}}],
        "rollbacks": [python("thaw", FREEZE, "SIGCONT")],
        "runtime": {"hypothesis": {"strategy": "before-method-only"}},
    }
    (tmp_path / "experiment.json").write_text(json.dumps(told))

    ran = subprocess.run(
        [sys.executable, "-m", "mainstay", "drill", "chaos", "experiment.json", "--isolated", "--rps", "50"],
        cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stderr
    journal = json.loads((tmp_path / "journal.json").read_text())
    (seen,) = journal["extensions"]
    users = seen["users"]["web"]
    assert (seen["name"], seen["live"], seen["rate"]) == ("mainstay", False, 50.0)
    assert users["sent"] > 30
    assert users["before"]["max"] > 0.5
    assert "users of web: " in ran.stdout
    assert not (tmp_path / ".mainstay").exists()


def test_who_interrupts_an_experiment_gets_its_journal(tmp_path):
    told = {
        "title": "t",
        "description": "d",
        "method": [python("wait", "print(1, flush=True); import time; time.sleep(60)")],
    }
    began = {
        "type": "action",
        "name": "begin",
        "provider": {"type": "process", "path": "touch", "arguments": ["began"]},
    }
    (tmp_path / "experiment.json").write_text(json.dumps(told | {"method": [began, *told["method"]]}))
    running = subprocess.Popen(
        [sys.executable, "-m", "mainstay", "drill", "chaos", "experiment.json"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    limit = time.monotonic() + 60
    while not (tmp_path / "began").exists():
        assert time.monotonic() < limit
        time.sleep(0.02)

    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)

    assert running.returncode == 2, said
    assert json.loads((tmp_path / "journal.json").read_text())["status"] == "interrupted"
