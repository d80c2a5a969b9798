"""One drill from its beginning to its end: users come, something breaks, is mended, and what was seen is judged.

::

    warm-up │ baseline │ fault …… (lease renewed) …… │ until all is back │ keep │
            └ users at the same rate all the time, from a schedule that is the same in every cell ┘
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any, NamedTuple

from mainstay.base.errors import MainstayError
from mainstay.drill.abort import Abort, Guard
from mainstay.drill.cell import Cell
from mainstay.drill.injection import Injection, Unconfirmed, injection
from mainstay.drill.load.record import Record
from mainstay.drill.load.users import Users
from mainstay.drill.load.visit import Visit
from mainstay.drill.scope import Scope
from mainstay.drill.stage.stage import Stage
from mainstay.supervisor import procfs
from mainstay.tolerance.hedge import LEAST

LEAD = 0.8
"""Seconds from the start of the generators to their first request: they are processes that have to come up."""
_LOOK = 0.1
_ENOUGH = 1.5 * LEAST
"""Answers until a gateway worker knows what is usual, and half as many more: they do not come to all workers alike."""
_LEARNING = 10.0
_MARGIN = 60.0
"""The most seconds that are spent on that."""
_ENDS = frozenset({"kill", "stop"})
"""Faults whose targets are gone afterwards."""
Tell = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long each part of a drill takes, in seconds."""

    warm: float = 1.0
    """Users come, and are not counted: caches fill, connections are made. Longer where gateway workers are new to them."""
    baseline: float = 4.0
    """What is without a fault."""
    fault: float = 6.0
    """How long it is broken, at least."""
    keep: float = 4.0
    """How long it is watched after all was back."""
    recovery: float = 60.0
    """How long it may take until all is back."""

    @property
    def usual(self) -> float:
        """What a cell takes when all is back at once."""
        return LEAD + self.warm + self.baseline + self.fault + self.keep


QUICK = Times(warm=0.4, baseline=1.4, fault=2.2, keep=1.0)
STANDARD = Times()
FULL = Times(warm=3.0, baseline=10.0, fault=15.0, keep=10.0, recovery=180.0)


class Course(NamedTuple):
    """What happened in one cell, and what its users saw; times on the machine's monotonic clock."""

    began: float
    """The users' first moment."""
    counted: float
    """The end of the warm-up."""
    broken: float
    wall: float
    """The same moment in seconds since 1970."""
    over: float
    """When the fault ended: by being undone, or at once."""
    back: float
    """When all that was lost was back; `nan` when it was not."""
    confirmed: str
    trouble: str
    records: Mapping[str, Sequence[Record]]
    """By entry point; times in seconds from `began`."""
    lag: float
    unsent: int
    facts: Sequence[dict[str, Any]]
    """What the system told since the fault began."""
    retries: int
    hedges: int
    aborted: str
    """Why it was called off; empty when it was not."""


