"""How much may be spent on a structure: some are too large for any machine, and nobody should wait for them."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mainstay.base.errors import TooLarge

_PULSE = 1023


class Bounds:
    """So many nodes, and as long as whoever asks is willing to wait."""

    def __init__(self, nodes: int = 2_000_000, may_go_on: Callable[[], bool] | None = None) -> None:
        """Set them.

        Args:
            nodes: How many nodes all diagrams may have together, and how many results are remembered. Two million
                take about a gigabyte.
            may_go_on: Asked once for every 1024 steps, since nothing here knows the time.
        """
        self.nodes = nodes
        self._may_go_on = may_go_on
        self._steps = 0

    def step(self) -> None:
        """Count one node, or one result.

        Raises:
            TooLarge: there are too many, or it takes too long.
        """
        self._steps += 1
        if self._steps & _PULSE:
            return
        if self._steps > 4 * self.nodes:
            raise TooLarge(f"its diagram has more than {self.nodes:,} nodes")
        if self._may_go_on is not None and not self._may_go_on():
            raise TooLarge(f"it takes longer than allowed: {self._steps:,} steps were not enough")


@contextmanager
def depth(levels: int) -> Iterator[None]:
    """Let functions call themselves as deep as a diagram is: Python's limit is meant for runaways, and a diagram ends."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 2 * levels + 1000))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
