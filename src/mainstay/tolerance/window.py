"""Counting over the last so many seconds, in constant memory.

The window is a ring of ten buckets; the one being filled belongs to it, so that it covers nine to ten
tenths of its length.
"""

from math import inf

BUCKETS = 10


class Window:
    """How many events there were lately, and how many marks."""

    __slots__ = ("_bucket", "_events", "_marks", "_turns_at", "_width", "events", "marks")

    def __init__(self, seconds: float) -> None:
        self._width = seconds / BUCKETS
        self._events = [0] * BUCKETS
        self._marks = [0] * BUCKETS
        # The number of the bucket being filled, counted from the beginning of time, and when the next begins.
        self._bucket = 0
        self._turns_at = -inf
        self.events = 0
        """Events within the window, as of the last call."""
        self.marks = 0
        """Marks within the window, as of the last call."""

    def event(self, now: float) -> None:
        """Count an event."""
        if now >= self._turns_at:
            self.turn(now)
        self._events[self._bucket % BUCKETS] += 1
        self.events += 1

    def mark(self, now: float) -> None:
        """Count a mark."""
        if now >= self._turns_at:
            self.turn(now)
        self._marks[self._bucket % BUCKETS] += 1
        self.marks += 1

    def turn(self, now: float) -> None:
        """Leave out what is older than the window."""
        bucket = int(now / self._width)
        # Buckets that would be emptied twice need not be.
        for number in range(max(self._bucket, bucket - BUCKETS) + 1, bucket + 1):
            place = number % BUCKETS
            self.events -= self._events[place]
            self.marks -= self._marks[place]
            self._events[place] = self._marks[place] = 0
        self._bucket = bucket
        self._turns_at = (bucket + 1) * self._width
