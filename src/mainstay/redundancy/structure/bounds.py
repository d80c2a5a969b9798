"""How much may be spent on a structure: some are too large for any machine, and nobody should wait for them."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mainstay.base.errors import TooLarge

_PULSE = 1023


class Bounds:
    """So many steps, and as long as whoever asks is willing to wait. A step makes one node, or one result that is kept."""

    def __init__(self, steps: int = 4_000_000, may_go_on: Callable[[], bool] | None = None) -> None:
        """Set them.

        Args:
            steps: How many there may be. Each takes up to 200 bytes: four million are less than a gigabyte.
            may_go_on: Asked once for every 1024 steps, since nothing here knows the time.
        """
        self.steps = steps
        self._may_go_on = may_go_on
        self._done = 0

    def step(self) -> None:
        """Count one.

        Raises:
            TooLarge: there are too many, or it takes too long.
        """
        self._done += 1
        if self._done > self.steps:
            raise TooLarge(f"the structure is too large: more than {self.steps:,} steps")
        if not self._done & _PULSE and self._may_go_on is not None and not self._may_go_on():
            raise TooLarge(f"the structure takes too long: {self._done:,} steps were not enough")


@contextmanager
def depth(levels: int) -> Iterator[None]:
    """Let functions call themselves as deep as a diagram is: Python's limit is meant for runaways, and a diagram ends."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 2 * levels + 1000))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
