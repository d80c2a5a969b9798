"""The moment after which nobody waits for the answer any more."""


class Deadline:
    """A moment, in monotonic seconds, that everything done for one request has to meet."""

    __slots__ = ("at",)

    def __init__(self, at: float) -> None:
        self.at = at

    def left(self, now: float) -> float:
        """Give the seconds that are left; 0 when there are none."""
        return max(0.0, self.at - now)

    def fit(self, now: float, attempt: float) -> float:
        """Give the time at which an attempt of so many seconds has to end, cut to the deadline."""
        return min(now + attempt, self.at)

    def passed(self, now: float) -> bool:
        """Say whether it is too late."""
        return now >= self.at
