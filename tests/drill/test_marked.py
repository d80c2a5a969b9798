"""A drill on the running system says so, before it breaks anything and after all is mended."""

import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mainstay.base.errors import MainstayError
from mainstay.drill.abort import Abort
from mainstay.drill.conductor import QUICK, Conductor


class Stage:
    """Remembers what it was asked."""

    def __init__(self, *, live: bool, fails: bool = False) -> None:
        self.live = live
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._fails = fails

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((path, body))
        if self._fails:
            raise MainstayError("the ledger is not kept")
        return {"mark": len(self.asked)}


async def marked(stage: Stage) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    conductor = Conductor(
        stage,  # type: ignore[arg-type]
        visits=[],
        times=QUICK,
        folder=Path(),
        intents=Path(),
        lease=10,
        seed=1,
        abort=Abort(),
        tell=told.append,
    )
    cell: Any = SimpleNamespace(name="kill@web")
    scope: Any = SimpleNamespace(services=frozenset({"web", "api"}))
    async with contextlib.AsyncExitStack() as stack:
        await conductor._mark(stack, cell, scope)
        stage.asked.append(("breaks", {}))
    return told


async def test_each_service_that_it_is_about_is_marked_while_it_lasts() -> None:
    stage = Stage(live=True)

    await marked(stage)

    begun = [body for path, body in stage.asked if path == "/v1/marks"]
    assert [(body["state"], body["service"], body["reason"]) for body in begun] == [
        ("drill", "api", "kill@web"),
        ("drill", "web", "kill@web"),
    ]
    # If nobody comes to end it, it ends by itself.
    assert all(60 < body["for"] < 600 for body in begun)
    assert [path for path, _ in stage.asked[2:]] == ["breaks", "/v1/marks/2/end", "/v1/marks/1/end"]


async def test_a_copy_is_not_marked() -> None:
    stage = Stage(live=False)

    await marked(stage)

    assert stage.asked == [("breaks", {})]


async def test_that_it_cannot_be_marked_is_told_and_stops_nothing() -> None:
    stage = Stage(live=True, fails=True)

    told = await marked(stage)

    assert told == [{"event": "not_marked", "because": "the ledger is not kept"}]
    assert stage.asked[-1] == ("breaks", {})
