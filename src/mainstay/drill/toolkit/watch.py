"""What users see while an experiment runs: our own load on the system, and what became of it."""

import asyncio
import contextlib
import datetime as dt
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mainstay import __version__
from mainstay.drill.conductor import LEAD
from mainstay.drill.load.record import Head, Record
from mainstay.drill.load.tally import Stretch, outages, tally
from mainstay.drill.load.users import Users
from mainstay.drill.load.visit import visits
from mainstay.drill.stage.stage import Stage

LONGEST = 1800.0
"""Seconds after which no more users come."""
NAME = "mainstay"
"""The name of our part of `extensions`."""


def variables(stage: Stage) -> dict[str, str]:
    """Give what an experiment can ask for as `${name}`: where the system is."""
    entries = stage.entries()
    urls = {f"mainstay_url_{entry.name.replace('-', '_')}": entry.url for entry in entries}
    first = {"mainstay_url": entries[0].url} if entries else {}
    return {**first, **urls, "mainstay_file": str(stage.system.file), "mainstay_run_dir": str(stage.run.path)}


@asynccontextmanager
async def watched(
    stage: Stage, rate: float, seed: int, folder: Path, *, writes: bool = True
) -> AsyncIterator[dict[str, Any]]:
    """Have users come; what is given has what they saw when this is over.

    Args:
        stage: The system.
        rate: How many come each second, at each entry point.
        seed: Replays one schedule.
        folder: For records.
        writes: Whether they send writes as well.

    Raises:
        MainstayError: nobody can come.
    """
    found: dict[str, Any] = {
        "name": NAME, "mainstay": __version__, "system": stage.system.name, "live": stage.live, "rate": rate,
        "seed": seed, "users": {},
    }  # fmt: skip
    began = time.monotonic() + LEAD
    visited, _ = visits(stage.system.drills.load, stage.entries(), rate, stage.system.folder, writes=writes)
    async with contextlib.AsyncExitStack() as stack:
        users = []
        for visit in visited:
            options = visit.options(seconds=LONGEST, at=began, seed=seed, folder=folder)
            one = Users(visit.name, options, folder / f"{visit.number}.jsonl", lambda _: None)
            users.append(await stack.enter_async_context(one))
        # What is broken before anybody comes would not be seen.
        await asyncio.sleep(max(0.0, began - time.monotonic()))
        yield found
        for one in users:
            head, records, _ = await one.gone()
            found["users"][one.name] = _seen(head, records)


def _seen(head: Head, records: Sequence[Record]) -> dict[str, Any]:
    ordered = sorted(records, key=lambda record: record.at)
    return {**tally(ordered).record(), "outages": [_outage(head, one) for one in outages(ordered)]}


def _outage(head: Head, one: Stretch) -> dict[str, Any]:
    """Give a time in which nobody was served as an activity's is given, so that one finds out which it was."""
    start, end = (
        dt.datetime.fromtimestamp(head.wall + at, dt.UTC).isoformat() for at in (one.began, one.ended)
    )
    return {
        "start": start,
        "end": end,
        "seconds": round(one.seconds, 6),
        "sent": one.sent,
        "failed": one.failed,
    }
