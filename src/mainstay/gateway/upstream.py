"""HOT. The instances of a service as a worker sees them, and which of their connections may be used again."""

from collections import deque
from typing import TYPE_CHECKING, Protocol

from mainstay.base.histogram import STEPS, place
from mainstay.base.outcome import Outcome
from mainstay.gateway.table import Row
from mainstay.gateway.tls.context import to_instances
from mainstay.redundancy.health import Health
from mainstay.tolerance.breaker import Breaker
from mainstay.tolerance.target import Target

if TYPE_CHECKING:
    import ssl

    from mainstay.gateway.fault.legs import Legs
    from mainstay.gateway.http.connection import UpstreamConnection
    from mainstay.gateway.route import Route
    from mainstay.gateway.watch import Watch

SEVERAL = 3
"""Requests that an instance leaves without an answer, and no other answer meanwhile, which no longer may be chance."""
IDLE = 4.0
"""Seconds an idle connection is kept: under Node's and uvicorn's 5 s, so that we close first, not they."""
FRESH = 1.0
"""A request that must not run twice is not sent on a connection idle for longer than this, in seconds."""


_LEAST_REST = 0.2
_SAME = 0.8


class Guest(Protocol):
    """Something that is under way at an instance."""

    def leave(self) -> None:
        """Go elsewhere if that is safe: the instance is down."""
        ...

    def bereft(self) -> None:
        """Hear that the instance is no longer there."""
        ...


class Upstream(Target):
    """One life of an instance as a worker sees it: its place in the pool, and its connections."""

    __slots__ = (
        "_ended_after",
        "answers",
        "authority",
        "before",
        "busy",
        "connections",
        "failed",
        "failures",
        "heard_at",
        "idle",
        "keeps",
        "latency",
        "leaving",
        "legs",
        "micros",
        "opened",
        "overtaken",
        "path",
        "preamble",
        "received",
        "requests",
        "route",
        "row",
        "sent",
        "server_name",
        "talk",
        "took",
        "unheard",
        "watch",
    )

    def __init__(self, route: "Route", row: Row, health: Health, breaker: Breaker | None) -> None:
        super().__init__(
            row.service,
            row.instance,
            row.generation,
            row.host,
            row.port,
            zone=row.zone,
            health=health,
            breaker=breaker,
        )
        self.route = route
        self.row = row
        """What the table says of it."""
        self.watch: Watch | None = None
        """Its place in the order of checks; None while it is not checked."""
        self.legs: Legs | None = None
        """What goes wrong on purpose on the way to it; None while no fault is aimed at it."""
        self.authority = row.authority.encode()
        self.path = row.path
        self.talk = row.talk
        self.preamble = row.preamble
        self.server_name = row.server_name
        self.leaving = False
        # When the last head of an answer came.
        self.heard_at = 0.0
        # Requests that were answered elsewhere since, because it did not.
        self.unheard = 0
        self.idle: deque[UpstreamConnection] = deque()
        self.keeps = IDLE
        """Seconds that an idle connection is kept, less than the instance does, as far as that has been seen."""
        # How long the last one had been idle that the instance ended.
        self._ended_after = 0.0
        self.connections: set[UpstreamConnection] = set()
        self.busy: set[Guest] = set()
        # Attempts, and those that failed; the ends of these by the outcome.
        self.requests = 0
        self.failures = 0
        self.failed: dict[Outcome, int] = {}
        # Attempts that a hedge has overtaken.
        self.overtaken = 0
        # Answers whose head came, by the first digit of their status.
        self.answers = [0] * 6
        # Connections that were made, and what went over them.
        self.opened = 0
        self.received = 0
        self.sent = 0
        # Whole answers: the time that they took together, and how many took how long.
        self.micros = 0
        self.latency: dict[int, int] = {}
        self.before: dict[int, int] = {}
        # What these two have forgotten, in coarser buckets.
        self.took: dict[int, int] = {}

    def context(self) -> "ssl.SSLContext | None":
        """Give how TLS is spoken with it; None: it speaks without."""
        return to_instances(self.route.settings.trust) if self.server_name else None

    def reusable(self, now: float, *, idempotent: bool) -> "UpstreamConnection | None":
        """Take the most recently used idle connection that may carry this request, if there is one."""
        idle = self.idle
        while idle:
            connection = idle[-1]
            rest = now - connection.idle_since
            if not idempotent and FRESH < rest <= connection.keep_for and not connection.closed:
                return None  # the others have been idle for longer; they still serve what may be repeated
            idle.pop()
            if rest <= connection.keep_for and connection.alive():
                return connection
            connection.close()
        return None

    def sweep(self, now: float) -> None:
        """Close what has been idle for too long."""
        for connection in [one for one in self.connections if one.expired(now)]:
            connection.close()

    def ended_idle(self, rest: float) -> None:
        """Learn from a connection that the instance has ended, after so many seconds in which nothing was asked on it.

        Once may be chance; twice after the same time is how long it keeps them, and we have to be first (RFC 9112 §9.5).
        """
        last, self._ended_after = self._ended_after, rest
        if rest < _LEAST_REST or not _SAME * last <= rest <= last / _SAME:
            return
        self.keeps = min(self.keeps, _SAME * min(rest, last))
        for connection in self.connections:
            connection.keep_for = min(connection.keep_for, self.keeps)

    def seen(self, seconds: float) -> None:
        """Count a complete answer by its latency."""
        micros = int(seconds * 1e6)
        self.micros += micros
        index = place(micros)
        self.latency[index] = self.latency.get(index, 0) + 1

    def turn(self) -> None:
        """Forget the older half of the latencies, except in the sums over all time."""
        if self.before:
            self.took = _coarse(self.before, self.took)
        if self.before or self.latency:
            self.before, self.latency = self.latency, {}

    def charge(self, outcome: Outcome) -> None:
        """Count an attempt that failed."""
        self.failures += 1
        self.failed[outcome] = self.failed.get(outcome, 0) + 1

    def counted(self) -> dict[str, int]:
        """Give what was counted since it was last asked to forget; nothing, for what has not happened."""
        took = _coarse(self.latency, _coarse(self.before, self.took))
        every = {
            "attempts": self.requests,
            "opened": self.opened,
            "received": self.received,
            "sent": self.sent,
            "micros": self.micros,
            **{f"failed {outcome.name.lower()}": count for outcome, count in self.failed.items()},
            **{f"answers {digit}": count for digit, count in enumerate(self.answers)},
            **{f"took {index}": count for index, count in took.items()},
        }
        return {name: count for name, count in every.items() if count}

    def begin_anew(self) -> None:
        """Forget all that was counted."""
        self.requests = self.failures = self.overtaken = self.opened = self.received = self.sent = (
            self.micros
        ) = 0
        self.failed = {}
        self.answers = [0] * 6
        self.took = {}
        self.latency, self.before = {}, {}

    def forget(self, guest: Guest) -> None:
        """Let go of a request; the last one to leave a draining instance tells so."""
        self.busy.discard(guest)
        if self.leaving and not self.busy:
            self.route.left(self)

    def close(self) -> None:
        """Close every idle connection; those in use end with their request."""
        while self.idle:
            self.idle.pop().close()


def _coarse(fine: dict[int, int], sums: dict[int, int]) -> dict[int, int]:
    """Add latencies up by their doublings."""
    total = dict(sums)
    for index, count in fine.items():
        coarse = index // STEPS
        total[coarse] = total.get(coarse, 0) + count
    return total
