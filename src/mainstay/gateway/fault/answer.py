"""Answers that are spoilt on their way: what of the instance's bytes is passed on, and what happens then."""

import re
from http import HTTPStatus

from mainstay.gateway.http.chunk import Chunks
from mainstay.gateway.http.connection import HEAD as LONGEST_HEAD
from mainstay.gateway.http.grammar import length

END = "end"
"""The connection ends, as one does whose process has closed it."""
CUT = "cut"
"""It ends by a reset."""
HALT = "halt"
"""What comes behind waits until the fault is over."""
Item = bytes | str
"""A piece that is passed on, or what happens."""

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])[ \r]")
_LENGTH = re.compile(rb"(?i)(\r\ncontent-length:[ \t]*)([0-9]{1,15})(?=[ \t]*\r\n)")
_CHUNKED = re.compile(rb"(?i)\r\ntransfer-encoding:[^\r\n]*chunked")
_SWITCHING = b"101"
_BODILESS = frozenset({b"204", b"304", _SWITCHING})
_HEAD, _HALF, _FULL, _CHUNKS, _PASSING, _OVER = range(6)
_BODY = b"the gateway answers in place of the instance: a drill is going on\n"


def error(status: int, *, to_head: bool) -> bytes:
    """Write the answer that comes in place of an instance's."""
    try:
        phrase = HTTPStatus(status).phrase.encode()
    except ValueError:
        phrase = b""
    head = b"HTTP/1.1 %d %b\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
    return head % (status, phrase, len(_BODY)) + (b"" if to_head else _BODY)


class Answer:
    """One answer, as it comes and is spoilt."""

    def __init__(self, kind: str, *, to_head: bool) -> None:
        """Wait for its first byte.

        Args:
            kind: `reset`, `truncate`, `stall` or `wrong-length`.
            to_head: It answers a HEAD request, so that no body comes.
        """
        self.acted = False
        """It has been spoilt."""
        self._kind = kind
        self._to_head = to_head
        self._state = _HEAD
        self._raw = b""
        # Bytes of the body until something happens; None: in the middle of the next piece.
        self._left: int | None = 0
        self._chunks = Chunks(LONGEST_HEAD, LONGEST_HEAD)

    def feed(self, data: bytes) -> list[Item]:
        """Take what has come, and give what is passed on."""
        state = self._state
        if state == _PASSING:
            return [data]
        if state == _OVER:
            return []
        if state == _HEAD:
            return self._head(data)
        if state == _CHUNKS:
            return self._last_chunk(data)
        return self._part(data)

    @property
    def passing(self) -> bool:
        """Whether what comes is passed on as it is."""
        return self._state == _PASSING

    def let_go(self) -> list[Item]:
        """Spoil it no more, unless what has been announced forbids that; give what was kept."""
        if self._state not in (_HEAD, _HALF, _CHUNKS):
            return []
        kept, self._raw = self._raw, b""
        self._state = _PASSING
        return _whole(kept)

    def _head(self, data: bytes) -> list[Item]:  # noqa: PLR0911 - what is found, by what it means
        if self._kind == "reset":
            self.acted, self._state = True, _OVER
            return [CUT]
        self._raw += data
        end = self._raw.find(b"\r\n\r\n") + 4
        status = _STATUS.match(self._raw)
        if end < 4:  # noqa: PLR2004 - not found
            return self._pass(self._raw) if len(self._raw) > LONGEST_HEAD else []
        if status is None:
            return self._pass(self._raw)
        head, rest, self._raw = self._raw[:end], self._raw[end:], b""
        if status[1][:1] == b"1" and status[1] != _SWITCHING:
            return [head, *(self._head(rest) if rest else ())]
        bodiless = self._to_head or status[1] in _BODILESS
        if status[1] == _SWITCHING:
            return self._pass(head + rest)
        if self._kind == "wrong-length":
            return self._announce(head, rest, bodiless=bodiless)
        return self._halve(head, rest, bodiless=bodiless)

    def _halve(self, head: bytes, rest: bytes, *, bodiless: bool) -> list[Item]:
        told = _LENGTH.search(head)
        size = length(told[2]) if told is not None else None
        self._state = _HALF
        if bodiless or size == 0:
            self._left = len(head) // 2
            return self._part(head + rest)
        chunked = _CHUNKED.search(head) is not None
        self._left = None if chunked or size is None else size // 2
        return [head, *(self._part(rest) if rest or self._left == 0 else ())]

    def _announce(self, head: bytes, rest: bytes, *, bodiless: bool) -> list[Item]:
        """Announce a byte more than there is; of chunks, let the very last byte never come."""
        told = _LENGTH.search(head)
        if bodiless:
            return self._pass(head + rest)
        if _CHUNKED.search(head) is not None:
            self._state = _CHUNKS
            return [head, *(self._last_chunk(rest) if rest else ())]
        if told is None:
            return self._pass(head + rest)  # nothing is announced
        self._left = length(told[2])
        self._state = _FULL
        head = b"%b%b%d%b" % (head[: told.start()], told[1], self._left + 1, head[told.end() :])
        return [head, *(self._part(rest) if rest or not self._left else ())]

    def _part(self, data: bytes) -> list[Item]:
        left = len(data) // 2 if self._left is None else self._left
        if len(data) < left:
            self._left = left - len(data)
            return [data]
        self.acted = True
        if self._kind == "stall":
            self._state = _PASSING
            return _whole(data[:left], HALT, data[left:])
        self._state = _OVER
        return _whole(data[:left], END)

    def _last_chunk(self, data: bytes) -> list[Item]:
        _, at = self._chunks.feed(data)
        if self._chunks.broken:
            return self._pass(data)
        if not self._chunks.done:
            return [data]
        self.acted, self._state = True, _OVER
        return _whole(data[: at - 1], END)

    def _pass(self, data: bytes) -> list[Item]:
        """Leave it as it is."""
        self._state = _PASSING
        return [data]


def _whole(*items: Item) -> list[Item]:
    return [item for item in items if item]
