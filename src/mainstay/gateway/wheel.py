"""One timer for everybody: deadlines are kept in buckets of 20 ms that one loop timer turns over.

A `call_later` for every request costs more than the request's parsing; a set insertion does not. An
item whose `due` has moved on when its bucket comes up is put into a later one, so that moving a
deadline *away* is one attribute write.
"""

import asyncio
from typing import Protocol

TICK = 0.02
"""Width of a bucket in seconds: no deadline of a gateway needs to be kept closer than this."""


class Item(Protocol):
    """Something with a deadline."""

    due: float
    """When it wants to be told, in the loop's seconds; infinity for never."""

    slot: int
    """The bucket it is in; the wheel's own, 0 when in none."""

    def expired(self, now: float) -> None:
        """Act: the deadline has passed."""
        ...


class Wheel:
    """Deadlines of one event loop."""

    __slots__ = ("_buckets", "_handle", "_loop", "_next")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._buckets: dict[int, set[Item]] = {}
        self._handle: asyncio.TimerHandle | None = None
        self._next = 0

    def watch(self, item: Item, due: float) -> None:
        """Tell `item` when `due` has passed, instead of whatever it waited for so far."""
        item.due = due
        slot = int(due / TICK) + 1
        if item.slot:
            if slot >= item.slot:
                return  # its bucket comes up sooner, and puts it into a later one
            self._buckets[item.slot].discard(item)
        item.slot = slot
        bucket = self._buckets.get(slot)
        if bucket is not None:
            bucket.add(item)
            return
        self._buckets[slot] = {item}
        if self._handle is None or slot < self._next:
            if self._handle is not None:
                self._handle.cancel()
            self._next = slot
            self._handle = self._loop.call_at(slot * TICK, self._turn)

    def forget(self, item: Item) -> None:
        """Tell `item` nothing any more."""
        if item.slot:
            bucket = self._buckets.get(item.slot)
            if bucket is not None:
                bucket.discard(item)
            item.slot = 0

    def _turn(self) -> None:
        now = self._loop.time()
        self._handle = None
        slot = int(now / TICK)
        for passed in sorted(s for s in self._buckets if s <= slot):
            for item in self._buckets.pop(passed):
                if item.slot != passed:
                    continue  # forgotten by one that was told just before it
                item.slot = 0
                if item.due > now:
                    self.watch(item, item.due)
                else:
                    item.expired(now)
        if self._buckets and self._handle is None:
            self._next = min(self._buckets)
            self._handle = self._loop.call_at(self._next * TICK, self._turn)

    def close(self) -> None:
        """Stop turning; nothing is told any more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._buckets.clear()
