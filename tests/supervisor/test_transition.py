import asyncio
import os
import signal

import pytest

from mainstay.base.errors import EnvironmentProblem, MainstayError, Refused
from mainstay.base.probe import ProbeResult
from mainstay.system.difference import difference


class Turn:
    """The gateway's part: writes down what it is asked, and what the rotation is then."""

    def __init__(self, world):
        self.world = world
        self.told = []
        self.fails_at = None
        self.on_switch = lambda: None

    def _tell(self, what, *more):
        self.told.append((what, *more))
        if self.fails_at == what:
            raise EnvironmentProblem(f"cannot {what}")

    def begin(self):
        self._tell("begin")

    def show(self, ready):
        self._tell("show", *sorted(ready))

    def prepare(self):
        self._tell("prepare")

    async def switch(self):
        self._tell("switch")
        self.on_switch()

    async def undo(self):
        self._tell("undo")

    def end(self):
        self._tell("end")

    @property
    def steps(self):
        return [step for step, *_ in self.told]


@pytest.fixture
def turn(world):
    return Turn(world)


@pytest.fixture
def become(world, turn):
    """Have the supervisor become another system."""

    async def become(services, **more):
        supervisor = world.supervisor
        after = world.system(services, **more)
        change = difference(supervisor._context.system, after, supervisor.stale(after))
        await supervisor.change(change, turn)
        return change

    return become


def pids(world):
    return {row["instance"]: row["pid"] for row in world.supervisor.status()}


