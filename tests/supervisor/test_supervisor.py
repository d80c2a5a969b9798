import asyncio
import os
import signal

import pytest

from mainstay.base.errors import EnvironmentProblem, MainstayError, Refused, SpecError
from mainstay.base.probe import ProbeResult
from mainstay.supervisor import procfs


async def test_a_service_is_started_and_in_rotation_when_start_returns(world, server):
    supervisor = world.make({"web": server(instances=2)}, zones=["a", "b"])

    await supervisor.start()

    assert world.rotation() == [("web-1", 1, "up"), ("web-2", 1, "up")]
    assert [(row["state"], row["zone"]) for row in supervisor.status()] == [("up", "a"), ("up", "b")]
    assert {row["port"] for row in supervisor.status()} == {life.port for life in supervisor.rotation()}
    assert [life.host for life in supervisor.rotation()] == ["127.0.0.1"] * 2
    assert world.gate.published[-1] == world.rotation()


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
        runner._process is None and not runner._context.state.lives == []
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


async def test_services_start_in_the_order_of_their_needs_and_stop_in_reverse(world, server):
    supervisor = world.make(
        {
            "web": server(needs=["api"]),
            "api": server(listen="http://127.0.0.1:18081", needs=["db"]),
            "db": server(listen="http://127.0.0.1:18082"),
        }
    )
    await supervisor.start()

    await supervisor.stop()

    moments = [(type(fact).__name__, fact.instance) for fact in world.facts]
    assert moments == [
        ("InstanceStarted", "db-1"),
        ("InstanceBecameReady", "db-1"),
        ("InstanceStarted", "api-1"),
        ("InstanceBecameReady", "api-1"),
        ("InstanceStarted", "web-1"),
        ("InstanceBecameReady", "web-1"),
        ("InstanceStopped", "web-1"),
        ("InstanceStopped", "api-1"),
        ("InstanceStopped", "db-1"),
    ]


async def test_who_waits_for_what_it_needs_is_seen_waiting(world, server):
    go = asyncio.Event()

    async def probe(service, host, port):
        await go.wait()
        return ProbeResult(ok=True, said="HTTP 200", seconds=0.0)

    supervisor = world.make(
        {
            "web": server(needs=["db"]),
            "db": server(listen="http://127.0.0.1:18081", health={"timeout": "10s"}),
        }
    )
    world.probe = probe
    starting = asyncio.ensure_future(supervisor.start())
    await world.until(lambda: world.row("db-1")["state"] == "starting")

    assert world.row("web-1")["state"] == "waiting"

    go.set()
    await starting
    assert world.row("web-1")["state"] == "up"


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


async def test_a_service_without_listener_is_up_when_it_runs_and_not_in_rotation(world):
    supervisor = world.make({"job": {"command": "sleep 1000", "instances": 1}})

    await supervisor.start()

    assert world.row("job-1")["state"] == "up"
    assert supervisor.rotation() == []


async def test_without_health_checks_it_is_ready_when_it_listens(world, server):
    supervisor = world.make({"web": server(health="off")})

    await supervisor.start()

    row = world.row("web-1")
    assert row["state"] == "up"
    assert row["last_probe"]["said"] == "accepted a connection"


# A first start that fails


async def test_a_command_that_is_not_there_fails_the_start_at_once(world, server):
    supervisor = world.make({"db": server(), "web": {"command": "no-such-command", "needs": ["db"]}})

    with pytest.raises(EnvironmentProblem) as told:
        await supervisor.start()

    assert str(told.value) == "web-1 did not become ready: command 'no-such-command' not found"
    assert {row["state"] for row in supervisor.status()} == {"stopped"}
    assert world.state.lives == []


async def test_a_command_that_ends_three_times_fails_the_start(world, python):
    source = "import sys; print('cannot', 'work', flush=True); sys.exit(3)"
    supervisor = world.make(
        {"web": {"command": python(source), "instances": 1, "restart": {"delay": "1ms", "cap": "1s"}}}
    )

    with pytest.raises(MainstayError) as told:
        await supervisor.start()

    log = world.rundir.log("web-1")
    assert str(told.value).splitlines() == [
        "web-1 did not become ready: exit code 3",
        f"last output, in {log}:",
        "    cannot work",
    ]
    assert told.value.exit_code == 1
    assert len(world.told("InstanceExited")) == 3
    assert log.read_text() == "cannot work\n" * 3


