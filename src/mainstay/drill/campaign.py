"""A run of drills: the cells that were asked for, one after another, and the report of all of them."""

import asyncio
import datetime as dt
import os
import shlex
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mainstay.base.errors import EnvironmentProblem, MainstayError, SpecError
from mainstay.drill.abort import Abort, Rule
from mainstay.drill.allowance import allowance
from mainstay.drill.cell import Cell, cells, only_one
from mainstay.drill.conductor import FULL, QUICK, STANDARD, Conductor, Course, Times
from mainstay.drill.fault.intent import undo_left
from mainstay.drill.fault.plug import kinds
from mainstay.drill.history import History
from mainstay.drill.load.journal import compared
from mainstay.drill.load.visit import visits
from mainstay.drill.reading import seen
from mainstay.drill.report import Terms, fingerprint, report, row, unplayed
from mainstay.drill.scope import Scope, scope, waves
from mainstay.drill.stage import stage
from mainstay.drill.stage.entry import Entry, entries
from mainstay.drill.stage.premise import missing, prepared
from mainstay.drill.stage.stage import Ask, Stage
from mainstay.drill.verdict import ACCEPTED, Seen, judge, late
from mainstay.supervisor.rundir import RunDir
from mainstay.system.schema import System

LENGTHS: dict[str, Times] = {"quick": QUICK, "standard": STANDARD, "full": FULL}
"""How long cells take, by name."""
_TRIES = 3
_AT_FIRST = 10.0
"""Seconds that a system has to be whole before its first drill: nobody waits for one that has lost something already."""
_CALLED_OFF = "the run was over before its turn came"
Tell = Callable[[dict[str, Any]], None]
Play = Callable[[Cell], Awaitable[dict[str, Any]]]
"""Plays a cell, and gives its line of the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How drills are to be run."""

    length: str = "standard"
    live: bool = False
    rate: float | None = None
    """Requests a second at each entry point; None: what the system file says."""
    seed: int = 1
    writes: bool = False
    """Whether the live system gets the writes of `drills.load` as well; a private copy always does."""
    abort: Abort | None = None
    """When it is called off; None: on the live system, as the system file says, and a private copy never."""


