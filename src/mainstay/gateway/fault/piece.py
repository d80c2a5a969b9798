"""What is on its way over a leg: pieces, each with its delays, in the order in which they came."""

from collections import deque
from typing import TYPE_CHECKING

from mainstay.gateway.fault.answer import Item
from mainstay.gateway.fault.effect import Effect, Lane

if TYPE_CHECKING:
    import asyncio

_WEIGHT = 256
"""Bytes that a piece takes beside its own."""


class Piece:
    """Something on its way."""

    __slots__ = ("came", "delays", "effect", "item")

    def __init__(self, item: Item, came: float, effect: Effect | None) -> None:
        self.item = item
        self.came = came
        self.effect = effect
        """Whose doing it is that something else than bytes happens."""
        self.delays: list[tuple[Effect, float]] = []

    def due(self) -> float:
        """Give when it arrives; a delay ends with its fault."""
        return self.came + sum(seconds for effect, seconds in self.delays if not effect.over.is_set())


class Way(Lane):
    """One direction, and what is on its way there."""

    __slots__ = ("pieces", "shut", "size", "timer")

    def __init__(self, *, down: bool) -> None:
        super().__init__(down=down)
        self.pieces: deque[Piece] = deque()
        self.size = 0
        self.timer: asyncio.TimerHandle | None = None
        self.shut = False
        """A limit has been reached; what comes behind it goes nowhere."""

    @property
    def weight(self) -> int:
        """Give how much it keeps, in bytes; pieces may be as small as one."""
        return self.size + _WEIGHT * len(self.pieces)

    def stop(self) -> None:
        """Arrive nowhere."""
        self.pieces.clear()
        self.size = 0
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
