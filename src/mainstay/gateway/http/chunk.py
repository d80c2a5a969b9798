"""HOT. The chunked coding (RFC 9112 §7.1), read by the letter.

::

    SIZE ── line ──► DATA ── all of it ──► AFTER ── CRLF ──► SIZE
      └─ 0 ──► TRAILERS ── empty line ──► done                         anything else ──► broken

Nothing here does input or output: bytes go in, bytes of the body come out. Extensions and trailers are
read, held to a limit, and dropped: nobody between two ends may act on them (§7.1.1, §7.1.2).
"""

import re

from mainstay.gateway.http.grammar import TEXT, TOKEN

_QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\%b)*"' % TEXT
_EXTENSION = rb"[ \t]*;[ \t]*%b(?:[ \t]*=[ \t]*(?:%b|%b))?" % (TOKEN, TOKEN, _QUOTED)
# 15 digits: no size that anybody counts with overflows.
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})((?:%b)*)\r\n" % _EXTENSION)
_SIZE_BEGINS = re.compile(rb"[0-9A-Fa-f]{1,15}(?:\Z|[ \t;\r])")
_PLAIN = re.compile(rb"\r\n([0-9A-Fa-f]{1,15})\r\n")
"""What stands between two chunks nearly always."""
_TRAILER = re.compile(rb"%b:%b*\r\n" % (TOKEN, TEXT))

SIZE, DATA, AFTER, TRAILERS = range(4)


class Chunks:
    """One body in chunks, as it comes."""

    __slots__ = ("_held", "_left", "_spare", "_state", "_trailers", "broken", "done")

    def __init__(self, extensions: int, trailers: int) -> None:
        """Begin before the first chunk.

        Args:
            extensions: Bytes that all chunk extensions together may have.
            trailers: Bytes that the trailers may have, without the empty line that ends them.
        """
        self._state = SIZE
        self._left = 0
        self._held = b""
        self._spare = extensions
        self._trailers = trailers + 2
        self.done = False
        """The body is whole."""
        self.broken = False
        """This is no chunked body, and never will be."""

    def feed(self, data: bytes, at: int = 0) -> tuple[bytes, int]:
        """Read on from `at`; give what of the body was there, and where what was read ends."""
        size = len(data)
        if at == 0 and size < self._left:
            self._left -= size
            return data, size
        pieces: list[bytes] = []
        while at < size and not self.done and not self.broken:
            state = self._state
            if state == DATA:
                pieces.append(data[at : at + self._left])
                at = self._next(data, at + self._left)
            elif state == SIZE:
                at = self._size(data, at)
            elif state == AFTER:
                at = self._after(data, at)
            else:
                at = self._end(data, at)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces), at

    def _next(self, data: bytes, at: int) -> int:
        """Go on where a chunk's data ends, unless that is still to come."""
        size = len(data)
        if at > size:
            self._left = at - size
            return size
        plain = _PLAIN.match(data, at)
        if plain is None:
            self._left = 0
            self._state = AFTER
            return at
        self._began(plain[1])
        return plain.end()

    def _began(self, digits: bytes) -> None:
        self._left = int(digits, 16)
        self._state = DATA if self._left else TRAILERS

    def _size(self, data: bytes, at: int) -> int:
        line, at = self._line(data, at)
        if line is None:
            # What never will be one need not be waited for, nor what is longer than it may be (digits, CR).
            if len(self._held) > self._spare + 16 or not _SIZE_BEGINS.match(self._held):
                self.broken = True
            return at
        found = _SIZE_LINE.fullmatch(line)
        if found is None:
            self.broken = True
            return at
        self._spare -= len(found[2])
        if self._spare < 0:
            self.broken = True
        self._began(found[1])
        return at

    def _after(self, data: bytes, at: int) -> int:
        line = self._held + data[at : at + 2 - len(self._held)]
        at += len(line) - len(self._held)
        if line == b"\r\n":
            self._held = b""
            self._state = SIZE
        else:
            self._held = line
            self.broken = line != b"\r"
        return at

    def _end(self, data: bytes, at: int) -> int:
        """Read lines up to the empty one; each is looked at when it is whole."""
        line, at = self._line(data, at)
        limit = self._trailers - len(self._held if line is None else line)
        if line == b"\r\n":
            self.done = True
        elif limit < 0:
            self.broken = True
        elif line is not None:
            self._trailers = limit
            self.broken = _TRAILER.fullmatch(line) is None
        return at

    def _line(self, data: bytes, at: int) -> tuple[bytes | None, int]:
        """Give the line that begins with what is held and goes on at `at`, when it is whole."""
        end = data.find(b"\n", at) + 1
        line = self._held + data[at : end or len(data)]
        if not end:
            self._held = line
            # No CR but at the end, where LF is still to come.
            self.broken = 0 <= line.find(b"\r") < len(line) - 1
            return None, len(data)
        self._held = b""
        return line, end
