"""When users had trouble: from when until when, how many of them, who noticed, and what broke first.

::

    quiet ──trouble──▶ open ──nothing bad for a while──▶ easing ──nothing bad, and all back──▶ over
                        ▲                                  │
                        └───────────── trouble ────────────┘

Opened by what users got, not by a single probe: so many requests failed, or nobody served at all. What comes back within
a while belongs to the same incident, however often it goes away and comes back.
"""

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from mainstay.base.errors import SpecError

_INSTANCE_LOSS = {
    "InstanceExited": "ended by itself",
    "InstanceEjected": "was left out for its traffic",
    "InstanceDoubted": "gave no answer",
    "BreakerMoved": "failed so often that its circuit breaker opened",
    "HealthChanged": "failed its health checks",
}


class State(Enum):
    """Where an incident is."""

    OPEN = "open"
    EASING = "easing"
    OVER = "over"


OPEN, EASING, OVER = State.OPEN, State.EASING, State.OVER
TRANSITIONS: dict[tuple[State, str], State] = {
    (OPEN, "calm"): EASING,
    (EASING, "trouble"): OPEN,
    (EASING, "whole"): OVER,
}
"""The legal moves, by state and what happens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentSpec:
    """What counts as trouble.

    Raises:
        SpecError: a value that cannot be.
    """

    share: float = 0.05
    """The share of requests within `window` that has to fail: one in twenty is more than chance and bugs of single pages make
    of most services."""
    least: int = 3
    """How many have to fail at least: of two requests one is half, and no incident."""
    window: float = 10.0
    """Seconds over which they are counted."""
    quiet: float = 30.0
    """Seconds without trouble after which an incident may be over: what flaps comes back sooner."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not 0 < self.share <= 1 or self.least < 1 or self.window <= 0 or self.quiet <= 0:
            raise SpecError(
                "share must be above 0 and at most 1, least 1 or more, window and quiet above 0, not"
                f" {self.share}, {self.least}, {self.window}, {self.quiet}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One time of trouble. All times are in seconds since 1970."""

    service: str
    began: float
    """When the first request failed, or nobody served any more."""
    state: State = OPEN
    detected: float | None = None
    """When the system first told of something that has to do with it; None when it never did."""
    mitigated: float | None = None
    """When the last request failed, or somebody served again; None while it goes on."""
    recovered: float | None = None
    """When all that had been lost was back; None while something is missing."""
    requests: int = 0
    """Requests that came between its beginning and its mitigation."""
    failed: int = 0
    blame: str = ""
    """What broke first: `web-1`, `zone a`; empty when nothing is known."""
    because: str = ""
    """What it did, in words."""
    drill: bool = False
    """Whether a drill was the cause."""

    def record(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {
            "service": self.service,
            "state": self.state.value,
            "began": self.began,
            "detected": self.detected,
            "mitigated": self.mitigated,
            "recovered": self.recovered,
            "requests": self.requests,
            "failed": self.failed,
            "blame": self.blame,
            "because": self.because,
            "drill": self.drill,
        }

    @classmethod
    def read(cls, told: dict[str, Any]) -> "Incident":
        """Read what `record` gave."""
        return cls(**{**told, "state": State(told["state"])})


@dataclass(slots=True)
class _Clue:
    at: float
    who: str
    because: str
    zone: str = ""


@dataclass(slots=True)
class Watchman:
    """Watches over one service, and tells of its incidents.

    Hand in what was counted (`count`), how it is (`see`) and what was told (`hear`), in any order within a few seconds.
    """

    service: str
    spec: IncidentSpec = field(default_factory=IncidentSpec)
    incident: Incident | None = None
    """The one that goes on; None while all is quiet."""
    _seen: list[tuple[float, int, int]] = field(default_factory=list)
    _clues: list[_Clue] = field(default_factory=list)
    _serves: bool = True
    _whole: bool = True
    _whole_since: float = 0.0
    _last_bad: float = 0.0

    def resume(self, incident: Incident, until: float) -> None:
        """Go on with one that another watchman began.

        Args:
            incident: As it was left.
            until: When somebody last watched, in seconds since 1970: until then it went on, unless it says otherwise.
        """
        self.incident = incident
        self._last_bad = max(incident.began, until if incident.mitigated is None else incident.mitigated)
        self._whole = incident.recovered is not None
        self._whole_since = incident.recovered or 0.0

    def hear(self, fact: dict[str, Any]) -> None:
        """Take a fact that may say what broke."""
        if fact.get("service") != self.service:
            return
        name = fact["fact"]
        if name == "ZoneShunned":
            clue = _Clue(fact["at"], f"zone {fact['zone']}", "instances of it failed together")
        elif name in _INSTANCE_LOSS and _is_loss(fact):
            clue = _Clue(fact["at"], str(fact["instance"]), _INSTANCE_LOSS[name])
        else:
            return
        self._clues = [one for one in self._clues if one.at > clue.at - 2 * self.spec.window] + [clue]
        self._blame()

    def see(self, now: float, *, serves: bool, whole: bool, drill: bool = False) -> Incident | None:
        """Take how the service is; give an incident that has changed.

        Args:
            now: Seconds since 1970.
            serves: Whether anybody serves.
            whole: Whether all do.
            drill: Whether a drill goes on.
        """
        if whole and not self._whole:
            self._whole_since = now
        self._serves, self._whole = serves, whole
        if not serves:
            return self._trouble(now, now, drill=drill)
        return self._calm(now)

    def count(self, now: float, requests: int, failed: int, *, drill: bool = False) -> Incident | None:
        """Take what was counted since the last time; give an incident that has changed.

        Args:
            now: Seconds since 1970: the end of the time that was counted.
            requests: How many came.
            failed: How many of these failed.
            drill: Whether a drill goes on.
        """
        before = self.incident
        if before is not None:
            self.incident = replace(
                before, requests=before.requests + requests, failed=before.failed + failed
            )
        self._seen = [one for one in self._seen if one[0] > now - self.spec.window]
        self._seen.append((now, requests, failed))
        all_, bad = sum(one[1] for one in self._seen), sum(one[2] for one in self._seen)
        if failed and bad >= self.spec.least and bad >= self.spec.share * all_:
            first = next(at for at, _, failures in self._seen if failures)
            return self._trouble(now, first, drill=drill)
        return self._calm(now) or (self.incident if self.incident != before else None)

    def _trouble(self, now: float, since: float, *, drill: bool) -> Incident | None:
        before, self._last_bad = self.incident, now
        if before is None:
            near = [one for one in self._seen if one[0] >= since]
            all_, bad = sum(one[1] for one in near), sum(one[2] for one in near)
            self.incident = Incident(
                service=self.service, began=since, requests=all_, failed=bad, drill=drill
            )
            self._blame()
        else:
            state = before.state if before.state is OPEN else TRANSITIONS[before.state, "trouble"]
            self.incident = replace(before, state=state, mitigated=None, recovered=None)
        return self.incident if self.incident != before else None

    def _calm(self, now: float) -> Incident | None:
        before = self.incident
        if before is None or not self._serves:
            return None
        if before.state is OPEN:
            # Not at once: the next look may find more of it.
            if now - self._last_bad < min(self.spec.window, self.spec.quiet):
                return None
            # The clock may have been set back meanwhile.
            ended = max(before.began, self._last_bad)
            self.incident = replace(before, state=TRANSITIONS[OPEN, "calm"], mitigated=ended)
        elif self._whole and before.recovered is None:
            # Not now: that it is over is known only after a quiet time, and nothing was missing meanwhile.
            self.incident = replace(before, recovered=max(self._whole_since, self._last_bad))
        elif not self._whole and before.recovered is not None:
            self.incident = replace(before, recovered=None)
        if (
            self.incident is not None
            and self.incident.state is EASING
            and self.incident.recovered is not None
            and now - self._last_bad >= self.spec.quiet
        ):
            over = replace(self.incident, state=TRANSITIONS[EASING, "whole"])
            self.incident, self._clues = None, []
            return over
        return self.incident if self.incident != before else None

    def _blame(self) -> None:
        """Name what broke first, of what was told shortly before or since the beginning."""
        incident = self.incident
        if incident is None:
            return
        near = [one for one in self._clues if one.at >= incident.began - self.spec.window]
        if not near:
            return
        first = min(near, key=lambda one: one.at)
        zone = next((one for one in near if one.who.startswith("zone ")), None)
        # What fails together has one cause, whoever of it failed first.
        named = zone or first
        self.incident = replace(
            incident,
            detected=first.at if incident.detected is None else min(incident.detected, first.at),
            blame=named.who,
            because=named.because,
        )


def _is_loss(fact: dict[str, Any]) -> bool:
    if fact["fact"] == "HealthChanged":
        return fact["after"] not in ("up", "suspect")
    if fact["fact"] == "BreakerMoved":
        return bool(fact["after"] == "open")
    return True
