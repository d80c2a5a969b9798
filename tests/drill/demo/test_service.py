import http.client
import json
import os
import signal
import socket
from pathlib import Path

import pytest

from mainstay.base.errors import EnvironmentProblem, SpecError
from mainstay.drill.demo.server import Request
from mainstay.drill.demo.service import Journal, Service, Settings, main

# The settings and the answers, without a process


def test_the_environment_tells_the_settings():
    settings = Settings.read(
        {
            "PORT": "9000",
            "HOST": "::1",
            "MAINSTAY_INSTANCE": "web-2",
            "JOURNAL": "j",
            "BOOT": "2s",
            "WORK": "0",
        }
    )

    assert settings == Settings(
        port=9000, host="::1", instance="web-2", journal=Path("j"), boot=2.0, work=0.0
    )


def test_all_but_the_port_has_a_default():
    assert Settings.read({"PORT": "9000", "JOURNAL": ""}) == Settings(port=9000)


@pytest.mark.parametrize(
    "told", [{}, {"PORT": ""}, {"PORT": "http"}, {"PORT": "-1"}, {"PORT": "65536"}, {"PORT": "²"}]
)
def test_a_port_that_is_none_is_refused(told):
    with pytest.raises(SpecError, match="PORT must be a port number"):
        Settings.read(told)


def test_a_boot_without_unit_is_refused():
    with pytest.raises(SpecError, match="has no unit"):
        Settings.read({"PORT": "9000", "BOOT": "2"})


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal", "web-1")
    yield journal
    journal.close()


@pytest.fixture
async def site(journal):
    return Service(Settings(port=1, instance="web-1"), journal)


def request(method="POST", path="/orders", order="", body=b"", keyed=False):
    return Request(method, path, order, keyed, body, keep=True)


async def test_the_front_page_tells_who_answered_and_takes_its_time(site):
    answer = site.answer(request("GET", "/?q"))

    assert (answer.status, answer.said, answer.work) == (
        200,
        {"instance": "web-1", "pid": os.getpid()},
        0.005,
    )


@pytest.mark.parametrize(
    ("order", "body"), [("a1", b""), ("", b'{"id": "a1"}'), ("a1", b'{"id": "a1", "item": "rope"}')]
)
async def test_an_order_is_written_down_before_it_is_worked_on(site, tmp_path, order, body):
    answer = site.answer(request(order=order, body=body))

    assert (tmp_path / "journal").read_text() == f"a1 web-1 {os.getpid()}\n"
    assert (answer.status, answer.said["id"], answer.work) == (201, "a1", 0.005)
    assert answer.extra == "X-Order-Id: a1\r\n"


@pytest.mark.parametrize(
    ("order", "body"),
    [
        ("", b""),
        ("", b"nonsense"),
        ("", b"[]"),
        ("", b"{}"),
        ("", b"\xff"),
        ("", b'{"id": 7}'),
        ("two words", b""),
        ("", b'{"id": "a\\nb"}'),
        ("x" * 129, b""),
        ("a1", b'{"id": "a2"}'),
    ],
)
async def test_an_order_without_a_good_id_is_refused_and_not_written_down(site, tmp_path, order, body):
    answer = site.answer(request(order=order, body=body))

    assert answer.status == 400
    assert answer.said["error"]
    assert (tmp_path / "journal").read_text() == ""


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/", 200),
        ("GET", "/healthz", 200),
        ("OPTIONS", "*", 200),
        ("OPTIONS", "/", 200),
        ("DELETE", "/orders", 405),
        ("POST", "/", 405),
        ("GET", "/nowhere", 404),
    ],
)
async def test_each_route_has_its_status(site, method, path, status):
    assert site.answer(request(method, path)).status == status


async def test_it_is_not_healthy_once_it_stops(site):
    site.stop()

    assert site.answer(request("GET", "/healthz")).status == 503
    assert site.empty.is_set()


def test_a_journal_that_cannot_be_written_is_the_machines_problem(tmp_path):
    with pytest.raises(EnvironmentProblem, match="cannot be written: Is a directory"):
        Journal(tmp_path, "web-1")


def test_without_a_journal_orders_are_just_forgotten():
    journal = Journal(None, "web-1")

    journal.append("a1")
    journal.close()


