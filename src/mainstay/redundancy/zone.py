"""Zones, which fail as one: spreading instances over them, noticing that one fails, sharing traffic out among them.

::

    calm ──two instances fail──▶ shunned ──one of them is back, or nothing fails for REST──▶ refilled ──REFILL──▶ calm
                                    ▲                                                            │
                                    └──────────────────── two instances fail ────────────────────┘

Two instances of one zone that fail for certain within seconds are likely to have one cause, and the rest of the zone will
have it, too. So the rest is asked last before it fails. When the zone is back, it gets its share by and by: whatever it lost,
it would lose again with all the traffic at once.
"""

from collections.abc import Mapping, Sequence
from math import inf

WITHIN = 5.0
"""Seconds within which failures are taken to have one cause: what takes a zone away does so at once, and checks find a
silent instance within two or three."""
REST = 10.0
"""Seconds without another failure after which a zone is taken to be well: twice as long as one cause is looked for."""
REFILL = 5.0
"""Seconds over which a zone gets its share back, as an instance does behind a circuit breaker."""
MISSED = 60.0
"""Seconds for which an instance that died counts as a part of what its zone ought to have: twice the longest pause before
it is started again."""
_FIRST = 0.1
"""The part of its share that a zone gets at first."""
_MOMENT = 1.0
"""Seconds for which it is no zone when many fail everywhere: to weigh all of them for each failure takes long."""


def spread(count: int, zones: Sequence[str]) -> list[str]:
    """Give the zone of each slot from 1 to `count`, as evenly as can be; "" where there are no zones.

    A slot's zone does not depend on `count`, so that scaling moves no instance from one zone to another.
    """
    return [zones[slot % len(zones)] if zones else "" for slot in range(count)]


def shares(usable: Mapping[str, float], own: str, whole: float) -> dict[str, float]:
    """Share traffic out among zones; the shares are together 1.

    Each gets its part by what is usable there. The own zone gets all, as long as all of it is usable; if a part of it
    is missing, that part of the traffic goes to the others.

    Args:
        usable: What each zone has, in weights; at least one of them above 0.
        own: The zone that is preferred, if it has any.
        whole: What the own zone has when nothing is missing.
    """
    total = sum(usable.values())
    near = usable.get(own, 0.0)
    if not near:
        return {zone: part / total for zone, part in usable.items()}
    far = total - near
    kept = min(1.0, near / whole) if far > 0.0 else 1.0
    return {
        zone: kept if zone == own else (1.0 - kept) * part / far if far > 0.0 else 0.0
        for zone, part in usable.items()
    }


class Zones:
    """What is known of the zones of one pool, beside what is known of their instances."""

    __slots__ = ("_forgiven_until", "_missed", "_refilled", "_strikes", "shunned")

    def __init__(self) -> None:
        # By zone: when which of its instances failed, lately.
        self._strikes: dict[str, dict[str, float]] = {}
        self.shunned: dict[str, float] = {}
        """Zones whose instances are asked last, each with the time at which that ends."""
        # When zones that are refilled began to be.
        self._refilled: dict[str, float] = {}
        # Until when nobody is shunned.
        self._forgiven_until = -inf
        # Instances that died and are not back: zone, weight, and until when they are missed.
        self._missed: dict[str, tuple[str, float, float]] = {}

    def strike(self, now: float, zone: str, name: str, limit: int) -> bool:
        """Take it that an instance has failed for certain; say whether the zone is now one to be shunned.

        Args:
            now: The time.
            zone: Its zone; "" is none.
            name: Its name: one that fails again and again is still one.
            limit: How many of them make a failing zone.
        """
        if not zone:
            return False
        strikes = self._strikes.setdefault(zone, {})
        # The latest last, so that those that are too old are the first ones.
        strikes.pop(name, None)
        strikes[name] = now
        if zone in self.shunned:
            self.shunned[zone] = now + REST
            return False
        while strikes[oldest := next(iter(strikes))] <= now - WITHIN:
            del strikes[oldest]
        return len(strikes) >= limit and now >= self._forgiven_until

    def shun(self, now: float, zone: str) -> float:
        """Have a zone asked last, and give until when if nothing else happens."""
        self._refilled.pop(zone, None)
        self.shunned[zone] = now + REST
        return self.shunned[zone]

    def forgive(self, now: float) -> list[str]:
        """Shun nobody any more, nor anybody new for a moment; give who was."""
        self._forgiven_until = now + _MOMENT
        forgiven = list(self.shunned)
        self.shunned.clear()
        return forgiven

    def revive(self, now: float, zone: str, name: str) -> bool:
        """Take it that an instance is up; say whether that ends the shunning of its zone."""
        self._missed.pop(name, None)
        if zone not in self.shunned or name not in self._strikes.get(zone, ()):
            return False
        self.shunned[zone] = now
        return True

    def miss(self, now: float, zone: str, name: str, weight: float) -> None:
        """Take it that an instance died without having been told to end."""
        self._missed[name] = (zone, weight, now + MISSED)

    def missing(self, now: float, zone: str) -> float:
        """Give what a zone lacks of what it ought to have, in weights."""
        return sum(weight for its, weight, until in self._missed.values() if its == zone and now < until)

    def turn(self, now: float) -> list[str]:
        """Let time pass; give the zones whose shunning is over, which are refilled from here on."""
        back = [zone for zone, until in self.shunned.items() if now >= until]
        for zone in back:
            self._refilled[zone] = self.shunned.pop(zone)
            self._strikes.pop(zone, None)
        for zone, since in list(self._refilled.items()):
            if now >= since + REFILL:
                del self._refilled[zone]
        for name, (_, _, until) in list(self._missed.items()):
            if now >= until:
                del self._missed[name]
        return back

    @property
    def refilling(self) -> bool:
        """Whether any zone has less than its share."""
        return bool(self._refilled)

    def refilled(self, now: float, zone: str) -> float:
        """Give the part of its share that a zone has by now: a tenth at first, and 1 when it has all of it."""
        since = self._refilled.get(zone)
        if since is None:
            return 1.0
        return min(1.0, _FIRST + (1.0 - _FIRST) * max(0.0, now - since) / REFILL)

    def changes_at(self) -> float:
        """Give when time alone changes something next."""
        return min(
            [
                *self.shunned.values(),
                *(since + REFILL for since in self._refilled.values()),
                *(until for _, _, until in self._missed.values()),
            ],
            default=inf,
        )
