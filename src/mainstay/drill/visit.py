"""Who comes in where: the load on each entry point, as the generator is told of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mainstay.drill.entry import Entry
from mainstay.system.drills import DrillLoad


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """The users of one entry point."""

    number: int
    """Its place among all."""
    entry: Entry
    rate: float
    load: DrillLoad

    @property
    def name(self) -> str:
        """The entry point's name."""
        return self.entry.name

    def options(self, *, seconds: float, at: float, seed: int, folder: Path) -> list[str]:
        """Write what the generator is told.

        Args:
            seconds: How long users come.
            at: When the first one does, on the monotonic clock.
            seed: Replays one schedule.
            folder: For files that it reads.
        """
        del folder
        load = self.load
        return [
            *("--url", self.entry.url, "--rate", str(self.rate), "--seconds", str(seconds)),
            *("--at", str(at), "--seed", str(seed), "--posts", "0%"),
            *("--fresh", f"{load.fresh * 100:g}%", "--deadline", f"{load.deadline * 1000:g}ms"),
        ]


def visits(load: DrillLoad, entries: Sequence[Entry], rate: float) -> list[Visit]:
    """Give the users of every entry point, at so many a second each."""
    return [Visit(number=number, entry=entry, rate=rate, load=load) for number, entry in enumerate(entries)]
