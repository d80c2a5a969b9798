"""HOT. What one worker has recorded, on its way to a collector: a tuple for each sampled request.

A request costs one append. A thread takes what has gathered, makes spans of it and sends them, and waits for the
collector so that nobody else has to. What may wait is bounded: what does not fit, and what the collector does not take,
is dropped and counted.
"""

import asyncio
import sys
from collections import deque
from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from mainstay.base.clock import Clock
from mainstay.base.facts import Emit, SpanExportBroke, SpanExportMended

if TYPE_CHECKING:
    from mainstay.gateway.otel.courier import Courier

MOST = 4096
"""Requests that may wait: some megabytes."""
BATCH = 128
"""Requests that are sent at once."""
EVERY = 0.5
"""Seconds in which they gather."""
PATIENCE = 2.0
"""Seconds that the collector has at the end."""
TURN = 0.0005
"""Seconds after which the thread lets the worker go on that wants to. Python's own 5 ms would be seen in every
answer meanwhile."""
MISSING = "OpenTelemetry is not installed: pip install 'mainstay[otel]'"


class Outbox:
    """Spans of one worker that are to be sent to one collector."""

    __slots__ = (
        "_clock",
        "_courier",
        "_emit",
        "_end",
        "_loop",
        "_lost",
        "_lost_before",
        "_problem",
        "_said",
        "_sending",
        "_sent",
        "_thread",
        "_waiting",
        "_worker",
        "dropped",
        "to",
    )

    def __init__(
        self, to: tuple[str, str], worker: int, loop: asyncio.AbstractEventLoop, clock: Clock, emit: Emit
    ) -> None:
        """Begin to send.

        Args:
            to: The collector, and the name of the system that spans are told to be of.
            worker: The number of the worker.
            loop: Where facts are told.
            clock: Tells the time.
            emit: Takes facts.
        """
        self.to = to
        self.dropped = 0
        """Spans that did not fit into what may wait."""
        self._worker = worker
        self._loop = loop
        self._clock = clock
        self._emit = emit
        self._waiting: deque[tuple[Any, ...]] = deque()
        self._end = Event()
        # What the thread alone writes: the spans that it sends, that were taken, that were not, and why.
        self._courier: Courier | None = None
        self._sending = 0
        self._sent = 0
        self._lost = 0
        self._problem: str | None = None
        # What was told last: the problem, and how many spans had been lost before it.
        self._said: str | None = None
        self._lost_before = 0
        self._thread = Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    # --- a request tells us ---

    def take(self, journey: tuple[Any, ...]) -> None:
        """Take what was recorded of a request: the values of a `Journey`."""
        if len(self._waiting) < MOST:
            self._waiting.append(journey)
        else:
            self.dropped += _spans(journey)

    # --- the thread ---

    def _run(self) -> None:
        before = sys.getswitchinterval()
        sys.setswitchinterval(TURN)
        ended = False
        with suppress(Exception):  # it is told when there is something to send
            self._courier = self._hired()
        while not ended:
            ended = self._end.wait(EVERY)
            while batch := self._batch():
                self._send(batch)
        if self._courier is not None:
            self._courier.close()
        sys.setswitchinterval(before)

    def _hired(self) -> "Courier":
        # What is imported here takes a third of a second, and memory: nobody else is to pay for it.
        from mainstay.gateway.otel.courier import Courier  # noqa: PLC0415

        return Courier(*self.to, self._worker)

    def _batch(self) -> list[tuple[Any, ...]]:
        waiting = self._waiting
        batch: list[tuple[Any, ...]] = []
        with suppress(IndexError):
            while len(batch) < BATCH:
                batch.append(waiting.popleft())
        return batch

    def _send(self, batch: list[tuple[Any, ...]]) -> None:
        self._sending = sum(map(_spans, batch))
        try:
            if self._courier is None:
                self._courier = self._hired()
            problem = self._courier.deliver(batch, self._clock.wall() - self._clock.now())
        except ImportError:
            problem = MISSING
        except Exception as error:  # noqa: BLE001 - other people's software; whatever it says, the thread goes on
            problem = f"{type(error).__name__}: {error}"
        if problem is None:
            self._sent += self._sending
        else:
            self._lost += self._sending
        self._sending = 0
        if (problem is None) is not (self._problem is None):
            self._problem = problem
            with suppress(RuntimeError):  # there is no loop any more, and nobody to tell
                self._loop.call_soon_threadsafe(self._tell)

    # --- in the loop again ---

    def _tell(self) -> None:
        """Tell when spans cannot be sent, and when they can again."""
        problem, lost, at = self._problem, self._lost + self.dropped, self._clock.now()
        if problem is not None and self._said is None:
            self._emit(SpanExportBroke(at=at, collector=self.to[0], because=problem))
        elif problem is None and self._said is not None:
            self._emit(SpanExportMended(at=at, collector=self.to[0], lost=lost - self._lost_before))
            self._lost_before = lost
        self._said = problem

    def counted(self) -> dict[str, int]:
        """Give what was sent, and what was not."""
        return {"spans": self._sent, "spans_dropped": self.dropped + self._lost}

    def end(self) -> None:
        """Send what waits, and nothing after it."""
        self._end.set()

    async def ended(self) -> None:
        """Wait for the collector, though not for ever."""
        until = self._clock.now() + PATIENCE
        while self._thread.is_alive() and self._clock.now() < until:  # noqa: ASYNC110 - a thread tells no event
            await asyncio.sleep(0.005)
        if self._thread.is_alive():
            self.dropped += self._sending + sum(map(_spans, self._batch_of_all()))
            if self._courier is not None:
                self._courier.close()

    def _batch_of_all(self) -> list[tuple[Any, ...]]:
        rest = list(self._waiting)
        self._waiting.clear()
        return rest


def _spans(journey: tuple[Any, ...]) -> int:
    """Count the spans of a request: its own, and one for each attempt."""
    return 1 + len(journey[-1])
