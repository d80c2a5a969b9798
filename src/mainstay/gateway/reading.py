r"""The ways in which a path may be read by who is behind us.

We choose by the path, and pass it on as it came. Whoever gets it may decode it, merge its slashes, cut what
follows `;`, or take `\` for `/`: `/a%2fb` is one segment to some and two to others. Where the readings of a
path belong to different services there is no right one, and a gateway that believes in its own lets strangers
in where the next one sees another path (RFC 9110 §17.3). So all of them are tried, in any order.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

MOST = 24
"""Readings of one path; what has more was made to confuse."""
MOST_BYTES = 32768
"""Bytes of all readings of one path together: it bounds the time that a stranger can take from others."""

plain = re.compile(rb"(?:/[^%;\\/.][^%;\\/]*+)*+/?").fullmatch
"""Tells whether a path is the same to everybody. What is not plain may be so all the same."""
_ESCAPE = re.compile(rb"%[0-9A-Fa-f]{2}")
_PARAMETERS = re.compile(rb";[^/]*")
_SLASHES = re.compile(rb"//+")
_CUT = re.compile(rb"[?#\0].*", re.DOTALL)
_DOTS = re.compile(rb"/\.\.?(?:/|\Z)")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_CANONICAL = {
    b"%%%b%b" % (high.encode(), low.encode()): bytes([value]) if value in _UNRESERVED else b"%%%02X" % value
    for value in range(256)
    for high in {f"{value >> 4:x}", f"{value >> 4:X}"}
    for low in {f"{value & 15:x}", f"{value & 15:X}"}
}


class AmbiguousError(Exception):
    """A path, or a host, that two parties may read in different ways."""


def canonical(path: bytes) -> bytes:
    """Write a path as RFC 3986 §6.2.2.1 and §6.2.2.2 do: what is equal by them is the same path to everybody."""
    return _ESCAPE.sub(_rewritten, path)


def decoded(path: bytes) -> bytes:
    """Write a path without its escapes."""
    return unquote_to_bytes(path)


def readings(path: bytes) -> Iterator[bytes]:
    """Give what a path may be to others, the canonical one first.

    Raises:
        AmbiguousError: a reading has a segment `.` or `..`, which some resolve and some do not; no client
            sends such (RFC 3986 §5.2.4, and browsers resolve `%2e` too). Or it has too many readings.
    """
    found = [canonical(path)]
    for reading in found:
        if _DOTS.search(reading) or len(found) > MOST or sum(map(len, found)) > MOST_BYTES:
            raise AmbiguousError
        yield reading
        found += [other for other in _steps(reading) if other not in found]


def _steps(path: bytes) -> Iterator[bytes]:
    if b"%" in path:
        yield unquote_to_bytes(path)
    if b"\\" in path:
        yield path.replace(b"\\", b"/")
    if b";" in path:
        yield _PARAMETERS.sub(b"", path)
    if _CUT.search(path):
        # Only what was decoded can have these; some decode first and look for the query then.
        yield _CUT.sub(b"", path)
    if b"//" in path:
        yield _SLASHES.sub(b"/", path)


def _rewritten(escape: "re.Match[bytes]") -> bytes:
    return _CANONICAL[escape[0]]
