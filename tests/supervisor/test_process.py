import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mainstay.base.errors import EnvironmentProblem
from mainstay.supervisor import procfs
from mainstay.supervisor.process import Process, signal_name
from mainstay.supervisor.spawn import _default_signals, spawn


def _wait_for(process, change):
    os.waitid(os.P_PID, process.pid, change)


@pytest.fixture
async def run(tmp_path):
    made = []

    def make(*argv, **more):
        given = {"cwd": tmp_path, "env": {"PATH": os.environ["PATH"]}, "log": tmp_path / "log", **more}
        process = Process.spawn(argv, **given)
        made.append(process)
        return process

    yield make
    for process in made:
        if not process.exited.done() and process.signal(signal.SIGKILL):
            _wait_for(process, os.WEXITED)
        process.let_go()


class Pipe:
    """A named pipe that a child can speak and listen through."""

    def __init__(self, path):
        os.mkfifo(path)
        self.path = path
        # Open at both ends, so that nobody ever waits for the other side to open it.
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    async def number(self):
        return int(await self.line())

    async def line(self):
        loop, said = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self.fd, said.set)
        try:
            async with asyncio.timeout(10):
                await said.wait()
        finally:
            loop.remove_reader(self.fd)
        return os.read(self.fd, 1000).decode()

    def __str__(self):
        return str(self.path)


@pytest.fixture
def pipe(tmp_path):
    pipe = Pipe(tmp_path / "pipe")
    yield pipe
    os.close(pipe.fd)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 0", "exit code 0"),
        ("exit 3", "exit code 3"),
        ("kill -9 $$", "killed by SIGKILL"),
        ("kill -15 $$", "killed by SIGTERM"),
    ],
)
async def test_the_reason_of_an_exit_is_told(run, script, reason):
    process = run("sh", "-c", script)

    assert await process.wait() == reason


async def test_a_core_dump_is_told(run, tmp_path):
    process = run("sh", "-c", "ulimit -c unlimited; kill -6 $$")

    reason = await process.wait()

    assert reason.startswith("killed by SIGABRT")


async def test_the_exit_is_heard_in_the_same_turn_of_the_loop_as_it_is_noticed(run):
    process = run("true")
    heard = []
    process.on_exit = lambda reason: heard.append((reason, process.exited.done()))

    await process.wait()

    assert heard == [("exit code 0", True)]


async def test_cancelling_one_who_waits_cancels_nobody_else(run, pipe):
    process = run("sh", "-c", f"read x < {pipe}")
    impatient = asyncio.ensure_future(process.wait())
    await asyncio.sleep(0)

    impatient.cancel()
    await asyncio.wait([impatient])
    os.write(pipe.fd, b"go\n")

    assert await process.wait() == "exit code 0"


async def test_an_exited_process_is_reaped(run):
    process = run("true")

    await process.wait()

    assert procfs.stat(process.pid) is None
    assert process.letter == "X"


async def test_what_the_leader_leaves_behind_in_its_group_is_killed(run, pipe, ended):
    process = run("sh", "-c", f"sleep 1000 & echo $! > {pipe}; exec sleep 1000")
    rest = os.pidfd_open(await pipe.number())

    os.kill(process.pid, signal.SIGUSR1)

    assert await process.wait() == "killed by SIGUSR1"
    await ended(rest)


async def test_a_signal_reaches_the_whole_group(run, pipe, ended):
    process = run("sh", "-c", f"sleep 1000 & echo $! > {pipe}; wait")
    rest = os.pidfd_open(await pipe.number())

    assert process.signal(signal.SIGTERM)

    assert await process.wait() == "killed by SIGTERM"
    await ended(rest)


async def test_a_signal_after_the_end_reaches_nobody(run):
    process = run("true")
    await process.wait()

    assert not process.signal(signal.SIGTERM)


async def test_signals_work_on_a_kernel_that_cannot_signal_groups_by_pidfd(run, monkeypatch):
    def refuse(fd, number, info, flags):
        raise OSError(22, "Invalid argument")

    process = run("sleep", "1000")
    monkeypatch.setattr(signal, "pidfd_send_signal", refuse)

    assert process.signal(signal.SIGTERM)

    assert await process.wait() == "killed by SIGTERM"


async def test_without_pidfd_signals_a_reused_number_is_not_hit(run, monkeypatch):
    def refuse(fd, number, info, flags):
        raise OSError(22, "Invalid argument")

    process = run("sleep", "1000")
    monkeypatch.setattr(signal, "pidfd_send_signal", refuse)
    process.started += 1

    assert not process.signal(signal.SIGKILL)

    process.started -= 1


async def test_a_process_runs_in_a_session_of_its_own_without_a_terminal(run, tmp_path):
    process = run("sh", "-c", "cat /proc/self/stat; readlink /proc/self/fd/0")

    await process.wait()

    fields, stdin = (tmp_path / "log").read_text().splitlines()
    group, session, terminal = fields.rpartition(")")[2].split()[2:5]
    assert (int(group), int(session), int(terminal)) == (process.pid, process.pid, 0)
    assert stdin == "/dev/null"


