"""Lives of instances, from what was told of them: how long each lasted, and whether it ended by itself.

A life that was ended on purpose, or is not over yet, is *censored*: it says that it would have lasted at least so long. One of which
nobody saw the end lasted at least until it was last heard of. Only lives that began within the period are looked at, so that
short ones have no better chance to be missed than long ones.
"""

from collections.abc import Iterable
from typing import NamedTuple

STARTED, READY, EXITED, STOPPED, ADOPTED = "started", "ready", "exited", "stopped", "adopted"
YOUNG = 10.0
"""Seconds: a life that ends by itself sooner counts as one that never really began."""
LOOP = 3
"""So many such lives in a row are a crash loop."""


class Event(NamedTuple):
    """Something that happened to a life."""

    at: float
    kind: str
    """`STARTED`, `READY`, `EXITED` (by itself), `STOPPED` (on purpose) or `ADOPTED` (found again)."""
    instance: str
    generation: int
    reason: str = ""


class Life(NamedTuple):
    """A life of an instance."""

    instance: str
    generation: int
    since: float
    until: float
    """When it ended, or was last heard of."""
    ended: str
    """`EXITED`, `STOPPED`, or empty: not over, or nobody saw it."""
    ready: float | None
    """When it was ready; None when it never was."""
    reason: str

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.until - self.since


def lives(events: Iterable[Event], until: float) -> list[Life]:
    """Put lives together.

    Args:
        events: In order.
        until: Until when somebody watched, for those that are not over.
    """
    done: list[Life] = []
    # One instance has two lives while one replaces the other, each with its own number.
    going: dict[tuple[str, int], Life] = {}
    heard: dict[tuple[str, int], float] = {}
    for event in events:
        key = (event.instance, event.generation)
        if event.kind == STARTED:
            # Numbers begin anew after everything has ended: nobody saw the end of the one that had it before.
            if key in going:
                done.append(_lost(going.pop(key), heard[key]))
            going[key] = Life(*key, event.at, event.at, "", None, "")
        elif (life := going.get(key)) is None:
            continue
        elif event.kind == READY:
            going[key] = life._replace(ready=event.at)
        elif event.kind in (EXITED, STOPPED):
            done.append(going.pop(key)._replace(until=event.at, ended=event.kind, reason=event.reason))
        heard[key] = event.at
    newest = {instance: max(mine for its, mine in going if its == instance) for instance, _ in going}
    for (instance, generation), life in going.items():
        alone = generation == newest[instance] and not any(
            one.instance == instance and one.since > life.since for one in done
        )
        done.append(
            life._replace(until=max(life.since, until)) if alone else _lost(life, heard[instance, generation])
        )
    return sorted(done, key=lambda life: life.since)


def loops(told: Iterable[Life]) -> list[str]:
    """Give the instances that have ended `LOOP` times in a row before they were `YOUNG` no longer."""
    row: dict[str, int] = {}
    found: dict[str, None] = {}
    for life in told:
        young = life.ended == EXITED and life.seconds < YOUNG
        row[life.instance] = row.get(life.instance, 0) + 1 if young else 0
        if row[life.instance] == LOOP:
            found[life.instance] = None
    return list(found)


def _lost(life: Life, heard: float) -> Life:
    return life._replace(until=heard)
