"""Whether somebody has watched all the time, and whether the clock went on as time does.

Times in the ledger are the clock's, since people and other machines ask by it. How long something lasted is true as long as the
clock goes on evenly, so at each look it is compared with the monotonic one, which nobody sets. Where it was set, and
where nobody looked for long, what was going on ends at the last look and begins anew now. So no time is too long, and none is
below nothing:

::

    set forward     up ─────┤  unknown, and never was  ├───── up
    set back        up ─────────┤                             what comes twice is kept as it was told first
                          ├───── up
    frozen          up ─────┤  unknown  ├───── up

A machine that slept is the same as one whose clock was set forward: the monotonic clock stood still.
"""

from typing import NamedTuple

STEP = 1.0
"""Seconds by which the clock has to be off since the last look: what keeps it right by and by moves it by a thousandth of that."""
LATE = 10.0
"""Seconds without a look after which it is not known how anything was: five times as long as looks are apart."""


class Lapse(NamedTuple):
    """A time of which nothing is known."""

    until: float
    """Until when all is known, in seconds since 1970 by the clock as it was."""
    step: float
    """Seconds by which the clock was set forward; below 0: back; 0: it was not, and nobody looked."""


class Vigil:
    """Is told of every look."""

    __slots__ = ("_now", "_wall")

    def __init__(self, now: float, wall: float) -> None:
        """Begin to watch.

        Args:
            now: Seconds, monotonic.
            wall: Seconds since 1970.
        """
        self._now, self._wall = now, wall

    def look(self, now: float, wall: float) -> Lapse | None:
        """Take the time of a look; give what is not known since the last one."""
        passed, until = now - self._now, self._wall
        step = wall - until - passed
        self._now, self._wall = now, wall
        if abs(step) > STEP:
            return Lapse(until, step)
        return Lapse(until, 0.0) if passed > LATE else None
