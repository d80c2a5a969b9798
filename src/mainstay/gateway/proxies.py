"""Which proxies in front of us are believed, and what they may tell of a client that we do not see ourselves.

The client is the last address, from the right, that no trusted proxy has: to the right of it each was written by
somebody whom we believe, to the left of it anybody may have written. So what is to the left is cut off, and an
instance that looks at either end of the list sees the same client.
"""

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple

from mainstay.gateway.http.grammar import TOKEN, is_host

if TYPE_CHECKING:
    from asyncio import BaseTransport

    from mainstay.gateway.http.request import Request
    from mainstay.gateway.preamble import Ends

FAMILY = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host")
"""What is looked at first; `Forwarded` says the same, and is looked at where there is none of these."""

_REMEMBERED = 4096
"""Addresses that are remembered as trusted or not: strangers may come from as many as they like."""
_LONGEST_PORT = 5
_LAST_PORT = 65535
_NODE = re.compile(
    rb"([0-9.]{7,15})(?::[0-9]{1,5})?|\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?|([0-9A-Fa-f:.]{2,45})"
)
_SCHEMES = {b"http": b"http", b"https": b"https", b"ws": b"http", b"wss": b"https"}
_PREFIX = re.compile(rb"(?:/[A-Za-z0-9\-._~!$&'()*+,=:@%]+)+")
_PAIR = re.compile(
    rb"[ \t]*(%b)=(?:(%b)|\"((?:[^\"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t -~])*)\")[ \t]*([;,]|\Z)" % (TOKEN, TOKEN)
)
_ESCAPED = re.compile(rb"\\(.)")

Told = list[tuple[bytes, bytes]]
"""Fields of the forwarding families: names in small letters, and values."""


class Proxies:
    """The networks of the proxies that are believed."""

    __slots__ = ("_known", "_networks")

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks: list[IPv4Network | IPv6Network] = [ip_network(network) for network in networks]
        self._known: dict[str, bool] = {}

    def has(self, address: str) -> bool:
        """Tell whether an address, in the form that `address_of` gives, is that of a trusted proxy."""
        known = self._known.get(address)
        if known is None:
            known = self._look(address)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[address] = known
        return known

    def _look(self, address: str) -> bool:
        try:
            read = ip_address(address)
        except ValueError:
            return False
        return any(read in network for network in self._networks)


def address_of(written: str) -> str:
    """Write an address in its one form: an IPv4 address that came over IPv6 is one of IPv4. Anything else stays."""
    if ":" not in written:
        return written
    try:
        address = IPv6Address(written.partition("%")[0])
    except ValueError:
        return written
    return str(address.ipv4_mapped or address)


def source_of(transport: "BaseTransport", ends: "Ends | None") -> str:
    """Give a client's address: what a proxy said at the connection's beginning, otherwise who is at its other end."""
    if ends is not None:
        return ends.source
    address = transport.get_extra_info("peername")
    return address_of(address[0]) if address else "unknown"


class Hop(NamedTuple):
    """What one proxy says about who came to it."""

    node: bytes
    proto: bytes = b""
    host: bytes = b""


_SILENT = Hop(b"")


class Believed:
    """One connection from a proxy that is believed."""

    __slots__ = ("_name", "_peer", "_proxies", "_unsaid")

    def __init__(self, proxies: Proxies, peer: str, name: bytes, unsaid: bytes) -> None:
        """Take what is the same for all of its requests.

        Args:
            proxies: Who is believed.
            peer: The proxy's address.
            name: Ours in `Via`.
            unsaid: The scheme of this connection, for where none is told.
        """
        self._proxies = proxies
        self._peer = peer
        self._name = name
        self._unsaid = unsaid

    def introduce(self, request: "Request", told: Told) -> tuple[bytes, bytes]:
        """Write what an instance is told of a client, up to where its host follows; and that host.

        What is malformed is as if it had not been told. The request learns its `client` and whether it was `secure`.
        """
        by_name: dict[bytes, list[bytes]] = {}
        for name, value in told:
            by_name.setdefault(name, []).append(value)
        chain, hop = self._follow(_family(by_name))
        proto = _SCHEMES.get(hop.proto.lower(), self._unsaid)
        host = hop.host if hop.host and is_host(hop.host) else request.host
        request.client = chain[-1]
        request.secure = proto == b"https"
        lines = [
            self._name,
            b"X-Forwarded-For: " + ", ".join(reversed(chain)).encode(),
            b"X-Forwarded-Proto: " + proto,
        ]
        port, prefix = _sole(by_name, b"x-forwarded-port"), _sole(by_name, b"x-forwarded-prefix")
        if _is_port(port):
            lines.append(b"X-Forwarded-Port: " + port)
        if _PREFIX.fullmatch(prefix):
            lines.append(b"X-Forwarded-Prefix: " + prefix)
        lines.append(b"X-Forwarded-Host: ")
        return b"\r\n".join(lines), host

    def _follow(self, hops: Iterator[Hop]) -> tuple[list[str], Hop]:
        """Give the addresses from the proxy to the client, and what was said of it by whom it came to."""
        chain, last = [self._peer], _SILENT
        for hop in hops:
            if not self._proxies.has(chain[-1]):
                break
            last = hop
            address = _node(hop.node)
            if address is None:
                break
            chain.append(address)
        return chain, last


def _family(told: dict[bytes, list[bytes]]) -> Iterator[Hop]:
    """Read what is said, from the nearest hop on; at least one, which may say nothing."""
    forwarded = told.get(b"forwarded")
    if forwarded is not None and not any(name in told for name in FAMILY):
        yield from reversed(_forwarded(b",".join(forwarded)) or [_SILENT])
        return
    # These two are said once for all hops.
    proto, host = _sole(told, b"x-forwarded-proto"), _sole(told, b"x-forwarded-host")
    found = False
    for part in reversed(b",".join(told.get(b"x-forwarded-for", ())).split(b",")):
        node = part.strip(b" \t")
        if node:
            found = True
            yield Hop(node, proto, host)
    if not found:
        yield Hop(b"", proto, host)


def _sole(told: dict[bytes, list[bytes]], name: bytes) -> bytes:
    values = told.get(name, ())
    return values[0].strip(b" \t") if len(values) == 1 else b""


def _forwarded(value: bytes) -> list[Hop] | None:
    """Read a `Forwarded` field (RFC 7239 §4); None when it is none."""
    hops: list[Hop] = []
    pairs: dict[bytes, bytes] = {}
    at = 0
    while at < len(value):
        pair = _PAIR.match(value, at)
        if pair is None or pair[1].lower() in pairs:
            return None
        pairs[pair[1].lower()] = pair[2] if pair[2] is not None else _ESCAPED.sub(rb"\1", pair[3])
        at = pair.end()
        if pair[4] != b";":
            hops.append(Hop(pairs.get(b"for", b""), pairs.get(b"proto", b""), pairs.get(b"host", b"")))
            pairs = {}
    return None if pairs else hops


def _node(written: bytes) -> str | None:
    """Read an address, with a port or without, in its one form."""
    match = _NODE.fullmatch(written)
    if match is None:
        return None
    text = (match[1] or match[2] or match[3]).decode()
    try:
        return address_of(str(ip_address(text)))
    except ValueError:
        return None


def _is_port(written: bytes) -> bool:
    return written.isdigit() and len(written) <= _LONGEST_PORT and 0 < int(written) <= _LAST_PORT
