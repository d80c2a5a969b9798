"""A small shop for experiments: it serves a catalogue from a file, as long as the file is there."""

import http.server
import threading

import pytest


class Shop(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        file = self.server.catalogue
        status, body = (200, file.read_bytes()) if file.exists() else (503, b'{"error": "no catalogue"}')
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


@pytest.fixture
def shop(tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    server.catalogue = tmp_path / "catalogue.json"
    server.catalogue.write_text('{"items": [{"name": "rope", "price": 12}]}')
    server.url = f"http://127.0.0.1:{server.server_port}/catalogue"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
