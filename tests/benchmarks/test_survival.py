"""The survival benchmark: what it makes of what was seen; and that its service breaks as it is told."""

import http.client
import json
import time

import pytest
from benchmarks.survival import plot, report
from benchmarks.survival.bounds import judged
from benchmarks.survival.faults import FAULTS
from benchmarks.survival.instances import Arrival, Herd
from benchmarks.survival.matrix import keep, middle
from benchmarks.survival.queues import unread
from benchmarks.survival.reading import Told, detected, entry

from mainstay.base.dice import Dice
from mainstay.drill.load.record import Head, Record
from mainstay.supervisor.port import Ports

BEGIN = 100.0
TOLD = {"begin": BEGIN, "broken": BEGIN + 4, "healed": BEGIN + 8}


def head(*, keyed=False):
    return Head("http://127.0.0.1:1", "u", BEGIN, 1_700_000_000.0, {"keyed": keyed}, {})


def record(number, at, *, method="GET", took=0.01, outcome="ok"):
    status = {"ok": 200, "status": 502}.get(outcome, 0)
    return Record(
        number,
        f"o{number}",
        method,
        "kept",
        1,
        at,
        0.0,
        at + took,
        outcome,
        status,
        f"{method} /",
        method == "POST",
    )


def users():
    """Give ten seconds of users, of whom one GET and one POST fail, and one GET is slow."""
    plain = [record(number, number / 10) for number in range(100)]
    plain[45] = record(45, 4.5, outcome="reset")
    plain[46] = record(46, 4.6, method="POST", outcome="status")
    plain[47] = record(47, 4.7, took=1.0)
    plain[48] = record(48, 4.8, method="POST")
    return plain


def test_what_failed_is_counted_by_kind_and_latency_is_that_of_the_fault():
    keyed = [record(1000, 5.0, method="POST", outcome="timeout")]
    told = Told(**TOLD, journal=["o48 web-1 7"])

    made = entry([(head(), users()), (head(keyed=True), keyed)], told)

    assert made["sent"] == {"get": 98, "post": 2, "keyed": 1}
    assert made["failed"] == {"get": 1, "post": 1, "keyed": 1}
    assert made["failures"]["post"] == {"status 502": 1}
    assert made["p50"] == 10.0
    assert made["max"] == 1000.0
    assert made["last_failure"] == 1000.0
    assert made["slow"] == 1
    assert "detect" not in made


def test_an_order_in_the_journal_twice_is_doubled_and_one_that_is_not_there_is_lost():
    keyed = [record(1000, 5.0, method="POST"), record(1001, 5.1, method="POST")]
    told = Told(**TOLD, journal=["o1000 web-1 7", "o1000 web-2 8", "o46 web-1 7", "o46 web-2 8"])

    made = entry([(head(), users()), (head(keyed=True), keyed)], told)

    assert made["doubled"] == {"post": 1, "keyed": 1}
    assert made["lost"] == 2


@pytest.mark.parametrize(
    ("arrivals", "seconds"),
    [
        ([], 0.0),
        ([99.0, 104.01, 104.05, 108.5], 0.05),
        # A probe a second later does not make it a part of the rotation again.
        ([104.01, 105.0, 106.0], 0.01),
        ([104.0 + step / 100 for step in range(400)], None),
    ],
)
def test_an_instance_is_left_out_when_nothing_comes_to_it_for_a_while(arrivals, seconds):
    found = detected(arrivals, 104.0, 108.0)

    assert found == (None if seconds is None else pytest.approx(seconds))


def arrived(*times, kind="get"):
    return [Arrival(at, kind) for at in times]


def test_posts_that_fail_after_an_instance_was_left_out_once_need_not_have_failed():
    early = entry([(head(), users())], Told(**TOLD, arrivals=[arrived(104.1, 104.6, kind="post")]))
    late = entry(
        [(head(), users())], Told(**TOLD, arrivals=[[*arrived(104.1), *arrived(104.6, kind="post")]])
    )
    checked = entry([(head(), users())], Told(**TOLD, arrivals=[arrived(104.1, kind=None)]))

    assert (early["caught"], early["avoidable"]) == (2, 0)
    assert (late["caught"], late["avoidable"]) == (2, 1)
    assert "caught" not in checked
    assert checked["detect"] == pytest.approx(100)


def test_a_zone_is_left_out_when_its_last_instance_is():
    told = Told(**TOLD, arrivals=[arrived(104.02), arrived(104.2, 104.4)])

    made = entry([(head(), users())], told)

    assert made["detect"] == pytest.approx(400)
    assert made["caught"] == 3


