"""HOT. What is recorded of one sampled request: a span for it, and one for each attempt.

Tuples are gathered here, and nothing else is done. Another thread makes spans of them (`courier.py`).
"""

from typing import TYPE_CHECKING, NamedTuple

from mainstay.base.outcome import CANCELLED, OK, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainstay.gateway.http.exchange import Exchange
    from mainstay.gateway.http.trace import Trace
    from mainstay.gateway.upstream import Upstream


class Attempt(NamedTuple):
    """One attempt at an instance; times are monotonic seconds."""

    span: bytes
    """What the instance was told as its parent: 16 hexadecimal digits."""
    instance: str
    host: str
    port: int
    secure: bool
    """Whether TLS is spoken with it."""
    began: float
    ended: float
    status: int
    """0: no head of an answer came."""
    outcome: Outcome


class Journey(NamedTuple):
    """One request, from its head to the last byte of its answer."""

    trace: bytes
    span: bytes
    parent: bytes
    """The span in which the request was sent here; empty: the trace begins with it."""
    state: bytes
    """Its `tracestate`, which is valid; empty without one."""
    listener: str
    service: str
    client: str
    """Who asks, as it is believed."""
    peer: str | None
    """The other end of the connection; None: a proxy said at the connection's beginning who is behind it."""
    secure: bool
    method: bytes
    target: bytes
    """As the client asked for it."""
    aim: bytes
    """As instances get it."""
    http11: bool
    status: int
    """0: the client left before there was one."""
    reason: str | None
    """Why we answered ourselves, or cut the answer."""
    cancelled: bool
    """The client left before the end."""
    began: float
    ended: float
    attempts: list[tuple[object, ...]]
    """The values of `Attempt`s."""


class Recording:
    """What is known of one request so far."""

    __slots__ = ("_attempts", "_beside", "_bits", "_named", "_present", "_trace")

    def __init__(self, trace: "Trace", bits: "Callable[[int], int]") -> None:
        """Record a request.

        Args:
            trace: Its ids; that of its first attempt among them.
            bits: Chance for those of the others.
        """
        self._trace = trace
        self._bits = bits
        self._attempts: list[tuple[object, ...]] = []
        # The attempt that is under way, and the one beside it: its id, where, and since when.
        self._present: tuple[bytes, Upstream, float] | None = None
        self._beside: tuple[bytes, Upstream, float] | None = None
        # The trace's id of an attempt is taken.
        self._named = False

    def ask(self, now: float, instance: "Upstream") -> None:
        """Begin an attempt, which has an id of its own."""
        if self._named:
            self._trace.attempt = self._another()
        self._named = True
        self._present = (self._trace.attempt, instance, now)

    def settle(self, now: float, status: int, outcome: Outcome) -> None:
        """End the attempt, if there is one; `status` is 0 when no head of an answer came."""
        present, self._present = self._present, None
        if present is not None:
            self._keep(present, now, status, outcome)

    def beside(self, now: float, instance: "Upstream") -> bytes:
        """Begin a second attempt beside the present one, and give its id."""
        span = self._another()
        self._beside = (span, instance, now)
        return span

    def drop(self, now: float, status: int, outcome: Outcome) -> None:
        """End the second attempt, if there is one; `status` is 0 when no head of an answer came."""
        beside, self._beside = self._beside, None
        if beside is not None:
            self._keep(beside, now, status, outcome)

    def promote(self) -> None:
        """Take the second attempt as the present one."""
        self._present, self._beside = self._beside, None
        if self._present is not None:
            self._trace.attempt = self._present[0]

    def _another(self) -> bytes:
        return self._bits(64).to_bytes(8).hex().encode()

    def _keep(
        self, attempt: "tuple[bytes, Upstream, float]", now: float, status: int, outcome: Outcome
    ) -> None:
        span, instance, began = attempt
        self._attempts.append(
            (
                span,
                instance.name,
                instance.host,
                instance.port,
                bool(instance.server_name),
                began,
                now,
                status,
                outcome,
            )
        )

    def end(  # noqa: PLR0913 - what is known of a request at its end
        self,
        exchange: "Exchange",
        began: float,
        status: int,
        reason: str | None,
        now: float,
        *,
        cancelled: bool,
    ) -> None:
        """End the request, with the attempt that is under way, and hand all of it on.

        Args:
            exchange: The request.
            began: When it came.
            status: What the client was told; 0: nothing.
            reason: Why it was told so, if that was not the instance's word.
            now: The time.
            cancelled: The client left.
        """
        self.settle(now, exchange.heard, CANCELLED if cancelled or reason is not None else OK)
        self.drop(now, 0, CANCELLED)
        trace, request, client = self._trace, exchange.request, exchange.client
        spans = client.worker.spans
        if spans is None:
            return
        spans.take(
            (
                trace.id,
                trace.span,
                trace.parent,
                trace.state,
                client.entrance.name,
                exchange.route.name,
                request.client or client.peer,
                client.peer if client.ends is None else None,
                client.tls is not None if request.secure is None else request.secure,
                request.method,
                request.target,
                request.aim,
                request.http11,
                status,
                reason,
                cancelled,
                began,
                now,
                self._attempts,
            )
        )
