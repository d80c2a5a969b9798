import asyncio
import sys

from mainstay.drill.loop import runner


async def which():
    return type(asyncio.get_running_loop()).__module__


def test_it_runs_on_uvloop():
    with runner() as running:
        assert running.run(which()) == "uvloop"


def test_without_uvloop_it_runs_all_the_same(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)

    with runner() as running:
        assert running.run(which()).startswith("asyncio")
