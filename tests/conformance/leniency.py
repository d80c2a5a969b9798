"""Where others are known to see another message than the letter has: one by one, each with its reason.

A reader is not asked about bytes in which something of its own list is found.
"""

import re
from typing import NamedTuple


class Leniency(NamedTuple):
    """One thing that one reader reads in a way of its own."""

    reader: str
    found: re.Pattern
    reason: str
    example: bytes


REQUESTS: tuple[Leniency, ...] = ()

ANSWERS = (
    Leniency(
        "http.client",
        re.compile(rb"HTTP/1\.[01] +(?:10[1-9]|1[1-9][0-9])"),
        "of the interim answers it knows only 100 (RFC 9110 15.2 has it skip all), and takes others for the answer",
        b"HTTP/1.1 103 X\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ),
    Leniency(
        "http.client",
        re.compile(rb"HTTP/1\.[01] +(?:204|304)[^\n]*\n(?:[^\n]+\n)*?transfer-encoding:", re.IGNORECASE),
        "an answer that has no body (RFC 9112 6.3) has one for it when it says that it is in chunks",
        b"HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n",
    ),
    Leniency(
        "http.client",
        re.compile(rb"\A(?:(?!\r\n\r\n).)*\Z|\n0+(?:;[^\n]*)?\r?\n(?:(?!\r\n\r\n).)*\Z", re.DOTALL),
        "it takes the end of the connection for the empty line that ends a head, or trailers",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    ),
)


def asked(readers, leniencies, data):
    """Give the readers that may be asked about these bytes, by name."""
    excused = {one.reader for one in leniencies if one.found.search(data)}
    return {name: reader for name, reader in readers.items() if name not in excused}
