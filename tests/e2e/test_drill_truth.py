"""What a drill says is what others count: a client of their own, the service's journal, and parts that are left out on purpose."""

import asyncio
import contextlib
import http.client
import sys
import threading
import time

import pytest

from mainstay.cli.talk import ask
from mainstay.drill import verdict
from mainstay.drill.campaign import LENGTHS, Campaign, Wish
from mainstay.drill.cell import Cell, Target, cells
from mainstay.drill.conductor import Times
from mainstay.drill.fault.kind import KINDS
from mainstay.supervisor.rundir import RunDir
from mainstay.system.load import load
from ports import free_port

pytestmark = pytest.mark.e2e

BOOT = 1.0
RATE = 40
TIMES = Times(warm=0.3, baseline=1.0, fault=1.2, keep=0.4)
SERVICE = f"command: {sys.executable} -m mainstay.drill.demo.service, listen: http://127.0.0.1:PORT_HERE"
FILE = f"""\
gateway: {{ workers: 1 }}
drills:
  load:
    journal: orders
    requests:
      - GET /
      - request: POST /orders
        to: tolerant
        writes: true
        headers: {{ Idempotency-Key: "{{id}}" }}
        body: '{{"id":"{{id}}"}}'
services:
  redundant:
    {{ {SERVICE}, env: {{ BOOT: {BOOT}s }}, balance: round_robin,
      health: off, failover: off, retry: off, outlier: off, breaker: off }}
  reliable: {{ {SERVICE}, env: {{ BOOT: {BOOT}s }}, instances: 1, wait: 0 }}
  tolerant: {{ {SERVICE}, env: {{ BOOT: {BOOT}s, JOURNAL: JOURNAL_HERE }}, idempotency: service }}
  unretried: {{ {SERVICE}, balance: round_robin, retry: off }}
  unheld: {{ {SERVICE}, balance: round_robin, hold: 0 }}
  unhedged:
    {{ {SERVICE}, balance: round_robin, timeouts: {{ attempt: 500ms }},
      hedge: off, suspicion: off, health: off, failover: off, outlier: off, breaker: off }}
  sick: {{ addresses: ['http://127.0.0.1:1'], listen: http://127.0.0.1:PORT_HERE, health: off, wait: 0 }}
"""
KNOWN = ("redundant", "reliable", "tolerant")
PLAYED = (
    *(f"kill@{name}" for name in KNOWN),
    *("truncate@unretried", "truncate@unheld", "freeze@unhedged", "latency@sick"),
)


class Client:
    """Somebody else who asks, again and again, and counts."""

    def __init__(self, port):
        self.told = []
        self._port = port
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        at = time.time()
        while not self._end.wait(max(0.0, at - time.time())):
            self.told.append((at, self._asked()))
            at += 1 / RATE

    def _asked(self):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/")
                return connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                return False

    def enough(self):
        self._end.set()

    def end(self):
        self._end.set()
        self._thread.join()

    def failed(self, cell):
        """Give when it was not served in a drill, in seconds from the fault."""
        until = cell["failover"] + 1.0
        return [at - cell["at"] for at, well in self.told if not well and -1.0 < at - cell["at"] < until]


