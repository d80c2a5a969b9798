"""The instances of one service, and which of them takes the next request.

Two witnesses speak: health checks (`passed`, `failed`, `drain`) and traffic (`observe`, `doubt`, `heard`). An
instance is *usable* when it is up, or suspect or in doubt while none is better, and not ejected. When none is usable although some are
there, all of those are used: that is panic, and it is said. One that has never passed a check, or is
draining, is never picked, not even in panic.

What is tied to an instance by a `Bond` stays there while it is up or suspect: others might not suspect it, and
leaving it may cost a user what it knows. When it is neither, another takes its place until it is back.
"""

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Generic, Literal

from mainstay.base.dice import Dice
from mainstay.base.facts import (
    Emit,
    HealthChanged,
    InstanceDoubted,
    InstanceEjected,
    InstanceReturned,
    InstanceTrusted,
    PanicBegan,
    PanicEnded,
    ignore,
)
from mainstay.base.outcome import CHARGED, OK, Outcome
from mainstay.redundancy.balance import BALANCES, I
from mainstay.redundancy.bond import Bond
from mainstay.redundancy.bound import at_least, one_of
from mainstay.redundancy.doubt import Doubt
from mainstay.redundancy.health import DRAINING, SUSPECT, UNKNOWN, UP, HealthSpec, State
from mainstay.redundancy.instance import Instance
from mainstay.redundancy.outlier import TIMES, Outlier, OutlierSpec
from mainstay.redundancy.peers import Peers, slowest
from mainstay.redundancy.spare import can_spare

_REMEMBERED = 4096
"""Bonds whose choice is remembered; strangers may make up as many as they like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSpec:
    """How a service's instances share its traffic."""

    balance: Literal["power_of_two", "round_robin", "least"] = "power_of_two"
    """How one is chosen: power of two choices is nearly as even as looking at all, and never herds."""
    slow_start: float = 0.0
    """Seconds over which an instance that came up gets its full share: 0 (at once), because only some
    runtimes are slow when cold."""
    outlier: OutlierSpec | None = field(default_factory=OutlierSpec)
    """What traffic may find out about an instance; None and only checks decide."""

    def __post_init__(self) -> None:
        one_of("balance", self.balance, tuple(BALANCES))
        at_least("slow_start", self.slow_start, 0)


_OUT, _UP, _SUSPECT, _SICK = range(4)


def _order(member: Instance) -> int:
    return member.order