class Campaign:
    """One run."""

    def __init__(self, system: System, run: RunDir, wish: Wish, *, ask: Ask, tell: Tell) -> None:
        """Be ready to run.

        Args:
            system: What its file says.
            run: Its run directory, in which reports are kept, wherever the drills play.
            wish: How.
            ask: Asks a running system.
            tell: Takes news while it goes on.
        """
        self.history = History(run.path)
        self._system = system
        self._run = run
        self._wish = wish
        self._ask = ask
        self._tell = tell
        self._begun = self._of = 0
        self._rows: list[dict[str, Any]] = []
        self._planned = len(cells(system, kinds()))
        at = time.time()
        self.terms = Terms(
            run=self.history.name(at),
            at=at,
            live=wish.live,
            writes=wish.writes,
            seed=wish.seed,
            length=wish.length,
            rate=float(wish.rate if wish.rate is not None else system.drills.load.rate),
            fingerprint=fingerprint(system),
        )

    async def run(self, chosen: Sequence[Cell]) -> dict[str, Any]:
        """Play these cells, keep the report, and give it.

        Raises:
            MainstayError: it could not be run; what was broken is mended.
        """
        because, without = _CALLED_OFF, dict[str, str]()
        try:
            async with self._opened(chosen) as (conductor, ways):
                without = {cell.name: why for cell in chosen if (why := missing(conductor.stage, cell))}
                given = [
                    (cell, scope(self._system, ways, cell)) for cell in chosen if cell.name not in without
                ]
                self._of = len(given)
                for wave in waves(given, self._at_once()):
                    try:
                        await conductor.steady()
                    except MainstayError as problem:
                        if not self._rows:
                            raise
                        # It was whole at first: what was played since has shown something, which is to be seen.
                        because = str(problem)
                        break
                    rows = await _all(self._play(conductor, cell, its) for cell, its in wave)
                    if any(one["aborted"] for one in rows):
                        break
        finally:
            # In the order of the plan, with what was not reached.
            played = {one["cell"]: one for one in self._rows}
            self._rows = [
                played.get(cell.name) or self.unplayed(cell, without.get(cell.name, ""), because)
                for cell in chosen
            ]
            if played:
                self._keep()
        return self.report()

    def unplayed(self, cell: Cell, missing: str, because: str) -> dict[str, Any]:
        """Give the line of a cell that was not played: for what was missing, or for another reason."""
        accepted = allowance(self._system, cell, dt.datetime.now(dt.UTC).date()).accepted
        if missing and accepted:
            # Not what it would have shown, which nobody knows, but that it is not shown here.
            return unplayed(cell, f"{missing}; accepted: {accepted}", ACCEPTED)
        return unplayed(cell, missing or because)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Play]:
        """Have a system ready, and give what plays a cell on it; the report of all that were played is kept at the end.

        Raises:
            MainstayError: it could not be made ready, or the report could not be kept.
        """
        try:
            async with self._opened() as (conductor, ways):

                async def play(cell: Cell) -> dict[str, Any]:
                    if why := missing(conductor.stage, cell):
                        raise EnvironmentProblem(f"{cell.name}: {why}")
                    await conductor.steady()
                    return await self._play(conductor, cell, scope(self._system, ways, cell))

                yield play
        finally:
            # What was measured before something went wrong is not lost.
            if self._rows:
                self._keep()

    def report(self) -> dict[str, Any]:
        """Give the report of what was played until now."""
        return report(self._system, self.terms, self._rows, self._planned)

    def _keep(self) -> None:
        try:
            self.history.keep(self.report())
        except EnvironmentProblem as problem:
            # Whoever waited for it is to see it all the same.
            self._tell({"event": "not_kept", "because": str(problem)})

    @asynccontextmanager
    async def _opened(self, chosen: Sequence[Cell] = ()) -> AsyncIterator[tuple[Conductor, list[Entry]]]:
        if not entries(self._system):
            raise SpecError(
                "no service takes HTTP: no user would come, and nobody could tell whether one is served;"
                " drills take a service with `listen: http://...`"
            )
        with self.history.running() as folder:
            # This is the one drill that runs: who still holds a fault does so for one that was killed.
            done, left = undo_left(self.history.intents, held=True)
            if left:
                raise MainstayError(f"a former drill left what cannot be undone: {'; '.join(left)}")
            for what in done:
                self._tell({"event": "undone", "what": what})
            async with self._stage(folder, chosen) as where:
                conductor = self._conductor(where, folder)
                await conductor.steady(_AT_FIRST)
                yield conductor, where.entries()

    @asynccontextmanager
    async def _stage(self, folder: Path, chosen: Sequence[Cell]) -> AsyncIterator[Stage]:
        if self._wish.live:
            async with stage.live(self._system, self._run, self._ask) as where:
                await _as_told(where)
                yield where
            return
        env = self._system.drills.env
        async with (
            prepared(self._system, folder, chosen) as having,
            stage.private(self._system, folder / "copy", self._ask, self._tell, env, own=having.own) as where,
        ):
            where.clocks, where.certificates, where.original = having.clocks, having.certificates, self._run
            yield where

    def _conductor(self, where: Stage, folder: Path) -> Conductor:
        drills = self._system.drills
        users, left = visits(
            drills.load,
            where.entries(),
            self.terms.rate,
            self._system.folder,
            writes=self._wish.writes or not self._wish.live,
        )
        if left:
            self._tell({"event": "left_out", "requests": [each._asdict() for each in left]})
        return Conductor(
            where,
            visits=users,
            times=LENGTHS[self._wish.length],
            folder=folder,
            intents=self.history.intents,
            lease=drills.lease,
            seed=self._wish.seed,
            abort=self._abort(),
            tell=self._tell,
        )

    def _abort(self) -> Abort:
        if self._wish.abort is not None:
            return self._wish.abort
        if not self._wish.live:
            return Abort()
        told = self._system.drills.abort
        command = told.probe if told.probe is None or isinstance(told.probe, str) else shlex.join(told.probe)
        return Abort([Rule(told.failed, max(1, round(told.after)))], [command] if command else [])

    def _at_once(self) -> int:
        """Give how many drills run at the same time: one on what users use, and else as many as processors bear."""
        return 1 if self._wish.live else max(1, len(os.sched_getaffinity(0)))

    async def _play(self, conductor: Conductor, cell: Cell, its: Scope) -> dict[str, Any]:
        self._begun += 1
        self._tell({"event": "cell", "cell": cell.name, "number": self._begun, "of": self._of})
        remark = only_one(self._system, cell)
        for plays in range(1, _TRIES + 1):
            course = await conductor.play(cell, its)
            found = replace(await self._seen(conductor, cell, course), plays=plays, remark=remark)
            # A machine that was busy with something else says nothing of the system: once more, where nobody is hurt.
            if self._wish.live or not late(found):
                break
        expected, accepted = allowance(self._system, cell, dt.datetime.now(dt.UTC).date())
        made = row(cell, course, found, judge(found, expected), expected, accepted, self.terms)
        self._rows.append(made)
        self._tell({"event": "verdict", **_without_timeline(made)})
        return made

    async def _seen(self, conductor: Conductor, cell: Cell, course: Course) -> Seen:
        journal = self._system.drills.load.journal
        if journal is None or not any(visit.writes() for visit in conductor.visits):
            return seen(cell, course, None)
        every = [record for records in course.records.values() for record in records]
        try:
            became = await compared(journal, self._system.folder, conductor.visits, every)
        except EnvironmentProblem as problem:
            # What users saw of it was seen all the same.
            return replace(seen(cell, course, None), untold=str(problem))
        return seen(cell, course, became)


def budget_spent(state: Mapping[str, Any]) -> str:
    """Tell why a running system has no trouble to spare; empty when it has.

    Args:
        state: Its status; a supervisor of a former version tells of no objectives.
    """
    spent = [
        f"{one['service']} ({one['promise']})"
        for one in state.get("objectives", ())
        if one["events"] and one["budget_left"] is not None and one["budget_left"] <= 0
    ]
    if not spent:
        return ""
    return (
        f"the error budget of {', '.join(spent)} is spent: users have had their share of trouble;"
        " a private copy (--isolated) harms nobody"
    )


async def _as_told(live: Stage) -> None:
    """See that what runs is what its file says, and that nobody else breaks it.

    Raises:
        MainstayError: it is not so.
    """
    state = await live.status()
    if why := budget_spent(state):
        raise MainstayError(why)
    if acting := [one["fault"] for one in state["faults"]]:
        raise MainstayError(
            f"faults act already: {', '.join(acting)}; `mainstay drill undo` ends them, and they end by themselves"
        )
    changes = (await live.post("/v1/reload", {"dry_run": True}))["changes"]
    # How it is drilled is read from the file as it is.
    if different := [one["what"] for one in changes if one["what"] != "drills"]:
        raise MainstayError(
            f"the system file has changed since the system has read it: {', '.join(different)};"
            " `mainstay reload` first, or what is shown would be of neither"
        )


def _without_timeline(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "timeline"}


async def _all(plays: Iterable[Coroutine[Any, Any, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Play all at the same time; if one cannot be, the others are ended, and mend what they have broken."""
    tasks = [asyncio.ensure_future(play) for play in plays]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
