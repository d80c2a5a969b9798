"""Messages as they are on the wire, taken apart by the letter of RFC 9112, with nothing forgiven."""

import re

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE = re.compile(rb"(%b) ([\x21-\x7e]+) HTTP/1\.1" % _TOKEN)
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ([\t \x21-\x7e\x80-\xff]*)")
_FIELD = re.compile(
    rb"(%b):[ \t]*([\x21-\x7e\x80-\xff](?:[\t \x21-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?|)[ \t]*" % _TOKEN
)
_CHUNK = re.compile(rb"([0-9a-f]{1,8})")
_END = b"\r\n\r\n"


class WireError(Exception):
    """Bytes that no one may send."""


class Message:
    """One request or answer."""

    def __init__(self, head):
        self.head = head
        self.first, *lines = head.removesuffix(_END).split(b"\r\n")
        self.fields = []
        for line in lines:
            field = _FIELD.fullmatch(line)
            if field is None:
                raise WireError(line)
            self.fields.append((field[1].lower().decode(), field[2]))
        self.body = b""
        self.interim = []

    def all(self, name):
        return [value for key, value in self.fields if key == name.lower()]

    @property
    def status(self):
        return int(_STATUS_LINE.fullmatch(self.first)[1])

    @property
    def method(self):
        return _REQUEST_LINE.fullmatch(self.first)[1]

    @property
    def target(self):
        return _REQUEST_LINE.fullmatch(self.first)[2]


def _framing(message):
    lengths, codings = message.all("content-length"), message.all("transfer-encoding")
    if len(lengths) + len(codings) > 1:
        raise WireError(message.head)
    if codings:
        if codings != [b"chunked"]:
            raise WireError(message.head)
        return "chunked"
    if lengths:
        if not re.fullmatch(rb"[0-9]{1,18}", lengths[0]):
            raise WireError(message.head)
        return int(lengths[0])
    return None


def _body(data, at, length):
    """Give the body and where it ends, or None while it is incomplete."""
    if length != "chunked":
        return (data[at : at + length], at + length) if len(data) >= at + length else None
    body = b""
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        size = _CHUNK.fullmatch(data[at:end])
        if size is None:
            raise WireError(data[at:end])
        count = int(size[1], 16)
        at = end + 2
        if len(data) < at + count + 2:
            return None
        if data[at + count : at + count + 2] != b"\r\n":
            raise WireError(data[at:])
        body += data[at : at + count]
        at += count + 2
        if count == 0:
            return body, at  # we send no trailers


def take_request(data, at=0):
    """Take one request: the message and where it ends, or None while it is incomplete."""
    end = data.find(_END, at)
    if end < 0:
        return None
    message = Message(data[at : end + 4])
    if not _REQUEST_LINE.fullmatch(message.first):
        raise WireError(message.first)
    if len(message.all("host")) != 1:
        raise WireError(message.head)
    length = _framing(message)
    whole = _body(data, end + 4, 0 if length is None else length)
    if whole is None:
        return None
    message.body = whole[0]
    return message, whole[1]


def take_answer(data, at=0, *, bodiless=False, ended=False):
    """Take one final answer, with the interim ones before it; likewise."""
    interim = []
    while True:
        end = data.find(_END, at)
        if end < 0:
            return None
        message = Message(data[at : end + 4])
        if not _STATUS_LINE.fullmatch(message.first):
            raise WireError(message.first)
        at = end + 4
        if message.status >= 200:
            break
        if message.all("content-length") or message.all("transfer-encoding"):
            raise WireError(message.head)
        interim.append(message)
    message.interim = interim
    length = _framing(message)
    if bodiless or message.status in (204, 304):
        return message, at
    if length is None:
        message.body = data[at:]
        return (message, len(data)) if ended else None
    whole = _body(data, at, length)
    if whole is None:
        return None
    message.body = whole[0]
    return message, whole[1]
