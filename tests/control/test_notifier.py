import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mainstay.base.facts import AlertFired, AlertResolved
from mainstay.control import notifier
from mainstay.control.delivery import Trouble, deliver
from mainstay.control.notice import notice, trial
from mainstay.control.notifier import MOST, Messenger, Notifier
from mainstay.system.alerts import Destination

FIRED = AlertFired(
    at=1_800_000_000.0,
    service="web",
    objective="availability",
    severity="page",
    promise="99.9% good",
    burn=20.0,
    window=3600.0,
    bad_events=20,
    events=1000,
    budget_left=0.6,
).record()
OVER = AlertResolved(
    at=1_800_000_600.0,
    service="web",
    objective="availability",
    severity="page",
    lasted=600.0,
    because="the short window is good",
).record()
NOTICE = notice("shop", FIRED, FIRED)


class Receiver:
    """Takes what is posted."""

    def __init__(self) -> None:
        self.took: list[tuple[str, Any]] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.took.append((self.path, json.loads(body)))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.end_headers()

            def log_message(self, *words: object) -> None:
                del words

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def to(**keys: object) -> Destination:
    return Destination.model_validate(keys)


def until(what: Callable[[], object]) -> None:
    limit = time.monotonic() + 30
    while not what():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_a_webhook_gets_the_alert_as_json(receiver: Receiver, tmp_path: Path) -> None:
    assert deliver(to(webhook=f"{receiver.url}/hook?a=b"), NOTICE, tmp_path) is None

    assert receiver.took == [("/hook?a=b", NOTICE)]
    assert NOTICE["text"] == (
        "shop: web availability is in danger (page): 99.9% good was promised, and 20 of 1000 were bad in 1h;"
        " 60% of the budget is left"
    )


def test_alertmanager_gets_its_own_form(receiver: Receiver, tmp_path: Path) -> None:
    there = to(alertmanager=receiver.url)

    for told in (NOTICE, notice("shop", OVER, FIRED), trial("shop", 1_800_000_000.0)):
        assert deliver(there, told, tmp_path) is None

    assert {path for path, _ in receiver.took} == {"/api/v2/alerts"}
    (firing,), (over,), (test,) = (body for _, body in receiver.took)
    assert firing["labels"] == {
        "alertname": "MainstayErrorBudgetBurns",
        "system": "shop",
        "service": "web",
        "objective": "availability",
        "severity": "page",
    }
    assert firing["startsAt"] == over["startsAt"] == "2027-01-15T08:00:00.000Z"
    assert test["labels"]["alertname"] == "MainstayTest"


def test_a_command_gets_the_alert_on_its_standard_input(tmp_path: Path) -> None:
    there = to(command="cat > told.json && test -s told.json")

    assert deliver(there, NOTICE, tmp_path) is None

    assert json.loads((tmp_path / "told.json").read_text()) == NOTICE


@pytest.mark.parametrize(
    ("keys", "trouble"),
    [
        ({"command": ["sh", "-c", "exit 3"]}, Trouble("it ended with exit code 3")),
        ({"command": "sleep 60", "timeout": "100ms"}, Trouble("it did not end within 0.1s")),
        ({"command": ["no-such-program"]}, Trouble("no such file or directory")),
        ({"webhook": "http://127.0.0.1:1/"}, Trouble("connection refused")),
    ],
)
def test_it_says_why_somebody_could_not_be_told(
    keys: dict[str, Any], trouble: Trouble, tmp_path: Path
) -> None:
    assert deliver(to(**keys), NOTICE, tmp_path) == trouble


@pytest.mark.parametrize(("status", "lasting"), [(500, False), (429, False), (404, True), (302, False)])
def test_an_answer_that_will_not_change_is_not_asked_for_again(
    status: int, lasting: bool, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.answers = [status]

    assert deliver(to(webhook=receiver.url), NOTICE, tmp_path) == Trouble(f"it answered {status}", lasting)


def test_who_answers_a_byte_at_a_time_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def drip() -> None:
            client, _ = server.accept()
            with client:
                try:
                    while not ended.wait(0.05):
                        client.send(b"H")
                except OSError:
                    pass

        thread = threading.Thread(target=drip)
        thread.start()
        there = to(webhook=f"http://127.0.0.1:{server.getsockname()[1]}", timeout="300ms")

        trouble = deliver(there, NOTICE, tmp_path)

        ended.set()
        thread.join()
    assert trouble is not None
    assert trouble.because == "it did not answer within 0.3s"


def test_it_tries_again_and_goes_on(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "_FIRST", 0.01)
    receiver.answers = [503, 503, 200]
    untold: list[str] = []
    ours = Notifier(tmp_path, lambda *words: untold.append(" ".join(words)))
    ours.follow([to(webhook=receiver.url), to(webhook=f"{receiver.url}/tickets", severity="ticket")])

    ours.tell(NOTICE)
    ours.tell(notice("shop", OVER, FIRED))
    until(lambda: len(receiver.took) == 4)
    ours.close()

    assert [body["status"] for _, body in receiver.took] == ["firing", "firing", "firing", "resolved"]
    assert untold == []


def test_who_cannot_be_told_is_a_fact_and_holds_up_nobody(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "_FIRST", 0.01)
    untold: list[tuple[str, str]] = []
    ours = Notifier(tmp_path, lambda *words: untold.append(words))
    ours.follow([to(webhook="http://127.0.0.1:1/secret"), to(webhook=receiver.url)])

    ours.tell(NOTICE)
    until(lambda: untold and receiver.took)
    ours.close()

    assert untold == [("webhook http://127.0.0.1:1", "connection refused")]


def test_what_goes_on_is_told_again_to_alertmanager_only(receiver: Receiver, tmp_path: Path) -> None:
    ours = Notifier(tmp_path, lambda *_: None)
    ours.follow([to(webhook=receiver.url), to(alertmanager=receiver.url)])

    for now in (100.0, 110.0, 161.0):
        ours.repeat(now, [NOTICE])
    ours.close()

    assert [path for path, _ in receiver.took] == ["/api/v2/alerts"] * 2


def test_what_waits_is_bounded(tmp_path: Path) -> None:
    messenger = Messenger(to(command="cat"), tmp_path, lambda *_: None)

    for _ in range(3 * MOST):
        messenger.tell(NOTICE)

    assert len(messenger._waiting) <= MOST
    messenger._waiting.clear()
    messenger.end()
    messenger.join(30)
