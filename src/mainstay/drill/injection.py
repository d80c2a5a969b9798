"""Faults while they act: each is begun, renewed, and ended, and tells by what evidence it acted."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from mainstay.base.errors import MainstayError
from mainstay.base.program import module
from mainstay.drill.cell import Cell
from mainstay.drill.fault.grip import Failed, Order
from mainstay.drill.fault.intent import take_back
from mainstay.drill.fault.kind import ACT, PLUGGED, TRAFFIC
from mainstay.drill.stage.renewal import renewed
from mainstay.drill.stage.stage import Stage
from mainstay.supervisor import procfs

_READY = 15.0
_UNDONE = 60.0
_RELOADS = 4
_PAUSE = 0.5
_ENDED = "ended"
"""What the gateway says of a fault that was ended by whoever asked for it."""


class Unconfirmed(Exception):
    """The fault has not done what it should have: nothing can be learnt from it."""


class Injection(Protocol):
    """One fault at one target."""

    async def prepare(self) -> None:
        """Be ready to begin without delay."""
        ...

    async def begin(self) -> str:
        """Do it, and give the evidence that it is done, as far as that is known by now.

        Raises:
            Unconfirmed: it did not act.
        """
        ...

    async def renew(self) -> None:
        """Keep it from ending by itself."""
        ...

    async def end(self) -> str:
        """Undo it; may be called whatever has happened before. Give evidence that is known only now.

        Raises:
            Unconfirmed: it did not act.
        """
        ...


class Held:
    """A fault that a process holds."""

    def __init__(self, order: Order, intent: Path, *, lasts: bool = True) -> None:
        """Be ready to hold it.

        Args:
            order: What.
            intent: The file that its way back is written to.
            lasts: Whether it has to go on until it is ended; otherwise it is over as soon as it is done.
        """
        self._order = order
        self._intent = intent
        self._lasts = lasts
        self._process: asyncio.subprocess.Process | None = None
        self._undone: dict[str, Any] | None = None

    async def prepare(self) -> None:
        """Start the process that will hold it."""
        self._intent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._process = await asyncio.create_subprocess_exec(
            *module("mainstay.drill.fault.hold", json.dumps(self._order._asdict()), str(self._intent)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # Ctrl-C at the terminal is for the drill, which ends the fault in order.
            start_new_session=True,
        )
        # One that does not get ready does not begin either, and says so then.
        with contextlib.suppress(Unconfirmed):
            await self._hear("ready")

    async def begin(self) -> str:
        """Have it act."""
        self._say()
        told = await self._hear("held", "failed")
        if told["event"] == "failed":
            raise Unconfirmed(f"{self._order.fault}: {told['why']}")
        return str(told["evidence"])

    async def renew(self) -> None:
        """Tell that it is still wanted."""
        self._say()

    async def end(self) -> str:
        """Let go of it, and see that all is as it was."""
        process = self._process
        if process is None or self._undone is not None:
            return ""
        assert process.stdin is not None
        early, asked = "", time.monotonic()
        process.stdin.close()
        try:
            self._undone = await self._hear("undone", limit=_UNDONE)
            if self._undone["at"] < asked:
                early = "ended before its time"
        except Unconfirmed:
            # It was killed: what it wrote down is done in its place.
            early = "lost the process that held it"
            if process.returncode is None:
                process.kill()
            self._undone = {"left": await asyncio.to_thread(_undo, self._intent)}
        await process.wait()
        if self._undone["left"]:
            raise MainstayError(f"{self._order.fault} could not be undone: {'; '.join(self._undone['left'])}")
        if early and self._lasts:
            raise Unconfirmed(f"{self._order.fault}: {early}")
        if "why" in self._undone:
            raise Unconfirmed(f"{self._order.fault}: {self._undone['why']}")
        return str(self._undone.get("shown", ""))

    def _say(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        if self._process.returncode is None and not self._process.stdin.is_closing():
            self._process.stdin.write(b"\n")

    async def _hear(self, *events: str, limit: float = _READY) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(limit):
                while line := await self._process.stdout.readline():
                    told: dict[str, Any] = json.loads(line)
                    if told["event"] in events:
                        return told
        except TimeoutError:
            pass
        raise Unconfirmed(f"{self._order.fault}: the process that holds it says nothing")


def _undo(intent: Path) -> list[str]:
    try:
        steps = json.loads(intent.read_text(encoding="utf-8"))["undo"]
    except FileNotFoundError:
        return []
    left = take_back(steps)
    if not left:
        intent.unlink(missing_ok=True)
    return left


class OnTheLegs:
    """A fault that the gateway's workers make of the traffic to instances."""

    def __init__(
        self, stage: Stage, hits: Mapping[str, list[str]], cell: Cell, *, lease: float, seed: int
    ) -> None:
        self._stage = stage
        self._lease = lease
        self._orders = [
            {
                "fault": cell.kind.order,
                "service": service,
                "instances": instances,
                "lease": lease,
                "seed": seed,
                **cell.kind.parameters,
            }
            for service, instances in hits.items()
        ]
        self._ids: list[str] = []

    async def prepare(self) -> None:
        """Nothing has to be ready."""

    async def begin(self) -> str:
        """Ask for it."""
        try:
            for order in self._orders:
                told = await self._stage.post("/v1/faults", order)
                self._ids.append(told["id"])
                if not told["confirmed"]:
                    raise Unconfirmed(f"{told['fault']}: not every gateway worker says that it has begun")
        except MainstayError as problem:
            raise Unconfirmed(str(problem)) from problem
        return ""

    async def renew(self) -> None:
        """Tell that it is still wanted."""
        try:
            for name in self._ids:
                await self._stage.post(f"/v1/faults/{name}/renew", {"lease": self._lease})
        except MainstayError as problem:
            raise Unconfirmed(str(problem)) from problem

    async def end(self) -> str:
        """Let the traffic through again."""
        acted = checks = 0
        early = set()
        while self._ids:
            told = await self._stage.post(f"/v1/faults/{self._ids.pop()}/end", {})
            acted += told["acted"]
            checks += told["checks"]
            if told["ended"] != _ENDED:
                early.add(f"{told['fault']} was over before its time: {told['ended']}")
        if early:
            raise Unconfirmed("; ".join(sorted(early)))
        if not acted and not checks:
            raise Unconfirmed("no traffic was hit by it")
        return f"it acted on {acted} requests, connections or pieces, and {checks} health checks"


