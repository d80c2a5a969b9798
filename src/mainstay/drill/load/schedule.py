"""When users come: the whole schedule of arrivals, made from a seed before the first one is sent.

Users do not wait for one another, so neither may the schedule: it is fixed beforehand, and a system that
stalls finds the arrivals waiting for it (an *open loop*). A generator that waits for answers before it
goes on would ask least exactly while the system is down, and so hide the outage that it looks for.

The same spec gives the same arrivals: two runs differ only by what was done to the system.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate, count
from typing import TYPE_CHECKING, Literal, NamedTuple

from mainstay.base.dice import Dice
from mainstay.base.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSpec:
    """The load to put on a system.

    Raises:
        SpecError: a value that cannot be.
    """

    rate: float
    """Arrivals per second. An outage shorter than about 1/rate seconds is not seen."""
    seconds: float
    """How long users keep coming, in seconds."""
    seed: int = 1
    """Replays one schedule: the times, the requests and the kinds of connection."""
    arrivals: Literal["poisson", "even"] = "poisson"
    """`poisson`: independent users, exponential gaps, and so bursts as in real traffic. `even`: every 1/rate seconds."""
    posts: float = 0.2
    """Share of arrivals that POST an order; the others GET the front page. One in five: enough writes to
    catch one that is lost or done twice, with a majority of reads as most services have. It means nothing where
    requests are told."""
    fresh: float = 0.1
    """Share of arrivals that come on a connection of their own. Kept connections do not notice that new ones
    are refused and the other way round, so both are there; most traffic is kept alive."""
    keyed: bool = False
    """Whether an order carries an `Idempotency-Key`, which lets whoever carries it repeat it for a service that
    honours keys. Off: most POSTs in the world carry none."""
    deadline: float = 5.0
    """A user's patience in seconds, from the intended start: then the request has failed."""
    connections: int = 32
    """Kept-alive connections opened before the first arrival, and the most that are kept idle."""
    in_flight: int = 10_000
    """Requests waiting at once, to bound memory and file descriptors; an arrival beyond has failed, unsent."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name in ("rate", "seconds", "deadline", "in_flight"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise SpecError(f"{name} must be above 0, not {value}")
        for name in ("posts", "fresh"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise SpecError(f"{name} must be from 0 to 1, not {value}")
        if self.connections < 0:
            raise SpecError(f"connections must be 0 or more, not {self.connections}")
        if self.arrivals not in ("poisson", "even"):
            raise SpecError(f"arrivals must be poisson or even, not {self.arrivals}")


class Arrival(NamedTuple):
    """One user to come."""

    at: float
    """When, in seconds from the start of the run: the *intended* start that latency is counted from."""
    what: int
    """What to ask for: a place in the mix."""
    fresh: bool
    """Whether to come on a connection of its own; otherwise on a kept-alive one."""


def arrivals(spec: LoadSpec, weights: "Sequence[float]") -> list[Arrival]:
    """Give every arrival of a run, in order of time.

    Args:
        spec: The load.
        weights: How often each request of the mix is asked, compared with the others; not all are 0.
    """
    dice = Dice(spec.seed)
    # A stream each: another mix must leave the times as they were.
    gaps, what, fresh = dice.fork("gaps"), dice.fork("posts"), dice.fork("fresh")
    times = _even(spec.rate) if spec.arrivals == "even" else _poisson(spec.rate, gaps)
    bounds = list(accumulate(weights))
    made = []
    for at in times:
        if at >= spec.seconds:
            break
        made.append(
            Arrival(at, bisect_right(bounds, what.random() * bounds[-1]), fresh.random() < spec.fresh)
        )
    return made


def _even(rate: float) -> "Iterator[float]":
    # Not a running sum: its rounding would let the rate drift.
    return (number / rate for number in count())


def _poisson(rate: float, dice: Dice) -> "Iterator[float]":
    at = 0.0
    while True:
        # The inverse of the exponential distribution; 1 - u is never 0.
        at -= math.log(1.0 - dice.random()) / rate
        yield at
