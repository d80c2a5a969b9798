"""A new program on disk, of which one instance is tried first."""

import json

import pytest

pytestmark = pytest.mark.e2e

SYSTEM = """\
name: shop
services:
  web:
    command: python3 -I -S app.py
    instances: 2
    listen: http://127.0.0.1:PORT_HERE
    health: { path: /healthz, every: 500ms }
    restart: { delay: 50ms }
    stop_timeout: 2s
"""

APP = """\
import http.server, os, time
seen = 0
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        global seen
        status = 200
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path != "/healthz":
            seen += 1
            CHANGE
        body = b"VERSION"
        self.wfile.write(b"HTTP/1.1 %d x\\r\\nContent-Length: %d\\r\\n\\r\\n%b" % (status, len(body), body))
    do_POST = do_GET
    def log_message(self, *words):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512
Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
WELL = "pass"
FAILS = "status = 500"
SLOW = "time.sleep(1.5)"
DIES = "seen > 20 and os._exit(7)"


@pytest.fixture
def shop(site):
    def program(version, change):
        (site.folder / "app.py").write_text(APP.replace("VERSION", version).replace("CHANGE", change))

    site.program = program
    site.write(SYSTEM)
    program("old", WELL)
    site.up()
    return site


def pids(site):
    return {row["instance"]: row["pid"] for row in site.status()["instances"]}


@pytest.mark.parametrize(
    ("change", "because"),
    [
        (FAILS, ("fails more than the others", "is left out by the gateway")),
        (SLOW, ("is slower than the others", "is left out by the gateway")),
        (DIES, ("has ended (exit code 7)",)),
    ],
)
def test_a_bad_program_is_taken_back_and_users_see_few_failures(shop, change, because):
    before = pids(shop)
    shop.program("new", change)
    load = shop.load(rate=60)
    load.seconds(1)

    ran = shop.mainstay("restart", "--canary", "--watch", "10s", "web")

    seen, _ = load.end()
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert any(f"web-1 {words}" in ran.stderr for words in because), ran.stderr
    assert "the new instance was taken back, and no other was replaced" in ran.stderr
    assert "canary: " in ran.stderr
    assert "others: " in ran.stderr
    assert pids(shop) == before
    assert seen.failed <= 10, (seen, ran.stderr)


def test_a_good_program_goes_through_and_nobody_sees_it(shop):
    before = pids(shop)
    shop.program("new", WELL)
    load = shop.load(rate=60)
    load.seconds(1)

    ran = shop.mainstay("restart", "--canary", "--watch", "6s", "--requests", "50", "--json", "web")

    seen, _ = load.end()
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)["restarted"][0]["canary"]
    assert (report["instance"], report["verdict"]) == ("web-1", "well")
    assert report["canary"]["requests"] >= 50
    assert report["canary"]["failures"] == 0
    assert report["others"]["requests"] > 0
    assert report["seconds"] < 6
    assert not set(before.values()) & set(pids(shop).values())
    assert seen.failed == 0


def test_without_enough_requests_it_is_taken_back_unless_none_are_wished_for(shop):
    before = pids(shop)

    few = shop.mainstay("restart", "--canary", "--watch", "1s", "web")
    between = pids(shop)
    lived = shop.done("restart", "--canary", "--watch", "1s", "--requests", "0", "web")

    assert few.returncode == 1
    assert "web-1 has had too few requests" in few.stderr
    assert "100 were to come within 1s" in few.stderr
    assert "canary: 0 requests, 0 failures, no answers, within 1s" in few.stderr
    assert between == before
    assert "web: every instance has been replaced" in lived.stderr
    assert not set(before.values()) & set(pids(shop).values())


def test_what_the_options_cannot_be_is_told(shop):
    alone = shop.mainstay("restart", "--watch", "1s", "web")
    wrong = shop.mainstay("restart", "--canary", "--watch", "soon", "web")
    never = shop.mainstay("restart", "--canary", "--watch", "0", "web")

    assert alone.returncode == wrong.returncode == never.returncode == 2
    assert "--watch and --requests are for --canary" in alone.stderr
    assert "soon" in wrong.stderr
    assert "above 0" in never.stderr