def end(pid):
    """End a child that nobody watches any more."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


OTHER = "http://127.0.0.1:18081"


async def test_what_is_treated_otherwise_keeps_its_processes(world, server, become, turn):
    supervisor = world.make({"web": server(instances=2)})
    await supervisor.start()
    before = pids(world)

    await become({"web": server(instances=2, ready_within="5s", drain="1s", hold=0)})

    assert pids(world) == before
    assert turn.steps == ["begin", "prepare", "switch", "end"]
    assert supervisor._context.system.services["web"].hold == 0
    os.kill(before["web-1"], signal.SIGKILL)
    await world.until(lambda: world.rows(instance="web-1", state="up", generation=2))


async def test_new_services_start_in_the_order_of_needs_and_are_shown_when_they_are_ready(
    world, server, become, turn
):
    supervisor = world.make({"web": server()})
    await supervisor.start()
    before = pids(world)
    turn.show = lambda ready: turn.told.append(
        ("show", *sorted(ready), [row["instance"] for row in world.rows(state="up")])
    )

    await become(
        {
            "web": server(),
            "front": server(listen=OTHER, needs=["back"]),
            "back": {**server(), "listen": "http://127.0.0.1:18082"},
        }
    )

    assert turn.told == [
        ("begin",),
        ("show", "back", ["web-1", "back-1"]),
        ("show", "back", "front", ["web-1", "front-1", "back-1"]),
        ("prepare",),
        ("switch",),
        ("end",),
    ]
    assert pids(world)["web-1"] == before["web-1"]
    assert list(supervisor._services) == ["web", "front", "back"]


async def test_what_is_started_otherwise_is_replaced_and_never_fewer_are_ready(world, server, become):
    supervisor = world.make({"web": server(instances=2)})
    await supervisor.start()
    before, seen = pids(world), []
    world.gate.on_publish = lambda: seen.append(sum(state == "up" for *_, state in world.gate.published[-1]))

    await become({"web": server(instances=2, env={"RELEASE": "two"})})

    assert min(seen) == 2
    assert not set(before.values()) & set(pids(world).values())
    assert supervisor.stale(supervisor._context.system) == []
    assert not any(row["outdated"] for row in supervisor.status())


async def test_with_more_instances_they_are_there_before_the_switch_and_with_fewer_they_go_after_it(
    world, server, become, turn
):
    await world.make({"web": server(instances=2)}).start()
    counts = []
    turn.on_switch = lambda: counts.append(len(world.rows(state="up")))

    await become({"web": server(instances=3)})
    await become({"web": server(instances=1)})

    assert counts == [3, 3]
    assert [row["instance"] for row in world.supervisor.status()] == ["web-1"]


async def test_what_is_removed_is_drained_after_the_switch_and_stopped(world, server, become, turn):
    supervisor = world.make({"web": server(), "old": server(listen=OTHER)})
    await supervisor.start()
    world.gate.empty.clear()
    changing = asyncio.ensure_future(become({"web": server()}))
    await world.until(lambda: world.gate.asked)

    draining = [(life.instance, life.state) for life in supervisor.rotation()]
    steps = list(turn.steps)
    world.gate.empty.set()
    await changing

    assert draining == [("web-1", "up"), ("old-1", "draining")]
    assert steps == ["begin", "prepare", "switch"]
    assert [row["instance"] for row in supervisor.status()] == ["web-1"]
    with pytest.raises(MainstayError, match="no service 'old'"):
        await supervisor.restart("old")


async def test_when_a_new_service_does_not_become_ready_all_is_as_it_was(world, server, python, become, turn):
    supervisor = world.make({"web": server(instances=2)})
    await supervisor.start()
    before = pids(world)

    with pytest.raises(MainstayError) as told:
        await become(
            {
                "web": server(instances=2, env={"RELEASE": "two"}),
                "bad": {"command": python("print('no'); raise SystemExit(3)"), "listen": OTHER},
            }
        )

    assert str(told.value).splitlines()[0].endswith("did not become ready: exit code 3")
    assert turn.steps == ["begin", "undo", "end"]
    assert pids(world) == before
    assert list(supervisor._services) == ["web"]
    assert supervisor.stale(supervisor._context.system) == []
    await supervisor.restart("web")


async def test_when_a_replacement_does_not_become_ready_what_was_replaced_is_so_again(
    world, server, python, become, turn
):
    supervisor = world.make({"a": server(), "b": server(listen=OTHER)})
    await supervisor.start()
    before = pids(world)

    with pytest.raises(MainstayError, match="b-1 did not become ready"):
        await become(
            {
                "a": server(env={"RELEASE": "two"}),
                "b": {**server(listen=OTHER), "command": python("raise SystemExit(3)")},
            }
        )

    now = pids(world)
    assert now["b-1"] == before["b-1"]
    assert now["a-1"] != before["a-1"]
    assert world.row("a-1")["generation"] == 3
    assert not any(row["outdated"] for row in supervisor.status())
    assert len(supervisor.status()) == 2
    assert turn.steps == ["begin", "undo", "end"]


async def test_what_cannot_be_taken_back_is_told_and_the_rest_is_as_it_was(
    world, server, python, become, folder
):
    # The former one starts only once.
    once = f"import os\nif os.path.exists('once'): raise SystemExit(4)\nopen('once', 'w')\n{server()['command'][-1]}"
    supervisor = world.make(
        {"a": {**server(), "command": python(once), "cwd": "."}, "b": server(listen=OTHER)}
    )
    await supervisor.start()

    with pytest.raises(MainstayError) as told:
        await become({"a": server(), "b": {**server(listen=OTHER), "command": python("raise SystemExit(3)")}})

    assert "b-1 did not become ready: exit code 3" in str(told.value)
    assert "it could not be taken back entirely: a-1 did not become ready: exit code 4" in str(told.value)
    assert world.row("a-1")["state"] == "up"
    assert [row["outdated"] for row in supervisor.status()] == [True, False]


@pytest.mark.parametrize("step", ["begin", "show", "prepare"])
async def test_when_the_gateway_cannot_all_is_as_it_was(world, server, become, turn, step):
    supervisor = world.make({"web": server()})
    await supervisor.start()
    before = pids(world)
    turn.fails_at = step

    with pytest.raises(EnvironmentProblem, match=f"cannot {step}"):
        await become({"web": server(hold=0), "more": server(listen=OTHER)})

    assert pids(world) == before
    assert ("undo" in turn.steps) is (step != "begin")
    assert supervisor._context.system.services["web"].hold != 0


async def test_instances_that_do_not_pass_their_new_check_are_left_with_the_old_one(
    world, server, become, turn
):
    supervisor = world.make({"web": server(instances=2)})
    await supervisor.start()
    before = pids(world)

    async def probe(service, host, port):
        well = service.health.path != "/nowhere"
        return ProbeResult(ok=well, said="HTTP 200" if well else "HTTP 404", seconds=0.0)

    world.probe = probe
    with pytest.raises(MainstayError, match="web-1 does not pass its new health check: HTTP 404"):
        await become({"web": server(instances=2, health={"path": "/nowhere", "every": "50ms"})})

    assert pids(world) == before
    assert turn.steps == ["begin", "undo", "end"]


async def test_checks_are_made_by_the_new_definition_at_once(world, server, become):
    supervisor = world.make({"web": server(health={"every": "1h"})})
    await supervisor.start()
    asked, twice = [], asyncio.Event()

    async def probe(service, host, port):
        asked.append(service.health.path)
        if len(asked) > 2:
            twice.set()
        return ProbeResult(ok=True, said="HTTP 200", seconds=0.0)

    world.probe = probe
    await become({"web": server(health={"path": "/well", "every": "20ms"})})
    async with asyncio.timeout(5):
        await twice.wait()

    assert set(asked) == {"/well"}


async def test_what_an_environment_file_holds_is_noticed(world, server, become, folder):
    (folder / "web.env").write_text("RELEASE=one\n")
    supervisor = world.make({"web": server(env_file="web.env"), "other": server(listen=OTHER)})
    await supervisor.start()
    before = pids(world)
    services = {"web": server(env_file="web.env"), "other": server(listen=OTHER)}
    unchanged = supervisor.stale(world.system(services))

    (folder / "web.env").write_text("RELEASE=two\n")
    change = await become(services)

    assert unchanged == []
    assert change.services("replaced") == ["web"]
    now = pids(world)
    assert now["other-1"] == before["other-1"]
    assert now["web-1"] != before["web-1"]


async def test_a_service_without_traffic_is_never_there_twice(world, python, become):
    count = "import os, time\nos.mkdir('lock')\ntry: time.sleep(60)\nfinally: os.rmdir('lock')\n"
    handler = "import signal, sys\nsignal.signal(15, lambda *_: sys.exit())\n"
    job = {"command": python(handler + count), "instances": 1, "restart": "off"}
    await world.make({"job": job}).start()

    await become({"job": {**job, "env": {"RELEASE": "two"}}})

    assert world.row("job-1")["state"] == "up"
    assert world.row("job-1")["generation"] == 2


async def test_one_that_had_ended_for_good_is_started_again_when_it_is_to_be(world, python, become):
    job = {"command": python("pass"), "instances": 1, "restart": "off"}
    await world.make({"job": job}).start(strict=False)
    await world.until(lambda: world.rows(state="stopped"))

    await become({"job": {**job, "command": python("import time; time.sleep(60)"), "restart": {}}})

    assert world.row("job-1")["state"] == "up"


async def test_instances_move_to_other_zones_one_by_one(world, server, become):
    supervisor = world.make({"web": server(instances=2)}, zones=["x", "y"])
    await supervisor.start()
    before = pids(world)

    await become({"web": server(instances=2)}, zones=["x", "z"])

    assert [row["zone"] for row in supervisor.status()] == ["x", "z"]
    now = pids(world)
    assert (now["web-1"] == before["web-1"], now["web-2"] == before["web-2"]) == (True, False)


@pytest.mark.parametrize(("instances", "expected"), [(2, 4), (3, 3)])
async def test_what_was_scaled_by_hand_stays_unless_the_file_says_another_number(
    world, server, become, instances, expected
):
    supervisor = world.make({"web": server(instances=2)})
    await supervisor.start()
    await supervisor.scale("web", 4)

    await become({"web": server(instances=instances, hold=0)})

    assert len(supervisor.status()) == expected
    assert ("web" in world.state.scale) is (instances == 2)


async def test_one_change_at_a_time(world, server, become):
    supervisor = world.make({"web": server(), "other": server(listen=OTHER)})
    await supervisor.start()
    world.gate.empty.clear()
    changing = asyncio.ensure_future(become({"web": server()}))
    await world.until(lambda: world.gate.asked)

    with pytest.raises(Refused, match="shop is being reloaded: wait until that is done"):
        await supervisor.restart("web")
    with pytest.raises(Refused, match="shop is being reloaded"):
        await become({"web": server(hold=0)})
    world.gate.empty.set()
    await changing
    world.gate.empty.clear()
    restarting = asyncio.ensure_future(supervisor.restart("web"))
    await world.until(lambda: len(world.gate.asked) == 2)
    with pytest.raises(Refused, match="web is being restarted: wait until that is done"):
        await become({"web": server(hold=0)})
    world.gate.empty.set()
    await restarting


async def test_before_the_system_has_started_nothing_is_changed(world, server, become):
    supervisor = world.make({"web": server()})
    supervisor.adopt()

    with pytest.raises(Refused, match="shop is still being started"):
        await become({"web": server(hold=0)})


@pytest.mark.parametrize("how", ["stop", "kill", "abandon"])
async def test_it_can_be_ended_in_the_middle_of_a_change(world, server, become, how):
    supervisor = world.make({"web": server(), "old": server(listen=OTHER)})
    await supervisor.start()

    async def never(service, host, port):
        await asyncio.sleep(60)

    world.probe = never
    changing = asyncio.ensure_future(
        become({"web": server(), "more": server(listen="http://127.0.0.1:18082")})
    )
    await world.until(lambda: world.rows(service="more", state="starting"))
    left = [row["pid"] for row in supervisor.status()]
    await getattr(supervisor, how)()

    with pytest.raises(Refused, match="is being stopped"):
        await changing
    if how != "abandon":
        assert supervisor.status() == [] or all(row["pid"] is None for row in supervisor.status())
    for pid in left if how == "abandon" else ():
        end(pid)


async def test_killed_in_the_middle_of_it_the_next_supervisor_has_what_the_file_says(world, server, turn):
    services = {"web": server(instances=2)}
    supervisor = world.make(services)
    await supervisor.start()
    after = world.system({"web": server(instances=2, env={"RELEASE": "two"}), "more": server(listen=OTHER)})
    gate = asyncio.Event()
    world.gate.drained = lambda life, limit: gate.wait()
    changing = asyncio.ensure_future(supervisor.change(difference(supervisor._context.system, after), turn))
    await world.until(lambda: world.rows(instance="web-1", state="draining"))
    was = {(row["instance"], row["generation"]): row["pid"] for row in supervisor.status()}
    # It leaves without a word, as one who is killed does.
    await supervisor.abandon()
    changing.cancel()
    with pytest.raises((asyncio.CancelledError, Refused)):
        await changing

    world.make({"web": server(instances=2, env={"RELEASE": "two"}), "more": server(listen=OTHER)})
    await world.supervisor.start()
    await world.until(lambda: len(world.supervisor.status()) == 3)

    now = {(row["instance"], row["generation"]): row["pid"] for row in world.supervisor.status()}
    assert now["web-1", 2] == was["web-1", 2]
    assert now["web-2", 1] == was["web-2", 1]
    assert now["more-1", 1] == was["more-1", 1]
    assert world.supervisor.stale(world.supervisor._context.system) == ["web"]
