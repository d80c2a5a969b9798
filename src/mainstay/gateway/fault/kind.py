"""The kinds of faults on a leg, and what may be said of each."""

from typing import NamedTuple

LONGEST = 60.0
"""Seconds that a delay, or a lease, may be at most: what takes longer than any timeout is a `partition`."""
SHORTEST_LEASE = 1.0
LEASE = 10.0
"""Seconds that a fault lasts when nobody renews it."""
BOTH, TO, FROM = "both", "to", "from"
DIRECTIONS = (BOTH, TO, FROM)


class Number(NamedTuple):
    """A parameter that is a number."""

    low: float
    high: float
    default: float | None
    """None: it has to be told."""
    whole: bool = False
    """Whether it is a whole number."""


SHARE = Number(0.0, 1.0, 1.0)
"""Of requests: all of them, unless told."""
TOXICITY = Number(0.0, 1.0, 1.0)
"""Of connections: all of them, unless told. Toxiproxy's word."""
MOST_BYTES = 1e12


class Kind(NamedTuple):
    """One kind of fault."""

    numbers: dict[str, Number]
    direction: str = ""
    """The `direction` that it has unless told; empty: it has none."""
    http: bool = False
    """It is about answers, so that only requests have it: no health check, and no TCP connection."""


def _network(direction: str = "", **numbers: Number) -> Kind:
    return Kind(numbers | {"toxicity": TOXICITY}, direction)


KINDS: dict[str, Kind] = {
    "latency": _network(
        FROM,
        delay=Number(0.001, LONGEST, None),
        jitter=Number(0.0, LONGEST, 0.0),
        ramp=Number(0.0, LONGEST, 0.0),
    ),
    "bandwidth": _network(BOTH, rate=Number(1, MOST_BYTES, None)),
    "loss": _network(BOTH, share=Number(0.0, 1.0, None), rto=Number(0.01, LONGEST, 0.2)),
    "partition": _network(BOTH),
    "refuse": _network(),
    "silent": _network(BOTH, after=Number(0.0, LONGEST, 0.0)),
    "cut": _network(FROM, after=Number(0.0, LONGEST, 0.0)),
    "limit": _network(FROM, bytes=Number(0, MOST_BYTES, None, whole=True)),
    "slices": _network(
        BOTH,
        size=Number(1, MOST_BYTES, None, whole=True),
        variation=Number(0, MOST_BYTES, 0, whole=True),
        delay=Number(0.0, LONGEST, 0.0),
    ),
    "slow-close": _network(FROM, delay=Number(0.001, LONGEST, None)),
    "dns": _network(),
    "reset": Kind({"share": SHARE}, http=True),
    "errors": Kind({"status": Number(500, 599, 503, whole=True), "share": SHARE}, http=True),
    "truncate": Kind({"share": SHARE}, http=True),
    "stall": Kind({"share": SHARE}, http=True),
    "wrong-length": Kind({"share": SHARE}, http=True),
}
"""By name."""
