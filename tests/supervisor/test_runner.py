import asyncio
import os
import signal

from mainstay.supervisor import procfs


async def test_a_crash_leaves_rotation_at_once_and_comes_back(world, server):
    supervisor = world.make({"web": server(restart={"delay": "10ms", "cap": "1s"})})
    await supervisor.start()
    pid = world.row("web-1")["pid"]

    os.kill(pid, signal.SIGKILL)
    await world.until(lambda: world.row("web-1")["state"] == "crash loop")

    assert world.gate.published[-1] == []
    row = world.row("web-1")
    assert row["last_exit"]["reason"] == "killed by SIGKILL"
    assert row["last_exit"]["log"] == ["listening"]
    assert row["pid"] is None
    assert row["next_try"] is not None

    await world.until(lambda: world.row("web-1")["state"] == "up")

    row = world.row("web-1")
    assert (row["generation"], row["restarts"], row["next_try"]) == (2, 1, None)
    assert row["pid"] != pid
    assert world.gate.published[-1] == [("web-1", 2, "up")]


async def test_everything_that_happens_is_told(world, server):
    supervisor = world.make({"web": server(restart={"delay": "10ms", "cap": "1s"})})
    await supervisor.start()
    os.kill(world.row("web-1")["pid"], signal.SIGKILL)
    await world.until(lambda: world.row("web-1")["generation"] == 2)
    await world.until(lambda: world.row("web-1")["state"] == "up")

    await supervisor.stop()

    told = [(type(fact).__name__, fact.generation) for fact in world.facts]
    assert told == [
        ("InstanceStarted", 1),
        ("InstanceBecameReady", 1),
        ("InstanceExited", 1),
        ("InstanceStarted", 2),
        ("InstanceBecameReady", 2),
        ("InstanceStopped", 2),
    ]


async def test_the_gateway_hears_of_an_exit_in_the_turn_that_notices_it(world, server):
    supervisor = world.make({"web": server()})
    await supervisor.start()
    runner = next(supervisor._runners())
    turns = []
    world.gate.on_publish = lambda: turns.append(
        runner._process is None and runner._context.state.lives != []
    )

    os.kill(world.row("web-1")["pid"], signal.SIGKILL)
    await world.until(lambda: world.row("web-1")["state"] == "crash loop")

    assert turns[0] is True  # before anything was written or read


async def test_without_failover_a_dead_instance_stays_until_its_replacement_is_ready(world, server):
    supervisor = world.make({"web": server(failover="off", restart={"delay": "10ms", "cap": "1s"})})
    await supervisor.start()
    before = supervisor.rotation()

    os.kill(world.row("web-1")["pid"], signal.SIGKILL)
    await world.until(lambda: world.row("web-1")["state"] == "crash loop")

    assert supervisor.rotation() == before

    await world.until(lambda: world.row("web-1")["state"] == "up")

    assert world.rotation() == [("web-1", 2, "up")]


async def test_without_failover_a_dead_instance_leaves_when_it_is_stopped(world, server):
    supervisor = world.make({"web": server(failover="off", restart={"delay": "1h", "cap": "1h"})})
    await supervisor.start()
    os.kill(world.row("web-1")["pid"], signal.SIGKILL)
    await world.until(lambda: world.row("web-1")["state"] == "crash loop")

    await supervisor.stop()

    assert world.gate.published[-1] == []


async def test_an_instance_gets_its_environment(world, python, folder):
    said = folder / "said"
    (folder / "extra.env").write_text("FROM_FILE=file\nBOTH=file\n")
    source = "import os, sys, time; open(sys.argv[1], 'w').write(repr(dict(os.environ))); time.sleep(1000)"
    supervisor = world.make(
        {
            "job": {
                "command": [*python(source), str(said)],
                "instances": 1,
                "env_file": "extra.env",
                "env": {"BOTH": "env", "URL": "http://here:${PORT}/", "MAINSTAY_X": "x"},
            }
        },
        zones=["a"],
    )

    await supervisor.start()

    env = eval(said.read_text())
    row = world.row("job-1")
    assert env["PORT"] == str(row["port"])
    assert env["URL"] == f"http://here:{row['port']}/"
    assert (env["MAINSTAY_INSTANCE"], env["MAINSTAY_SERVICE"], env["MAINSTAY_ZONE"]) == ("job-1", "job", "a")
    assert (env["FROM_FILE"], env["BOTH"]) == ("file", "env")
    assert env["PATH"] == os.environ["PATH"]
    assert "PYTEST_CURRENT_TEST" not in env


async def test_stop_takes_out_of_rotation_then_drains_then_ends(world, server):
    supervisor = world.make({"web": server(drain="7s")})
    await supervisor.start()
    world.gate.empty.clear()
    stopping = asyncio.ensure_future(supervisor.stop())
    await world.until(lambda: world.row("web-1")["state"] == "draining")

    assert world.gate.published[-1] == [("web-1", 1, "draining")]
    await world.until(lambda: world.gate.asked)
    assert world.gate.asked == [("web-1", 1, 7.0)]
    assert world.row("web-1")["pid"] is not None

    world.gate.empty.set()
    await stopping

    assert world.gate.published[-1] == []
    assert world.row("web-1")["state"] == "stopped"


