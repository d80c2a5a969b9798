"""Where the requests of one rule go: to a service, perhaps by another path, or back to the client with another address."""

import re
from typing import TYPE_CHECKING

from mainstay.gateway.table import Redirect, Rule

if TYPE_CHECKING:
    from mainstay.gateway.http.request import Request
    from mainstay.gateway.route import Route

_UNSAFE = re.compile(rb"""["<>\\^`{|}]""")


class Way:
    """What becomes of a request that a rule takes."""

    __slots__ = ("_depth", "_keep", "_prefix", "_rewrite", "_to", "route", "status")

    def __init__(self, rule: Rule | Redirect, route: "Route | None") -> None:
        """Take what a rule says.

        Args:
            rule: A service's rule, or a redirect.
            route: The service; None for a redirect.
        """
        self.route = route
        self.status = rule.status if isinstance(rule, Redirect) else 0
        """How the client is sent elsewhere; 0 when it is not."""
        self._prefix = rule.path.rstrip("/").encode()
        self._depth = self._prefix.count(b"/")
        self._rewrite = b"" if isinstance(rule, Redirect) else rule.rewrite.encode()
        self._to = rule.to.encode() if isinstance(rule, Redirect) else b""
        self._keep = isinstance(rule, Redirect) and rule.keep

    def aim(self, request: "Request") -> None:
        """Let an instance have the path that it knows."""
        if self._rewrite:
            target = _joined(self._rewrite, self._rest(request.target))
            request.retarget(target, b"X-Forwarded-Prefix: " + self._prefix)

    def location(self, request: "Request") -> bytes:
        """Give where the client is to ask."""
        return _joined(self._to, escaped(self._rest(request.target))) if self._keep else self._to

    def _rest(self, target: bytes) -> bytes:
        """Give what follows the rule's own segments: path and query.

        Never with two slashes at its beginning, nor one and a backslash: those would make what follows a host
        (RFC 3986 §3.3, and the URL standard of browsers).
        """
        path, mark, query = target.partition(b"?")
        at = 0
        for _ in range(self._depth):
            at = path.find(b"/", at + 1)
            if at < 0:
                return mark + query
        rest = path[at:].lstrip(b"/\\")
        return b"/" + rest + mark + query


def escaped(target: bytes) -> bytes:
    """Escape what browsers send as it is, and a `Location` must not have (RFC 3986 §2)."""
    return _UNSAFE.sub(lambda match: b"%%%02X" % match[0][0], target)


def _joined(base: bytes, rest: bytes) -> bytes:
    return base.rstrip(b"/") + rest if rest[:1] == b"/" else base + rest
