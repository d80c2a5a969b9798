"""What requests are called: by the letter of the W3C, and by nobody whose word is not taken."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.dice import Dice
from mainstay.gateway.http.trace import Tracer, parent_of, state_of
from mainstay.gateway.table import LogSettings, TraceSettings

TRACE, SPAN = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"
PARENT = b"00-%b-%b-01" % (TRACE, SPAN)
TOLD = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-0([0-3])")
ANYONE = TraceSettings(accept="anyone")

# --- by the letter ---


@pytest.mark.parametrize(
    ("value", "flags"),
    [
        (PARENT, 1),
        (b"00-%b-%b-00" % (TRACE, SPAN), 0),
        (b"00-%b-%b-02" % (TRACE, SPAN), 2),
        # Flags that mean nothing yet (§3.2.2.5), and versions to come (§3.2.4).
        (b"00-%b-%b-ff" % (TRACE, SPAN), 3),
        (b"01-%b-%b-01" % (TRACE, SPAN), 1),
        (b"cc-%b-%b-01-what-the-future-will-be-like.09" % (TRACE, SPAN), 1),
    ],
)
def test_a_valid_parent_is_read(value, flags):
    assert parent_of(value) == (TRACE, SPAN, flags)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"00",
        PARENT[:-1],
        PARENT + b"1",
        PARENT + b"-",
        PARENT + b"-what",
        PARENT + b"\n",
        b" " + PARENT,
        PARENT.upper(),
        b"ff" + PARENT[2:],
        b"0" + PARENT,
        b"cc" + PARENT[2:] + b".what",
        b"00-%b-%b-01" % (b"0" * 32, SPAN),
        b"00-%b-%b-01" % (TRACE, b"0" * 16),
        b"00-%b-%b-0x" % (TRACE, SPAN),
        b"00-%b-%b-1" % (TRACE, SPAN),
        PARENT.replace(b"-", b"_"),
        "00-0٣f7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".encode(),
    ],
)
def test_what_is_not_valid_is_no_parent(value):
    assert parent_of(value) is None


@given(st.binary(max_size=80))
def test_whatever_is_sent_a_parent_is_ids_of_the_right_size_or_none(value):
    parent = parent_of(value)

    assert parent is None or (len(parent.trace), len(parent.span)) == (32, 16)


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ([], b""),
        ([b"a=1"], b"a=1"),
        ([b"a=1,b=2", b"c=3"], b"a=1,b=2,c=3"),
        ([b" a=1 \t,\t , b=2 "], b"a=1,b=2"),
        ([b"1t@s_-*/=!~ x"], b"1t@s_-*/=!~ x"),
        ([b"k" * 256 + b"=" + b"v" * 256], b"k" * 256 + b"=" + b"v" * 256),
        ([b",".join(b"k%d=v" % one for one in range(32))], b",".join(b"k%d=v" % one for one in range(32))),
        # What is not valid is none at all (§3.3.1.3).
        ([b",".join(b"k%d=v" % one for one in range(33))], b""),
        ([b"a=1,a=2"], b""),
        ([b"a=1", b"a=2"], b""),
        ([b"A=1"], b""),
        ([b"a="], b""),
        ([b"a"], b""),
        ([b"=1"], b""),
        ([b"a=1=2"], b""),
        ([b"a b=1"], b""),
        ([b"k" * 257 + b"=1"], b""),
        ([b"a=" + b"v" * 257], b""),
        ([b"a=\xe4"], b""),
        ([b"a=1,b"], b""),
    ],
)
def test_a_state_is_passed_on_whole_or_not_at_all(values, state):
    assert state_of(values) == state


def test_chance_names_requests_and_no_two_alike():
    one, other = Tracer(TraceSettings(), Dice(1)), Tracer(TraceSettings(), Dice(2))

    names = [tracer.name() for tracer in (one, other) for _ in range(1000)]

    assert len(set(names)) == 2000
    assert all(re.fullmatch(rb"[0-9a-f]{32}", name) for name in names)


# --- with real connections ---


async def up(rig, trace, *count, **settings):
    rig.trace = trace
    return await rig.up(*count, **settings)


async def test_off_everything_passes_as_it_comes(rig):
    origin = await rig.up()
    headers = ("X-Request-ID: mine, yours", "traceparent: nonsense", "tracestate: a=1", "x_request_id: 3")
    origin.answer = lambda r: b"HTTP/1.1 200 OK\r\nX-Request-Id: theirs\r\nContent-Length: 0\r\n\r\n"

    answer = await rig.ask(rig.get("/", *headers))

    assert all(header.encode() in origin.requests[0].lines for header in headers[:3])
    assert answer.all("x-request-id") == ["theirs"]


async def test_a_request_without_a_name_gets_one_that_everybody_hears(rig):
    origin = await up(rig, TraceSettings(sample=0.0))

    answer = await rig.ask(rig.get())
    (told,) = origin.requests

    (name,) = told.all("x-request-id")
    assert answer.all("x-request-id") == [name]
    trace, span, flags = TOLD.fullmatch(told.get("traceparent")).groups()
    assert (trace, flags) == (name, "2")
    assert span not in name
    assert told.get("tracestate") is None


async def test_strangers_are_not_believed(rig):
    origin = await up(rig, TraceSettings())
    headers = [
        f"traceparent: {PARENT.decode()}",
        "tracestate: a=1",
        "X-Request-Id: mine",
        "X_Request_Id: his",
    ]

    answer = await rig.ask(rig.get("/", *headers))
    (told,) = origin.requests

    assert len(told.all("x-request-id")) == len(told.all("traceparent")) == 1
    assert told.get("tracestate") is None
    for mine in (TRACE, b"mine", b"his", b"a=1"):
        assert mine not in told.head
    assert answer.get("x-request-id") == told.get("x-request-id")


@pytest.mark.parametrize(("accept", "trusted"), [("anyone", []), ("trusted", ["127.0.0.1"])])
async def test_those_who_are_believed_are_followed(rig, accept, trusted):
    rig.trusted = trusted
    origin = await up(rig, TraceSettings(accept=accept))
    headers = [
        f"TraceParent: {PARENT.decode()}",
        "tracestate: a=1",
        "tracestate: b=2",
        "x-request-id:  mine ",
    ]

    answer = await rig.ask(rig.get("/", *headers))
    (told,) = origin.requests

    # Nobody records what we do, so the trace has no gap between who asked us and who answers.
    assert told.all("traceparent") == [PARENT.decode()]
    assert told.all("tracestate") == ["a=1,b=2"]
    assert told.all("x-request-id") == answer.all("x-request-id") == ["mine"]


@pytest.mark.parametrize(
    "headers",
    [
        ["traceparent: 00-zz", "tracestate: a=1"],
        [f"traceparent: {PARENT.decode()}"] * 2,
        ["tracestate: a=1"],
    ],
)
async def test_a_context_that_is_not_valid_begins_anew_without_its_state(rig, headers):
    origin = await up(rig, ANYONE)

    await rig.ask(rig.get("/", *headers))
    (told,) = origin.requests

    assert TOLD.fullmatch(told.get("traceparent"))[1] != TRACE.decode()
    assert told.get("tracestate") is None


@pytest.mark.parametrize("name", ["", "a b", "x" * 129, '"', "-a", "é", "a\tb", "a,b"])
async def test_a_name_that_is_not_sound_is_made_anew(rig, name):
    origin = await up(rig, ANYONE)

    answer = await rig.ask(rig.get("/", f"X-Request-Id: {name}"))

    assert re.fullmatch("[0-9a-f]{32}", answer.get("x-request-id"))
    assert origin.requests[0].all("x-request-id") == [answer.get("x-request-id")]


async def test_two_names_are_none(rig):
    await up(rig, ANYONE)

    answer = await rig.ask(rig.get("/", "X-Request-Id: a", "X-Request-Id: b"))

    assert re.fullmatch("[0-9a-f]{32}", answer.get("x-request-id"))


async def test_an_instance_cannot_rename_a_request(rig):
    origin = await up(rig, ANYONE)
    origin.answer = lambda r: (
        b"HTTP/1.1 200 OK\r\nX-REQUEST-ID: a\r\nX-Plain: b\r\nx-request-id: c\r\nContent-Length: 0\r\n\r\n"
    )

    answer = await rig.ask(rig.get("/", "X-Request-Id: mine"))

    assert answer.all("x-request-id") == ["mine"]
    assert answer.get("x-plain") == "b"


async def test_all_attempts_at_a_request_have_its_name(rig):
    origins = await up(rig, TraceSettings(), 2)
    for origin in origins:
        origin.answer = lambda r: rig.DROP

    await rig.ask(rig.get())

    first, second = (origin.requests[0] for origin in origins)
    assert first.get("x-request-id") == second.get("x-request-id")
    assert TOLD.fullmatch(first.get("traceparent"))[1] == TOLD.fullmatch(second.get("traceparent"))[1]


@pytest.mark.parametrize(
    "sent",
    [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"nonsense\r\n\r\n"],
    ids=["passed on", "refused", "no request"],
)
async def test_answers_of_our_own_have_a_name_that_the_log_knows(rig, tmp_path, sent):
    rig.log = LogSettings(path=str(tmp_path / "access.log"))
    origin = await up(rig, TraceSettings(), call={"retry": None})
    origin.answer = lambda r: rig.DROP

    answer = await rig.ask(sent)
    await rig.until(lambda: (tmp_path / "access.log").exists() and (tmp_path / "access.log").read_bytes())
    line = json.loads((tmp_path / "access.log").read_text())

    assert answer.get("mainstay-reason")
    assert answer.all("x-request-id") == [line["request_id"]]
    assert line["trace_id"] == (line["request_id"] if origin.requests else None)


@pytest.mark.parametrize("sample", [1e-9, 1.0])
async def test_the_share_that_is_to_be_recorded_is_flagged(rig, sample):
    origin = await up(rig, TraceSettings(sample=sample))

    for _ in range(5):
        await rig.ask(rig.get())

    assert {request.get("traceparent")[-2:] for request in origin.requests} == {"03" if sample == 1 else "02"}


async def test_it_is_switched_on_and_off_between_requests(rig):
    origin = await rig.up()
    client = await rig.client()

    for trace in (None, TraceSettings(), None):
        rig.trace = trace
        rig.apply()
        await client.ask(rig.get("/", "X-Request-Id: mine"))

    assert [request.get("x-request-id") == "mine" for request in origin.requests] == [True, False, True]


async def test_what_connection_lists_is_not_passed_on_and_ours_is(rig):
    origin = await up(rig, ANYONE)

    await rig.ask(rig.get("/", f"traceparent: {PARENT.decode()}", "Connection: traceparent, x-request-id"))

    assert len(origin.requests[0].all("traceparent")) == len(origin.requests[0].all("x-request-id")) == 1
