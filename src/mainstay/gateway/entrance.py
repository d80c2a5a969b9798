"""HOT. Where requests come in: one listening socket in one worker, and whose its requests are."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from mainstay.gateway.reading import AmbiguousError
from mainstay.gateway.router import AmbiguousHostError, Router, hostname
from mainstay.gateway.table import ORDINARY, Door
from mainstay.gateway.tls.context import Certificates
from mainstay.gateway.traffic import Traffic
from mainstay.gateway.way import Way, escaped

if TYPE_CHECKING:
    from mainstay.gateway.http.request import Request
    from mainstay.gateway.route import Route

_HTTPS = 443
_HOST = re.compile(rb"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")

Ways = dict[tuple[str, str, str], Way]
"""By the service, and what of the path becomes what."""


def _ways(door: Door, routes: Mapping[str, "Route"], ways: Ways) -> Iterator[tuple[str, str, Way]]:
    """Give the rules of a door, and note the ways: the same for those that do the same, so that nothing is in doubt."""
    for rule in door.rules:
        key = (rule.service, rule.rewrite, rule.path if rule.rewrite else "")
        way = ways.get(key)
        if way is None:
            way = ways[key] = Way(rule, routes[rule.service])
        yield rule.host, rule.path, way
    for redirect in door.redirects:
        yield redirect.host, redirect.path, Way(redirect, None)


class Entrance:
    """One listening socket, and the rules by which its requests find their service."""

    __slots__ = (
        "_important",
        "_prepared",
        "_router",
        "_ways",
        "certificates",
        "closed",
        "door",
        "home",
        "hsts",
        "name",
        "sole",
        "traffic",
        "via",
    )

    def __init__(self, name: str, via: bytes, nowhere: "Route") -> None:
        """Lead nowhere, until `apply`.

        Args:
            name: The place of the listening socket, until a door has another name for it.
            via: Our pseudonym in `Via`.
            nowhere: Counts what is no service's.
        """
        self.name = name
        self.via = via
        self.traffic = Traffic()
        """What is counted here."""
        self.door = Door(rules=[])
        self.closed = False
        """Whether nobody comes in here any more; who has, is served."""
        self.sole: Route | None = None
        """Where everything goes, if there is one service that takes it all."""
        self.home: Route = nowhere
        """Where is counted what never was a request that could be routed."""
        self.certificates: Certificates | None = None
        """What is shown to clients, where TLS is spoken."""
        self.hsts = b""
        """The line by which browsers are told to use TLS alone."""
        self._ways: Ways = {}
        self._router: Router[Way] = Router()
        # The class in which requests wait, for rules of which one says so.
        self._important: Router[int] | None = None
        # Rules that were compiled, and are not followed yet.
        self._prepared: tuple[Door, Ways, Router[Way]] | None = None

    def prepare(self, door: Door, routes: Mapping[str, "Route"]) -> Iterator[None]:
        """Compile rules before `apply` has them followed, in steps between which others may have their turn."""
        self._prepared = None
        if door == self.door and all(
            way.route is routes.get(name) for (name, _, _), way in self._ways.items()
        ):
            return  # tables come with every change of an instance; there may be ten thousand rules
        ways: Ways = {}
        router: Router[Way] = Router()
        yield from router.compile(_ways(door, routes, ways))
        self._prepared = (door, ways, router)

    def apply(self, door: Door, routes: Mapping[str, "Route"]) -> None:
        """Follow these rules from now on."""
        if self._prepared is None or self._prepared[0] is not door:
            for _ in self.prepare(door, routes):
                pass
        prepared, self._prepared = self._prepared, None
        if prepared is None:
            return
        self._speak(door)
        _, self._ways, self._router = prepared
        self.door = door
        important = any(rule.importance != ORDINARY for rule in door.rules)
        self._important = (
            Router((rule.host, rule.path, rule.importance) for rule in door.rules) if important else None
        )
        self.name = door.name or self.name
        whole = [routes[rule.service] for rule in door.rules if not rule.host and not rule.path]
        self.sole = whole[0] if whole and len(door.rules) + len(door.redirects) == 1 else None
        if door.rules:
            self.home = whole[0] if whole else routes[door.rules[0].service]

    def _speak(self, door: Door) -> None:
        terms, known = door.terms, self.certificates
        if terms is None:
            self.certificates = None
        elif known is None or known.terms != terms:
            self.certificates = Certificates(terms)
        told = terms is not None and door.hsts is not None
        self.hsts = b"Strict-Transport-Security: max-age=%d" % (door.hsts or 0) if told else b""

    def renew(self) -> None:
        """Make the keys anew by which sessions are taken up again: who gets hold of one reads no more than a day."""
        if self.certificates is not None:
            self.certificates = Certificates(self.certificates.terms)

    def find(self, request: "Request") -> Way | None:
        """Give the way of a request; None when there is none, and `fault` then tells why."""
        try:
            way = self._router.find(request.host, request.target.partition(b"?")[0])
        except AmbiguousHostError:
            request.fault = "bad_host"
        except AmbiguousError:
            request.fault = "ambiguous_path"
        else:
            if way is None:
                request.fault = "no_route"
            return way
        return None

    def importance(self, request: "Request") -> int:
        """Give the class in which a request waits for room, from 0, which goes first."""
        if self._important is None:
            return ORDINARY
        try:
            found = self._important.find(request.host, request.target.partition(b"?")[0])
        except (AmbiguousHostError, AmbiguousError):
            return ORDINARY
        return ORDINARY if found is None else found

    def to_https(self, request: "Request") -> bytes:
        """Give the same place over TLS, for a request that is for nobody here; empty: there is none."""
        port, target = self.door.https, request.target
        # What came by https to a proxy in front of us is there already.
        if port is None or target == b"*" or request.secure or request.fault != "no_route":
            return b""
        try:
            host = hostname(request.host)
        except AmbiguousHostError:
            return b""
        # What only looks like a host is not handed on to be looked up.
        if not _HOST.fullmatch(host):
            return b""
        place = b"" if port == _HTTPS else b":%d" % port
        return b"https://%b%b%b" % (host, place, escaped(target))
