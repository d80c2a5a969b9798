"""HOT. Whose a request is by its host and path: compiled once, as quick for ten thousand rules as for ten.

::

    host ── a name ────────────┐
         ── *.name, longest ───┼──▶ trees of path segments, most specific host first ──▶ the deepest rule
         ── every host ────────┘

`*.shop.example` takes names with one or more labels before `.shop.example`, as nginx, Envoy and the Gateway
API have it. A path takes whole segments. What no rule of a host takes is for the rules of less specific ones.
"""

from collections.abc import Iterable, Iterator
from ipaddress import IPv6Address
from typing import Generic, TypeVar

from mainstay.gateway.reading import AmbiguousError, canonical, decoded, plain, readings

T = TypeVar("T")

_STEP = 100
"""Rules between two steps: less than a millisecond."""
_LONGEST = 253
"""Characters of a name at most (RFC 1035 §2.3.4, without the root's dot)."""


class AmbiguousHostError(AmbiguousError):
    """A host that two parties may read in different ways."""


class Node(Generic[T]):
    """One segment of a path, and what is below it."""

    __slots__ = ("below", "here")

    def __init__(self) -> None:
        self.here: T | None = None
        self.below: dict[bytes, Node[T]] = {}

    def put(self, path: bytes, goal: T) -> None:
        """Make what is under `path` go to `goal`."""
        node = self
        for segment in path.split(b"/")[1:]:
            node = node.below.setdefault(segment, Node())
        node.here = goal

    def find(self, path: bytes) -> T | None:
        """Give the goal of the longest rule, by whole segments, that `path` begins with."""
        found, below, at = self.here, self.below, 1
        while below:
            end = path.find(b"/", at)
            node = below.get(path[at:] if end < 0 else path[at:end])
            if node is None:
                break
            if node.here is not None:
                found = node.here
            if end < 0:
                break
            below, at = node.below, end + 1
        return found


class Router(Generic[T]):
    """Finds the goal of a request; a goal is whatever the rules were given."""

    __slots__ = ("_everyone", "_hosted", "_named", "_pathed", "_under")

    def __init__(self, rules: Iterable[tuple[str, str, T]] = ()) -> None:
        """Compile at once; `compile` tells of the rules."""
        self._pathed = self._hosted = False
        self._everyone: list[Node[T]] = []
        # Each with the trees of less specific hosts after its own.
        self._under: dict[bytes, list[Node[T]]] = {}
        self._named: dict[bytes, list[Node[T]]] = {}
        for _ in self.compile(rules):
            pass

    def compile(self, rules: Iterable[tuple[str, str, T]]) -> Iterator[None]:
        """Compile the rules of a router that has none, in steps between which others may have their turn.

        Args:
            rules: Host (in small letters; `*.` and a name; empty: every host), path (empty or `/`: every
                path), and goal. Of two for the same requests the later one counts.
        """
        trees: dict[bytes, Node[T]] = {}
        for count, (host, path, goal) in enumerate(rules):
            if count % _STEP == 0:
                yield
            tree = trees.setdefault(host.encode(), Node())
            prefix = canonical(path.encode().rstrip(b"/"))
            self._pathed = self._pathed or bool(prefix)
            # Once as it is sent, and once as those read it who decode it.
            tree.put(decoded(prefix), goal)
            tree.put(prefix, goal)
        every = trees.pop(b"", None)
        self._everyone = [every] if every is not None else []
        self._hosted = bool(trees)
        yield
        for wild in sorted((name for name in trees if name.startswith(b"*.")), key=len):
            self._under[wild[2:]] = [trees.pop(wild), *self._wider(wild[2:])]
        for count, (name, tree) in enumerate(trees.items()):
            if count % _STEP == 0:
                yield
            self._named[name] = [tree, *self._wider(name)]

    def find(self, host: bytes, path: bytes) -> T | None:
        """Give the goal of a request, or None when it has none.

        Args:
            host: As it was asked for, with the port if there is one.
            path: Without the query; `*` for the server as a whole.

        Raises:
            AmbiguousError: whoever gets the request may see another host or path than we do.
        """
        trees = self._named.get(host)
        if trees is None:
            trees = self._trees(host) if self._hosted else self._everyone
        if self._pathed and not plain(path):
            return self._agreed(trees, path)
        for tree in trees:
            found = tree.find(path)
            if found is not None:
                return found
        return None

    def _agreed(self, trees: list[Node[T]], path: bytes) -> T | None:
        goals = [
            next((goal for tree in trees if (goal := tree.find(reading)) is not None), None)
            for reading in readings(path)
        ]
        if any(goal is not goals[0] for goal in goals):
            raise AmbiguousError
        return goals[0]

    def _trees(self, host: bytes) -> list[Node[T]]:
        name = hostname(host)
        return self._named.get(name) or self._wider(name)

    def _wider(self, name: bytes) -> list[Node[T]]:
        """Give the trees of wildcards that a name is under, and of every host."""
        if self._under and len(name) <= _LONGEST:
            at = name.find(b".")
            while at >= 0:
                trees = self._under.get(name[at + 1 :])
                if trees is not None:
                    return trees
                at = name.find(b".", at + 1)
        return self._everyone


def hostname(host: bytes) -> bytes:
    """Give the name that a host is known by: no port, small letters, no root dot, one form of an IPv6 address.

    Raises:
        AmbiguousHostError: it has escapes, which some decode and some do not (RFC 3986 §3.2.2).
    """
    if b"%" in host:
        raise AmbiguousHostError
    if host[:1] == b"[":
        address = host[1:].partition(b"]")[0]
        try:
            return b"[%b]" % str(IPv6Address(address.decode())).encode()
        except ValueError:
            raise AmbiguousHostError from None
    name, colon, _ = host.rpartition(b":")
    name = (name if colon else host).lower()
    return name[:-1] if name[-1:] == b"." else name
