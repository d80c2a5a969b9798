"""Speaks to a running supervisor: HTTP over the control socket in its run directory."""

import http.client
import json
import socket
from typing import Any

from mainstay.base.errors import EnvironmentProblem, MainstayError, NotRunning
from mainstay.supervisor.rundir import CONTROL, RunDir


class _Connection(http.client.HTTPConnection):
    def __init__(self, made: socket.socket) -> None:
        super().__init__("mainstay")
        self.sock = made


class _Told(MainstayError):
    """What the supervisor answered, with the exit code that it means."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def ask(run: RunDir, path: str, body: dict[str, Any] | None = None, *, timeout: float | None = 10.0) -> dict[str, Any]:
    """Ask the supervisor; with a `body` it is a POST.

    Args:
        run: The system's run directory.
        path: `/v1/status`.
        body: What to post.
        timeout: Seconds for the answer; None waits as long as it takes.

    Raises:
        NotRunning: nobody is there, or no answer comes.
        MainstayError: the supervisor says no; the message and the exit code are its own.
    """
    connection = _Connection(run.connect_unix(CONTROL, timeout))
    try:
        method = "GET" if body is None else "POST"
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        said = json.loads(answer.read())
    except (OSError, http.client.HTTPException) as problem:
        raise NotRunning(f"the supervisor at '{run.path}' does not answer: {problem or 'it ended'}") from problem
    except ValueError as problem:
        raise EnvironmentProblem(f"the supervisor at '{run.path}' answered what is not JSON") from problem
    finally:
        connection.close()
    if answer.status >= 400:  # noqa: PLR2004 - the first error status
        raise _Told(said.get("error", f"HTTP {answer.status}"), said.get("exit_code", 1))
    answered: dict[str, Any] = said
    return answered