async def test_an_instance_that_never_answers_fails_the_start(world, server):
    supervisor = world.make({"web": server(ready_within="100ms")})

    async def probe(service, host, port):
        return ProbeResult(ok=False, said="HTTP 503", seconds=0.0)

    world.probe = probe

    with pytest.raises(MainstayError) as told:
        await supervisor.start()

    lines = str(told.value).splitlines()
    assert lines[:2] == ["web-1 did not become ready: not ready within 100ms", "last health check: HTTP 503"]
    assert world.state.lives == []


async def test_what_ends_and_is_not_to_be_restarted_fails_the_start(world):
    supervisor = world.make({"job": {"command": "false", "instances": 1, "restart": "off"}})

    with pytest.raises(MainstayError, match="job-1 did not become ready: exit code 1"):
        await supervisor.start()


async def test_an_unreadable_environment_file_fails_the_start(world):
    supervisor = world.make({"job": {"command": "sleep 1000", "instances": 1, "env_file": "gone.env"}})

    with pytest.raises(MainstayError, match=r"job-1 did not become ready: .*gone.env cannot be read"):
        await supervisor.start()


async def test_stop_in_the_middle_of_the_start_stops_all_of_it(world, server):
    async def probe(service, host, port):
        await asyncio.Event().wait()

    supervisor = world.make({"web": server(instances=2, health={"timeout": "10s"})})
    world.probe = probe
    starting = asyncio.ensure_future(supervisor.start())
    await world.until(lambda: len(world.rows(state="starting")) == 2)

    await supervisor.stop()

    with pytest.raises(Refused, match="shop is being stopped"):
        await starting
    assert len(world.rows(state="stopped")) == 2


async def test_a_start_after_the_stop_is_refused(world, server):
    supervisor = world.make({"web": server()})
    await supervisor.stop()

    with pytest.raises(Refused):
        await supervisor.start()


async def test_a_cancelled_start_can_be_stopped(world, server):
    supervisor = world.make({"web": server(), "api": server(listen="http://127.0.0.1:18081", needs=["web"])})
    starting = asyncio.ensure_future(supervisor.start())
    await world.until(lambda: world.row("web-1")["state"] == "starting")

    starting.cancel()
    await asyncio.wait([starting])
    await supervisor.stop()

    assert {row["state"] for row in supervisor.status()} == {"stopped"}


# Stopping


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


async def test_kill_does_not_wait_for_anything(world, server, stubborn):
    supervisor = world.make({"web": server(command=stubborn, stop_timeout="1h", drain="1h")})
    await supervisor.start()
    world.gate.empty.clear()
    stopping = asyncio.ensure_future(supervisor.stop())
    await world.until(lambda: world.gate.asked)

    await supervisor.kill()

    await stopping
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


async def test_children_of_an_instance_end_with_it(world, server, python):
    source = "import os; os.fork() or os.pause() if hasattr(os, 'pause') else __import__('time').sleep(1000)"
    supervisor = world.make({"job": {"command": f"sh -c 'sleep 1000 & wait' # {source[:0]}", "instances": 1}})
    await supervisor.start()
    group = world.row("job-1")["pid"]
    members = [pid for pid in procfs.pids() if (now := procfs.stat(pid)) and now.group == group]

    await supervisor.stop()

    assert len(members) >= 2
    assert not any((now := procfs.stat(pid)) and now.alive for pid in members)


async def test_after_a_stop_nothing_is_remembered(world, server):
    supervisor = world.make({"web": server()})
    await supervisor.start()
    await supervisor.scale("web", 2)

    await supervisor.stop()
    world.make({"web": server()})

    assert (world.state.lives, world.state.instances, world.state.scale) == ([], {}, {})
    assert world.trouble is None


# Health


async def test_failing_checks_show_and_pass_again(world, server):
    answer = ProbeResult(ok=True, said="HTTP 200", seconds=0.0)

    async def probe(service, host, port):
        return answer

    supervisor = world.make({"web": server(health={"every": "10ms"})})
    world.probe = probe
    await supervisor.start()

    answer = ProbeResult(ok=False, said="HTTP 503", seconds=0.0)
    await world.until(lambda: world.row("web-1")["state"] == "down")

    assert world.row("web-1")["last_probe"] == {"ok": False, "said": "HTTP 503", "seconds": 0.0}
    assert world.rotation() == [("web-1", 1, "up")]  # what to make of it is the gateway's to decide

    answer = ProbeResult(ok=True, said="HTTP 200", seconds=0.0)
    await world.until(lambda: world.row("web-1")["state"] == "up")

    changes = [(fact.before, fact.after, fact.because) for fact in world.told("HealthChanged")]
    assert changes == [
        ("up", "suspect", "HTTP 503"),
        ("suspect", "down", "HTTP 503"),
        ("down", "up", "HTTP 200"),
    ]


