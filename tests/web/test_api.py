"""The control API, asked as the commands ask it; the control behind it is a stand-in that remembers."""

import json
from types import SimpleNamespace

import pytest

from mainstay.base.errors import CanaryRejected, EnvironmentProblem, MainstayError, Refused
from mainstay.control.recent import Recent
from mainstay.gateway.fault.spec import FaultProblem
from mainstay.redundancy.canary import CanarySpec
from mainstay.web.api import application


class Faults:
    """Remembers, likewise."""

    def __init__(self, asked):
        self.asked = asked

    async def begin(self, body):
        self.asked.append(("begin", body))
        if body["fault"] == "nonsense":
            raise FaultProblem("fault: 'nonsense' is not known")
        return {"id": "f-1", **body}

    def active(self):
        return [{"id": "f-1"}]

    async def renew(self, fault, lease):
        self.asked.append(("renew", fault, lease))
        if fault == "f-0":
            raise MainstayError("fault 'f-0' is over: ended")
        return {"id": fault}

    async def end(self, fault):
        self.asked.append(("end", fault))
        return {"id": fault, "acted": 3}

    async def end_all(self):
        return [{"id": "f-1"}]


class Control:
    """Remembers what it was asked."""

    def __init__(self):
        self.system = SimpleNamespace(services={"web": None, "api": None})
        self.facts = Recent("me", kept=2)
        self.facts.append({"fact": "InstanceStarted"})
        self.asked = []
        self.faults = Faults(self.asked)
        self.fails = None

    def status(self):
        return {"version": 1}

    async def restart(self, service, canary):
        self.asked.append(("restart", service, canary) if canary else ("restart", service))
        if self.fails:
            raise self.fails
        return {"verdict": "well"} if canary else None

    def marks(self):
        return []

    def begin_mark(self, asked):
        self.asked.append(("mark", asked))
        return {"mark": 1}

    def end_mark(self, number):
        self.asked.append(("unmark", number))
        return {"mark": number}

    async def scale(self, service, count):
        self.asked.append(("scale", service, count))


@pytest.fixture
def control():
    return Control()


@pytest.fixture
def ask(control):
    stopped = []

    async def upgrade():
        if control.fails is not None:
            raise control.fails
        return {"version": 1, "upgrading": True, "before": "1.0.0", "after": "1.1.0", "at": 5.0}

    app = application(control, lambda: stopped.append(True), upgrade)

    async def asked(method, path, body=b"", query=""):
        sent = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [],
            "query_string": query.encode(),
            "root_path": "",
        }
        await app(scope, receive, send)
        content = b"".join(message.get("body", b"") for message in sent)
        status = sent[0]["status"]
        return status, json.loads(content) if status < 404 or status == 409 else content

    asked.stopped = stopped
    return asked


async def test_what_can_be_read(ask):
    assert await ask("GET", "/v1/status") == (200, {"version": 1})


async def test_marks_are_begun_ended_and_told(ask, control):
    begun = await ask("POST", "/v1/marks", b'{"reason": "a larger disk"}')
    ended = await ask("POST", "/v1/marks/1/end")
    told = await ask("GET", "/v1/marks")
    odd = await ask("POST", "/v1/marks/\u0661/end")
    broken = await ask("POST", "/v1/marks", b"{")

    assert begun == (200, {"version": 1, "mark": 1})
    assert ended == (200, {"version": 1, "mark": 1})
    assert told == (200, {"version": 1, "marks": []})
    assert control.asked == [("mark", {"reason": "a larger disk"}), ("unmark", 1)]
    assert (odd[0], broken[0]) == (400, 400)


async def test_facts_are_given_once_to_who_tells_what_is_known(ask, control):
    _, first = await ask("GET", "/v1/facts")
    for name in ("InstanceExited", "InstanceStarted", "InstanceBecameReady"):
        control.facts.append({"fact": name})
    _, second = await ask("GET", "/v1/facts", query=f"since={first['cursor']}")

    assert first == {"version": 1, "facts": [{"fact": "InstanceStarted"}], "cursor": "me-1", "missed": 0}
    assert [fact["fact"] for fact in second["facts"]] == ["InstanceStarted", "InstanceBecameReady"]
    assert second["missed"] == 1


async def test_a_service_is_restarted_and_scaled(ask, control):
    restarted = await ask("POST", "/v1/services/web/restart")
    scaled = await ask("POST", "/v1/services/api/scale", b'{"instances": 5}')

    assert restarted == (200, {"version": 1, "service": "web", "restarted": True})
    assert scaled == (200, {"version": 1, "service": "api", "instances": 5})
    assert control.asked == [("restart", "web"), ("scale", "api", 5)]


async def test_a_service_that_is_not_there_is_told_with_the_nearest_one(ask, control):
    status, said = await ask("POST", "/v1/services/wbe/restart")

    assert status == 400
    assert said == {
        "version": 1,
        "error": "no service 'wbe'; there are: web, api; did you mean 'web'?",
        "exit_code": 2,
    }
    assert control.asked == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"nonsense",
        b'{"instances": "5"}',
        b'{"instances": 0}',
        b'{"instances": true}',
        b'{"instances": 1001}',
        b'{"instances": 2.5}',
    ],
)
async def test_a_number_that_cannot_be_is_refused(ask, control, body):
    status, said = await ask("POST", "/v1/services/web/scale", body)

    assert status == 400
    assert said["exit_code"] == 2
    assert control.asked == []


