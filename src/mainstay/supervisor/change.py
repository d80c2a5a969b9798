"""Changing services while they run: one change of a service at a time, and none is left half done."""

import asyncio
from collections.abc import Awaitable, Callable

from mainstay.base.errors import Refused
from mainstay.supervisor.context import Context

Change = Callable[[], Awaitable[None]]


class Changes:
    """The changes that are being made."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._busy: dict[str, str] = {}
        self.open = False
        """Whether changes are taken; not before the system has been started."""

    async def make(self, service: str, done: str, change: Change) -> None:
        """Change a service, and wait for it; whoever waits may go away, and the change goes on.

        Args:
            service: Its name.
            done: What is done to it, for people: `restarted`.
            change: Does it.

        Raises:
            Refused: the service is being changed already, or the system is being started or stopped.
            Exception: whatever the change raises.
        """
        context = self._context
        context.refuse_when_ending()
        if not self.open:
            raise Refused(f"{context.system.name} is still being started", retry_after=1.0)
        if service in self._busy:
            raise Refused(
                f"{service} is being {self._busy[service]}: wait until that is done", retry_after=1.0
            )
        self._busy[service] = done
        outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        context.start(self._make(service, change, outcome))
        await outcome

    async def _make(self, service: str, change: Change, outcome: asyncio.Future[None]) -> None:
        problem: Exception | None = None
        try:
            await change()
        except asyncio.CancelledError:
            problem = Refused(f"{self._context.system.name} is being stopped")
            raise
        except Exception as found:  # noqa: BLE001 - whoever asked is told
            problem = found
        finally:
            del self._busy[service]
            _tell(outcome, problem)


def _tell(outcome: asyncio.Future[None], problem: Exception | None) -> None:
    if outcome.done():
        return  # whoever asked has gone away
    if problem is None:
        outcome.set_result(None)
    else:
        outcome.set_exception(problem)
