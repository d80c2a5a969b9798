"""The commands that read the ledger, and those on the file itself."""

import io
import json
import time
from pathlib import Path

import pytest

from mainstay.cli.app import main
from mainstay.ledger.store import SERVICE, Row, Store, Subject, opened
from mainstay.reliability.account import Account
from mainstay.reliability.span import UP
from mainstay.supervisor.rundir import RunDir

NOW = 1_700_000_000
WEB = Subject(SERVICE, "web", "web")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Give the ledger of a system of which nothing runs; commands mean it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".mainstay").mkdir(mode=0o700)
    made, _ = opened(tmp_path / ".mainstay" / "ledger.db", NOW)
    with made.writing():
        made.enter(WEB, UP, NOW)
        made.count([Row(WEB, 10, NOW, Account({"requests": 7}))])
        made.watch(NOW + 3600)
    return made


def ends(*words: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(list(words))
    assert isinstance(done.value.code, int)
    return done.value.code


PERIOD = ("--since", "2023-11-14T22:13:20", "--until", "2023-11-14T23:13:20")


def test_a_report_is_of_the_period_that_was_told(
    store: Store, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page, text = tmp_path / "r.html", tmp_path / "r.md"

    code = ends("report", "--json", *PERIOD, "--html", str(page), "--markdown", str(text))

    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (told["since"], told["until"], told["system"]) == (NOW, NOW + 3600, tmp_path.name)
    assert told["services"][0]["time"]["served"] == 3600
    assert told["services"][0]["requests"]["good"] == 7
    assert "web served 100 % of the time" in page.read_text() + text.read_text()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--service", "nobody"), 3, "--service: the ledger has no 'nobody'; it has: web"),
        (("--over", "30"), 3, "--over: "),
        (("--since", "yesterday"), 3, "--since: 'yesterday' is no time"),
        (("--since", "2023-11-15", "--until", "2023-11-14"), 3, "the period must begin before it ends"),
        (("--since", "2023-11-14", "--over", "7d"), 3, "--over and --since both say when the period begins"),
        (("--repair", "soon"), 3, "--repair: "),
        (("--html", "-"), 3, "'-' is no file"),
        (("--run-dir", "elsewhere"), 4, "elsewhere/ledger.db': `mainstay up` begins one"),
    ],
)
def test_what_cannot_be_told_is_refused_with_why(
    store: Store, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, said: str
) -> None:
    assert ends("report", *words) == code
    assert said in capsys.readouterr().err


def test_a_file_that_is_no_ledger_is_told(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.close()
    store.path.write_bytes(b"nonsense" * 1000)

    assert ends("report") == 6
    assert "cannot be read" in capsys.readouterr().err


def test_a_ledger_whose_sums_do_not_agree_is_not_sound(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = ends("ledger", "verify")
    store.connection.execute("UPDATE counts SET requests = 8 WHERE level = 60")

    broken = ends("ledger", "verify", "--json")

    told = json.loads(capsys.readouterr().out)
    assert (sound, broken) == (0, 1)
    assert not told["sound"]
    assert "the counts of 60 s" in told["problems"][0]


def test_a_backup_is_a_ledger_and_writes_over_nothing(store: Store, tmp_path: Path) -> None:
    assert ends("ledger", "backup", "copy.db") == 0
    assert ends("ledger", "backup", "copy.db") == 6

    copy, trouble = opened(tmp_path / "copy.db", NOW)
    assert trouble is None
    assert copy.counted(WEB, NOW, NOW + 60).counts == {"requests": 7}


def test_an_export_is_imported_elsewhere_and_never_twice(
    store: Store, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert ends("ledger", "export") == 0
    (tmp_path / "told.jsonl").write_text(capsys.readouterr().out)

    first = ends("ledger", "import", "told.jsonl", "--run-dir", "elsewhere")
    again = ends("ledger", "import", "told.jsonl", "--run-dir", "elsewhere")

    assert (first, again) == (0, 0)
    said = capsys.readouterr().err
    assert "imported: 1 subject, 4 counts, 1 span" in said
    assert "imported: nothing that was not there" in said
    assert ends("ledger", "export", "--run-dir", "elsewhere") == 0
    assert capsys.readouterr().out == (tmp_path / "told.jsonl").read_text()


def test_an_import_of_nonsense_or_beside_a_running_system_changes_nothing(
    store: Store, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sys.stdin", io.StringIO('{"line": "ledger", "version": 1, "watched_until": null}\nno')
    )

    nonsense = ends("ledger", "import", "-")
    missing = ends("ledger", "import", "nothing.jsonl")
    held = RunDir(tmp_path / ".mainstay")
    held.take()
    (tmp_path / "told.jsonl").write_text("")
    running = ends("ledger", "import", "told.jsonl")
    held.release()

    assert (nonsense, missing, running) == (3, 6, 5)
    assert "line 2: it is no line of a ledger" in capsys.readouterr().err
    assert store.watched_until == NOW + 3600


@pytest.mark.parametrize(
    "words",
    [
        ("report",),
        ("incident", "list"),
        ("incident", "note", "1", "x"),
        ("ledger", "verify"),
        ("ledger", "backup", "copy.db"),
        ("ledger", "export"),
    ],
)
def test_where_nothing_has_run_every_command_says_the_same(
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)

    assert ends(*words) == 4
    assert "there is no ledger at" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("report", "--incidents", *PERIOD),
        ("incident", "list", "--over", "9999d"),
        ("ledger", "export"),
        ("predict",),
    ],
)
def test_one_that_is_damaged_in_the_middle_is_told_and_is_no_bug_of_ours(
    words: tuple[str, ...], store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mainstay.yaml").write_text("services: {web: {command: 'true'}}\n")
    with store.writing():
        store.connection.execute(
            "INSERT INTO incidents (service, began, over, record) VALUES ('web', ?, 1, CAST(x'ff' AS TEXT))",
            (NOW,),
        )
        store.connection.execute(
            "INSERT INTO facts (at, fact, service, record) VALUES (?, 'InstanceStarted', 'web', CAST(x'ff' AS TEXT))",
            (time.time() - 60,),
        )
        store.watch(time.time())
    store.close()

    assert ends(*words) == 6

    said = capsys.readouterr().err
    assert "cannot be read" in said
    assert "Traceback" not in said
