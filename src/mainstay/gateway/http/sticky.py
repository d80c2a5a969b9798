"""HOT where it is on. Which requests of a service belong together, and the cookie by which a session is known again.

The cookie holds a digest of the instance's name under a secret that all workers share: the same for every life of
the instance and in every worker, and no clue to who that is. A client can make up nothing but a digest that it was
given, which it could have had by asking without one.
"""

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING

from mainstay.gateway.table import StickySettings
from mainstay.redundancy.bond import Bond, Hashed, Named

if TYPE_CHECKING:
    from mainstay.gateway.http.request import Request

_SAME_SITE = {"lax": b"Lax", "strict": b"Strict", "none": b"None"}
_DIGEST = 12
"""Bytes of a digest: enough that no two instances share one, few enough for every request."""


class Sticky:
    """What ties requests of one service to its instances."""

    __slots__ = ("_attributes", "_find", "_key", "_name", "_named", "_tokens", "session")

    def __init__(self, settings: StickySettings) -> None:
        self.session = settings.by == "session"
        """Whether clients are told, by a cookie, what they are tied to."""
        self._name = settings.name.encode()
        self._key = bytes.fromhex(settings.secret)
        self._find: Callable[[Request, str], Bond | None] = getattr(self, f"_by_{settings.by}")
        same_site = _SAME_SITE[settings.same_site]
        lasts = b"; Max-Age=%d" % settings.lasts if settings.lasts else b""
        # Browsers take SameSite=None from secure cookies only.
        secure = b"; Secure" if settings.same_site == "none" else b""
        self._attributes = b"; Path=/; HttpOnly; SameSite=%b%b%b" % (same_site, lasts, secure)
        self._tokens: dict[str, bytes] = {}
        self._named: dict[bytes, Named] = {}

    def know(self, names: Iterable[str]) -> None:
        """Take these as the names of all instances that a session may be tied to."""
        if self.session:
            before = self._tokens
            self._tokens = {name: before.get(name) or self._token(name) for name in names}
            self._named = {token: Named(name) for name, token in self._tokens.items()}

    def bond(self, request: "Request | None", peer: str) -> Bond | None:
        """Give what ties a request to an instance, if anything does; a connection without requests has a client only."""
        return self._find(request, peer) if request is not None else self._by_client(request, peer)

    def line(self, name: str, *, secure: bool) -> bytes:
        """Write the field that ties a session to the instance of that name (RFC 6265 §4.1)."""
        token = self._tokens.get(name) or self._token(name)
        line = b"Set-Cookie: %b=%b%b" % (self._name, token, self._attributes)
        return line + b"; Secure" if secure and not line.endswith(b"; Secure") else line

    def _token(self, name: str) -> bytes:
        return blake2b(name.encode(), key=self._key, digest_size=_DIGEST).hexdigest().encode()

    def _by_session(self, request: "Request", peer: str) -> Bond | None:  # noqa: ARG002 - all are called alike
        token = cookie(request, self._name)
        return self._named.get(token) if token is not None else None

    def _by_cookie(self, request: "Request", peer: str) -> Bond | None:  # noqa: ARG002 - likewise
        value = cookie(request, self._name)
        return Hashed(value) if value else None

    def _by_header(self, request: "Request", peer: str) -> Bond | None:  # noqa: ARG002 - likewise
        value = request.host if self._name == b"host" else next(values(request, self._name), b"")
        return Hashed(value) if value else None

    def _by_client(self, request: "Request | None", peer: str) -> Bond | None:  # noqa: ARG002 - likewise
        return Hashed(peer.encode())

    def _by_path(self, request: "Request", peer: str) -> Bond | None:  # noqa: ARG002 - likewise
        return Hashed(request.target.partition(b"?")[0])


def values(request: "Request", name: bytes) -> Iterator[bytes]:
    """Give the values of a field, whose name is in small letters, as an instance gets them."""
    size = len(name)
    for line in request.lines:
        if line[size : size + 1] == b":" and line[:size].lower() == name:
            yield line[size + 1 :].strip(b" \t")


def cookie(request: "Request", name: bytes) -> bytes | None:
    """Give the first cookie of that name (RFC 6265 §5.4), if there is one."""
    for value in values(request, b"cookie"):
        for pair in value.split(b";"):
            its, found, rest = pair.partition(b"=")
            if found and its.strip(b" \t") == name:
                return rest.strip(b" \t")
    return None
