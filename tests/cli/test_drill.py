"""`mainstay drill plan` and `run` from the command line, where nothing is broken."""

import fcntl
import json

import pytest

from mainstay.cli import consent
from mainstay.cli.app import main
from mainstay.system.load import load

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


SHOPPING = """\
drills:
  load:
    rate: 50
    requests:
      - { request: GET /, weight: 8 }
      - { request: "POST /orders/{id}", to: web, weight: 2, writes: true }
"""


@pytest.fixture
def running(shop):
    """Have the system look as if it ran."""
    (shop / "mainstay.yaml").write_text(SHOP + SHOPPING)
    (shop / ".mainstay").mkdir()
    with (shop / ".mainstay" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("1")
        lock.flush()
        yield shop


@pytest.mark.parametrize("words", [(), ("--yes",)])
def test_that_nothing_runs_is_said_before_all_else(capsys, shop, words):
    assert ended("run", "--live", *words) == 2

    said = capsys.readouterr().err
    assert "does not run: there is no supervisor at" in said
    assert "--yes" not in said
    assert not (shop / ".mainstay").exists()


def test_who_is_asked_knows_how_many_writes_of_which_kinds_will_be_sent(running):
    system = load(running / "mainstay.yaml")

    assert consent.load(system, None, writes=True) == (
        "100 requests a second of its own are sent meanwhile, of which 10 POST /orders/{id} change something"
    )
    assert consent.load(system, 5, writes=False) == (
        "10 requests a second of its own are sent meanwhile, without POST /orders/{id}, which --writes adds"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "--live"), "without POST /orders/{id}, which --writes adds: tell --yes to have that done, or --isolated"),
        (("run", "--live", "--writes"), "of which 10 POST /orders/{id} change something: tell --yes"),
        (("chaos", "experiment.json"), "which --writes adds: tell --yes to have that done, or --no-load, or --isolated"),
        (("chaos", "experiment.json", "--writes"), "of which 10 POST /orders/{id} change something: tell --yes"),
    ],
)  # fmt: skip
def test_nothing_is_sent_to_what_runs_where_nobody_can_be_asked(capsys, running, words, said):
    (running / "experiment.json").write_text(json.dumps({"title": "t", "description": "d", "method": []}))

    assert ended(*words) == 2

    assert said in capsys.readouterr().err
    assert sorted(path.name for path in running.iterdir()) == [
        ".mainstay",
        "experiment.json",
        "mainstay.yaml",
    ]
