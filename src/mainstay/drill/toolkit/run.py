"""One run of an experiment: hypothesis, method, hypothesis, rollbacks; and the journal of it.

::

    hypothesis │ method: one activity after another, some beside it │ hypothesis │ rollbacks
    (the gate) └ the hypothesis again and again, if it is to be ────┘

The journal has the shape that Chaos Toolkit gives it. One thing is judged otherwise: a check that fails while the method
goes on makes the run deviate, also if all is well again at its end.
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from mainstay import __version__
from mainstay.drill.toolkit import tolerance
from mainstay.drill.toolkit.experiment import Activity, Experiment
from mainstay.drill.toolkit.provider import ActivityFailed, provide
from mainstay.drill.toolkit.variable import filled

COMPLETED = "completed"
FAILED = "failed"
INTERRUPTED = "interrupted"
MOST = 50
"""Checks that may be under way at once; one more has failed: nobody could make it."""
_BEFORE = ("default", "before-method-only", "continuously")
_AFTER = ("default", "after-method-only", "continuously")
_DURING = ("during-method-only", "continuously")
Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How an experiment is run."""

    values: Mapping[str, Any] = field(default_factory=dict)
    """Its configuration, see `variable.configuration`."""
    secrets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    """Variables for programs and functions, beside those of this process."""
    rollbacks: str = "default"
    hypothesis: str = "default"
    frequency: float = 1.0
    """Seconds from one check to the next, where there are checks while the method goes on."""
    tell: Callable[[Record], None] = lambda _: None
    """Takes news: each record when it is made; of checks while the method goes on, those that failed."""


