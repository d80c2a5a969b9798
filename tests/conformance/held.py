"""What the gateway holds in memory for one connection."""

from collections import deque

from attributes import slots
from conformance.laws import must

# What belongs to all connections, and not to one.
_SHARED = {
    "Worker",
    "Route",
    "Entrance",
    "Upstream",
    "Wheel",
    "Policy",
    "Pool",
    "Table",
    "Settings",
    "Limits",
}
_THINGS = 8192
_ROOM = 65536
"""What a body may take that is kept for another attempt, and an answer that is held until it is whole."""


def held(thing):
    """Give how many bytes of messages, and how many objects, a connection holds, whatever is among its parts."""
    count, things, seen, waiting = 0, 0, set(), [thing]
    while waiting:
        one = waiting.pop()
        if isinstance(one, (bytes, bytearray)):
            count += len(one)
            things += 1
        elif isinstance(one, (list, tuple, deque, set, frozenset)):
            waiting.extend(one)
        elif isinstance(one, dict):
            waiting.extend((*one.keys(), *one.values()))
        elif _ours(one) and id(one) not in seen:
            seen.add(id(one))
            for kind in type(one).__mro__:
                waiting.extend(getattr(one, name, None) for name in slots(kind))
    return count, things


def _ours(one):
    kind = type(one)
    return kind.__module__.startswith("mainstay.gateway") and kind.__name__ not in _SHARED


def bounded(stage):
    """Make a watch for a stage: after each piece that a connection has read, what it holds is bounded."""
    most = 4 * stage.limits.head + 2 * _ROOM

    def watch(end, piece):
        if end.come <= most:
            return  # it cannot hold more than has come
        count, things = held(end.protocol)
        must(count <= most + 2 * len(piece), "it holds more than it may", count)
        must(things <= _THINGS, "it holds more pieces than it may", things)

    return watch
