import asyncio
import os
import signal

import pytest

from mainstay.base.errors import MainstayError
from mainstay.base.probe import ProbeResult


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


async def test_a_check_that_never_answers_is_given_up(world, server, monkeypatch):
    async def probe(service, host, port):
        await asyncio.Event().wait()

    monkeypatch.setattr("mainstay.supervisor.watch._GRACE", 0.0)
    supervisor = world.make({"web": server(ready_within="200ms", health={"timeout": "10ms"})})
    world.probe = probe

    with pytest.raises(MainstayError, match="last health check: no answer within 10ms"):
        await supervisor.start()


async def test_a_lack_of_descriptors_does_not_end_the_watching(world, server, monkeypatch):
    def refuse(pid):
        looks.append(pid)
        world.supervisor._context.wake()
        raise OSError(24, "Too many open files")

    looks = []
    supervisor = world.make({"web": server(health={"every": "10ms"})})
    await supervisor.start()

    monkeypatch.setattr("mainstay.supervisor.procfs.stat", refuse)
    await world.until(lambda: len(looks) > 2)
    monkeypatch.undo()

    os.kill(world.row("web-1")["pid"], signal.SIGSTOP)
    await world.until(lambda: world.row("web-1")["state"] == "frozen")


async def test_without_checks_a_frozen_instance_is_seen_all_the_same(world, server, monkeypatch):
    monkeypatch.setattr("mainstay.supervisor.watch._UNCHECKED_EVERY", 0.01)
    supervisor = world.make({"web": server(health="off")})
    await supervisor.start()
    supervisor._begin_to_end()  # from here on no SIGCHLD is heard

    os.kill(world.row("web-1")["pid"], signal.SIGSTOP)

    await world.until(lambda: world.row("web-1")["state"] == "frozen")
