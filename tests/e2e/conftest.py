"""A system in a folder of its own, run by the real command, under real load."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mainstay.cli.talk import ask
from mainstay.drill.load.record import read
from mainstay.drill.load.tally import tally
from mainstay.supervisor.orphan import marked
from mainstay.supervisor.rundir import RunDir
from ports import free_port

PATIENCE = 30.0
LONGEST = 120
EXAMPLES = Path(__file__).parents[2] / "examples"


class Load:
    """Users that keep coming."""

    def __init__(self, url, out, rate, seconds):
        self._out = out
        self._open_ended = seconds is None
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mainstay.drill.load", "--url", url),
                *("--rate", str(rate), "--seconds", str(seconds or LONGEST), "--out", str(out)),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.second()  # it has begun

    def second(self):
        """Wait for its next line of news."""
        line = self._process.stdout.readline()
        assert line, "the load ended early"
        return json.loads(line)

    def seconds(self, count):
        """Let it go on for so many seconds."""
        for _ in range(count):
            self.second()

    def end(self):
        """Let it go on for another second, or as long as it was told to, and give what users saw, and the records."""
        if self._open_ended:
            time.sleep(1)
            assert self._process.poll() is None, "the load ended early"
            self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=PATIENCE * 2)
        assert self._process.returncode == 0
        with self._out.open() as lines:
            _, records = read(lines)
        return tally(records), records

    def close(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
        self._process.stdout.close()


class Site:
    """A folder with a system file, and the command."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = dict(os.environ)
        self._loads = []
        self._run = RunDir(folder / ".mainstay")

    def write(self, text):
        (self.folder / "mainstay.yaml").write_text(text.replace("PORT_HERE", str(self.port)))

    def mainstay(self, *words, timeout=90):
        return subprocess.run(
            [sys.executable, "-m", "mainstay", *words],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def done(self, *words):
        """Run a command that has to succeed."""
        ran = self.mainstay(*words)
        assert ran.returncode == 0, ran.stderr
        return ran

    def up(self):
        self.done("up", "--detach")

    def status(self):
        """Give what `status --json` prints, without a process for it."""
        return ask(self._run, "/v1/status")

    def instance(self, name):
        return next(row for row in self.status()["instances"] if row["instance"] == name)

    def until(self, condition):
        """Ask for the status until it fulfils a condition, and give it."""
        deadline = time.monotonic() + PATIENCE
        while True:
            status = self.status()
            if condition(status):
                return status
            assert time.monotonic() < deadline, status
            time.sleep(0.02)

    def facts(self):
        """Give what the supervisor has told since it began."""
        return ask(self._run, "/v1/facts")["facts"]

    def until_told(self, name):
        """Wait until a fact has been told, and give it."""
        deadline = time.monotonic() + PATIENCE
        while True:
            for fact in self.facts():
                if fact["fact"] == name:
                    return fact
            assert time.monotonic() < deadline, self.facts()
            time.sleep(0.05)

    def load(self, rate, seconds=None):
        """Begin a load; unless told, it lasts until its end is asked for, however slow the machine is."""
        load = Load(self.url, self.folder / f"load-{len(self._loads)}.jsonl", rate, seconds)
        self._loads.append(load)
        return load

    def close(self):
        for load in self._loads:
            load.close()
        for _ in range(2):
            if self._run.holder() is not None or marked(self._run.path):
                self.mainstay("down")


@pytest.fixture
def site(tmp_path):
    """Give a folder for a system, and end whatever it runs."""
    made = Site(tmp_path)
    yield made
    made.close()


@pytest.fixture
def node(site):
    """Give the Node example in a folder of its own."""
    for file in (EXAMPLES / "node").iterdir():
        (site.folder / file.name).write_bytes(file.read_bytes())
    site.env |= {"NODE_LISTEN_PORT": str(site.port), "JOURNAL": str(site.folder / "orders")}
    return site


def kill(pid):
    """Kill as an out-of-memory killer does."""
    os.kill(pid, signal.SIGKILL)
