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
from mainstay.base.facts import Emit, Fact, SpanExportBroke, SpanExportMended

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
"""Seconds after which the thread lets the worker go on that wants to. With Python's own 5 ms, one answer in a hundred
was later by that much while 500 requests a second were recorded; with this, by half a millisecond."""
LONGEST = 200
"""Characters of a problem that are told."""
MISSING = "OpenTelemetry is not installed: pip install 'mainstay[otel]'"


class Outbox:
    """Spans of one worker that are to be sent to one collector."""

    __slots__ = (
        "_clock",
        "_courier",
        "_emit",
        "_end",
        "_left",
        "_loop",
        "_lost",
        "_lost_before",
        "_problem",
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
        # Nobody waits for the thread any more.
        self._left = False
        # What the thread alone writes: the spans that it sends, that were taken, and that were not; why the last ones
        # were not, and how many were missing when all was well.
        self._courier: Courier | None = None
        self._sending = 0
        self._sent = 0
        self._lost = 0
        self._problem: str | None = None
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
        sys.setswitchinterval(TURN)  # for good: without this thread it changes nothing
        with suppress(Exception):  # it is told when there is something to send
            self._courier = self._hired()
        ended = False
        while not ended:
            ended = self._end.wait(EVERY)
            while batch := self._batch(BATCH):
                self._send(batch)
                if self._problem is not None and self._end.is_set():
                    self._lost += sum(map(_spans, self._batch(MOST)))
        if self._courier is not None:
            self._courier.close()

    def _hired(self) -> "Courier":
        # What is imported here takes a fifth of a second and 22 MiB: nobody else is to pay for it.
        from mainstay.gateway.otel.courier import Courier  # noqa: PLC0415

        return Courier(*self.to, self._worker)

    def _batch(self, most: int) -> list[tuple[Any, ...]]:
        waiting = self._waiting
        batch: list[tuple[Any, ...]] = []
        with suppress(IndexError):
            while len(batch) < most:
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
            problem = f"{type(error).__name__}: {error}".partition("\n")[0][:LONGEST]
        sending, self._sending = self._sending, 0
        if self._left:
            return  # they are counted already
        if problem is None:
            self._sent += sending
        else:
            self._lost += sending
        self._heard(problem)

    def _heard(self, problem: str | None) -> None:
        """Tell when spans cannot be sent, and when they can again."""
        lost = self._lost + self.dropped
        at, collector = self._clock.now(), self.to[0]
        if problem is None and self._problem is not None:
            self._tell(SpanExportMended(at=at, collector=collector, lost=lost - self._lost_before))
        elif problem is not None and self._problem is None:
            self._tell(SpanExportBroke(at=at, collector=collector, because=problem))
        if problem is None:
            self._lost_before = lost
        self._problem = problem

    def _tell(self, fact: Fact) -> None:
        with suppress(RuntimeError):  # there is no loop any more, and nobody to tell
            self._loop.call_soon_threadsafe(self._emit, fact)

    # --- the worker tells us ---

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
            self._left = True
            self.dropped += self._sending + sum(map(_spans, self._batch(MOST)))
            if self._courier is not None:
                self._courier.close()


def _spans(journey: tuple[Any, ...]) -> int:
    """Count the spans of a request: its own, and one for each attempt."""
    return 1 + len(journey[-1])
