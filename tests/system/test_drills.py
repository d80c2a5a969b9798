import datetime as dt
from pathlib import Path

import pytest

from mainstay.base.errors import SystemFileError
from mainstay.system.difference import ADJUSTED, Change, difference
from mainstay.system.drills import FAULTS, Drills, Expect, Journal
from mainstay.system.load import load

SYSTEM = """\
zones: [a, b]
listeners:
  main: { at: "http://127.0.0.1:8000" }
  raw: { at: "tcp://127.0.0.1:8001" }
services:
  web: { command: run, listen: main }
  db: { command: run, listen: raw, instances: 1 }
  quiet: { command: run }
  pay: { addresses: ["http://10.0.0.1:81"], listen: "http://127.0.0.1:8002" }
drills:
"""
_DRILLS = "drills:\n"
FIRST = SYSTEM.count("\n") + 1
"""The line that the drills' keys begin on."""


@pytest.fixture
def read(tmp_path):
    def drills(keys, environ=None):
        file = tmp_path / "mainstay.yaml"
        file.write_text(SYSTEM + "".join(f"  {line}\n" for line in keys.splitlines()))
        return load(file, environ or {}).drills

    return drills


@pytest.fixture
def problems(read):
    def told(keys):
        with pytest.raises(SystemFileError) as refused:
            read(keys)
        return [(each.line - FIRST + 1, each.path, each.message) for each in refused.value.problems]

    return told


def test_without_a_word_a_private_copy_is_drilled_and_no_request_may_fail():
    drills = Drills()

    assert (drills.on, drills.lease, drills.load.rate) == ("isolated", 10.0, 100)
    assert drills.expected("kill", ["web-1", "web"]) == Expect()
    assert drills.expected("kill", ["web-1", "web"]).failed == 0
    assert drills.accepted("kill", ["web-1", "web"], dt.date(2027, 1, 1)) is None


def test_everything_that_can_be_told_is_read(read):
    drills = read(
        "on: live\n"
        "env: { DATABASE_URL: 'postgres://copy', VERSION: 1.10, AT: '${PORT}' }\n"
        "load:\n"
        "  rate: 300\n"
        "  fresh: 0%\n"
        "  deadline: 2s\n"
        "  requests:\n"
        "    - GET /\n"
        '    - { request: POST /orders, to: web, weight: 2, headers: { X: y }, body: \'{"id":"{id}"}\', writes: true }\n'
        "  from: traffic.har\n"
        "  journal: GET /orders.txt\n"
        "expect:\n"
        "  - { fault: kill, target: db, failed: 1%, gap: 2s, latency: 500ms }\n"
        "accept:\n"
        "  - { fault: zone-kill, target: a, reason: one database until the budget allows two, until: 2027-01-01 }\n"
        "abort: { failed: 20%, after: 1s, probe: curl -fs http://127.0.0.1/ }\n"
        "lease: 5s"
    )

    plain, order = drills.load.requests
    assert drills.on == "live"
    assert drills.env == {"DATABASE_URL": "postgres://copy", "VERSION": "1.10", "AT": "${PORT}"}
    assert (drills.load.rate, drills.load.fresh, drills.load.deadline) == (300, 0.0, 2.0)
    assert (plain.method, plain.path, plain.to, plain.writes) == ("GET", "/", None, False)
    assert (order.method, order.path, order.to, order.weight) == ("POST", "/orders", "web", 2)
    assert (order.headers, order.body, order.writes, order.names_itself) == (
        {"X": "y"},
        '{"id":"{id}"}',
        True,
        True,
    )
    assert drills.load.recorded == Path("traffic.har")
    assert drills.load.journal == Journal(None, "GET /orders.txt")
    assert drills.expect == [Expect(fault="kill", target="db", failed="1%", gap="2s", latency="500ms")]
    assert drills.accept[0].until == dt.date(2027, 1, 1)
    assert drills.abort.probe == "curl -fs http://127.0.0.1/"
    assert drills.lease == 5.0


@pytest.mark.parametrize("target", ["web", "web-2", "db-1", "a", "gateway", "'*'", "pay", "10.0.0.1:81"])
def test_a_target_is_what_the_system_has(read, target):
    assert read(f"expect: [{{ fault: kill, target: {target} }}]").expect[0].target == target.strip("'")


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_can_be_named(read, fault):
    assert read(f"accept: [{{ fault: {fault}, target: web, reason: known }}]").accept[0].fault == fault


