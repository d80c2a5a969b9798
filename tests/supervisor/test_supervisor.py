import asyncio
import threading

import pytest

from mainstay.base.errors import EnvironmentProblem, MainstayError, Refused, SpecError
from mainstay.base.probe import ProbeResult


async def test_a_service_is_started_and_in_rotation_when_start_returns(world, server):
    supervisor = world.make({"web": server(instances=2)}, zones=["a", "b"])

    await supervisor.start()

    assert world.rotation() == [("web-1", 1, "up"), ("web-2", 1, "up")]
    assert [(row["state"], row["zone"]) for row in supervisor.status()] == [("up", "a"), ("up", "b")]
    assert {row["port"] for row in supervisor.status()} == {life.port for life in supervisor.rotation()}
    assert [life.host for life in supervisor.rotation()] == ["127.0.0.1"] * 2
    assert world.gate.published[-1] == world.rotation()


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


async def test_nothing_is_changed_while_the_system_starts(world, server):
    supervisor = world.make({"web": server()})

    with pytest.raises(Refused, match="shop is still being started"):
        await supervisor.scale("web", 2)


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


async def test_kill_does_not_wait_for_anything(world, server, stubborn):
    supervisor = world.make({"web": server(command=stubborn, stop_timeout="1h", drain="1h")})
    await supervisor.start()
    world.gate.empty.clear()
    stopping = asyncio.ensure_future(supervisor.stop())
    await world.until(lambda: world.gate.asked)

    await supervisor.kill()

    await stopping
    assert world.row("web-1")["state"] == "stopped"


async def test_after_a_stop_nothing_is_remembered(world, server):
    supervisor = world.make({"web": server()})
    await supervisor.start()
    await supervisor.scale("web", 2)

    await supervisor.stop()
    world.make({"web": server()})

    assert (world.state.lives, world.state.instances, world.state.scale) == ([], {}, {})
    assert world.trouble is None


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
    await world.until(lambda: len(supervisor.status()) == 1 and not world.rows(generation=1))

    assert world.rotation() == [("web-1", 2, "up")]


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


async def test_there_must_be_such_a_service(world, server):
    supervisor = world.make({"web": server()})

    with pytest.raises(MainstayError, match="no service 'wbe': there are web"):
        await supervisor.restart("wbe")
    with pytest.raises(MainstayError, match="no service 'wbe': there are web"):
        await supervisor.scale("wbe", 2)


@pytest.mark.parametrize("count", [0, -1, 1001])
async def test_a_number_that_cannot_be_is_refused(world, server, count):
    supervisor = world.make({"web": server()})

    with pytest.raises(SpecError, match=f"instances of web must be 1 to 1000, not {count}"):
        await supervisor.scale("web", count)


async def test_logs_are_kept_small(world, python, monkeypatch):
    monkeypatch.setattr("mainstay.supervisor.supervisor._LOOK_AT_LOGS", 0.01)
    source = "import time\nfor n in range(1000): print(n, flush=True)\ntime.sleep(1000)"
    logs = {"size": "1KB", "keep": 1}
    supervisor = world.make(
        {"job": {"command": python(source), "instances": 1, "logs": logs}, "other": {"command": "sleep 1000"}}
    )

    await supervisor.start()
    log = world.rundir.log("job-1")
    async with asyncio.timeout(10):
        while not log.with_name("job-1.log.1").exists():  # noqa: ASYNC110 - a file appears without a word
            await asyncio.sleep(0.01)

    assert log.stat().st_size < 1000
    world.state.lives[0].log_from = 7
    supervisor._begin_logs_anew("job-1")
    assert world.state.lives[0].log_from == 0


async def test_a_bug_in_a_change_is_told_to_whoever_asked(world, server, monkeypatch):
    async def fail(self, *how):
        raise LookupError("bug")

    monkeypatch.setattr("mainstay.supervisor.replicas.Replicas.roll", fail)
    supervisor = world.make({"web": server()})
    await supervisor.start()

    with pytest.raises(LookupError, match="bug"):
        await supervisor.restart("web")

    await supervisor.scale("web", 2)


def test_outside_of_the_main_thread_it_works_as_well(world, server):
    async def live():
        supervisor = world.make({"web": server()})
        await supervisor.start()
        states = [row["state"] for row in supervisor.status()]
        await supervisor.stop()
        return states

    states = []
    thread = threading.Thread(target=lambda: states.extend(asyncio.run(live())))
    thread.start()
    thread.join()

    assert states == ["up"]
    world.former.clear()


async def test_no_room_for_a_copy_of_a_log_stops_nobody(world, python, monkeypatch):
    tried = asyncio.Event()
    loop = asyncio.get_running_loop()

    def full(log, size, keep):
        loop.call_soon_threadsafe(tried.set)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mainstay.supervisor.supervisor._LOOK_AT_LOGS", 0.01)
    monkeypatch.setattr("mainstay.supervisor.supervisor.rotate", full)
    source = "import time; print('x' * 2000, flush=True); time.sleep(1000)"
    supervisor = world.make(
        {"job": {"command": python(source), "instances": 1, "logs": {"size": "1KB", "keep": 1}}}
    )

    await supervisor.start()
    async with asyncio.timeout(10):
        await tried.wait()

    assert world.row("job-1")["state"] == "up"
