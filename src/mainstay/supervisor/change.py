"""Changing services while they run: one change of a service at a time, and none is left half done."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from mainstay.base.errors import Refused
from mainstay.supervisor.context import Context

Change = Callable[[], Awaitable[None]]


class Changes:
    """The changes that are being made."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._busy: dict[str, str] = {}
        self._all: str | None = None
        self.open = False
        """Whether changes are taken; not before the system has been started."""

    async def make(self, service: str, done: str, change: Change) -> None:
        """Change a service, and wait for it; whoever waits may go away, and the change goes on.

        Args:
            service: Its name.
            done: What is done to it, for people: `restarted`.
            change: Does it.

        Raises:
            Refused: the service or the whole is being changed already, or being started or stopped.
            Exception: whatever the change raises.
        """
        self._refuse_unless_free()
        if service in self._busy:
            raise Refused(
                f"{service} is being {self._busy[service]}: wait until that is done", retry_after=1.0
            )
        self._busy[service] = done
        await self._begin(change, partial(self._busy.pop, service))

    async def make_alone(self, done: str, change: Change) -> None:
        """Change the whole system, with no change of a service beside it; else as `make`.

        Raises:
            Refused: something is being changed already, or the system is being started or stopped.
            Exception: whatever the change raises.
        """
        self.refuse_unless_idle()
        self._all = done
        await self._begin(change, self._free)

    def refuse_unless_idle(self) -> None:
        """Refuse while anything is being changed.

        Raises:
            Refused: something is, or the system is being started or stopped.
        """
        self._refuse_unless_free()
        for service, done in self._busy.items():
            raise Refused(f"{service} is being {done}: wait until that is done", retry_after=1.0)

    def _refuse_unless_free(self) -> None:
        context = self._context
        context.refuse_when_ending()
        if not self.open:
            raise Refused(f"{context.system.name} is still being started", retry_after=1.0)
        if self._all is not None:
            raise Refused(
                f"{context.system.name} is being {self._all}: wait until that is done", retry_after=1.0
            )

    def _free(self) -> None:
        self._all = None

    async def _begin(self, change: Change, over: Callable[[], object]) -> None:
        outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._context.start(self._make(change, over, outcome))
        await outcome

    async def _make(self, change: Change, over: Callable[[], object], outcome: asyncio.Future[None]) -> None:
        problem: Exception | None = None
        try:
            await change()
        except asyncio.CancelledError:
            problem = Refused(f"{self._context.system.name} is being stopped")
            raise
        except Exception as found:  # noqa: BLE001 - whoever asked is told
            problem = found
        finally:
            over()
            _tell(outcome, problem)


def _tell(outcome: asyncio.Future[None], problem: Exception | None) -> None:
    if outcome.done():
        return  # whoever asked has gone away
    if problem is None:
        outcome.set_result(None)
    else:
        outcome.set_exception(problem)
