import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mainstay.base.clock import SystemClock
from mainstay.control import lookout
from mainstay.control.lookout import Lookout
from mainstay.ledger.store import SERVICE, Row, Subject, opened
from mainstay.reliability.account import Account
from mainstay.system.schema import System


def a_bad_minute(path: Path) -> None:
    """A ledger in which a hundred requests have just failed."""
    now = time.time()
    store, _ = opened(path, now)
    with store, store.writing():
        at = int(now - 40) // 10 * 10
        failed = Account({"requests": 100, "failures": 100, "status_5xx": 100})
        store.count([Row(Subject(SERVICE, "web", "web"), 10, at, failed)])
        store.watch(now)


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not what():  # noqa: ASYNC110 - what is waited for comes from threads
            await asyncio.sleep(0.01)


async def test_who_stands_in_the_system_file_is_told_and_what_cannot_be_told_is_a_fact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookout, "LOOK", 0.05)
    a_bad_minute(tmp_path / "ledger.db")
    web = {"command": "run", "listen": "http://127.0.0.1:8080", "objective": {"availability": "99.9%"}}
    told = [{"command": f"cat >> {tmp_path}/told"}, {"webhook": "http://127.0.0.1:1/", "attempts": 1}]
    system = System.model_validate({"name": "shop", "services": {"web": web}, "alerts": told})
    facts: list[object] = []
    ours = Lookout(tmp_path / "ledger.db", lambda: system, facts.append, SystemClock())

    ours.begin()
    await until(lambda: {"AlertFired", "AlertNotDelivered"} <= {type(fact).__name__ for fact in facts})
    await until(lambda: (tmp_path / "told").exists() and (tmp_path / "told").read_text().count("\n") == 2)
    await ours.close()

    notices = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert [(one["system"], one["service"], one["severity"]) for one in notices] == [
        ("shop", "web", "page"),
        ("shop", "web", "ticket"),
    ]
    (row,) = ours.rows()
    assert (row["alerts"], row["bad_events"]) == (["page", "ticket"], 100)
