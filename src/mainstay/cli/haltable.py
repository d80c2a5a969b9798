"""How commands that break something end early: by being cancelled, so that all of it is mended."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


async def haltable(run: Coroutine[Any, Any, _T]) -> _T:
    """Run it; a signal cancels it, which mends all that is broken."""
    task = asyncio.ensure_future(run)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await task
