"""Whoever drills may be killed at any moment: what was broken is mended, and nothing of the drill is left."""

import contextlib
import http.client
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from e2e.conftest import PATIENCE, Site
from mainstay.base.errors import MainstayError
from mainstay.cli.talk import ask
from mainstay.drill.fault.kind import KINDS, TRAFFIC
from mainstay.supervisor import procfs
from mainstay.supervisor.rundir import RunDir
from ports import free_port

pytestmark = pytest.mark.e2e

LEASE = 3.0
LIMIT = 10.0
"""The lease of a drill unless it is told another, in seconds: by then every fault has to be gone."""
HELD = (
    "kill",
    "stop",
    "freeze",
    "crash-loop",
    "slow-start",
    "cpu",
    "memory",
    "files",
    "zone-kill",
    "zone-freeze",
)
ON_LEGS = tuple(name for name, kind in KINDS.items() if kind.means == TRAFFIC)
OWN = ("worker-kill", "supervisor-kill")
ELSEWHERE = {"disk", "clock", "reload", "rolling", "certificate"}
"""These need a file system, a library or a private copy of their own, or hold nothing."""
LIMITS = (resource.RLIMIT_AS, resource.RLIMIT_NOFILE)


def system(port):
    """Write a system in which each kind of fault has a service of its own, so that all of them may act at once."""
    plain = "health: off, retry: off, breaker: off, outlier: off"
    return "\n".join(
        [
            "gateway: { workers: 2 }",
            "zones: [a, b]",
            "listeners: { main: { at: http://127.0.0.1:PORT_HERE } }",
            "services:",
            f"  web: {{ command: {sys.executable} -m mainstay.drill.demo.service, listen: http://127.0.0.1:{port} }}",
            *(f"  p-{kind}: {{ command: sleep 600, instances: 2 }}" for kind in HELD),
            *(
                f"  t-{kind}: {{ addresses: [http://localhost:{port}], listen: main,"
                f" routes: [{{ path: /{kind} }}], {plain} }}"
                for kind in ON_LEGS
            ),
        ]
    )


