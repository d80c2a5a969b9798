"""One gateway worker in front of given addresses, as `mainstay up` runs it, without a supervisor beside it."""

import asyncio
import contextlib
import signal
import socket
import sys

import uvloop

from mainstay.gateway.table import Door, Row, Rule, Settings, Table
from mainstay.gateway.worker import BACKLOG, Worker


async def main(port: int, origins: list[int]) -> None:
    """Serve until told to stop."""
    listener = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
    listener.setblocking(False)
    loop = asyncio.get_running_loop()
    worker = Worker(1, {"web": listener}, loop)
    loop.add_signal_handler(signal.SIGTERM, worker.stop)
    rows = [
        Row(service="web", instance=f"web-{n}", generation=1, host="127.0.0.1", port=origin, path="/")
        for n, origin in enumerate(origins)
    ]
    worker.apply(
        Table(
            version=1,
            doors={"web": Door(rules=[Rule(service="web")])},
            services={"web": Settings()},
            rows=rows,
        )
    )
    await worker.serve()
    await worker.run("no-supervisor")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1]), [int(word) for word in sys.argv[2:]]))
