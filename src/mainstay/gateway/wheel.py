"""One timer for everybody: deadlines are kept in buckets of 20 ms that one loop timer turns over.

A `call_later` for every request costs more than the request's parsing; a set insertion does not. An
item whose `due` has moved on when its bucket comes up is put into a later one, so that moving a
deadline *away* is one attribute write.
"""

import asyncio
from heapq import heappop, heappush
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

    __slots__ = ("_buckets", "_handle", "_loop", "_next", "_order")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._buckets: dict[int, set[Item]] = {}
        self._handle: asyncio.TimerHandle | None = None
        # The bucket that the loop's timer is set for; everything is later while the wheel turns.
        self._next = 0
        self._order: list[int] = []

    def __len__(self) -> int:
        """Give the number of items that wait to be told."""
        return sum(len(bucket) for bucket in self._buckets.values())

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
        heappush(self._order, slot)
        if self._handle is None or slot < self._next:
            if self._handle is not None:
                self._handle.cancel()
            self._set(slot)

    def forget(self, item: Item) -> None:
        """Tell `item` nothing any more."""
        if item.slot:
            bucket = self._buckets.get(item.slot)
            if bucket is not None:
                bucket.discard(item)
            item.slot = 0

    def _turn(self) -> None:
        now = self._loop.time()
        slot = int(now / TICK)
        order = self._order
        # No timer is set by what moves meanwhile: at the end, the earliest of all is known.
        self._next = 0
        due = []
        while order and order[0] <= slot:
            due.append(heappop(order))
        for passed in due:
            for item in self._buckets.pop(passed):
                if item.slot == passed:  # not forgotten by one that was told just before it
                    self._tell(item, now)
        self._handle = None
        if order:
            self._set(order[0])

    def _tell(self, item: Item, now: float) -> None:
        item.slot = 0
        if item.due > now:
            self.watch(item, item.due)
            return
        try:
            item.expired(now)
        except Exception as error:  # noqa: BLE001 - one broken item must not keep all others waiting
            self._loop.call_exception_handler({"message": "a deadline failed", "exception": error})

    def _set(self, slot: int) -> None:
        self._next = slot
        self._handle = self._loop.call_at(slot * TICK, self._turn)

    def close(self) -> None:
        """Stop turning; nothing is told any more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._buckets.clear()
        self._order.clear()
