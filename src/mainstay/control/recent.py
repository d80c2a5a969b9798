"""The last facts of a supervisor, and which of them somebody who asks again and again has not had."""

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

KEPT = 1000
"""Facts that are kept: more than a large system tells in the seconds between two questions."""


class News(NamedTuple):
    """What somebody has not had."""

    facts: list[dict[str, Any]]
    """Oldest first."""
    cursor: str
    """Tells the next time up to where it was given."""
    missed: int
    """Facts that came before these and are forgotten."""


class Recent:
    """The last facts."""

    def __init__(self, whose: str, kept: int = KEPT) -> None:
        """Keep none yet.

        Args:
            whose: What no other supervisor is called, also none of the same system before or after.
            kept: How many are kept.
        """
        self._whose = whose
        self._count = 0
        self._facts: deque[dict[str, Any]] = deque(maxlen=kept)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._facts)

    def append(self, fact: dict[str, Any]) -> None:
        """Keep one, and forget the oldest if there are too many."""
        self._count += 1
        self._facts.append(fact)

    def since(self, cursor: str | None) -> News:
        """Give those that were not given with a cursor; all that are kept without one, or with another supervisor's."""
        whose, _, number = (cursor or "").rpartition("-")
        ours = whose == self._whose and number.isascii() and number.isdigit()
        had = min(int(number[:18]), self._count) if ours else 0
        forgotten = self._count - len(self._facts)
        facts = list(islice(self._facts, max(0, had - forgotten), None))
        return News(facts, f"{self._whose}-{self._count}", max(0, forgotten - had))
