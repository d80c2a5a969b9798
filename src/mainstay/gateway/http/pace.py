"""How fast bodies come, where those that come too slowly only hold a connection open."""


class Pace:
    """How fast one body comes, looked at from time to time."""

    __slots__ = ("_at", "_excused", "_size")

    def __init__(self, now: float) -> None:
        self._at = now
        self._size = 0
        self._excused = False

    def excuse(self) -> None:
        """Take it that what does not come until the next look is not the sender's fault."""
        self._excused = True

    def slow(self, now: float, size: int, rate: float) -> bool:
        """Tell whether too little has come since the last look.

        Args:
            now: The time.
            size: Bytes that have come so far.
            rate: Bytes that must come in a second.
        """
        slow = size - self._size < rate * (now - self._at) and not self._excused
        self._at, self._size, self._excused = now, size, False
        return slow
