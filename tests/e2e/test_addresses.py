"""A service of which Mainstay runs no process: it only routes to where others run it."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time

import pytest

from e2e.conftest import PATIENCE, kill
from ports import free_port

pytestmark = pytest.mark.e2e

SITE = """\
name: elsewhere
services:
  pay:
    addresses: [ADDRESSES]
    listen: http://127.0.0.1:PORT_HERE
    health: { every: 200ms }
"""


@contextlib.contextmanager
def strangers(count):
    """Run web servers that are none of Mainstay's."""
    ports = [free_port() for _ in range(count)]
    argv = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1"]
    running = [
        subprocess.Popen([*argv, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for port in ports
    ]
    try:
        for port in ports:
            deadline = time.monotonic() + PATIENCE
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield ports, running
    finally:
        for process in running:
            process.kill()
            process.wait()


def ask(site):
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    connection.request("GET", "/")
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_requests_go_to_the_addresses_that_answer(site):
    with strangers(2) as (ports, running):
        site.write(SITE.replace("ADDRESSES", ", ".join(f"http://127.0.0.1:{port}" for port in ports)))
        site.up()
        assert [ask(site) for _ in range(10)] == [200] * 10

        running[0].kill()
        running[0].wait()

        assert [ask(site) for _ in range(10)] == [200] * 10
        status = site.until(lambda status: [row["state"] for row in status["instances"]] == ["down", "up"])
        assert [row["instance"] for row in status["instances"]] == [f"127.0.0.1:{port}" for port in ports]
        assert f"127.0.0.1:{ports[0]}: last health check: connection refused" in site.done("status").stdout
        assert status["services"][0]["up"] == 1


def test_who_starts_it_is_told_that_no_address_answers(site):
    with strangers(2) as (ports, running):
        for one in running:
            one.kill()
            one.wait()
    site.write(SITE.replace("ADDRESSES", ", ".join(f"http://127.0.0.1:{port}" for port in ports)))

    started = site.done("up", "--detach")

    assert "pay: 0 of 2 up (connection refused); `mainstay status` tells why" in started.stderr


def test_what_others_run_is_neither_restarted_nor_scaled_nor_stopped(site):
    with strangers(1) as (ports, running):
        site.write(SITE.replace("ADDRESSES", f"http://127.0.0.1:{ports[0]}"))
        site.up()

        for words in (["restart", "pay"], ["scale", "pay=2"]):
            refused = site.mainstay(*words)
            assert refused.returncode == 1
            assert "pay has addresses: Mainstay does not run what is there" in refused.stderr
        kill(site.status()["supervisor_pid"])
        site.done("up", "--detach")
        assert ask(site) == 200
        site.done("down")

        assert running[0].poll() is None
        os.kill(running[0].pid, 0)
