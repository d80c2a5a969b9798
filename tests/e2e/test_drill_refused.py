"""What a drill on the running system refuses to begin, and when it is called off: nothing is broken then."""

import asyncio
import json
import os
import signal

import pytest

from e2e.conftest import Site
from mainstay.base.errors import AlreadyRunning, MainstayError, SpecError
from mainstay.cli.talk import ask
from mainstay.drill import campaign
from mainstay.drill.abort import Abort
from mainstay.drill.campaign import LENGTHS, Campaign, Wish
from mainstay.drill.cell import cells, chosen
from mainstay.drill.conductor import Times
from mainstay.drill.history import History
from mainstay.supervisor.rundir import RunDir
from mainstay.system.load import load

pytestmark = pytest.mark.e2e

SHOP = """\
gateway: { workers: 1 }
services:
  web: { command: python -m http.server --bind 127.0.0.1 $PORT, instances: 2, listen: http://127.0.0.1:PORT_HERE }
"""


class Live(Site):
    """A system that runs, with drills that take little time."""

    def __init__(self, folder):
        super().__init__(folder)
        self.run = RunDir(folder / ".mainstay")
        self.write(SHOP)

    def drill(self, fault="freeze", abort=None):
        """Play a drill on it; give its line of the report."""
        system = load(self.folder / "mainstay.yaml")
        wish = Wish(length="quick", live=True, abort=abort)
        made = Campaign(system, self.run, wish, ask=ask, tell=lambda news: None)
        (row,) = asyncio.run(made.run(chosen(cells(system), [fault])))["cells"]
        return row

    def pids(self):
        return [row["pid"] for row in ask(self.run, "/v1/status")["instances"]]


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    site = Live(tmp_path_factory.mktemp("live"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LENGTHS, "quick", Times(warm=0.2, baseline=0.5, fault=20.0, keep=0.3))
        patch.setattr(campaign, "_AT_FIRST", 0.5)
        try:
            site.up()
            yield site
        finally:
            site.close()


@pytest.fixture(autouse=True)
def unbroken(live):
    """See that nothing was broken."""
    before = live.pids()
    yield
    assert live.pids() == before
    assert ask(live.run, "/v1/faults")["faults"] == []
    assert list(History(live.run.path).intents.glob("*")) == []


def test_a_file_that_says_something_else_than_what_runs(live):
    live.write(SHOP.replace("instances: 2", "instances: 3"))

    with pytest.raises(
        MainstayError, match=r"the system file has changed .* services\.web; `mainstay reload`"
    ):
        live.drill()

    live.write(SHOP)


def test_faults_that_act_already(live):
    ask(live.run, "/v1/faults", {"fault": "latency", "service": "web", "delay": 0.01})

    with pytest.raises(MainstayError, match="faults act already: latency; `mainstay drill undo`"):
        live.drill()

    assert live.done("drill", "undo").stderr == "undone: latency at web-1, web-2\n"


def test_another_drill(live):
    with History(live.run.path).running(), pytest.raises(AlreadyRunning, match=f"pid {os.getpid()}"):
        live.drill()


def test_an_instance_that_is_not_there(live):
    pid = live.pids()[0]
    os.kill(pid, signal.SIGSTOP)

    try:
        live.until(lambda status: any(row["state"] != "up" for row in status["instances"]))
        with pytest.raises(MainstayError, match="redundancy is reduced already: web-1 is frozen"):
            live.drill()
    finally:
        os.kill(pid, signal.SIGCONT)

    live.until(lambda status: all(row["state"] == "up" for row in status["instances"]))


def test_something_broken_that_cannot_be_mended(live):
    path = History(live.run.path).intents / "x.json"
    path.write_text(
        json.dumps(
            {
                "undo": [{"remove": "/proc/1/none/x"}, {"run": ["false"]}],
                "holder": [0, 0],
                "fault": "x",
                "targets": ["web"],
            }
        )
    )

    with pytest.raises(
        MainstayError, match="a former drill left what cannot be undone: x at web: exit code 1"
    ):
        live.drill()

    path.unlink()


def test_a_system_in_which_nobody_could_tell_whether_a_user_is_served(live, tmp_path):
    (tmp_path / "mainstay.yaml").write_text("services: { clock: { command: sleep 60 } }")
    system = load(tmp_path / "mainstay.yaml")
    made = Campaign(system, RunDir(tmp_path / "run"), Wish(), ask=ask, tell=lambda news: None)

    with pytest.raises(SpecError, match="no service takes HTTP"):
        asyncio.run(made.run(cells(system)))

    assert not (tmp_path / "run").exists()


def test_nobody_is_asked_where_nobody_is(live):
    ran = live.mainstay("drill", "run", "--live", "--fault", "freeze")

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("mainstay: 1 drill of 'live0', which runs, will break web-1, ")
    assert "tell --yes" in ran.stderr


def test_a_probe_that_says_no_ends_the_fault_at_once_and_nothing_was_survived(live):
    row = live.drill(abort=Abort((), ("test ! -e called", "false")))

    assert (row["verdict"], row["met"]) == ("INVALID", False)
    assert row["because"] == row["aborted"] == "called off: the probe `false` ended with 1"
    assert row["lasted"] < 10.0
