"""What may stand in for a service that cannot be asked."""

import pytest

from mainstay.base.errors import SystemFileError
from mainstay.system.load import load

SERVICES = """\
services:
  shop:
    command: run
    listen: http://127.0.0.1:8080
    fallback: {fallback}
  lite: {{ command: run, listen: "http://127.0.0.1:8081" }}
  queue: {{ command: run, listen: "tcp://127.0.0.1:8082" }}
  batch: {{ command: run }}
"""


@pytest.fixture
def read(tmp_path):
    def reading(fallback):
        file = tmp_path / "mainstay.yaml"
        file.write_text(SERVICES.format(fallback=fallback))
        return load(file).services["shop"].fallback

    return reading


def test_there_is_none_unless_told(read):
    assert read("off") is None


def test_another_service_may_stand_in(read):
    assert read("{ service: lite }").service == "lite"


def test_an_answer_may_stand_in_which_is_a_503_and_a_page_unless_told(read):
    found = read("{ body: soon }")

    assert (found.service, found.status, found.body, found.type) == (
        None,
        503,
        "soon",
        "text/html; charset=utf-8",
    )


@pytest.mark.parametrize(
    ("fallback", "message"),
    [
        ("{ service: shop }", "names the service itself: that is what cannot be asked then"),
        ("{ service: light }", "there is no service light; did you mean lite?"),
        ("{ service: queue }", "names queue, which takes no requests over HTTP: it speaks TCP"),
        ("{ service: batch }", "names batch, which takes no requests over HTTP: it has no `listen`"),
        ("{ service: lite, body: soon }", "has a service, which answers by itself, and also body"),
        ("{ type: text/plain }", "needs a service, or a status or body of a fixed answer"),
        ("on", "found 'on', allowed: off, or a mapping of its keys"),
        ("{ status: 99 }", "99"),
        ('{ body: soon, type: "a b" }', "type"),
    ],
)
def test_what_cannot_stand_in_is_refused_and_told_why(read, fallback, message):
    with pytest.raises(SystemFileError) as refused:
        read(fallback)

    assert message in str(refused.value)