async def test_a_check_that_raises_or_hangs_is_a_failed_check(world, server):
    async def probe(service, host, port):
        raise ValueError("odd")

    supervisor = world.make({"web": server(ready_within="100ms")})
    world.probe = probe

    with pytest.raises(MainstayError, match="last health check: odd"):
        await supervisor.start()


async def test_a_frozen_instance_is_seen_and_leaves_rotation_until_it_goes_on(world, server):
    supervisor = world.make({"web": server(health={"every": "1h"})})
    await supervisor.start()
    pid = world.row("web-1")["pid"]

    os.kill(pid, signal.SIGSTOP)
    await world.until(lambda: world.row("web-1")["state"] == "frozen")

    assert world.gate.published[-1] == []

    os.kill(pid, signal.SIGCONT)
    await world.until(lambda: world.row("web-1")["state"] == "up")

    assert world.gate.published[-1] == [("web-1", 1, "up")]
    assert [(fact.before, fact.after) for fact in world.told("HealthChanged")] == [
        ("up", "frozen"),
        ("frozen", "up"),
    ]


# Rolling restart


async def test_a_rolling_restart_never_has_less_than_all_instances(world, server):
    supervisor = world.make({"web": server(instances=2)})
    await supervisor.start()
    seen = []
    world.gate.on_publish = lambda: seen.append(sum(state == "up" for *_, state in world.gate.published[-1]))
    ports = {row["port"] for row in supervisor.status()}

    await supervisor.restart("web")

    assert min(seen) == 2
    assert world.rotation() == [("web-1", 2, "up"), ("web-2", 2, "up")]
    assert ports.isdisjoint(row["port"] for row in supervisor.status())
    assert [fact.generation for fact in world.told("InstanceStopped")] == [1, 1]
    assert [row["restarts"] for row in supervisor.status()] == [0, 0]


async def test_a_replacement_that_does_not_become_ready_leaves_the_old_one_in_place(world, server, folder):
    source = "import os, sys\nif os.path.exists('broken'): sys.exit('broken')\n" + server()["command"][-1]
    supervisor = world.make({"web": server(instances=2, command=[*server()["command"][:-1], source])})
    await supervisor.start()
    before = supervisor.rotation()
    (folder / "broken").touch()

    with pytest.raises(MainstayError) as told:
        await supervisor.restart("web")

    assert str(told.value).splitlines()[0] == "web-1 did not become ready: exit code 1"
    assert "    broken" in str(told.value).splitlines()
    assert supervisor.rotation() == before
    assert len(supervisor.status()) == 2

    (folder / "broken").unlink()
    await supervisor.restart("web")

    assert [generation for _, generation, _ in world.rotation()] == [3, 2]


async def test_the_old_one_may_crash_while_its_replacement_starts(world, server):
    supervisor = world.make({"web": server(restart={"delay": "1h", "cap": "1h"})})
    await supervisor.start()
    old = world.row("web-1")["pid"]
    ready = asyncio.Event()

    async def probe(service, host, port):
        await ready.wait()
        return ProbeResult(ok=True, said="HTTP 200", seconds=0.0)

    world.probe = probe
    restarting = asyncio.ensure_future(supervisor.restart("web"))
    await world.until(lambda: world.rows(generation=2))

    os.kill(old, signal.SIGKILL)
    await world.until(lambda: world.rows(state="crash loop"))
    ready.set()
    await restarting

    assert world.rotation() == [("web-1", 2, "up")]
    assert len(supervisor.status()) == 1


async def test_stop_in_the_middle_of_a_restart_stops_both(world, server):
    supervisor = world.make({"web": server(drain="1h")})
    await supervisor.start()
    world.gate.empty.clear()
    restarting = asyncio.ensure_future(supervisor.restart("web"))
    await world.until(lambda: world.rows(state="draining"))

    stopping = asyncio.ensure_future(supervisor.stop())
    with pytest.raises(Refused):
        await restarting
    world.gate.empty.set()
    await stopping

    assert {row["state"] for row in supervisor.status()} == {"stopped"}
    assert len(supervisor.status()) == 2


