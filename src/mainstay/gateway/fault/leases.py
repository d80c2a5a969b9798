"""The faults of a system as its supervisor keeps them: who asked for what, until when, and what came of it.

::

    asked for ── begun ── renewed, renewed ... ── ended, or not renewed in time ── over

Nothing is written down. Workers end a fault by themselves when its lease is over, so that none outlives whoever wanted
it, nor the supervisor, for longer than that; a new supervisor knows of none, and workers that it takes over have none.
"""

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from mainstay.base.clock import Clock
from mainstay.base.errors import MainstayError
from mainstay.base.facts import Emit, FaultBegan, FaultEnded
from mainstay.gateway.crew.crew import Crew
from mainstay.gateway.fault.spec import FaultProblem, FaultSpec, Target, asked, lease_of

ENDED, LEASE_OVER, ALL_ENDED = "ended", "lease over", "all ended"
_KEPT = 200
_MOST = 100
_HEED = 2.0
_SEEDS = 2**31


class Lease:
    """One fault, and what workers have counted of it."""

    def __init__(self, spec: FaultSpec) -> None:
        self.spec = spec
        self.reason: str | None = None
        """Why it is over; None while it is not."""
        self.timer: asyncio.TimerHandle | None = None
        self.counts: dict[int, list[int]] = {}
        """By the number of the worker's process: how often it has acted, and checks that it hit."""

    def sum(self, which: int) -> int:
        """Give what all workers have counted."""
        return sum(counts[which] for counts in self.counts.values())


class Leases:
    """All faults that were asked for of late."""

    def __init__(
        self, crew: Crew, targets: Callable[[], Mapping[str, Target]], emit: Emit, clock: Clock
    ) -> None:
        """Know of none.

        Args:
            crew: The workers, who are told.
            targets: Gives the services there are, by name.
            emit: Takes the facts.
            clock: Tells the time that workers have, too.
        """
        self._crew = crew
        self._targets = targets
        self._emit = emit
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._leases: dict[str, Lease] = {}
        self._version = 0
        crew.on_faults = self._counted

    # --- what can be asked ---

    async def begin(self, body: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        """Begin a fault, and give it when workers have it.

        Raises:
            FaultProblem: it cannot be.
        """
        if len(self._active()) >= _MOST:
            raise FaultProblem(f"{_MOST} faults are active already, and no more may be")
        id_ = f"f-{secrets.token_hex(4)}"
        seed = secrets.randbelow(_SEEDS)
        spec = asked(body, self._targets(), id_=id_, seed=seed, now=self._clock.now())
        lease = self._leases[id_] = Lease(spec)
        self._set_timer(lease)
        at = self._clock.wall()
        self._emit(
            FaultBegan(
                at=at,
                id=id_,
                kind=spec.fault,
                service=spec.service,
                instances=self._names(spec),
                until=at + spec.lease,
            )
        )
        confirmed = await self._tell()
        return self._record(lease) | {"confirmed": confirmed}

    def active(self) -> list[dict[str, Any]]:
        """Give all that are active, the oldest first."""
        return [self._record(lease) for lease in self._active()]

    async def renew(self, id_: str, told: Any = None) -> dict[str, Any]:  # noqa: ANN401 - JSON
        """Let a fault last for a lease from now on, its own or another one.

        Raises:
            FaultProblem: there is none, or no such lease.
            MainstayError: it is over.
        """
        lease = self._lease(id_)
        seconds = lease.spec.lease if told is None else lease_of(told)
        if lease.reason is not None:
            raise MainstayError(f"fault '{id_}' is over: {lease.reason}; a new one can be begun")
        lease.spec = replace(lease.spec, until=self._clock.now() + seconds, lease=seconds)
        self._set_timer(lease)
        confirmed = await self._tell()
        return self._record(lease) | {"confirmed": confirmed}

    async def end(self, id_: str) -> dict[str, Any]:
        """End a fault, if it is not over; give what it came to.

        Raises:
            FaultProblem: there is none.
        """
        lease = self._lease(id_)
        confirmed = await self._end([lease], ENDED)
        return self._record(lease) | {"confirmed": confirmed}

    async def end_all(self) -> list[dict[str, Any]]:
        """End all; give what each came to."""
        leases = self._active()
        await self._end(leases, ALL_ENDED)
        return [self._record(lease) for lease in leases]

    def close(self) -> None:
        """Watch no more; workers end what is left."""
        for lease in self._active():
            if lease.timer is not None:
                lease.timer.cancel()

    # --- what happens ---

    async def _end(self, leases: list[Lease], reason: str) -> bool:
        ended = [lease for lease in leases if lease.reason is None]
        for lease in ended:
            self._finish(lease, reason)
        return await self._tell() if ended else True

    def _over(self, lease: Lease) -> None:
        self._finish(lease, LEASE_OVER)
        self._publish()

    def _finish(self, lease: Lease, reason: str) -> None:
        if lease.timer is not None:
            lease.timer.cancel()
        lease.reason = reason
        over = [id_ for id_, one in self._leases.items() if one.reason is not None]
        for id_ in over[:-_KEPT]:
            del self._leases[id_]
        spec = lease.spec
        self._emit(
            FaultEnded(
                at=self._clock.wall(),
                id=spec.id,
                kind=spec.fault,
                service=spec.service,
                instances=self._names(spec),
                reason=reason,
            )
        )

    def _set_timer(self, lease: Lease) -> None:
        if lease.timer is not None:
            lease.timer.cancel()
        lease.timer = self._loop.call_later(lease.spec.until - self._clock.now(), self._over, lease)

    def _publish(self) -> None:
        self._version += 1
        faults = [lease.spec.told() for lease in self._active()]
        line = json.dumps({"faults": faults, "version": self._version}).encode() + b"\n"
        self._crew.announce(line)

    async def _tell(self) -> bool:
        """Tell all workers, and whether all have heeded it within a moment."""
        self._publish()
        return await self._crew.heeded(self._version, _HEED)

    def _counted(self, pid: int, counts: dict[str, list[int]]) -> None:
        for id_, pair in counts.items():
            if (lease := self._leases.get(id_)) is not None:
                lease.counts[pid] = pair

    # --- what there is ---

    def _active(self) -> list[Lease]:
        return [lease for lease in self._leases.values() if lease.reason is None]

    def _lease(self, id_: str) -> Lease:
        if (lease := self._leases.get(id_)) is None:
            known = ", ".join(lease.spec.id for lease in self._active()) or "none"
            raise FaultProblem(f"no fault '{id_}'; active: {known}")
        return lease

    def _names(self, spec: FaultSpec) -> list[str]:
        if spec.instances:
            return list(spec.instances)
        target = self._targets().get(spec.service)
        return list(target.instances) if target is not None else []

    def _record(self, lease: Lease) -> dict[str, Any]:
        spec = lease.spec
        return {
            "id": spec.id,
            "fault": spec.fault,
            "service": spec.service,
            "instances": self._names(spec),
            **spec.parameters,
            "seed": spec.seed,
            "lease": spec.lease,
            "ends_in": max(0.0, spec.until - self._clock.now()) if lease.reason is None else 0.0,
            "ended": lease.reason,
            "acted": lease.sum(0),
            "checks": lease.sum(1),
        }
