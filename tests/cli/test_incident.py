import json
import time
from pathlib import Path

import pytest

from mainstay.cli.app import main
from mainstay.ledger.store import SERVICE, Row, Subject, opened
from mainstay.reliability.account import Account
from mainstay.reliability.incident import OVER, Incident


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".mainstay").mkdir()
    now = time.time()
    store, _ = opened(tmp_path / ".mainstay" / "ledger.db", now)
    with store, store.writing():
        store.file(
            Incident(
                service="web",
                began=now - 100,
                state=OVER,
                detected=now - 99.5,
                mitigated=now - 90,
                recovered=now - 80,
                requests=200,
                failed=50,
                blame="web-1",
                because="ended by itself",
            )
        )
        store.watch(now)
    return tmp_path


def ran(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["incident", *words])
    return int(ended.value.code or 0)


def test_incidents_are_listed_with_what_people_noted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran("note", "1", "the disk was full") == 0
    capsys.readouterr()

    assert ran("list", "--json") == 0

    (found,) = json.loads(capsys.readouterr().out)["incidents"]
    assert (found["incident"], found["service"], found["failed"], found["blame"]) == (1, "web", 50, "web-1")
    assert found["seconds"] == pytest.approx(10)
    assert (found["to_detect"], found["to_recover"]) == (pytest.approx(0.5), pytest.approx(20))
    assert [note["text"] for note in found["notes"]] == ["the disk was full"]
    assert ran("list") == 0
    said = capsys.readouterr().out
    assert "50 of 200" in said
    assert "the disk was full" in said


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("note", "9", "x"), 1, "there is no incident 9"),
        (("note", "1", " "), 3, "a note must say something"),
        (("list", "--over", "soon"), 3, "not a duration"),
        (("list", "--service", "api"), 3, "--service: the ledger has no 'api'"),
        (("list", "--over", "1s"), 0, "no incident in the last 1s"),
    ],
)
def test_what_cannot_be_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, said: str
) -> None:
    assert ran(*words) == code
    assert said in capsys.readouterr().err


def reported(folder: Path, *words: str) -> int:
    (folder / "mainstay.yaml").write_text(
        "services:\n  web:\n    command: 'true'\n    listen: http://127.0.0.1:18081\n    objective: { availability: 99% }\n"
    )
    with pytest.raises(SystemExit) as ended:
        main(["report", "--over", "1h", *words])
    return int(ended.value.code or 0)


def test_the_report_lists_incidents_and_tells_how_the_objectives_stand(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = time.time()
    store, _ = opened(folder / ".mainstay" / "ledger.db", now)
    web = Subject(SERVICE, "web", "web")
    with store, store.writing():
        at = int(now) - int(now) % 10 - 60
        store.count(
            [
                Row(
                    web,
                    10,
                    at,
                    Account({"requests": 10_000, "failures": 20, "status_5xx": 20, "status_2xx": 9980}),
                )
            ]
        )
        store.watch(now)

    assert reported(folder, "--incidents", "--json") == 0

    told = json.loads(capsys.readouterr().out)
    (service,) = told["services"]
    (objective,) = service["objectives"]
    assert (objective["objective"], objective["events"], objective["bad_events"]) == (
        "availability",
        10_000,
        20,
    )
    assert objective["budget_left"] == pytest.approx(0.8)
    assert [one["blame"] for one in told["incidents"]] == ["web-1"]
    assert reported(folder, "--incidents") == 0
    said = capsys.readouterr().out
    assert "80% of the error budget is left; 20 of 10,000 were not good." in said
    assert "50 of 200" in said
