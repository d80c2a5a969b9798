import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from drill.fault.conftest import GREEDY, Holder, Instance, until
from mainstay.drill.fault.intent import undo_left
from mainstay.supervisor import procfs

Start = Callable[..., Instance]
Hold = Callable[..., Holder]


def said(port: int) -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", port), 0.5) as connection:
            return connection.recv(4)
    except OSError:
        return b""


def answers(port: int) -> bool:
    return said(port) == b"here"


def test_a_frozen_instance_goes_on_when_nobody_holds_it_any_more(instance: Start, holder: Hold) -> None:
    web = instance("web-1")
    hold = holder("freeze", "web-1")

    said = hold.heard()

    assert said["event"] == "held"
    assert web.letter == "T"
    assert hold.intent.exists()
    hold.let_go()
    assert hold.heard()["event"] == "undone"
    until(lambda: answers(web.port), "the instance answers")
    assert not hold.intent.exists()


def test_a_lease_that_is_not_renewed_ends(instance: Start, holder: Hold) -> None:
    web = instance("web-1")
    hold = holder("freeze", "web-1", lease=0.3)

    assert hold.heard()["event"] == "held"

    assert hold.heard()["event"] == "undone"
    until(lambda: answers(web.port), "the instance answers")
    assert hold.process.wait() == 0


def test_a_lease_that_is_renewed_goes_on(instance: Start, holder: Hold) -> None:
    web = instance("web-1")
    hold = holder("freeze", "web-1", lease=1.0)
    began = hold.heard()["began"]

    while time.monotonic() < began + 1.6:
        hold.renew()
        assert web.letter == "T"
        select.select([hold.process.stdout], [], [], 0.2)

    assert hold.heard()["at"] - began > 1.5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_holder_that_is_asked_to_end_undoes_first(instance: Start, holder: Hold, number: int) -> None:
    web = instance("web-1")
    hold = holder("freeze", "web-1")
    hold.heard()

    hold.process.send_signal(number)

    assert hold.heard()["event"] == "undone"
    assert web.letter != "T"


def test_what_a_killed_holder_left_is_undone_by_whoever_comes_next(
    instance: Start, holder: Hold, tmp_path: Path
) -> None:
    web = instance("web-1")
    hold = holder("freeze", "web-1")
    hold.heard()
    hold.process.kill()
    hold.process.wait()
    assert web.letter == "T"

    done, left = undo_left(tmp_path)

    assert (done, left) == (["freeze at web-1"], [])
    until(lambda: answers(web.port), "the instance answers")
    assert undo_left(tmp_path) == ([], [])


def test_what_a_living_holder_holds_is_undone_only_when_that_is_asked_for(
    instance: Start, holder: Hold, tmp_path: Path
) -> None:
    web = instance("web-1")
    hold = holder("freeze", "web-1", lease=60.0)
    hold.heard()
    assert undo_left(tmp_path) == ([], [])
    assert web.letter == "T"

    done, _ = undo_left(tmp_path, held=True)

    assert done == ["freeze at web-1"]
    assert hold.process.wait() != 0
    assert web.letter != "T"


def test_every_process_of_an_instance_is_killed_and_no_other(instance: Start, holder: Hold) -> None:
    first, child, other = instance("web-1"), instance("web-1"), instance("web-2")

    said = holder("kill", "web-1").heard()

    assert said["event"] == "held"
    assert (first.letter, child.letter) == ("Z", "Z")
    assert answers(other.port)


def test_stop_asks_in_order(instance: Start, holder: Hold) -> None:
    web = instance("web-1")

    said = holder("stop", "web-1").heard()

    assert said["event"] == "held"
    assert web.process.wait() == -signal.SIGTERM


@pytest.mark.parametrize(
    "grip", ["kill", "stop", "freeze", "crash-loop", "slow-start", "cpu", "files", "memory"]
)
def test_a_target_that_is_not_there_is_told_and_nothing_is_done(holder: Hold, grip: str) -> None:
    hold = holder(grip, "web-9", parameters={"delay": 1.0})

    said = hold.heard()

    assert said == {"event": "failed", "why": "no process of web-9 was found"}
    assert hold.heard()["event"] == "undone"
    assert hold.process.wait() == 1
    assert not hold.intent.exists()


