"""Times that are not charged: maintenance that somebody announced, and drills on the running system."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from mainstay.base.errors import MainstayError
from mainstay.base.facts import Emit, MarkBegan, MarkEnded
from mainstay.ledger.store import Store
from mainstay.ledger.writer import Writer
from mainstay.reliability.span import DRILL, MAINTENANCE

MOST = 100
"""Marks that may be open at the same time."""
LONGEST = 366 * 86400.0
"""Seconds that can be announced at most."""
_REASON = 500
_KEYS = {"state", "service", "reason", "for"}


class MarkProblem(MainstayError):
    """A mark that cannot be."""

    exit_code = 2


class Mark(NamedTuple):
    """A time that is not charged."""

    number: int
    state: str
    """`MAINTENANCE` or `DRILL`."""
    service: str
    """Of which service; empty for all of them."""
    since: float
    until: float | None
    """None: until somebody ends it."""
    reason: str

    def record(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {"mark": self.number, **{name: getattr(self, name) for name in self._fields[1:]}}


class Marks:
    """Those that are open now."""

    def __init__(self, writer: Writer, emit: Emit) -> None:
        """Go on with those that the ledger has.

        Args:
            writer: Writes the ledger, which it has opened.
            emit: Takes the facts.
        """
        self._writer = writer
        self._emit = emit
        self._open = {one[0]: Mark(*one) for one in writer.left.marks}
        self._last = writer.left.last_mark

    def active(self, now: float) -> list[Mark]:
        """Give those that last, the oldest first."""
        self._open = {
            number: mark for number, mark in self._open.items() if mark.until is None or mark.until > now
        }
        return list(self._open.values())

    def begin(self, now: float, asked: object, services: Iterable[str]) -> Mark:
        """Begin one.

        Args:
            now: Seconds since 1970.
            asked: `state`, `service` (all, without it), `reason`, and `for` how many seconds (until it is ended, without it).
            services: Those that there are.

        Raises:
            MarkProblem: it cannot be.
        """
        if len(self.active(now)) >= MOST:
            raise MarkProblem(f"there are {MOST} marks already; end some of them")
        state, service, reason, lasts = _read(asked, services)
        self._last += 1
        until = None if lasts is None else now + lasts
        mark = self._open[self._last] = Mark(self._last, state, service, now, until, reason)
        self._writer.write(partial(_begin, mark=mark))
        self._emit(MarkBegan(at=now, state=state, service=service, reason=reason, until=until))
        return mark

    def end(self, now: float, number: int) -> Mark:
        """End one.

        Raises:
            MarkProblem: there is none of that number.
        """
        if number not in {mark.number for mark in self.active(now)}:
            raise MarkProblem(f"no mark {number} is open")
        mark = self._open.pop(number)._replace(until=now)
        self._writer.write(partial(_end, number=number, at=now))
        self._emit(MarkEnded(at=now, state=mark.state, service=mark.service, reason=mark.reason))
        return mark


def _read(asked: object, services: Iterable[str]) -> tuple[str, str, str, float | None]:
    if not isinstance(asked, Mapping) or asked.keys() - _KEYS:
        raise MarkProblem(f"a mark has {', '.join(sorted(_KEYS))}, and nothing else")
    known = list(services)
    state, service = asked.get("state", MAINTENANCE), asked.get("service", "")
    reason, lasts = asked.get("reason"), asked.get("for")
    checks: list[tuple[Callable[[], bool], str]] = [
        (lambda: state in (MAINTENANCE, DRILL), f"state must be {MAINTENANCE} or {DRILL}"),
        (
            lambda: service == "" or service in known,
            f"service must be one of {', '.join(known)}, or not be there for all of them",
        ),
        (
            lambda: isinstance(reason, str) and reason.strip() != "" and len(reason) <= _REASON,
            f"reason must say something, in up to {_REASON} characters",
        ),
        (
            lambda: lasts is None or (type(lasts) in (int, float) and 0 < lasts <= LONGEST),
            f"for must be seconds, above 0 and up to {LONGEST:.0f}",
        ),
        # Nobody may be left who would end it.
        (lambda: state != DRILL or lasts is not None, "a drill must tell for how long it is"),
    ]
    for holds, said in checks:
        if not holds():
            raise MarkProblem(said)
    return str(state), str(service), str(reason).strip(), None if lasts is None else float(lasts)


def _begin(store: Store, *, mark: Mark) -> None:
    store.mark(mark.state, mark.service, mark.since, mark.until, mark.reason, mark.number)


def _end(store: Store, *, number: int, at: float) -> None:
    store.unmark(number, at)
