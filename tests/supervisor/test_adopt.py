import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from mainstay.base.errors import Refused
from mainstay.base.probe import ProbeResult
from mainstay.supervisor import procfs


def _reap(pid):
    os.waitpid(pid, 0)


async def test_another_supervisor_adopts_what_was_abandoned(world, server):
    supervisor = world.make({"web": server(instances=2)})
    await supervisor.start()
    before = [(row["instance"], row["generation"], row["pid"], row["port"]) for row in supervisor.status()]
    await supervisor.abandon()

    supervisor = world.make({"web": server(instances=2)})
    adopted = supervisor.adopt()

    assert adopted == ["web-1", "web-2"]
    assert world.rotation() == [("web-1", 1, "up"), ("web-2", 1, "up")]
    assert world.gate.published == []  # half a system is not told
    await supervisor.start()
    rows = supervisor.status()
    assert [(row["instance"], row["generation"], row["pid"], row["port"]) for row in rows] == before
    assert len(world.told("InstanceAdopted")) == 2
    assert world.gate.published[0] == world.rotation()


async def test_an_adopted_instance_is_watched_and_started_again(world, server):
    supervisor = world.make({"web": server(restart={"delay": "10ms", "cap": "1s"})})
    await supervisor.start()
    await supervisor.abandon()
    supervisor = world.make({"web": server(restart={"delay": "10ms", "cap": "1s"})})
    await supervisor.start()

    os.kill(world.row("web-1")["pid"], signal.SIGKILL)
    await world.until(lambda: world.row("web-1")["generation"] == 2 and world.row("web-1")["state"] == "up")

    assert world.row("web-1")["restarts"] == 1


async def test_what_ended_meanwhile_is_told_and_started_again(world, server):
    supervisor = world.make({"web": server(instances=2)})
    await supervisor.start()
    pid = world.row("web-1")["pid"]
    await supervisor.abandon()
    os.kill(pid, signal.SIGKILL)
    _reap(pid)

    supervisor = world.make({"web": server(instances=2)})
    await supervisor.start()

    assert world.rotation() == [("web-1", 2, "up"), ("web-2", 1, "up")]
    assert world.row("web-1")["last_exit"]["reason"] == "ended while no supervisor was running"
    assert world.row("web-1")["last_exit"]["log"] == ["listening"]


async def test_instances_that_are_not_wanted_any_more_are_ended(world, server):
    other = {"old": server(listen="http://127.0.0.1:18081")}
    supervisor = world.make({"web": server(instances=2), **other})
    await supervisor.start()
    await supervisor.abandon()

    supervisor = world.make({"web": server(instances=1)})
    await supervisor.start()
    await world.until(lambda: len(supervisor.status()) == 1)

    assert world.rotation() == [("web-1", 1, "up")]
    assert [name for name, *_ in world.gate.asked] == ["web-2"]
    assert [record.name for record in world.state.lives] == ["web-1"]


async def test_a_scale_by_hand_outlives_the_supervisor(world, server):
    supervisor = world.make({"web": server()})
    await supervisor.start()
    await supervisor.scale("web", 2)
    await supervisor.abandon()

    supervisor = world.make({"web": server()})
    await supervisor.start()

    assert world.rotation() == [("web-1", 1, "up"), ("web-2", 1, "up")]


async def test_of_two_lives_in_a_slot_the_ready_one_goes_on(world, server):
    supervisor = world.make({"web": server(drain="1h")})
    await supervisor.start()
    ready = asyncio.Event()

    async def probe(service, host, port):
        await ready.wait()
        return ProbeResult(ok=True, said="HTTP 200", seconds=0.0)

    ask, world.probe = world.probe, probe
    restarting = asyncio.ensure_future(supervisor.restart("web"))
    await world.until(lambda: world.rows(generation=2))
    await supervisor.abandon()
    with pytest.raises(Refused):
        await restarting

    world.probe = ask
    supervisor = world.make({"web": server(drain="1h")})
    await supervisor.start()
    await world.until(lambda: len(supervisor.status()) == 1)

    assert world.rotation() == [("web-1", 1, "up")]


async def test_a_crash_loop_does_not_keep_others_from_being_adopted(world, server):
    source = "import os, sys\nif os.environ['MAINSTAY_INSTANCE'] == 'web-2' and os.path.exists('broken'): sys.exit(9)\n"
    command = [*server()["command"][:-1], source + server()["command"][-1]]
    services = {"web": server(instances=2, command=command, restart={"delay": "1ms", "cap": "1h"})}
    supervisor = world.make(services)
    await supervisor.start()
    (world.folder / "broken").touch()
    pid = world.row("web-2")["pid"]
    await supervisor.abandon()
    os.kill(pid, signal.SIGKILL)
    _reap(pid)

    supervisor = world.make(services)
    await supervisor.start()

    assert world.rotation() == [("web-1", 1, "up")]
    (world.folder / "broken").unlink()
    await world.until(lambda: len(world.rotation()) == 2)


