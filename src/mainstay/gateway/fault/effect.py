"""What each kind of fault does to a leg: decisions, without I/O.

An effect is asked, and answers: how much longer a connection takes to be made, how much later a piece arrives,
whether a direction is silent, and whether the answer to this request is spoilt. Several may be on one leg:
delays add up, and who holds something back holds it back for all.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from math import inf

from mainstay.base.dice import Dice
from mainstay.gateway.fault.kind import FROM, KINDS, TO
from mainstay.gateway.fault.spec import FaultSpec

_SYN = 1.0
"""Seconds after which a lost SYN is sent again (RFC 6298 §2.1)."""
_MOST_LOSSES = 8
_BEAT = 0.05
"""Seconds between two slices of what a narrow link passes on."""
_LEAST_SLICE = 64


class Count:
    """How often a fault has acted."""

    __slots__ = ("acted", "checks")

    def __init__(self) -> None:
        self.acted = 0
        """On requests and tunnels, or their connections."""
        self.checks = 0
        """Health checks that it hit."""


class Effect:
    """One fault, as a worker has it."""

    answers = False
    """It is about answers of HTTP."""
    cuts = False
    """It ends the connections that there are."""

    def __init__(self, spec: FaultSpec, dice: Dice, count: Count) -> None:
        self.spec = spec
        self.dice = dice
        self.count = count
        self.over = asyncio.Event()

    def refusal(self, host: str) -> OSError | None:  # noqa: ARG002 - for those that refuse
        """Give the error with which a connection is not made."""
        return None

    def approach(self, now: float) -> float:  # noqa: ARG002 - for those that delay
        """Give the seconds that making a connection takes longer; infinity: until this is over."""
        return 0.0

    def delay(self, now: float, size: int, lane: "Lane") -> float:  # noqa: ARG002 - for those that delay
        """Give the seconds that a piece of so many bytes takes longer."""
        return 0.0

    def slice(self) -> int | None:
        """Give how many bytes a piece may have at most."""
        return None

    def holds(self, *, down: bool) -> bool:  # noqa: ARG002 - for those that hold
        """Tell whether nothing comes through; `down`: from the instance to us."""
        return False

    def strikes(self) -> bool:
        """Tell, for the next request, whether its answer is spoilt."""
        return self.dice.random() < self.spec.numbers["share"]


class Lane:
    """What an effect remembers of one direction of one leg."""

    __slots__ = ("down", "free")

    def __init__(self, *, down: bool) -> None:
        self.down = down
        """From the instance to us."""
        self.free: dict[Effect, float] = {}
        """When a narrow link has passed on all that it was given."""


class Latency(Effect):
    """What comes from an instance comes later; a round trip takes one delay longer, that of a connection too."""

    def approach(self, now: float) -> float:
        """Delay the answer to a SYN."""
        return self._delay(now)

    def delay(self, now: float, size: int, lane: Lane) -> float:  # noqa: ARG002 - all take as long
        """Delay what comes from the instance."""
        return self._delay(now) if lane.down else 0.0

    def _delay(self, now: float) -> float:
        told = self.spec.numbers
        delay, jitter, ramp = told["delay"], told["jitter"], told["ramp"]
        if jitter:
            delay = max(0.0, self.dice.between(delay - jitter, delay + jitter))
        return delay * min(1.0, (now - self.spec.began) / ramp) if ramp else delay


class Bandwidth(Effect):
    """So many bytes a second come through, each way, on each connection."""

    def delay(self, now: float, size: int, lane: Lane) -> float:
        """Wait for all that was given before, and for its own length."""
        free = max(now, lane.free.get(self, 0.0)) + size / self.spec.numbers["rate"]
        lane.free[self] = free
        return free - now

    def slice(self) -> int | None:
        """Trickle."""
        return max(_LEAST_SLICE, int(self.spec.numbers["rate"] * _BEAT))


class Loss(Effect):
    """TCP loses nothing: what is lost comes when it has been sent again, and all that is behind it waits."""

    def approach(self, now: float) -> float:  # noqa: ARG002 - chance alone
        """Send a SYN again."""
        return self._again(_SYN)

    def delay(self, now: float, size: int, lane: Lane) -> float:  # noqa: ARG002 - likewise
        """Send a piece again, after a timeout that doubles each time."""
        return self._again(self.spec.numbers["rto"])

    def _again(self, timeout: float) -> float:
        waited = 0.0
        for _ in range(_MOST_LOSSES):
            if self.dice.random() >= self.spec.numbers["share"]:
                break
            waited += timeout
            timeout *= 2
        return waited


class Partition(Effect):
    """Nothing comes through, in one direction or both; a connection, which needs both, cannot be made."""

    def approach(self, now: float) -> float:  # noqa: ARG002 - whenever
        """Hear nothing."""
        return inf

    def holds(self, *, down: bool) -> bool:
        """Hold back what goes in that direction."""
        return self.spec.direction != (TO if down else FROM)


class Silent(Effect):
    """A connection is accepted, as the kernel does for a process that stands still, and nothing is read or said."""

    def holds(self, *, down: bool) -> bool:  # noqa: ARG002 - both
        """Hold back everything."""
        return True


class Refuse(Effect):
    """Connections are refused, and those that stand are cut."""

    cuts = True

    def refusal(self, host: str) -> OSError | None:  # noqa: ARG002 - any
        """Refuse."""
        return ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


class Dns(Effect):
    """The name of an instance is not found, for now."""

    def refusal(self, host: str) -> OSError | None:
        """Fail to look it up, if that has to be done."""
        if not host:
            return None
        return socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


class Spoilt(Effect):
    """An answer that is not what the instance gave."""

    answers = True


_EFFECTS: dict[str, Callable[[FaultSpec, Dice, Count], Effect]] = {
    "latency": Latency,
    "bandwidth": Bandwidth,
    "loss": Loss,
    "partition": Partition,
    "silent": Silent,
    "refuse": Refuse,
    "dns": Dns,
}


def effect(spec: FaultSpec, dice: Dice, count: Count) -> Effect:
    """Make what a fault does."""
    kind = Spoilt if KINDS[spec.fault].http else _EFFECTS[spec.fault]
    return kind(spec, dice, count)
