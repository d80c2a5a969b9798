import asyncio
import os
import signal

import pytest

from mainstay.base.errors import MainstayError
from mainstay.base.probe import ProbeResult


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


async def test_a_service_in_a_crash_loop_can_be_restarted(world, server):
    supervisor = world.make({"web": server(restart={"delay": "1h", "cap": "1h"})})
    await supervisor.start()
    os.kill(world.row("web-1")["pid"], signal.SIGKILL)
    await world.until(lambda: world.row("web-1")["state"] == "crash loop")

    await supervisor.restart("web")

    assert world.rotation() == [("web-1", 2, "up")]


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


async def test_a_failed_scaling_of_a_service_that_was_never_scaled_leaves_no_trace(world, server):
    source = "import os, sys\nif os.environ['MAINSTAY_INSTANCE'] == 'web-2': sys.exit(9)\n"
    supervisor = world.make(
        {"web": server(command=[*server()["command"][:-1], source + server()["command"][-1]])}
    )
    await supervisor.start()

    with pytest.raises(MainstayError, match="web-2 did not become ready: exit code 9"):
        await supervisor.scale("web", 2)

    assert world.state.scale == {}
