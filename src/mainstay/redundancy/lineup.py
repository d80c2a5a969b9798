"""Who of a pool takes the next request: its members in ranks, and the shares that zones have.

Members are sorted when something changes, so that a pick looks at one list. Who is up comes first, then who is suspect, in
doubt or in a zone that is shunned. When there is nobody of either rank, all the others that may be are used: that is panic,
and it is said. One that has never passed a check, or is draining, is in no rank.

What is tied to an instance by a `Bond` stays there while it is in one of the ranks: others might not suspect it, and
leaving it may cost a user what it knows. When it is in none, another takes its place until it is back.
"""

from bisect import bisect_left, insort
from collections.abc import Collection
from math import inf
from typing import TYPE_CHECKING, Generic

from mainstay.base.dice import Dice
from mainstay.base.facts import Emit, InstanceReturned, InstanceTrusted, PanicBegan, PanicEnded, ZoneRefilled
from mainstay.redundancy.balance import BALANCES, I, ramp
from mainstay.redundancy.bond import Bond
from mainstay.redundancy.health import DRAINING, SUSPECT, UNKNOWN, UP
from mainstay.redundancy.instance import Instance
from mainstay.redundancy.zone import Zones, shares

if TYPE_CHECKING:
    from mainstay.redundancy.pool import PoolSpec

_REMEMBERED = 4096
"""Bonds whose choice is remembered; strangers may make up as many as they like."""
TRIAL = 1.0
"""Seconds for which one that comes back waits for a request that may be repeated."""
_STEP = 0.25
"""Seconds between two looks at shares that grow."""

OUT_OF_SERVICE, IN_FRONT, BEHIND, SICK = range(4)
"""The ranks, by their numbers."""


def _order(member: Instance) -> int:
    return member.order


