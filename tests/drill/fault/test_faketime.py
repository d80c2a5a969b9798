"""A clock that is moved by libfaketime, in processes that were started with it."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drill.fault.conftest import Holder, Instance, until
from mainstay.drill.fault import faketime
from mainstay.drill.fault.faketime import INSTALL, RIGHT, Clocks, clocks
from mainstay.drill.fault.intent import Intent, put, undo_left
from mainstay.supervisor.environment import INSTANCE, RUN_DIR

SERVICE = """
import http.server, json, os, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        before = time.monotonic()
        time.sleep(0.01)
        slept = time.monotonic() - before
        told = json.dumps({"time": time.time(), "monotonic": before, "slept": slept}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *words):
        pass

server = http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""
BY = 3600.0
Hold = Callable[..., Holder]


class Shop:
    """An instance that tells what time it is."""

    def __init__(self, run_dir: Path, name: str, env: dict[str, str], port: int) -> None:
        mine = {key: value.replace("${MAINSTAY_INSTANCE}", name) for key, value in env.items()}
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-c", SERVICE],
            env={**os.environ, **mine, RUN_DIR: str(run_dir), INSTANCE: name, "PORT": str(port)},
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def tells(self) -> dict[str, float]:
        """Give how far its clocks are off, and how long its sleep of 10 ms took."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/")
            said: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        off = {"time": said["time"] - time.time(), "monotonic": said["monotonic"] - time.monotonic()}
        return {"slept": said["slept"], **off}

    def end(self) -> None:
        self.process.terminate()
        self.process.communicate()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Clocks:
    return clocks(tmp_path_factory.mktemp("site") / "clock", ["web-1", "web-2"])


@pytest.fixture
def shops(run_dir: Path, found: Clocks, port: int) -> Iterator[list[Shop]]:
    began = time.time()
    made = [Shop(run_dir, "web-1", found.env(), port), Shop(run_dir, "web-2", found.env(), 0)]
    yield made
    for one in made:
        one.end()
    faketime.sweep(began)
    assert not [one for one in Path("/dev/shm").glob("*faketime_s*") if str(made[0].process.pid) in one.name]


def order(found: Clocks, **more: Any) -> dict[str, Any]:
    assert found.folder is not None, found.trouble
    return {"parameters": {"file": str(found.folder / "web-1"), "by": BY, "path": "/"}, **more}


def test_the_clock_of_one_instance_jumps_and_nothing_else(
    found: Clocks, shops: list[Shop], holder: Hold
) -> None:
    moved, other = shops
    assert abs(moved.tells()["time"]) < 10
    hold = holder("clock", "web-1", **order(found, lease=30.0))

    said = hold.heard()

    assert said.get("evidence") == "its answers tell a time that is +3600 s off (Date)"
    now = moved.tells()
    assert abs(now["time"] - BY) < 10
    assert abs(now["monotonic"]) < 10
    assert now["slept"] < 5
    assert abs(other.tells()["time"]) < 10
    hold.let_go()
    assert hold.heard()["left"] == []
    until(lambda: abs(moved.tells()["time"]) < 10, "its clock is right again")


def test_what_is_left_of_a_jump_is_put_right_and_no_trouble_where_the_copy_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "web-1"
    for place in (file, tmp_path / "gone" / "web-1"):
        Intent(tmp_path / f"{place.parent.name}.json", "clock", ["web-1"]).add({"write": [str(place), RIGHT]})
    for intent in tmp_path.glob("*.json"):
        intent.write_text(intent.read_text().replace(f'"holder": [{os.getpid()}', '"holder": [0'))
    put(file, "+3600\n")

    done, left = undo_left(tmp_path)

    assert (done, left) == (["clock at web-1"] * 2, [])
    assert file.read_text() == RIGHT


def test_a_process_that_was_started_without_is_told(
    found: Clocks, instance: Callable[[str], Instance], holder: Hold
) -> None:
    instance("web-1")

    said = holder("clock", "web-1", **order(found)).heard()

    assert said["event"] == "failed"
    assert "libfaketime is not loaded" in said["why"]


def test_without_the_library_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faketime, "_PLACES", (f"{tmp_path}/none.so",))

    none = clocks(tmp_path / "clock", ["web-1"])

    assert none.trouble == f"there is no libfaketime here: {INSTALL}"
    assert none.env() == {}
    assert not (tmp_path / "clock").exists()


def test_a_library_that_does_not_move_the_clock_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (library := tmp_path / "libfaketime.so.1").write_bytes(b"no library")
    monkeypatch.setattr(faketime, "_PLACES", (str(library),))
    monkeypatch.setattr(faketime, "_tried", lambda *_: "the clock does not move")

    none = clocks(tmp_path / "clock", ["web-1"])

    assert none.folder is None
    assert "does not do what it should (the clock does not move)" in none.trouble


def test_what_a_service_preloads_itself_comes_after(found: Clocks) -> None:
    assert found.env("/opt/jemalloc.so")["LD_PRELOAD"].endswith("libfaketime.so.1:/opt/jemalloc.so")
