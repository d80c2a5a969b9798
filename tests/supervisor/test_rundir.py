import fcntl
import os
import signal
import socket
import subprocess
import sys

import pytest

from mainstay.base.errors import AlreadyRunning, EnvironmentProblem, NotRunning
from mainstay.supervisor.rundir import CONTROL, GATEWAY, RunDir


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / ".mainstay"


@pytest.fixture
def rundir(path):
    rundir = RunDir(path)
    rundir.take()
    yield rundir
    rundir.release()


def test_it_is_made_for_its_owner_alone(path, rundir):
    assert path.stat().st_mode & 0o777 == 0o700
    assert (path / "logs").stat().st_mode & 0o777 == 0o700
    assert (path / ".gitignore").read_text() == "*\n"
    assert rundir.taken


def test_one_that_is_open_to_others_is_closed(path):
    path.mkdir(parents=True, mode=0o755)
    rundir = RunDir(path)

    rundir.take()

    assert path.stat().st_mode & 0o777 == 0o700
    rundir.release()


def test_a_second_supervisor_is_refused_and_told_the_pid(path, rundir):
    with pytest.raises(AlreadyRunning) as told:
        RunDir(path).take()

    assert str(told.value) == f"'{path}' is held by another supervisor: already running, pid {os.getpid()}"
    assert RunDir(path).holder() == os.getpid()


def test_taking_it_twice_is_no_different_from_once(rundir):
    rundir.take()

    assert rundir.taken


def test_a_released_one_can_be_taken(path, rundir):
    rundir.release()
    rundir.release()

    assert not rundir.taken
    assert RunDir(path).holder() is None
    second = RunDir(path)
    second.take()
    second.release()


def test_what_a_killed_supervisor_left_is_cleaned(path):
    script = (
        "import sys, os, pathlib\n"
        "from mainstay.supervisor.rundir import *\n"
        "rundir = RunDir(pathlib.Path(sys.argv[1])); rundir.take()\n"
        "sockets = [rundir.bind_unix(CONTROL), rundir.bind_unix(GATEWAY)]\n"
        "(rundir.path / 'state.json.tmp').write_text('half'); rundir.state.write_text('{}')\n"
        "os.kill(os.getpid(), 9)"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert (path / CONTROL).exists()
    rundir = RunDir(path)

    assert rundir.holder() is None
    rundir.take()

    assert not (path / CONTROL).exists()
    assert not (path / GATEWAY).exists()
    assert not (path / "state.json.tmp").exists()
    assert rundir.state.read_text() == "{}"
    rundir.release()


def test_where_nothing_was_ever_run_nobody_is(path):
    assert RunDir(path).holder() is None
    with pytest.raises(NotRunning, match=f"nothing is running at '{path}': No such file or directory"):
        RunDir(path).connect_unix(CONTROL)


@pytest.mark.parametrize("what", ["file", "parent"])
def test_one_that_cannot_be_made_is_told(tmp_path, what):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" if what == "file" else tmp_path / "file" / "below"

    with pytest.raises(EnvironmentProblem, match=f"cannot write run directory '{path}': "):
        RunDir(path).take()


def test_one_of_another_user_is_refused(path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    path.mkdir(parents=True)

    with pytest.raises(EnvironmentProblem, match=r"belongs to another user \(uid [0-9]+\)"):
        RunDir(path).take()


def test_a_file_system_that_cannot_lock_is_told(path, monkeypatch):
    def refuse(lock, how):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)

    with pytest.raises(EnvironmentProblem, match=r"cannot lock '.*/lock': Operation not supported"):
        RunDir(path).take()


def test_a_pid_that_is_not_written_yet_is_not_told(path, rundir):
    os.ftruncate(rundir._lock, 0)

    assert RunDir(path).holder() == 0
    with pytest.raises(AlreadyRunning, match=r"already running$"):
        RunDir(path).take()


def test_its_sockets_are_for_its_owner_alone_and_work_in_a_deep_folder(tmp_path):
    path = tmp_path.joinpath(*["a-rather-long-name-of-a-folder"] * 8)
    rundir = RunDir(path)
    rundir.take()

    with rundir.bind_unix(CONTROL) as bound:
        bound.listen()
        with rundir.connect_unix(CONTROL) as client, bound.accept()[0] as served:
            client.sendall(b"hello")

            assert served.recv(10) == b"hello"
            assert client.gettimeout() == 5.0

    assert (path / CONTROL).stat().st_mode & 0o777 == 0o600
    rundir.release()
    assert not (path / CONTROL).exists()


def test_a_socket_that_is_left_over_is_replaced(rundir):
    rundir.bind_unix(GATEWAY).close()
    with pytest.raises(NotRunning, match="Connection refused"):
        rundir.connect_unix(GATEWAY)

    with rundir.bind_unix(GATEWAY) as bound:
        bound.listen()
        rundir.connect_unix(GATEWAY).close()


def test_a_socket_that_cannot_be_made_is_told(rundir, monkeypatch):
    def refuse(self, address):
        raise OSError(95, "Operation not supported")

    class Refusing(socket.socket):
        bind = refuse

    monkeypatch.setattr(socket, "socket", Refusing)

    with pytest.raises(
        EnvironmentProblem, match=r"cannot make socket '.*control.sock': Operation not supported"
    ):
        rundir.bind_unix(CONTROL)


def test_paths_have_their_names(path, rundir):
    assert rundir.log("web-1") == path / "logs" / "web-1.log"
    assert (rundir.control, rundir.gateway) == (path / "control.sock", path / "gateway.sock")
    assert rundir.state == path / "state.json"


def test_one_folder_has_one_name(tmp_path, path, rundir):
    (tmp_path / "link").symlink_to(path)

    assert RunDir(tmp_path / "link").path == path


def test_one_who_only_looks_is_in_nobodys_way(path, monkeypatch):
    RunDir(path)._make()
    looking = os.open(path / "lock", os.O_RDONLY | os.O_CREAT)
    fcntl.flock(looking, fcntl.LOCK_SH)
    monkeypatch.setattr("time.sleep", lambda pause: fcntl.flock(looking, fcntl.LOCK_UN))
    rundir = RunDir(path)

    rundir.take()

    assert rundir.taken
    rundir.release()
    os.close(looking)


def test_what_was_handed_over_is_held_on_and_nobody_can_take_it_in_between(path, rundir):
    lock = os.dup(rundir.hand_over())
    rundir.release()
    heir = RunDir(path)

    # The number of the holder is gone with `release`, which a program that becomes another does not call.
    with pytest.raises(AlreadyRunning):
        RunDir(path).take()
    heir.inherit(lock)
    heir.take()

    assert heir.taken
    assert not os.get_inheritable(lock)
    heir.release()
    assert RunDir(path).holder() is None


def test_what_is_not_its_lock_is_not_inherited(path, rundir, tmp_path):
    other = os.open(tmp_path, os.O_RDONLY)
    heir = RunDir(path)

    heir.inherit(other)
    heir.inherit(-1)

    assert not heir.taken
    os.close(other)
