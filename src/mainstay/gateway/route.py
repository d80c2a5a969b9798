"""HOT. Where the requests of one service go: its pool, its policy, and what has been counted of it."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from mainstay.base.dice import Dice
from mainstay.base.facts import Emit
from mainstay.base.histogram import merged, place
from mainstay.gateway.http.audience import Audience
from mainstay.gateway.http.request import of_attempt
from mainstay.gateway.http.sticky import Sticky
from mainstay.gateway.load import Load
from mainstay.gateway.slices import as_json, mapping_as_json
from mainstay.gateway.table import DRAINING, Row, Settings
from mainstay.gateway.tcp.relay import Meter
from mainstay.gateway.upstream import SEVERAL, Upstream
from mainstay.redundancy.health import Health
from mainstay.redundancy.pool import Pool
from mainstay.tolerance.breaker import Breaker
from mainstay.tolerance.call import Policy
from mainstay.tolerance.order import Because

if TYPE_CHECKING:
    from mainstay.gateway.keys.keeper import Keeper

PARKED = 1000
"""Requests that may wait in one worker for an instance of one service, so that an outage does not fill the memory."""

_SERVER_ERROR = 500
_STEP = 50


class Parked(Protocol):
    """Something that waits for an instance."""

    def go_on(self, now: float) -> None:
        """Hear that there may be one."""
        ...


class Route:
    """One service in one worker."""

    __slots__ = (
        "_breakers",
        "_emit",
        "_left",
        "_waking",
        "audience",
        "because",
        "before",
        "broken",
        "cancelled",
        "classes",
        "dice",
        "durations",
        "failures",
        "fallbacks",
        "first_attempt",
        "hedges",
        "hedges_won",
        "in_flight",
        "keeper",
        "keys",
        "latency",
        "load",
        "micros",
        "name",
        "own",
        "parked",
        "past",
        "policy",
        "pool",
        "received",
        "refused",
        "requests",
        "retries",
        "sent",
        "settings",
        "shed",
        "sticky",
        "tasks",
        "tunnels",
        "upgrades",
        "user_down",
        "user_up",
    )

    def __init__(
        self, name: str, settings: Settings, dice: Dice, emit: Emit, left: Callable[[Upstream], None]
    ) -> None:
        self.name = name
        self.settings = settings
        self.sticky = Sticky(settings.sticky) if settings.sticky is not None else None
        self.audience = Audience(settings.users) if settings.users is not None else None
        """Who uses it; None: nobody is told apart."""
        # Whole milliseconds of users whom a former audience had.
        self.user_up = self.user_down = 0
        self.dice = dice
        self._emit = emit
        self._left = left
        self.parked: dict[Parked, None] = {}
        """Who waits for an instance, the longest first."""
        self._waking = False
        self.pool: Pool[Upstream] = Pool(settings.pool, name, dice.fork("pool"), emit)
        self.policy: Policy[Upstream] = Policy(settings.call, self.pool, dice.fork("call"))
        # One for all of them: to seed a stream takes longer than all else that makes an instance.
        self._breakers = dice.fork("breakers")
        self.upgrades = frozenset(protocol.encode() for protocol in settings.upgrades)
        """Protocols, in small letters, to which a connection may go over."""
        self.tasks: set[asyncio.Task[None]] = set()
        self.first_attempt = _first_attempt(settings)
        """What an instance is told of a first attempt at its beginning."""
        # Counted since the worker began; whoever adds up keeps what the dead ones had.
        self.requests = 0
        self.failures = 0
        self.broken = 0
        self.cancelled = 0
        self.refused = 0
        self.retries = 0
        # Requests for which there was no room.
        self.shed = 0
        # Those for which something else stood in.
        self.fallbacks = 0
        # Second attempts beside a first, and those of them that answered before it.
        self.hedges = 0
        self.hedges_won = 0
        self.in_flight = 0
        self.tunnels = 0
        # Bytes from clients and to them, in tunnels.
        self.received = Meter()
        self.sent = Meter()
        self.classes = [0] * 6
        # Whole microseconds: sums of them are the same in whatever order workers are added up.
        self.micros = 0
        self.latency: dict[int, int] = {}
        self.before: dict[int, int] = {}
        # What `before` and `latency` have forgotten.
        self.durations: dict[int, int] = {}
        # Answers of our own by their reason, and requests that were not tried (again) by why.
        self.own: dict[str, int] = {}
        self.because: dict[str, int] = {}
        self.keeper: Keeper | None = None
        """What knows the keys of writes that came before; None: nobody is asked."""
        # What became of such writes.
        self.keys: dict[str, int] = {}
        # By instance: what was counted of lives that have left the pool.
        self.past: dict[str, Counter[str]] = {}
        self.load = Load(self, settings, emit)
        self.load.judge(0.0)

    def count(self, status: int, seconds: float) -> None:
        """Count an answered request by its status and latency."""
        self.requests += 1
        self.classes[status // 100 if status < 600 else 5] += 1  # noqa: PLR2004 - the last class
        if status >= _SERVER_ERROR:
            self.failures += 1
        micros = int(seconds * 1e6)
        self.micros += micros
        index = place(micros)
        self.latency[index] = self.latency.get(index, 0) + 1

    def _of_users(self, now: float) -> tuple[int, int]:
        """Give the time of users that was up and that was down, in milliseconds."""
        if self.audience is None:
            return self.user_up, self.user_down
        users = self.audience.users
        users.advance(now)
        return self.user_up + int(users.up * 1000), self.user_down + int(users.down * 1000)

    def answered_by_us(self, reason: str) -> None:
        """Count an answer of our own."""
        self.own[reason] = self.own.get(reason, 0) + 1

    def note_key(self, event: str) -> None:
        """Count what became of a write with a key."""
        self.keys[event] = self.keys.get(event, 0) + 1

    def gave_up(self, because: Because | None) -> None:
        """Count a request that is not tried (again)."""
        why = because.name.lower() if because is not None else "unknown"
        self.because[why] = self.because.get(why, 0) + 1

    # --- while an answer is late ---

    def doubt(self, now: float, member: Upstream, waited: float) -> None:
        """Take it that an instance has been silent for far too long, unless all others are as silent; have it checked."""
        if self.load.crowded():
            return  # what is late has a reason, and to ask fewer instances would be another one
        recently = now - self.load.overdue / 2
        well = (
            one is not member and (one.heard_at > recently or not one.in_flight) for one in self.pool.up(now)
        )
        # One request may just take its time; several of which none is answered do not.
        firm = member.in_flight + member.unheard >= SEVERAL
        if any(well) and self.pool.doubt(now, member, waited, firm=firm) and member.watch is not None:
            member.watch.hurry()

    # --- while there is nobody to ask ---

    def park(self, waiting: Parked) -> bool:
        """Tell it when there may be an instance, if not too many are waiting already."""
        if len(self.parked) >= PARKED:
            return False
        self.parked[waiting] = None
        return True

    def _wake_soon(self) -> None:
        # Not at once: the new instances are not all known yet.
        if self.parked and not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        self._waking = False
        now = monotonic()
        for waiting in list(self.parked):
            if waiting in self.parked:
                waiting.go_on(now)

    # --- what is so ---

    def prepare(self, settings: Settings, rows: list[Row]) -> Iterator["Upstream | None"]:
        """Give the members that these rows mean, each as it is made or found, and None where it may be paused.

        Nothing is changed by it: known lives are given as they are, new ones are those that `apply` takes.
        """
        known = {member.key: member for member in self.pool.members}
        for count, row in enumerate(rows):
            member = known.get((row.instance, row.generation))
            if member is None:
                member = self._new(row, settings)
            elif member.row == row:
                rows[count] = member.row  # so that it is seen at a glance that nothing has changed
            yield member
            if count % _STEP == 0:
                yield None

    def apply(self, now: float, rows: list[Row], members: list[Upstream]) -> None:
        """Take these lives, one for each row, as the service's; known ones keep their connections and memory."""
        before = self.pool.members
        self.pool.replace(now, members)
        self._wake_soon()
        if self.sticky is not None:
            self.sticky.know(member.name for member in members)
        for member in before:
            if member.held_by is not self.pool:
                self._part(member)
                self._keep(member)
                for one in list(member.busy):
                    one.bereft()
        for row, member in zip(rows, members, strict=True):
            if row is not member.row or row.state == DRAINING:
                self._follow(now, member, row)

    def _follow(self, now: float, member: Upstream, row: Row) -> None:
        if row is not member.row:
            member.path = row.path
            member.talk = row.talk
            member.authority = row.authority.encode()
        if row.zone != member.zone:
            self.pool.place(now, member, row.zone)
        if row.server_name != member.server_name or row.preamble != member.preamble:
            member.server_name, member.preamble = row.server_name, row.preamble
            member.close()
        member.row = row
        if row.state == DRAINING and not member.leaving:
            self.pool.drain(now, member)
            self._part(member)
        self._tell_if_idle(member)

    @staticmethod
    def _part(member: Upstream) -> None:
        """Send nothing there any more, and ask nothing."""
        member.leaving = True
        member.close()
        if member.watch is not None:
            member.watch.end()

    def configure(self, now: float, settings: Settings) -> None:
        """Treat the service's traffic by other settings; its instances keep connections and memory."""
        self.upgrades = frozenset(protocol.encode() for protocol in settings.upgrades)
        if settings.sticky != self.settings.sticky:
            self.sticky = Sticky(settings.sticky) if settings.sticky is not None else None
        if settings.users != self.settings.users:
            self.user_up, self.user_down = self._of_users(now)
            self.audience = Audience(settings.users) if settings.users is not None else None
        if settings.trust != self.settings.trust:
            # Who was believed on other terms is asked again.
            for member in self.pool.members:
                if member.server_name:
                    member.close()
        self.settings = settings
        self.first_attempt = _first_attempt(settings)
        self.policy.configure(settings.call)
        self.load.configure(settings)
        self.load.judge(now)
        self.pool.configure(now, settings.pool)
        self.pool.check_by(now, settings.health)
        for member in self.pool.members:
            if settings.breaker is None or member.breaker is None:
                member.breaker = self._breaker(settings, member.name, member.generation)
            else:
                member.breaker.configure(settings.breaker)

    def turn(self) -> None:
        """Forget the older half of the latencies, except in the sums over all time."""
        self.durations = merged((self.durations, self.before))
        self.before, self.latency = self.latency, {}
        for member in self.pool.members:
            member.turn()

    def left(self, instance: Upstream) -> None:
        """Take it that nothing is under way any more at an instance that takes no more."""
        if instance.held_by is not self.pool:
            self._keep(instance)
        self._tell_if_idle(instance)

    def _tell_if_idle(self, member: Upstream) -> None:
        if member.leaving and not member.busy:
            self._left(member)

    def _keep(self, member: Upstream) -> None:
        """Keep what was counted of a life outside the pool; what it still has under way is added when it ends."""
        self.past.setdefault(member.name, Counter()).update(member.counted())
        member.begin_anew()

    def _scores(self) -> dict[str, dict[str, int]]:
        """Give what was counted by instance, over all of its lives; nothing of those that were not asked yet."""
        scores: dict[str, dict[str, int]] = dict(self.past)
        for member in self.pool.members:
            if member.requests or member.opened:
                before = scores.get(member.name)
                counted = member.counted()
                scores[member.name] = counted if before is None else Counter(before) + Counter(counted)
        return scores

    def counted(self) -> dict[str, Any]:
        """Give all that was counted, as plain values."""
        return self._sums() | {"scores": self._scores(), "instances": list(self._lives())}

    def told(self) -> Iterator[str]:
        """Give the same as JSON, piece by piece."""
        yield json.dumps(self._sums())[:-1] + ', "scores": '
        yield from mapping_as_json(self._scores().items())
        yield ', "instances": '
        yield from as_json(self._lives())
        yield "}"

    def _sums(self) -> dict[str, Any]:
        user_up, user_down = self._of_users(monotonic())
        return {
            "user_up": user_up,
            "user_down": user_down,
            "requests": self.requests,
            "failures": self.failures,
            "broken": self.broken,
            "cancelled": self.cancelled,
            "refused": self.refused,
            "retries": self.retries,
            "shed": self.shed,
            "fallbacks": self.fallbacks,
            "hedges": self.hedges,
            "hedges_won": self.hedges_won,
            "in_flight": self.in_flight,
            "parked": len(self.parked),
            "queued": self.load.queued,
            "limit": self.load.most if self.load.most < inf else None,
            "tunnels": self.tunnels,
            "received": self.received.bytes,
            "sent": self.sent.bytes,
            "classes": self.classes,
            "latency": merged((self.before, self.latency)),
            "durations": merged((self.durations, self.before, self.latency)),
            "micros": self.micros,
            "own": self.own,
            "because": self.because,
            "keys": self.keys,
            "panicking": self.pool.panicking,
            "shunned": self.pool.shunned,
        }

    def _lives(self) -> Iterator[dict[str, Any]]:
        for member in self.pool.members:
            yield {
                "instance": member.name,
                "generation": member.generation,
                "requests": member.requests,
                "failures": member.failures,
                "overtaken": member.overtaken,
                "in_flight": len(member.busy),
                "connections": len(member.connections),
                "idle": len(member.idle),
                "latency": merged((member.before, member.latency)),
                "health": member.health.state.value,
                "probe": member.watch.last if member.watch is not None else None,
                "ejected": member.ejected_until is not None,
                "doubted": member.doubted_until is not None,
                "breaker": member.breaker.state.value if member.breaker is not None else None,
            }

    def _new(self, row: Row, settings: Settings) -> Upstream:
        # The supervisor lists a life only once it has answered, so it starts as up.
        health = Health(settings.health, known_up=True)
        return Upstream(self, row, health, self._breaker(settings, row.instance, row.generation))

    def _breaker(self, settings: Settings, instance: str, generation: int) -> Breaker | None:
        spec = settings.breaker
        if spec is None:
            return None
        return Breaker(spec, self._breakers, self._emit, who=(self.name, instance, generation))


def _first_attempt(settings: Settings) -> bytes:
    return of_attempt(1, min(settings.call.attempt, settings.call.request))
