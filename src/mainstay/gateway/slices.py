"""Work in slices: what takes long is done beside the traffic, a few milliseconds at a time."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from time import monotonic
from typing import Any

SLICE = 0.004
"""Seconds of work before the traffic has its turn: about what thirty requests take."""
_ENTRIES = 100


async def sliced(steps: Iterable[Any]) -> float:
    """Take all steps, pause after those by which a slice is over, and give the seconds that they took together."""
    taken = 0.0
    # Not the loop's time, which stands still for as long as we do.
    begun = monotonic()
    for _ in steps:
        took = monotonic() - begun
        if took >= SLICE:
            taken += took
            await asyncio.sleep(0)
            begun = monotonic()
    return taken + monotonic() - begun


def as_json(entries: Iterable[Any]) -> Iterator[str]:
    """Write a list as JSON, piece by piece."""
    return _pieces(entries, list)


def mapping_as_json(entries: Iterable[tuple[str, Any]]) -> Iterator[str]:
    """Write a mapping as JSON, piece by piece."""
    return _pieces(entries, dict)


def _pieces(entries: Iterable[Any], kind: type[list[Any] | dict[str, Any]]) -> Iterator[str]:
    empty = json.dumps(kind())
    rest = iter(entries)
    before = empty[0]
    while part := kind(islice(rest, _ENTRIES)):
        yield before + json.dumps(part)[1:-1]
        before = ", "
    yield empty[1] if before == ", " else empty
