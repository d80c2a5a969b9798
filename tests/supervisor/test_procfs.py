import os
import subprocess
from pathlib import Path

from mainstay.supervisor import procfs


def test_a_process_is_seen():
    now = procfs.stat(os.getpid())

    assert now.letter in "RS"
    assert now.alive
    assert (now.group, now.session) == (os.getpgrp(), os.getsid(0))
    assert now.started > 0


def test_a_name_with_brackets_and_spaces_misleads_nobody():
    child = os.fork()
    if child == 0:
        Path("/proc/self/comm").write_text(") R 1 (x")
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)

    now = procfs.stat(child)

    os.waitpid(child, 0)
    assert now.letter == "Z"
    assert not now.alive
    assert now.session == os.getsid(0)


def test_there_is_no_process_nought():
    assert procfs.stat(0) is None
    assert procfs.environ(0) == {}


def test_the_environment_is_that_of_the_start():
    # Of a process of its own: libraries write their title over the environment of the one that runs the tests.
    child = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, env={"MARK": "x=y"})

    told = procfs.environ(child.pid)

    child.communicate()
    assert told == {"MARK": "x=y"}


def test_all_pids_are_gone_through():
    assert os.getpid() in set(procfs.pids())


def test_one_boot_is_one_space():
    assert procfs.life_space() == procfs.life_space() != ""
