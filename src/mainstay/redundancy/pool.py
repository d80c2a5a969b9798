"""The instances of one service, and what is known of each; its `lineup` says which of them takes the next request.

Two witnesses speak: health checks (`passed`, `failed`, `drain`) and traffic (`observe`, `doubt`, `heard`). An
instance is *usable* when it is up, or suspect or in doubt while none is better, and not ejected. A third one is the list of
the members (`replace`): who is gone without having been drained has died.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Literal

from mainstay.base.dice import Dice
from mainstay.base.facts import (
    Emit,
    HealthChanged,
    InstanceDoubted,
    InstanceEjected,
    ZoneRefilled,
    ZoneShunned,
    ignore,
)
from mainstay.base.outcome import CHARGED, FAILED, OK, Outcome
from mainstay.redundancy.balance import BALANCES, I
from mainstay.redundancy.bound import at_least, one_of
from mainstay.redundancy.doubt import Doubt
from mainstay.redundancy.health import DOWN, DRAINING, UP, HealthSpec, State
from mainstay.redundancy.lineup import IN_FRONT, Lineup
from mainstay.redundancy.outlier import TIMES, Outlier, OutlierSpec
from mainstay.redundancy.peers import Look, Peers
from mainstay.redundancy.spare import can_spare
from mainstay.redundancy.zone import Zones


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
    zone: str = ""
    """The zone that traffic stays in as long as it is whole; empty: all zones are the same."""

    def __post_init__(self) -> None:
        one_of("balance", self.balance, tuple(BALANCES))
        at_least("slow_start", self.slow_start, 0)


class Pool(Lineup[I]):
    """The members of one service, and what is known of them."""

    __slots__ = ("_look", "_peers", "_turns_at")

    def __init__(self, spec: PoolSpec, service: str, dice: Dice, emit: Emit = ignore) -> None:
        super().__init__(spec, service, dice, emit)
        self._peers = Peers()
        # When the next stretch of time begins over which members are compared.
        self._turns_at = -inf
        # While that turn is under way.
        self._look: Look | None = None

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
        self._bury(now, known)
        self._peers.sum_up(one for member in self.members if (one := member.outlier) is not None)
        self._sort(now)

    def configure(self, now: float, spec: PoolSpec) -> None:
        """Share the traffic by another spec from now on; members keep what is known of them."""
        if (spec.balance, spec.slow_start) != (self._spec.balance, self._spec.slow_start):
            self._choose = BALANCES[spec.balance](spec.slow_start).choose
        self._spec = spec
        self._turns_at, self._look = -inf, None
        if spec.outlier is None or spec.outlier.zone is None:
            self._zones = Zones()
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
                if outcome is OK:
                    instance.on_trial = 0.0
                return
            outlier = instance.outlier = Outlier(spec)
        if outcome is OK:
            # Nearly all that is ever told: done here, as `Outlier.observe` does it.
            self._peers.good += 1
            outlier.times[outlier.answered % TIMES] = took
            outlier.answered += 1
            if outlier.streaks:
                outlier.clear()
                self._clear(now, instance)
            if instance.on_trial:
                instance.on_trial = 0.0
        elif outcome in CHARGED and self._holds(instance):
            self._charge(now, instance, outlier, outcome)

    def _charge(self, now: float, instance: I, outlier: Outlier, outcome: Outcome) -> None:
        spec, peers = self._spec.outlier, self._peers
        peers.bad += 1
        if outlier.observe(outcome):
            self._eject(now, instance, outcome.name.lower())
            if outcome is not FAILED and instance.ejected_until is not None:
                self._strike(now, [instance])
        elif spec is not None and self._look is None and peers.outdone(outlier, spec):
            self._eject(now, instance, "errors", serves=True)
            if instance.ejected_until is not None:
                outlier.trusted_at = outlier.answered + spec.minimum
        elif outlier.failing(outcome):
            self._put_behind(now, instance)

    def _put_behind(self, now: float, instance: I) -> None:
        """Ask a member after all others for a moment, because it fails; nobody is told of it."""
        spec = self._spec.outlier
        if spec is None or instance.rank != IN_FRONT or instance.ejected_until is not None:
            return
        behind = [member for member in self.members if member.doubted_until is not None]
        if can_spare(self.members, [*behind, instance], spec.keep, serves=True):
            instance.doubted_until = now + spec.base
            self._move(now, instance)

    def _clear(self, now: float, instance: I) -> None:
        """Take it that a member which failed answers again."""
        silent = instance.doubt is not None and instance.doubt.streak
        if instance.doubted_until is not None and not silent and self._holds(instance):
            instance.doubted_until = None
            self._move(now, instance)

    def _turn(self, now: float) -> None:
        """Begin another stretch of time for comparing members."""
        spec = self._spec.outlier
        if spec is None:
            self._turns_at = inf
            return
        stretch = spec.window / 2.0
        look = self._look
        if look is None:
            heard = [one for member in self.members if (one := member.outlier) is not None and not one.idle]
            if now >= self._turns_at + stretch:
                # Nothing was heard of anybody for a whole stretch: what was before is too old to be compared with.
                for one in heard:
                    one.forget()
            self._peers.number += 1
            look = self._look = Look(self._peers.number, heard)
        if not look.go_on():
            return  # the rest when more is told
        self._look = None
        self._turns_at = now + stretch
        self._peers.sum_up(look.heard)
        slow = look.slowest(spec)
        for instance in self.members if slow is not None else ():
            if instance.outlier is slow:
                self._eject(now, instance, "slow", serves=True)

    def _eject(self, now: float, instance: I, because: str, *, serves: bool = False) -> None:
        """Leave a member out for a while, if it can be done without."""
        outlier = instance.outlier
        if outlier is None or not self._may_eject(instance, serves=serves):
            return
        self._peers.leave_out(outlier)
        instance.ejected_until = outlier.eject(now, self._dice)
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

    def doubt(self, now: float, instance: I, waited: float, *, firm: bool = False) -> bool:
        """Tell that an answer of a member is overdue by far; say whether that puts it in doubt.

        Not the last one that is up: when all are late, it is not the instance.

        Args:
            now: The time.
            instance: The member.
            waited: Seconds for which the answer has been waited for.
            firm: It takes more than a sign of life to end the doubt, as if it had come again.
        """
        if now >= self._changes_at:
            self._sort(now)
        up = self._by_rank[IN_FRONT]
        if not self._holds(instance) or instance.rank != IN_FRONT or len(up) <= 1:
            return False
        if instance.doubt is None:
            instance.doubt = Doubt()
        instance.doubted_until = instance.doubt.begin(now, firm=firm)
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
        if instance.doubted_until is not None and (in_time or not lasts) and self._holds(instance):
            self._trust(now, instance)
            self._move(now, instance)
        if in_time:
            instance.doubt = None

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
        if health.state is DOWN:
            self._strike(now, [instance])
        elif health.state is UP and self._zones.revive(now, instance.zone, instance.name):
            self._sort(now)

    # --- zones ---

    def place(self, now: float, instance: I, zone: str) -> None:
        """Tell that a member is in another zone."""
        instance.zone = zone
        self._changes_at = now  # sorted when somebody is picked: others may have moved as well

    def _bury(self, now: float, known: Mapping[tuple[str, int], I]) -> None:
        """Take it that these were the members: who is gone without having been drained has died."""
        gone = [one for one in known.values() if one.held_by is None and one.health.state is not DRAINING]
        for one in gone:
            if one.zone and one.zone == self._spec.zone:
                self._zones.miss(now, one.zone, one.name, one.weight)
        self._strike(now, gone)
        for member in self.members:
            if member.zone and member.health.usable and member.key not in known:
                self._zones.revive(now, member.zone, member.name)

    def _strike(self, now: float, failed: Iterable[I]) -> None:
        """Take it that these failed for certain: when several of one zone did, the rest of it is asked last."""
        spec = self._spec.outlier
        if spec is None or spec.zone is None:
            return
        zones = self._zones
        failing = {one.zone for one in failed if zones.strike(now, one.zone, one.name, spec.zone)}
        for zone in sorted(failing):
            last = {zone, *zones.shunned}
            rest = {member for member in self.members if member.zone in last}
            if can_spare(self.members, rest, spec.keep, serves=True):
                until = zones.shun(now, zone)
                self._emit(ZoneShunned(at=now, service=self._service, zone=zone, until=until))
                continue
            # Too few could stand in for this one as well: then it is no zone, and those shunned are missed.
            for other in zones.forgive(now):
                self._emit(ZoneRefilled(at=now, service=self._service, zone=other))
        if failing:
            self._sort(now)

    def _may_eject(self, instance: I, *, serves: bool) -> bool:
        """Say whether it can be spared; late news of a life that is gone says no."""
        spec = self._spec.outlier
        if spec is None or not instance.health.usable or instance.ejected_until is not None:
            return False
        return self._holds(instance) and can_spare(self.members, [instance], spec.keep, serves=serves)