class Broken(Site):
    """A system of which every part is broken in another way."""

    def __init__(self, folder):
        super().__init__(folder)
        self.run = RunDir(folder / ".mainstay")
        self.upstream = free_port()
        self.write(system(self.upstream))
        self.gone = {}
        self.acting = 0
        self.drills = []

    def drill(self, cells):
        """Have a drill break all of these, and give it when it has."""
        script = Path(__file__).with_name("breaking.py")
        process = subprocess.Popen(
            [sys.executable, str(script), str(self.folder), str(LEASE), json.dumps(cells)],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.drills.append(process)
        assert process.stdout.readline() == "broken\n"
        return process

    def kill(self, process, kinds):
        """Kill the drill, and see after how many seconds what is left of each of its faults is gone."""
        left = {kind: self.left(kind) for kind in kinds}
        assert all(left.values()), left
        self.acting = len(ask(self.run, "/v1/faults")["faults"])
        process.kill()
        process.wait()
        at = time.monotonic()
        while left and time.monotonic() < at + PATIENCE:
            for kind in list(left):
                if not self.left(kind) and not any(map(lives, left[kind])):
                    self.gone[kind] = time.monotonic() - at
                    del left[kind]
            time.sleep(0.05)

    def left(self, kind):
        """Give what is there of a fault: who holds it, with all that it has started, or how it acts on the legs."""
        if KINDS[kind].means == TRAFFIC:
            return [one for one in ask(self.run, "/v1/faults")["faults"] if one["service"] == f"t-{kind}"]
        try:
            told = json.loads((self.run.path / "drills" / "faults" / f"{kind}.json").read_text())
        except FileNotFoundError:
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            holder = psutil.Process(told["holder"][0])
            return [holder, *holder.children(recursive=True)]
        return [told]

    def close(self):
        for process in self.drills:
            process.kill()
            process.communicate()
        super().close()

    def rows(self, service):
        return [row for row in ask(self.run, "/v1/status")["instances"] if row["service"] == service]

    def well(self, service):
        """Wait until every instance of a service is as any other, and give how many there are."""
        until(lambda: all(map(is_well, self.rows(service))))
        return len(self.rows(service))

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """Give a system after a drill that did all of this to it at once was killed."""
    site = Broken(tmp_path_factory.mktemp("broken"))
    try:
        site.up()
        held = [
            (kind, f"p-{kind}", [f"p-{kind}-{slot}" for slot in ((1, 2) if "zone" in kind else (1,))])
            for kind in HELD
        ]
        legs = [(kind, f"t-{kind}", [f"localhost:{site.upstream}"]) for kind in ON_LEGS]
        site.kill(site.drill(held + legs), HELD + ON_LEGS)
        yield site
    finally:
        site.close()


def lives(one):
    """Tell whether it is a process, and lives; nobody may be there to bury one whose parent was killed."""
    try:
        return isinstance(one, psutil.Process) and one.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(holds):
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def replaced(run, before):
    """Tell whether there is another supervisor, with all workers, of which one is new."""
    with contextlib.suppress(MainstayError):
        now = ask(run, "/v1/status")
        workers = {row["pid"] for row in now["workers"]}
        return (
            now["supervisor_pid"] != before["supervisor_pid"]
            and len(workers) == len(before["workers"])
            and before["workers"][0]["pid"] not in workers
        )
    return False


def is_well(row):
    """Tell whether an instance is as any other."""
    seen = procfs.stat(row["pid"]) if row["state"] == "up" else None
    return (
        seen is not None
        and seen.letter in "SR"
        and all(resource.prlimit(row["pid"], which) == resource.getrlimit(which) for which in LIMITS)
    )


def test_every_kind_of_fault_is_tried_here_but_for_those_that_cannot_be():
    assert {*HELD, *ON_LEGS, *OWN} == KINDS.keys() - ELSEWHERE


def test_a_fault_at_one_service_leaves_another_at_the_same_address_alone(broken):
    assert broken.acting == len(ON_LEGS)


@pytest.mark.parametrize("kind", HELD)
def test_what_a_killed_drill_did_to_processes_is_undone(broken, kind):
    assert broken.gone[kind] <= LIMIT

    assert broken.well(f"p-{kind}") == 2


@pytest.mark.parametrize("kind", ON_LEGS)
def test_what_a_killed_drill_did_to_traffic_ends_with_its_lease(broken, kind):
    assert broken.gone[kind] <= LIMIT

    assert broken.get(f"/{kind}")[0] == 404  # what the service itself says


def test_the_loss_of_mainstays_own_processes_is_mended_when_the_drill_is_killed(broken):
    before = ask(broken.run, "/v1/status")
    drill = broken.drill([(kind, "gateway", []) for kind in OWN])

    drill.kill()

    until(lambda: replaced(broken.run, before) and not any(map(broken.left, OWN)))
    assert broken.get("/refuse")[0] == 404


SHOP = f"""\
gateway: {{ workers: 1 }}
services:
  web:
    command: {sys.executable} -m mainstay.drill.demo.service
    listen: http://127.0.0.1:1
    health: {{ path: /healthz }}
"""


class Drill:
    """`mainstay drill run`, which freezes an instance of a private copy."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "mainstay.yaml").write_text(SHOP)
        self._said = (folder / "said").open("w+")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "mainstay",
                "drill",
                "run",
                "--quick",
                "--fault",
                "freeze",
                "--rps",
                "100",
            ],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def said(self):
        return (self.folder / "said").read_text()

    @property
    def work(self):
        return self.folder / ".mainstay" / "drills" / "work"

    def acts(self):
        """Tell whether the fault does: give who holds it."""
        for path in (self.folder / ".mainstay" / "drills" / "faults").glob("*.json"):
            told = json.loads(path.read_text())
            if told["undo"]:
                return told["holder"][0]
        return None

    def left(self):
        """Give what there is of it but its reports: files, and only when there are none, processes."""
        faults, copy = self.folder / ".mainstay" / "drills" / "faults", self.work / "copy"
        if files := [*faults.glob("*"), *([copy] if copy.exists() else [])]:
            return files
        found = []
        for one in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if str(self.folder) in " ".join([*one.cmdline(), *one.environ().values()]) and lives(one):
                    found.append(one.cmdline())
        return found

    def end(self):
        """Wait for its end, and give its exit code."""
        return self.process.wait(PATIENCE)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._said.close()
        until(lambda: not self.left())


@pytest.fixture
def drill(tmp_path):
    """Give a drill that has begun."""
    made = Drill(tmp_path)
    yield made
    made.close()


def test_nothing_is_left_of_a_drill_that_is_killed_while_its_copy_starts(drill):
    until(lambda: "starting a private copy" in drill.said)

    drill.process.kill()

    assert drill.end() == -signal.SIGKILL
    until(lambda: not drill.left())


def test_nothing_is_left_of_a_drill_that_is_killed_with_its_process_group(drill):
    until(drill.acts)

    os.killpg(drill.process.pid, signal.SIGKILL)
    drill.end()
    at = time.monotonic()
    until(lambda: not drill.acts())
    took = time.monotonic() - at
    until(lambda: not drill.left())
    undone = subprocess.run(
        [sys.executable, "-m", "mainstay", "drill", "undo"], cwd=drill.folder, capture_output=True, check=True
    )

    assert took <= LIMIT
    assert undone.stderr == b"nothing is left to undo\n"
    assert not drill.work.exists()


def test_a_drill_that_is_told_to_end_again_and_again_mends_all_before_it_does(drill):
    until(drill.acts)

    drill.process.send_signal(signal.SIGINT)
    drill.process.send_signal(signal.SIGINT)
    until(lambda: "stopping a private copy" in drill.said)
    drill.process.send_signal(signal.SIGTERM)

    assert drill.end() == 2
    assert "it was halted; all that was broken is mended" in drill.said
    assert "verdict" not in drill.said, "nothing was finished"
    assert drill.left() == []
    assert not drill.work.exists()


def test_a_fault_that_loses_its_holder_is_undone_by_the_drill_and_shows_nothing(drill):
    until(drill.acts)

    os.kill(drill.acts(), signal.SIGKILL)

    assert drill.end() == 1
    # Which of the two it is depends on whether it had told that it holds.
    assert re.search(
        "freeze@web: INVALID freeze: (lost the process that held it|the process that holds it says)",
        drill.said,
    )
    assert drill.left() == []
