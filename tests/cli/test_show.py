"""What people read: tables that fit, spans and latencies, facts as sentences, problems as lines."""

import io
import json

import pytest
from rich.console import Console

from mainstay.base import facts
from mainstay.base.errors import MainstayError, OtherFileError, Problem, SystemFileError
from mainstay.cli import show


@pytest.fixture
def terminal(monkeypatch):
    """Give what a terminal of a width, or a file, would have got."""

    def made(width=None):
        heard = io.StringIO()
        console = Console(file=heard, width=width or 160, force_terminal=width is not None, color_system=None)
        monkeypatch.setattr(show, "out", console)
        monkeypatch.setattr(show, "err", console)
        return heard

    return made


def row(**changed):
    plain = {
        "service": "web",
        "instance": "web-1",
        "zone": "",
        "generation": 1,
        "pid": 4711,
        "port": 20001,
        "state": "up",
        "uptime": 61.0,
        "restarts": 0,
        "in_flight": 2,
        "requests": 1234,
        "failures": 0,
        "p50": 0.0021,
        "p99": 0.031,
        "cpu": 0.5,
        "memory": 50 * 2**20,
        "last_exit": None,
        "last_probe": None,
        "next_try": None,
    }
    return plain | changed


def state(*rows):
    service = {"service": "web", "listen": "http://127.0.0.1:80", "instances": len(rows), "up": 1}
    counted = {"requests": 5, "failures": 1, "retries": 0, "in_flight": 0, "p50": None, "p99": 0.2}
    return {
        "system": "shop",
        "phase": "running",
        "uptime": 5.0,
        "supervisor_pid": 1,
        "workers": [{"worker": 1, "pid": 2, "clients": 0}],
        "services": [service | counted],
        "instances": list(rows),
    }


def test_a_file_gets_every_column_on_one_line(terminal):
    heard = terminal()

    show.status(state(row()))

    line = next(line for line in heard.getvalue().splitlines() if line.startswith("web-1"))
    assert line.split() == [
        "web-1",
        "-",
        "1",
        "4711",
        "20001",
        "up",
        "1m",
        "1s",
        "0",
        "2",
        "1,234",
        "0",
        "2.1",
        "ms",
        "31",
        "ms",
        "50%",
        "50",
        "MiB",
    ]


def test_bytes_are_shown_where_some_passed_through_tunnels(terminal):
    heard = terminal()
    tunnels = state(row())
    tunnels["services"][0] |= {"received": 1536, "sent": 0}

    show.status(state(row()))
    without = heard.getvalue()
    show.status(tunnels)

    assert "received" not in without
    line = next(line for line in heard.getvalue().splitlines() if "KiB" in line)
    assert line.split()[-4:] == ["1.5", "KiB", "0", "B"]


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 B"),
        (9, "9 B"),
        (1023, "1,023 B"),
        (1024, "1.0 KiB"),
        (10240, "10 KiB"),
        (5 * 2**50, "5,120 TiB"),
    ],
)
def test_bytes_are_written_as_people_count_them(count, said):
    assert show.bytes_(count) == said


def test_panic_is_shown_and_so_is_who_is_left_out(terminal):
    heard = terminal()
    panicking = state(row(ejected=1), row(instance="web-2", ejected=2), row(instance="web-3", ejected=0))
    panicking["services"][0] |= {"panicking": True, "shunned": ["a"]}

    show.status(panicking)

    lines = heard.getvalue().splitlines()
    assert "web: panic: no instance is usable, so all are used" in lines
    assert "web: zone a is asked last: instances there failed" in lines
    assert "web-1: left out by a gateway worker, for its traffic" in lines
    assert "web-2: left out by 2 gateway workers, for its traffic" in lines
    assert not any("web-3" in line and "left out" in line for line in lines)


@pytest.mark.parametrize("width", [50, 80, 110, 200])
def test_no_line_is_wider_than_the_terminal(terminal, width):
    heard = terminal(width)

    show.status(state(row(), row(instance="web-2", state="crash loop")))

    tables = [
        line for line in heard.getvalue().splitlines() if line.startswith(("web", "instance", "service"))
    ]
    assert max(map(len, tables)) <= width
    assert any("crash loop" in line for line in tables)


def test_a_trouble_is_told_with_its_reason_and_last_words(terminal, monkeypatch):
    heard = terminal()
    monkeypatch.setattr(show.time, "time", lambda: 1000.0)
    exited = {"at": 990.0, "reason": "exit code 3", "log": [f"line {n}" for n in range(15)]}

    show.status(state(row(state="crash loop", last_exit=exited, next_try=1002.5)))

    said = heard.getvalue()
    assert "web-1: last exit 10s ago: exit code 3; next try in 2.5s" in said
    assert "    line 14" in said
    assert "line 2\n" not in said