class Lineup(Generic[I]):
    """The members of one service, kept sorted into those that may be picked and those that may not."""

    __slots__ = (
        "_bound",
        "_by_rank",
        "_changes_at",
        "_choose",
        "_dice",
        "_emit",
        "_parts",
        "_ranks",
        "_service",
        "_spec",
        "_usable",
        "_zones",
        "members",
        "panicking",
    )

    def __init__(self, spec: "PoolSpec", service: str, dice: Dice, emit: Emit) -> None:
        self._spec = spec
        self._service = service
        self._dice = dice
        self._emit = emit
        self._choose = BALANCES[spec.balance](spec.slow_start).choose
        # All members by what they are: out of service, up, suspect, sick; each in the order of the members.
        self._by_rank: list[list[I]] = [[], [], [], []]
        # Who may be picked, best first; every rank holds at least one. `_usable` is the first rank, or what of it is in the
        # own zone. While zones have other shares than that, `_parts` has the sum of the shares up to each, and its part; none
        # yet, until somebody is picked after a change. None: they have not.
        self._ranks: list[list[I]] = []
        self._usable: list[I] = []
        self._parts: list[tuple[float, list[I]]] | None = None
        self._zones = Zones()
        # Whom bonds prefer, among all ranks, until something changes; in large pools it takes long to find.
        self._bound: dict[str | int, I | None] = {}
        # When the earliest ejection ends: until then, time alone changes nothing.
        self._changes_at = inf
        self.members: list[I] = []
        """All of them, usable or not."""
        self.panicking = False
        """Whether none is usable, so that all that may be are used."""

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
            usable = self._usable if self._parts is None else self._part(now, self._parts)
            return self._choose(usable, self._dice, now) if usable else None
        zones = {member.zone for member in tried}
        for rank in self._ranks:
            left = [member for member in rank if member not in tried]
            if left:
                left = [member for member in left if member.zone not in zones] or left
                found = bond.choose(left) if bond is not None else None
                return found if found is not None else self._choose(left, self._dice, now)
        return None

    def home(self, now: float, bond: Bond) -> I | None:
        """Give the one that a bond prefers, if it may be picked."""
        if now >= self._changes_at:
            self._sort(now)
        return self._preferred(bond)

    def holds(self, now: float, bond: Bond) -> bool:
        """Tell whether the one that a bond prefers may be picked."""
        return self.home(now, bond) is not None

    def _preferred(self, bond: Bond) -> I | None:
        key = bond.key
        if key not in self._bound:
            if len(self._bound) >= _REMEMBERED:
                self._bound.clear()
            ranks = self._ranks
            self._bound[key] = bond.choose(
                ranks[0] if len(ranks) == 1 else [it for rank in ranks for it in rank]
            )
        return self._bound[key]

    def usable(self, now: float) -> list[I]:
        """Give all who may be picked, best first: in panic those are the sick ones."""
        if now >= self._changes_at:
            self._sort(now)
        return [member for rank in self._ranks for member in rank]

    @property
    def shunned(self) -> list[str]:
        """The zones whose members are picked after all others."""
        return sorted(self._zones.shunned)

    def up(self, now: float) -> list[I]:
        """Give all who are up, not ejected, not in doubt and in no shunned zone; nobody changes the list."""
        if now >= self._changes_at:
            self._sort(now)
        return self._by_rank[IN_FRONT]

    def _holds(self, instance: I) -> bool:
        return instance.held_by is self

    def _part(self, now: float, parts: list[tuple[float, list[I]]]) -> list[I]:
        """Choose a zone, in proportion to their shares, and give who may be picked there."""
        if not parts:
            self._share_out(now, parts)
            if self._parts is None:
                return self._usable
        roll = self._dice.random()
        members: list[I] = []
        for total, members in parts:  # noqa: B007 - where it ends is what is sought
            if roll < total:
                break
        return members

    def _share_out(self, now: float, parts: list[tuple[float, list[I]]]) -> None:
        """Say which zone gets which part of the traffic; or that one has it all."""
        spec, zones = self._spec, self._zones
        by_zone: dict[str, list[I]] = {}
        for member in self._by_rank[IN_FRONT]:
            by_zone.setdefault(member.zone, []).append(member)
        usable = {
            zone: zones.refilled(now, zone) * sum(it.weight * ramp(it, now, spec.slow_start) for it in its)
            for zone, its in by_zone.items()
        }
        own = [it.weight for it in self.members if it.zone == spec.zone and it.rank != OUT_OF_SERVICE]
        total = 0.0
        for zone, share in shares(usable, spec.zone, sum(own) + zones.missing(now, spec.zone)).items():
            if share == 1.0:
                self._usable, self._parts = by_zone[zone], None
                return
            if share > 0.0:
                total += share
                parts.append((total, by_zone[zone]))
        # What grows by and by is looked at again and again.
        if zones.refilling or self._warming(now):
            self._changes_at = min(self._changes_at, now + _STEP)

    def _warming(self, now: float) -> bool:
        length = self._spec.slow_start
        return length > 0.0 and any(
            it.up_since is not None and now < it.up_since + length for it in self._by_rank[IN_FRONT]
        )

    def _sort(self, now: float) -> None:
        """Sort all members into ranks."""
        by_rank: list[list[I]] = [[], [], [], []]
        self._by_rank = by_rank
        for zone in self._zones.turn(now):
            self._emit(ZoneRefilled(at=now, service=self._service, zone=zone))
        self._changes_at = self._zones.changes_at()
        for order, member in enumerate(self.members):
            if member.ejected_until is not None and now >= member.ejected_until:
                self._return(now, member)
                member.on_trial = now + TRIAL
            if member.doubted_until is not None and now >= member.doubted_until:
                self._trust(now, member)
                member.on_trial = now + TRIAL
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
            return OUT_OF_SERVICE
        if member.ejected_until is not None:
            self._changes_at = min(self._changes_at, member.ejected_until)
            return SICK
        if state is UP:
            if member.doubted_until is None:
                return BEHIND if member.zone in self._zones.shunned else IN_FRONT
            self._changes_at = min(self._changes_at, member.doubted_until)
            return BEHIND
        return BEHIND if state is SUSPECT else SICK

    def _line_up(self, now: float) -> None:
        """Say who may be picked, best first; and whether that is panic."""
        _, up, suspect, sick = self._by_rank
        panicking = not (up or suspect) and bool(sick)
        self._ranks = [rank for rank in ([sick] if panicking else [up, suspect]) if rank]
        self._usable = self._ranks[0] if self._ranks else []
        self._parts = [] if up and (self._spec.zone or self._zones.refilling) else None
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
        if member.doubt is None or not member.doubt.streak:
            return  # it only failed lately, and nobody was told
        if member.up_since is not None:
            # What was silent may have lost its caches: it is given its share by and by, where one has asked for that.
            member.up_since = now
        self._emit(
            InstanceTrusted(at=now, service=self._service, instance=member.name, generation=member.generation)
        )
