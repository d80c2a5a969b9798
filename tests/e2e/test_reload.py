"""The system file changes while it runs and users keep coming: they see nothing of it."""

import http.client
import json
import socket

import pytest

from e2e.conftest import free_port

pytestmark = pytest.mark.e2e

SHOP = """\
name: shop
gateway: {{ workers: {workers} }}
services:
  web:
    command: node server.js
    instances: {instances}
    listen: http://127.0.0.1:{port}
    env: {{ JOURNAL: '{journal}', RELEASE: '{release}' }}
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

    def another_port(self):
        with socket.create_server(("127.0.0.1", self.site.port)):
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


def up(count):
    def condition(status):
        return len(status["instances"]) == count and all(row["state"] == "up" for row in status["instances"])

    return condition


@pytest.mark.timeout(180)
def test_every_class_of_change_under_load_fails_no_request(shop):
    site, other = shop.site, shop.another_port()
    site.up()
    instances, workers = shop.pids()
    load = site.load(rate=300, seconds=16)
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
