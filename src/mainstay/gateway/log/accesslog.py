"""HOT. The access log of one worker: a tuple for each request, kept until there is time to write it down.

A request costs one append. A timer makes lines of what has gathered, a few at a time, so that no request waits for
many others' lines, and a thread writes them. Both keep a bounded amount: what does not fit is dropped and counted.
"""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainstay.base.clock import Clock
from mainstay.base.dice import Dice
from mainstay.base.facts import AccessLogBroke, AccessLogMended, Emit
from mainstay.gateway.http.page import REASONS
from mainstay.gateway.log.appender import Appender
from mainstay.gateway.log.line import FORMATS, Entry
from mainstay.gateway.table import LogSettings

if TYPE_CHECKING:
    from mainstay.gateway.http.client import ClientConnection
    from mainstay.gateway.http.request import Request

MOST = 16384
"""Requests that may wait for their lines; no worker answers so many between two turns."""
_EVERY = 0.1
_SLICE = 64
"""Lines made at once: about a third of a millisecond."""
_LOOK = 10
"""Turns after which to look whether the file has moved."""
_PATIENCE = 2.0
"""Seconds that the disk has at the end."""
_FAILED = 500


class AccessLog:
    """What one worker writes down of its requests."""

    __slots__ = (
        "_appender",
        "_clock",
        "_emit",
        "_entries",
        "_form",
        "_handle",
        "_loop",
        "_lost",
        "_random",
        "_said",
        "_turns",
        "dropped",
        "headers",
        "settings",
        "share",
    )

    def __init__(
        self, settings: LogSettings, loop: asyncio.AbstractEventLoop, clock: Clock, dice: Dice, emit: Emit
    ) -> None:
        self.settings = settings
        self.share = settings.sample
        self.headers = settings.format == "combined"
        """Whether lines of the head are needed."""
        self.dropped = 0
        """Lines that did not fit into what may wait."""
        self._loop = loop
        self._clock = clock
        self._emit = emit
        self._random = dice.random
        self._form = FORMATS[settings.format]
        self._entries: list[tuple[Any, ...]] = []
        self._appender = Appender(Path(settings.path), size=settings.size, keep=settings.keep)
        self._appender.start()
        # What was told last: the problem, and how many lines had been lost by then.
        self._said: str | None = None
        self._lost = 0
        self._turns = 0
        self._handle: asyncio.Handle = loop.call_later(_EVERY, self._turn)

    # --- a request tells us ---

    def wants(self, status: int, reason: str | None) -> bool:
        """Tell whether a request is to be written down: every one that went wrong, and a share of the others."""
        return self.share >= 1.0 or status >= _FAILED or reason is not None or self._random() < self.share

    def take(self, entry: tuple[Any, ...]) -> None:
        """Take what is known of a request at its end: the values of an `Entry`."""
        if len(self._entries) < MOST:
            self._entries.append(entry)
        else:
            self.dropped += 1

    def refused(  # noqa: PLR0913, PLR0917 - what is known of it
        self,
        client: "ClientConnection",
        request: "Request | None",
        reason: str | None,
        sent: int,
        now: float,
        request_id: bytes,
        status: int = 0,
    ) -> None:
        """Take what was passed on to nobody: for a reason, or with a status of its own."""
        self.take(
            (
                client.entrance.name,
                (request.client if request is not None else None) or client.peer,
                *(None, None, 0),
                request.method if request is not None else b"",
                request.target if request is not None else b"",
                request is None or request.http11,
                REASONS[reason][0] if reason is not None else status,
                request.size if request is not None else 0,
                sent,
                *(now, None, None, now),
                reason,
                False,
                request.lines if request is not None and self.headers else None,
                request_id,
                b"",
            )
        )

    # --- time tells us ---

    def _turn(self) -> None:
        self._write()
        if self._entries:
            # Others first.
            self._handle = self._loop.call_soon(self._turn)
            return
        self._handle = self._loop.call_later(_EVERY, self._turn)
        self._turns += 1
        if self._turns % _LOOK == 0:
            self._appender.look()
            self._tell()

    def _write(self) -> None:
        part = self._entries[:_SLICE]
        if not part:
            return
        del self._entries[:_SLICE]
        shift = self._clock.wall() - self._clock.now()
        form = self._form
        lines = "".join([form(Entry(*entry), shift) for entry in part])
        if not self._appender.put(lines.encode("ascii", "replace"), len(part)):
            self.dropped += len(part)

    def _tell(self) -> None:
        """Tell when the file cannot be written, and when it can again."""
        problem, lost = self._appender.problem, self._appender.lost + self.dropped
        if problem is not None and self._said is None:
            self._emit(AccessLogBroke(at=self._clock.now(), path=self.settings.path, because=problem))
        elif problem is None and self._said is not None:
            self._emit(AccessLogMended(at=self._clock.now(), path=self.settings.path, lost=lost - self._lost))
        if problem is None:
            self._lost = lost
        self._said = problem

    # --- the worker tells us ---

    def counted(self) -> dict[str, int]:
        """Give what was written, and what was not."""
        return {
            "access_log_lines": self._appender.written,
            "access_log_lines_dropped": self.dropped + self._appender.lost,
        }

    def flush(self) -> None:
        """Make lines of all that has gathered."""
        while self._entries:
            self._write()

    def end(self) -> None:
        """Write down what waits, and nothing after it."""
        self._handle.cancel()
        self.flush()
        self._appender.end()

    async def ended(self) -> None:
        """Wait for the disk, though not for ever."""
        until = self._clock.now() + _PATIENCE
        while not self._appender.join(0) and self._clock.now() < until:  # noqa: ASYNC110 - a thread tells no event
            await asyncio.sleep(0.005)
