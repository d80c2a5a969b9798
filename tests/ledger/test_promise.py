from collections.abc import Iterable
from pathlib import Path

import pytest

from mainstay.ledger.promise import Past, counted, rates, readings, standings
from mainstay.ledger.store import SERVICE, Row, Store, Subject, opened
from mainstay.reliability.account import Account
from mainstay.reliability.objective import ObjectiveSpec
from mainstay.reliability.span import MAINTENANCE
from mainstay.system.objective import Objective

WEB = Subject(SERVICE, "web", "web")
NOW = 1_800_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterable[Store]:
    made, _ = opened(tmp_path / "ledger.db", NOW)
    with made.writing():
        made.watch(NOW)
    yield made
    made.close()


def count(store: Store, at: int, good: int, bad: int = 0) -> None:
    counts = {"requests": good + bad, "failures": bad, "status_2xx": good, "status_5xx": bad}
    with store.writing():
        store.count([Row(WEB, 10, at - at % 10, Account(counts, {100: good + bad}))])


def objective(**keys: object) -> Objective:
    return Objective.model_validate(keys)


def test_an_objective_stands_as_what_was_counted_in_its_period(store: Store) -> None:
    count(store, NOW - 40 * 86400, 0, 1000)
    count(store, NOW - 86400, 9_995)
    count(store, NOW - 3600, 0, 5)

    (found,) = standings(Past(store, "web"), objective(availability="99.9%"), NOW)

    assert (found.measure.events, found.measure.bad_events) == (10_000, 5)
    assert found.budget.left == pytest.approx(0.5)
    told = found.record()
    assert (told["promise"], told["ratio"], told["events"]) == ("99.9% good", 0.9995, 10_000)
    assert told["low"] < 0.9995 < told["high"]


def test_where_nothing_was_counted_nothing_is_known(store: Store) -> None:
    (found,) = standings(Past(store, "web"), objective(availability="99.9%"), NOW)

    told = found.record()
    assert (told["ratio"], told["low"], told["high"], told["budget_left"]) == (None, None, None, None)


def test_the_budget_of_slices_is_for_the_whole_period(store: Store) -> None:
    for minute in range(1, 11):
        count(store, NOW - 60 * minute, 10, 10 if minute <= 2 else 0)

    (found,) = standings(
        Past(store, "web"), objective(availability="99%", over="1d", budgeting="timeslices"), NOW
    )

    assert (found.measure.good, found.measure.valid) == (8, 10)
    assert (found.budget.allowed, found.budget.spent) == (pytest.approx(14.4), 2)


def test_what_was_maintenance_is_not_charged(store: Store) -> None:
    spec = ObjectiveSpec(target=0.99)
    count(store, NOW - 900, 10)
    count(store, NOW - 600, 0, 50)
    count(store, NOW - 300, 10)
    with store.writing():
        store.mark(MAINTENANCE, "web", NOW - 700, NOW - 500, "a new disk")

    found = counted(Past(store, "web"), spec, NOW - 1000, NOW)

    assert (found.events, found.bad_events) == (20, 0)
    sliced = counted(Past(store, "web"), ObjectiveSpec(target=0.99, method="timeslices"), NOW - 1000, NOW)
    assert (sliced.valid, sliced.bad_events) == (2, 0)


def test_windows_are_read_as_they_are_long(store: Store) -> None:
    spec = ObjectiveSpec(target=0.99)
    count(store, NOW - 3000, 100)
    count(store, NOW - 100, 50, 50)

    fast, slow, ticket = readings(Past(store, "web"), spec, 30 * 86400, NOW)

    assert (fast.short.events, fast.long.events) == (100, 200)
    assert (slow.short.events, slow.long.events, ticket.long.events) == (100, 200, 200)
    assert rates(spec, [fast]) == {300.0: pytest.approx(50), 3600.0: pytest.approx(25)}
