"""HOT where it is on. For which share of their time the users of a service had one that worked.

Who they are is neither kept nor told: only a digest under a secret that the system made up, and only while they are active.
"""

from hashlib import blake2b
from typing import TYPE_CHECKING

from mainstay.gateway.http.sticky import cookie, values
from mainstay.gateway.table import UsersSettings
from mainstay.reliability.users import Users

if TYPE_CHECKING:
    from mainstay.gateway.http.request import Request

_DIGEST = 8


class Audience:
    """The users of one service, as far as one worker sees them."""

    __slots__ = ("_by", "_key", "_name", "users")

    def __init__(self, settings: UsersSettings) -> None:
        self.users = Users()
        self._by = settings.by
        self._name = settings.name.encode()
        self._key = bytes.fromhex(settings.secret)

    def see(self, now: float, request: "Request", peer: str, good: bool) -> None:
        """Take how a request went; of nobody is one that does not say whose it is."""
        if self._by == "client":
            value = (request.client or peer).encode()
        elif self._by == "cookie":
            value = cookie(request, self._name) or b""
        elif self._name == b"host":
            value = request.host
        else:
            value = next(values(request, self._name), b"")
        if value:
            self.users.see(now, blake2b(value, key=self._key, digest_size=_DIGEST).digest(), good)
