"""What all runners of one supervisor share: the means they work with, and waiting for one another."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from mainstay.base.clock import Clock
from mainstay.base.dice import Dice
from mainstay.base.errors import EnvironmentProblem, Refused
from mainstay.base.facts import Emit
from mainstay.supervisor.life import Gate, Probe
from mainstay.supervisor.port import Ports
from mainstay.supervisor.rundir import RunDir
from mainstay.supervisor.state import State
from mainstay.system.schema import System


@dataclass(slots=True, kw_only=True, eq=False)
class Context:
    """The means of one supervisor."""

    system: System
    rundir: RunDir
    state: State
    probe: Probe
    gate: Gate
    clock: Clock
    dice: Dice
    emit: Emit
    ports: Ports
    ending: bool = False
    """Whether the system is being stopped or let go: nothing new begins any more."""
    quiet: bool = False
    """Whether the gateway is not told anything now, because what there is to tell is not whole yet."""
    problem: str | None = None
    """Why the state could not be written last time; None when it could."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _waiters: set[asyncio.Future[None]] = field(default_factory=set)

    def save(self) -> None:
        """Write the state down; a full disk is told by `problem` and stops nobody."""
        try:
            self.state.save()
            self.problem = None
        except EnvironmentProblem as problem:
            self.problem = str(problem)

    def publish(self) -> None:
        """Tell the gateway that the rotation changed."""
        if self.quiet:
            return
        try:
            self.gate.publish()
        except Exception as problem:  # noqa: BLE001 - whatever ails the gateway, instances must be tended
            self.complain("the gateway could not be told", problem)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something on the side; a bug in it is told through the event loop's exception handler."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def cancel_all(self) -> None:
        """End all that is done on the side."""
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def wake(self) -> None:
        """Let all who wait look again, because something has changed."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def complain(self, what: str, problem: BaseException) -> None:
        """Tell of a bug or a broken neighbour through the event loop's exception handler, and go on."""
        asyncio.get_running_loop().call_exception_handler(
            {"message": f"supervisor: {what}", "exception": problem}
        )

    async def until(self, holds: Callable[[], bool], *, to_the_end: bool = False) -> None:
        """Wait until something holds.

        Args:
            holds: Asked again after each change.
            to_the_end: Go on waiting while the system is being stopped.

        Raises:
            Refused: the system is being stopped.
        """
        while True:
            if not to_the_end:
                self.refuse_when_ending()
            if holds():
                return
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)

    def refuse_when_ending(self) -> None:
        """Begin nothing new in a system that is being stopped.

        Raises:
            Refused: it is being stopped.
        """
        if self.ending:
            raise Refused(f"{self.system.name} is being stopped")

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            self.complain("something failed that must not", problem)
