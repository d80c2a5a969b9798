"""Speaks to a running supervisor: HTTP over the control socket in its run directory."""

import http.client
import json
import socket
import time
from typing import Any

from mainstay.base.errors import EnvironmentProblem, MainstayError, NotRunning, Problem, SystemFileError
from mainstay.supervisor.orphan import marked
from mainstay.supervisor.rundir import CONTROL, RunDir

_LOADING = 15.0
_PAUSE = 0.05


class _Connection(http.client.HTTPConnection):
    def __init__(self, made: socket.socket) -> None:
        super().__init__("mainstay")
        self.sock = made


class _Told(MainstayError):
    """What the supervisor answered, with the exit code that it means."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def ask(
    run: RunDir, path: str, body: dict[str, Any] | None = None, *, timeout: float | None = 10.0
) -> dict[str, Any]:
    """Ask the supervisor; with a `body` it is a POST.

    Args:
        run: The system's run directory.
        path: `/v1/status`.
        body: What to post.
        timeout: Seconds for the answer; None waits as long as it takes.

    Raises:
        NotRunning: nobody is there, or no answer comes.
        SystemFileError: the supervisor has read the system file, and it cannot be used.
        MainstayError: the supervisor says no; the message and the exit code are its own.
    """
    try:
        connection = _Connection(_connected(run, timeout))
    except NotRunning as problem:
        if holder := run.holder():
            raise NotRunning(f"the supervisor at '{run.path}', pid {holder}, does not answer") from problem
        left = left_over(run)
        if left:
            raise NotRunning(
                f"the supervisor is gone, and {left} of its processes go on without it:"
                " `mainstay up` takes them over, `mainstay down` ends them"
            ) from problem
        raise NotRunning(f"nothing is running at '{run.path}'") from problem
    try:
        method = "GET" if body is None else "POST"
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        said = json.loads(answer.read())
    except (OSError, http.client.HTTPException) as problem:
        raise NotRunning(
            f"the supervisor at '{run.path}' does not answer: {problem or 'it ended'}"
        ) from problem
    except ValueError as problem:
        raise EnvironmentProblem(f"the supervisor at '{run.path}' answered what is not JSON") from problem
    finally:
        connection.close()
    if answer.status >= 400:  # noqa: PLR2004 - the first error status
        if "problems" in said:
            raise SystemFileError(said["file"], [Problem(**one) for one in said["problems"]])
        raise _Told(said.get("error", f"HTTP {answer.status}"), said.get("exit_code", 1))
    answered: dict[str, Any] = said
    return answered


def _connected(run: RunDir, timeout: float | None) -> socket.socket:
    """Connect; while a supervisor becomes another program it does not listen, but goes on holding its directory."""
    until = time.monotonic() + _LOADING
    while True:
        try:
            return run.connect_unix(CONTROL, timeout)
        except NotRunning:
            if not run.holder() or time.monotonic() > until:
                raise
        time.sleep(_PAUSE)


def left_over(run: RunDir) -> int:
    """Count the processes that a supervisor which was killed has left running, by the mark that they bear."""
    return len(marked(run.path))
