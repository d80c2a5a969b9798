"""HOT. What is counted at one listening socket in one worker, whether or not it is any service's."""

from mainstay.gateway.http.page import REASONS


class Traffic:
    """The counts of one listener; all but `open` and `waiting` only grow."""

    __slots__ = (
        "accepted",
        "handshakes",
        "open",
        "received",
        "redirects",
        "refused",
        "sent",
        "unshaken",
        "waiting",
    )

    def __init__(self) -> None:
        self.accepted = 0
        """Connections that were accepted."""
        self.open = 0
        """Those of them that are open, from when the client may speak: after a handshake, where there is one."""
        self.waiting = 0
        """Requests that wait for the one before them on the same connection."""
        self.received = 0
        """Bytes of requests, before encryption; those of tunnels are their service's."""
        self.sent = 0
        """Likewise of answers."""
        self.redirects = 0
        """Requests that were sent elsewhere."""
        self.handshakes = 0
        """Handshakes of TLS that were completed."""
        self.refused: dict[str, int] = {}
        """Requests and connections that were refused, by the reason."""
        self.unshaken: dict[str, int] = {}
        """Handshakes that failed, by why."""

    def refuse(self, reason: str) -> None:
        """Count what is refused."""
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def shake_off(self, why: str) -> None:
        """Count a handshake that failed."""
        self.unshaken[why] = self.unshaken.get(why, 0) + 1

    def counted(self) -> dict[str, dict[str, int]]:
        """Give what only grows, and what is there now, as plain values."""
        sums = {
            "accepted": self.accepted,
            "received": self.received,
            "sent": self.sent,
            "redirects": self.redirects,
            "handshakes": self.handshakes,
            **{f"refused {reason}": count for reason, count in self.refused.items()},
            **{f"unshaken {why}": count for why, count in self.unshaken.items()},
        }
        return {"sums": sums, "now": {"open": self.open, "waiting": self.waiting}}


UNSHAKEN = {
    "left": "the client ended the connection, or took too long",
    "plain": "it speaks HTTP without TLS",
    "version": "it has no version of TLS that is allowed",
    "ciphers": "it has no cipher, curve or signature that is allowed",
    "certificate": "it has none that is asked for, or one that is not good",
    "alert": "it did not accept what it was shown, and said so",
    "other": "anything else, such as bytes that are no TLS",
}
"""Why handshakes fail."""
_CLUES = (
    ("plain", ("HTTP_REQUEST", "HTTPS_PROXY_REQUEST")),
    ("version", ("UNSUPPORTED_PROTOCOL", "VERSION_TOO", "INAPPROPRIATE_FALLBACK")),
    ("ciphers", ("NO_SHARED", "NO_SUITABLE", "NO_CIPHERS")),
    ("alert", ("ALERT",)),
    ("certificate", ("CERTIFICATE", "PEER_DID_NOT")),
)


def why_unshaken(reason: str | None) -> str:
    """Give the key of `UNSHAKEN` for OpenSSL's own word, of which there are hundreds; None: the connection ended."""
    if reason is None:
        return "left"
    return next((why for why, clues in _CLUES if any(clue in reason for clue in clues)), "other")


BEFORE_REQUESTS = {
    "introduction": "the connection did not begin as the PROXY protocol does, or not from a trusted proxy",
    "max_connections": "the listener had all of the connections that it may have",
}
"""Reasons for which connections are refused without an answer; requests have those of answers, and connections
`crowded` as well."""
REFUSALS = tuple(sorted({*REASONS, *BEFORE_REQUESTS}))
