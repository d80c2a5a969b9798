"""Three systems, one load, one killed instance each: what redundancy, fault tolerance and reliability are worth.

============== =========== ======== =================================================================
system         instances   failover what has to come out
============== =========== ======== =================================================================
redundant      2           none     half of the requests fail until the dead instance is back
fault tolerant 2           yes      none fails
reliable       1           -        all fail until the only instance is back
============== =========== ======== =================================================================

All three run the same service under the same schedule of requests at the same time, and each loses its
first instance by SIGKILL at the same moment. Every figure is counted from the users' side of the gateway.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mainstay.base.dice import Dice
from mainstay.base.errors import EnvironmentProblem
from mainstay.base.program import module
from mainstay.drill.load.record import Head, Record, read
from mainstay.drill.load.tally import Fault, Tally, tally
from mainstay.drill.stage.stage import RUN_DIR, Ask, Stage, running
from mainstay.supervisor.port import Port, Ports
from mainstay.supervisor.rundir import RunDir
from mainstay.system.load import load

RATE = 200.0
"""Requests per second to each of the three systems."""
SECONDS = 14.0
"""How long users keep coming."""
KILL_AT = 4.0
"""Seconds after the first request at which one instance of each system is killed."""
BOOT = 3.0
"""Seconds the service takes to start, as many real ones do: the time in which failover has to prove itself."""
_LEAD = 1.5
_PATIENCE = 20.0
_TOLD = ("starting", "up")
"""What users are told of the ways of a system; that it ends, they see."""

_FILE = """\
name: {name}
gateway: {{ workers: 1 }}
services:
  shop:
    command: [{python}, -m, mainstay.drill.demo.service]
    instances: {instances}
    listen: http://127.0.0.1:{port}
    idempotency: service            # orders carry a key, and the shop knows the ones it has had
    env: {{ BOOT: {boot}s, JOURNAL: {journal} }}
"""
_NO_FAILOVER = """\
    balance: round_robin
    health: off                     # nobody looks whether an instance is there,
    failover: off                   # a dead one stays in rotation,
    retry: off                      # nothing is tried elsewhere,
    outlier: off                    # and nobody learns from failures
    breaker: off
"""
_FAILOVER = """\
    health: { path: /healthz }      # all else is what Mainstay does unless told
