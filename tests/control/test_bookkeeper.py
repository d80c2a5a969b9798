"""Who keeps the ledger, when the clock is set and when nobody looked for long."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mainstay.control.bookkeeper import Bookkeeper
from mainstay.gateway.tally import Tally
from mainstay.ledger.store import SERVICE, Subject, reading
from mainstay.reliability.span import UNKNOWN, UP, within

if TYPE_CHECKING:
    from mainstay.base.facts import Fact

NOW = 1_800_000_000.0
WEB = Subject(SERVICE, "web", "web")


class Hands:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.monotonic, self.told = 5.0, NOW

    def now(self) -> float:
        return self.monotonic

    def wall(self) -> float:
        return self.told

    def go(self, seconds: float, step: float = 0.0) -> None:
        self.monotonic += seconds
        self.told += seconds + step


class Nobody:
    """A gateway without workers."""

    begun = True
    tally = Tally()

    def all(self) -> list[Any]:
        return []


async def test_a_clock_that_is_set_is_told_and_a_supervisor_that_was_frozen_knows_nothing(
    tmp_path: Path,
) -> None:
    clock = Hands()
    facts: list[Fact] = []
    rows = [{"service": "web", "instance": "web-1", "zone": "", "serves": True}]
    books = Bookkeeper(tmp_path / "ledger.db", cast("Any", Nobody()), lambda: rows, facts.append, clock)
    await books.open()
    books.begin()

    for seconds, step in ((2, 0), (2, 3600), (2, 0), (60, 0), (2, 0)):
        clock.go(seconds, step)
        await books.write_down(["web"])
    await books.finish(["web"])
    await books.close()

    assert [(type(fact).__name__, getattr(fact, "by", None)) for fact in facts] == [("ClockStepped", 3600.0)]
    with reading(tmp_path / "ledger.db") as store:
        spans = within(store.spans(WEB, NOW, clock.told, clock.told), NOW, clock.told)
    # Of the first look nothing was known before, and up to the second the clock was set.
    assert [(span.state, span.seconds) for span in spans] == [
        (UNKNOWN, 3604),
        (UP, 2),
        (UNKNOWN, 60),
        (UP, 2),
    ]
