"""`mainstay drill toxiproxy`: Toxiproxy's HTTP API on the gateway of a running system."""

import asyncio
import contextlib
import os
import re
import socket
from typing import Annotated, Any

import typer

from mainstay.base.errors import EnvironmentProblem
from mainstay.cli import option, show
from mainstay.cli.haltable import haltable
from mainstay.cli.talk import ask
from mainstay.supervisor.rundir import RunDir

_PORT = 8474
_LAST_PORT = 65535
_LISTEN = re.compile(r"(?:\[(?P<bracketed>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:\[\]]+)):(?P<port>[0-9]{1,5})")
_GRACE = 5


def toxiproxy(
    file: option.File = None,
    run_dir: option.Run = None,
    listen: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="Where clients find it. It has no guard: whoever reaches it can break the system.",
        ),
    ] = f"127.0.0.1:{_PORT}",
) -> None:
    """Serve Toxiproxy's HTTP API for the running system, until it is ended.

    Its client libraries then break and mend the connections between the gateway and the instances. All that they have
    broken is mended when this ends.
    """
    directory = option.run_dir(file, run_dir)
    ask(directory, "/v1/status")  # there is something to serve it for
    sock = _bound(listen)
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(haltable(_serve(directory, sock)))


async def _serve(directory: RunDir, sock: socket.socket) -> None:
    # Here for their one use: other drills need no server.
    from mainstay.drill.toxiproxy.app import application  # noqa: PLC0415
    from mainstay.web.server import serving  # noqa: PLC0415

    async def asked(path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        return await asyncio.to_thread(ask, directory, path, body)

    host, port = sock.getsockname()[:2]
    async with serving(application(asked), sock, grace=_GRACE):
        show.news(f"Toxiproxy's API is served at http://{f'[{host}]' if ':' in host else host}:{port}")
        await asyncio.Event().wait()


def _bound(listen: str) -> socket.socket:
    """Listen.

    Raises:
        BadParameter: it is no address.
        EnvironmentProblem: it is not possible there.
    """
    match = _LISTEN.fullmatch(listen)
    if match is None or int(match["port"]) > _LAST_PORT:
        raise typer.BadParameter(f"--listen must be HOST:PORT, as 127.0.0.1:{_PORT}, not {listen!r}")
    host = match["bracketed"] or match["host"]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(match["port"])), family=family)
    except OSError as problem:
        # The rest of what Python says of it is the address once more.
        why = os.strerror(problem.errno) if problem.errno and problem.errno > 0 else problem.strerror
        raise EnvironmentProblem(f"cannot listen on {listen}: {why or problem}") from problem