async def test_a_restart_goes_on_when_the_one_who_asked_goes_away(world, server):
    supervisor = world.make({"web": server()})
    await supervisor.start()
    asking = asyncio.ensure_future(supervisor.restart("web"))
    await world.until(lambda: world.rows(generation=2))

    asking.cancel()
    await asyncio.wait([asking])
    await world.until(lambda: world.rotation() == [("web-1", 2, "up")])

    assert len(supervisor.status()) == 1


async def test_one_change_of_a_service_at_a_time(world, server):
    supervisor = world.make({"web": server()})
    await supervisor.start()
    world.gate.empty.clear()
    restarting = asyncio.ensure_future(supervisor.restart("web"))
    await world.until(lambda: world.rows(state="draining"))

    with pytest.raises(Refused, match="web is being restarted: wait until that is done"):
        await supervisor.scale("web", 3)

    world.gate.empty.set()
    await restarting
    await supervisor.scale("web", 2)
    assert len(world.rotation()) == 2


async def test_a_service_in_a_crash_loop_can_be_restarted(world, server):
    supervisor = world.make({"web": server(restart={"delay": "1h", "cap": "1h"})})
    await supervisor.start()
    os.kill(world.row("web-1")["pid"], signal.SIGKILL)
    await world.until(lambda: world.row("web-1")["state"] == "crash loop")

    await supervisor.restart("web")

    assert world.rotation() == [("web-1", 2, "up")]


async def test_there_must_be_such_a_service(world, server):
    supervisor = world.make({"web": server()})

    with pytest.raises(MainstayError, match="no service 'wbe': there are web"):
        await supervisor.restart("wbe")
    with pytest.raises(MainstayError, match="no service 'wbe': there are web"):
        await supervisor.scale("wbe", 2)


# Scaling


async def test_scaling_up_and_down(world, server):
    supervisor = world.make({"web": server(instances=2)})
    await supervisor.start()

    await supervisor.scale("web", 4)

    assert [name for name, *_ in world.rotation()] == ["web-1", "web-2", "web-3", "web-4"]

    await supervisor.scale("web", 1)

    assert world.rotation() == [("web-1", 1, "up")]
    assert len(supervisor.status()) == 1
    assert sorted(name for name, *_ in world.gate.asked) == ["web-2", "web-3", "web-4"]
    assert world.state.scale == {"web": (1, 2)}


async def test_scaling_up_to_what_cannot_start_leaves_it_as_it_was(world, server):
    source = "import os, sys\nif os.environ['MAINSTAY_INSTANCE'] == 'web-3': sys.exit(9)\n"
    supervisor = world.make(
        {"web": server(command=[*server()["command"][:-1], source + server()["command"][-1]])}
    )
    await supervisor.start()
    await supervisor.scale("web", 2)

    with pytest.raises(MainstayError, match="web-3 did not become ready: exit code 9"):
        await supervisor.scale("web", 3)

    assert [name for name, *_ in world.rotation()] == ["web-1", "web-2"]
    assert len(supervisor.status()) == 2
    assert world.state.scale == {"web": (2, 1)}


@pytest.mark.parametrize("count", [0, -1, 1001])
async def test_a_number_that_cannot_be_is_refused(world, server, count):
    supervisor = world.make({"web": server()})

    with pytest.raises(SpecError, match=f"instances of web must be 1 to 1000, not {count}"):
        await supervisor.scale("web", count)


# Adoption


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
    os.waitpid(pid, 0)

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
    os.waitpid(pid, 0)

    supervisor = world.make(services)
    await supervisor.start()

    assert world.rotation() == [("web-1", 1, "up")]
    (world.folder / "broken").unlink()
    await world.until(lambda: len(world.rotation()) == 2)


async def test_logs_are_kept_small(world, python, monkeypatch):
    monkeypatch.setattr("mainstay.supervisor.supervisor._LOOK_AT_LOGS", 0.01)
    source = "import time\nfor n in range(1000): print(n, flush=True)\ntime.sleep(1000)"
    supervisor = world.make(
        {"job": {"command": python(source), "instances": 1, "logs": {"size": "1KB", "keep": 1}}}
    )

    await supervisor.start()
    log = world.rundir.log("job-1")
    async with asyncio.timeout(10):
        while not log.with_name("job-1.log.1").exists():
            await asyncio.sleep(0.01)

    assert log.stat().st_size < 1000


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
