"""What one health check of an instance found; whoever sends the check, all speak of it in these words."""

from typing import NamedTuple


class Talk(NamedTuple):
    """A health check of something that does not speak HTTP. One character is one byte, 0 to 255 (Latin-1)."""

    send: str = ""
    """What is said to it; empty: nothing."""

    expect: str = ""
    """What must be in its answer; empty: a connection is enough."""


class ProbeResult(NamedTuple):
    """The result of asking one instance once whether it is well."""

    ok: bool
    """Whether the answer was the one hoped for."""

    said: str
    """What came back, for people: `HTTP 200`, `connection refused`, `no answer within 500ms`."""

    seconds: float
    """How long it took, in seconds."""
