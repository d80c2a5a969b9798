"""What is written down of requests, with real connections."""

import asyncio
import json
import re

import pytest

from mainstay.gateway.log import accesslog
from mainstay.gateway.table import Limits, LogSettings
from mainstay.gateway.tcp import relay


@pytest.fixture
def file(tmp_path):
    return tmp_path / "access.log"


async def up(rig, log, *count, **settings):
    rig.log = log
    return await rig.up(*count, **settings)


def lines(file):
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


async def logged(rig, file, count=1):
    """Wait until so many lines are in the file, and give them."""
    await rig.until(lambda: len(lines(file)) >= count)
    return lines(file)


async def test_a_request_is_written_down_with_all_that_is_known(rig, file):
    await up(rig, LogSettings(path=str(file)))

    await rig.ask(rig.request("POST", "/a?b=c", body=b"12345"))
    (line,) = await logged(rig, file)

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    times = [line.pop("upstream"), line.pop("duration")]
    assert 0 < line.pop("first_byte") <= times[1] < 5
    assert times == sorted(times)
    assert line == {
        "client": "127.0.0.1",
        "listener": "web",
        "service": "web",
        "instance": "web-1",
        "attempts": 1,
        "method": "POST",
        "target": "/a?b=c",
        "status": 200,
        "bytes_in": 5,
        "bytes_out": 2,
        "retried": False,
        "reason": None,
        "cancelled": False,
        "request_id": None,
        "trace_id": None,
        "tunnel": False,
    }


async def test_a_retried_request_is_one_line_that_says_so(rig, file):
    first, second = await up(rig, LogSettings(path=str(file)), 2)
    first.answer = second.answer = lambda r: (
        rig.DROP
        if not (first.requests and second.requests)
        else b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    )

    await rig.ask(rig.get())
    (line,) = await logged(rig, file)

    assert (line["attempts"], line["retried"], line["status"]) == (2, True, 200)
    assert line["instance"] in ("web-1", "web-2")
    assert 0 < line["upstream"] < line["duration"]


async def test_answers_in_chunks_and_without_a_length_are_counted(rig, file):
    origin = await up(rig, LogSettings(path=str(file)))
    body = b"x" * 100_000
    origin.answer = lambda r: (
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        if r.target == b"/long"
        else b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    )

    await rig.ask(rig.get("/long"))
    await rig.ask(rig.get("/chunked"))
    long, chunked = await logged(rig, file, 2)

    assert long["bytes_out"] == 100_000
    assert chunked["bytes_out"] == len(b"5\r\nhello\r\n0\r\n\r\n")


async def test_our_own_answers_have_their_reason(rig, file):
    origin = await up(rig, LogSettings(path=str(file)), call={"retry": None})
    origin.answer = lambda r: rig.DROP

    answer = await rig.ask(rig.get())
    (line,) = await logged(rig, file)

    assert (line["status"], line["reason"]) == (502, "broken_answer")
    assert (line["instance"], line["attempts"]) == ("web-1", 1)
    assert line["bytes_out"] == len(answer.body)
    assert line["first_byte"] is None


async def test_an_answer_that_was_cut_has_its_status_and_a_reason(rig, file):
    origin = await up(rig, LogSettings(path=str(file)))

    async def raw(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nbegun")
        await writer.drain()

    origin.raw = raw
    client = await rig.client()
    client.send(rig.get())
    await client.rest()
    (line,) = await logged(rig, file)

    assert (line["status"], line["reason"], line["bytes_out"]) == (200, "broken_answer", 5)
    assert line["first_byte"] is not None


async def test_a_client_that_leaves_is_written_down_without_a_status(rig, file):
    origin = await up(rig, LogSettings(path=str(file), sample=1e-9))
    origin.answer = lambda r: asyncio.sleep(30)
    client = await rig.client()
    client.send(rig.get())
    await rig.until(lambda: origin.requests)

    client.abort()
    (line,) = await logged(rig, file)

    assert (line["status"], line["cancelled"], line["reason"]) == (None, True, None)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", ("GET", "/", 400, "bad_host")),
        (b'GET /"b HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', ("GET", '/"b', 400, "bad_host")),
        (b"GET nonsense\r\n\r\n", (None, None, 400, "bad_request")),
        (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", ("TRACE", "/", 501, "method")),
    ],
)
async def test_what_is_refused_is_written_down_as_far_as_it_was_understood(rig, file, sent, told):
    await up(rig, LogSettings(path=str(file)))

    answer = await rig.ask(sent)
    (line,) = await logged(rig, file)

    assert answer.status == told[2]
    assert (line["method"], line["target"], line["status"], line["reason"]) == told
    assert (line["instance"], line["attempts"], line["upstream"]) == (None, 0, None)


async def test_a_connection_too_many_is_written_down(rig, file):
    await up(rig, LogSettings(path=str(file)))
    rig.worker.most_clients = 0

    client = await rig.client()
    await client.answer()
    (line,) = await logged(rig, file)

    assert (line["status"], line["reason"], line["listener"]) == (503, "crowded", "web")


async def test_combined_takes_referer_and_agent_from_the_head(rig, file):
    await up(rig, LogSettings(path=str(file), format="combined"))

    await rig.ask(rig.get("/", 'User-Agent: "x"\tyes', "Referer: https://a.example/"))
    await rig.until(lambda: file.exists() and file.read_text())

    assert re.fullmatch(
        r'127\.0\.0\.1 - - \[[^\]]+\] "GET / HTTP/1\.1" 200 2 "https://a\.example/" "\\"x\\"\\x09yes"\n',
        file.read_text(),
    )


