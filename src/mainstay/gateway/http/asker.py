"""HOT. Whoever has sent a request to an instance, as the connection to that sees it."""

from typing import TYPE_CHECKING

from mainstay.base.outcome import Outcome
from mainstay.gateway.http.request import Request

if TYPE_CHECKING:
    from mainstay.gateway.http.client import ClientConnection
    from mainstay.gateway.http.response import Response


class Asker:
    """One request to one instance: an `Exchange`, or its rival."""

    __slots__ = ("client", "request")

    def __init__(self, client: "ClientConnection", request: Request) -> None:
        self.client = client
        self.request = request

    def date(self) -> bytes:
        """Give the `Date` line for an answer without one."""
        return self.client.worker.date

    def interim(self, response: "Response") -> None:
        """Hear an interim answer (RFC 9110 §15.2)."""
        raise NotImplementedError

    def answer(self, response: "Response", now: float) -> None:
        """Hear the head of the answer."""
        raise NotImplementedError

    def offered(self, response: "Response") -> bool:  # noqa: ARG002 - for an `Offer` to answer
        """Tell whether the client has offered what the instance goes over to."""
        return False

    def switch(self, response: "Response", rest: bytes, *, full: bool) -> None:
        """Go over to another protocol."""
        raise NotImplementedError

    def piece(self, data: bytes) -> None:
        """Take a piece of the answer's body; `flush` tells that it was the last for now."""
        raise NotImplementedError

    def flush(self, now: float) -> None:
        """Hear that no more of the answer is there for now."""
        raise NotImplementedError

    def whole(self, now: float) -> None:
        """Take the end of the answer: it is complete."""
        raise NotImplementedError

    def failed(self, outcome: Outcome) -> None:
        """Take the end of an attempt without a complete answer."""
        raise NotImplementedError