def _by_service(stage: Stage, state: dict[str, Any], cell: Cell) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    # Another service may have an instance of the same name, where both are at addresses.
    own = cell.target.service
    for service in [own] if own else stage.system.services:
        its = [row["instance"] for row in state["instances"] if row["service"] == service]
        hit = [name for name in its if name in cell.target.instances]
        if hit and stage.system.listener_of(service) is not None:
            found[service] = hit
    return found


class Operation:
    """Something that an operator does to a running system."""

    def __init__(self, stage: Stage, cell: Cell) -> None:
        self._stage = stage
        self._cell = cell

    async def prepare(self) -> None:
        """Nothing has to be ready."""

    async def begin(self) -> str:
        """Do it, and wait until it is done."""
        try:
            if self._cell.kind.name == "rolling":
                await self._stage.post(f"/v1/services/{self._cell.target.service}/restart", {}, patience=None)
                return f"every instance of {self._cell.target.service} was replaced"
            if self._cell.kind.name == "certificate":
                return await renewed(self._stage)
            for _ in range(_RELOADS):
                await self._stage.post("/v1/reload", {}, patience=None)
                await asyncio.sleep(_PAUSE)
        except (MainstayError, Failed) as problem:
            raise Unconfirmed(str(problem)) from problem
        return f"the system file was read again {_RELOADS} times"

    async def renew(self) -> None:
        """It does not end by itself."""

    async def end(self) -> str:
        """There is nothing to undo."""
        return ""


Make = Callable[[Cell], Injection]


def injection(  # noqa: PLR0913 - the last two by name
    stage: Stage, state: dict[str, Any], cell: Cell, intent: Path, *, lease: float, seed: int
) -> Injection:
    """Give what does the fault of a cell (without what is beside it).

    Args:
        stage: Where.
        state: Its status.
        cell: What.
        intent: The file that its way back is written to.
        lease: Seconds after which it ends by itself.
        seed: Of whatever it does by chance.
    """
    kind = cell.kind
    if kind.means == TRAFFIC:
        return OnTheLegs(stage, _by_service(stage, state, cell), cell, lease=lease, seed=seed)
    if kind.means == ACT:
        return Operation(stage, cell)
    return Held(_order(stage, state, cell, lease, seed), intent, lasts=kind.lasts)


def _order(stage: Stage, state: dict[str, Any], cell: Cell, lease: float, seed: int) -> Order:
    kind, target = cell.kind, cell.target
    parameters = dict(kind.parameters)
    targets, pids, undo = target.instances, [], []
    site = {"target": target.name, "service": target.service, "seed": seed} if kind.means == PLUGGED else {}
    if kind.name == "worker-kill":
        worker = min(state["workers"], key=lambda one: int(one["worker"]))
        targets, pids = (f"gateway-{worker['worker']}",), [worker["pid"]]
    elif kind.name == "supervisor-kill":
        targets, pids, undo = ("the supervisor",), [state["supervisor_pid"]], stage.up()
    elif kind.name == "disk":
        parameters["folder"] = str(stage.system.folder / stage.system.drills.disk[target.service])
        targets = (target.service,)
    elif kind.name == "clock":
        if stage.clocks.folder is None:
            raise MainstayError(stage.clocks.trouble)
        parameters["file"] = str(stage.clocks.folder / target.instances[0])
        health = stage.system.services[target.service].health
        parameters["path"] = (health.path if health is not None else None) or "/"
    return Order(
        fault=kind.name,
        grip=kind.order,
        run_dir=str(stage.run.path),
        targets=targets,
        pids=[(pid, _started(pid)) for pid in pids],
        lease=lease,
        parameters=parameters,
        undo=undo,
        site=site,
    )


def _started(pid: int) -> int:
    now = procfs.stat(pid)
    return now.started if now is not None else 0