"""
_NO_WAIT = """\
    wait: 0                         # and nobody waits for one to come back
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One of the three systems."""

    name: str
    title: str
    instances: int
    failover: bool
    waits: bool = True
    """Whether requests wait for an instance while there is none."""
    least: float
    """The least share of the requests during the fault that has to fail for the point to be made."""
    most: float
    """The greatest."""
    because: str
    """Why it comes out as it does."""

    def file(self, port: int, journal: Path) -> str:
        """Write its system file."""
        text = _FILE.format(
            name=self.name,
            python=json.dumps(sys.executable),
            instances=self.instances,
            port=port,
            boot=BOOT,
            journal=json.dumps(str(journal)),
        )
        text += _FAILOVER if self.failover else _NO_FAILOVER
        return text if self.waits else text + _NO_WAIT


PLANS = (
    Plan(
        name="redundant",
        title="redundant only",
        instances=2,
        failover=False,
        least=0.35,
        most=0.65,
        because="There are two instances, but nobody looks which one is alive: every second request"
        " still goes to the dead one.",
    ),
    Plan(
        name="tolerant",
        title="fault tolerant",
        instances=2,
        failover=True,
        least=0.0,
        most=0.0,
        because="The gateway knew of the death at once, sent everything to the other instance, and"
        " repeated there what was safe to repeat.",
    ),
    Plan(
        name="reliable",
        title="reliable only",
        instances=1,
        failover=True,
        waits=False,
        least=0.9,
        most=1.0,
        because="It seldom fails and is restarted at once, but while it starts there is nobody else to answer.",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What users of one system saw."""

    plan: Plan
    tally: Tally
    repair: float
    """Seconds from the kill until the instance was back."""
    during: int
    """Requests intended to start in that time."""
    during_failed: int
    doubled: int
    """Orders that were carried out more than once."""

    @property
    def share(self) -> float:
        """The share of the requests during the fault that failed."""
        return self.during_failed / self.during if self.during else 0.0

    @property
    def as_expected(self) -> bool:
        """Whether it came out as it has to, and nothing failed outside of the fault."""
        plan, seen = self.plan, self.tally
        outside = seen.failed - self.during_failed
        # A request on its way at the kill was meant to start before it.
        on_its_way = 0 if plan.most == 0 else RATE * 0.05
        return plan.least <= self.share <= plan.most and outside <= on_its_way and not self.doubled

    def record(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {
            "system": self.plan.name,
            "instances": self.plan.instances,
            "as_expected": self.as_expected,
            "repair": self.repair,
            "during": {"sent": self.during, "failed": self.during_failed},
            "doubled": self.doubled,
            "users": self.tally.record(),
        }


Tell = Callable[[str, dict[str, Any]], None]


async def run(folder: Path, ask: Ask, tell: Tell) -> list[Result]:
    """Run the three systems in `folder`, and leave nothing running.

    Args:
        folder: An empty folder for system files, journals and records.
        ask: Asks a running system.
        tell: Told of news, as in `tell("tolerant", {"event": "second", ...})`, while it goes on.

    Raises:
        EnvironmentProblem: a system or the load could not be started.
    """
    ports = Ports(Dice(time.time_ns()))
    all_up = asyncio.Barrier(len(PLANS))
    try:
        async with asyncio.TaskGroup() as group:
            playing = [
                group.create_task(_Play(plan, folder / plan.name, ask, tell).run(ports.reserve(), all_up))
                for plan in PLANS
            ]
    except ExceptionGroup as problems:
        raise _first_of(problems) from None
    return [each.result() for each in playing]


class _Play:
    """One of the three systems while it runs."""

    def __init__(self, plan: Plan, home: Path, ask: Ask, tell: Tell) -> None:
        self._plan = plan
        self._home = home
        self._ask = ask
        self._tell = tell

    async def run(self, port: Port, all_up: asyncio.Barrier) -> Result:
        """Run it at a port that is given back at the end, and play when all are up."""
        with contextlib.ExitStack() as held:
            held.callback(port.release)
            self._home.mkdir()
            file = self._home / "mainstay.yaml"
            file.write_text(self._plan.file(port.number, self._home / "orders"))
            stage = Stage(load(file), RunDir(self._home / RUN_DIR), self._ask, live=False)
            async with running(stage.system, stage.run, self._news, remove=True):
                await all_up.wait()
                return await self._play(stage, port.number, time.monotonic() + _LEAD)

    def _news(self, news: dict[str, Any]) -> None:
        if news["event"] in _TOLD:
            self._tell(self._plan.name, news)

    async def _play(self, stage: Stage, port: int, begin: float) -> Result:
        """Load it, break it, and see."""
        out = self._home / "requests.jsonl"
        users = await asyncio.create_subprocess_exec(
            *module("mainstay.drill.load", "--url", f"http://127.0.0.1:{port}"),
            *(
                "--keyed",
                "--rate",
                str(RATE),
                "--seconds",
                str(SECONDS),
                "--at",
                str(begin),
                "--out",
                str(out),
            ),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(SECONDS + _LEAD + _PATIENCE), asyncio.TaskGroup() as group:
                breaking = group.create_task(self._break(stage, begin + KILL_AT))
                async for news in _lines(users):
                    self._tell(self._plan.name, news)
                killed, back = await breaking
                code = await users.wait()
        except TimeoutError:
            raise EnvironmentProblem(
                f"the demonstration of '{self._plan.name}' did not end in time"
            ) from None
        finally:
            if users.returncode is None:
                users.kill()
                await users.wait()
        if code != 0:
            assert users.stderr is not None
            raise EnvironmentProblem((await users.stderr.read()).decode().strip())
        with out.open(encoding="utf-8") as lines:
            head, records = read(lines)
        return self._result(head, records, killed, back)

    async def _break(self, stage: Stage, at: float) -> tuple[float, float]:
        """Kill the first instance at `at`; give when that was, and when it was back."""
        victim = await _first(stage)
        await asyncio.sleep(at - time.monotonic())
        os.kill(victim["pid"], signal.SIGKILL)
        killed = time.monotonic()
        self._tell(self._plan.name, {"event": "killed", "instance": victim["instance"], "pid": victim["pid"]})
        while True:
            now = await _first(stage)
            if now["generation"] > victim["generation"] and now["state"] == "up":
                back = time.monotonic()
                self._tell(self._plan.name, {"event": "back", "seconds": back - killed})
                return killed, back
            await asyncio.sleep(0.05)

    def _result(self, head: Head, records: list[Record], killed: float, back: float) -> Result:
        fault = Fault(killed - head.monotonic, back - head.monotonic)
        seen = tally(records, [fault])
        orders = [line.split()[0] for line in (self._home / "orders").read_text().splitlines()]
        return Result(
            plan=self._plan,
            tally=seen,
            repair=back - killed,
            during=seen.during.sent,
            during_failed=seen.during.failed,
            doubled=len(orders) - len(set(orders)),
        )


def _first_of(problems: ExceptionGroup) -> Exception:
    first: Exception = problems
    while isinstance(first, ExceptionGroup):
        first = first.exceptions[0]
    return first


async def _first(stage: Stage) -> dict[str, Any]:
    return min(await stage.instances(), key=lambda row: str(row["instance"]))


async def _lines(users: asyncio.subprocess.Process) -> AsyncIterator[dict[str, Any]]:
    assert users.stdout is not None
    async for line in users.stdout:
        yield json.loads(line)
