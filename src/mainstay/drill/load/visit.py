"""Who comes in where: the load on each entry point, as the generator is told of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mainstay.base.errors import SpecError
from mainstay.drill.load.mix import Errand, Mix, write_mix
from mainstay.drill.recording.recorded import Left, Recorded
from mainstay.drill.recording.recording import recording
from mainstay.drill.stage.entry import Entry
from mainstay.system.drills import DrillLoad
from mainstay.system.request import Ask

UNWANTED = "writes are sent to the running system only with --writes"
"""Why a write is not sent."""
_NOBODY = "is for no entry point of this system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """The users of one entry point."""

    number: int
    """Its place among all."""
    entry: Entry
    rate: float
    load: DrillLoad
    mix: Mix
    """What they ask for."""

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
        load, entry = self.load, self.entry
        file = folder / f"requests of {entry.name}.json"
        # Put in place whole: the users of another drill may be reading it.
        new = file.with_suffix(".new")
        new.write_text(write_mix(self.mix), encoding="utf-8")
        new.replace(file)
        return [
            *("--url", entry.url, "--host", entry.host, "--requests", str(file)),
            # It is our own listener on this machine, whose certificate may be of an authority that only users trust.
            *(["--unverified"] if entry.url.startswith("https:") else []),
            *("--rate", str(self.rate), "--seconds", str(seconds), "--at", str(at), "--seed", str(seed)),
            *("--fresh", f"{load.fresh * 100:g}%", "--deadline", f"{load.deadline * 1000:g}ms"),
        ]

    def writes(self) -> dict[str, float]:
        """Give how many of each write come in a second: `{"POST /orders": 20.0}`."""
        whole = sum(errand.weight for errand in self.mix)
        found: dict[str, float] = {}
        for errand in self.mix:
            if errand.writes and errand.weight:
                found[errand.route] = found.get(errand.route, 0.0) + self.rate * errand.weight / whole
        return found


def visits(
    load: DrillLoad, entries: Sequence[Entry], rate: float, folder: Path, *, writes: bool = True
) -> tuple[list[Visit], list[Left]]:
    """Give the users of every entry point, at so many a second each, and which recorded requests are not sent.

    Args:
        load: What the system file says.
        entries: Where users come in.
        rate: How many come each second, to each.
        folder: The system file's.
        writes: Whether what changes something is sent at all.

    Raises:
        SpecError: the file of recorded requests cannot be used, or nothing is left to be asked anywhere.
        EnvironmentProblem: it cannot be read.
    """
    made: list[list[Errand]] = [[] for _ in entries]
    left: list[Left] = []
    for ask in load.requests:
        if ask.writes and not writes:
            left.append(Left(_errand(ask).route, UNWANTED, 1))
            continue
        for place in _of_ask(ask, entries):
            made[place].append(_errand(ask))
    if load.recorded is not None:
        found = recording(folder / load.recorded)
        left += found.left
        for one in found.requests:
            places = _of_recorded(one, entries)
            for place in places:
                made[place].append(one.errand)
            if not places:
                left.append(Left(one.errand.route, _NOBODY, int(one.errand.weight)))
    elif not load.requests:
        made = [_pages(entry) for entry in entries]
    visited = [
        Visit(number=number, entry=entry, rate=rate, load=load, mix=made[number])
        for number, entry in enumerate(entries)
        if made[number]
    ]
    if not visited and entries:
        only = f": {UNWANTED}" if any(one.why == UNWANTED for one in left) else ""
        raise SpecError(f"drills.load: nothing is left to be asked at any entry point{only}")
    return visited, left


def _errand(ask: Ask) -> Errand:
    return Errand(
        method=ask.method,
        path=ask.path,
        headers=ask.headers,
        body=ask.body or "",
        weight=ask.weight,
        writes=ask.writes,
    )


def _pages(entry: Entry) -> list[Errand]:
    """Ask for what everybody has: the beginning of each path that leads to a service."""
    paths = dict.fromkeys(path for _, path in entry.ways)
    return [Errand(method="GET", path=path) for path in paths]


def _of_ask(ask: Ask, entries: Sequence[Entry]) -> list[int]:
    """Give the places of the entries that a request goes to: all, or of the one that is told, the best."""
    if ask.to is None:
        return list(range(len(entries)))
    fitting = [
        place for place, entry in enumerate(entries) if ask.to == entry.listener or ask.to in entry.services
    ]
    host = next((value.lower() for name, value in ask.headers.items() if name.lower() == "host"), None)
    named = [place for place in fitting if entries[place].host.lower() == host]
    return (named or fitting)[:1]


def _of_recorded(one: Recorded, entries: Sequence[Entry]) -> list[int]:
    """Give the places of the entries that it goes to: its service's, or its host's, or those that take it whatever the host."""
    if one.service:
        return [place for place, entry in enumerate(entries) if one.service in entry.services][:1]
    named = [place for place, entry in enumerate(entries) if one.host and entry.host.lower() == one.host]
    # Of who has no name of its own, any host may be asked.
    return named or [place for place, entry in enumerate(entries) if entry.host in entry.url]
