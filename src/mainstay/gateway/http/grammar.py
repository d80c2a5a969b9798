"""HOT. The words of which messages are made: tokens, lengths, lists, hosts.

Lengths are read digit by digit from the wire's own bytes: `int()` takes `+5`, `5_0` and Arabic digits
for numbers, and a message whose end two parties see in different places is a smuggled message
(RFC 9112 §11.2).
"""

import re

from httptools import HttpParserError, HttpResponseParser

NONE = -1
"""A body of no length told: none in a request; in a response, all until the connection ends."""
CHUNKED = -2
"""A body in chunks."""
END = b"\r\n\r\n"
"""What ends a head."""
TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
"""A name or a method (RFC 9110 §5.6.2), as a part of patterns."""
TEXT = rb"[\t \x21-\x7e\x80-\xff]"
"""A byte of a value (RFC 9110 §5.5), as a part of patterns."""
DIGITS = 18
"""Digits of a number at most: what has more does not fit into the 63 bits that others have for it."""
REMEMBERED = 4096
"""Names, hosts and first lines that are remembered as sound, of each kind: strangers choose them."""

STAYS = frozenset({b"keep-alive", b"Keep-Alive"})
"""What Connection says nearly always; such a value lists nothing that has to be left out."""
CLOSES = frozenset({b"close", b"Close"})

# Of a response that never has a body, so that the parser waits for none, whatever the fields say.
_NO_BODY = b"HTTP/1.1 304 \r\n"
_BARE = re.compile(rb"(?<!\r)\n|\r(?=[^\n])")
# reg-name, IPv4 or [IPv6], with an optional port (RFC 9110 §4.2, RFC 3986 §3.2)
_AUTHORITY = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?"
)
_sound_hosts: set[bytes] = set()


class _Reader:
    """Takes what the parser finds."""

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one from the parser."""
        self.found.append((name, value))


def fields(lines: bytes) -> list[tuple[bytes, bytes]] | None:
    """Read the field lines of a head, with the empty line that ends them; None: they are not such.

    Names and values are given in their order, in the bytes that came. White space at the end of a value is left
    where it is: it is no part of the value (RFC 9112 §5.1).
    """
    reader = _Reader()
    try:
        # One parser for one head: nothing is left in it, of this message or of another connection.
        HttpResponseParser(reader).feed_data(_NO_BODY + lines)
    except HttpParserError:
        return None
    return reader.found


def bare(data: bytes, at: int) -> bool:
    """Tell whether from there on is a CR or an LF without the other: what goes on so will never be a head."""
    return _BARE.search(data, at) is not None


def length(value: bytes) -> int:
    """Read a Content-Length: digits and nothing else; anything else is a `ValueError`."""
    if not value.isdigit() or len(value) > DIGITS:
        raise ValueError
    return int(value)


def tokens(value: bytes) -> list[bytes]:
    """Give the lower-case members of a comma-separated list, without optional white space."""
    return [part.strip(b" \t").lower() for part in value.split(b",")]


def is_host(host: bytes) -> bool:
    """Tell whether this may be a host, with a port or without, and remember those that may."""
    if host in _sound_hosts:
        return True
    if not _AUTHORITY.fullmatch(host):
        return False
    if len(_sound_hosts) < REMEMBERED:
        _sound_hosts.add(host)
    return True


def unlisted(lines: list[bytes], listed: list[bytes]) -> list[bytes]:
    """Leave out the lines whose names a Connection field lists (RFC 9110 §7.6.1)."""
    names = frozenset(listed)
    return [line for line in lines if line[: line.index(b":")].lower() not in names]
