from pathlib import Path

from mainstay.ledger.store import INSTANCE, Subject, opened
from mainstay.ledger.watched import watched
from mainstay.reliability.span import DOWN, DRILL, UP

NOW = 1_800_000_000
DAY = 86400


def test_failures_of_all_instances_are_added_up_and_drills_are_not_counted(tmp_path: Path) -> None:
    store, _ = opened(tmp_path / "ledger.db", NOW)
    with store.writing():
        for name in ("web-1", "web-2"):
            store.enter(Subject(INSTANCE, "web", name), UP, NOW)
        for day, seconds in ((1, 60), (2, 90), (3, 30)):
            store.enter(Subject(INSTANCE, "web", "web-1"), DOWN, NOW + day * DAY)
            store.enter(Subject(INSTANCE, "web", "web-1"), UP, NOW + day * DAY + seconds)
        store.enter(Subject(INSTANCE, "db", "db-1"), DOWN, NOW)
        store.mark(DRILL, "", NOW + 3 * DAY - 10, NOW + 3 * DAY + 100, "a drill")
        store.watch(NOW + 4 * DAY)

    found = watched(store, "web", NOW, NOW + 4 * DAY)

    assert found.failures == 2
    assert sorted(found.repairs) == [60, 90]
    assert found.served == 8 * DAY - 150 - 2 * 110
    store.close()
