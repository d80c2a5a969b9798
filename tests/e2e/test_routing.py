"""Services that share an address, and sessions that stay where they are whatever else dies."""

import http.client
import json
import sys

import pytest

from e2e.conftest import kill

pytestmark = pytest.mark.e2e

SERVER = """\
import json, os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        told = {"who": os.environ["MAINSTAY_INSTANCE"], "path": self.path, "pid": os.getpid()}
        body = json.dumps(told | {"prefix": self.headers["X-Forwarded-Prefix"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_OPTIONS = do_GET

    def log_message(self, *words):
        pass

ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
SITE = f"""\
name: shop
gateway: {{ workers: 2 }}
listeners:
  public:
    at: http://127.0.0.1:PORT_HERE
    redirects: [{{ host: www.shop.example, to: https://shop.example }}]
services:
  web:
    command: [{sys.executable}, server.py]
    instances: 3
    listen: public
    sticky: {{ by: session }}
  api:
    command: [{sys.executable}, server.py]
    listen: public
    routes: [{{ path: /api, rewrite: / }}]
"""


def ask(site, target="/", host="shop.example", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    connection.request("GET", target, headers={"Host": host, **headers})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, json.loads(body) if body else None


@pytest.fixture
def shop(site):
    (site.folder / "server.py").write_text(SERVER)
    site.write(SITE)
    site.up()
    return site


def test_services_share_an_address_by_host_and_path(shop):
    web, api = ask(shop, "/a")[1], ask(shop, "/api/users?x")[1]
    moved, _ = ask(shop, "/boots", host="www.shop.example")
    doubtful, told = ask(shop, "/api/..%2fa")

    assert (web["who"][:3], web["path"]) == ("web", "/a")
    assert (api["who"][:3], api["path"], api["prefix"]) == ("api", "/users?x", "/api")
    assert (moved.status, moved.headers["Location"]) == (307, "https://shop.example/boots")
    assert (doubtful.status, told["error"]) == (400, "ambiguous_path")


def test_a_session_survives_all_deaths_but_that_of_its_instance(shop):
    first, served = ask(shop)
    back = {"Cookie": first.headers["Set-Cookie"].split(";")[0]}

    def again(times=6):
        """Ask with the cookie on connections of their own; give who answered, and whether a cookie was set."""
        answers = [ask(shop, **back) for _ in range(times)]
        return {body["who"] for _, body in answers}, any(one.headers["Set-Cookie"] for one, _ in answers)

    assert again() == ({served["who"]}, False)

    workers = [row["pid"] for row in shop.status()["workers"]]
    for pid in workers:
        kill(pid)
    shop.until(lambda status: len({row["pid"] for row in status["workers"]} - set(workers)) == 2)
    assert again() == ({served["who"]}, False)

    kill(shop.status()["supervisor_pid"])
    shop.up()
    assert again() == ({served["who"]}, False)

    shop.done("restart", "web")
    assert again() == ({served["who"]}, False)
    assert ask(shop, **back)[1]["pid"] != served["pid"]
