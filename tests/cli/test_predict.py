import json
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mainstay.base.errors import EnvironmentProblem, SpecError
from mainstay.cli.app import command_line
from mainstay.cli.curve import drawing
from mainstay.cli.predict import lines
from mainstay.ledger.store import INSTANCE, SERVICE, Subject, opened
from mainstay.reliability.span import DOWN, UP

FILE = """\
name: shop
services:
  web: { command: web, instances: 3, listen: "http://127.0.0.1:8080" }
"""
WEB = ("--set", "web.mtbf=10d", "--set", "web.mttr=5m", "--set", "web.failover=2s")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mainstay.yaml").write_text(FILE)
    return tmp_path


def predict(folder: Path, *more: str) -> Result:
    words = ["predict", "--file", str(folder / "mainstay.yaml"), *more]
    return CliRunner().invoke(command_line(["predict"]), words)


def test_without_drills_it_says_unproved_and_how_to_prove_it(folder: Path) -> None:
    (row,) = json.loads(predict(folder, "--json").output)["services"]

    said = lines(row)

    assert said[0].startswith("Unproved: from 99.9")
    assert "`mainstay drill run` does" in said[0]


def test_it_is_said_in_sentences_what_would_be_worth_what(folder: Path) -> None:
    found = predict(folder, *WEB, "--set", "web.coverage=95%", "--json")
    (row,) = json.loads(found.output)["services"]

    said = lines({**row, "observed": {"availability": 0.9, "low": 0.8, "high": 0.95}})

    assert "something fails that the prediction does not know of" in said[1]
    assert said[2].startswith("What costs most is web: ")
    assert any(one.startswith("web, one more: costs ") for one in said)
    assert said[-1].startswith("More than 2 instances lower availability: ")


def test_a_change_whose_sign_is_not_known_is_told_as_that(folder: Path) -> None:
    (row,) = json.loads(predict(folder, "--json").output)["services"]
    change = {"component": "web", "change": "one more", "saves": 5.0, "saves_low": -60.0, "saves_high": 90.0}

    said = lines({**row, "changes": [change]})

    assert (
        "web, one more: may save 1 min 30 s or cost 1 min a year; what is known does not tell which." in said
    )


def test_what_was_simulated_is_said_beside_what_is_expected(folder: Path) -> None:
    found = predict(folder, *WEB, "--set", "web.coverage=95%", "--simulate", "--json")
    (row,) = json.loads(found.output)["services"]

    said = lines(row)

    assert said[1].startswith("Simulated: 99.9")


def test_it_can_be_printed(folder: Path) -> None:
    done = predict(folder)

    assert done.exit_code == 0


def test_more_replicas_than_two_are_said_to_be_worse(folder: Path) -> None:
    done = predict(folder, *WEB, "--set", "web.coverage=95%", "--json")

    (row,) = json.loads(done.output)["services"]
    assert row["proved"]
    assert (row["replicas"]["best"], row["replicas"]["worse_from"]) == (2, 3)
    more = next(one for one in row["changes"] if one["change"] == "one more")
    assert more["saves"] < 0


def test_what_the_ledger_saw_stands_beside_it(folder: Path) -> None:
    (folder / ".mainstay").mkdir()
    now = time.time()
    store, _ = opened(folder / ".mainstay" / "ledger.db", now - 864000)
    with store.writing():
        for subject in (Subject(SERVICE, "web", "web"), Subject(INSTANCE, "web", "web-1")):
            store.enter(subject, UP, now - 864000)
            store.enter(subject, DOWN, now - 86400)
            store.enter(subject, UP, now - 86000)
        store.watch(now)
    store.close()

    done = predict(folder, "--json")

    (row,) = json.loads(done.output)["services"]
    assert row["observed"]["outages"] == 1
    assert row["components"][0]["mtbf"]["events"] == 1


@pytest.mark.parametrize("coverage", [(), ("--set", "web.coverage=95%")])
def test_the_drawing_has_a_point_for_each_number_of_replicas(folder: Path, coverage: tuple[str, ...]) -> None:
    picture = folder / "out.svg"

    done = predict(folder, *WEB, *coverage, "--svg", str(picture), "--json")

    root = ET.fromstring(picture.read_text())
    space = "{http://www.w3.org/2000/svg}"
    assert done.exit_code == 0
    assert len(root.findall(f".//{space}circle[@class='dot']")) == (8 if coverage else 1)
    assert len(root.findall(f".//{space}circle[@class='now']")) == 1


def test_names_in_the_drawing_cannot_be_markup(folder: Path) -> None:
    found = json.loads(predict(folder, "--json").output)

    drawn = drawing({**found, "system": "<script>"})

    assert "<script>" not in drawn


def test_a_file_that_cannot_be_written_is_told(folder: Path) -> None:
    done = predict(folder, "--svg", str(folder / "none" / "out.svg"))

    assert isinstance(done.exception, EnvironmentProblem)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--service", "wob"), "there is no 'wob'"),
        (("--over", "3"), "--over: '3' has no unit"),
        (("--set", "web.shape=2"), "--set web.shape: no formula knows of that; add --simulate"),
        (("--crew", "1"), "--crew: no formula knows of that"),
        (("--set", "web.needed=9"), "needed must be from 1 to the 3"),
    ],
)
def test_what_cannot_be_is_refused(folder: Path, words: tuple[str, ...], said: str) -> None:
    done = predict(folder, *words)

    assert isinstance(done.exception, SpecError)
    assert said in str(done.exception)
