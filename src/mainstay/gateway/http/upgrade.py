"""Connections that began with HTTP and went over to another protocol, such as WebSocket (RFC 9110 §7.8)."""

from typing import TYPE_CHECKING

from mainstay.gateway.tcp.passage import Passage

if TYPE_CHECKING:
    import asyncio

    from mainstay.gateway.http.offer import Offer
    from mainstay.gateway.upstream import Upstream


class Upgraded(Passage):
    """What a request and the connection that it came by have become; it takes the place of both."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: "Offer", instance: "Upstream") -> None:
        client = exchange.client
        super().__init__(client.worker, client.entrance, exchange.route)
        self.traffic = client.traffic
        self._exchange = exchange
        self.peer = client.peer
        self._instance = instance
        instance.busy.add(self)
        self._hold()

    def begin(self, far: "asyncio.Transport", rest: bytes, *, full: bool) -> None:
        """Join the two connections.

        Args:
            far: The instance's.
            rest: What has come from it behind its answer.
            full: It has not read yet what it was sent.
        """
        client = self._exchange.client
        behind = client.hand_over(self)
        tunnel = self._join(client.transport, far)
        if client.paused:
            client.transport.resume_reading()
        if client.stalled:
            tunnel.near.pause_writing()
        if full:
            tunnel.far.pause_writing()
        if behind:
            tunnel.near.data_received(behind)
        if rest:
            tunnel.far.data_received(rest)
        if client.ended:
            tunnel.near.eof_received()

    def over(self, *, broken: bool) -> None:
        """Let go of both connections, which are closed."""
        tunnel = self._tunnel
        if tunnel is not None:
            self._exchange.passed(tunnel.near.got, tunnel.far.got, broken=broken)
        if broken:
            self._break()
        self._detach()
        self.route.in_flight -= 1
        self._worker.leave(self)
        self.traffic.open -= 1
