"""HOT. Where the requests of one service go: its pool, its policy, and what has been counted of it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mainstay.base.dice import Dice
from mainstay.base.facts import Emit
from mainstay.gateway.histogram import bucket, merged
from mainstay.gateway.table import DRAINING, Row, Settings
from mainstay.gateway.upstream import Upstream
from mainstay.redundancy.health import Health
from mainstay.redundancy.pool import Pool
from mainstay.tolerance.breaker import Breaker
from mainstay.tolerance.call import Policy

if TYPE_CHECKING:
    import asyncio

_SERVER_ERROR = 500


class Route:
    """One service in one worker."""

    __slots__ = (
        "_emit",
        "_left",
        "before",
        "broken",
        "cancelled",
        "classes",
        "dice",
        "durations",
        "failures",
        "in_flight",
        "latency",
        "micros",
        "name",
        "past",
        "policy",
        "pool",
        "refused",
        "requests",
        "retries",
        "settings",
        "tasks",
    )

    def __init__(
        self, name: str, settings: Settings, dice: Dice, emit: Emit, left: Callable[[Upstream], None]
    ) -> None:
        self.name = name
        self.settings = settings
        self.dice = dice
        self._emit = emit
        self._left = left
        self.pool: Pool[Upstream] = Pool(settings.pool, name, dice.fork("pool"), emit)
        self.policy: Policy[Upstream] = Policy(settings.call, self.pool, dice.fork("call"))
        self.tasks: set[asyncio.Task[None]] = set()
        # Counted since the worker began; whoever adds up keeps what the dead ones had.
        self.requests = 0
        self.failures = 0
        self.broken = 0
        self.cancelled = 0
        self.refused = 0
        self.retries = 0
        self.in_flight = 0
        self.classes = [0] * 6
        # Whole microseconds: sums of them are the same in whatever order workers are added up.
        self.micros = 0
        self.latency: dict[int, int] = {}
        self.before: dict[int, int] = {}
        # What `before` and `latency` have forgotten.
        self.durations: dict[int, int] = {}
        # By instance: attempts, and those that failed, at lives that have left the pool.
        self.past: dict[str, tuple[int, int]] = {}

    def count(self, status: int, seconds: float) -> None:
        """Count an answered request by its status and latency."""
        self.requests += 1
        self.classes[status // 100 if status < 600 else 5] += 1  # noqa: PLR2004 - the last class
        if status >= _SERVER_ERROR:
            self.failures += 1
        self.micros += int(seconds * 1e6)
        index = bucket(seconds)
        self.latency[index] = self.latency.get(index, 0) + 1

    def apply(self, now: float, rows: list[Row]) -> None:
        """Take these lives as the service's instances; known ones keep their connections and memory."""
        known = {member.key: member for member in self.pool.members}
        members = [known.get((row.instance, row.generation)) or self._new(row) for row in rows]
        staying = {id(member) for member in members}
        self.pool.replace(now, members)
        for member in known.values():
            if id(member) not in staying:
                member.leaving = True
                member.close()
                self._keep(member)
        for row, member in zip(rows, members, strict=True):
            member.path = row.path
            member.authority = row.authority.encode()
            if row.state == DRAINING and not member.leaving:
                self.pool.drain(now, member)
                member.leaving = True
                member.close()
            self._tell_if_idle(member)

    def configure(self, now: float, settings: Settings) -> None:
        """Treat the service's traffic by other settings; its instances keep connections and memory."""
        self.settings = settings
        self.policy.configure(settings.call)
        self.pool.configure(now, settings.pool)
        self.pool.check_by(now, settings.health)
        for member in self.pool.members:
            if settings.breaker is None or member.breaker is None:
                member.breaker = self._breaker(member.name, member.generation)
            else:
                member.breaker.configure(settings.breaker)

    def turn(self) -> None:
        """Forget the older half of the latencies, except in the sums over all time."""
        self.durations = merged((self.durations, self.before))
        self.before, self.latency = self.latency, {}
        for member in self.pool.members:
            member.before, member.latency = member.latency, {}

    def left(self, instance: Upstream) -> None:
        """Take it that nothing is under way any more at an instance that takes no more."""
        if not any(member is instance for member in self.pool.members):
            self._keep(instance)
        self._tell_if_idle(instance)

    def _tell_if_idle(self, member: Upstream) -> None:
        if member.leaving and not member.busy:
            self._left(member)

    def _keep(self, member: Upstream) -> None:
        """Keep what was counted of a life outside the pool; what it still has under way is added when it ends."""
        attempts, failures = self.past.get(member.name, (0, 0))
        self.past[member.name] = (attempts + member.requests, failures + member.failures)
        member.requests = member.failures = 0

    def _attempts(self) -> dict[str, tuple[int, int]]:
        """Give attempts and failed ones by instance, over all of its lives."""
        sums = dict(self.past)
        for member in self.pool.members:
            attempts, failures = sums.get(member.name, (0, 0))
            sums[member.name] = (attempts + member.requests, failures + member.failures)
        return sums

    def counted(self) -> dict[str, Any]:
        """Give all that was counted, as plain values."""
        return {
            "requests": self.requests,
            "failures": self.failures,
            "broken": self.broken,
            "cancelled": self.cancelled,
            "refused": self.refused,
            "retries": self.retries,
            "in_flight": self.in_flight,
            "classes": self.classes,
            "latency": merged((self.before, self.latency)),
            "durations": merged((self.durations, self.before, self.latency)),
            "micros": self.micros,
            "attempts": self._attempts(),
            "panicking": self.pool.panicking,
            "instances": [
                {
                    "instance": member.name,
                    "generation": member.generation,
                    "requests": member.requests,
                    "failures": member.failures,
                    "in_flight": len(member.busy),
                    "latency": merged((member.before, member.latency)),
                    "health": member.health.state.value,
                    "ejected": member.ejected_until is not None,
                    "breaker": member.breaker.state.value if member.breaker is not None else None,
                }
                for member in self.pool.members
            ],
        }

    def _new(self, row: Row) -> Upstream:
        # The supervisor lists a life only once it has answered, so it starts as up.
        health = Health(self.settings.health, known_up=True)
        return Upstream(self, row, health, self._breaker(row.instance, row.generation))

    def _breaker(self, instance: str, generation: int) -> Breaker | None:
        spec = self.settings.breaker
        if spec is None:
            return None
        dice = self.dice.fork(f"breaker/{instance}/{generation}")
        return Breaker(spec, dice, self._emit, who=(self.name, instance, generation))