async def test_requests_that_never_end_hold_up_the_stop_only_for_so_long(world, server):
    supervisor = world.make({"web": server(drain="50ms")})
    await supervisor.start()
    world.gate.empty.clear()

    await supervisor.stop()

    assert world.row("web-1")["state"] == "stopped"


async def test_a_gateway_that_fails_keeps_nobody_from_ending(world, server):
    async def fail(life, limit):
        raise RuntimeError("lost")

    supervisor = world.make({"web": server()})
    await supervisor.start()
    world.gate.drained = fail

    await supervisor.stop()

    assert str(world.wrong.pop()["exception"]) == "lost"


async def test_an_exit_in_the_middle_of_draining_ends_the_draining(world, server):
    supervisor = world.make({"web": server(drain="1h")})
    await supervisor.start()
    world.gate.empty.clear()
    pid = world.row("web-1")["pid"]
    stopping = asyncio.ensure_future(supervisor.stop())
    await world.until(lambda: world.gate.asked)

    os.kill(pid, signal.SIGKILL)
    await stopping

    assert world.gate.published[-1] == []
    assert [type(fact).__name__ for fact in world.facts][-1] == "InstanceStopped"


async def test_who_takes_no_notice_of_sigterm_is_killed(world, server, stubborn):
    supervisor = world.make({"web": server(command=stubborn, stop_timeout="100ms")})
    await supervisor.start()

    await supervisor.stop()

    assert world.row("web-1")["state"] == "stopped"


async def test_a_crash_loop_can_be_stopped(world, server):
    supervisor = world.make({"web": server(restart={"delay": "1h", "cap": "1h"})})
    await supervisor.start()
    os.kill(world.row("web-1")["pid"], signal.SIGKILL)
    await world.until(lambda: world.row("web-1")["state"] == "crash loop")

    await supervisor.stop()

    assert world.row("web-1")["state"] == "stopped"


async def test_a_frozen_instance_can_be_stopped(world, server):
    supervisor = world.make({"web": server(stop_timeout="1h")})
    await supervisor.start()
    os.kill(world.row("web-1")["pid"], signal.SIGSTOP)
    await world.until(lambda: world.row("web-1")["state"] == "frozen")

    await supervisor.stop()

    assert world.row("web-1")["state"] == "stopped"


async def test_children_of_an_instance_end_with_it(world, ended):
    supervisor = world.make({"job": {"command": ["sh", "-c", "sleep 1000 & wait"], "instances": 1}})
    await supervisor.start()
    group = world.row("job-1")["pid"]
    members = [pid for pid in procfs.pids() if (now := procfs.stat(pid)) and now.group == group]
    watched = [os.pidfd_open(pid) for pid in members]

    await supervisor.stop()

    assert len(members) == 2
    for fd in watched:
        await ended(fd)


async def test_a_full_disk_is_told_and_stops_nobody(world, server, monkeypatch):
    supervisor = world.make({"web": server()})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    await supervisor.start()

    assert "No space left on device" in supervisor.problem
    assert world.rotation() == [("web-1", 1, "up")]
    monkeypatch.undo()
    await supervisor.stop()
    assert supervisor.problem is None


async def test_a_log_that_cannot_be_looked_at_is_a_reason_to_try_again(world, server):
    supervisor = world.make({"web": server(restart={"delay": "20ms", "cap": "20ms"})})
    await supervisor.start()
    log = world.rundir.logs
    log.rename(log.with_name("away"))
    log.write_text("in the way")

    os.kill(world.row("web-1")["pid"], signal.SIGKILL)
    await world.until(
        lambda: "cannot write log" in ((world.row("web-1").get("last_exit") or {}).get("reason", ""))
    )
    log.unlink()
    log.with_name("away").rename(log)
    await world.until(lambda: world.row("web-1")["state"] == "up")

    assert world.row("web-1")["restarts"] >= 2


async def test_a_lack_of_descriptors_is_a_reason_to_try_again(world, server, monkeypatch):
    supervisor = world.make({"web": server(restart={"delay": "20ms", "cap": "20ms"})})
    await supervisor.start()

    def refuse(self, preferred=None):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("mainstay.supervisor.port.bindable", lambda number: False)
    monkeypatch.setattr("mainstay.supervisor.port.Ports.reserve", refuse)
    os.kill(world.row("web-1")["pid"], signal.SIGKILL)
    await world.until(lambda: "Too many" in ((world.row("web-1").get("last_exit") or {}).get("reason", "")))
    monkeypatch.undo()

    await world.until(lambda: world.row("web-1")["state"] == "up")


async def test_what_was_let_go_is_not_touched_any_more(world, server):
    supervisor = world.make({"web": server()})
    await supervisor.start()
    [runner] = supervisor._runners()
    process = runner._process

    runner.let_go()
    runner.let_go()
    runner.look()
    runner.hurry()

    assert procfs.stat(process.pid).alive
    os.kill(process.pid, signal.SIGKILL)
    _reap(process.pid)
    world.former.clear()


def _reap(pid):
    os.waitpid(pid, 0)


async def test_an_answer_that_comes_too_late_is_ignored(world, server):
    supervisor = world.make({"web": server()})
    await supervisor.start()
    [runner] = supervisor._runners()
    told = list(world.facts)

    runner._became_ready(runner.record)

    assert world.facts == told
