"""A second attempt at a request, beside the first: whichever has its answer first is the one that counts.

Of a rival nothing reaches the client. An answer that is held until it is whole is kept here until then; one that is
passed on as it comes is the exchange's from its head on.
"""

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

from mainstay.base.outcome import FAILED, TIMEOUT, Outcome
from mainstay.gateway.approach import connect
from mainstay.gateway.http.asker import Asker
from mainstay.gateway.http.connection import UpstreamConnection
from mainstay.gateway.http.response import Response

if TYPE_CHECKING:
    from mainstay.gateway.http.exchange import Exchange
    from mainstay.gateway.upstream import Upstream

_STATUS_FAILED = 500


class Rival(Asker):
    """One second attempt, until it has won, lost or become the only one."""

    __slots__ = ("connecting", "connection", "exchange", "instance", "over", "pieces", "response", "span")

    def __init__(self, exchange: "Exchange", instance: "Upstream", span: bytes) -> None:
        super().__init__(exchange.client, exchange.request)
        self.exchange = exchange
        self.instance = instance
        self.span = span
        """Its id, where it is recorded."""
        self.connection: UpstreamConnection | None = None
        self.connecting: asyncio.Task[None] | None = None
        self.response: Response | None = None
        self.pieces: list[bytes] = []
        self.over = False
        """It has become the exchange's own attempt, or nobody wants it any more."""

    def begin(self, now: float) -> None:
        """Send the request, by a connection that is there or a new one."""
        instance = self.instance
        instance.busy.add(self)
        instance.requests += 1
        connection = instance.reusable(now, idempotent=True) if not instance.preamble else None
        if connection is not None:
            self._send(connection, now)
            return
        task = self.connecting = self.client.loop.create_task(self._connect())
        route = self.exchange.route
        route.tasks.add(task)
        task.add_done_callback(route.tasks.discard)

    async def _connect(self) -> None:
        instance, exchange = self.instance, self.exchange
        told = self.client.preamble(self.request, instance.preamble) if instance.preamble else b""
        made = await connect(instance, self.client.loop, exchange.route.settings.connect, told)
        if self.over:
            # It may be the exchange's own by now, which knows whether it still waits for this.
            exchange.connected(made, asyncio.current_task())
            return
        self.connecting = None
        if isinstance(made, UpstreamConnection):
            self._send(made, monotonic())
        else:
            self.failed(made)

    def _send(self, connection: UpstreamConnection, now: float) -> None:
        call = self.exchange.call
        assert call.rival is not None
        self.connection = connection
        call.rival.sent_at = now
        head = self.exchange.head_to(self.instance, call.rival.until - now, self.span)
        connection.send(self, head, last=True)

    # --- the instance's side tells us ---

    def interim(self, response: Response) -> None:
        """Leave it: the client may have heard the like from the other instance."""

    def answer(self, response: Response, now: float) -> None:
        """Keep an answer that is held; of any other the head decides."""
        if response.status >= _STATUS_FAILED:
            self.instance.answers[response.status // 100] += 1
            connection, self.connection = self.connection, None
            if connection is not None:
                connection.release(now)
            self._lose(FAILED, response.status, now)
        elif 0 <= response.length <= self.exchange.route.settings.hold:
            self.response = response
        else:
            self.exchange.overtaken(now)
            self.exchange.answer(response, now)

    def piece(self, data: bytes) -> None:
        """Keep a piece of the body."""
        self.pieces.append(data)

    def flush(self, now: float) -> None:
        """Wait for the rest."""

    def whole(self, now: float) -> None:
        """Win."""
        self.connection = None
        exchange = self.exchange
        exchange.overtaken(now)
        exchange.whole(now)

    def failed(self, outcome: Outcome) -> None:
        """Lose, without an answer."""
        if not self.over:
            self.connection = None
            self._lose(outcome, self.heard, monotonic())

    # --- the others tell us ---

    def leave(self) -> None:
        """Lose: the instance is down."""
        if not self.over:
            self._cut()
            self._lose(TIMEOUT, self.heard, monotonic())

    def bereft(self) -> None:
        """Wait for the end of the connection: it comes after what the instance said last."""

    def end(self) -> None:
        """Hear that nobody waits for this any more, whose place in the call is given back already."""
        self._cut()
        self._part()

    # --- by small steps ---

    @property
    def heard(self) -> int:
        """The status that the instance has answered with; 0: none as yet."""
        return self.response.status if self.response is not None else 0

    def _lose(self, outcome: Outcome, status: int, now: float) -> None:
        self._part()
        self.exchange.unrivalled(self.instance, outcome, status, now)

    def _part(self) -> None:
        self.over = True
        self.connecting = None
        self.pieces.clear()
        self.instance.forget(self)

    def _cut(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.abandon()