@pytest.mark.parametrize(
    ("keys", "line", "path", "message"),
    [
        ("on: production", 1, "drills.on", "found 'production', allowed: isolated, live"),
        ("lode: {}", 1, "drills.lode", "unknown key; did you mean load?"),
        ("env: { PORT: 1 }", 1, "drills.env.PORT", "PORT is set by Mainstay"),
        ("lease: 500ms", 1, "drills.lease", "must be from 1s to 60s"),
        ("load: { rate: 0 }", 1, "drills.load.rate", "must be from 1 to 100000, not 0"),
        ("load: { form: a.har }", 1, "drills.load.form", "unknown key; did you mean from?"),
        ("load: { recorded: a.har }", 1, "drills.load.recorded", "unknown key"),
        ("load: { requests: [POST /] }", 1, "drills.load.requests[0]", "POST may change something"),
        ("load: { requests: [get /] }", 1, "drills.load.requests[0]", "'get /' is not a request"),
        ("load: { requests: [{ to: web }] }", 1, "drills.load.requests[0].request", "is required"),
        (
            "load:\n  requests:\n    - GET /\n    - { request: DELETE /x, writes: on }",
            4,
            "drills.load.requests[1].writes",
            "found 'on', allowed: true, false",
        ),
        ("load: { requests: [TRACE /] }", 1, "drills.load.requests[0]", "TRACE cannot be part of a load"),
        (
            "load: { requests: [{ request: GET /, body: x }] }",
            1,
            "drills.load.requests[0]",
            "a GET has no body",
        ),
        (
            "load: { requests: [{ request: GET /, headers: { Content-Length: '1' } }] }",
            1,
            "drills.load.requests[0].headers.Content-Length",
            "says how a message is sent",
        ),
        (
            "load: { requests: [{ request: GET /, headers: { X: 'a\\b', x: \"a\\nb\" } }] }",
            1,
            "drills.load.requests[0].headers.x",
            "is not the value of a header",
        ),
        (
            "load: { requests: [{ request: GET /, headers: { X: a, x: b } }] }",
            1,
            "drills.load.requests[0]",
            "has the header X twice",
        ),
        (
            "load: { requests: [{ request: GET /, to: wep }] }",
            1,
            "drills.load.requests[0].to",
            "there is no service and no listener wep; did you mean web?",
        ),
        (
            "load: { requests: [{ request: GET /, to: quiet }] }",
            1,
            "drills.load.requests[0].to",
            "it has no `listen`",
        ),
        (
            "load: { requests: [{ request: GET /, to: db }] }",
            1,
            "drills.load.requests[0].to",
            "it speaks TCP",
        ),
        (
            "load: { requests: [{ request: GET /, to: raw }] }",
            1,
            "drills.load.requests[0].to",
            "names listeners.raw, where no HTTP is spoken",
        ),
        ("load: { journal: HEAD /x }", 1, "drills.load.journal", "must be a file or a GET"),
        ("load: { journal: orders.txt }", 1, "drills.load.journal", "has nothing to be looked up"),
        ("expect: [{ fault: kil, target: web }]", 1, "drills.expect[0].fault", "did you mean kill?"),
        (
            "expect:\n  - { fault: kill }\n  - { target: wbe }",
            3,
            "drills.expect[1].target",
            "there is no 'wbe'; did you mean web?",
        ),
        (
            "expect: [{ target: web-3 }]",
            1,
            "drills.expect[0].target",
            "there is no 'web-3'; did you mean web-2?",
        ),
        ("accept: [{ fault: kill, target: web }]", 1, "drills.accept[0].reason", "is required, but missing"),
        (
            "accept: [{ fault: kill, target: web, reason: ' ' }]",
            1,
            "drills.accept[0].reason",
            "must say why",
        ),
        (
            "accept: [{ fault: kill, target: web, reason: x, until: 2027-02-30 }]",
            1,
            "drills.accept[0].until",
            "'2027-02-30' is not a date: write year, month and day, as in 2027-01-31",
        ),
        ("abort: { failed: 0% }", 1, "drills.abort.failed", "must be above 0"),
        ("abort: off", 1, "drills.abort", "must be a mapping of keys, not 'off'"),
    ],
)
def test_what_cannot_be_is_told_at_its_place(problems, keys, line, path, message):
    told = problems(keys)

    assert len(told) == 1, told
    assert told[0][:2] == (line, path)
    assert message in told[0][2]


def test_a_wrong_key_does_not_hide_a_target_that_is_not_there(problems):
    told = problems("lease: 0\nexpect: [{ target: wbe }]")

    assert [path for _, path, _ in told] == ["drills.lease", "drills.expect[0].target"]


def test_what_is_said_most_exactly_of_a_cell_counts():
    drills = Drills.model_validate(
        {
            "expect": [
                {"failed": "1%"},
                {"target": "web", "failed": "2%"},
                {"target": "web", "fault": "kill", "failed": "3%"},
                {"target": "web-1", "failed": "4%"},
                {"fault": "kill", "failed": "5%"},
                {"fault": "kill", "failed": "6%"},
            ]
        }
    )

    assert drills.expected("kill", ["web-1", "web"]).failed == 0.04
    assert drills.expected("kill", ["web-2", "web"]).failed == 0.03
    assert drills.expected("freeze", ["web-2", "web"]).failed == 0.02
    assert drills.expected("kill", ["db"]).failed == 0.05
    assert drills.expected("freeze", ["db"]).failed == 0.01


def test_an_acceptance_ends_after_its_last_day_and_a_wider_one_then_counts():
    drills = Drills.model_validate(
        {
            "accept": [
                {"fault": "kill", "target": "db", "reason": "one", "until": "2027-01-31"},
                {"fault": "*", "target": "*", "reason": "all"},
            ]
        }
    )

    last, after = dt.date(2027, 1, 31), dt.date(2027, 2, 1)
    assert drills.accepted("kill", ["db"], last).reason == "one"
    assert drills.accepted("kill", ["db"], after).reason == "all"
    assert drills.lapsed(last) == []
    assert [each.reason for each in drills.lapsed(after)] == ["one"]


def test_a_change_of_the_drills_needs_no_restart(tmp_path):
    def system(drills):
        (tmp_path / "mainstay.yaml").write_text(f"{SYSTEM.removesuffix(_DRILLS)}{drills}")
        return load(tmp_path / "mainstay.yaml", {})

    found = difference(system(""), system("drills: { lease: 5s, load: { rate: 50, from: a.har } }"))

    assert found.changes == (Change("drills", ADJUSTED, ("load.rate", "load.from", "lease")),)
    assert found.refusals() == []
