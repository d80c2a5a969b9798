"""One attempt to tell somebody of an alert: over HTTP, or by a command. It may take its time, so that a thread does it."""

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from mainstay import __version__
from mainstay.control.notice import Notice, for_alertmanager
from mainstay.system.alerts import Destination
from mainstay.system.command import argv

_ALERTS = "/api/v2/alerts"
_GOOD, _CLIENT_FAULT = 2, 4
_LATER = (408, 429)
"""Answers of 4xx that another attempt may change (RFC 9110 §15.5.9, RFC 6585 §4)."""


class Trouble(NamedTuple):
    """Why somebody could not be told."""

    because: str
    lasting: bool = False
    """Whether another attempt would come to the same."""


def deliver(destination: Destination, told: Notice, folder: Path) -> Trouble | None:
    """Tell somebody, once; give why that went wrong.

    Args:
        destination: Who.
        told: What.
        folder: Where a command runs.
    """
    if destination.webhook is not None:
        return _post(destination.webhook, told, destination.timeout)
    if destination.alertmanager is not None:
        url = destination.alertmanager.rstrip("/").removesuffix(_ALERTS) + _ALERTS
        return _post(url, for_alertmanager(told, time.time()), destination.timeout)
    assert destination.command is not None
    return _run(argv(destination.command, {}), told, folder, destination.timeout)


def _post(url: str, body: Any, limit: float) -> Trouble | None:  # noqa: ANN401 - JSON
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=limit)
    # The time limit of a socket is for each piece: one that sends a byte now and then would never be given up.
    late = threading.Timer(limit, _cut, (connection,))
    late.daemon = True
    until = time.monotonic() + limit
    late.start()
    headers = {"Content-Type": "application/json", "User-Agent": f"mainstay/{__version__}"}
    try:
        path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        connection.request("POST", path, json.dumps(body).encode(), headers)
        status = connection.getresponse().status
    except ssl.SSLError as problem:
        return Trouble(f"TLS failed: {problem.reason or problem}")
    except TimeoutError:
        return Trouble(f"it did not answer within {limit:g}s")
    except (OSError, http.client.HTTPException) as problem:
        if time.monotonic() >= until:
            return Trouble(f"it did not answer within {limit:g}s")
        return Trouble((getattr(problem, "strerror", None) or type(problem).__name__).lower())
    finally:
        late.cancel()
        connection.close()
    if status // 100 == _GOOD:
        return None
    return Trouble(f"it answered {status}", status // 100 == _CLIENT_FAULT and status not in _LATER)


def _cut(connection: http.client.HTTPConnection) -> None:
    sock: socket.socket | None = connection.sock
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _run(words: list[str], told: Notice, folder: Path, limit: float) -> Trouble | None:
    try:
        running = subprocess.Popen(  # noqa: S603 - what the system file tells to run
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            cwd=folder,
            start_new_session=True,
        )
    except OSError as problem:
        return Trouble((problem.strerror or str(problem)).lower())
    try:
        # One that does not read its standard input is not wrong.
        with contextlib.suppress(BrokenPipeError):
            running.communicate(json.dumps(told).encode() + b"\n", timeout=limit)
        code = running.wait(limit)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        return Trouble(f"it did not end within {limit:g}s")
    return None if code == 0 else Trouble(f"it ended with exit code {code}")