async def test_a_sample_leaves_out_what_went_well_and_nothing_else(rig, file):
    origin = await up(rig, LogSettings(path=str(file), sample=1e-9))
    origin.answer = lambda r: (
        b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
        if r.target == b"/bad"
        else b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
    )

    for target in ("/", "/bad", "/"):
        await rig.ask(rig.get(target))
    await rig.ask(b"GET / HTTP/1.1\r\n\r\n")
    found = await logged(rig, file, 2)

    assert [line["status"] for line in found] == [500, 400]


async def test_what_does_not_fit_is_dropped_and_counted_and_no_request_waits(rig, file, monkeypatch):
    monkeypatch.setattr(accesslog, "MOST", 2)
    await up(rig, LogSettings(path=str(file)))
    rig.worker.access_log._handle.cancel()  # nobody makes lines
    client = await rig.client()

    answers = [await client.ask(rig.get()) for _ in range(5)]

    assert {answer.status for answer in answers} == {200}
    assert rig.worker.counted()["sums"]["access_log_lines_dropped"] == 3


async def test_a_file_that_cannot_be_written_is_told_once_and_requests_go_on(rig, tmp_path, monkeypatch):
    monkeypatch.setattr(accesslog, "_EVERY", 0.005)
    folder = tmp_path / "logs"
    await up(rig, LogSettings(path=str(folder / "access.log")))

    statuses = [(await rig.ask(rig.get())).status for _ in range(3)]
    await rig.until(lambda: rig.line.facts("AccessLogBroke"))
    await rig.until(lambda: rig.worker.counted()["sums"]["access_log_lines_dropped"] == 3)
    folder.mkdir()
    await rig.ask(rig.get())
    await rig.until(lambda: rig.line.facts("AccessLogMended"))

    assert statuses == [200] * 3
    (broke,), (mended,) = rig.line.facts("AccessLogBroke"), rig.line.facts("AccessLogMended")
    assert (broke["path"], broke["because"]) == (str(folder / "access.log"), "No such file or directory")
    assert mended["lost"] == 3
    sums = rig.worker.counted()["sums"]
    assert (sums["access_log_lines"], sums["access_log_lines_dropped"]) == (1, 3)


async def test_at_the_end_everything_is_in_the_file(rig, file):
    await up(rig, LogSettings(path=str(file)))
    client = await rig.client()
    for _ in range(200):
        await client.ask(rig.get())

    await rig.worker.close()

    assert len(lines(file)) == 200


async def test_a_log_is_switched_on_moved_and_off_while_requests_come(rig, file, tmp_path):
    await rig.up()
    await rig.ask(rig.get("/none"))

    rig.log = LogSettings(path=str(file))
    rig.apply()
    log = rig.worker.access_log
    rig.apply()
    assert rig.worker.access_log is log
    await rig.ask(rig.get("/one"))
    rig.log = LogSettings(path=str(tmp_path / "other.log"))
    rig.apply()
    await rig.ask(rig.get("/two"))
    rig.log = None
    rig.apply()
    await rig.ask(rig.get("/none"))

    await rig.until(lambda: rig.worker.counted()["sums"]["access_log_lines"] == 2)
    assert [line["target"] for line in lines(file)] == ["/one"]
    assert [line["target"] for line in lines(tmp_path / "other.log")] == ["/two"]


async def test_a_head_that_is_too_slow_is_written_down(rig, file):
    await up(rig, LogSettings(path=str(file)), limits=Limits(head_time=0.02))
    client = await rig.client()
    client.send(b"GET / HT")
    answer = await client.answer()
    (line,) = await logged(rig, file)

    assert answer.status == line["status"] == 408
    assert line["reason"] == "slow_request"


async def test_a_tcp_connection_is_a_line_when_it_ends(rig, file):
    rig.log = LogSettings(path=str(file))
    await rig.tcp()
    client = await rig.client()

    client.send(b"hello")
    await client.read(5)
    assert lines(file) == []
    client.close()
    (line,) = await logged(rig, file)

    told = {key: line[key] for key in ("client", "listener", "service", "instance", "method", "status")}
    assert told == {
        "client": "127.0.0.1",
        "listener": "web",
        "service": "web",
        "instance": "web-1",
        "method": None,
        "status": 200,
    }
    assert (line["bytes_in"], line["bytes_out"], line["reason"], line["cancelled"]) == (5, 5, None, False)
    assert 0 < line["first_byte"] <= line["duration"]
    assert line["tunnel"] is True


async def test_a_tcp_connection_for_which_there_is_no_instance_says_so(rig, file):
    rig.log = LogSettings(path=str(file))
    await rig.tcp(0)
    client = await rig.client()

    assert await client.was_reset()
    (line,) = await logged(rig, file)

    assert (line["status"], line["reason"], line["instance"]) == (503, "no_instance", None)


async def test_a_tcp_connection_that_an_instance_breaks_says_so(rig, file):
    rig.log = LogSettings(path=str(file))
    origin = await rig.tcp()

    async def crash(reader, writer):
        writer.write(await reader.readexactly(1))
        await writer.drain()
        relay.reset(writer.transport)

    origin.raw = crash
    client = await rig.client()
    client.send(b"a")

    assert await client.was_reset()
    (line,) = await logged(rig, file)

    assert (line["status"], line["reason"]) == (200, "broken_answer")
