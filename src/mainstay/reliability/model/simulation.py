"""A simulator, for what has no closed form: ageing, a repair crew that is shared, maintenance windows, the loss of a zone.

A system is parts that work and are repaired in turn, and groups of them. A member of a group works while all its parts do: itself, the
zone that it is in, the maintenance that takes it out. So a zone and a maintenance window are parts as well::

    web 1 ── zone a ──┐
    web 2 ── zone b ──┼─ 2 of 3 ─┐
    web 3 ── zone a ──┘          ├─ serves
    db ──────────── 1 of 1 ──────┘

Thousands of histories run side by side, and each step takes all of them one event further: so NumPy does the work, and what a step
costs is shared. Each history has a time of its own. All chance comes from the seed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from mainstay.base.errors import SpecError
from mainstay.reliability.interval import Interval
from mainstay.reliability.model.covered import refuse_share

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Places = NDArray[np.intp]

HISTORIES = 4096
_BYTE = 256
_AHEAD = 64
"""Steps for which chance is drawn at once."""
_TWO_SIDED = 1.959964
"""Standard errors to both sides: 95 %."""


class Law(NamedTuple):
    """How long something lasts: `scale * E ** power`, with `E` exponential of mean 1; seconds."""

    scale: float
    power: float = 1.0

    @property
    def mean(self) -> float:
        """How long it lasts on average."""
        return self.scale * math.gamma(1 + self.power)


def by_chance(mean: float) -> Law:
    """Give the law of what ends by chance alone (exponential)."""
    return Law(mean)


def ageing(mean: float, shape: float) -> Law:
    """Give the law of what wears out, with a shape above 1, or has its troubles early, below 1 (Weibull)."""
    return Law(mean / math.gamma(1 + 1 / shape), 1 / shape)


def fixed(seconds: float) -> Law:
    """Give the law of what lasts the same each time."""
    return Law(seconds, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What works and is repaired, in turn."""

    life: Law
    repair: Law
    crewed: bool = True
    """Whether the shared crew repairs it: it waits while all of them are busy. A maintenance window ends by itself."""
    coverage: float = 1.0
    """The chance that its failure is survived, as far as there is something left."""
    failover: float = 0.0
    """Seconds for which users are without the system when it is."""
    recovery: float = 0.0
    """Seconds for which they are when it is not."""
    first: float | None = None
    """Seconds until the first failure; by its law, unless told."""

    def __post_init__(self) -> None:
        refuse_share(self.coverage)
        for law in (self.life, self.repair):
            if not (law.scale > 0 and law.power >= 0):
                raise SpecError(f"a law needs a scale above 0 and a power of 0 or more, not {law}")
        if min(self.failover, self.recovery) < 0:
            raise SpecError("failover and recovery must be 0 or more")


