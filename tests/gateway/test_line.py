"""What a line of the access log looks like, and what strangers cannot make of it."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.gateway.log.line import FIELDS, LONGEST, Entry, as_combined, as_json

SHIFT = 1795458755.25
COMBINED = re.compile(
    r'(\S+) - - \[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000)\] "((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-) '
    r'"((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"\n'
)


def entry(**told):
    fields = {
        "listener": "web",
        "client": "192.0.2.7",
        "service": "web",
        "instance": "web-1",
        "attempts": 1,
        "method": b"GET",
        "target": b"/a?b=c",
        "http11": True,
        "status": 200,
        "received": 0,
        "sent": 42,
        "began": 10.0,
        "asked": 10.25,
        "answered": 10.5,
        "ended": 11.0,
        "reason": None,
        "cancelled": False,
        "headers": None,
        "request_id": b"",
        "trace": b"",
    }
    return Entry(**fields | told)


def test_json_has_every_field_in_each_line():
    line = as_json(entry(), SHIFT)

    assert line.endswith("}\n")
    assert tuple(json.loads(line)) == FIELDS
    assert json.loads(line) == {
        "time": "2026-11-23T18:32:45.250Z",
        "client": "192.0.2.7",
        "listener": "web",
        "service": "web",
        "instance": "web-1",
        "attempts": 1,
        "method": "GET",
        "target": "/a?b=c",
        "status": 200,
        "bytes_in": 0,
        "bytes_out": 42,
        "duration": 1.0,
        "first_byte": 0.5,
        "upstream": 0.75,
        "retried": False,
        "reason": None,
        "cancelled": False,
        "request_id": None,
        "trace_id": None,
        "tunnel": False,
    }


def test_json_says_null_where_there_is_nothing():
    nothing = {
        "service": None,
        "instance": None,
        "method": b"",
        "target": b"",
        "asked": None,
        "answered": None,
    }

    line = json.loads(as_json(entry(**nothing, status=0, attempts=0, cancelled=True), SHIFT))

    assert {key for key, value in line.items() if value is None} == {
        *("service", "instance", "method", "target", "status", "first_byte", "upstream", "reason"),
        *("request_id", "trace_id"),
    }
    assert line["cancelled"] is True


def test_combined_is_what_apache_and_nginx_write():
    headers = [b"GET / HTTP/1.1\r\nHost: a", b"user-agent:  curl/8 ", b"Referer: https://a/", b"\r\n"]

    line = as_combined(entry(headers=headers), SHIFT)

    assert line == (
        '192.0.2.7 - - [23/Nov/2026:18:32:45 +0000] "GET /a?b=c HTTP/1.1" 200 42 "https://a/" "curl/8"\n'
    )


@pytest.mark.parametrize(
    ("told", "part"),
    [
        ({"method": b"", "target": b"", "status": 408}, '"-" 408 42 "-" "-"'),
        ({"status": 0, "sent": 0, "http11": False}, '"GET /a?b=c HTTP/1.0" 499 - "-" "-"'),
        ({"headers": [b"User-Agent: "]}, '42 "-" "-"'),
    ],
)
def test_combined_says_dash_where_there_is_nothing(told, part):
    assert part in as_combined(entry(**told), SHIFT)


@given(st.binary(min_size=1), st.binary(), st.binary())
def test_whatever_strangers_send_a_line_stays_one_line_of_printable_ascii(target, agent, referer):
    headers = [b"User-Agent: " + agent, b"Referer: " + referer]
    told = entry(target=target, headers=headers)

    for line in (as_json(told, SHIFT), as_combined(told, SHIFT)):
        assert line.endswith("\n")
        assert all(" " <= character <= "~" for character in line[:-1])
    assert json.loads(as_json(told, SHIFT))["target"] == _cut(target.decode("latin-1"), LONGEST)
    assert COMBINED.fullmatch(as_combined(told, SHIFT))


def _cut(text, longest):
    return text if len(text) <= longest else text[:longest] + "..."


def test_what_is_long_is_cut():
    told = entry(target=b"/" + b"\xff" * 100_000, headers=[b"User-Agent: " + b'"' * 100_000])

    assert len(as_json(told, SHIFT)) < 6 * LONGEST + 1000
    assert len(as_combined(told, SHIFT)) < 4 * LONGEST + 3000