def test_the_last_check_is_told_only_when_it_matters(terminal):
    heard = terminal()
    failed = {"ok": False, "said": "HTTP 503", "seconds": 0.1}

    show.status(state(row(state="down", last_probe=failed), row(instance="web-2", last_probe=failed)))

    assert heard.getvalue().count("last health check: HTTP 503") == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.4, "0s"), (59.9, "59s"), (60, "1m 0s"), (3661, "1h 1m"), (90061, "1d 1h"), (-3, "0s")],
)
def test_a_span_has_its_two_largest_units(seconds, text):
    assert show.span(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (0.0021, "2.1 ms"), (0.0449, "45 ms"), (2.0, "2000 ms")]
)
def test_a_latency_is_in_milliseconds(seconds, text):
    assert show.millis(seconds) == text


def test_every_fact_is_a_sentence_of_its_own():
    who = {"at": 0.0, "service": "web", "instance": "web-1", "generation": 2}
    told = {
        facts.InstanceStarted(**who): "web-1 started",
        facts.InstanceExited(**who, reason="exit code 1"): "web-1 ended: exit code 1",
        facts.HealthChanged(**who, before="up", after="down", because="fell"): "web-1 health: up -> down",
        facts.BreakerMoved(
            **who, before="open", after="closed", because="x"
        ): "web-1 circuit breaker: open -> closed",
        facts.PanicBegan(at=0.0, service="web"): "web no usable instance is left: all are used",
        facts.WorkerExited(at=0.0, worker=1, pid=7, reason="killed"): "gateway worker 1 ended: killed",
        facts.CertificatesRejected(
            at=0.0, key="services.web.tls", reason="no such file"
        ): "services.web.tls goes on as it was: no such file",
        facts.SpanExportBroke(
            at=0.0, collector="http://a:1", because="Connection refused"
        ): "system cannot send spans to http://a:1: Connection refused; requests are answered as before",
        facts.SpanExportMended(
            at=0.0, collector="http://a:1", lost=7
        ): "system sends spans to http://a:1 again; 7 are missing",
    }
    of_workers = {
        facts.ZoneShunned(
            at=0.0, service="web", zone="a", until=9.0
        ): "web of zone a asked last by gateway worker 2: instances there failed",
        facts.ZoneRefilled(
            at=0.0, service="web", zone="a"
        ): "web of zone a given its share again by gateway worker 2",
        facts.OverloadBegan(
            at=0.0, service="web", limit=8
        ): "web does not keep up: gateway worker 2 gives it 8 requests at once",
        facts.OverloadEnded(at=0.0, service="web"): "web keeps up again with what gateway worker 2 gives it",
    }

    for fact, sentence in of_workers.items():
        assert show.fact(fact.record() | {"worker": 2}) == sentence
    for fact, sentence in told.items():
        assert show.fact(fact.record()) == sentence


def test_facts_of_certificates_say_which_and_when():
    changed = facts.CertificatesChanged(at=0.0, key="services.web.tls", names=["a.example", "b.example"])
    nameless = facts.CertificatesChanged(at=0.0, key="services.pay.upstream_tls", names=[])
    soon = facts.CertificateNearedExpiry(at=0.0, key="services.web.tls", name="a", until=93600.0, days=1)
    over = facts.CertificateNearedExpiry(at=9.0, key="services.web.tls", name="a", until=1.0, days=-1)

    assert show.fact(changed.record()) == "services.web.tls taken up anew, for a.example, b.example"
    assert show.fact(nameless.record()) == "services.pay.upstream_tls taken up anew"
    assert show.fact(soon.record()) == "services.web.tls (a) expires in 1d 2h"
    assert show.fact(over.record()) == "services.web.tls (a) has expired"


def test_certificates_are_shown_with_the_time_that_they_have_left(terminal, monkeypatch):
    heard = terminal()
    monkeypatch.setattr(show.time, "time", lambda: 1000.0)
    good = {"key": "services.web.tls", "name": "a.example", "names": ["a.example"], "trouble": None}

    certificates = [good | {"until": 1000.0 + 86400 * 40}, good | {"until": 999.0, "trouble": "is gone"}]
    show.status(state(row()) | {"certificates": certificates})

    said = heard.getvalue()
    assert "a.example        1      40d 0h  services.web.tls" in said
    assert "a.example        1     expired  services.web.tls" in said
    assert "its new files cannot be used: is gone" in said


def test_problems_of_a_system_file_are_lines_an_editor_can_follow(terminal):
    heard = terminal()

    show.problem(
        SystemFileError("a.yaml", [Problem(3, 5, "services.web", "found x"), Problem(0, 0, "", "is empty")])
    )

    assert heard.getvalue().splitlines() == [
        "a.yaml:3:5: services.web: found x",
        "a.yaml: is empty",
        "2 problems in the system file; nothing was changed",
    ]


def test_markup_in_a_message_is_only_text(terminal):
    heard = terminal()

    show.problem(MainstayError("cannot read '[red]x[/]'"))

    assert heard.getvalue() == "mainstay: cannot read '[red]x[/]'\n"


def test_json_is_json(capsys):
    show.data({"a": [1, None]})

    assert json.loads(capsys.readouterr().out) == {"a": [1, None]}


def test_of_another_file_nobody_says_that_it_is_the_system_file(capsys):
    show.problem(OtherFileError("tree.xml", [Problem(3, 1, "or", "has no inputs")]))

    assert capsys.readouterr().err.splitlines() == ["tree.xml:3:1: or: has no inputs"]
