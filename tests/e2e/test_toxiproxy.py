"""A client of Toxiproxy, as others use it, on a system that runs."""

import contextlib
import http.client
import json
import os
import re
import select
import signal
import subprocess
import sys
import time

import pytest
from toxiproxy import Toxiproxy
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import InvalidToxic, NotFound

from e2e.conftest import PATIENCE
from mainstay.cli.talk import ask
from mainstay.supervisor.rundir import RunDir

pytestmark = pytest.mark.e2e

SITE = """\
name: toxic
gateway: { workers: 1 }
services:
  web:
    command: python -m http.server --bind 127.0.0.1 $PORT
    instances: 2
    listen: http://127.0.0.1:PORT_HERE
    hedge: off
    suspicion: off
    health: { every: 200ms, timeout: 5s }
"""


def status(site):
    return ask(RunDir(site.folder / ".mainstay"), "/v1/status")


def get(site):
    """Give the status of an answer, and how long it took."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
    connection.request("GET", "/")
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, time.monotonic() - began


def fastest(site):
    """Give how long the fastest of some takes: the machine may be busy."""
    return min(get(site)[1] for _ in range(3))


def until_served(site):
    """Wait until an instance that was left out is asked again."""
    deadline = time.monotonic() + PATIENCE
    while get(site)[0] != 200:
        assert time.monotonic() < deadline


def serve(site):
    """Serve the API on whatever port is free, and give the process and the port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mainstay", "drill", "toxiproxy", "--listen", "127.0.0.1:0"],
        cwd=site.folder,
        env=site.env,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert select.select([process.stderr], [], [], PATIENCE)[0]
    line = process.stderr.readline()
    found = re.search(r"http://127\.0\.0\.1:([0-9]+)", line)
    assert found, line + process.stderr.read()
    return process, int(found[1])


@contextlib.contextmanager
def serving(site):
    process, port = serve(site)
    try:
        yield process, port
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE)
        process.stderr.close()


def test_a_client_library_breaks_and_mends_a_running_system(site, monkeypatch):
    site.write(SITE)
    site.up()
    with serving(site) as (process, port):
        monkeypatch.setattr(APIConsumer, "port", port)
        server = Toxiproxy()

        # What there is.
        proxies = server.proxies()
        ports = [row["port"] for row in status(site)["instances"]]
        assert server.running()
        assert re.fullmatch(r"2\.[0-9.]+\+mainstay\..+", json.loads(server.version())["version"])
        assert {name: (one.listen, one.upstream, one.enabled) for name, one in proxies.items()} == {
            "web": (
                f"127.0.0.1:{site.port}",
                f"127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}",
                True,
            ),
            "web-1": (f"127.0.0.1:{site.port}", f"127.0.0.1:{ports[0]}", True),
            "web-2": (f"127.0.0.1:{site.port}", f"127.0.0.1:{ports[1]}", True),
        }

        # Slow, and as before.
        web = server.get_proxy("web")
        assert fastest(site) < 0.3
        web.add_toxic(type="latency", attributes={"latency": 300, "jitter": 0})
        assert fastest(site) >= 0.299
        assert list(web.toxics()) == ["latency_downstream"]
        web.destroy_toxic("latency_downstream")
        assert web.toxics() == {}
        assert fastest(site) < 0.3

        # One that is down is passed over; when all are, users see it.
        with server.get_proxy("web-1").down():
            assert not server.get_proxy("web-1").enabled
            assert {get(site)[0] for _ in range(6)} == {200}
            with web.down():
                assert get(site)[0] == 503
        until_served(site)

        # What cannot be is told.
        with pytest.raises(InvalidToxic, match="there are: web-1, web-2, web"):
            server.create(upstream="127.0.0.1:1", name="redis")
        with pytest.raises(InvalidToxic, match="there are: latency, "):
            web.add_toxic(type="corrupt")
        with pytest.raises(NotFound):
            web.destroy_toxic("latency_downstream")

        # Reset mends all.
        web.add_toxic(type="reset_peer", toxicity=1.0, attributes={"timeout": 0})
        assert get(site)[0] in (502, 503)
        server.reset()
        until_served(site)
        assert status(site)["faults"] == []

        # So does its end.
        web.add_toxic(type="timeout", stream="upstream", attributes={"timeout": 0})
        assert [one["fault"] for one in status(site)["faults"]] == ["silent"]
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert status(site)["faults"] == []
