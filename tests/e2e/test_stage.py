"""A private copy that runs as its original does and leaves nothing behind, however it ends."""

import asyncio
import os
import signal
import socket
import sys
import time
import urllib.request

import psutil
import pytest

from mainstay.base.errors import EnvironmentProblem
from mainstay.cli.talk import ask
from mainstay.drill.stage import keeper
from mainstay.drill.stage.stage import live, private
from mainstay.supervisor import procfs
from mainstay.supervisor.orphan import marked
from mainstay.system.load import load

pytestmark = pytest.mark.e2e

FILE = f"""\
name: shop
gateway: {{ workers: 1, admin: "http://127.0.0.1:2" }}
services:
  web:
    command: [{sys.executable}, -m, mainstay.drill.demo.service]
    listen: http://0.0.0.0:1
    env: {{ JOURNAL: real }}
  clock:
    command: pwd > ${{PLACE}}; exec sleep 600
    instances: 1
    env: {{ PLACE: real }}
"""


def seconds():
    return time.monotonic()


async def until(condition):
    """Wait for a condition, and give what it gave."""
    deadline = seconds() + 30
    while not (met := condition()):
        assert seconds() < deadline
        await asyncio.sleep(0.02)
    return met


async def heard(stage, name):
    """Wait for facts of a name, and give them."""
    deadline = seconds() + 30
    while True:
        if told := [one for one in await stage.facts() if one["fact"] == name]:
            return told
        assert seconds() < deadline


def silent(news):
    del news


CLOCK = "{ gateway: { workers: 1 }, services: { clock: { command: sleep 600 } } }"
LATE = """\
gateway: { workers: 1 }
services:
  late: { command: touch begun && exec sleep 600, listen: "http://127.0.0.1:1", ready_within: 60s }
"""


def site(folder, text):
    """Write a system file into a folder of its own, and give what it says."""
    home = folder / "home"
    home.mkdir()
    (home / "mainstay.yaml").write_text(text)
    return load(home / "mainstay.yaml")


@pytest.fixture
def shop(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "mainstay.yaml").write_text(FILE)
    return load(home / "mainstay.yaml", {"PLACE": str(home / "real")})


def places(stage):
    """Give what must not be left of a stage."""
    (entry,) = stage.entries()
    return stage.pid, stage.run.path, int(entry.url.rpartition(":")[2])


def keeping():
    """Give the process that keeps the copy."""
    (found,) = [one for one in psutil.Process().children() if "mainstay.drill.stage.keeper" in one.cmdline()]
    return found


def ended(pid):
    now = procfs.stat(pid)
    return now is None or not now.alive


def nothing_left(pid, run, port):
    assert marked(run) == []
    assert not run.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)
    assert ended(pid)


async def test_a_private_copy_is_a_system_of_its_own(shop, tmp_path, monkeypatch):
    monkeypatch.setenv("PLACE", str(tmp_path / "place"))
    monkeypatch.setenv("MAINSTAY_RUN_DIR", str(tmp_path / "nobodys"))  # that of another system
    folder, told = tmp_path / "copy", []

    async with private(shop, folder, ask, told.append, {"JOURNAL": str(tmp_path / "journal")}) as stage:
        seen = places(stage)
        keeping().send_signal(signal.SIGINT)  # which a terminal means for somebody else
        (entry,) = stage.entries()
        answer = await asyncio.to_thread(urllib.request.urlopen, f"{entry.url}/healthz", timeout=10)
        answer.close()
        web = await stage.instances("web")
        workers = await stage.workers()
        facts = list(await stage.facts())
        victim = web[0]
        os.kill(victim["pid"], signal.SIGKILL)
        exits = await heard(stage, "InstanceExited")
        await stage.post("/v1/services/web/scale", {"instances": 3})
        async with live(stage.system, stage.run, ask) as other:
            same, since = other.pid == stage.pid, list(await other.facts())
            scaled = await other.instances("web")

    assert answer.status == 200
    assert (entry.name, entry.services, entry.host) == ("web", ("web",), entry.url.removeprefix("http://"))
    assert (len(web), len(workers), len(scaled)) == (2, 1, 3)
    assert not stage.live
    assert other.live
    assert same
    assert "InstanceExited" not in [one["fact"] for one in since]
    assert (exits[0]["instance"], stage.missed) == (victim["instance"], 0)
    assert [one["fact"] for one in facts].count("InstanceBecameReady") == 3
    assert (tmp_path / "place").read_text().strip() == str(shop.folder)
    assert not (tmp_path / "nobodys").exists()
    assert [one["event"] for one in told] == ["starting", "up", "stopping", "stopped"]
    assert not folder.exists()
    nothing_left(*seen)


async def test_a_copy_that_cannot_start_says_why_and_leaves_nothing(tmp_path):
    (tmp_path / "mainstay.yaml").write_text(
        "services: { web: { command: ./none, listen: http://127.0.0.1:1 } }"
    )
    system, folder = load(tmp_path / "mainstay.yaml"), tmp_path / "copy"

    with pytest.raises(EnvironmentProblem, match=r"mainstay up of '.*' failed: .*command not found"):
        async with private(system, folder, ask, silent):
            raise AssertionError("it is up")

    assert not folder.exists()


async def test_who_is_cancelled_while_it_starts_leaves_nothing(tmp_path):
    system, folder = site(tmp_path, LATE), tmp_path / "copy"
    run = folder / ".mainstay"

    async def play():
        async with private(system, folder, ask, silent):
            raise AssertionError("it is up")

    playing = asyncio.ensure_future(play())
    await until((system.folder / "begun").exists)
    before = marked(run)
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing

    assert before
    assert marked(run) == []
    assert not folder.exists()


async def test_what_does_not_end_by_itself_is_ended_also_when_its_keeper_is_killed(tmp_path):
    system, folder = site(tmp_path, CLOCK), tmp_path / "copy"

    async with private(system, folder, ask, silent) as stage:
        supervisor, run = stage.pid, stage.run.path
        keeping().kill()
        os.kill(supervisor, signal.SIGSTOP)
        await asyncio.to_thread(keeper.take_down, stage.system.file, stage.run, patience=0.5)
        left = marked(run)

    assert left == []
    assert ended(supervisor)
    assert not folder.exists()