async def _kill_supervisor(folder, services, saves, moment):
    script = Path(__file__).with_name("killed.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), str(folder), json.dumps(services), str(saves), moment
    )
    assert await process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("saves", range(1, 17))
async def test_wherever_the_supervisor_is_killed_one_life_in_each_slot_is_found_or_started(
    world, server, saves, moment
):
    services = {"web": server(instances=2)}
    await _kill_supervisor(world.folder, services, saves, moment)

    await world.make(services).start()
    await world.until(lambda: len(world.supervisor.status()) == 2)

    running = {
        pid for pid in procfs.pids() if procfs.environ(pid).get("MAINSTAY_OWNER") == str(world.rundir.path)
    }
    alive = {pid for pid in running if (now := procfs.stat(pid)) is not None and now.alive}
    assert alive == {row["pid"] for row in world.supervisor.status()}
    assert [name for name, *_ in world.rotation()] == ["web-1", "web-2"]


async def test_a_killed_supervisor_leaves_all_running_as_it_was(world, server):
    services = {"web": server(instances=2)}
    await _kill_supervisor(world.folder, services, 0, "started")
    recorded = json.loads(world.rundir.state.read_text())["lives"]

    await world.make(services).start()

    assert [row["pid"] for row in world.supervisor.status()] == [life["pid"] for life in recorded]
    assert world.rotation() == [("web-1", 1, "up"), ("web-2", 1, "up")]
    assert world.told("InstanceStarted") == []


async def test_the_exit_of_an_adopted_child_of_somebody_else_is_noticed(world, server):
    services = {"web": server(restart={"delay": "1ms", "cap": "1s"})}
    await _kill_supervisor(world.folder, services, 0, "started")
    await world.make(services).start()

    os.kill(world.row("web-1")["pid"], signal.SIGKILL)
    await world.until(lambda: world.row("web-1")["generation"] == 2 and world.row("web-1")["state"] == "up")

    assert world.row("web-1")["last_exit"]["reason"] == "exit unknown (adopted)"


async def test_what_is_left_of_an_instance_that_ended_meanwhile_is_killed(world, ended):
    services = {"job": {"command": ["sh", "-c", "sleep 1000 & wait"], "instances": 1}}
    await _kill_supervisor(world.folder, services, 0, "started")
    leader = json.loads(world.rundir.state.read_text())["lives"][0]["pid"]
    members = [pid for pid in procfs.pids() if (now := procfs.stat(pid)) and now.group == leader != pid]
    rest = [os.pidfd_open(pid) for pid in members]
    first = os.pidfd_open(leader)
    os.kill(leader, signal.SIGKILL)
    await ended(first)

    world.make(services).adopt()

    assert len(rest) == 1
    await ended(rest[0])


async def test_when_nothing_is_known_any_more_all_that_bears_the_mark_is_ended_and_started_anew(
    world, server
):
    services = {"web": server()}
    await _kill_supervisor(world.folder, services, 0, "started")
    before = json.loads(world.rundir.state.read_text())["lives"][0]["pid"]
    world.rundir.state.write_text("{ nonsense")

    await world.make(services).start()

    assert "it is damaged" in world.trouble
    assert world.row("web-1")["pid"] != before
    assert (now := procfs.stat(before)) is None or not now.alive


async def test_an_adopted_instance_that_is_frozen_is_seen(world, server):
    services = {"web": server(health={"every": "10ms"})}
    await _kill_supervisor(world.folder, services, 0, "started")
    await world.make(services).start()

    os.kill(world.row("web-1")["pid"], signal.SIGSTOP)
    await world.until(lambda: world.row("web-1")["state"] == "frozen")

    assert world.rotation() == []


async def test_what_is_not_wanted_any_more_is_stopped_with_the_rest(world, server):
    services = {"old": server(listen="http://127.0.0.1:18081"), "web": server()}
    supervisor = world.make(services)
    await supervisor.start()
    await supervisor.abandon()
    supervisor = world.make({"web": server()})
    supervisor.adopt()

    await supervisor.stop()

    assert {row["state"] for row in supervisor.status()} == {"stopped"}