def test_what_is_wrong_with_the_environment_is_said_with_an_exit_code(capsys):
    code = main({"PORT": "none"})

    assert code == 3
    assert capsys.readouterr().err == "mainstay service: PORT must be a port number, not 'none'\n"


def test_a_port_that_is_taken_is_said_with_an_exit_code(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        code = main({"PORT": str(port)})

    assert code == 6
    assert f"127.0.0.1:{port} cannot be listened on: " in capsys.readouterr().err


# The process


def test_it_serves_over_kept_connections_and_ends_with_0_on_sigterm(service, tmp_path):
    one = service(JOURNAL=tmp_path / "j", MAINSTAY_INSTANCE="web-3")
    connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=5)

    connection.request("GET", "/")
    front = json.loads(connection.getresponse().read())
    connection.request("POST", "/orders", '{"id": "a1"}')
    order = json.loads(connection.getresponse().read())
    code, words = one.end()
    connection.close()

    assert front == {"instance": "web-3", "pid": one.pid}
    assert order == {"id": "a1", "instance": "web-3", "pid": one.pid}
    assert (tmp_path / "j").read_text() == f"a1 web-3 {one.pid}\n"
    assert (code, words) == (0, "web-3 stops\n")


def test_it_finishes_what_is_in_progress_before_it_ends(service):
    one = service(WORK="500ms")
    with socket.create_connection(("127.0.0.1", one.port), 5) as asking:
        asking.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        # Answered in the order of arrival: once this is, the other is in progress.
        one.ask("GET", "/healthz")

        code, _ = one.end()

        answer = b"".join(iter(lambda: asking.recv(4096), b""))
    assert code == 0
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Connection: close\r\n" in answer


def test_several_processes_share_a_journal(service, tmp_path):
    ones = [service(JOURNAL=tmp_path / "j", MAINSTAY_INSTANCE=f"web-{number}") for number in (1, 2)]

    for number in range(10):
        assert ones[number % 2].ask("POST", "/orders", f'{{"id": "a{number}"}}')[0] == 201

    lines = [line.split() for line in (tmp_path / "j").read_text().splitlines()]
    assert [name for name, _, _ in lines] == [f"a{number}" for number in range(10)]
    assert {(instance, pid) for _, instance, pid in lines} == {
        (f"web-{number}", str(one.pid)) for number, one in enumerate(ones, 1)
    }


def test_it_does_not_listen_before_it_has_booted(service):
    one = service(BOOT="300ms", wait=False)

    early = []
    while not early or early[-1] != 0:
        with socket.socket() as asking:
            early.append(asking.connect_ex(("127.0.0.1", one.port)))

    assert len(early) > 1
    assert one.until("listens on")


def test_it_can_be_stopped_while_it_boots(service):
    one = service(BOOT="60s", wait=False)
    # A handler is in place once SIGTERM is among the signals it catches.
    caught = 1 << (signal.SIGTERM - 1)
    while not caught & int(
        Path(f"/proc/{one.pid}/status").read_text().split("SigCgt:\t")[1].split("\n")[0], 16
    ):
        pass

    code, words = one.end()

    assert (code, words) == (0, "")


def test_it_can_be_started_again_on_its_port_at_once(service):
    one = service()
    one.ask("GET", "/")
    one.end(signal.SIGKILL)

    again = service(PORT=one.port)

    assert again.ask("GET", "/")[0] == 200


async def test_a_keyed_order_is_done_once_whoever_repeats_it(tmp_path):
    path = tmp_path / "journal"
    journals = [Journal(path, name) for name in ("web-1", "web-2")]
    first, second = (Service(Settings(port=1), journal) for journal in journals)

    answers = [site.answer(request(order="a1", keyed=True)) for site in (first, second, first)]
    other = second.answer(request(order="a2", keyed=True))

    assert [answer.status for answer in answers] == [201, 200, 200]
    assert other.status == 201
    assert [line.split()[:2] for line in path.read_text().splitlines()] == [["a1", "web-1"], ["a2", "web-2"]]
    for journal in journals:
        journal.close()


async def test_an_order_without_a_key_is_done_as_often_as_it_comes(site, tmp_path):
    for _ in range(2):
        assert site.answer(request(order="a1")).status == 201
