"""Requests by which a client would go over to another protocol, such as WebSocket (RFC 9110 §7.8).

While it is open whether the instance agrees, what the client sends behind its request is not read: it may be
HTTP or something else. Any answer but one is a refusal, and an answer like others; then it is HTTP.
"""

from time import monotonic

from mainstay.base.outcome import OK
from mainstay.gateway.http.connection import UpstreamConnection
from mainstay.gateway.http.exchange import Exchange
from mainstay.gateway.http.response import SWITCHING, Response
from mainstay.gateway.http.upgrade import Upgraded


class Offer(Exchange):
    """One of them, and the answer to it."""

    __slots__ = ()

    def begin(self, now: float) -> None:
        """Pass on what may be, of all that is offered."""
        self.request.offer(self.route.upgrades)
        if not self.request.offers:
            self.client.hear_again()
        super().begin(now)

    def _send(self, connection: UpstreamConnection, now: float) -> None:
        # Some instances take what comes behind an offer for the other protocol, though they have refused it.
        connection.keep_for_one()
        super()._send(connection, now)

    def offered(self, response: Response) -> bool:
        """Tell whether the instance goes over to something that was offered to it, and to nothing else."""
        offers = self.request.offers
        return bool(response.upgrade) and all(protocol in offers for protocol in response.upgrade)

    def switch(self, response: Response, rest: bytes, *, full: bool) -> None:
        """Go over to another protocol: from here on, client and instance have a tunnel.

        Args:
            response: The head by which the instance agreed.
            rest: What has come behind it.
            full: The instance has not read yet what it was sent.
        """
        now = monotonic()
        instance, connection, client = self._instance, self._connection, self.client
        assert instance is not None
        assert connection is not None
        instance.answers[response.status // 100] += 1
        self.call.settle(now, OK, response.status)
        self._settled = True
        self._response = response
        self._answered_at = now
        instance.seen(now - self.call.sent_at)  # type: ignore[operator] # it was sent
        self._count(response.status, now)
        if self.recording is not None:
            self._record(response.status, None, now)
        response.upgrade_to(response.upgrade)
        self.request.keep_alive = True
        client.write(super()._head(response))
        connection.resume_reading()
        upgraded = Upgraded(self, instance)
        self.done = True
        client.worker.wheel.forget(self)
        self._instance = self._connection = None
        instance.busy.discard(self)
        if self._admitted:
            self._make_room(now)
        upgraded.begin(connection.transport, rest, full=full)

    def passed(self, received: int, sent: int, *, broken: bool) -> None:
        """Have the tunnel written down, when it has ended."""
        log, why = self.client.worker.access_log, "broken_answer" if broken else None
        if log is not None and log.wants(SWITCHING, why):
            self.request.size = received
            self._note(log, SWITCHING, why, sent, monotonic())

    def _head(self, response: Response) -> bytes:
        self._refused()
        return super()._head(response)

    def _answer_ourselves(self, reason: str, now: float) -> None:
        self._refused()
        super()._answer_ourselves(reason, now)

    def _refused(self) -> None:
        """Go on in HTTP; should the answer break, and another one be asked for, there is no offer any more."""
        self.request.offer(())
        self.client.hear_again()
