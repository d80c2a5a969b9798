"""The users of a load: sends each arrival at its time, and writes down what became of it.

Open loop: nothing that the system does, or fails to do, moves an arrival. What waits for an answer waits
beside the schedule, and every arrival becomes a record, also one that could not be sent.
"""

import asyncio
import contextlib
import errno
import gc
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from mainstay.drill.load.lane import Lane
from mainstay.drill.load.mix import Mix, letters, shop
from mainstay.drill.load.record import FRESH, KEPT, REFUSED, TIMEOUT, UNSENT, Head, Record
from mainstay.drill.load.schedule import LoadSpec, arrivals
from mainstay.drill.load.tally import progress
from mainstay.drill.load.target import Target
from mainstay.drill.load.wire import Line, Shot

TICK = 0.001
"""The shortest wait, in seconds: event loops count in milliseconds, and one that waits for less only spins."""
LOOK = 0.01
"""How often deadlines are looked at, in seconds: no user's patience is that exact."""
HEAD_START = 0.2
"""Seconds from the opening of the kept connections to the first arrival."""
OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""Errors of connecting that are the generator's own shortage, not the system's refusal."""

Tell = Callable[[dict[str, Any]], None]
"""Takes a piece of news and never blocks."""


def _unheard(news: dict[str, Any]) -> None:
    del news


class Generator:
    """One run of load against one target.

    Args:
        spec: The load.
        to: Where it goes.
        run: What all ids begin with.
        tell: Who hears how it goes.
        mix: What is asked for; without it, the front page and orders of the bundled service.
        trusting: What is needed to speak TLS, where that is spoken.

    Raises:
        SpecError: the mix cannot go there.
    """

    def __init__(  # noqa: PLR0913 - each has its default
        self,
        spec: LoadSpec,
        to: Target,
        run: str,
        tell: Tell = _unheard,
        *,
        mix: Mix | None = None,
        trusting: ssl.SSLContext | None = None,
    ) -> None:
        self.records: list[Record] = []
        """What became of each request so far, in order of their ends."""
        self._spec = spec
        self._to = to
        self._run = run
        self._tell = tell
        mix = shop(spec.posts, keyed=spec.keyed) if mix is None else mix
        self._letters = letters(mix, to.netloc, one_host=trusting is not None)
        self._trusting = trusting
        self._named = None if trusting is None else to.server_name
        self._lane = Lane()
        self._schedule = arrivals(spec, [errand.weight for errand in mix])
        self._next = 0
        # All have the same patience, so they lose it in the order in which they came.
        self._waiting: deque[Shot] = deque()
        self._flying = 0
        # Kept connections with nothing to do, the longest idle first: as many users take turns.
        self._idle: dict[Line, None] = {}
        self._lines: set[Line] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._began = 0.0
        self._told = 0
        self._seconds = 0

    async def run(self, begin: float | None = None) -> Head:
        """Run the whole schedule, and wait until the fate of every request is known.

        Args:
            begin: the start on the monotonic clock, to have several generators start together; a moment
                from now if not told.
        """
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        await self._lane.open()
        for _ in range(self._spec.connections):
            self._open(None)
        # The last collection comes before the start: in a large program it takes longer than the head start.
        with _uncollected():
            self._began = time.monotonic() + HEAD_START if begin is None else begin
            wall = time.time() + self._began - time.monotonic()
            head = Head(self._to.url, self._run, self._began, wall, asdict(self._spec), {})
            self._tell({"event": "began", "arrivals": len(self._schedule), **head._asdict()})
            self._loop.call_later(max(0.0, self._began - time.monotonic()), self._tick)
            self._lane.begin(self._began)
            try:
                await self._over
            finally:
                self._lane.close()
                await self._close()
        return head._replace(lane=self._lane.record())

    def stop(self) -> None:
        """Let no more users come; those who wait are still waited for."""
        del self._schedule[self._next :]

    def _tick(self) -> None:
        try:
            now = time.monotonic() - self._began
            self._send_due(now)
            self._expire(now)
            if now >= self._seconds + 1:
                self._progress(now)
            if self._next == len(self._schedule) and not self._flying:
                self._over.set_result(None)
                return
            self._loop.call_later(self._pause(), self._tick)
        except Exception as problem:  # noqa: BLE001 - a bug must end the run, not leave it hanging
            self._over.set_exception(problem)

    def _pause(self) -> float:
        if self._next == len(self._schedule):
            return LOOK
        due = self._began + self._schedule[self._next].at - time.monotonic()
        return max(TICK, min(due, LOOK))

    def _send_due(self, now: float) -> None:
        schedule = self._schedule
        while self._next < len(schedule) and (arrival := schedule[self._next]).at <= now:
            shot = Shot(self._next, arrival, self._letters[arrival.what], f"{self._run}-{self._next}")
            self._next += 1
            # Read anew: sending takes time too, and the later of a burst must not look punctual.
            shot.lag = time.monotonic() - self._began - arrival.at
            self._flying += 1
            if self._flying > self._spec.in_flight:
                self.settle(shot, UNSENT, 0)
                continue
            self._waiting.append(shot)
            line = None if arrival.fresh else self._rested()
            if line is None:
                self._open(shot)
            else:
                line.send(shot)

    def _rested(self) -> Line | None:
        while self._idle:
            line = next(iter(self._idle))
            del self._idle[line]
            if line.alive():
                return line
            line.abort()
        return None

    def _open(self, shot: Shot | None) -> None:
        task = self._loop.create_task(self._connect(shot))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        if shot is not None:
            shot.attempt = task

    async def _connect(self, shot: Shot | None) -> None:
        line = Line(self, shot)
        self._lines.add(line)
        try:
            await self._loop.create_connection(
                lambda: line, self._to.address, self._to.port, ssl=self._trusting, server_hostname=self._named
            )
        except OSError as problem:
            self._lines.discard(line)
            if shot is not None:
                self.settle(shot, UNSENT if problem.errno in OURS else REFUSED, 0)
        finally:
            # The task holds the shot: let go of one another, the collector is off.
            if shot is not None:
                shot.attempt = None

    def _expire(self, now: float) -> None:
        waiting, patience = self._waiting, self._spec.deadline
        while waiting and (waiting[0].settled or now - waiting[0].arrival.at >= patience):
            shot = waiting.popleft()
            if shot.settled:
                continue
            line, attempt = shot.line, shot.attempt
            self.settle(shot, TIMEOUT, 0)
            if line is not None:
                line.abort()
            elif attempt is not None:
                attempt.cancel()

    def _progress(self, now: float) -> None:
        ended, self._told = self.records[self._told :], len(self.records)
        self._seconds = int(now)
        self._tell(
            {
                "event": "second",
                "second": self._seconds,
                "sent": self._next,
                "in_flight": self._flying,
                **progress(ended),
            }
        )

    async def _close(self) -> None:
        for line in list(self._lines):
            line.abort()
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        # One turn more, in which the transports really close.
        await asyncio.sleep(0)

    # What the connections tell.

    def settle(self, shot: Shot, outcome: str, status: int) -> None:
        """Write down how a request ended; the first news counts."""
        if shot.settled:
            return
        shot.settled = True
        shot.line = None
        self._flying -= 1
        arrival, end = shot.arrival, time.monotonic() - self._began
        if outcome != UNSENT and end - arrival.at >= self._spec.deadline:
            # Also when an answer came between the end of patience and the next look at it.
            outcome, end = TIMEOUT, arrival.at + self._spec.deadline
        self.records.append(
            Record(
                shot.number,
                shot.id,
                shot.letter.method,
                FRESH if arrival.fresh else KEPT,
                shot.carried,
                arrival.at,
                shot.lag,
                end,
                outcome,
                status,
                shot.letter.route,
                shot.letter.writes,
            )
        )

    def idle(self, line: Line) -> None:
        """Keep a connection for the next user, unless enough are kept."""
        if len(self._idle) < self._spec.connections:
            self._idle[line] = None
        else:
            line.close()

    def gone(self, line: Line) -> None:
        """Forget a connection."""
        self._idle.pop(line, None)
        self._lines.discard(line)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector off: a pause of it would be measured as the system's."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