class Run:
    """One run."""

    def __init__(self, experiment: Experiment, terms: Terms) -> None:
        self._experiment = experiment
        self._terms = terms
        # Secrets are in groups; a name is looked for in all of them.
        secrets = {name: value for group in terms.secrets.values() for name, value in group.items()}
        self._values = {**secrets, **terms.values}
        self._status = COMPLETED
        self._deviated = False
        self._states: dict[str, Any] = {"before": None, "after": None, "during": []}
        self._done: list[Record] = []
        self._undone: list[Record] = []

    async def journal(self) -> Record:
        """Run it, and give its journal; when this is cancelled, the run is interrupted, and the journal tells so."""
        began = _now()
        await self._or_interrupted(self._course())
        if self._rolls_back():
            await self._or_interrupted(self._roll_back())
        ended = _now()
        return {
            "mainstay": __version__,
            "experiment": self._experiment.told,
            "status": self._status,
            "deviated": self._deviated,
            "start": began.isoformat(),
            "end": ended.isoformat(),
            "duration": (ended - began).total_seconds(),
            "steady_states": self._states,
            "run": self._done,
            "rollbacks": self._undone,
        }

    async def _or_interrupted(self, what: Any) -> None:  # noqa: ANN401 - a coroutine
        try:
            await what
        except asyncio.CancelledError:
            self._status = INTERRUPTED
            if (task := asyncio.current_task()) is not None:
                task.uncancel()

    async def _course(self) -> None:
        when = self._terms.hypothesis
        if when in _BEFORE:
            self._states["before"] = state = await self._check()
            if not state["steady_state_met"]:
                self._status = FAILED
                return
        async with self._watched(during=when in _DURING):
            await self._method()
        if when in _AFTER:
            self._states["after"] = state = await self._check()
            self._deviated |= not state["steady_state_met"]

    async def _method(self) -> None:
        async with asyncio.TaskGroup() as beside:
            for activity in self._experiment.method:
                if activity.get("background"):
                    beside.create_task(self._play(activity, self._done))
                else:
                    await self._play(activity, self._done)

    def _rolls_back(self) -> bool:
        strategy = self._terms.rollbacks
        if strategy == "default":
            return self._status == COMPLETED
        return strategy == "always" or (strategy == "deviated" and self._deviated)

    async def _roll_back(self) -> None:
        for activity in self._experiment.rollbacks:
            await self._play(activity, self._undone)

    async def _check(self, *, quiet: bool = False) -> Record:
        """Check the hypothesis: its probes, until one is not as it should be."""
        began = _now()
        records: list[Record] = []
        for probe in self._experiment.probes:
            record = await self._play(probe, records, judged=True, quiet=quiet)
            if not record["tolerance_met"]:
                break
        met = all(record["tolerance_met"] for record in records)
        return {
            "steady_state_met": met,
            "probes": records,
            "start": began.isoformat(),
            "end": _now().isoformat(),
        }

    @asynccontextmanager
    async def _watched(self, *, during: bool) -> AsyncIterator[None]:
        """Check the hypothesis again and again, if it is to be, whatever became of the checks before."""
        if not during or not self._experiment.probes:
            yield
            return
        loop = asyncio.get_running_loop()
        checks: set[asyncio.Task[None]] = set()
        watching = loop.create_task(self._watch(checks))
        try:
            yield
            watching.cancel()
            # One that hangs is what they are for: it is waited for, as long as its probe may take.
            await asyncio.gather(*checks)
        finally:
            for task in (watching, *checks):
                task.cancel()
            await asyncio.gather(watching, *checks, return_exceptions=True)
            self._states["during"].sort(key=lambda state: state["start"])

    async def _watch(self, checks: set[asyncio.Task[None]]) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if len(checks) < MOST:
                task = loop.create_task(self._check_once())
                checks.add(task)
                task.add_done_callback(checks.discard)
            else:
                self._saw({"steady_state_met": False, "probes": [], "start": _now().isoformat()})
            due += self._terms.frequency
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def _check_once(self) -> None:
        self._saw(await self._check(quiet=True))

    def _saw(self, state: Record) -> None:
        self._states["during"].append(state)
        self._deviated |= not state["steady_state_met"]

    async def _play(
        self, activity: Activity, records: list[Record], *, judged: bool = False, quiet: bool = False
    ) -> Record:
        """Play one activity, and give its record, which stands among the others from its beginning on."""
        await self._pause(activity, "before")
        began = _now()
        record: Record = {"activity": dict(activity), "start": began.isoformat(), "output": None}
        records.append(record)
        met = False
        try:
            record["output"] = await self._provide(activity["provider"])
            record["status"] = "succeeded"
            met = judged and await self._is_within(activity["tolerance"], record["output"])
        except ActivityFailed as problem:
            record |= {"status": "failed", "exception": [str(problem)]}
        except Exception as problem:  # noqa: BLE001 - what values that nobody could check have led to
            record |= {"status": "failed", "exception": [f"{type(problem).__name__}: {problem}"]}
        except asyncio.CancelledError:
            record |= {"status": "failed", "exception": ["it was interrupted"]}
            raise
        finally:
            record |= {"end": _now().isoformat(), "duration": (_now() - began).total_seconds()}
            if judged:
                record["tolerance_met"] = met
            if not quiet or not met:
                self._terms.tell(record)
        await self._pause(activity, "after")
        return record

    async def _pause(self, activity: Activity, which: str) -> None:
        told = filled((activity.get("pauses") or {}).get(which), self._values)
        if told:
            with contextlib.suppress(ValueError):
                await asyncio.sleep(float(told))

    async def _provide(self, provider: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever it gives
        terms = self._terms
        return await provide(filled(provider, self._values), terms.values, terms.secrets, terms.environ)

    async def _is_within(self, told: Any, value: Any) -> bool:  # noqa: ANN401 - whatever JSON has
        told = filled(told, self._values)
        if not isinstance(told, Mapping) or told.get("type") != "probe":
            return tolerance.within(told, value)
        provider = told["provider"]
        provider = {**provider, "arguments": {**(provider.get("arguments") or {}), "value": value}}
        return _is_true(await self._provide(provider))


def _is_true(given: Any) -> bool:  # noqa: ANN401 - whatever a provider gives
    """Tell whether a probe says yes: a function by what it gives, a program by its exit code, a request by its status."""
    if isinstance(given, Mapping) and "status" in given:
        return given["status"] == 0 if "stdout" in given else given["status"] in range(200, 400)
    return bool(given)


def failures(journal: Mapping[str, Any]) -> Sequence[Record]:
    """Give every check of the hypothesis that failed."""
    states = journal["steady_states"]
    return [
        one
        for one in (states["before"], *states["during"], states["after"])
        if one and not one["steady_state_met"]
    ]


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
