"""What requests a file tells of, whatever its kind: each with whom it was for, and what was left out, and why."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mainstay.base.errors import SpecError
from mainstay.base.message import SAFE
from mainstay.drill.load.mix import MOST, Errand

WRITES = "may change something: write it into `requests` with `writes: true` if it may be sent again"
_TOLD = 100
"""Routes that are told one by one of those left out."""
BAD = 400
"""Answers from here on are no success; such a request would only fail again."""


class Recorded(NamedTuple):
    """One request that was made, or may be."""

    errand: Errand
    service: str = ""
    """The service that took it; empty: not known."""
    host: str = ""
    """The host that was asked, in small letters, without a port; empty: not known."""


class Left(NamedTuple):
    """Requests that are not sent."""

    what: str
    """As in `POST /orders`."""
    why: str
    times: int


class Recording(NamedTuple):
    """What a file tells of."""

    requests: list[Recorded]
    """Each once; how often it was there is its weight."""
    left: list[Left]
    """What was left out, the most frequent first."""


class Collection:
    """Gathers requests, each once, and remembers what could not be taken."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str, tuple[tuple[str, str], ...], str, str], int] = {}
        self._left: Counter[tuple[str, str]] = Counter()

    def take(
        self,
        method: str,
        path: str,
        headers: Iterable[tuple[str, str]] = (),
        service: str = "",
        host: str = "",
    ) -> None:
        """Take a request, unless it cannot or should not be sent."""
        if method not in SAFE:
            self.leave(method, path, WRITES)
            return
        key = (method, path, tuple(headers), service, host)
        if key not in self._made and len(self._made) >= MOST:
            self.leave(method, path, f"there are more than {MOST} different ones")
            return
        if key not in self._made and (problem := _problem(method, path, dict(key[2]))):
            self.leave(method, path, problem)
            return
        self._made[key] = self._made.get(key, 0) + 1

    def leave(self, method: str, path: str, why: str) -> None:
        """Remember that a request is not sent. What cannot be shown of it is not."""
        shown = "".join(character for character in path.partition("?")[0][:100] if "!" <= character <= "~")
        self._left[f"{method[:32]} {shown}", why] += 1

    def recording(self) -> Recording:
        """Give all of it."""
        made = [
            Recorded(Errand(method=method, path=path, headers=dict(headers), weight=count), service, host)
            for (method, path, headers, service, host), count in self._made.items()
        ]
        return Recording(made, list(self._told()))

    def _told(self) -> Iterator[Left]:
        ranked = self._left.most_common()
        yield from (Left(what, why, count) for (what, why), count in ranked[:_TOLD])
        if rest := ranked[_TOLD:]:
            yield Left("others", "for reasons like these", sum(count for _, count in rest))


def _problem(method: str, path: str, headers: dict[str, str]) -> str:
    try:
        Errand(method=method, path=path, headers=headers)
    except SpecError as problem:
        return str(problem)
    return ""
