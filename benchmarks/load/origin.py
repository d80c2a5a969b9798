"""A server that does nothing: it answers each request with the same few bytes, and has a processor of its own.

python -m benchmarks.load.origin

Prints the port that it listens on, and ends when standard input does.
"""

import asyncio
import sys
from typing import cast

from mainstay.drill.loop import runner

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{"ok": true}'


class Answers(asyncio.Protocol):
    """One connection. Requests of the generator come whole: they are small, and one at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer."""
        del data
        self._transport.write(ANSWER)


async def serve() -> None:
    """Answer until nobody is there any more."""
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    server = await loop.create_server(Answers, "127.0.0.1", 0, backlog=4096)
    loop.add_reader(sys.stdin.fileno(), gone.set)
    print(server.sockets[0].getsockname()[1], flush=True)
    await gone.wait()
    server.close()


if __name__ == "__main__":
    with runner() as running:
        running.run(serve())
