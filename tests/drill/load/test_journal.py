"""Reading what became of writes, from a service that may itself have been broken a moment ago."""

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from mainstay.base.errors import EnvironmentProblem
from mainstay.drill.load.journal import compared
from mainstay.drill.load.mix import shop
from mainstay.drill.load.record import Record
from mainstay.drill.load.visit import Visit
from mainstay.drill.stage.entry import Entry
from mainstay.system.drills import DrillLoad, Journal

ASKED = Journal(None, "GET /orders.txt")
WRITES = [
    Record(n, f"r-{n}", "POST", "kept", 0, 0.5, 0.0, 0.6, "ok", 200, "POST /orders", True) for n in range(2)
]


@pytest.fixture
def journal(tmp_path):
    """Serve a journal with these statuses, one after another, the last for ever; gives who comes there."""
    servers = []

    def serve(*statuses):
        left = list(statuses)

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self):
                self.server.asked += 1
                self.send_response(left.pop(0) if len(left) > 1 else left[0])
                self.send_header("Content-Length", "8")
                self.end_headers()
                self.wfile.write(b"r-1\nr-9\n")

            def log_message(self, *words):
                del words

        server = HTTPServer(("127.0.0.1", 0), Answer)
        server.asked = 0
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        host = f"127.0.0.1:{server.server_port}"
        entry = Entry(name="web", listener="web", url=f"http://{host}", host=host, ways=(("web", "/"),))
        mix = shop(0.5, keyed=False)
        return server, [Visit(number=0, entry=entry, rate=1, load=DrillLoad(), mix=mix)]

    yield serve
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_journal_behind_what_was_broken_is_asked_again(journal, tmp_path):
    server, visits = journal(503, 502, 200)

    became = asyncio.run(compared(ASKED, tmp_path, visits, WRITES))

    assert (became.acknowledged, became.executed, became.lost) == (2, 1, ["r-0"])
    assert server.asked == 3


def test_a_journal_that_cannot_be_read_in_time_is_told(journal, tmp_path):
    server, visits = journal(503)

    with pytest.raises(EnvironmentProblem, match=r"GET /orders\.txt was answered with 503"):
        asyncio.run(compared(ASKED, tmp_path, visits, WRITES, patience=0.3))

    assert server.asked > 1


def test_a_journal_that_is_not_there_is_not_waited_for(journal, tmp_path):
    server, visits = journal(404, 200)

    with pytest.raises(EnvironmentProblem, match="was answered with 404"):
        asyncio.run(compared(ASKED, tmp_path, visits, WRITES))

    assert server.asked == 1


def test_nobody_who_listens_is_waited_for(journal, tmp_path):
    server, visits = journal(200)
    server.shutdown()
    server.server_close()

    with pytest.raises(EnvironmentProblem, match=r"GET /orders\.txt: .*refused"):
        asyncio.run(compared(ASKED, tmp_path, visits, WRITES, patience=0.0))


def test_a_file_that_is_not_there_yet_has_no_writes_in_it(journal, tmp_path):
    _, visits = journal(200)

    became = asyncio.run(compared(Journal(tmp_path / "orders", ""), tmp_path, visits, WRITES))

    assert (became.executed, became.lost) == (0, ["r-0", "r-1"])
