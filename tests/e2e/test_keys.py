"""Writes with an Idempotency-Key, through several workers that die, systems that stop, and files that change."""

import contextlib
import http.client
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from e2e.conftest import PATIENCE, kill

pytestmark = pytest.mark.e2e

SERVER = """\
import os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

class Orders(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_OPTIONS(self):
        self.answer(204, b"")

    def do_POST(self):
        order = self.rfile.read(int(self.headers["Content-Length"]))
        with open("journal", "ab") as journal:
            journal.write(self.path.encode() + b" " + order + b"\\n")
        while self.path == "/slow" and not Path("go").exists():
            time.sleep(0.01)
        self.answer(201, b"order of " + self.headers["Idempotency-Key"].encode())

    def answer(self, status, body):
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *what):
        pass

ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Orders).serve_forever()
"""

SITE = """\
name: shop
gateway: { workers: 2 }
services:
  shop:
    command: PYTHON server.py
    instances: 2
    listen: http://127.0.0.1:PORT_HERE
    drain: 1s
    stop_timeout: 1s
    idempotency: KEYS
"""


class Shop:
    def __init__(self, site):
        self.site = site
        (site.folder / "server.py").write_text(SERVER)
        self.write("gateway")

    def write(self, keys):
        self.site.write(SITE.replace("PYTHON", sys.executable).replace("KEYS", keys))

    def order(self, key, path="/", body="one"):
        """Send an order on a connection of its own; give status, body, reason and whether it is a replay."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=30)) as line:
            line.request("POST", path, body, {"Idempotency-Key": key})
            answer = line.getresponse()
            said = answer.read().decode()
            reason, replayed = answer.getheader("Mainstay-Reason"), answer.getheader("Idempotent-Replayed")
            return answer.status, reason or said, replayed

    def journal(self):
        file = self.site.folder / "journal"
        return file.read_text().splitlines() if file.exists() else []

    def until_journaled(self, count):
        deadline = time.monotonic() + PATIENCE
        while len(self.journal()) < count:
            assert time.monotonic() < deadline, self.journal()
            time.sleep(0.01)


@pytest.fixture
def shop(site):
    return Shop(site)


@pytest.mark.timeout(180)
def test_a_worker_that_dies_leaves_doubt_and_what_was_answered_is_known_to_the_next(shop):
    shop.site.up()
    first = shop.order("known")
    with ThreadPoolExecutor(1) as users:
        lost = users.submit(shop.order, "lost", "/slow")
        shop.until_journaled(2)
        former = {worker["pid"] for worker in shop.site.status()["workers"]}
        for pid in former:
            kill(pid)
        with pytest.raises(ConnectionError):
            lost.result()
    (shop.site.folder / "go").touch()
    shop.site.until(
        lambda status: (
            len(status["workers"]) == 2
            and not former & {worker["pid"] for worker in status["workers"]}
            and all(worker["table"] for worker in status["workers"])
        )
    )

    again = [shop.order("lost", "/slow") for _ in range(4)]
    known = [shop.order("known") for _ in range(4)]

    assert first == (201, "order of known", None)
    assert again == [(409, "key_in_doubt", None)] * 4
    assert known == [(201, "order of known", "true")] * 4
    assert shop.journal() == ["/ one", "/slow one"]


@pytest.mark.timeout(180)
def test_of_many_at_once_one_runs_whichever_worker_they_come_to(shop):
    shop.site.up()
    with ThreadPoolExecutor(16) as users:
        answers = [list(users.map(lambda _, key=key: shop.order(key), range(16))) for key in "abcde"]

    assert len(shop.journal()) == 5
    for key, seen in zip("abcde", answers, strict=True):
        assert seen.count((201, f"order of {key}", None)) == 1
        assert set(seen) <= {
            (201, f"order of {key}", None),
            (201, f"order of {key}", "true"),
            (409, "key_in_use", None),
        }


@pytest.mark.timeout(180)
def test_answers_are_known_when_the_system_comes_back_and_when_its_supervisor_was_killed(shop):
    shop.site.up()
    shop.order("a")
    kill(shop.site.status()["supervisor_pid"])
    shop.site.up()
    taken_over = shop.order("a")
    shop.site.done("down")
    shop.site.up()

    back = shop.order("a")

    assert taken_over == back == (201, "order of a", "true")
    assert shop.order("a", body="two") == (422, "key_reused", None)
    assert len(shop.journal()) == 1


@pytest.mark.timeout(180)
def test_a_reload_switches_it_on_and_off_and_no_process_is_touched(shop):
    shop.write("off")
    shop.site.up()
    before = [row["pid"] for row in shop.site.status()["instances"]]
    for _ in range(2):
        shop.order("a")
    shop.write("{ keep: 1h }")
    shop.site.done("reload")
    on = [shop.order("a") for _ in range(2)]
    shop.write("service")
    shop.site.done("reload")

    off = shop.order("a")

    assert on == [(201, "order of a", None), (201, "order of a", "true")]
    assert off == (201, "order of a", None)
    assert len(shop.journal()) == 4
    assert [row["pid"] for row in shop.site.status()["instances"]] == before
