"""What silence says of one instance: an answer that is overdue by far is a doubt, and no proof.

A doubt costs an instance its turn, not its place: it is asked after all others, and if all are in doubt, all are
asked as ever. It is over as soon as the instance is heard of: it passes a check, or answers. One that comes again
with no answer in time in between lasts, whatever is heard: checks may well be answered by a part that works.
"""

from mainstay.base.growth import doubled

_BASE = 1.0
"""Seconds a first doubt lasts at most: in it checks find out. Each further one lasts twice as long."""
_CAP = 30.0
"""Seconds a doubt lasts at most."""


class Doubt:
    """The memory of one life's silences."""

    __slots__ = ("streak",)

    def __init__(self) -> None:
        self.streak = 0
        """Doubts in a row, with no answer in time in between."""

    def begin(self, now: float, *, firm: bool = False) -> float:
        """Doubt it, and give the time at which that ends if nothing ends it before.

        Args:
            now: The time.
            firm: As if it had come again.
        """
        length = doubled(_BASE, self.streak, _CAP)
        self.streak += 2 if firm and not self.streak else 1
        return now + length

    @property
    def lasts(self) -> bool:
        """Whether it takes more than a sign of life to end it."""
        return self.streak > 1
