"""Each example does what its system file and its README say of it."""

import json
import shutil
import signal
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
PORTS = {"node": "NODE_LISTEN_PORT", "python": "PYTHON_LISTEN_PORT", "static": "STATIC_LISTEN_PORT"}


@pytest.fixture
def example(start, port):
    """Start one instance of an example as the supervisor would."""

    def started(name, argv, **environ):
        told = {"PORT": str(port), "MAINSTAY_INSTANCE": "web-1"} | {k: str(v) for k, v in environ.items()}
        return start(argv, told, cwd=EXAMPLES / name).listening()

    return started


@pytest.mark.parametrize(("name", "variable"), PORTS.items())
def test_its_system_file_loads_and_its_port_can_be_moved(name, variable):
    load = pytest.importorskip("mainstay.system.load").load

    usual = load(EXAMPLES / name / "mainstay.yaml", {})
    moved = load(EXAMPLES / name / "mainstay.yaml", {variable: "18099"})

    (service,) = usual.services.values()
    (elsewhere,) = moved.services.values()
    assert service.listen.host == "127.0.0.1"
    assert service.listen.port == 8080 + list(PORTS).index(name)
    assert elsewhere.listen.port == 18099


@pytest.mark.parametrize("name", PORTS)
def test_it_has_a_readme_that_says_how_to_start_it(name):
    words = (EXAMPLES / name / "README.md").read_text()

    assert words.startswith("# ")
    assert f"cd examples/{name}\n" in words
    assert "mainstay up" in words
    assert PORTS[name] in words


def node_or_skip():
    return shutil.which("node") or pytest.skip("there is no node on this machine")


SHOPS = {"node": lambda: [node_or_skip(), "server.js"], "python": lambda: [sys.executable, "app.py"]}


@pytest.mark.parametrize("name", SHOPS)
def test_a_shop_serves_journals_and_stops_in_good_order(example, tmp_path, name):
    one = example(name, SHOPS[name](), JOURNAL=tmp_path / "j")

    front = json.loads(one.ask("GET", "/")[1])
    health, _ = one.ask("GET", "/healthz")
    status, order = one.ask("POST", "/orders", '{"id": "a1"}', {"Content-Type": "application/json"})
    refused, _ = one.ask("POST", "/orders", '{"id": "a b"}', {"Content-Type": "application/json"})
    code, _ = one.end(signal.SIGTERM)

    assert front == {"instance": "web-1", "pid": one.pid}
    assert (health, status) == (200, 201)
    assert json.loads(order) == {"id": "a1", "instance": "web-1"}
    assert 400 <= refused < 500
    assert (tmp_path / "j").read_text() == f"a1 web-1 {one.pid}\n"
    # uvicorn ends itself by the signal it was stopped with, after it has finished.
    assert code in (0, -signal.SIGTERM)


def test_the_static_site_shows_its_page(example, port):
    one = example(
        "static",
        ["/bin/sh", "-c", "exec python3 -m http.server --bind 127.0.0.1 --directory public ${PORT}"],
    )

    status, page = one.ask("GET", "/")

    assert status == 200
    assert "Still here" in page
