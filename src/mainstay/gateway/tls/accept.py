"""Connections of clients from the moment they are accepted: a handshake first, where TLS is spoken."""

import ssl
from base64 import b64encode
from functools import partial
from hashlib import sha256
from time import monotonic
from typing import TYPE_CHECKING

from mainstay.gateway.http import page
from mainstay.gateway.http.client import ClientConnection
from mainstay.gateway.introduction import Introduction
from mainstay.gateway.preamble import Ends
from mainstay.gateway.tls.context import Certificates
from mainstay.gateway.tls.layer import Tls
from mainstay.gateway.traffic import why_unshaken
from mainstay.system.certificate import subject_of

if TYPE_CHECKING:
    import asyncio

    from mainstay.gateway.entrance import Entrance
    from mainstay.gateway.worker import Worker

_PLAIN = "HTTP_REQUEST"
"""What OpenSSL calls it when somebody speaks HTTP to it."""


def accept(worker: "Worker", entrance: "Entrance") -> "ClientConnection | Greeting | Introduction":
    """Make what takes a connection that was just accepted."""
    entrance.traffic.accepted += 1
    if entrance.door.introduced:
        return Introduction(worker, entrance, partial(_welcome, worker, entrance))
    return _welcome(worker, entrance, None)


def _welcome(worker: "Worker", entrance: "Entrance", ends: Ends | None) -> "ClientConnection | Greeting":
    client = ClientConnection(worker, entrance, ends)
    certificates = entrance.certificates
    return client if certificates is None else Greeting(client, certificates)


class Greeting(Tls):
    """A client's connection with TLS, and the handshake before it."""

    __slots__ = ("_certificates", "_client", "due", "number", "several", "slot")

    def __init__(self, client: ClientConnection, certificates: Certificates) -> None:
        super().__init__(client, certificates.context, server_side=True)
        self.due = 0.0
        self.slot = 0
        self.number = 0
        """Of the certificate that was shown."""
        self.several = certificates.several
        """Whether there are others."""
        self._client = client
        self._certificates = certificates

    def connection_made(self, transport: "asyncio.BaseTransport") -> None:
        """Give the client its time for the handshake."""
        super().connection_made(transport)
        worker = self._client.worker
        worker.greetings.add(self)
        worker.wheel.watch(self, monotonic() + self._certificates.terms.patience)
        if len(worker.clients) + len(worker.greetings) > worker.most_clients:
            self._client.traffic.refuse("crowded")
            self.abort()

    def expired(self, now: float) -> None:  # noqa: ARG002 - it is over whatever the time
        """Cut a handshake that takes too long."""
        self.abort()

    def misdirected(self, host: bytes) -> bool:
        """Tell whether a request for a host belongs on another connection."""
        return self._certificates.misdirected(self.number, host)

    def _shaken(self) -> None:
        self._over()
        certificates, client = self._certificates, self._client
        client.traffic.handshakes += 1
        if self.several:
            self.number = certificates.shown(self.session)
        client.tls = self
        client.connection_made(self)

    def _unshaken(self, problem: Exception | None) -> None:
        self._over()
        traffic = self._client.traffic
        traffic.shake_off(why_unshaken(problem.reason if isinstance(problem, ssl.SSLError) else None))
        if isinstance(problem, ssl.SSLError) and problem.reason == _PLAIN:
            self._outgoing.read()
            worker = self._client.worker
            self.raw.write(page.answer("not_encrypted", close=True, date=worker.date))
            self._client.route.refused += 1
            traffic.refuse("not_encrypted")

    def _over(self) -> None:
        worker = self._client.worker
        worker.greetings.discard(self)
        worker.wheel.forget(self)

    def shown_by_client(self) -> bytes:
        """Write the lines that tell an instance of the client's certificate; empty when it has shown none.

        The first is that of RFC 9440; the others spare instances from reading certificates.
        """
        shown = self.session.getpeercert(binary_form=True)
        if not shown:
            return b""
        subject = subject_of(self.session.getpeercert() or {})
        return (b"Client-Cert: :%b:\r\nX-Client-Cert-Subject: %b\r\nX-Client-Cert-SHA256: %b\r\n") % (
            b64encode(shown),
            subject.encode("ascii", "backslashreplace"),
            sha256(shown).hexdigest().encode(),
        )
