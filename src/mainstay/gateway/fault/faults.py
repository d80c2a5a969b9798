"""The faults of one worker: it is told of them by the supervisor, and ends each at its time, whoever else is there."""

from collections.abc import Iterable
from time import monotonic
from typing import TYPE_CHECKING, Any

from mainstay.base.dice import Dice
from mainstay.gateway.fault.effect import Count, Effect, effect
from mainstay.gateway.fault.legs import Legs
from mainstay.gateway.fault.spec import FaultSpec

if TYPE_CHECKING:
    import asyncio

    from mainstay.gateway.worker import Worker


class Fault:
    """One fault as this worker does it."""

    __slots__ = ("count", "effect", "instances", "spec", "timer")

    def __init__(self, spec: FaultSpec, made: Effect) -> None:
        self.spec = spec
        self.effect = made
        self.timer: asyncio.TimerHandle | None = None
        self.instances: list[Legs] = []


class Faults:
    """All that are active here."""

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker
        self._loop = worker.loop
        self._active: dict[str, Fault] = {}
        # Also of those that are over, until the supervisor no longer names them.
        self._counts: dict[str, Count] = {}

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._active)

    def take(self, specs: Iterable[FaultSpec]) -> dict[str, list[int]]:
        """Have these faults and no others; give what all that there were have counted."""
        named = {spec.id: spec for spec in specs}
        for fault in list(self._active.values()):
            if fault.spec.id not in named:
                self._end(fault)
        for spec in named.values():
            had = self._active.get(spec.id)
            if spec.until <= monotonic():
                continue  # one that is active has a timer that says so
            if had is None:
                self._begin(spec)
            else:
                had.spec = spec
                self._set_timer(had)
        counted = self.counted()
        for name in self._counts.keys() - named.keys():
            del self._counts[name]
        return counted

    def counted(self) -> dict[str, list[int]]:
        """Give how often each has acted, and how many health checks it hit."""
        return {name: [count.acted, count.checks] for name, count in self._counts.items()}

    def follow(self) -> None:
        """Aim at the lives that there are now."""
        for fault in self._active.values():
            self._aim(fault)

    def close(self) -> None:
        """End all."""
        for fault in list(self._active.values()):
            self._end(fault)

    def _begin(self, spec: FaultSpec) -> None:
        count = self._counts.setdefault(spec.id, Count())
        # Workers that rolled the same would fail together.
        dice = Dice(f"{spec.seed}/{self._worker.number}")
        fault = self._active[spec.id] = Fault(spec, effect(spec, dice, count))
        self._aim(fault)
        self._set_timer(fault)

    def _aim(self, fault: Fault) -> None:
        route = self._worker.routes.get(fault.spec.service)
        members = route.pool.members if route is not None else ()
        had = {legs.instance for legs in fault.instances}
        for member in members:
            if member not in had and fault.spec.aims_at(member.service, member.name):
                legs = member.legs = member.legs or Legs(member, self._loop)
                fault.instances.append(legs)
                legs.begin(fault.effect)

    def _set_timer(self, fault: Fault) -> None:
        if fault.timer is not None:
            fault.timer.cancel()
        fault.timer = self._loop.call_later(fault.spec.until - monotonic(), self._end, fault)

    def _end(self, fault: Fault) -> None:
        if fault.timer is not None:
            fault.timer.cancel()
        self._active.pop(fault.spec.id, None)
        fault.effect.over.set()
        for legs in fault.instances:
            legs.end(fault.effect)


def heard(message: dict[str, Any]) -> list[FaultSpec]:
    """Read what the supervisor has said.

    Raises:
        ValueError: it is no list of faults.
    """
    try:
        return [FaultSpec.heard(one) for one in message["faults"]]
    except (LookupError, TypeError) as error:
        raise ValueError(f"no list of faults: {error}") from error