class Conductor:
    """Plays drills on a stage, one after another."""

    def __init__(  # noqa: PLR0913 - all that a drill is made of; all by name
        self,
        stage: Stage,
        *,
        visits: Sequence[Visit],
        times: Times,
        folder: Path,
        intents: Path,
        lease: float,
        seed: int,
        abort: Abort,
        tell: Tell,
    ) -> None:
        """Be ready to play.

        Args:
            stage: Where.
            visits: Where users come in, and what they ask for.
            times: How long each part takes.
            folder: For records.
            intents: For what has to be undone.
            lease: Seconds after which a fault ends by itself unless it is renewed.
            seed: Of users and faults.
            abort: When to call it off.
            tell: Takes news while it goes on.
        """
        self.stage = stage
        self.visits = visits
        self._times = times
        self._folder = folder
        self._intents = intents
        self._lease = lease
        self._seed = seed
        self._abort = abort
        self._tell = tell
        self._learnt: set[tuple[str, int]] = set()

    async def steady(self, patience: float | None = None) -> None:
        """Wait until the system is whole.

        Args:
            patience: Seconds to wait; as long as it may take to recover unless told.

        Raises:
            MainstayError: it is not; nothing has been done to it.
        """
        limit = self._times.recovery if patience is None else patience
        if isfinite(await self._whole(frozenset(self.stage.system.services), limit, visited=False)):
            return
        state = await self.stage.status()
        missing = [
            f"{row['instance']} is {row['state']}" for row in state["instances"] if row["state"] != "up"
        ]
        raise MainstayError(
            f"redundancy is reduced already: {', '.join(missing) or 'gateway workers are missing'};"
            " a drill would take what is left"
        )

    async def play(self, cell: Cell, scope: Scope) -> Course:
        """Play one drill; whatever happens, what was broken is mended when this returns.

        Args:
            cell: The drill.
            scope: What it is about: only users who come in there are there, and only that has to come back.
        """
        before = await self.stage.status()
        faults = [
            injection(
                self.stage,
                before,
                part,
                self._intents / f"{_file(cell)}.{number}.json",
                lease=self._lease,
                seed=self._seed,
            )
            for number, part in enumerate(cell.parts)
        ]
        async with contextlib.AsyncExitStack() as stack:
            # What is broken on purpose is told apart from what breaks by itself: until all is mended.
            await self._mark(stack, cell, scope)
            stack.push_async_callback(_end_all, faults)
            for fault in faults:
                await fault.prepare()
            came = [visit for visit in self.visits if visit.entry in scope.entries]
            warm = self._times.warm + self._learning(came, before["workers"])
            began = time.monotonic() + LEAD
            users = [await stack.enter_async_context(self._users(visit, cell, began)) for visit in came]
            return await self._course(cell, scope, faults, users, (began, began + warm), before)

    async def _mark(self, stack: contextlib.AsyncExitStack, cell: Cell, scope: Scope) -> None:
        """Have what users use know that this time is a drill's; a copy keeps its ledger for nobody."""
        if not self.stage.live:
            return
        # It ends by itself if we do not come to it.
        lasts = self._times.usual + self._times.recovery + _LEARNING + _MARGIN
        for service in sorted(scope.services):
            asked = {"state": "drill", "service": service, "reason": cell.name, "for": lasts}
            try:
                mark = await self.stage.post("/v1/marks", asked)
            except MainstayError as problem:
                self._tell({"event": "not_marked", "because": str(problem)})
                return
            stack.push_async_callback(self._unmark, int(mark["mark"]))

    async def _unmark(self, number: int) -> None:
        # A supervisor that is gone cannot be told, and the mark has its end.
        with contextlib.suppress(MainstayError):
            await self.stage.post(f"/v1/marks/{number}/end", {})

    def _learning(self, visits: Sequence[Visit], workers: Sequence[Mapping[str, Any]]) -> float:
        """Give how long it takes until gateway workers that are new know how long answers take.

        Who does not know that can call none late (`tolerance.hedge`): without this, a drill would show another thing as
        the first of a run than it does as the second.
        """
        there = {(visit.name, int(worker["pid"])) for visit in visits for worker in workers}
        new, self._learnt = there - self._learnt, self._learnt | there
        slowest = min((visit.rate for visit in visits), default=inf)
        return min(_LEARNING, _ENOUGH * len(workers) / slowest) if new else 0.0

    def _users(self, visit: Visit, cell: Cell, began: float) -> Users:
        times = self._times
        seconds = times.usual + times.recovery + _LEARNING
        options = visit.options(seconds=seconds, at=began, seed=self._seed, folder=self._folder)
        out = self._folder / f"{_file(cell)}.{visit.number}.jsonl"
        return Users(visit.name, options, out, lambda news: self._tell({**news, "cell": cell.name}))

    async def _course(  # noqa: PLR0913, PLR0917 - what one drill is made of
        self,
        cell: Cell,
        scope: Scope,
        faults: Sequence[Injection],
        users: Sequence[Users],
        span: tuple[float, float],
        before: dict[str, Any],
    ) -> Course:
        """Play it; users come from the first moment of the span on, and are counted from the second on."""
        times, (began, counted) = self._times, span
        await _sleep_until(counted + times.baseline)
        broken, wall = time.monotonic(), time.time()
        evidence, aborted, back = "", "", None
        trouble = failing = self._failing(users)
        if not failing:
            self._tell({"event": "breaking", "cell": cell.name})
            evidence, trouble, aborted, back = await self._break(
                cell, scope, faults, users, broken + times.fault, _leaving(cell, before)
            )
            self._tell({"event": "mended", "cell": cell.name})
        over = time.monotonic() if cell.lasts and not failing else broken
        if back is None:
            # Of what was not broken nothing has to come back.
            back = over if failing else await self._whole(scope.services, times.recovery)
        self._tell({"event": "back", "cell": cell.name, "seconds": back - over})
        await asyncio.sleep(0.0 if failing else times.keep)
        facts = [fact for fact in await self.stage.facts() if fact["at"] >= wall and not failing]
        gone = [await one.gone() for one in users]
        after = await self.stage.status()
        records = {one.name: its for one, (_, its, _) in zip(users, gone, strict=True)}
        if failing:
            trouble = f"{failing} ({_ways(records, broken - began)})"
        return Course(
            began=began,
            counted=counted,
            broken=broken,
            wall=wall,
            over=over,
            back=back,
            confirmed=evidence,
            trouble=trouble,
            records=records,
            # Its own lateness in sending, and in hearing an echo of its own.
            lag=max((max(told["lag"]["p99"] or 0.0, _lane(told)) for _, _, told in gone), default=0.0),
            unsent=sum(told["unsent"] for _, _, told in gone),
            facts=facts,
            retries=_more(before, after, scope, "retries"),
            hedges=_more(before, after, scope, "hedges"),
            aborted=aborted,
        )

    def _failing(self, users: Sequence[Users]) -> str:
        """Tell that users are not served as it is, which nobody may make worse, and which would prove nothing."""
        seconds = max(1, int(self._times.baseline))
        for one in users:
            last = list(one.seconds)[-seconds:]
            if failed := sum(count for _, count in last):
                ended = sum(count for count, _ in last)
                return f"{failed} of {ended} requests to {one.name} failed before the fault, so nothing was broken"
        return ""

    async def _break(  # noqa: PLR0913, PLR0917 - what one drill is made of
        self,
        cell: Cell,
        scope: Scope,
        faults: Sequence[Injection],
        users: Sequence[Users],
        until: float,
        leaving: frozenset[int],
    ) -> tuple[str, str, str, float | None]:
        """Break it, keep it broken, and mend it.

        Returns:
            The evidence that it was; what is wrong with the drill; why it was called off; and when all was back, where
            that did not wait for the mending.
        """
        aborted, back = "", None
        try:
            # Each to its end: one that has begun must be known to have, or nobody would end it.
            said = await asyncio.gather(*(fault.begin() for fault in faults), return_exceptions=True)
            for problem in said:
                if isinstance(problem, BaseException):
                    raise problem
            if cell.lasts:
                aborted = await self._hold(faults, users, until)
            else:
                # What is over as soon as it is done is mended by the system itself, while we look on.
                recovery = max(self._times.recovery, until - time.monotonic())
                aborted, back = await asyncio.gather(
                    self._hold(faults, users, until), self._whole(scope.services, recovery, leaving)
                )
                _expect_gone(leaving)
            said += [await fault.end() for fault in faults]
        except Unconfirmed as problem:
            await _end_all(faults)
            return "", str(problem), aborted, back
        return "; ".join(map(str, filter(None, said))), "", aborted, back

    async def _hold(self, faults: Sequence[Injection], users: Sequence[Users], until: float) -> str:
        """Keep it broken for its time, unless it is to be called off; give why it was."""
        renewed = time.monotonic()
        async with Guard(self._abort, users) as guard:
            while (now := time.monotonic()) < until:
                if now - renewed > self._lease / 3:
                    renewed = now
                    for fault in faults:
                        await fault.renew()
                if reason := guard.reason():
                    return reason
                await asyncio.sleep(min(_LOOK, until - now))
        return ""

    async def _whole(
        self,
        services: frozenset[str],
        limit: float,
        leaving: frozenset[int] = frozenset(),
        *,
        visited: bool = True,
    ) -> float:
        """Wait until every instance of these takes traffic and every worker is there; give when, or `nan` if never.

        Args:
            services: The services.
            limit: Seconds to wait.
            leaving: Processes that have to be replaced: what was told to end may take its time, and is no new life.
            visited: Whether users come: without them no circuit breaker closes, and none has to.
        """
        end = time.monotonic() + limit
        while (now := time.monotonic()) < end:
            with contextlib.suppress(MainstayError):  # its supervisor may be what has to come back
                state = await self.stage.status()
                if _is_whole(self.stage, state, services, leaving, visited=visited):
                    return now
            await asyncio.sleep(_LOOK)
        return nan


