"""What a connection may begin with when a proxy is to say whom it is for: it is a preamble, or none, at one place."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gunicorn.config import Config
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.http.parser import RequestParser

from conformance.laws import must
from mainstay.gateway.preamble import MOST, VERSIONS, Ends, Preamble, PreambleError, read, write
from mainstay.gateway.proxies import address_of

LARGEST = MOST + 64
TOKENS = (
    *(
        b"PROXY ",
        b"TCP4 ",
        b"TCP6 ",
        b"UNKNOWN",
        b"UNKNOWN\r\n",
        b"\r\n",
        b"\n",
        b" ",
        b"0",
        b"00",
        b"65535",
        b"65536",
    ),
    *(
        b"+1",
        b"1_0",
        b"127.0.0.1",
        b"1.2.3.04",
        b"0x7f.1",
        b"::1",
        b"::ffff:1.2.3.4",
        b"fe80::1%lo",
        b"1::2::3",
    ),
    *(
        b"\r\n\r\n\0\r\nQUIT\n",
        b"\x21\x11\x00\x0c",
        b"\x21\x21\x00\x24",
        b"\x20\x00\x00\x00",
        b"\x21\x31\x00\xd8",
    ),
    *(b"\x21\x12", b"\x31\x11", b"\x0f\xf0", b"\x10\x01", b"\xff\xff", b"\x04\x00\x01\x00"),
)
_REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
_PARTS = 300
"""Beginnings of an input that are read by themselves at most; the rest are read with longer steps."""


def seeds() -> list[bytes]:
    """Give preambles that are good, and followed by a request."""
    ends = [Ends("192.0.2.7", 56324, "198.51.100.1", 443), Ends("2001:db8::7", 1, "::1", 65535), None]
    longer = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x13" + bytes(range(12)) + b"\x04\x00\x04abcd"
    return [write(version, one) + _REQUEST for version in VERSIONS for one in ends] + [longer + _REQUEST]


@contextmanager
def prepared() -> Iterator[Callable[[bytes], None]]:
    """Give the function that judges one input."""
    config = Config()
    config.set("proxy_protocol", "auto")
    config.set("proxy_allow_ips", "*")

    def judge(data: bytes) -> None:
        said = _read(data)
        # However it comes: nothing is known before its last byte, and what is no preamble never becomes one.
        step = 1 + len(data) // _PARTS
        parts = [_read(data[:size]) for size in range(0, len(data), step)]
        must(sorted(parts, key=_known) == parts, "it was known, and then it was not")
        must(len(data) <= MOST or said is not None, "it is waited for without end")
        if isinstance(said, Preamble):
            must(said.size <= len(data), "it takes more than there is", said)
            must(_read(data[: said.size]) == said, "it depends on what follows", said)
            must(said.size < 1 or _read(data[: said.size - 1]) is None, "it was known too soon", said)
            must(all(part in (None, said) for part in parts), "it depends on how much has come", said)
        if isinstance(said, Preamble) and said.ends is not None:
            for version in VERSIONS:
                written = write(version, said.ends)
                must(_read(written) == Preamble(len(written), said.ends), "it is written otherwise", said)
            theirs = _read_by_others(config, data[: said.size] + _REQUEST)
            must(theirs in (None, said.ends), "others read it otherwise", said, theirs)

    yield judge


def _read(data: bytes) -> Preamble | str | None:
    try:
        return read(data)
    except PreambleError:
        return "none"


def _known(part: Preamble | str | None) -> bool:
    return part is not None


def _read_by_others(config: Config, data: bytes) -> Ends | None:
    """Give what gunicorn makes of it; None: it does not take it."""
    try:
        found = next(RequestParser(config, iter([data]), ("127.0.0.1", 1))).proxy_protocol_info
    except (ParseException, NoMoreData):
        return None
    if not found or found["client_addr"] is None:
        return None
    source, target = address_of(found["client_addr"]), address_of(found["proxy_addr"])
    return Ends(source, found["client_port"], target, found["proxy_port"])
