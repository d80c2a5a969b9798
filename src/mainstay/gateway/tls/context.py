"""Certificates as OpenSSL takes them: contexts for listening sockets, and for connections to instances."""

import ssl
from functools import lru_cache

from mainstay.gateway.router import AmbiguousHostError, hostname
from mainstay.gateway.table import Terms, Trust
from mainstay.system.certificate import install

CIPHERS = ":".join(
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for key in ("ECDSA", "RSA")
)
"""Of TLS 1.2: Mozilla's intermediate list, without those over finite fields, whose handshakes a client can make
costly. Those of 1.3 are all sound."""
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_ALPN = ["http/1.1"]
_REMEMBERED = 4096


class Certificates:
    """What one listening socket shows, and to whom."""

    __slots__ = ("_contexts", "_covering", "_exact", "_numbers", "_wild", "context", "terms")

    def __init__(self, terms: Terms) -> None:
        """Make the contexts; session tickets are of their own, so that new terms begin with none.

        Raises:
            OSError: OpenSSL does not take them.
        """
        self.terms = terms
        self._contexts = [_listens(terms, number) for number in range(len(terms.certificates))]
        self.context = self._contexts[0]
        """What handshakes begin with."""
        self._numbers = {id(context): number for number, context in enumerate(self._contexts)}
        self._exact: dict[str, list[int]] = {}
        self._wild: dict[str, list[int]] = {}
        for number, pair in enumerate(terms.certificates):
            for name in pair.names:
                wild = name.startswith("*.")
                (self._wild if wild else self._exact).setdefault(name[1:] if wild else name, []).append(
                    number
                )
        self._covering: dict[bytes, list[int]] = {}
        if self.several:
            self.context.sni_callback = self._choose

    @property
    def several(self) -> bool:
        """Whether there is anything to choose."""
        return len(self._contexts) > 1

    def _choose(self, session: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        if name and (numbers := self._for(name.lower())):
            session.context = self._contexts[min(numbers)]

    def _for(self, name: str) -> list[int]:
        """Give the certificates that are for a name: a wildcard stands for one label (RFC 9525 §6.3)."""
        dot = name.find(".")
        return self._exact.get(name, []) + (self._wild.get(name[dot:], []) if dot > 0 else [])

    def shown(self, session: ssl.SSLObject) -> int:
        """Give the number of the certificate that was shown in a handshake."""
        return self._numbers[id(session.context)]

    def misdirected(self, shown: int, host: bytes) -> bool:
        """Tell whether a request belongs on another connection: there is a certificate for its host, and it is not this.

        Args:
            shown: The number of the certificate that the client was shown.
            host: As it was asked for, with the port if there is one.
        """
        numbers = self._covering.get(host)
        if numbers is None:
            numbers = self._for(_named(host))
            if len(self._covering) < _REMEMBERED:
                self._covering[host] = numbers
        return bool(numbers) and shown not in numbers


def _named(host: bytes) -> str:
    try:
        return hostname(host).decode("latin-1").strip("[]")
    except AmbiguousHostError:
        return ""  # of nobody's certificate


def _listens(terms: Terms, number: int) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[terms.min_version]
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(_ALPN)
    # All are sound, so that the client knows best which one its machine is fast at.
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.options |= ssl.OP_NO_RENEGOTIATION
    # One for each connection: a client that opens several gets several, and the second costs a twentieth of it all.
    context.num_tickets = 0 if terms.client_ca else 1
    pair = terms.certificates[number]
    install(context, pair.chain, pair.key)
    if terms.client_ca:
        context.load_verify_locations(cadata=terms.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED if terms.required else ssl.CERT_OPTIONAL
        # Each connection proves anew who it is, by the authorities of now.
        context.options |= ssl.OP_NO_TICKET
    return context


@lru_cache(maxsize=64)
def to_instances(trust: Trust) -> ssl.SSLContext:
    """Make the context for connections to instances.

    Raises:
        OSError: OpenSSL does not take it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Ciphers are Python's own choice: sound, and known to older servers, which are not ours to mend.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(_ALPN)
    if not trust.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif trust.ca:
        context.load_verify_locations(cadata=trust.ca)
    else:
        context.load_default_certs()
    if trust.pair is not None:
        install(context, trust.pair.chain, trust.pair.key)
    return context
