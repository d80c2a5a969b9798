"""The system file changes while it runs and users keep coming: they see nothing of it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from e2e.conftest import PATIENCE, kill
from ports import free_port

pytestmark = pytest.mark.e2e

SHOP = """\
name: shop
gateway: {{ workers: {workers} }}
services:
  web:
    command: sleep $DELAY; exec node server.js
    instances: {instances}
    listen: http://127.0.0.1:{port}
    env: {{ JOURNAL: '{journal}', RELEASE: '{release}', DELAY: '{delay}' }}
    health: {{ path: {path} }}
    timeouts: {{ attempt: {attempt} }}
    drain: 5s
{more}"""
OTHER = """\
  other:
    command: python3 -m http.server --bind 127.0.0.1 $PORT
    listen: http://127.0.0.1:{other}
"""


class Shop:
    """A system whose file is written anew again and again."""

    def __init__(self, site):
        self.site = site
        self.words = {
            "workers": 2,
            "instances": 2,
            "port": site.port,
            "journal": site.folder / "orders",
            "release": "one",
            "delay": 0,
            "path": "/healthz",
            "attempt": "5s",
            "more": "",
        }

    def write(self, **words):
        self.words |= words
        (self.site.folder / "mainstay.yaml").write_text(SHOP.format(**self.words))

    def reload(self, *words, **changed):
        self.write(**changed)
        return json.loads(self.site.done("reload", "--json", *words).stdout)["changes"]

    def refused(self, **changed):
        self.write(**changed)
        return self.site.mainstay("reload")

    def same(self):
        """Tell what must not change when nothing is changed."""
        return self.pids(), get(self.site.port)[0]

    def another_port(self):
        return free_port()

    def pids(self):
        status = self.site.status()
        return (
            {row["instance"]: row["pid"] for row in status["instances"]},
            {worker["worker"]: worker["pid"] for worker in status["workers"]},
        )


@pytest.fixture
def shop(node):
    made = Shop(node)
    made.write()
    return made


def get(port, path="/"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    said = answer.status, answer.read()
    connection.close()
    return said


def states(status):
    return [(row["instance"], row["state"]) for row in status["instances"]]


def up(count):
    def condition(status):
        return len(status["instances"]) == count and all(row["state"] == "up" for row in status["instances"])

    return condition


@pytest.mark.timeout(180)
def test_every_class_of_change_under_load_fails_no_request(shop):
    site, other = shop.site, shop.another_port()
    site.up()
    instances, workers = shop.pids()
    load = site.load(rate=300)
    load.seconds(1)

    adjusted = shop.reload(attempt="4s")
    assert adjusted == [{"what": "services.web", "how": "adjusted", "keys": ["timeouts.attempt"]}]
    assert shop.pids() == (instances, workers)
    added = shop.reload(more=OTHER.format(other=other))
    assert added == [{"what": "services.other", "how": "added", "keys": []}]
    assert get(other)[0] == 200
    assert {name: pid for name, pid in shop.pids()[0].items() if name.startswith("web")} == instances
    assert shop.pids()[1] == workers
    replaced = shop.reload(release="two")
    assert replaced == [{"what": "services.web", "how": "replaced", "keys": ["env.RELEASE"]}]
    assert not set(shop.pids()[0].values()) & set(instances.values())
    removed = shop.reload(more="", instances=3, workers=3)
    assert [(one["what"], one["how"]) for one in removed] == [
        ("gateway", "adjusted"),
        ("services.other", "removed"),
        ("services.web", "adjusted"),
    ]
    assert sorted(shop.pids()[0]) == ["web-1", "web-2", "web-3"]
    assert sorted(shop.pids()[1]) == [1, 2, 3]
    shop.reload(instances=2, workers=1)
    seen, _ = load.end()

    assert seen.failed == 0, seen.failures
    with pytest.raises(ConnectionRefusedError):
        get(other)
    assert up(2)(site.status())


@pytest.mark.timeout(180)
def test_a_listener_is_shared_and_opened_to_all_networks_under_load_and_no_request_fails(shop):
    site = shop.site
    site.up()
    before = shop.pids()
    load = site.load(rate=300)
    load.seconds(1)
    everywhere = f"{{ main: {{ at: http://0.0.0.0:{site.port} }} }}"
    text = (site.folder / "mainstay.yaml").read_text()
    shared = text.replace(f"listen: http://127.0.0.1:{site.port}", "listen: main")

    for listeners in (everywhere.replace("0.0.0.0", "127.0.0.1"), everywhere):
        (site.folder / "mainstay.yaml").write_text(f"{shared}\nlisteners: {listeners}\n")
        site.done("reload")
    seen, _ = load.end()

    assert seen.failed == 0, seen.failures
    assert shop.pids() == before
    assert site.status()["services"][0]["listen"] == f"http://0.0.0.0:{site.port}"


def test_what_cannot_be_applied_changes_nothing_and_is_told(shop):
    site = shop.site
    site.up()
    before = shop.same()

    wrong = shop.refused(attempt="five", more="  second: {}\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        in_use = shop.refused(attempt="5s", more=OTHER.format(other=port))
    missing = shop.refused(more="  second: { command: nonesuch }\n")
    failing = shop.refused(more="  second: { command: 'echo words; exit 3' }\n", release="two")
    unwell = shop.refused(more="", release="one", path="/nowhere")
    admin = shop.site.folder / "mainstay.yaml"
    shop.write(path="/healthz")
    admin.write_text(admin.read_text().replace("workers: 2", "admin: 'http://127.0.0.1:1', workers: 2"))
    fixed = site.mainstay("reload")

    assert shop.same() == before
    assert [ran.returncode for ran in (wrong, in_use, missing, failing, unwell, fixed)] == [3, 6, 6, 1, 1, 1]
    assert "services.web.timeouts.attempt" in wrong.stderr
    assert "services.second" in wrong.stderr
    assert "2 problems in the system file; nothing was changed" in wrong.stderr
    assert (
        f"services.other.listen: cannot listen on 127.0.0.1:{port}: address already in use" in in_use.stderr
    )
    assert "services.second.command: " in missing.stderr
    assert "did not become ready: exit code 3" in failing.stderr
    assert "words" in failing.stderr
    assert "does not pass its new health check: HTTP 404" in unwell.stderr
    assert "gateway.admin: only a new supervisor can listen elsewhere" in fixed.stderr
    shop.write()
    assert "nothing has changed" in site.mainstay("reload").stderr


def test_a_dry_run_tells_what_would_change_and_changes_nothing(shop):
    site = shop.site
    site.up()
    before = shop.same()

    shop.write(release="two", attempt="4s")
    told = site.done("reload", "--dry-run")
    wrong = shop.refused(attempt="five")

    assert told.stdout == "services.web replaced: env.RELEASE, timeouts.attempt\n"
    assert "nothing was changed" in told.stderr
    assert wrong.returncode == 3
    assert shop.same() == before
    assert not [fact for fact in site.facts() if fact["fact"] == "SystemReloaded"]


def test_without_a_running_system_there_is_nothing_to_reload(shop):
    assert shop.site.mainstay("reload").returncode == 4


def test_a_hangup_asks_a_detached_supervisor_to_reload_and_what_became_of_it_is_told(shop):
    site = shop.site
    site.up()
    supervisor = site.status()["supervisor_pid"]

    shop.write(attempt="five")
    os.kill(supervisor, signal.SIGHUP)
    site.until_told("ReloadFailed")
    shop.write(attempt="4s")
    os.kill(supervisor, signal.SIGHUP)
    told = site.until_told("SystemReloaded")

    assert told["changes"] == ["services.web adjusted"]
    assert site.status()["supervisor_pid"] == supervisor


def test_with_watch_the_file_is_followed_and_one_that_is_wrong_is_told_once(shop):
    site = shop.site
    (site.folder / "web.env").write_text("COLOUR=red\n")
    shop.write(more="    env_file: web.env\n")
    site.done("up", "--detach", "--watch")
    instances, workers = shop.pids()

    shop.write(attempt="five")
    site.until_told("ReloadFailed")
    shop.write(attempt="4s")
    site.until_told("SystemReloaded")
    (site.folder / "web.env").write_text("COLOUR=blue\n")
    site.until(lambda status: not set(instances.values()) & {row["pid"] for row in status["instances"]})
    site.until(up(2))

    assert [fact["fact"] for fact in site.facts()].count("ReloadFailed") == 1
    assert shop.pids()[1] == workers


@pytest.mark.timeout(180)
def test_a_supervisor_killed_in_the_middle_of_a_reload_is_nothing_to_users(shop):
    site = shop.site
    site.up()
    load = site.load(rate=300)
    load.seconds(1)
    shop.write(delay=3, more=OTHER.format(other=shop.another_port()))
    reloading = subprocess.Popen(
        [sys.executable, "-m", "mainstay", "reload"],
        cwd=site.folder,
        env=site.env,
        stderr=subprocess.PIPE,
        text=True,
    )
    site.until(lambda status: ("web-2", "starting") in states(status))
    kill(site.status()["supervisor_pid"])
    said = reloading.communicate(timeout=PATIENCE)[1]
    site.up()
    between = site.until(up(4))
    site.done("reload")
    seen, _ = load.end()

    assert reloading.returncode == 4, said
    assert seen.failed == 0, seen.failures
    assert any(row["outdated"] for row in between["instances"])
    after = site.status()
    assert not any(row["outdated"] for row in after["instances"])
    # What was replaced already goes on; what was only being started was not waited for.
    assert [row["generation"] for row in after["instances"] if row["service"] == "web"] == [2, 3]
