"""CPU and memory of real processes, with their children."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mainstay.supervisor.usage import Usage

BUSY = "import time; print('ready', flush=True)\nwhile True: pass"
IDLE = "print('ready', flush=True); import time; time.sleep(60)"


@pytest.fixture
def run():
    started = []

    def begin(*argv):
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process.pid

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def spent(pid):
    """Wait until a process has used some processor time, and give how much that is by the kernel's count."""
    while True:
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        seconds = (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")
        if seconds >= 0.1:
            return seconds


def test_a_busy_process_is_told_from_an_idle_one(run):
    busy, idle = run(sys.executable, "-c", BUSY), run(sys.executable, "-c", IDLE)
    usage = Usage()
    usage.look(0.0, [busy, idle])
    spent(busy)

    usage.look(1.0, [busy, idle])

    assert usage.of(busy).cpu > 0.03
    assert usage.of(idle).cpu < 0.03
    assert usage.of(idle).memory > 2**20


def test_children_count_with_their_parent(run):
    script = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {BUSY!r}]).wait()"
    parent = run(sys.executable, "-c", script)
    usage = Usage()
    usage.look(0.0, [parent])
    alone = Usage()
    child = int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])
    spent(child)

    usage.look(1.0, [parent])
    alone.look(1.0, [child])
    os.kill(child, 9)

    assert usage.of(parent).cpu > 0.03
    assert usage.of(parent).memory > alone.of(child).memory


def test_what_has_ended_is_forgotten(run):
    pid = run(sys.executable, "-c", IDLE)
    usage = Usage()
    usage.look(0.0, [pid])

    usage.look(1.0, [2**22 + 1])

    assert usage.of(pid) is None
    assert usage.of(2**22 + 1) is None
    assert usage.of(None) is None