def test_each_life_of_a_crash_loop_is_killed_until_it_is_over(instance: Start, holder: Hold) -> None:
    first = instance("web-1")
    hold = holder("crash-loop", "web-1", lease=30.0)
    assert hold.heard()["event"] == "held"
    assert first.letter == "Z"

    second = instance("web-1")

    until(lambda: second.letter == "Z", "the second life ends")
    hold.let_go()
    assert hold.heard()["shown"] == "and 1 more, each as soon as it was started"
    third = instance("web-1")
    assert answers(third.port)


@pytest.mark.parametrize("grip", ["crash-loop", "slow-start"])
def test_where_nothing_is_started_again_there_was_no_loop_and_no_slow_start(
    instance: Start, holder: Hold, grip: str
) -> None:
    instance("web-1")
    hold = holder(grip, "web-1", lease=30.0, parameters={"delay": 0.5})
    assert hold.heard()["event"] == "held"

    hold.let_go()

    assert "no next process was started" in hold.heard()["why"]


def test_the_next_life_starts_slowly(instance: Start, holder: Hold) -> None:
    instance("web-1")
    hold = holder("slow-start", "web-1", lease=30.0, parameters={"delay": 1.0})
    assert hold.heard()["event"] == "held"

    second = instance("web-1", wait=False)

    until(lambda: second.letter == "T", "the second life is stopped")
    second.listening()
    until(lambda: answers(second.port), "it goes on")
    hold.let_go()
    assert hold.heard()["shown"] == f"pid {second.pid} stopped for 1 s at most"


def test_an_instance_without_descriptors_takes_no_connection_until_it_is_over(
    instance: Start, holder: Hold
) -> None:
    web = instance("web-1")
    before = resource.prlimit(web.pid, resource.RLIMIT_NOFILE)
    hold = holder("files", "web-1", lease=30.0)

    assert hold.heard()["event"] == "held"

    # One that it was waiting for already had its descriptor.
    until(lambda: not answers(web.port), "connections are no longer taken")
    hold.let_go()
    assert hold.heard()["left"] == []
    until(lambda: answers(web.port), "connections are taken again")
    assert resource.prlimit(web.pid, resource.RLIMIT_NOFILE) == before


def test_an_instance_gets_no_more_memory_until_it_is_over(instance: Start, holder: Hold) -> None:
    web = instance("web-1")
    before = resource.prlimit(web.pid, resource.RLIMIT_AS)
    hold = holder("memory", "web-1", lease=30.0)

    assert hold.heard()["event"] == "held"

    soft, _ = resource.prlimit(web.pid, resource.RLIMIT_AS)
    assert 0 < soft < 2**40
    hold.let_go()
    hold.heard()
    assert resource.prlimit(web.pid, resource.RLIMIT_AS) == before


def test_who_asks_for_more_memory_gets_none_until_it_is_over(instance: Start, holder: Hold) -> None:
    web = instance("web-1", GREEDY)
    assert answers(web.port)
    hold = holder("memory", "web-1", lease=30.0)

    assert hold.heard()["event"] == "held"

    assert said(web.port) == b"none"
    hold.let_go()
    hold.heard()
    assert answers(web.port)


def test_what_computes_ends_with_its_holder_also_when_that_is_killed(instance: Start, holder: Hold) -> None:
    instance("web-1")
    hold = holder("cpu", "web-1", lease=30.0)
    assert hold.heard()["event"] == "held"
    spinning = [pid for pid in procfs.pids() if _parent(pid) == hold.process.pid]
    assert len(spinning) == len(os.sched_getaffinity(0))

    hold.process.kill()

    until(lambda: not any(_lives(pid) for pid in spinning), "all of them end")


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _lives(pid: int) -> bool:
    now = procfs.stat(pid)
    return now is not None and now.alive


def test_a_disk_that_others_need_is_not_filled(holder: Hold, tmp_path: Path) -> None:
    hold = holder("disk", "web", parameters={"folder": str(tmp_path), "most": 2**20})

    assert "no file system of its own" in hold.heard()["why"]


def test_an_intent_that_cannot_be_read_is_told_and_kept(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")

    done, left = undo_left(tmp_path)

    assert done == []
    assert left == [f"{tmp_path / 'x.json'} cannot be read"]
