"""TLS by the real command: certificates change under load, and nobody notices."""

import http.client
import threading
import time

import pytest

from e2e.conftest import PATIENCE, kill
from pki import Authority
from ports import free_port

pytestmark = pytest.mark.e2e

SITE = """\
name: secured
gateway: { workers: 2 }
listeners:
  plain: { at: "http://127.0.0.1:PLAIN", redirect: "https:PORT_HERE" }
services:
  web:
    command: node server.js
    instances: 2
    listen: https://127.0.0.1:PORT_HERE
    tls: { cert: shop.crt, key: shop.key }
"""


class Visitors:
    """Clients that keep coming, each in a thread of its own: some stay connected, some come anew each time."""

    def __init__(self, site, context):
        self.site = site
        self.context = context
        self.asked = 0
        self.failed = []
        self.serials = set()
        self._going = True
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._visit, args=(stays,)) for stays in (True, True, False, False)
        ]
        for thread in self._threads:
            thread.start()

    def _visit(self, stays):
        connection = None
        while self._going:
            try:
                if connection is None:
                    connection = self._connect()
                connection.request("GET", "/")
                answer = connection.getresponse()
                answer.read()
                status = answer.status
                serial = connection.sock.getpeercert()["serialNumber"]
            except OSError as error:
                status, serial, connection = repr(error), None, None
            with self._lock:
                self.asked += 1
                if status != 200:
                    self.failed.append(status)
                elif not stays:
                    self.serials.add(serial)
            if not stays and connection is not None:
                connection.close()
                connection = None
            time.sleep(0.01)
        if connection is not None:
            connection.close()

    def _connect(self):
        connection = http.client.HTTPSConnection(
            "localhost", self.site.port, timeout=10, context=self.context
        )
        connection.connect()
        return connection

    def until(self, condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, (self.asked, self.failed, self.serials)
            time.sleep(0.05)

    def leave(self):
        self._going = False
        for thread in self._threads:
            thread.join()


@pytest.fixture
def ca(node):
    return Authority(node.folder)


@pytest.fixture
def visitors(node, ca):
    """Give the system with visitors."""
    ca.issue("localhost", into="shop")
    node.plain = free_port()
    while node.plain == node.port:
        node.plain += 1
    node.write(SITE.replace("PLAIN", str(node.plain)))
    node.up()
    made = Visitors(node, ca.client())
    yield made
    made.leave()


def renew(ca, folder, *, in_place):
    """Put another pair in the place of the one that is there, the key first."""
    ca.issue("localhost", into="new")
    for end in ("key", "crt"):
        if in_place:
            (folder / f"shop.{end}").write_bytes((folder / f"new.{end}").read_bytes())
        else:
            (folder / f"new.{end}").rename(folder / f"shop.{end}")
        time.sleep(0.2)  # so that they are seen to differ, if they are looked at now


def test_certificates_change_under_load_and_no_request_fails(node, ca, visitors):
    visitors.until(lambda: visitors.asked > 50)

    for count, in_place in enumerate((True, False, True), start=2):
        renew(ca, node.folder, in_place=in_place)
        visitors.until(lambda count=count: len(visitors.serials) >= count)

    visitors.leave()
    assert visitors.failed == []
    assert node.status()["certificates"][0]["trouble"] is None


def test_a_pair_that_does_not_belong_together_is_not_taken_not_even_by_a_new_worker(node, ca, visitors):
    visitors.until(lambda: visitors.serials)

    ca.issue("localhost", into="other")
    (node.folder / "other.key").rename(node.folder / "shop.key")
    status = node.until(lambda status: status["certificates"][0]["trouble"] is not None)
    before = visitors.asked
    visitors.leave()
    kill(status["workers"][0]["pid"])
    node.until(
        lambda now: {row["pid"] for row in now["workers"]} != {row["pid"] for row in status["workers"]}
    )
    again = Visitors(node, visitors.context)
    again.until(lambda: again.asked > 50)
    again.leave()

    assert before > 0
    assert "does not belong to the certificate" in status["certificates"][0]["trouble"]
    assert again.failed == []
    assert again.serials == visitors.serials


def test_a_supervisor_that_takes_over_goes_on_with_the_certificates(node, visitors):
    visitors.until(lambda: visitors.asked > 20)

    kill(node.status()["supervisor_pid"])
    node.up()
    asked = visitors.asked
    visitors.until(lambda: visitors.asked > asked + 20)

    visitors.leave()
    assert visitors.failed == []
    assert len(visitors.serials) == 1


def test_other_terms_are_taken_up_by_a_reload_and_no_request_fails(node, visitors):
    visitors.until(lambda: visitors.asked > 20)
    file = node.folder / "mainstay.yaml"

    file.write_text(file.read_text().replace("key: shop.key", "key: shop.key, min_version: 1.3, hsts: 60s"))
    node.done("reload")
    asked = visitors.asked
    visitors.until(lambda: visitors.asked > asked + 20)
    connection = http.client.HTTPSConnection("localhost", node.port, timeout=10, context=visitors.context)
    connection.request("GET", "/")
    answer = connection.getresponse()

    assert answer.getheader("Strict-Transport-Security") == "max-age=60"
    assert connection.sock.version() == "TLSv1.3"
    connection.close()
    visitors.leave()
    assert visitors.failed == []


def test_http_leads_to_https(node, ca, visitors):
    visitors.leave()
    connection = http.client.HTTPConnection("localhost", node.plain, timeout=10)
    connection.request("POST", "/orders?a=b", body="x")

    answer = connection.getresponse()

    assert answer.status == 308
    assert answer.getheader("Location") == f"https://localhost:{node.port}/orders?a=b"
    connection.close()


def test_a_file_that_cannot_be_used_starts_nothing(node, ca):
    ca.issue("localhost", into="shop")
    ca.issue("localhost", into="other")
    (node.folder / "other.key").rename(node.folder / "shop.key")
    node.write(SITE.replace("PLAIN", "1"))

    refused = node.mainstay("up", "--detach")

    assert refused.returncode == 3
    assert "services.web.tls.key: does not belong to the certificate" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_system_can_be_taken_down_when_its_certificates_are_gone(node, ca, visitors):
    visitors.leave()
    kill(node.status()["supervisor_pid"])
    (node.folder / "shop.key").unlink()

    node.done("down")

    with pytest.raises(OSError, match="refused"):
        http.client.HTTPConnection("localhost", node.port, timeout=10).connect()


def test_instances_that_speak_tls_are_believed_when_their_authority_is_told(site):
    ca = Authority(site.folder)
    ca.issue("localhost", into="inner")
    (site.folder / "server.py").write_text(
        "import http.server, os, ssl\n"
        "server = http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), "
        "http.server.SimpleHTTPRequestHandler)\n"
        "context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n"
        "context.load_cert_chain('inner.crt', 'inner.key')\n"
        "server.socket = context.wrap_socket(server.socket, server_side=True)\n"
        "server.serve_forever()\n"
    )
    site.write(
        "services:\n"
        "  web:\n"
        "    command: python3 server.py\n"
        "    instances: 2\n"
        "    listen: http://127.0.0.1:PORT_HERE\n"
        "    upstream_tls: { ca: ca.pem }\n"
    )

    site.up()
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    answers = []
    for _ in range(10):
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        answers.append(answer.status)
    connection.close()

    assert answers == [200] * 10
    assert [row["last_probe"]["said"] for row in site.status()["instances"]] == ["HTTP 501"] * 2
