"""From the program that runs to the one that is installed now, without losing a request.

The supervisor looks at whether the installed program would run this system, lets go of everything, and becomes that
program: the same process, with the same terminal, number and parent. As after a crash, what runs is taken over as it
is; then each gateway worker is replaced by a new one. Instances are not touched.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from mainstay import __version__
from mainstay.base.errors import EnvironmentProblem, Refused
from mainstay.base.program import module
from mainstay.supervisor.rundir import RunDir

if TYPE_CHECKING:
    from mainstay.control import Control

_LEGACY = "MAINSTAY_LEGACY"
_REHEARSAL = 60.0
_HEEDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Legacy(NamedTuple):
    """What a program leaves to the one that it becomes, which may be older or younger."""

    version: str
    attended: bool
    """Whether somebody reads its terminal."""
    lock: int = -1
    """The descriptor by which it holds the run directory."""


class Handover:
    """One supervisor's way to become the installed program."""

    def __init__(self, control: "Control", ending: asyncio.Event) -> None:
        """Be ready.

        Args:
            control: The system that runs.
            ending: Set when this program's part is to end: for good, or here for `become`.
        """
        self.asked = False
        """Whether everything is to be let go of, in place of stopped."""
        self._control = control
        self._ending = ending
        self._at_it = False

    async def upgrade(self) -> dict[str, object]:
        """Look at whether the installed program would run this system, and if so begin; tell both versions.

        Raises:
            EnvironmentProblem: it would not; nothing was changed.
            MainstayError: the system file is not what runs; nothing was changed.
            Refused: something is being changed, or the system is being started or stopped.
        """
        if self._at_it or self.asked:
            raise Refused(f"{self._control.system.name} is being upgraded: wait until that is done", 1.0)
        self._at_it = True
        try:
            self._control.refuse_unless_as_written()
            after = await _rehearse(self._control)
            # It took a while.
            self._control.refuse_unless_as_written()
            if self._ending.is_set():
                raise Refused(f"{self._control.system.name} is being stopped", 1.0)
        finally:
            self._at_it = False
        self.asked = True
        # What is sent to this process from here on is for the next program, which `heed`s it.
        signal.pthread_sigmask(signal.SIG_BLOCK, _HEEDED)
        self._ending.set()
        return {"version": 1, "upgrading": True, "before": __version__, "after": after, "at": time.time()}

    def leave(self, number: int) -> bool:
        """Leave a signal to the program that this one is about to become; False when it is not about to.

        It may have been on its way when signals were held back, or be what a command asks for.
        """
        if self.asked:
            os.kill(os.getpid(), number)
        return self.asked

    async def complete(self, before: str) -> None:
        """Give the gateway workers' places to new ones; how that went is told as a fact.

        Args:
            before: The version of the program that has left them to us.
        """
        self._at_it = True
        try:
            await self._control.renew_workers(before)
        finally:
            self._at_it = False


async def _rehearse(control: "Control") -> str:
    try:
        process = await asyncio.create_subprocess_exec(
            *module("mainstay.cli.rehearsal", str(control.system.file)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as problem:
        raise EnvironmentProblem(
            f"cannot execute '{sys.executable}', so nothing was changed: {problem.strerror}"
        ) from problem
    try:
        out, err = await asyncio.wait_for(process.communicate(), _REHEARSAL)
        said = json.loads(out) if process.returncode == 0 else {}
        return str(said["mainstay"])
    except (TimeoutError, ValueError, LookupError, TypeError):
        why = _last(err) if process.returncode is not None else f"it does not end within {_REHEARSAL:.0f} s"
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    raise EnvironmentProblem(
        f"the installed program would not run this system, so nothing was changed: {why}"
    )


def _last(words: bytes) -> str:
    lines = words.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it ended without a word"


def become(run: RunDir, file: str, options: list[str], *, attended: bool) -> NoReturn:
    """Become the installed program, in this very process.

    Raises:
        EnvironmentProblem: it cannot be executed; all that ran goes on without a supervisor.
    """
    argv = module("mainstay", "up", "--file", file, "--run-dir", str(run.path), *options)
    sys.stdout.flush()
    sys.stderr.flush()
    legacy = json.dumps(Legacy(__version__, attended, run.hand_over())._asdict())
    try:
        os.execve(argv[0], argv, {**os.environ, _LEGACY: legacy})  # noqa: S606 - ourselves
    except OSError as problem:
        run.release()
        raise EnvironmentProblem(
            f"cannot execute '{argv[0]}': {problem.strerror}; all goes on without a supervisor: `mainstay up` takes it over"
        ) from problem


def heed() -> None:
    """Take the signals that came while one program became the other, now that there are handlers for them."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEEDED)


def inherited() -> Legacy | None:
    """Give, once, what the program has left that this process was before; None when it was none."""
    left = os.environ.pop(_LEGACY, None)
    if left is None:
        return None
    told = json.loads(left)
    return Legacy(**{name: told[name] for name in Legacy._fields if name in told})
