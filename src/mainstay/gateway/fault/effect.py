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
    late = False
    """Its time begins with the first piece, not with the connection."""
    resets = False
    """When its time is over, the connection is reset; otherwise it ends in order."""

    def __init__(self, spec: FaultSpec, dice: Dice, count: Count) -> None:
        self.spec = spec
        self.dice = dice
        self.count = count
        self.over = asyncio.Event()

    def goes(self, *, down: bool) -> bool:
        """Tell whether it acts in this direction; `down`: from the instance to us."""
        return self.spec.direction != (TO if down else FROM)

    def hits(self) -> bool:
        """Tell, for the next connection, whether it acts on it."""
        toxicity = self.spec.numbers.get("toxicity", 1.0)
        # No chance where there is no choice: else a seed would mean something else than it did.
        return toxicity >= 1.0 or self.dice.random() < toxicity

    def refusal(self, host: str) -> OSError | None:  # noqa: ARG002 - for those that refuse
        """Give the error with which a connection is not made."""
        return None

    def approach(self, now: float) -> float:  # noqa: ARG002 - for those that delay
        """Give the seconds that making a connection takes longer; infinity: until this is over."""
        return 0.0

    def delay(self, now: float, size: int, lane: "Lane") -> float:  # noqa: ARG002 - for those that delay
        """Give the seconds that a piece of so many bytes takes longer."""
        return 0.0

    def slice(self, *, down: bool) -> int | None:  # noqa: ARG002 - for those that slice
        """Give how many bytes the next piece may have at most."""
        return None

    def room(self, lane: "Lane") -> int | None:  # noqa: ARG002 - for those that limit
        """Give how many bytes may come through before the connection ends."""
        return None

    def life(self) -> float | None:
        """Give the seconds after which a connection ends."""
        return None

    def parting(self, *, down: bool) -> float:  # noqa: ARG002 - for those that delay it
        """Give the seconds that the end of the connection comes later, behind what was said last."""
        return 0.0

    def holds(self, *, down: bool) -> bool:  # noqa: ARG002 - for those that hold
        """Tell whether nothing comes through."""
        return False

    def strikes(self) -> bool:
        """Tell, for the next request, whether its answer is spoilt."""
        return self.dice.random() < self.spec.numbers["share"]


Lot = dict[Effect, bool]
"""Whether a fault acts on this connection; what is not there is not decided."""


def drawn(lot: Lot, effect: Effect) -> bool:
    """Tell whether it acts on this connection, and let chance decide where that was not told."""
    if effect not in lot:
        lot[effect] = effect.hits()
    return lot[effect]


class Lane:
    """What an effect remembers of one direction of one leg."""

    __slots__ = ("down", "free", "passed")

    def __init__(self, *, down: bool) -> None:
        self.down = down
        """From the instance to us."""
        self.free: dict[Effect, float] = {}
        """When a narrow link has passed on all that it was given."""
        self.passed: dict[Effect, int] = {}
        """Bytes that it was given while a limit was there."""


class Latency(Effect):
    """What comes that way comes later; a round trip takes one delay longer, that of a connection too."""

    def approach(self, now: float) -> float:
        """Delay a SYN, or the answer to it."""
        return sum(self._delay(now) for down in (True, False) if self.goes(down=down))

    def delay(self, now: float, size: int, lane: Lane) -> float:  # noqa: ARG002 - all take as long
        """Delay what goes that way."""
        return self._delay(now) if self.goes(down=lane.down) else 0.0

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
        if not self.goes(down=lane.down):
            return 0.0
        free = max(now, lane.free.get(self, 0.0)) + size / self.spec.numbers["rate"]
        lane.free[self] = free
        return free - now

    def slice(self, *, down: bool) -> int | None:
        """Trickle."""
        return max(_LEAST_SLICE, int(self.spec.numbers["rate"] * _BEAT)) if self.goes(down=down) else None


class Slices(Effect):
    """What was said at once comes in small pieces, with a pause after each."""

    def delay(self, now: float, size: int, lane: Lane) -> float:
        """Come after the pauses of those before."""
        if not size or not self.goes(down=lane.down):
            return max(0.0, lane.free.get(self, 0.0) - now)
        begin = max(now, lane.free.get(self, 0.0))
        lane.free[self] = begin + self.spec.numbers["delay"]
        return begin - now

    def slice(self, *, down: bool) -> int | None:
        """Be about as large as told."""
        if not self.goes(down=down):
            return None
        size, variation = int(self.spec.numbers["size"]), int(self.spec.numbers["variation"])
        return max(1, size - variation + self.dice.below(2 * variation + 1))


class Limit(Effect):
    """So many bytes come through on a connection, and then it ends."""

    def room(self, lane: Lane) -> int | None:
        """Give what is left."""
        if not self.goes(down=lane.down):
            return None
        return max(0, int(self.spec.numbers["bytes"]) - lane.passed.get(self, 0))


class SlowClose(Effect):
    """The end of a connection comes later than what was said last."""

    def delay(self, now: float, size: int, lane: Lane) -> float:  # noqa: ARG002 - whenever
        """Delay what has no bytes."""
        return 0.0 if size else self.parting(down=lane.down)

    def parting(self, *, down: bool) -> float:
        """Delay it."""
        return self.spec.numbers["delay"] if self.goes(down=down) else 0.0


class Loss(Effect):
    """TCP loses nothing: what is lost comes when it has been sent again, and all that is behind it waits."""

    def approach(self, now: float) -> float:  # noqa: ARG002 - chance alone
        """Send a SYN again."""
        return self._again(_SYN)

    def delay(self, now: float, size: int, lane: Lane) -> float:  # noqa: ARG002 - chance alone
        """Send a piece again, after a timeout that doubles each time."""
        return self._again(self.spec.numbers["rto"]) if self.goes(down=lane.down) else 0.0

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
        return self.goes(down=down)


class Silent(Effect):
    """A connection is accepted, as the kernel does for a process that stands still, and nothing is read or said."""

    def holds(self, *, down: bool) -> bool:
        """Hold back everything that goes that way."""
        return self.goes(down=down)

    def life(self) -> float | None:
        """End when that was told."""
        return self.spec.numbers["after"] or None


class Cut(Effect):
    """What comes first is held back, and some time after it the connection is reset."""

    late = True
    resets = True

    def holds(self, *, down: bool) -> bool:
        """Hold back what would have come in time."""
        return self.goes(down=down)

    def life(self) -> float | None:
        """End then, or at once."""
        return self.spec.numbers["after"]


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
    "cut": Cut,
    "limit": Limit,
    "slices": Slices,
    "slow-close": SlowClose,
    "refuse": Refuse,
    "dns": Dns,
}


def effect(spec: FaultSpec, dice: Dice, count: Count) -> Effect:
    """Make what a fault does."""
    kind = Spoilt if KINDS[spec.fault].http else _EFFECTS[spec.fault]
    return kind(spec, dice, count)