async def test_output_and_errors_are_appended_to_the_log(run, tmp_path):
    (tmp_path / "log").write_text("before\n")
    process = run("sh", "-c", "echo out; echo err >&2")

    await process.wait()

    assert (tmp_path / "log").read_text() == "before\nout\nerr\n"
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o644


async def test_a_log_is_made_readable_by_its_owner_alone(run, tmp_path):
    await run("true").wait()

    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


async def test_a_child_inherits_no_descriptor(run, tmp_path):
    leak = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(leak, True)
    try:
        process = run(sys.executable, "-S", "-c", "import os; print(*os.listdir('/proc/self/fd'))")
        await process.wait()
    finally:
        os.close(leak)

    assert set((tmp_path / "log").read_text().split()) == {"0", "1", "2", "3"}  # 3 reads the folder


async def test_a_child_inherits_the_descriptors_that_are_passed_on(run, tmp_path):
    given, other = os.pipe()
    os.close(other)
    try:
        process = run("readlink", f"/proc/self/fd/{given}", pass_fds=(given,))
        await process.wait()
    finally:
        os.close(given)

    assert (tmp_path / "log").read_text().startswith("pipe:")


async def test_a_child_has_default_signals_whatever_its_parent_does(run, tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        process = run("cat", "/proc/self/status")
        await process.wait()

        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == {signal.SIGUSR1}
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
        signal.signal(signal.SIGHUP, before)
    fields = dict(line.split(":\t", 1) for line in (tmp_path / "log").read_text().splitlines())
    # 32 and 33 are the C library's own: out of a program's reach, and some versions of `make` pass them on ignored.
    own = 0b11 << 31
    assert {int(fields[name], 16) & ~own for name in ("SigBlk", "SigIgn", "SigCgt")} == {0}


async def test_exits_are_known_even_if_our_parent_had_us_ignore_them(run):
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        process = run("sh", "-c", "exit 7")

        assert await process.wait() == "exit code 7"
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.parametrize(
    ("argv", "more", "message"),
    [
        (["no-such-command"], {}, "command 'no-such-command' not found"),
        (["./plain"], {}, "command './plain' cannot be executed: Permission denied"),
        (["./noise"], {}, "command './noise' cannot be executed: Exec format error"),
        (["tr\0ue"], {}, "cannot start 'tr\0ue': embedded null byte"),
        (
            ["true"],
            {"user": "nobody-of-that-name"},
            "user 'nobody-of-that-name' does not exist on this machine",
        ),
        (["true"], {"user": "54321"}, "user '54321' does not exist on this machine"),
    ],
)
async def test_what_cannot_be_started_is_told(run, tmp_path, argv, more, message):
    (tmp_path / "plain").write_text("")
    (tmp_path / "noise").write_bytes(b"\x00\x01\x02")
    (tmp_path / "noise").chmod(0o700)

    with pytest.raises(EnvironmentProblem) as told:
        run(*argv, **more)

    assert str(told.value) == message


async def test_a_missing_folder_is_told(run, tmp_path):
    with pytest.raises(EnvironmentProblem, match=r"folder '.*/gone' does not exist"):
        run("true", cwd=tmp_path / "gone")


async def test_a_folder_of_logs_that_was_deleted_is_made_again(run, tmp_path):
    process = run("echo", "words", log=tmp_path / "gone" / "log")

    assert await process.wait() == "exit code 0"
    assert (tmp_path / "gone" / "log").read_text() == "words\n"


async def test_a_service_without_a_log_is_better_than_none(run, tmp_path):
    (tmp_path / "in-the-way").touch()

    process = run("echo", "words", log=tmp_path / "in-the-way" / "log")

    assert await process.wait() == "exit code 0"


async def test_a_process_can_run_as_another_user(run, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    process = run("id", "-un", user="nobody")

    await process.wait()

    assert (tmp_path / "log").read_text() == "nobody\n"


def test_whoever_is_not_root_cannot_become_another_user(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can give that up")
    script = (
        "import os, sys, pathlib\n"
        "from mainstay.supervisor.spawn import spawn\n"
        "os.setuid(65534)\n"
        "try: spawn(['true'], cwd=pathlib.Path('/'), env={}, log=pathlib.Path('/dev/null'), user='root')\n"
        "except Exception as problem: print(problem)"
    )

    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False).stdout

    assert said == "cannot run as user 'root': only root can\n"


async def test_an_adopted_process_is_watched_as_its_own_was(run, pipe):
    # A child of a child, in a session of its own.
    inner = f"echo $$ > {pipe}; exec sleep 1000"
    parent = run("sh", "-c", f"setsid sh -c '{inner}' & wait")
    pid = await pipe.number()
    found = procfs.stat(pid)

    adopted = Process.adopt(pid, found.started)
    adopted.signal(signal.SIGTERM)

    assert await adopted.wait() == "exit unknown (adopted)"
    await parent.wait()


async def test_another_life_under_the_same_number_is_not_adopted(run):
    process = run("sleep", "1000")

    assert Process.adopt(process.pid, process.started + 1) is None
    assert Process.adopt(process.pid, process.started - 1) is None


async def test_a_zombie_is_not_adopted(run):
    process = run("true")
    _wait_for(process, os.WEXITED | os.WNOWAIT)

    assert Process.adopt(process.pid, process.started) is None
    # It is a child of ours, which nobody else would reap.
    assert procfs.stat(process.pid) is None

    await process.wait()


async def test_what_has_gone_is_not_adopted(run):
    process = run("true")
    await process.wait()

    assert Process.adopt(process.pid, process.started) is None


async def test_a_process_that_was_let_go_runs_on_and_can_be_adopted(run):
    process = run("sleep", "1000")
    process.let_go()
    process.let_go()

    again = Process.adopt(process.pid, process.started)

    assert again.letter in "RSD"
    again.signal(signal.SIGKILL)
    # It is our own child still, so how it ended can be known.
    assert await again.wait() == "killed by SIGKILL"


async def test_a_stopped_process_is_seen(run):
    process = run("sleep", "1000")

    process.signal(signal.SIGSTOP)
    _wait_for(process, os.WSTOPPED)

    assert process.letter == "T"


def _descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_many_processes_leave_no_descriptor_behind(run):
    before = _descriptors()

    for _ in range(30):
        await run("true").wait()

    assert _descriptors() == before


@pytest.mark.parametrize(("owner", "name"), [(os, "pidfd_open"), (procfs, "stat")])
async def test_a_process_that_cannot_be_watched_is_not_left_running(run, monkeypatch, owner, name):
    def refuse(pid):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(owner, name, refuse)

    with pytest.raises(EnvironmentProblem, match=r"cannot watch process [0-9]+: Too many open files"):
        run("sleep", "1000")


async def test_what_cannot_be_looked_at_is_not_adopted_and_leaks_nothing(run, monkeypatch):
    def refuse(pid):
        raise OSError(24, "Too many open files")

    process = run("sleep", "1000")
    before = _descriptors()
    monkeypatch.setattr(procfs, "stat", refuse)

    with pytest.raises(OSError, match="Too many open files"):
        Process.adopt(process.pid, process.started)

    assert _descriptors() == before


@pytest.mark.parametrize("problem", [ProcessLookupError, PermissionError])
@pytest.mark.parametrize("old", [False, True])
async def test_a_signal_that_reaches_nobody_is_told(run, monkeypatch, problem, old):
    def refuse(*args):
        raise problem

    def unknown(*args):
        raise OSError(22, "Invalid argument")

    process = run("sleep", "1000")
    monkeypatch.setattr(signal, "pidfd_send_signal", unknown if old else refuse)
    monkeypatch.setattr(os, "killpg", refuse)

    assert not process.signal(signal.SIGTERM)

    monkeypatch.undo()


async def test_a_child_that_somebody_else_reaped_is_known_to_have_ended(run):
    process = run("true")
    _wait_for(process, os.WEXITED)

    assert await process.wait() == "exit unknown"


async def test_an_exit_that_is_not_one_yet_is_waited_for(run):
    process = run("sleep", "1000")

    process._ended()

    assert not process.exited.done()


def test_outside_of_the_main_thread_signals_are_left_alone(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    started = []
    given = {"cwd": tmp_path, "env": {"PATH": os.environ["PATH"]}, "log": tmp_path / "log"}
    try:
        thread = threading.Thread(target=lambda: started.append(spawn(["true"], **given)))
        thread.start()
        thread.join()
    finally:
        signal.signal(signal.SIGHUP, before)

    assert os.waitpid(started[0], 0) == (started[0], 0)


async def test_a_future_that_somebody_cancelled_is_in_nobodys_way(run):
    process, heard = run("true"), asyncio.Event()
    process.on_exit = lambda reason: heard.set()

    process.exited.cancel()

    async with asyncio.timeout(10):
        await heard.wait()


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (OSError(7, "Argument list too long", "true"), "cannot start 'true': Argument list too long"),
        (PermissionError(13, "Permission denied", "FOLDER"), "cannot use folder 'FOLDER': Permission denied"),
        (
            PermissionError(1, "Operation not permitted", "FOLDER"),
            "cannot run as user 'root': only root can",
        ),
        (subprocess.SubprocessError("odd"), "cannot start 'true': odd"),
    ],
)
def test_rarer_problems_are_told_as_well(tmp_path, monkeypatch, problem, message):
    def fail(*args, **more):
        raise problem

    if getattr(problem, "filename", None) == "FOLDER":
        problem.filename = str(tmp_path)
    monkeypatch.setattr(subprocess, "Popen", fail)

    with pytest.raises(EnvironmentProblem) as told:
        spawn(["true"], cwd=tmp_path, env={}, log=tmp_path / "log", user="root")

    assert str(told.value) == message.replace("FOLDER", str(tmp_path))


def test_a_signal_that_comes_meanwhile_does_us_no_harm():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with _default_signals():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_signals_have_names():
    assert signal_name(9) == "SIGKILL"
    assert signal_name(40) == "signal 40"
