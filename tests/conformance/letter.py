"""What peers send, read by the letter of RFC 9112: what a recipient must or may take, and nothing else.

`wire` is for what we send, where less is allowed.
"""

import re
from typing import NamedTuple

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE = re.compile(rb"(%b) ([\x21-\x7e]+) HTTP/1\.([01])" % TOKEN)
# The space before a missing reason phrase is missing in what many send; nobody takes it amiss.
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([^\r\n]*))?")
_FIELD = re.compile(rb"(%b):([\t \x21-\x7e\x80-\xff]*)" % TOKEN)
# RFC 9112 7.1.1: an extension has a name, and a value only behind "=".
_QUOTED = rb'"(?:[\t !#-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
_CHUNK = re.compile(
    rb"([0-9A-Fa-f]+)(?:[\t ]*;[\t ]*%b(?:[\t ]*=[\t ]*(?:%b|%b))?)*" % (TOKEN, TOKEN, _QUOTED)
)
_END = b"\r\n\r\n"

CLEAN = "clean"
"""All bytes were read, and the last message is whole."""
INCOMPLETE = "incomplete"
"""More is awaited."""
REFUSED = "refused"
"""Something is not what it has to be."""
CLOSED = "closed"
"""Nothing more is read here, whatever comes: the last message said so, or it is another protocol now."""


class Refused(Exception):
    """What came is no message."""


class Seen(NamedTuple):
    """A request as somebody understood it."""

    method: bytes
    target: bytes
    host: bytes
    body: bytes
    fields: tuple = ()


class Answer(NamedTuple):
    """An answer as somebody understood it; whatever they make of interim ones."""

    status: int
    body: bytes
    fields: tuple = ()
    stays: bool = True
    """The connection may serve another request after it."""


class Reading(NamedTuple):
    """What somebody made of the bytes of one connection."""

    seen: list
    end: str
    why: str = ""


def _fields(lines):
    found = []
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise Refused(line)
        found.append((field[1].lower(), field[2].strip(b" \t")))
    return tuple(found)


def values(fields, name):
    return [value for key, value in fields if key == name]


def members(fields, name):
    """Give the members of a list field, in small letters."""
    return [part.strip(b" \t").lower() for value in values(fields, name) for part in value.split(b",")]


def _framing(fields, minor):
    """Give a length, "chunked", or None."""
    codings, lengths = values(fields, b"transfer-encoding"), values(fields, b"content-length")
    if codings:
        if lengths or minor == b"0" or len(codings) > 1 or codings[0].lower() != b"chunked":
            raise Refused(codings, lengths)
        return "chunked"
    if not lengths:
        return None
    if len(set(lengths)) > 1 or not re.fullmatch(rb"0*[0-9]{1,18}", lengths[0]):
        raise Refused(lengths)
    return int(lengths[0][-18:])


def _body(data, at, length):
    """Give the body and where it ends, or None while it is incomplete."""
    if length != "chunked":
        return (data[at : at + length], at + length) if len(data) >= at + length else None
    body = b""
    while True:
        line, at = _line(data, at)
        if line is None:
            return None
        size = _CHUNK.fullmatch(line)
        if size is None:
            raise Refused(line)
        count = int(size[1], 16)
        if count == 0:
            break
        body += data[at : at + count]
        at += count
        if not b"\r\n".startswith(data[at : at + 2]):
            raise Refused(data[at : at + 2])
        at += 2
        if len(data) < at:
            return None
    while True:
        line, at = _line(data, at)
        if not line:
            return None if line is None else (body, at)
        _fields([line])


def _line(data, at):
    end = data.find(b"\r\n", at)
    return (None, at) if end < 0 else (data[at:end], end + 2)


def _head(data, at):
    """Give the first line, the fields, and where the head ends; None while it is incomplete."""
    end = data.find(_END, at)
    if end < 0:
        return None
    first, *lines = data[at:end].split(b"\r\n")
    return first, _fields(lines), end + 4


def requests(data):
    """Read what a client sends."""
    seen, at = [], 0
    try:
        while True:
            while data.startswith(b"\r\n", at):  # §2.2
                at += 2
            if at == len(data):
                return Reading(seen, CLEAN)
            head = _head(data, at)
            if head is None:
                return Reading(seen, INCOMPLETE)
            one, at, close = _request(data, *head)
            if one is None:
                return Reading(seen, INCOMPLETE)
            seen.append(one)
            if close:
                return Reading(seen, CLOSED)
    except Refused as error:
        return Reading(seen, REFUSED, repr(error))


def _request(data, first, fields, at):
    line = _REQUEST_LINE.fullmatch(first)
    if line is None:
        raise Refused(first)
    method, target, minor = line.groups()
    hosts = values(fields, b"host")
    if len(hosts) > 1 or (minor == b"1" and not hosts):
        raise Refused(hosts)
    length = _framing(fields, minor)
    whole = _body(data, at, length or 0)
    if whole is None:
        return None, at, False
    options = members(fields, b"connection")
    close = b"close" in options or (minor == b"0" and b"keep-alive" not in options)
    return Seen(method, target, hosts[0] if hosts else b"", whole[0], fields), whole[1], close


def answers(data, method, *, ended):
    """Read what an instance sends for a request by this method; `ended`: and then ends the connection, in order."""
    at, one = 0, None
    try:
        while one is None:
            head = _head(data, at)
            if head is None:
                return Reading([], INCOMPLETE)
            status, one, at = _answer(data, *head, method, ended)
            if status is None:
                return Reading([], INCOMPLETE)
    except Refused as error:
        return Reading([], REFUSED, repr(error))
    return Reading([one], CLEAN if at == len(data) else CLOSED)


def _answer(data, first, fields, at, method, ended):  # noqa: PLR0913, PLR0917 - what tells where it ends
    """Give status, answer (None for an interim one), and where it ends; status None while it is incomplete."""
    line = _STATUS_LINE.fullmatch(first)
    if line is None:
        raise Refused(first)
    status = int(line[2])
    if status == 101:  # nobody asked for it
        raise Refused(first)
    if status < 200:
        return status, None, at
    options = members(fields, b"connection")
    stays = b"close" not in options and (line[1] == b"1" or b"keep-alive" in options)
    if method == b"HEAD" or status in (204, 304):
        return status, Answer(status, b"", fields, stays), at
    length = _framing(fields, line[1])
    if length is None:
        return (status, Answer(status, data[at:], fields, False), len(data)) if ended else (None, None, at)
    whole = _body(data, at, length)
    if whole is None:
        return None, None, at
    return status, Answer(status, whole[0], fields, stays), whole[1]