class Played:
    """Each of the drills, and what others have seen meanwhile."""

    def __init__(self, folder):
        self.folder = folder
        text = FILE.replace("JOURNAL_HERE", str(folder / "orders"))
        for _ in range(text.count("PORT_HERE")):
            text = text.replace("PORT_HERE", str(free_port()), 1)
        (folder / "mainstay.yaml").write_text(text)
        self.system = load(folder / "mainstay.yaml")
        self.run = RunDir(folder / ".mainstay")
        self.clients = {}

    def play(self):
        chosen = [cell for cell in cells(self.system) if cell.name in PLAYED]
        gone = Target("tolerant", "tolerant", ("tolerant-9",))
        chosen += [Cell(kind=KINDS[name], target=gone) for name in ("stop", "errors")]
        campaign = Campaign(self.system, self.run, Wish(length="quick"), ask=ask, tell=self._heard)
        try:
            report = asyncio.run(campaign.run(chosen))
        finally:
            for client in self.clients.values():
                client.end()
        self.cells = {one["cell"]: one for one in report["cells"]}
        self.trials = sum(one["trials"] for one in report["coverage"])

    def _heard(self, news):
        if news["event"] == "up":
            copy = load(self.run.path / "drills" / "work" / "copy" / "mainstay.yaml")
            self.clients = {name: Client(copy.openings()[name].listener.port) for name in KNOWN}
        elif news["event"] == "stopping":
            for client in self.clients.values():
                client.enough()


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Play all of them once."""
    made = Played(tmp_path_factory.mktemp("truth"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LENGTHS, "quick", TIMES)
        # A machine that runs other tests beside these makes users late, and their counts are right all the same.
        patch.setattr(verdict, "LAG", 1.0)
        made.play()
    return made


def test_redundancy_alone_fails_half_of_the_users_until_the_dead_one_is_back(played):
    cell = played.cells["kill@redundant"]
    failed = played.clients["redundant"].failed(cell)

    assert (cell["verdict"], cell["met"]) == ("OUTAGE", False)
    assert BOOT < cell["failover"] < cell["recovered"] + 0.5
    assert cell["failed"] / (100 * cell["failover"]) == pytest.approx(0.5, abs=0.25)
    # A client of our own counts the same: half of all, for as long.
    assert len(failed) / (RATE * failed[-1]) == pytest.approx(0.5, abs=0.25)
    assert failed[-1] == pytest.approx(cell["failover"], abs=0.5)


def test_reliability_alone_fails_all_users_for_as_long_as_the_service_takes_to_start(played):
    cell = played.cells["kill@reliable"]
    failed = played.clients["reliable"].failed(cell)

    assert (cell["verdict"], cell["met"]) == ("OUTAGE", False)
    assert BOOT < cell["gap"] < cell["recovered"] + 0.5
    assert cell["failed"] / (100 * cell["failover"]) == pytest.approx(1.0, abs=0.2)
    assert len(failed) / RATE == pytest.approx(cell["gap"], abs=0.5)
    assert failed[-1] - failed[0] == pytest.approx(cell["gap"], abs=0.5)


def test_with_tolerance_nobody_fails_and_every_order_is_carried_out_once(played):
    cell = played.cells["kill@tolerant"]
    journal = [line.partition(" ")[0] for line in (played.folder / "orders").read_text().splitlines()]

    assert (cell["verdict"], cell["met"]) == ("SURVIVED", True)
    assert played.clients["tolerant"].failed(cell) == []
    assert cell["recovered"] > BOOT
    writes = cell["writes"]
    assert (writes["lost"], writes["twice"]) == (0, 0)
    assert 0 < writes["executed"] <= len(journal) == len(set(journal))


@pytest.mark.parametrize(
    ("cell", "given", "how"),
    [
        ("truncate@unretried", "OUTAGE", "status 502"),
        ("truncate@unheld", "OUTAGE", "truncated"),
        ("freeze@unhedged", "DEGRADED", "99 of 100 answers within"),
    ],
)
def test_what_is_left_out_on_purpose_shows(played, cell, given, how):
    told = played.cells[cell]

    assert told["verdict"] == given
    assert how in told["because"]


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("stop@tolerant", "no process of tolerant-9 was found"),
        ("errors@tolerant", "no traffic was hit by it"),
        ("latency@sick", "requests to sick failed before the fault, so nothing was broken ("),
    ],
)
def test_what_did_not_act_or_proves_nothing_is_invalid_and_no_trial(played, cell, why):
    told = played.cells[cell]

    assert (told["verdict"], told["met"]) == ("INVALID", False)
    assert why in told["because"]
    assert played.trials == len(PLAYED) - 1