def _is_whole(
    stage: Stage,
    state: dict[str, Any],
    services: frozenset[str],
    leaving: frozenset[int],
    *,
    visited: bool,
) -> bool:
    workers = stage.system.gateway.worker_count() if stage.system.openings() else 0
    mine = [row for row in state["services"] if row["service"] in services]
    # What was killed a moment ago may not be missed by the supervisor yet, and would count as there.
    pids = [row["pid"] for row in (*state["instances"], *state["workers"]) if row["pid"]]
    return (
        state["phase"] == "running"
        and not leaving.intersection(pids)
        and all(map(_alive, pids))
        and all(
            row["state"] == "up" and not row.get("ejected") and not (visited and row.get("breakers_open"))
            for row in state["instances"]
            if row["service"] in services
        )
        and all(row["up"] >= row["instances"] for row in mine)
        and len(state["workers"]) >= workers
        and all(worker["table"] >= state["table"] for worker in state["workers"])
    )


def _more(before: dict[str, Any], after: dict[str, Any], scope: Scope, what: str) -> int:
    """Give how much more of something these services have counted."""
    first, last = (
        sum(int(row[what]) for row in state["services"] if row["service"] in scope.services)
        for state in (before, after)
    )
    # A gateway worker that was killed takes its last counts with it: never less than nothing.
    return max(0, last - first)


