"""Another version of Mainstay is installed while a system runs and users keep coming: they see nothing of it."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mainstay
from e2e.conftest import PATIENCE, kill
from mainstay.supervisor import procfs
from pki import Authority

pytestmark = pytest.mark.e2e

SOURCE = Path(mainstay.__file__).parent


class Installation:
    """A copy of the program that the site runs, to be changed as an installer changes it."""

    def __init__(self, site):
        self._site = site
        self._at = site.folder / "site-packages" / "mainstay"
        shutil.copytree(SOURCE, self._at, ignore=shutil.ignore_patterns("__pycache__"))
        site.env |= {"PYTHONPATH": str(self._at.parent), "PYTHONDONTWRITEBYTECODE": "1"}

    def install(self, version):
        self.edit("__init__.py", f'__version__ = "{mainstay.__version__}"', f'__version__ = "{version}"')

    def begin_with(self, words, module):
        """Have a module fail, or do something else, as soon as it is loaded."""
        file = self._at / module
        file.write_text(file.read_text().replace('"""\n\n', f'"""\n\n{words}', 1))

    def edit(self, module, was, becomes):
        file = self._at / module
        text = file.read_text()
        assert text.count(was) == 1, module
        file.write_text(text.replace(was, becomes))


@pytest.fixture
def installed(node):
    """Give the program that the Node example is run by."""
    return Installation(node)


class Idler:
    """A client that keeps its connection, and asks now and then."""

    def __init__(self, port):
        self._line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self._line.connect()
        self._socket = self._line.sock

    def get(self):
        """Ask on the same connection; give the status, and whether it is the last answer here."""
        assert self._line.sock is self._socket
        self._line.request("GET", "/")
        answer = self._line.getresponse()
        answer.read()
        return answer.status, answer.getheader("connection") == "close"

    def close(self):
        self._line.close()


def ask(site, path, method="POST"):
    """Ask the supervisor without the command."""
    connection = http.client.HTTPConnection("mainstay", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(site.folder / ".mainstay" / "control.sock"))
    connection.request(method, path)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def pids(status):
    return (
        {row["instance"]: row["pid"] for row in status["instances"]},
        {worker["pid"] for worker in status["workers"]},
    )


@pytest.mark.timeout(180)
def test_an_upgrade_under_load_fails_no_request_and_touches_no_instance(node, installed):
    node.up()
    before = node.status()
    load = node.load(rate=300)
    load.seconds(1)
    idlers = [Idler(node.port) for _ in range(4)]
    first = [idler.get() for idler in idlers]

    installed.install("9.9.9")
    upgraded = node.done("upgrade")
    second = [idler.get() for idler in idlers]
    after = node.status()
    node.done("upgrade")
    seen, _ = load.end()

    assert seen.failed == 0, seen.failures
    assert (before["mainstay"], after["mainstay"]) == (mainstay.__version__, "9.9.9")
    assert f"upgraded from {mainstay.__version__} to 9.9.9" in upgraded.stderr
    assert after["supervisor_pid"] == before["supervisor_pid"]
    assert pids(after)[0] == pids(before)[0]
    assert not pids(after)[1] & pids(before)[1]
    assert len(after["workers"]) == len(before["workers"])
    # Who kept a connection was answered on it, and told that it was the last time.
    assert first == [(200, False)] * 4
    assert second == [(200, True)] * 4
    for idler in idlers:
        idler.close()
    node.until(lambda status: all(row["state"] == "up" for row in status["instances"]))


def test_a_supervisor_that_was_upgraded_heals_reloads_and_stops_as_before(node, installed):
    node.up()
    installed.install("9.9.9")
    node.done("upgrade", "--json")

    first = node.instance("web-1")
    kill(first["pid"])
    healed = node.until(
        lambda status: (
            status["instances"]
            and status["instances"][0]["generation"] == 2
            and status["services"][0]["up"] == 3
        )
    )
    unchanged = node.done("reload").stderr
    stopped = node.done("down").stderr

    assert healed["instances"][0]["last_exit"]["reason"] == "killed by SIGKILL"
    assert "nothing has changed" in unchanged
    assert "stopped 6 processes" in stopped
    assert node.mainstay("status").returncode == 4


@pytest.mark.parametrize(
    ("module", "words", "told"),
    [
        ("gateway/worker.py", "import nonesuch\n", "No module named 'nonesuch'"),
        ("system/schema.py", "improt half\n", "SyntaxError"),
        ("cli/rehearsal.py", "import sys\nsys.exit()\n", "it ended without a word"),
    ],
)
def test_a_version_that_cannot_be_loaded_changes_nothing(node, installed, module, words, told):
    node.up()
    before = node.status()
    installed.begin_with(words, module)

    # What cannot be loaded can neither be asked for anything.
    refused = ask(node, "/v1/upgrade")
    after = ask(node, "/v1/status", "GET")

    assert refused["exit_code"] == 6
    assert "nothing was changed" in refused["error"]
    assert told in refused["error"]
    assert pids(after) == pids(before)
    installed.edit(module, words, "")


def test_a_program_that_is_not_there_any_more_changes_nothing(node):
    venv = node.folder / "venv"
    (venv / "bin").mkdir(parents=True)
    python = venv / "bin" / "python"
    python.symlink_to(sys.executable)
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", venv)
    (venv / "lib").symlink_to(Path(sys.prefix) / "lib")
    command = [python, "-m", "mainstay", "up", "--detach"]
    subprocess.run(command, cwd=node.folder, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    before = node.status()

    python.unlink()
    refused = node.mainstay("upgrade")

    assert refused.returncode == 6
    assert f"cannot execute '{python}', so nothing was changed" in refused.stderr
    assert pids(node.status()) == pids(before)


@pytest.mark.timeout(180)
def test_a_version_whose_workers_do_not_serve_leaves_the_old_ones_to_go_on(node, installed):
    node.up()
    before = node.status()
    load = node.load(rate=100)
    broken = '    raise SystemExit("not this time")\n    parser = argparse.ArgumentParser(prog="mainstay-gateway-worker")'
    whole = '    parser = argparse.ArgumentParser(prog="mainstay-gateway-worker")'

    installed.install("9.9.9")
    installed.edit("gateway/worker.py", whole, broken)
    failed = node.mainstay("upgrade")
    between = node.status()
    installed.edit("gateway/worker.py", broken, whole)
    node.done("upgrade")
    seen, _ = load.end()

    assert failed.returncode == 6
    assert "gateway workers are" in failed.stderr
    assert between["mainstay"] == "9.9.9"
    assert pids(between) == pids(before)
    assert not pids(node.status())[1] & pids(before)[1]
    assert seen.failed == 0, seen.failures


def test_a_file_that_is_not_what_runs_is_to_be_reloaded_first(node):
    node.up()
    before = pids(node.status())
    text = (node.folder / "mainstay.yaml").read_text()

    node.write(text.replace("instances: 3", "instances: 2"))
    changed = node.mainstay("upgrade")
    node.write(text.replace("instances: 3", "instances: none"))
    wrong = node.mainstay("upgrade")

    assert (changed.returncode, wrong.returncode) == (1, 3)
    assert "services.web adjusted" in changed.stderr
    assert "mainstay reload" in changed.stderr
    assert pids(node.status()) == before


def test_a_state_that_cannot_be_written_is_no_ground_to_stand_on_for_the_next_program(node):
    node.up()
    before = pids(node.status())
    # As on a full disk, also for root.
    in_the_way = node.folder / ".mainstay" / "state.json.tmp"
    in_the_way.mkdir()

    refused = node.mainstay("upgrade")
    after = pids(node.status())
    in_the_way.rmdir()
    node.done("upgrade")

    assert refused.returncode == 6
    assert "state.json" in refused.stderr
    assert "nothing was changed" in refused.stderr
    assert after == before
    assert pids(node.status())[0] == before[0]


def test_a_log_that_cannot_be_written_would_stop_a_start_and_stops_no_upgrade(node):
    text = (node.folder / "mainstay.yaml").read_text()
    node.write(text + "\ngateway: { access_log: on }\n")
    node.up()
    before = node.status()
    log = node.folder / ".mainstay" / "logs" / "access.log"
    log.unlink(missing_ok=True)
    log.mkdir()

    node.done("upgrade")
    after = node.status()

    assert after["supervisor_pid"] == before["supervisor_pid"]
    assert pids(after)[0] == pids(before)[0]
    assert not pids(after)[1] & pids(before)[1]


def test_a_certificate_whose_key_has_not_come_yet_changes_nothing(node):
    ca = Authority(node.folder)
    ca.issue("localhost", into="shop")
    text = (node.folder / "mainstay.yaml").read_text()
    tls = "\n    tls: { cert: shop.crt, key: shop.key }\n    env:"
    node.write(text.replace("listen: http:", "listen: https:").replace("\n    env:", tls))
    node.up()
    before = node.status()
    key = (node.folder / "shop.key").read_bytes()
    ca.issue("localhost", into="shop")
    (node.folder / "shop.key").write_bytes(key)

    refused = node.mainstay("upgrade")
    after = node.status()

    assert refused.returncode in (3, 6), refused.stderr
    assert "services.web.tls" in refused.stderr
    assert "nothing was changed" in refused.stderr
    assert after["supervisor_pid"] == before["supervisor_pid"]
    assert pids(after) == pids(before)


def test_without_a_running_system_there_is_nothing_to_upgrade(node):
    assert node.mainstay("upgrade").returncode == 4


class Between:
    """A site whose supervisor has let go, and becomes a program that takes its time to load."""

    SLOW = 'import os, time\nif "MAINSTAY_LEGACY" in os.environ:\n    time.sleep(3)\n'

    def __init__(self, site, installed):
        installed.begin_with(self.SLOW, "cli/up.py")
        site.up()
        self.before = site.status()
        ask(site, "/v1/upgrade")
        self.until(lambda: not (site.folder / ".mainstay" / "control.sock").exists())

    def until(self, holds):
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def ended(self):
        """Tell whether nothing of the system is left."""
        return all(not lives(pid) for pid in every(self.before))


def every(status):
    instances, workers = pids(status)
    return {status["supervisor_pid"], *instances.values(), *workers}


def lives(pid):
    found = procfs.stat(pid)
    return found is not None and found.alive


def test_a_command_that_comes_while_the_new_version_is_loaded_waits_for_it(node, installed):
    between = Between(node, installed)

    refused = node.mainstay("up", "--detach")
    status = node.status()
    stopped = node.done("down").stderr

    assert refused.returncode == 5
    assert status["supervisor_pid"] == between.before["supervisor_pid"]
    assert "stopped" in stopped
    assert between.ended()
    assert node.mainstay("status").returncode == 4


def test_to_be_told_to_end_while_the_new_version_is_loaded_ends_it(node, installed):
    between = Between(node, installed)

    os.kill(between.before["supervisor_pid"], signal.SIGTERM)

    between.until(between.ended)
    assert node.mainstay("status").returncode == 4


def test_what_dies_while_the_new_version_is_loaded_is_started_again_and_leaves_nothing(node, installed):
    between = Between(node, installed)
    first = between.before["instances"][0]["pid"]

    kill(first)
    healed = node.until(
        lambda status: (
            status["instances"]
            and status["instances"][0]["generation"] == 2
            and status["services"][0]["up"] == 3
        )
    )

    assert healed["supervisor_pid"] == between.before["supervisor_pid"]
    # Its number is free again: no zombie.
    assert procfs.stat(first) is None
