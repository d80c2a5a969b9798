import pytest

from mainstay.system.listener import Listener
from mainstay.system.relocation import Relocation

MOVES = [
    (Listener("127.0.0.1", 18480), Listener("127.0.0.1", 21000)),
    (Listener("0.0.0.0", 80), Listener("127.0.0.1", 21001)),
    (Listener("shop.example", 443, "https"), Listener("127.0.0.1", 21002, "https")),
    (Listener("10.0.0.7", 18480), Listener("127.0.0.1", 21003)),
    (Listener("::", 8443, "https"), Listener("127.0.0.1", 21004, "https")),
]


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("http://127.0.0.1:18480", "http://127.0.0.1:21000"),
        ("http://localhost:18480/a?b=1", "http://127.0.0.1:21000/a?b=1"),
        ("ws://[::1]:18480/a", "ws://127.0.0.1:21000/a"),
        ("0.0.0.0:18480", "127.0.0.1:21000"),
        ("10.0.0.7:18480", "127.0.0.1:21003"),
        ("a=LOCALHOST:18480, b=127.0.0.1:80.", "a=127.0.0.1:21000, b=127.0.0.1:21001."),
        ("postgresql://me:secret@localhost:18480/shop", "postgresql://me:secret@127.0.0.1:21000/shop"),
        ("run -L 9000:127.0.0.1:18480", "run -L 9000:127.0.0.1:21000"),
        ("${API:-http://127.0.0.1:18480}", "${API:-http://127.0.0.1:21000}"),
        ("http://localhost", "http://127.0.0.1:21001"),
        ("https://shop.example/x", "https://127.0.0.1:21002/x"),
        ("shop.example:443", "127.0.0.1:21002"),
        ("https://localhost:8443", "https://localhost:21004"),
    ],
)
def test_an_address_of_a_listener_becomes_that_of_the_copys(text, new):
    assert Relocation(MOVES).of(text) == new


@pytest.mark.parametrize(
    "text",
    [
        *("18480", "118480", "localhost", "", "a:b:c"),
        *("127.0.0.1:118480", "127.0.0.1:184801", "1127.0.0.1:18480", "127.0.0.1:18480x"),
        *("my-localhost:18480", "x.shop.example:443", "shop.example.org:443", "localhost.:18480"),
        *("localhost:443", "https://localhost", "http://shop.example", "10.0.0.8:18480", "127.0.0.1:9"),
        "http://localhost:18480@elsewhere.example",
    ],
)
def test_what_is_another_word_stays(text):
    assert Relocation(MOVES).of(text) == text


def test_without_listeners_nothing_moves():
    assert Relocation([]).of("http://localhost:80") == "http://localhost:80"


def test_a_long_text_takes_no_long_time():
    # Quadratic backtracking would take minutes.
    for text in ("a-" * 100_000, "a.b:" * 50_000, "a://" * 50_000, "[:" * 50_000):
        assert Relocation(MOVES).of(text) == text
