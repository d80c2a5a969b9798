"""A fault that others bring, in the process that holds it.

``python -m mainstay.drill.fault.plugged ORDER`` undoes one whose holder was killed.
"""

import asyncio
import contextlib
import json
import sys
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mainstay.base.errors import SpecError
from mainstay.base.program import module
from mainstay.drill.fault.grip import Failed, Grip, Order
from mainstay.drill.fault.intent import Intent
from mainstay.drill.fault.plug import Site, plug, why

if TYPE_CHECKING:
    from mainstay.drill.injection import Injection

BEGIN = 10.0
"""Seconds that a fault has to prepare, and then to begin."""
END = 30.0
"""Seconds that it has to end."""
_T = TypeVar("_T")


class Plugged(Grip):
    """What an entry point gives, with an event loop of its own that runs all the time."""

    def __init__(self, order: Order, intent: Intent) -> None:
        super().__init__(order, intent)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._injection: Injection | None = None
        self._trouble = ""
        self._renewed = 0.0
        try:
            self._injection = _injection(order)
            self._do(self._injection.prepare(), BEGIN)
        except Failed as problem:
            self._trouble = str(problem)

    def take(self) -> str:
        """Have it begin."""
        if self._injection is None or self._trouble:
            raise Failed(self._trouble)
        told = json.dumps(self.order._asdict())
        self.intent.add({"run": module("mainstay.drill.fault.plugged", told)})
        self._renewed = time.monotonic()
        evidence = self._do(self._injection.begin(), BEGIN)
        return str(evidence or "")

    def look(self) -> None:
        """Tell it that it is still wanted."""
        if self._injection is not None and time.monotonic() - self._renewed > self.order.lease / 3:
            self._renewed = time.monotonic()
            with contextlib.suppress(Failed):  # it ends by itself then, which shows
                self._do(self._injection.renew(), BEGIN)

    def release(self) -> list[str]:
        """Have it end."""
        if self._injection is None:
            return []
        try:
            self._do(self._injection.end(), END)
        except Failed as problem:
            return [str(problem)]
        self.intent.forget()
        return []

    def _do(self, what: Coroutine[Any, Any, _T], limit: float) -> _T:
        """Have its loop do something.

        Raises:
            Failed: it raised, or took too long.
        """
        doing = asyncio.run_coroutine_threadsafe(what, self._loop)
        try:
            return doing.result(limit)
        except TimeoutError as problem:
            raise Failed(why(problem) if doing.done() else f"not done within {limit:g} s") from problem
        except Exception as problem:  # other people's code: whatever it raises
            raise Failed(why(problem)) from problem
        finally:
            doing.cancel()


def _injection(order: Order) -> "Injection":
    try:
        site = Site(
            fault=order.fault,
            instances=tuple(order.targets),
            run_dir=Path(order.run_dir),
            lease=order.lease,
            parameters=order.parameters,
            **order.site,
        )
        return plug(order.fault).injection(site)
    except SpecError as problem:
        raise Failed(str(problem)) from problem
    except Exception as problem:  # other people's code: whatever it raises
        raise Failed(why(problem)) from problem


def main(argv: list[str] | None = None) -> int:
    """Undo what was begun by a process that is no more; give the exit code."""
    (told,) = sys.argv[1:] if argv is None else argv
    order = Order(**json.loads(told))
    try:
        asyncio.run(asyncio.wait_for(_injection(order).end(), END))
    except Exception as problem:  # noqa: BLE001 - other people's code: whatever it raises
        sys.stderr.write(f"{why(problem)}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
