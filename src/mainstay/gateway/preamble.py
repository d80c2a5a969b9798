"""The PROXY protocol (haproxy.org/download/3.0/doc/proxy-protocol.txt): who is behind a connection, said once at its beginning.

::

    1    PROXY TCP4 192.0.2.7 198.51.100.1 56324 443 CR LF
    2    12 bytes that nothing else begins with, 1 version and command, 1 family, 2 length, addresses, more (TLVs)

It is read by the letter: a byte that is not as it should be is no preamble, and what follows it is nobody's.
"""

import asyncio
import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from mainstay.gateway.proxies import address_of

MOST = 4096
"""Bytes of a preamble: the addresses take 52 of them, and of what may follow clouds use a few dozen."""
VERSIONS = ("v1", "v2")

_V1 = b"PROXY "
_V1_MOST = 107
_V1_LINE = re.compile(
    rb"PROXY (TCP4|TCP6) ([0-9A-Fa-f.:]{2,39}) ([0-9A-Fa-f.:]{2,39}) ([0-9]{1,5}) ([0-9]{1,5})\r\n"
)
_V1_UNKNOWN = re.compile(rb"PROXY UNKNOWN(?: [!-~ ]*)?\r\n")
_LAST_PORT = 65535

_V2 = b"\r\n\r\n\0\r\nQUIT\n"
_V2_FIXED = 16
_LOCAL, _PROXY = 0x20, 0x21
_UNSPECIFIED, _TCP4, _TCP6, _UNIX = 0x00, 0x11, 0x21, 0x31
_SIZES = {_UNSPECIFIED: 0, _TCP4: 12, _TCP6: 36, _UNIX: 216}


class PreambleError(ValueError):
    """It does not begin with a preamble."""


class Ends(NamedTuple):
    """The two ends of a connection; addresses in the form that `address_of` gives."""

    source: str
    source_port: int
    """0 when it is not known."""
    target: str
    target_port: int


class Preamble(NamedTuple):
    """What was said at the beginning of a connection."""

    size: int
    """Bytes that it takes."""
    ends: Ends | None
    """Whom the connection is from and to; None: the proxy itself, or it cannot say."""


def read(data: bytes) -> Preamble | None:
    """Read the preamble that `data` begins with; None while it is incomplete.

    Raises:
        PreambleError: whatever comes, it will not be one.
    """
    if data[: len(_V2)] == _V2[: len(data)]:
        return _read_v2(data)
    if data[: len(_V1)] == _V1[: len(data)]:
        return _read_v1(data)
    raise PreambleError


def _read_v1(data: bytes) -> Preamble | None:
    end = data.find(b"\n", 0, _V1_MOST) + 1
    if not end:
        if len(data) >= _V1_MOST:
            raise PreambleError
        return None
    line = data[:end]
    if _V1_UNKNOWN.fullmatch(line):
        return Preamble(end, None)
    match = _V1_LINE.fullmatch(line)
    if match is None:
        raise PreambleError
    kind = IPv4Address if match[1] == b"TCP4" else IPv6Address
    try:
        source, target = (str(kind(written.decode())) for written in match.group(2, 3))
    except ValueError:
        raise PreambleError from None
    return Preamble(end, Ends(address_of(source), _port(match[4]), address_of(target), _port(match[5])))


def _port(written: bytes) -> int:
    port = int(written)
    if port > _LAST_PORT or (written[:1] == b"0" and written != b"0"):
        raise PreambleError
    return port


def _read_v2(data: bytes) -> Preamble | None:
    if len(data) < _V2_FIXED:
        return None
    command, family = data[12], data[13]
    size = _V2_FIXED + int.from_bytes(data[14:16], "big")
    if command not in (_LOCAL, _PROXY) or size > MOST:
        raise PreambleError
    needed = _SIZES.get(family)
    if command == _PROXY and (needed is None or size < _V2_FIXED + needed):
        raise PreambleError
    if len(data) < size:
        return None
    if command == _PROXY and family == _TCP4:
        return Preamble(size, _ends(IPv4Address(data[16:20]), IPv4Address(data[20:24]), data[24:28]))
    if command == _PROXY and family == _TCP6:
        return Preamble(size, _ends(IPv6Address(data[16:32]), IPv6Address(data[32:48]), data[48:52]))
    return Preamble(size, None)


def _ends(source: IPv4Address | IPv6Address, target: IPv4Address | IPv6Address, ports: bytes) -> Ends:
    return Ends(
        address_of(str(source)),
        int.from_bytes(ports[:2], "big"),
        address_of(str(target)),
        int.from_bytes(ports[2:], "big"),
    )


def ends_of(transport: asyncio.BaseTransport) -> Ends | None:
    """Give the ends of a connection as the socket has them; None: they have no addresses."""
    source, target = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
    if not source or not target:
        return None
    return Ends(address_of(source[0]), source[1], address_of(target[0]), target[1])


def write(version: str, ends: Ends | None) -> bytes:
    """Write a preamble.

    Args:
        version: One of `VERSIONS`.
        ends: Whom the connection is for, and where that one came in; None: for ourselves.
    """
    if ends is None:
        return b"PROXY UNKNOWN\r\n" if version == "v1" else _V2 + bytes((_LOCAL, _UNSPECIFIED, 0, 0))
    source, source_port, target, target_port = ends
    four = ":" not in source + target
    if not four:
        # Both have to be of one family.
        source, target = (one if ":" in one else f"::ffff:{one}" for one in (source, target))
    if version == "v1":
        kind = "TCP4" if four else "TCP6"
        return f"PROXY {kind} {source} {target} {source_port} {target_port}\r\n".encode()
    body = ip_address(source).packed + ip_address(target).packed
    body += source_port.to_bytes(2, "big") + target_port.to_bytes(2, "big")
    return _V2 + bytes((_PROXY, _TCP4 if four else _TCP6)) + len(body).to_bytes(2, "big") + body