def _alive(pid: int) -> bool:
    now = procfs.stat(pid)
    return now is not None and now.alive


def _ways(records: Mapping[str, Sequence[Record]], until: float) -> str:
    """Tell how requests failed that came before a moment."""
    failed = [one for its in records.values() for one in its if one.failed and one.at < until]
    ways = Counter(f"status {one.status}" if one.outcome == "status" else one.outcome for one in failed)
    return ", ".join(f"{count} {way}" for way, count in ways.most_common())


def _expect_gone(pids: frozenset[int]) -> None:
    if stay := [pid for pid in pids if _alive(pid)]:
        raise Unconfirmed(f"pid {', '.join(map(str, stay))} did not end")


def _leaving(cell: Cell, before: dict[str, Any]) -> frozenset[int]:
    """Give the processes that a drill ends, of whatever it breaks once."""
    hit = {name for part in cell.parts if part.kind.order in _ENDS for name in part.target.instances}
    return frozenset(row["pid"] for row in before["instances"] if row["instance"] in hit and row["pid"])


def _lane(told: dict[str, Any]) -> float:
    return float((told["lane"] or {}).get("p99") or 0.0)


def _file(cell: Cell) -> str:
    return cell.name.replace("/", "-")


async def _end_all(faults: Sequence[Injection]) -> None:
    """End all faults, also when one of them cannot be."""
    async with contextlib.AsyncExitStack() as stack:
        for fault in faults:
            stack.push_async_callback(_end, fault)


async def _end(fault: Injection) -> None:
    with contextlib.suppress(Unconfirmed):
        await fault.end()


async def _sleep_until(at: float) -> None:
    await asyncio.sleep(max(0.0, at - time.monotonic()))
