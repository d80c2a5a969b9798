"""WebSocket by other people's server and client, through the real command."""

import asyncio
import contextlib
import sys

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from e2e.conftest import PATIENCE, kill

pytestmark = pytest.mark.e2e

SERVER = """\
import asyncio, os
from websockets.asyncio.server import serve

async def chat(socket):
    await socket.send(str(os.getpid()))
    async for message in socket:
        await socket.send(message)

async def check(connection, request):
    if "Upgrade" not in request.headers:
        return connection.respond(200, "not only for WebSocket\\n")

async def main():
    server = await serve(chat, "127.0.0.1", int(os.environ["PORT"]), process_request=check)
    await server.serve_forever()

asyncio.run(main())
"""

SITE = """\
name: chat
services:
  chat:
    command: PYTHON server.py
    instances: 2
    listen: http://127.0.0.1:PORT_HERE
    drain: 1s
    health: { path: / }
    UPGRADE
"""


@pytest.fixture
def chat(site):
    def up(upgrade=""):
        (site.folder / "server.py").write_text(SERVER)
        site.write(SITE.replace("PYTHON", sys.executable).replace("UPGRADE", upgrade))
        site.up()
        return f"ws://127.0.0.1:{site.port}/"

    return up


async def user(url, met, lost):
    """Talk for as long as there is somebody, and come again when there is not."""
    async with contextlib.aclosing(aiter(connect(url))) as sockets:
        async for socket in sockets:
            try:
                met.append(int(await socket.recv()))
                while True:
                    await socket.send("hello")
                    assert await socket.recv() == "hello"
                    await asyncio.sleep(0.02)
            except ConnectionClosed as closed:
                lost.append(closed.rcvd)


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - the other end is a process
            await asyncio.sleep(0.02)


async def test_a_client_whose_instance_was_killed_is_soon_with_another(chat, site):
    url = chat()
    met, lost = [], []

    talking = asyncio.ensure_future(user(url, met, lost))
    await until(lambda: met)
    kill(met[0])
    await until(lambda: len(met) > 1)
    talking.cancel()
    await asyncio.gather(talking, return_exceptions=True)

    assert met[1] != met[0]
    assert lost == [None]  # cut, not ended as if all had been said
    # Workers tell what they have counted twice a second.
    status = await asyncio.to_thread(site.until, lambda status: status["services"][0]["requests"] == len(met))
    (service,) = status["services"]
    assert service["received"] > 0
    assert service["sent"] > 0


async def test_a_restart_gives_every_client_another_instance(chat, site):
    url = chat()
    users = [([], []) for _ in range(4)]

    talking = [asyncio.ensure_future(user(url, met, lost)) for met, lost in users]
    await until(lambda: all(met for met, _ in users))
    before = {met[0] for met, _ in users}
    await asyncio.to_thread(site.done, "restart", "chat")
    await until(lambda: all(met[-1] not in before for met, _ in users))
    for one in talking:
        one.cancel()
    await asyncio.gather(*talking, return_exceptions=True)

    assert len(before) == 2


async def test_upgrades_that_are_off_are_ordinary_requests(chat):
    url = chat("upgrade: off")

    with pytest.raises(InvalidStatus, match="200"):
        async with connect(url):
            pass
