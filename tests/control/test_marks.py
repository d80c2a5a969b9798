from pathlib import Path

import pytest

from mainstay.control.marks import MarkProblem, Marks
from mainstay.ledger.store import reading
from mainstay.ledger.writer import Writer
from mainstay.reliability.span import DRILL, MAINTENANCE, Span

NOW = 1_800_000_000.0
SERVICES = ["web", "api"]


class Kept:
    """Marks in a ledger, and what they told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told: list[object] = []
        self.writer = Writer(path, lambda: NOW, lambda _why, _lost: None)
        self.marks = Marks(self.writer, self.told.append)

    def written(self, service: str) -> list[Span]:
        self.writer.close()
        with reading(self.path) as store:
            return store.marks(service, NOW - 100, NOW + 1000)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "ledger.db")


def test_what_was_begun_and_ended_is_in_the_ledger_and_told(kept: Kept) -> None:
    mark = kept.marks.begin(NOW, {"service": "web", "reason": "a larger disk"}, SERVICES)
    kept.marks.end(NOW + 60, mark.number)

    assert kept.marks.active(NOW + 60) == []
    assert [type(fact).__name__ for fact in kept.told] == ["MarkBegan", "MarkEnded"]
    assert kept.written("web") == [Span(MAINTENANCE, NOW, NOW + 60)]


def test_one_that_has_its_end_is_over_by_itself_and_one_of_all_services_is_of_each(kept: Kept) -> None:
    kept.marks.begin(NOW, {"state": "drill", "reason": "kill at web", "for": 30}, SERVICES)

    assert len(kept.marks.active(NOW + 29)) == 1
    assert kept.marks.active(NOW + 30) == []
    assert kept.written("api") == [Span(DRILL, NOW, NOW + 30)]


def test_maintenance_goes_on_when_another_one_keeps_the_ledger(kept: Kept) -> None:
    first = kept.marks.begin(NOW, {"reason": "a larger disk"}, SERVICES)
    kept.writer.close()

    again = Kept(kept.path)
    second = again.marks.begin(NOW, {"reason": "another"}, SERVICES)

    assert again.marks.active(NOW) == [first, second]
    assert second.number == first.number + 1
    again.writer.close()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ([], "a mark has for, reason, service, state"),
        ({"reason": "x", "more": 1}, "and nothing else"),
        ({"reason": "x", "state": "up"}, "state must be maintenance or drill"),
        ({"reason": "x", "state": []}, "state must be"),
        ({"reason": "x", "service": "nobody"}, "service must be one of web, api"),
        ({"reason": "x", "service": {}}, "service must be"),
        ({}, "reason must say something"),
        ({"reason": " "}, "reason must say something"),
        ({"reason": "x", "for": 0}, "for must be seconds"),
        ({"reason": "x", "for": True}, "for must be seconds"),
        ({"reason": "x", "state": "drill"}, "a drill must tell for how long it is"),
    ],
)
def test_what_cannot_be_is_refused_with_what_could(kept: Kept, asked: object, said: str) -> None:
    with pytest.raises(MarkProblem, match=said):
        kept.marks.begin(NOW, asked, SERVICES)

    with pytest.raises(MarkProblem, match="no mark 7 is open"):
        kept.marks.end(NOW, 7)
    assert kept.told == []
    kept.writer.close()
