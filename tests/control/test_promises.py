import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mainstay.base.facts import Fact
from mainstay.control.notice import notice
from mainstay.control.promises import Promises
from mainstay.ledger.store import SERVICE, Row, Store, Subject, opened
from mainstay.reliability.account import Account
from mainstay.system.schema import System

WEB = Subject(SERVICE, "web", "web")
START = 1_800_000_000


class Now:
    def __init__(self) -> None:
        self.at = float(START)

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.at


class World:
    """A ledger, and somebody who looks at the objectives in it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.db"
        self.clock = Now()
        self.told: list[dict[str, Any]] = []
        self.notices: list[str] = []
        self.promises = self.again()

    def again(self) -> Promises:
        """A supervisor that was started anew."""
        return Promises(self.path, self.clock, self.keep, self.notify)

    def notify(self, fact: dict[str, Any], fired: dict[str, Any]) -> None:
        self.notices.append(notice("shop", fact, fired)["text"])

    def keep(self, fact: Fact) -> None:
        self.told.append(fact.record())
        self.write(lambda store: store.tell([fact.record()]))

    def write(self, work: Callable[[Store], None]) -> None:
        store, _ = opened(self.path, START)
        with store, store.writing():
            work(store)
            store.watch(self.clock.at)

    def look(self, system: System, good: int = 0, bad: int = 0, after: float = 10.0) -> list[str]:
        """Let time pass in which something was asked, look, and give what was told."""
        counts = {"requests": good + bad, "failures": bad, "status_2xx": good, "status_5xx": bad}
        at = int(self.clock.at) // 10 * 10
        self.clock.at += after
        self.write(lambda store: store.count([Row(WEB, 10, at, Account(counts))]))
        before = len(self.told)
        asyncio.run(self.promises.look(system))
        return [f"{fact['fact']} {fact['severity']}" for fact in self.told[before:]]


def system(objective: object = None) -> System:
    web = {"command": "run", "listen": "http://127.0.0.1:8080"}
    if objective is not None:
        web["objective"] = objective
    return System.model_validate({"services": {"web": web}})


PROMISE = system({"availability": "99.9%"})


def test_an_outage_is_told_once_and_so_is_its_end(tmp_path: Path) -> None:
    world = World(tmp_path)

    assert world.look(PROMISE, good=1000) == []
    assert world.look(PROMISE, bad=100) == ["AlertFired page", "AlertFired ticket"]
    assert world.look(PROMISE, bad=100) == []
    fired = world.told[0]
    assert (fired["promise"], fired["bad_events"], fired["events"]) == ("99.9% good", 100, 1100)
    assert fired["budget_left"] < 0
    (row,) = world.promises.rows()
    assert (row["alerts"], row["over"]) == (["page", "ticket"], 30 * 86400.0)
    assert row["burn_rates"]["300"] > 14.4

    assert world.look(PROMISE, good=1000, after=310) == []  # six hours and half an hour still burn
    assert (
        world.look(PROMISE, good=5000, after=1800) == []
    )  # and in the last five minutes nobody asked for anything
    assert world.look(PROMISE, good=100) == ["AlertResolved page"]
    assert world.told[-1]["lasted"] == 2130.0
    assert world.notices == [
        "shop: web availability is in danger (page): 99.9% good was promised, and 100 of 1100 were bad in 1h; the budget is spent",
        "shop: web availability is in danger (ticket): 99.9% good was promised, and 100 of 1100 were bad in 3d; the budget is spent",
        "shop: web availability no longer spends its error budget too fast",
    ]


def test_a_supervisor_that_was_started_anew_tells_nothing_twice(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.look(PROMISE, bad=100)

    world.promises = world.again()

    assert world.look(PROMISE, bad=10) == []
    assert world.promises.rows()[0]["alerts"] == ["page", "ticket"]


def test_an_objective_that_is_no_more_is_not_in_danger(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.look(PROMISE, bad=100)
    world.promises = world.again()

    assert world.look(system()) == ["AlertResolved page", "AlertResolved ticket"]
    assert world.promises.rows() == []
    assert world.look(system()) == []


def test_without_a_ledger_nothing_is_told_and_nothing_breaks(tmp_path: Path) -> None:
    world = World(tmp_path / "nowhere")

    asyncio.run(world.promises.look(PROMISE))

    assert world.promises.rows() == []
