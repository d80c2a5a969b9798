"""Drills for who does not wait: a private copy that runs in a thread of its own, until it is closed."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from mainstay.base.errors import MainstayError, SpecError
from mainstay.cli import option
from mainstay.cli.talk import ask
from mainstay.drill.campaign import Campaign, Play, Wish
from mainstay.drill.cell import Cell, cells, chosen
from mainstay.drill.fault.plug import kinds
from mainstay.system.file import find
from mainstay.system.load import load
from mainstay.testing.result import Result

_T = TypeVar("_T")


class Drill:
    """Plays drills, one after another, on one private copy of a system."""

    def __init__(
        self, file: Path | None, folder: Path, *, length: str, rate: float | None, seed: int
    ) -> None:
        """Read the system file; nothing runs yet.

        Args:
            file: The system file; None: the one in this folder, otherwise in `folder`.
            folder: The project's.
            length: `quick`, `standard` or `full`.
            rate: Requests a second at each entry point; None: what the system file says.
            seed: Of users and faults.

        Raises:
            SystemFileError: there is none, or it cannot be used.
        """
        self._system = load(file or find(Path()) or find(folder))
        self._cells = cells(self._system, kinds())
        wish = Wish(length=length, rate=rate, seed=seed)
        run = option.run_dir(self._system.file, None)
        self._campaign = Campaign(self._system, run, wish, ask=ask, tell=_silent)
        self._loop = asyncio.new_event_loop()
        # A thread, so that it works from within a test that has an event loop of its own.
        self._thread = threading.Thread(target=self._loop.run_forever, name="mainstay-drill", daemon=True)
        self._ready: concurrent.futures.Future[Play] = concurrent.futures.Future()
        self._over = asyncio.Event()
        self._one = asyncio.Lock()
        self._run: concurrent.futures.Future[None] | None = None

    def start(self) -> None:
        """Start the private copy.

        Raises:
            MainstayError: it could not be started; nothing of it is left.
        """
        self._thread.start()
        self._run = self._ask(self._serve())
        try:
            self._ready.result()
        except BaseException:
            self.close()
            raise

    def __call__(self, fault: str, target: str | None = None) -> Result:
        """Play one drill, and give what it has shown.

        Args:
            fault: `kill`, or another that `mainstay drill plan` lists.
            target: A service, a zone or `gateway`; None if there is only one for this fault.

        Raises:
            Failed: there is no such drill, or it could not be played; pytest shows that in a line.
        """
        try:
            return self._result(self._cell(fault, target))
        except MainstayError as problem:
            asked = ", ".join(repr(word) for word in (fault, target) if word is not None)
            # Where in Mainstay that was found out is of no use to who wrote the test.
            raise pytest.fail.Exception(f"drill({asked}): {problem}", pytrace=False) from None

    def _result(self, cell: Cell) -> Result:
        playing = self._ask(self._play(cell))
        try:
            return Result(playing.result())
        finally:
            # Ctrl-C: what is broken is mended before this goes on.
            playing.cancel()

    def close(self) -> None:
        """Take the private copy down, and keep the report of what was played."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._over.set)
        try:
            if self._run is not None:
                self._run.result()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _cell(self, fault: str, target: str | None) -> Cell:
        found = chosen(self._cells, [fault], [target] if target is not None else [])
        if len(found) > 1:
            names = ", ".join(cell.target.name for cell in found)
            raise SpecError(f"{fault} can be aimed at several: name one of {names}")
        return found[0]

    async def _serve(self) -> None:
        """Have the copy run until it is closed."""
        try:
            async with self._campaign.open() as play:
                self._ready.set_result(play)
                await self._over.wait()
                async with self._one:  # one that was cut short still mends what it broke
                    pass
        except BaseException as problem:
            if self._ready.done():
                raise
            self._ready.set_exception(problem)

    async def _play(self, cell: Cell) -> dict[str, Any]:
        async with self._one:
            return await self._ready.result()(cell)

    def _ask(self, what: Coroutine[Any, Any, _T]) -> "concurrent.futures.Future[_T]":
        return asyncio.run_coroutine_threadsafe(what, self._loop)


def _silent(news: dict[str, Any]) -> None:
    del news
