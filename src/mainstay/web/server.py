"""Serves the control API, and the admin listener, on sockets that are already bound."""

import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse


class Line(JSONResponse):
    """An answer in JSON that is a line, for who asks from a terminal."""

    def render(self, content: object) -> bytes:
        """Write it."""
        return super().render(content) + b"\n"


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield


@contextlib.asynccontextmanager
async def serving(app: Starlette, sock: socket.socket, *, grace: int | None = None) -> AsyncIterator[None]:
    """Serve `app` on `sock` within the block.

    Args:
        app: What to serve, with what its lifespan brings along.
        sock: Bound already; closed when it is over.
        grace: Seconds that requests under way have at the end; by default as long as they take.
    """
    import asyncio  # noqa: PLC0415 - here for its one use

    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="error",  # that somebody sent nonsense is no news
        access_log=False,
        server_header=False,
        lifespan="on",
        ws="none",
        loop="asyncio",
        timeout_graceful_shutdown=grace,
    )
    server = _Server(config)
    task = asyncio.get_running_loop().create_task(server.serve(sockets=[sock]))
    try:
        yield
    finally:
        server.should_exit = True
        await task
