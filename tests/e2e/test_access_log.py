"""The access log of a running system: two workers, one file."""

import http.client
import json
import time

import pytest

from e2e.conftest import PATIENCE

pytestmark = pytest.mark.e2e

SITE = """\
name: logged
gateway: { workers: 2, access_log: LOG_HERE }
services:
  web:
    command: python3 -m http.server --bind 127.0.0.1 $PORT
    listen: http://127.0.0.1:PORT_HERE
"""


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


def test_all_workers_write_one_file_that_the_logs_command_shows(site):
    site.write(SITE.replace("LOG_HERE", "on"))
    site.up()

    statuses = [get(site.port, f"/none-{number}") for number in range(40)]
    site.done("down")
    lines = [
        json.loads(line) for line in (site.folder / ".mainstay/logs/access.log").read_text().splitlines()
    ]

    assert set(statuses) == {404}
    assert sorted(line["target"] for line in lines) == sorted(f"/none-{number}" for number in range(40))
    assert len(site.done("logs", "access", "-n", "5").stdout.splitlines()) == 5
    assert "access" not in site.done("logs").stdout


def test_the_logs_command_finds_a_log_that_is_elsewhere(site):
    site.write(SITE.replace("LOG_HERE", "{ path: elsewhere/requests.txt }"))
    (site.folder / "elsewhere").mkdir()
    site.up()
    get(site.port, "/none")
    # What runs tells where it is, whatever the file says by now.
    site.write(SITE.replace("LOG_HERE", "off"))

    running = until_it_shows(site, "/none")
    site.done("down")
    site.write(SITE.replace("LOG_HERE", "{ path: elsewhere/requests.txt }"))

    assert running == site.done("logs", "access").stdout
    assert site.mainstay("logs", "acces").returncode == 2


def test_that_no_access_log_is_asked_for_is_told(site):
    site.write(SITE.replace("LOG_HERE", "off"))

    ran = site.mainstay("logs", "access")

    assert ran.returncode == 2
    assert "no access log is asked for" in " ".join(ran.stderr.replace("│", " ").split())


def until_it_shows(site, words):
    """Wait until the access log has the line, which is written a moment later, and give what is shown."""
    deadline = time.monotonic() + PATIENCE
    while words not in (shown := site.done("logs", "access").stdout):
        assert time.monotonic() < deadline
    return shown


def test_a_file_that_cannot_be_written_fails_the_start_at_its_key(site):
    # Where nobody may make a file, not even root.
    site.write(SITE.replace("LOG_HERE", "{ path: /proc/access.log }"))

    ran = site.mainstay("up", "--detach")

    assert ran.returncode == 6
    assert "gateway.access_log.path: cannot write '/proc/access.log': no such file or directory" in ran.stderr
    assert site.mainstay("status").returncode == 4
