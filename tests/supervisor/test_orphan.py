import os
import signal
import subprocess

import pytest

from mainstay.supervisor import orphan, procfs
from mainstay.supervisor.state import LifeRecord


@pytest.fixture
def start(tmp_path):
    made = []

    def make(*argv, name="web-1", generation=1, run_dir=None, **marks):
        env = {
            "PATH": os.environ["PATH"],
            "MAINSTAY_OWNER": str(run_dir or tmp_path),
            "MAINSTAY_INSTANCE": name,
            "MAINSTAY_GENERATION": str(generation),
            **marks,
        }
        child = subprocess.Popen(argv or ["sleep", "1000"], env=env, start_new_session=True)
        made.append(child)
        return child

    yield make
    for child in made:
        child.kill()
        child.wait()


def _life(pid=0, started=0, name="web-1", generation=1):
    return LifeRecord(
        service="web",
        slot=1,
        name=name,
        generation=generation,
        pid=pid,
        started=started,
        since=0.0,
        port=0,
        zone="",
    )


def _ended(child):
    return child.wait(10) == -signal.SIGKILL


def test_a_life_that_was_meant_to_be_started_is_found_by_its_mark(start, tmp_path):
    meant = start(generation=2)
    others = [
        start(generation=1),
        start(name="web-2", generation=2),
        start(generation=2, run_dir="/elsewhere"),
    ]

    assert orphan.end_unrecorded(tmp_path, [_life(generation=2)]) == [meant.pid]

    assert _ended(meant)
    assert [other.poll() for other in others] == [None] * 3


def test_when_none_was_meant_none_is_looked_for(start, tmp_path):
    other = start()

    assert orphan.end_unrecorded(tmp_path, []) == []
    assert other.poll() is None


def test_all_that_bear_the_mark_of_a_run_directory_can_be_ended(start, tmp_path):
    ours = [start(), start(name="web-2")]
    others = [start(run_dir="/elsewhere"), subprocess.Popen(["sleep", "1000"])]

    assert orphan.end_marked(tmp_path) == sorted(child.pid for child in ours)

    assert all(map(_ended, ours))
    assert [other.poll() for other in others] == [None, None]
    others[1].kill()
    others[1].wait()


def test_whoever_looks_does_not_end_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(procfs, "pids", lambda: [os.getpid()])
    monkeypatch.setattr(orphan, "_mark", lambda pid, run_dir: ("web-1", "1"))

    assert orphan.end_marked(tmp_path) == []


def test_what_is_left_of_a_session_is_ended(start):
    leader = start("sh", "-c", "sleep 1000 & echo; wait")
    while not (rest := [pid for pid in procfs.pids() if _of(pid, leader.pid) and pid != leader.pid]):
        pass
    watched = os.pidfd_open(rest[0])
    started = procfs.stat(leader.pid).started
    leader.kill()
    leader.wait()

    assert orphan.end_rest([_life(pid=leader.pid, started=started)]) == rest

    os.close(watched)


def _of(pid, session):
    now = procfs.stat(pid)
    return now is not None and now.alive and now.session == session


def test_a_session_whose_number_has_been_given_out_anew_is_somebody_elses(start):
    other = start()
    started = procfs.stat(other.pid).started

    assert orphan.end_rest([_life(pid=other.pid, started=started - 1)]) == []
    assert other.poll() is None


def test_one_that_ends_while_it_is_looked_for_is_passed_over(start, tmp_path, monkeypatch):
    child = start()
    real = os.pidfd_open

    def gone(pid):
        raise ProcessLookupError

    monkeypatch.setattr(os, "pidfd_open", gone)
    assert orphan.end_marked(tmp_path) == []

    def late(pid):
        monkeypatch.setattr(orphan, "_mark", lambda pid, run_dir: None)
        return real(pid)

    monkeypatch.setattr(os, "pidfd_open", late)
    assert orphan.end_marked(tmp_path) == []
    assert child.poll() is None


def test_one_out_of_reach_is_passed_over(start, tmp_path, monkeypatch):
    def refuse(fd, number):
        raise PermissionError

    start()
    monkeypatch.setattr(signal, "pidfd_send_signal", refuse)

    assert orphan.end_marked(tmp_path) == []
