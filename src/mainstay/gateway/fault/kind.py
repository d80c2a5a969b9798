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


class Kind(NamedTuple):
    """One kind of fault."""

    numbers: dict[str, Number]
    directed: bool = False
    """It has a `direction`."""
    http: bool = False
    """It is about answers, so that only requests have it: no health check, and no TCP connection."""


KINDS: dict[str, Kind] = {
    "latency": Kind(
        {
            "delay": Number(0.001, LONGEST, None),
            "jitter": Number(0.0, LONGEST, 0.0),
            "ramp": Number(0.0, LONGEST, 0.0),
        }
    ),
    "bandwidth": Kind({"rate": Number(1, 1e12, None)}),
    "loss": Kind({"share": Number(0.0, 1.0, None), "rto": Number(0.01, LONGEST, 0.2)}),
    "partition": Kind({}, directed=True),
    "refuse": Kind({}),
    "silent": Kind({}),
    "dns": Kind({}),
    "reset": Kind({"share": SHARE}, http=True),
    "errors": Kind({"status": Number(500, 599, 503, whole=True), "share": SHARE}, http=True),
    "truncate": Kind({"share": SHARE}, http=True),
    "stall": Kind({"share": SHARE}, http=True),
    "wrong-length": Kind({"share": SHARE}, http=True),
}
"""By name."""