@pytest.mark.parametrize(
    "problem", [MainstayError("web-1 did not become ready"), Refused("web is being restarted")]
)
async def test_what_went_wrong_is_passed_on_with_its_exit_code(ask, control, problem):
    control.fails = problem

    assert await ask("POST", "/v1/services/web/restart") == (
        409,
        {"version": 1, "error": str(problem), "exit_code": 1},
    )


async def test_a_canary_is_asked_for_and_its_figures_are_told(ask, control):
    plain = await ask("POST", "/v1/services/web/restart", b'{"canary": {}}')
    told = await ask("POST", "/v1/services/web/restart", b'{"canary": {"watch": 5, "requests": 0}}')

    answer = {"version": 1, "service": "web", "restarted": True, "canary": {"verdict": "well"}}
    assert plain == told == (200, answer)
    assert control.asked == [
        ("restart", "web", CanarySpec()),
        ("restart", "web", CanarySpec(watch=5.0, requests=0)),
    ]


async def test_a_canary_that_was_taken_back_is_told_with_its_figures(ask, control):
    control.fails = CanaryRejected("web-1 fails more than the others", {"verdict": "worse"})

    status, said = await ask("POST", "/v1/services/web/restart", b'{"canary": {}}')

    assert (status, said["exit_code"], said["canary"]) == (409, 1, {"verdict": "worse"})


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{",
        b'{"canary": true}',
        b'{"canary": {"watch": 0}}',
        b'{"canary": {"watch": "5s"}}',
        b'{"canary": {"watch": 1e9}}',
        b'{"canary": {"watch": NaN}}',
        b'{"canary": {"requests": -1}}',
        b'{"canary": {"requests": true}}',
        b'{"canary": {"errors": 1}}',
    ],
)
async def test_a_canary_that_cannot_be_is_refused(ask, control, body):
    status, said = await ask("POST", "/v1/services/web/restart", body)

    assert (status, said["exit_code"]) == (400, 2)
    assert "from 0 to 1000000 requests" in said["error"]
    assert control.asked == []


async def test_an_upgrade_is_answered_before_it_begins(ask):
    refused, _ = await ask("GET", "/v1/upgrade")
    said = await ask("POST", "/v1/upgrade")

    assert refused == 405
    assert said == (200, {"version": 1, "upgrading": True, "before": "1.0.0", "after": "1.1.0", "at": 5.0})


async def test_an_upgrade_that_cannot_be_is_told(ask, control):
    control.fails = EnvironmentProblem("the installed program would not run this system")

    assert await ask("POST", "/v1/upgrade") == (
        409,
        {"version": 1, "error": "the installed program would not run this system", "exit_code": 6},
    )


async def test_the_end_is_only_asked_for_by_post(ask):
    refused, _ = await ask("GET", "/v1/stop")
    said = await ask("POST", "/v1/stop")

    assert refused == 405
    assert said == (200, {"version": 1, "stopping": True})
    assert ask.stopped == [True]


async def test_faults_are_begun_renewed_and_ended(ask, control):
    body = {"fault": "refuse", "service": "web"}

    assert await ask("POST", "/v1/faults", json.dumps(body).encode()) == (
        200,
        {"version": 1, "id": "f-1", **body},
    )
    assert await ask("GET", "/v1/faults") == (200, {"version": 1, "faults": [{"id": "f-1"}]})
    assert await ask("POST", "/v1/faults/f-1/renew") == (200, {"version": 1, "id": "f-1"})
    assert await ask("POST", "/v1/faults/f-1/renew", b'{"lease": 5}') == (200, {"version": 1, "id": "f-1"})
    assert await ask("POST", "/v1/faults/f-1/end") == (200, {"version": 1, "id": "f-1", "acted": 3})
    assert await ask("POST", "/v1/faults/end") == (200, {"version": 1, "faults": [{"id": "f-1"}]})
    assert control.asked == [
        ("begin", body),
        ("renew", "f-1", None),
        ("renew", "f-1", 5),
        ("end", "f-1"),
    ]


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/v1/faults", b"nonsense", (400, "the body must be JSON")),
        ("/v1/faults", b'{"fault": "nonsense"}', (400, "fault: 'nonsense' is not known")),
        ("/v1/faults/f-1/renew", b"[]", (400, 'the body must be empty or {"lease": SECONDS}')),
        ("/v1/faults/f-1/renew", b'{"laese": 1}', (400, 'the body must be empty or {"lease": SECONDS}')),
        ("/v1/faults/f-0/renew", b"", (409, "fault 'f-0' is over: ended")),
    ],
)
async def test_what_cannot_be_done_about_faults_is_told(ask, path, body, expected):
    status, said = await ask("POST", path, body)

    assert (status, said["error"]) == expected