class Members(NamedTuple):
    """Members of a group, and how many have to work; each is the places of all parts that it stands on."""

    places: Sequence[Sequence[int]]
    needed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A system: it serves while each of its groups does."""

    parts: Sequence[Part]
    groups: Sequence[Members]
    crew: int | None = None
    """How many are repaired at once; all, unless told."""

    def __post_init__(self) -> None:
        for members, needed in self.groups:
            if not 1 <= needed <= len(members):
                raise SpecError(f"needed must be from 1 to the {len(members)} members, not {needed}")
            if any(not 0 <= place < len(self.parts) for one in members for place in one):
                raise SpecError(f"a member stands on a part that is not there; there are {len(self.parts)}")
        if not self.parts or not self.groups or (self.crew is not None and self.crew < 1):
            raise SpecError("there must be parts, groups, and a crew of 1 or more")


class Simulated(NamedTuple):
    """What came out."""

    available: float
    error: float
    """The standard error of it."""
    interval: Interval
    """95 %, of the mean over histories."""
    events: int
    """Failures and repairs that happened."""


def simulate(
    plan: Plan, horizon: float, seed: int, *, settle: float = 0.0, histories: int = HISTORIES
) -> Simulated:
    """Simulate a system, from a moment at which everything works.

    Args:
        plan: The system.
        horizon: Seconds of each history that count.
        seed: Of all chance.
        settle: Seconds before those, that do not count: until it is forgotten that everything worked.
        histories: How many run side by side; the more, the less each event costs.

    Raises:
        SpecError: there is nothing to simulate.
    """
    if not (horizon > 0 and settle >= 0) or histories < 2:  # noqa: PLR2004 - one alone has no error
        raise SpecError("horizon must be above 0, settle 0 or more, and histories 2 or more")
    run = _Run(plan, seed, settle, settle + horizon, histories)
    while not run.is_over:
        run.step()
    shares = 1 - run.lost / horizon
    mean, error = float(shares.mean()), float(shares.std(ddof=1)) / math.sqrt(histories)
    between = Interval(max(0.0, mean - _TWO_SIDED * error), min(1.0, mean + _TWO_SIDED * error))
    return Simulated(mean, error, between, run.events)


class _Run:
    """All histories, while they run. Tables have a row for each part, and a column for each history."""

    def __init__(self, plan: Plan, seed: int, settle: float, end: float, histories: int) -> None:
        import numpy as np  # noqa: PLC0415 - takes a while to load, and only predictions need it

        self._np = np
        self._plan, self._settle, self._end = plan, settle, end
        self._chance = np.random.default_rng(seed)
        self._rows = np.arange(histories)
        count = len(plan.parts)
        self._numbers = np.arange(count, dtype=np.uint16 if count > _BYTE else np.uint8)[:, None]
        # By place and whether it works: of repair first.
        laws = [law for part in plan.parts for law in (part.repair, part.life)]
        self._scale = np.array([law.scale for law in laws])
        powers = np.array([law.power for law in laws])
        self._power = None if (powers == 1).all() else powers
        self._without = self._times_without()
        self._crewed = np.array([part.crewed for part in plan.parts])
        self._up = np.ones((count, histories), dtype=bool)
        self._now = np.zeros(histories)
        self._blocked = np.zeros(histories)
        self._serves = np.ones(histories, dtype=bool)
        self._busy = np.zeros(histories, dtype=np.int64)
        self._waits = np.full((count, histories), np.inf)
        self._next = self._firsts(histories)
        self._drawn, self._used = self._chance.standard_exponential((_AHEAD, histories)), 0
        self.lost = np.zeros(histories)
        self.events = 0
        self.is_over = False

    def _times_without(self) -> "tuple[Floats, Floats, Floats] | None":
        np, parts = self._np, self._plan.parts
        if not any(part.failover or (part.recovery and part.coverage < 1) for part in parts):
            return None
        return (
            np.array([part.coverage for part in parts]),
            np.array([part.failover for part in parts]),
            np.array([part.recovery for part in parts]),
        )

    def _firsts(self, histories: int) -> "Floats":
        np = self._np
        rows = [
            part.life.scale * self._chance.standard_exponential(histories) ** part.life.power
            if part.first is None
            else np.full(histories, part.first)
            for part in self._plan.parts
        ]
        firsts: Floats = np.stack(rows)
        return firsts

    def step(self) -> None:
        """Take every history to its next event."""
        np = self._np
        at, place = self._earliest(self._next)
        spot = place * len(self._rows) + self._rows
        self._pass(np.minimum(at, self._end))
        alive = int(np.count_nonzero(at < self._end))
        self.events += alive
        if not alive:
            self.is_over = True
            return
        works = ~self._up.take(spot)
        self._up.put(spot, works)
        lasts = self._lasting(2 * place + works)
        self._next.put(spot, at + lasts)
        if self._without is not None:
            self._fail_over(self._without, place, at, ~works)
        if self._plan.crew is not None:
            self._assign(self._plan.crew, place, at, works)
        self._serves = self._serving()

    def _earliest(self, times: "Floats") -> "tuple[Floats, Places]":
        """Give the earliest time of each history, and whose it is; of two at the same time, the other comes next.

        A tenth of the time of `argmin`, which takes one history after another.
        """
        np = self._np
        earliest: Floats = times.min(axis=0)
        whose = ((times == earliest) * self._numbers).max(axis=0)
        return earliest, whose.astype(np.intp)

    def _pass(self, until: "Floats") -> None:
        """Let time pass, and count for how long users were without it."""
        np = self._np
        since = np.maximum(self._now, self._settle) if self._settle else self._now
        without = until - since
        if self._without is None:
            without *= ~self._serves
        else:
            without = np.where(self._serves, np.minimum(without, self._blocked - since), without)
        if self._settle or self._without is not None:
            np.maximum(without, 0.0, out=without)
        self.lost += without
        self._now = until

    def _lasting(self, kind: "Places") -> "Floats":
        if self._used == _AHEAD:
            self._chance.standard_exponential(out=self._drawn)
            self._used = 0
        drawn = self._drawn[self._used]
        self._used += 1
        if self._power is not None:
            drawn = drawn ** self._power.take(kind)
        lasts: Floats = self._scale.take(kind) * drawn
        return lasts

    def _fail_over(
        self, told: "tuple[Floats, Floats, Floats]", place: "Places", at: "Floats", failed: "Bools"
    ) -> None:
        np = self._np
        coverage, failover, recovery = told
        survived = self._chance.random(len(at)) < coverage.take(place)
        back = at + np.where(survived, failover.take(place), recovery.take(place))
        np.maximum(self._blocked, np.where(failed, back, 0.0), out=self._blocked)

    def _assign(self, crew: int, place: "Places", at: "Floats", works: "Bools") -> None:
        """Let what has failed wait while all are busy, and whoever is done begin with what has waited longest."""
        np = self._np
        crewed = self._crewed.take(place)
        done = np.flatnonzero(crewed & works)
        failed = np.flatnonzero(crewed & ~works)
        full = failed[self._busy[failed] >= crew]
        self._busy[failed] += 1
        self._waits[place[full], full] = at[full]
        # Its repair has not begun: how long that takes is drawn when it does.
        self._next[place[full], full] = np.inf
        more = done[self._busy[done] > crew]
        self._busy[done] -= 1
        if more.size:
            _, longest = self._earliest(self._waits[:, more])
            self._waits[longest, more] = np.inf
            lasts = self._chance.standard_exponential(more.size)
            kind = 2 * longest
            if self._power is not None:
                lasts = lasts ** self._power.take(kind)
            self._next[longest, more] = at[more] + self._scale.take(kind) * lasts

    def _serving(self) -> "Bools":
        """Tell which histories serve, by the structure."""
        np = self._np
        serves: Bools = np.ones(len(self._rows), dtype=bool)
        for members, needed in self._plan.groups:
            works = [self._member(places) for places in members]
            if needed == len(works):
                for one in works:
                    serves &= one
            elif needed == 1:
                serves &= np.logical_or.reduce(works)
            else:
                serves &= self._counted(works) >= needed
        return serves

    def _counted(self, works: "list[Bools]") -> "NDArray[np.unsignedinteger]":
        np = self._np
        # Bytes as they are, as long as the sum fits into one: nothing has to be converted.
        counts = works[0].astype(np.uint16 if len(works) >= _BYTE else np.uint8)
        for one in works[1:]:
            counts += one.view(np.uint8)
        return counts

    def _member(self, places: Sequence[int]) -> "Bools":
        works: Bools = self._up[places[0]]
        for place in places[1:]:
            works = works & self._up[place]
        return works
