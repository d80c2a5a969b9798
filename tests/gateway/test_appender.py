"""One file, several writers, and whatever happens to it in between."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from mainstay.gateway.log import appender as module
from mainstay.gateway.log.appender import Appender

WRITER = """
import sys
from pathlib import Path
from mainstay.gateway.log.appender import Appender
name, path, blocks, size, keep = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:])
appender = Appender(path, size=size, keep=keep)
appender.start()
for number in range(blocks):
    lines = "".join(f"{name} {number} {part} {'x' * (part * 37 % 900)}\\n" for part in range(20))
    while not appender.put(lines.encode(), 20):
        pass
appender.end()
appender.join(60)
assert (appender.written, appender.lost) == (blocks * 20, 0), (appender.written, appender.lost, appender.problem)
"""


def until(condition, limit=10.0):
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@contextmanager
def writing(path, *, size=0, keep=3):
    appender = Appender(path, size=size, keep=keep)
    appender.start()
    try:
        yield appender
    finally:
        appender.end()
        assert appender.join(10)


def put(appender, line):
    """Have a line written, or lost."""
    before = appender.written + appender.lost
    assert appender.put(line, 1)
    until(lambda: appender.written + appender.lost > before)


def several(path, count, *, blocks, size, keep):
    argv = [sys.executable, "-c", WRITER]
    told = [str(path), str(blocks), str(size), str(keep)]
    processes = [subprocess.Popen([*argv, str(number), *told]) for number in range(count)]
    assert [process.wait(60) for process in processes] == [0] * count


def lines_of(folder):
    return [line for file in sorted(folder.iterdir()) for line in file.read_bytes().decode().split("\n")[:-1]]


def expected(count, blocks):
    return {
        (str(name), str(number), str(part))
        for name in range(count)
        for number in range(blocks)
        for part in range(20)
    }


def test_several_processes_append_whole_lines(tmp_path):
    several(tmp_path / "access.log", 3, blocks=200, size=0, keep=0)

    found = [line.split(" ") for line in lines_of(tmp_path)]

    assert len(found) == 3 * 200 * 20
    assert {tuple(line[:3]) for line in found} == expected(3, 200)
    assert all(line[3] == "x" * (int(line[2]) * 37 % 900) for line in found)


def test_several_processes_rotate_without_losing_a_line(tmp_path):
    several(tmp_path / "access.log", 3, blocks=60, size=100_000, keep=1000)

    found = [tuple(line.split(" ")[:3]) for line in lines_of(tmp_path)]

    assert len(found) == len(set(found)) == 3 * 60 * 20
    assert set(found) == expected(3, 60)
    assert len(list(tmp_path.iterdir())) > 3


def test_no_more_files_are_kept_than_told(tmp_path):
    path = tmp_path / "access.log"
    with writing(path, size=10, keep=2) as appender:
        for number in range(9):
            put(appender, b"line %d\n" % number)

    kept = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert kept == {
        "access.log": b"line 8\n",
        "access.log.1": b"line 6\nline 7\n",
        "access.log.2": b"line 4\nline 5\n",
    }


def test_with_none_to_keep_the_file_begins_anew(tmp_path):
    path = tmp_path / "access.log"
    with writing(path, size=10, keep=0) as appender:
        for number in range(3):
            put(appender, b"line %d\n" % number)

    assert [file.name for file in tmp_path.iterdir()] == ["access.log"]
    assert path.read_bytes() == b"line 2\n"


@pytest.mark.parametrize("gone", [True, False], ids=["deleted", "moved"])
def test_a_file_that_others_take_away_is_opened_anew(tmp_path, gone):
    path = tmp_path / "access.log"
    with writing(path) as appender:
        put(appender, b"one\n")
        path.unlink() if gone else path.replace(tmp_path / "moved")
        put(appender, b"two\n")

    assert path.read_bytes() == b"two\n"
    assert gone or (tmp_path / "moved").read_bytes() == b"one\n"


def test_who_looks_lets_go_of_a_file_that_was_moved_although_nothing_is_written(tmp_path):
    path = tmp_path / "access.log"
    with writing(path) as appender:
        put(appender, b"one\n")
        path.replace(tmp_path / "moved")

        appender.look()

        until(path.exists)
        assert path.stat().st_ino == os.fstat(appender._fd).st_ino


def test_a_file_of_ours_is_for_our_eyes_only(tmp_path):
    with writing(tmp_path / "access.log") as appender:
        put(appender, b"one\n")

    assert (tmp_path / "access.log").stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_written_is_counted_and_told_until_it_can(tmp_path):
    folder = tmp_path / "logs"
    with writing(folder / "access.log") as appender:
        put(appender, b"one\n")
        before = appender.problem, appender.lost
        folder.mkdir()
        put(appender, b"two\n")

        assert before == ("No such file or directory", 1)
        assert (appender.problem, appender.lost, appender.written) == (None, 1, 1)
    assert (folder / "access.log").read_bytes() == b"two\n"


def test_a_full_disk_is_told(tmp_path):
    full = tmp_path / "access.log"
    full.symlink_to("/dev/full")
    with writing(full, size=1) as appender:
        put(appender, b"one\n")

        assert (appender.problem, appender.lost) == ("No space left on device", 1)


def test_a_line_that_a_full_disk_cut_does_not_spoil_the_next_one(tmp_path):
    path = tmp_path / "access.log"
    code = WRITER.partition("for number")[0] + (
        "import resource, signal, time\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))\n"
        "appender.put(b'one\\n', 1)\n"
        "appender.put(b'two, which is too long\\n', 1)\n"
        "while appender.lost < 1: time.sleep(0.001)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "appender.put(b'three\\n', 1)\n"
        "appender.put(b'four\\n', 1)\n"
        "appender.end()\n"
        "appender.join(10)\n"
    )

    subprocess.run([sys.executable, "-c", code, "0", str(path), "0", "0", "0"], check=True, timeout=30)

    assert path.read_bytes() == b"one\ntwo, w\nthree\nfour\n"


def test_what_waits_for_a_slow_disk_is_bounded(tmp_path):
    # Until somebody reads from it, nothing more than the pipe's own buffer can be written.
    pipe = tmp_path / "access.log"
    os.mkfifo(pipe)
    appender = Appender(pipe, size=0, keep=0)
    block = b"x" * 65535 + b"\n"
    taken = 0
    while appender.put(block, 1):
        taken += 1
        assert taken < 1000

    assert taken == module.MOST_WAITING // len(block)
    appender.start()
    appender.end()
    assert appender.join(10)
    assert appender.written + appender.lost == taken
