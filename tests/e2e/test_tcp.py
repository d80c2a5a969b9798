"""A service that speaks its own protocol over TCP, run by the real command."""

import contextlib
import os
import signal
import socket
import sys

import pytest

from e2e.conftest import PATIENCE, kill

pytestmark = pytest.mark.e2e

SERVER = """\
import asyncio, os

async def serve(reader, writer):
    writer.write(f"hello from {os.getpid()}\\n".encode())
    while line := await reader.readline():
        writer.write(b"+PONG\\n" if line == b"PING\\n" else line)
    writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"]))
    await server.serve_forever()

asyncio.run(main())
"""

SITE = """\
name: talk
gateway: { workers: 1 }
services:
  echo:
    command: PYTHON server.py
    instances: 2
    listen: tcp://127.0.0.1:PORT_HERE
    max_connections: 8
    drain: 1s
    health: { every: 200ms, send: "PING\\n", expect: "+PONG" }
"""


class Talk:
    """A client that keeps its connection."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.file = self.sock.makefile("rwb")
        self.pid = self._greeted()

    def _greeted(self):
        try:
            return int(self.file.readline().split()[-1])
        except (OSError, IndexError):
            self.close()
            raise

    def says(self, word):
        """Say something, and tell whether it came back."""
        self.file.write(word + b"\n")
        self.file.flush()
        return self.file.readline() == word + b"\n"

    def was_cut(self):
        """Wait for the end."""
        try:
            return self.file.readline() == b""
        except ConnectionResetError:
            return True

    def close(self):
        with contextlib.suppress(OSError):
            self.file.close()
        self.sock.close()


@pytest.fixture
def echo(site):
    (site.folder / "server.py").write_text(SERVER)
    site.write(SITE.replace("PYTHON", sys.executable))
    site.up()
    opened = []

    def talk():
        opened.append(Talk(site.port))
        return opened[-1]

    site.talk = talk
    yield site
    for one in opened:
        one.close()


def test_a_client_whose_instance_was_killed_finds_another_one_at_once(echo):
    clients = [echo.talk() for _ in range(6)]
    assert len({client.pid for client in clients}) == 2
    victim = clients[0].pid

    kill(victim)
    lost = [client for client in clients if client.pid == victim]
    for client in lost:
        assert client.was_cut()
        client.close()
    again = [echo.talk() for _ in lost]

    assert victim not in {client.pid for client in again}
    assert all(client.says(b"still") for client in [*again, *clients] if client not in lost)
    status = echo.until(lambda status: status["services"][0]["requests"] == 6 + len(again))
    assert status["services"][0]["listen"] == f"tcp://127.0.0.1:{echo.port}"
    assert status["services"][0]["received"] > 0


def test_a_restart_lets_connections_end_and_cuts_what_stays(echo):
    stays = echo.talk()

    restarted = echo.done("restart", "echo")
    pids = {row["pid"] for row in echo.status()["instances"]}

    assert restarted.returncode == 0
    assert stays.pid not in pids
    assert stays.was_cut()
    assert echo.talk().pid in pids


def test_a_frozen_instance_loses_its_connections_and_gets_no_others(echo):
    clients = [echo.talk() for _ in range(4)]
    frozen = clients[0].pid

    os.kill(frozen, signal.SIGSTOP)
    try:
        assert all(client.was_cut() for client in clients if client.pid == frozen)
        assert all(client.says(b"on") for client in clients if client.pid != frozen)
        assert {echo.talk().pid for _ in range(3)} == {client.pid for client in clients} - {frozen}
    finally:
        os.kill(frozen, signal.SIGCONT)


def test_more_clients_than_allowed_are_reset(echo):
    clients = [echo.talk() for _ in range(8)]

    with pytest.raises((ConnectionResetError, IndexError)):
        echo.talk()

    assert all(client.says(b"on") for client in clients)
    assert echo.until(lambda status: status["services"][0]["refused"] == 1)


def test_workers_that_are_replaced_lose_no_waiting_client(echo):
    before = echo.status()["workers"][0]["pid"]

    kill(before)

    assert echo.talk().says(b"on")
    assert echo.status()["workers"][0]["pid"] != before