class Pool(Generic[I]):
    """The members of one service, kept sorted into those that may be picked and those that may not."""

    __slots__ = (
        "_bound",
        "_by_rank",
        "_changes_at",
        "_choose",
        "_dice",
        "_emit",
        "_peers",
        "_ranks",
        "_service",
        "_spec",
        "_turns_at",
        "_usable",
        "members",
        "panicking",
    )

    def __init__(self, spec: PoolSpec, service: str, dice: Dice, emit: Emit = ignore) -> None:
        self._spec = spec
        self._service = service
        self._dice = dice
        self._emit = emit
        self._peers = Peers()
        # When the next stretch of time begins over which members are compared.
        self._turns_at = -inf
        self._choose = BALANCES[spec.balance](spec.slow_start).choose
        # All members by what they are: out of service, up, suspect, sick; each in the order of the members.
        self._by_rank: list[list[I]] = [[], [], [], []]
        # Who may be picked, best first; every rank holds at least one. `_usable` is the first rank.
        self._ranks: list[list[I]] = []
        self._usable: list[I] = []
        # Whom bonds prefer, among all ranks, until something changes; in large pools it takes long to find.
        self._bound: dict[str | int, I | None] = {}
        # When the earliest ejection ends: until then, time alone changes nothing.
        self._changes_at = inf
        self.members: list[I] = []
        """All of them, usable or not."""
        self.panicking = False
        """Whether none is usable, so that all that may be are used."""

    def replace(self, now: float, members: Iterable[I]) -> None:
        """Take these as the members; a life that is a member already goes on as the object that it is.

        Of lives that are gone nothing is kept, and a new life starts with a clean record.
        """
        known = {member.key: member for member in self.members}
        self.members = [known.get(member.key, member) for member in members]
        for member in known.values():
            member.held_by = None
        for member in self.members:
            member.held_by = self
            if member.up_since is None and member.health.usable and member.key not in known:
                member.up_since = now
        self._peers.sum_up(self._known())
        self._sort(now)

    def configure(self, now: float, spec: PoolSpec) -> None:
        """Share the traffic by another spec from now on; members keep what is known of them."""
        if (spec.balance, spec.slow_start) != (self._spec.balance, self._spec.slow_start):
            self._choose = BALANCES[spec.balance](spec.slow_start).choose
        self._spec = spec
        self._turns_at = -inf
        for member in self.members:
            if spec.outlier is None:
                member.outlier = None
                if member.ejected_until is not None:
                    self._return(now, member)
            elif member.outlier is not None:
                member.outlier.configure(spec.outlier)
        self._sort(now)

    def check_by(self, now: float, spec: HealthSpec | None) -> None:
        """Believe the health checks of all members by another spec from now on."""
        for member in self.members:
            before = member.health.state
            if member.health.configure(now, spec):
                self._moved(now, member, before)

    def pick(self, now: float, tried: Collection[I] = (), bond: Bond | None = None) -> I | None:
        """Choose a member for an attempt, never one that was tried; None when there is no other.

        One that is up comes before one that is suspect, and another zone before the zones that were tried. The one
        that a bond prefers comes first of all, and after it those of the same rank and zone that it prefers.
        """
        if now >= self._changes_at:
            self._sort(now)
        if not tried:
            if bond is not None:
                found = self._preferred(bond)
                if found is not None:
                    return found
            return self._choose(self._usable, self._dice, now) if self._usable else None
        zones = {member.zone for member in tried}
        for rank in self._ranks:
            left = [member for member in rank if member not in tried]
            if left:
                left = [member for member in left if member.zone not in zones] or left
                found = bond.choose(left) if bond is not None else None
                return found if found is not None else self._choose(left, self._dice, now)
        return None

    def holds(self, now: float, bond: Bond) -> bool:
        """Tell whether the one that a bond prefers may be picked."""
        if now >= self._changes_at:
            self._sort(now)
        return self._preferred(bond) is not None

    def _preferred(self, bond: Bond) -> I | None:
        key = bond.key
        if key not in self._bound:
            if len(self._bound) >= _REMEMBERED:
                self._bound.clear()
            ranks = self._ranks
            self._bound[key] = bond.choose(ranks[0] + ranks[1] if len(ranks) > 1 else self._usable)
        return self._bound[key]

    def observe(self, now: float, instance: I, outcome: Outcome, took: float = 0.0) -> None:
        """Tell how an attempt at a member ended; it may be ejected for it.

        Args:
            now: The time.
            instance: Where it was made.
            outcome: How it ended.
            took: Seconds from when the request was complete until the answer was, or until it began to be passed on.
        """
        if now >= self._turns_at:
            self._turn(now)
        outlier = instance.outlier
        if outlier is None:
            spec = self._spec.outlier
            if spec is None:
                return
            outlier = instance.outlier = Outlier(spec)
        if outcome is OK:
            # Nearly all that is ever told: done here, as `Outlier.observe` does it.
            self._peers.good += 1
            outlier.times[outlier.answered % TIMES] = took
            outlier.answered += 1
            if outlier.streaks:
                outlier.clear()
        elif outcome in CHARGED and self._holds(instance):
            self._charge(now, instance, outlier, outcome)

    def _charge(self, now: float, instance: I, outlier: Outlier, outcome: Outcome) -> None:
        spec, peers = self._spec.outlier, self._peers
        peers.bad += 1
        if outlier.observe(outcome):
            self._eject(now, instance, outlier, outcome.name.lower())
        elif spec is not None and peers.outdone(outlier, spec):
            self._eject(now, instance, outlier, "errors", serves=True)

    def _turn(self, now: float) -> None:
        """Begin another stretch of time for comparing members."""
        spec = self._spec.outlier
        if spec is None:
            self._turns_at = inf
            return
        stretch = spec.window / 2.0
        if now >= self._turns_at + stretch:
            # Nothing was heard for a whole stretch: what was before is too old to be compared with.
            for outlier in self._known():
                outlier.forget()
        self._peers.turn(self._known())
        self._turns_at = now + stretch
        slow = slowest(self._known(), spec)
        if slow is not None:
            instance = next(member for member in self.members if member.outlier is slow)
            self._eject(now, instance, slow, "slow", serves=True)

    def _eject(
        self, now: float, instance: I, outlier: Outlier, because: str, *, serves: bool = False
    ) -> None:
        """Leave a member out for a while, if it can be done without."""
        if not self._may_eject(instance, serves=serves):
            return
        instance.ejected_until = outlier.eject(now, self._dice)
        self._peers.sum_up(self._known())
        self._emit(
            InstanceEjected(
                at=now,
                service=self._service,
                instance=instance.name,
                generation=instance.generation,
                because=because,
                until=instance.ejected_until,
            )
        )
        self._move(now, instance)

    def _known(self) -> Iterator[Outlier]:
        for member in self.members:
            if member.outlier is not None:
                yield member.outlier

    def doubt(self, now: float, instance: I, waited: float) -> bool:
        """Tell that an answer of a member is overdue by far; say whether that puts it in doubt.

        Not the last one that is up: when all are late, it is not the instance.

        Args:
            now: The time.
            instance: The member.
            waited: Seconds for which the answer has been waited for.
        """
        if now >= self._changes_at:
            self._sort(now)
        up = self._by_rank[_UP]
        if not self._holds(instance) or instance.rank != _UP or len(up) <= 1:
            return False
        if instance.doubt is None:
            instance.doubt = Doubt()
        instance.doubted_until = instance.doubt.begin(now)
        self._emit(
            InstanceDoubted(
                at=now,
                service=self._service,
                instance=instance.name,
                generation=instance.generation,
                waited=waited,
                until=instance.doubted_until,
            )
        )
        self._move(now, instance)
        return True

    def heard(self, now: float, instance: I, *, in_time: bool) -> None:
        """Tell that a member which is or was in doubt has answered a request."""
        lasts = instance.doubt is not None and instance.doubt.lasts
        if in_time:
            instance.doubt = None
        if instance.doubted_until is not None and (in_time or not lasts) and self._holds(instance):
            self._trust(now, instance)
            self._move(now, instance)

    def passed(self, now: float, instance: I) -> None:
        """Tell that a member passed a health check."""
        before = instance.health.state
        if not self._holds(instance):
            return
        if instance.doubted_until is not None:
            self.heard(now, instance, in_time=False)
        if instance.health.passed(now):
            self._moved(now, instance, before)

    def failed(self, now: float, instance: I) -> None:
        """Tell that a member failed a health check."""
        before = instance.health.state
        if self._holds(instance) and instance.health.failed(now):
            self._moved(now, instance, before)

    def drain(self, now: float, instance: I) -> None:
        """Take a member out of service for good; what is in flight there may end."""
        before = instance.health.state
        if self._holds(instance) and instance.health.drain(now):
            self._moved(now, instance, before)

    def usable(self, now: float) -> list[I]:
        """Give all who may be picked, best first: in panic those are the sick ones."""
        if now >= self._changes_at:
            self._sort(now)
        return [member for rank in self._ranks for member in rank]

    def up(self, now: float) -> list[I]:
        """Give all who are up, not ejected and not in doubt; nobody changes the list."""
        if now >= self._changes_at:
            self._sort(now)
        return self._by_rank[_UP]

    def _moved(self, now: float, instance: I, before: State) -> None:
        health = instance.health
        if not health.usable:
            instance.up_since = None
        elif instance.up_since is None:
            instance.up_since = now
        self._emit(
            HealthChanged(
                at=now,
                service=self._service,
                instance=instance.name,
                generation=instance.generation,
                before=before.value,
                after=health.state.value,
                because=health.because.value if health.because is not None else "",
            )
        )
        self._move(now, instance)

    def _holds(self, instance: I) -> bool:
        return instance.held_by is self

    def _may_eject(self, instance: I, *, serves: bool) -> bool:
        """Say whether it can be spared; late news of a life that is gone says no."""
        spec = self._spec.outlier
        if spec is None or not instance.health.usable or instance.ejected_until is not None:
            return False
        return self._holds(instance) and can_spare(self.members, [instance], spec.keep, serves=serves)

    def _sort(self, now: float) -> None:
        """Sort all members into ranks."""
        by_rank: list[list[I]] = [[], [], [], []]
        self._by_rank = by_rank
        self._changes_at = inf
        for order, member in enumerate(self.members):
            if member.ejected_until is not None and now >= member.ejected_until:
                self._return(now, member)
            if member.doubted_until is not None and now >= member.doubted_until:
                self._trust(now, member)
            member.order = order
            member.rank = self._rank_of(member)
            by_rank[member.rank].append(member)
        self._line_up(now)

    def _move(self, now: float, member: I) -> None:
        """Sort one member anew: in a pool of thousands to sort all for each would take the time of all others."""
        if now >= self._changes_at:
            self._sort(now)
            return
        # Ranks are in the order of the members, so that a member is found by halves.
        before = self._by_rank[member.rank]
        del before[bisect_left(before, member.order, key=_order)]
        member.rank = self._rank_of(member)
        insort(self._by_rank[member.rank], member, key=_order)
        self._line_up(now)

    def _rank_of(self, member: I) -> int:
        state = member.health.state
        if state is UNKNOWN or state is DRAINING:
            return _OUT
        if member.ejected_until is not None:
            self._changes_at = min(self._changes_at, member.ejected_until)
            return _SICK
        if state is UP:
            if member.doubted_until is None:
                return _UP
            self._changes_at = min(self._changes_at, member.doubted_until)
            return _SUSPECT
        return _SUSPECT if state is SUSPECT else _SICK

    def _line_up(self, now: float) -> None:
        """Say who may be picked, best first; and whether that is panic."""
        _, up, suspect, sick = self._by_rank
        panicking = not (up or suspect) and bool(sick)
        self._ranks = [rank for rank in ([sick] if panicking else [up, suspect]) if rank]
        self._usable = self._ranks[0] if self._ranks else []
        self._bound.clear()
        if panicking is not self.panicking:
            self.panicking = panicking
            moved = PanicBegan if panicking else PanicEnded
            self._emit(moved(at=now, service=self._service))

    def _return(self, now: float, member: I) -> None:
        member.ejected_until = None
        self._emit(
            InstanceReturned(
                at=now, service=self._service, instance=member.name, generation=member.generation
            )
        )

    def _trust(self, now: float, member: I) -> None:
        member.doubted_until = None
        if member.up_since is not None:
            # What was silent may have lost its caches: it is given its share by and by, where one has asked for that.
            member.up_since = now
        self._emit(
            InstanceTrusted(at=now, service=self._service, instance=member.name, generation=member.generation)
        )
