"""The users of one entry point while a drill goes on: a load generator in a process of its own."""

import asyncio
import json
import signal
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from mainstay.base.errors import EnvironmentProblem
from mainstay.base.program import module
from mainstay.drill.load.record import Head, Record, read

_PATIENCE = 20.0
Tell = Callable[[dict[str, Any]], None]


class Users:
    """Users who come to one entry point until they are told not to."""

    def __init__(self, name: str, options: Sequence[str], out: Path, tell: Tell) -> None:
        self.name = name
        """The entry point."""
        self.seconds: deque[tuple[int, int]] = deque(maxlen=60)
        """How many ended, and how many of those failed, in each of the last seconds."""
        self._options = options
        self._out = out
        self._tell = tell
        self._process: asyncio.subprocess.Process | None = None
        self._news: asyncio.Task[None] | None = None
        self._done: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        """Have them get ready."""
        self._process = await asyncio.create_subprocess_exec(
            *module("mainstay.drill.load", *self._options, "--attended", "--out", str(self._out)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # Ctrl-C at the terminal is for the drill; when that is gone, so are they.
            start_new_session=True,
        )
        self._news = asyncio.get_running_loop().create_task(self._listen())
        return self

    async def __aexit__(self, *problem: object) -> None:
        """See that nobody comes any more."""
        assert self._process is not None
        assert self._news is not None
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._news.cancel()
        await asyncio.gather(self._news, return_exceptions=True)

    async def gone(self) -> tuple[Head, list[Record], dict[str, Any]]:
        """Let no more come, wait for those who wait, and give what became of them.

        Returns:
            The head, the records, and what the generator told of itself at its end.

        Raises:
            EnvironmentProblem: the generator did not run.
        """
        assert self._process is not None
        assert self._process.stderr is not None
        assert self._news is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(_PATIENCE):
                said = await self._process.stderr.read()
                code = await self._process.wait()
                await self._news
        except TimeoutError:
            raise EnvironmentProblem(f"the load on {self.name} did not end in time") from None
        if code:
            raise EnvironmentProblem(f"the load on {self.name}: {said.decode(errors='replace').strip()}")
        return *await asyncio.to_thread(self._read), self._done

    def _read(self) -> tuple[Head, list[Record]]:
        with self._out.open(encoding="utf-8") as lines:
            return read(lines)

    async def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            news = json.loads(line)
            if news["event"] == "second":
                self.seconds.append((news["ended"], news["failed"]))
            elif news["event"] == "done":
                self._done = news
            self._tell({**news, "entry": self.name})
