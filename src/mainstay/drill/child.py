"""Programs of others that a drill runs: each in a group of its own, of which nothing is left."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence


async def start(
    words: Sequence[str], *, environ: Mapping[str, str] | None = None, told: bool = False, heard: bool = True
) -> asyncio.subprocess.Process:
    """Start a program.

    Args:
        words: Its command line.
        environ: Variables beside our own.
        told: Whether it is written to.
        heard: Whether what it says is read.

    Raises:
        OSError: it cannot be started.
    """
    out = asyncio.subprocess.PIPE if heard else asyncio.subprocess.DEVNULL
    making = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.PIPE if told else asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, **(environ or {})},
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        # Who is cancelled while it starts would never know what to end: asyncio ends the program, and not what that
        # has started.
        with contextlib.suppress(OSError):
            await end(await making)
        raise


async def end(child: asyncio.subprocess.Process) -> None:
    """End a program with all that it has started, and wait for it."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()
