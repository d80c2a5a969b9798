import json
import os

import pytest

from mainstay.base.errors import EnvironmentProblem
from mainstay.supervisor import procfs
from mainstay.supervisor.state import KEPT_EXITS, Exit, LifeRecord, State, WorkerRecord

LIFE = LifeRecord(
    service="web",
    slot=1,
    name="web-1",
    generation=3,
    pid=100,
    started=200,
    since=1.5,
    port=20001,
    zone="a",
    log_from=7,
    ready=True,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.json"


@pytest.fixture
def saved(path):
    state, _ = State.load(path)
    state.lives.append(LIFE)
    state.workers.append(WorkerRecord(id=2, pid=300, started=400, leaving=True))
    state.scale["web"] = (5, 2)
    state.instance("web-1").generation = 3
    state.instance("web-1").restarts = 2
    state.remember_exit("web-1", Exit(at=1.0, generation=2, reason="exit code 1", log=["über"]))
    state.save()
    return state


def test_without_a_file_nothing_is_known_and_what_may_run_is_looked_for(path):
    state, trouble = State.load(path)

    assert (state.lives, state.workers, state.instances, state.scale) == ([], [], {}, {})
    assert trouble is None
    assert state.doubtful


def test_what_was_saved_is_known_again(path, saved):
    state, trouble = State.load(path)

    assert trouble is None
    assert state.lives == saved.lives
    assert state.workers == saved.workers
    assert state.instances == saved.instances
    assert state.scale == saved.scale


def test_the_file_is_for_its_owner_alone_and_nothing_lies_beside_it(path, saved):
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_save_that_fails_leaves_the_former_file_whole(path, saved, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    saved.lives.clear()

    with pytest.raises(EnvironmentProblem, match=r"cannot write '.*state.json': No space left on device"):
        saved.save()

    assert State.load(path)[0].lives == [LIFE]


def test_after_a_reboot_no_process_is_believed_to_be_ours(path, saved, monkeypatch):
    monkeypatch.setattr(procfs, "life_space", lambda: "another boot")

    state, trouble = State.load(path)

    assert trouble is None
    assert (state.lives, state.workers) == ([], [])
    assert state.instance("web-1").generation == 3
    assert state.scale == {"web": (5, 2)}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b"null", b'"x"', b"\xff\xfe", b'{"version": 1}']
)
def test_a_damaged_file_is_moved_aside_and_told(path, content):
    path.write_bytes(content)

    state, trouble = State.load(path)

    assert trouble == f"'{path}' was not used and is now 'state.json.bad': it is damaged"
    assert state.doubtful
    assert path.with_name("state.json.bad").read_bytes() == content
    assert not path.exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lives", [{"pid": 1}]),
        ("lives", 3),
        ("instances", {"web-1": {}}),
        ("workers", [7]),
        ("scale", {"web": 1}),
    ],
)
def test_a_file_with_odd_content_is_moved_aside(path, saved, key, value):
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, key: value}))

    state, trouble = State.load(path)

    assert "it is damaged" in trouble
    assert (state.lives, state.workers, state.instances, state.scale) == ([], [], {}, {})


def test_what_a_later_version_has_written_beside_is_ignored(path, saved):
    record = json.loads(path.read_text())
    for kind in ("lives", "workers"):
        record[kind][0]["more"] = True
    path.write_text(json.dumps(record))

    state, trouble = State.load(path)

    assert trouble is None
    assert (state.lives, state.workers) == (saved.lives, saved.workers)


def test_what_a_former_version_did_not_write_has_its_default(path, saved):
    record = json.loads(path.read_text())
    del record["workers"][0]["leaving"]
    path.write_text(json.dumps(record))

    state, _ = State.load(path)

    assert not state.workers[0].leaving


def test_a_file_of_another_version_is_moved_aside(path, saved):
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "version": 99}))

    _, trouble = State.load(path)

    assert trouble.endswith("it has version 99, and this Mainstay writes 1")


def test_a_file_that_cannot_be_read_is_a_problem_of_the_machine(path):
    path.mkdir()

    with pytest.raises(EnvironmentProblem, match=r"cannot read '.*state.json': Is a directory"):
        State.load(path)


def test_generations_are_given_out_once(path, saved):
    state, _ = State.load(path)

    assert [state.next_generation("web-1"), state.next_generation("web-1")] == [4, 5]
    assert state.next_generation("web-2") == 1


def test_only_the_last_exits_are_kept(path):
    state, _ = State.load(path)

    for generation in range(10):
        state.remember_exit("web-1", Exit(at=0.0, generation=generation, reason="exit code 1"))

    kept = [end.generation for end in state.instance("web-1").exits]
    assert kept == list(range(10))[-KEPT_EXITS:]


def test_a_forgotten_file_is_gone(path, saved):
    saved.forget()
    saved.forget()

    assert not path.exists()


def test_the_secret_is_made_once_and_kept(path, saved):
    state, _ = State.load(path)

    assert state.secret == saved.secret
    assert len(bytes.fromhex(state.secret)) == 16
    assert State(path).secret != state.secret


def test_a_file_from_before_there_was_a_secret_gets_one(path, saved):
    record = json.loads(path.read_bytes())
    del record["secret"]
    path.write_text(json.dumps(record))

    state, trouble = State.load(path)

    assert trouble is None
    assert bytes.fromhex(state.secret)
    assert state.lives == [LIFE]


def test_a_secret_that_is_none_is_damage(path, saved):
    record = json.loads(path.read_bytes())
    path.write_text(json.dumps(record | {"secret": "x"}))

    _, trouble = State.load(path)

    assert "it is damaged" in trouble
