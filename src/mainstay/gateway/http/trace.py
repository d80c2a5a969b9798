"""HOT. Which request is which, here and behind us: request ids, and the trace context of the W3C.

https://www.w3.org/TR/trace-context-2/ is followed by the letter: what is not a valid context is none, and the trace
begins here. Whose ids and contexts are taken up at all, the system file says.
"""

import re
from typing import TYPE_CHECKING, NamedTuple

from mainstay.base.dice import Dice
from mainstay.gateway.otel.recording import Recording
from mainstay.gateway.table import TraceSettings

if TYPE_CHECKING:
    from mainstay.gateway.http.request import Request

_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-(.*))?", re.DOTALL)
_MEMBER = re.compile(
    rb"([a-z0-9][a-z0-9_*/@-]{0,255})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
_MOST_MEMBERS = 32
_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._~+/=:@-]{0,127}")
"""What a request id of somebody else's may be: what we make ourselves, UUIDs, ULIDs, and what else is common."""
_NOBODY = frozenset({b"0" * 32, b"0" * 16})
_SAMPLED, _RANDOM = 1, 2
"""Flags (§3.2.2.5): to be recorded; the id is of chance."""


class Parent(NamedTuple):
    """A valid `traceparent`."""

    trace: bytes
    span: bytes
    flags: int
    """Those of its bits that mean something to us."""


def parent_of(value: bytes) -> Parent | None:
    """Read a `traceparent` (§3.2); None: it is not valid."""
    match = _PARENT.fullmatch(value)
    if match is None:
        return None
    version, trace, span, flags, more = match.groups()
    # Later versions may have more, and begin the same.
    if version == b"ff" or (version == b"00" and more is not None) or trace in _NOBODY or span in _NOBODY:
        return None
    return Parent(trace, span, int(flags, 16) & (_SAMPLED | _RANDOM))


def state_of(values: list[bytes]) -> bytes:
    """Read the `tracestate` of all its fields (§3.3); empty: there is none, or it is not valid."""
    members = [stripped for value in values for one in value.split(b",") if (stripped := one.strip(b" \t"))]
    keys = {match[1] for one in members if (match := _MEMBER.fullmatch(one)) is not None}
    return b",".join(members) if len(keys) == len(members) <= _MOST_MEMBERS else b""


def named(request_id: bytes) -> bytes:
    """Write the line that tells a request id; empty without one."""
    return b"X-Request-Id: " + request_id if request_id else b""


class Trace:
    """One request's ids."""

    __slots__ = (
        "_flags",
        "attempt",
        "id",
        "line",
        "parent",
        "recording",
        "request_id",
        "sampled",
        "span",
        "state",
    )

    def __init__(self, request_id: bytes, span: bytes, attempt: bytes, *, sampled: bool) -> None:
        """Begin a trace.

        Args:
            request_id: What the request is called in headers and logs, and the trace as well: 32 hexadecimal digits.
            span: What we do for the request: 16 of them.
            attempt: What we do in the attempt, likewise.
            sampled: Whether it is to be recorded.
        """
        self.request_id = self.id = request_id
        self.line = b"X-Request-Id: " + request_id
        """What the client is told."""
        self.parent = b""
        """The span in which the request was sent here, if there is one."""
        self.state = b""
        self.span = span
        self.attempt = attempt
        self.sampled = sampled
        self.recording: Recording | None = None
        """What is recorded of the request; None: nothing is."""
        self._flags = b"03" if sampled else b"02"

    def follow(self, parent: Parent, state: bytes) -> None:
        """Belong to a trace that others began."""
        self.id, self.parent, flags = parent
        self.sampled = bool(flags & _SAMPLED)
        self._flags = b"0%d" % flags
        self.state = state

    def called(self, request_id: bytes) -> None:
        """Take up what others call the request."""
        self.request_id = request_id
        self.line = b"X-Request-Id: " + request_id

    def told(self, span: bytes = b"") -> bytes:
        """Write what an instance is told in an attempt; `span` is its id, if it is not the present one."""
        head = b"%b\r\ntraceparent: 00-%b-%b-%b\r\n" % (self.line, self.id, span or self.attempt, self._flags)
        return head + b"tracestate: " + self.state + b"\r\n" if self.state else head


class Tracer:
    """Says what requests are called in one worker, or takes it up from those before us."""

    __slots__ = ("_bits", "_random", "_records", "_sample", "settings")

    def __init__(self, settings: TraceSettings, dice: Dice) -> None:
        self.settings = settings
        self._sample = settings.sample
        self._records = settings.export is not None
        self._bits = dice.bits
        self._random = dice.random

    def name(self) -> bytes:
        """Make an id for what is passed on to nobody."""
        return self._bits(128).to_bytes(16).hex().encode()

    def begin(self, request: "Request") -> Trace:
        """Say what a request is called, and have the instance hear that and nothing else."""
        # An id of zeros would not be valid; chance makes one in more years than anybody has.
        digits = self._bits(256).to_bytes(32).hex().encode()
        trace = Trace(digits[:32], digits[32:48], digits[48:], sampled=self._random() < self._sample)
        if request.context is not None:
            self._take_up(trace, request.context)
        if self._records and trace.sampled:
            trace.recording = Recording(trace, self._bits)
        elif trace.parent:
            # Nobody records what we do, so that what the instance does belongs to who sent the request.
            trace.attempt = trace.parent
        return trace

    def _take_up(self, trace: Trace, context: list[tuple[bytes, bytes]]) -> None:
        told: dict[bytes, list[bytes]] = {}
        for name, value in context:
            told.setdefault(name, []).append(value.strip(b" \t"))
        ids, parents = told.get(b"x-request-id", []), told.get(b"traceparent", [])
        if len(ids) == 1 and _ID.fullmatch(ids[0]):
            trace.called(ids[0])
        parent = parent_of(parents[0]) if len(parents) == 1 else None
        if parent is not None:
            trace.follow(parent, state_of(told.get(b"tracestate", [])))
