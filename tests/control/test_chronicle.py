import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mainstay.control.chronicle import Chronicle, counted
from mainstay.gateway.tally import Tally
from mainstay.ledger.audit import audit
from mainstay.ledger.store import INSTANCE, SERVICE, Store, Subject, reading
from mainstay.ledger.writer import Writer
from mainstay.reliability.span import DEGRADED, DOWN, UP, uptime, within

if TYPE_CHECKING:
    from mainstay.base.facts import Fact

NOW = 1_800_000_000.0
WEB = Subject(SERVICE, "web", "web")
FIRST = Subject(INSTANCE, "web", "web-1")


class Rig:
    """A chronicle, what it is fed with, and its ledger."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.db"
        self.now = NOW
        self.tally = Tally()
        self.rows: list[dict[str, Any]] = []
        self.facts: list[Fact] = []
        self.begin()

    def begin(self) -> None:
        self.writer = Writer(self.path, lambda: self.now, lambda why, lost: None)
        self.chronicle = Chronicle(self.writer, lambda: self.rows, self.facts.append)

    def serve(self, *serving: bool) -> None:
        self.rows = [
            {"service": "web", "instance": f"web-{number}", "zone": "a", "serves": serves}
            for number, serves in enumerate(serving, start=1)
        ]
        self.chronicle.look(self.now)

    def count(self, pid: int, requests: int, failures: int = 0) -> None:
        self.tell(pid, requests, failures)
        self.note(pid)

    def note(self, *pids: int) -> None:
        workers = {f"{pid}/1": pid for pid in pids}
        self.chronicle.count(self.now, counted(self.tally.snapshot(), ["web"], workers))

    def tell(self, pid: int, requests: int, failures: int = 0) -> None:
        self.tally.take(
            pid,
            {
                "worker": 1,
                "services": {
                    "web": {
                        "requests": requests,
                        "failures": failures,
                        "classes": [0, 0, requests - failures, 0, 0, failures],
                        "durations": {"100": requests},
                        "micros": requests * 1000,
                        "scores": {
                            "web-1": {"attempts": requests, "answers 2": requests, "took 12": requests}
                        },
                        "instances": [],
                    }
                },
            },
        )

    def read(self) -> Store:
        self.writer.close()
        return reading(self.path)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    made.chronicle.begin([])
    yield made
    made.writer.close()


def test_what_workers_count_is_added_up_by_the_time_in_which_it_came(rig: Rig) -> None:
    rig.count(11, 100, 1)
    rig.now += 10
    rig.count(11, 130, 1)

    with rig.read() as store:
        assert store.counted(WEB, NOW, NOW + 10).counts["requests"] == 100
        assert store.counted(WEB, NOW + 10, NOW + 20).counts == {
            "requests": 30, "status_2xx": 30, "micros": 30_000,
        }  # fmt: skip
        assert store.counted(FIRST, NOW, NOW + 20).counts["requests"] == 130


def test_a_worker_that_ends_takes_nothing_with_it_and_is_not_counted_twice(rig: Rig) -> None:
    rig.count(11, 100)
    rig.tally.lost(11)
    rig.now += 2
    rig.count(12, 5)

    with rig.read() as store:
        assert store.counted(WEB, NOW, NOW + 60).counts["requests"] == 105


def test_what_a_worker_had_counted_before_is_not_counted_again_by_the_next_supervisor(rig: Rig) -> None:
    rig.count(11, 100)
    rig.writer.close()
    rig.tally = Tally()
    rig.now += 60
    rig.begin()

    rig.chronicle.begin(["11/1", "12/1"])
    rig.count(11, 160)

    with rig.read() as store:
        assert store.counted(WEB, NOW, NOW + 120).counts["requests"] == 160


def test_states_are_those_of_the_service_and_of_each_instance(rig: Rig) -> None:
    rig.serve(False, False)
    rig.now += 3
    rig.serve(True, True)
    rig.now += 10
    rig.serve(True, False)
    rig.now += 5
    rig.serve(False, False)
    rig.now += 2
    rig.serve(True, True)
    rig.chronicle.end(rig.now + 1)

    with rig.read() as store:
        spans = store.spans(WEB, NOW, NOW + 100, NOW + 100)
        assert [(span.state, span.since - NOW, span.until - NOW) for span in spans] == [
            (UP, 3, 13), (DEGRADED, 13, 18), (DOWN, 18, 20), (UP, 20, 21),
        ]  # fmt: skip
        first = store.spans(FIRST, NOW, NOW + 100, NOW + 100)
        assert [span.state for span in first] == [UP, DOWN, UP]


def test_the_time_without_a_supervisor_is_unknown(rig: Rig) -> None:
    rig.serve(True)
    rig.now += 10
    rig.count(11, 1)  # so that something is written now
    rig.writer.close()
    rig.now += 100
    rig.begin()
    rig.chronicle.begin([])
    rig.serve(True)
    rig.now += 5
    rig.chronicle.end(rig.now)

    with rig.read() as store:
        spans = store.spans(WEB, NOW, NOW + 200, NOW + 200)
        assert [(span.since - NOW, span.until - NOW) for span in spans] == [(0, 10), (110, 115)]


def test_trouble_of_users_becomes_an_incident_that_survives_a_restart(rig: Rig) -> None:
    rig.serve(True, True)
    rig.count(11, 100)
    rig.chronicle.keep({"fact": "InstanceExited", "at": rig.now + 1, "service": "web", "instance": "web-1"})
    rig.now += 2
    rig.count(11, 200, 50)
    assert [type(fact).__name__ for fact in rig.facts] == ["IncidentBegan"]
    rig.writer.close()

    rig.begin()
    rig.chronicle.begin(["11/1"])
    for _ in range(40):
        rig.now += 2
        rig.serve(True, True)
        rig.count(11, 200, 50)

    assert [type(fact).__name__ for fact in rig.facts] == ["IncidentBegan", "IncidentEnded"]
    with rig.read() as store:
        ((_, incident, _),) = store.incidents(NOW, NOW + 100)
        assert (incident.blame, incident.failed, incident.state.value) == ("web-1", 50, "over")
        assert store.open_incidents() == []


@pytest.mark.parametrize("step", [3600.0, 20.0, 0.0, -20.0, -3600.0])
def test_a_clock_that_is_set_makes_no_time_longer_or_shorter_than_it_was(rig: Rig, step: float) -> None:
    rig.serve(True)
    rig.now += 100
    rig.serve(False)
    rig.now += 30
    seen = rig.now
    rig.now += 2 + step

    rig.chronicle.lapse(seen, rig.now)
    rig.serve(False)
    rig.now += 10
    rig.serve(True)
    rig.now += 10
    rig.chronicle.end(rig.now)

    with rig.read() as store:
        spans = store.spans(WEB, NOW - 4000, NOW + 4000, NOW + 4000)
        assert all(span.seconds >= 0 for span in spans)
        assert sum(span.seconds for span in spans if span.state == DOWN) == (40 if step >= 0 else 30)
        assert audit(store) == []
        spent = uptime(within(spans, NOW - 4000, NOW + 4000))
        assert spent.down <= 40
        assert spent.served <= 110
        assert spent.watched + spent.unknown == 8000


def test_who_takes_over_during_an_outage_knows_that_it_is_one(rig: Rig) -> None:
    rig.serve(True)
    rig.count(11, 1)
    rig.now += 10
    rig.serve(False)
    rig.writer.close()
    rig.now += 5
    rig.begin()

    rig.chronicle.begin(["11/1"])
    rig.serve(False)
    rig.now += 7
    rig.serve(True)
    rig.chronicle.end(rig.now)

    with rig.read() as store:
        spans = within(store.spans(WEB, NOW, NOW + 22, NOW + 22), NOW, NOW + 22)
        assert [(span.state, span.since - NOW) for span in spans] == [
            (UP, 0), ("unknown", 10), (DOWN, 15),
        ]  # fmt: skip


def test_counts_of_workers_that_a_new_ledger_knows_nothing_of_are_not_taken_for_those_of_now(
    rig: Rig,
) -> None:
    rig.count(11, 100)
    rig.writer.close()
    for file in rig.path.parent.glob("ledger.db*"):
        file.unlink()
    rig.tally = Tally()
    rig.begin()

    rig.chronicle.begin(["11/1"])
    rig.count(11, 160)
    rig.count(11, 170)

    with rig.read() as store:
        assert store.counted(WEB, NOW, NOW + 120).counts["requests"] == 10


def test_workers_that_are_taken_over_and_heard_of_one_after_the_other_are_counted_once(rig: Rig) -> None:
    for pid, requests in ((11, 100), (12, 50)):
        rig.tell(pid, requests)
    rig.note(11, 12)
    rig.writer.close()
    rig.tally = Tally()
    rig.begin()
    rig.chronicle.begin(["11/1", "12/1"])

    rig.note(11, 12)
    rig.tell(11, 110)
    rig.note(11, 12)
    rig.writer.close()
    # Killed once more, before the other one was heard of.
    rig.tally = Tally()
    rig.begin()
    rig.chronicle.begin(["11/1", "12/1"])
    rig.tell(12, 55)
    rig.note(11, 12)
    rig.tell(11, 111)
    rig.tally.lost(11)
    rig.note(12)

    with rig.read() as store:
        assert store.counted(WEB, NOW, NOW + 60).counts["requests"] == 111 + 55


def test_nobody_has_watched_before_the_end_of_what_was_interrupted_is_written_down(rig: Rig) -> None:
    rig.serve(True)
    rig.count(11, 1)
    rig.writer.close()
    rig.now += 100
    rig.begin()
    # The writer writes before the chronicle begins: a take-over may last.
    rig.chronicle.keep({"fact": "InstanceAdopted", "at": rig.now})
    deadline = time.monotonic() + 20
    while rig.writer._waiting:
        assert time.monotonic() < deadline
        time.sleep(0.01)

    rig.chronicle.begin([])
    rig.serve(True)

    with rig.read() as store:
        spans = store.spans(WEB, NOW, NOW + 200, NOW + 200)
        assert [(span.since - NOW, span.until - NOW) for span in spans] == [(100, 100)]


def test_writing_never_waits_for_the_disk(rig: Rig) -> None:
    assert rig.writer.store is not None
    with rig.writer.store.writing():
        begun = time.monotonic()
        for _ in range(1000):
            rig.chronicle.keep({"fact": "InstanceStarted", "at": rig.now})
        assert time.monotonic() - begun < 1.0


def test_an_incident_while_a_drill_goes_on_says_so(rig: Rig) -> None:
    rig.serve(True)
    rig.chronicle.drilled = lambda service: service == "web"
    rig.now += 1

    rig.serve(False)

    with rig.read() as store:
        ((_, incident, _),) = store.incidents(NOW, NOW + 100)
        assert incident.drill
