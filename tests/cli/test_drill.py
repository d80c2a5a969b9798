"""`mainstay drill plan` and `run` from the command line, where nothing is broken."""

import json

import pytest

from mainstay.cli.app import main

SHOP = """\
services:
  api: { command: sleep 5, listen: http://127.0.0.1:18480 }
  web: { command: sleep 5, listen: http://127.0.0.1:18481, env: { API_URL: "http://localhost:18480" } }
"""


@pytest.fixture(autouse=True)
def shop(tmp_path, monkeypatch):
    """Have a system in the working folder, which does not run."""
    (tmp_path / "mainstay.yaml").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ended(*words):
    with pytest.raises(SystemExit) as done:
        main(["drill", *words])
    return done.value.code


def test_a_plan_tells_which_values_lead_to_the_copy(capsys):
    assert ended("plan", "--fault", "kill", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert ended("plan", "--fault", "kill") == 0

    assert told["relocated"] == ["services.web.env.API_URL"]
    assert "in the private copy, these lead to the copy itself: services.web.env.API_URL" in (
        capsys.readouterr().err.replace("\n", " ")
    )