def test_what_mainstay_told_is_counted_from_the_fault_on():
    wall = 1_700_000_000.0
    facts = [
        {"fact": "InstanceBecameReady", "at": wall},
        {"fact": "InstanceExited", "at": wall + 4.003},
        {"fact": "InstanceBecameReady", "at": wall + 4.2},
    ]

    made = entry([(head(), users())], Told(**TOLD, facts=facts))

    assert made["exit_told"] == pytest.approx(3, abs=0.1)
    assert made["back"] == pytest.approx(200, abs=0.1)


def results():
    """Give three rounds of two systems, one of them worse, and a fault that one of them cannot have."""
    made = {
        "cells": {},
        "machine": {"processors": 2, "kernel": "6", "python": "3"},
        "versions": {"mainstay": "1", "nginx": "2"},
        "skipped": [],
    }
    good = entry([(head(), [record(n, n / 10) for n in range(100)])], Told(**TOLD))
    bad = entry([(head(), users())], Told(**TOLD, journal=["o48", "o48"], arrivals=[[]]))
    for fault in ("none", "slow"):
        for _ in range(3):
            keep(made, "10", fault, "mainstay", bad if fault == "slow" else good)
            keep(made, "10", fault, "nginx", good)
    keep(made, "10", "worker", "mainstay", good)
    keep(made, "10", "worker", "nginx", None)
    return made


def test_the_report_tells_each_cell_and_each_bound_that_was_missed():
    told = report.text(results())

    assert "1 + 1 + 0, 1000 3 twice!" in told
    worker = next(line for line in told.splitlines() if FAULTS["worker"].title in line)
    assert worker.split()[-1] == "-"
    missed = {(one.fault, one.what) for one in judged(results()) if not one.met}
    assert ("slow", "POSTs executed twice") in missed
    assert ("slow", "GETs failed") in missed
    assert {fault for fault, _ in missed} == {"slow"}


def test_the_picture_has_every_row_and_system():
    drawn = plot.svg(results())

    assert all(FAULTS[fault].title in drawn for fault in ("none", "slow", "worker"))
    assert "nginx" in drawn


def test_what_never_came_counts_as_later_than_all_else():
    assert middle([{"detect": 5.0}, {"detect": None}, {"detect": None}], "detect") is None
    assert middle([{"detect": 5.0}, {"detect": None}, {"detect": 7.0}], "detect") == 7.0


def ask(port, path="/", *, method="GET", headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.fixture
def shop(tmp_path):
    """Give three instances of the service."""
    ports = Ports(Dice(time.time_ns()))
    taken = [ports.reserve() for _ in range(3)]
    herd = Herd(tmp_path, [port.number for port in taken], cores="0", work=1)
    try:
        herd.start()
        yield herd
    finally:
        herd.end()
        for port in taken:
            port.release()


def test_the_service_breaks_as_it_is_told_and_counts_what_reaches_it(shop):
    name = shop.names[0]
    port = shop.look(name).port
    seen = []
    for mode in ("well", "unavailable", "closing", "dying", "well"):
        shop.mode(name, mode)
        try:
            seen.append(ask(port)[0])
        except (http.client.HTTPException, ConnectionError) as problem:
            seen.append(type(problem))

    assert seen == [200, 503, http.client.RemoteDisconnected, http.client.IncompleteRead, 200]
    assert [one.kind for one in shop.arrivals(name)] == ["get"] * 5
    assert shop.zone() == ["web-1", "web-3"]


def test_an_order_with_a_key_is_done_once_by_all_instances_together(shop):
    def order(name, **more):
        headers = {"X-Order-Id": "o1", **more}
        return ask(shop.look(name).port, "/orders", method="POST", headers=headers)

    keyed = [order(name, **{"Idempotency-Key": '"o1"'})[0] for name in shop.names]
    once = len(shop.journal())
    plain = order("web-2")

    assert keyed == [201, 200, 200]
    assert once == 1
    assert plain[0] == 201
    assert json.loads(plain[1])["id"] == "o1"
    assert len(shop.journal()) == 2


def test_what_a_stopped_process_has_not_read_is_told_by_the_kernel(shop):
    port = shop.look("web-1").port
    shop.signal("web-1", 19)
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        before = unread(port)
        connection.request("GET", "/")
        while (waiting := unread(port)) == 0:
            time.sleep(0.001)
    finally:
        connection.close()

    assert before == 0
    assert waiting > 20


def test_a_dead_instance_is_started_again_and_a_living_one_is_left_alone(shop):
    before = [shop.look(name).pid for name in shop.names]
    shop.signal("web-1", 9)
    shop.replace("web-2")
    while shop.look("web-1").pid == before[0]:
        shop.revive("web-1")
    shop.revive("web-3")

    after = [shop.look(name).pid for name in shop.names]
    assert after[0] != before[0]
    assert after[1] != before[1]
    assert after[2] == before[2]
    assert all(ask(shop.look(name).port)[0] == 200 for name in shop.names)
