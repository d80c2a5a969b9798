"""TLS as the system file tells it: what a listener shows to clients, and what instances have to show."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from mainstay.system.mechanism import Section
from mainstay.system.place import Path
from mainstay.system.value import Duration, DurationOrZero, File, OneOf, Switch, shown, wrong

VERSIONS = ("1.2", "1.3")
"""Versions of TLS that are spoken (RFC 8996 has done with the others)."""


def _version(written: object) -> object:
    # In YAML it is a number.
    version = str(written) if isinstance(written, float) else written
    if version not in VERSIONS:
        raise wrong(f"found {shown(written)}, allowed: {', '.join(VERSIONS)}")
    return version


Version = Annotated[
    Literal["1.2", "1.3"],
    PlainValidator(_version),
    WithJsonSchema({"enum": [*map(float, VERSIONS), *VERSIONS]}),
]
"""A version of TLS."""


_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


def _server_name(written: object) -> str:
    if not isinstance(written, str) or not _NAME.fullmatch(written):
        raise wrong(f"{shown(written)} is not a name: write it in small letters, as in pay.example")
    return written


ServerName = Annotated[
    str,
    PlainValidator(_server_name),
    WithJsonSchema({"type": "string", "pattern": f"^{_NAME.pattern}$", "examples": ["pay.example"]}),
]
"""The name of a server (RFC 1123 §2.1)."""

_TO_HTTPS = re.compile(r"https(?::([0-9]{1,5}))?")
_PORT = 443
_LAST_PORT = 65535


def _to_https(written: object) -> int:
    match = _TO_HTTPS.fullmatch(written) if isinstance(written, str) else None
    port = int(match[1] or _PORT) if match is not None else 0
    if not 0 < port <= _LAST_PORT:
        raise wrong(f"found {shown(written)}, allowed: https, or https:PORT, as in https:8443")
    return port


ToHttps = Annotated[
    int,
    PlainValidator(_to_https),
    WithJsonSchema({"type": "string", "pattern": f"^{_TO_HTTPS.pattern}$", "examples": ["https"]}),
]
"""The port of https that requests are sent to."""

ClientAuth = Annotated[Literal["required", "optional"], OneOf("required", "optional")]
"""Whether a client has to show a certificate."""


class Certificate(Section):
    """A certificate and its key."""

    cert: File
    """PEM file with the certificate, followed by the chain that vouches for it (certbot's `fullchain.pem`)."""

    key: File
    """PEM file with its private key, without a password."""


class Tls(Section):
    """What a listener of `https://` shows and asks for. Files that change are taken up without a restart."""

    cert: File | None = None
    """PEM file with the certificate, followed by the chain that vouches for it (certbot's `fullchain.pem`),
    relative to the system file. Required, unless there are `certificates`."""

    key: File | None = None
    """PEM file with its private key, without a password: nobody is there to type one when it starts at night."""

    certificates: list[Certificate] = Field(default_factory=list, max_length=1000)
    """Several certificates, in place of `cert` and `key`. A client gets the first that is for the name it asks
    for (SNI, RFC 6066 §3), and the first of all when it asks for none of them."""

    min_version: Version = "1.2"
    """The oldest version of TLS that is spoken. 1.2, which all clients of the last ten years know, with ciphers
    that have forward secrecy only (Mozilla's intermediate list, without finite-field groups)."""

    client_ca: File | None = None
    """PEM file with the authorities whose certificates clients have to show (mutual TLS). None by default:
    anybody may connect."""

    client_auth: ClientAuth = "required"
    """Whether a client without a certificate is refused, or let in as nobody; one with a wrong certificate is
    always refused. Required, once there is a `client_ca`: who asks for certificates means it."""

    hsts: DurationOrZero | None = None
    """How long browsers are to use https alone for this host (`Strict-Transport-Security`, RFC 6797), with every
    answer that does not say so itself. None by default: it cannot be taken back before the time is up. `0` takes
    it back."""

    handshake_timeout: Duration = 10.0
    """How long a client may take for its handshake; as long as for a request's head."""

    def pairs(self) -> Iterator[tuple[Path, "Certificate | Tls"]]:
        """Give the certificates with their places in the section; the first is for who asks for no other."""
        if self.certificates:
            for place, each in enumerate(self.certificates):
                yield ("certificates", place), each
        elif self.cert is not None and self.key is not None:
            yield (), self


class UpstreamTls(Section):
    """TLS to the instances of a service; what they show is verified."""

    ca: File | None = None
    """PEM file with the authorities that vouch for instances, relative to the system file. By default those that
    this machine trusts."""

    server_name: ServerName | None = None
    """The name that their certificates have to be for, which is asked for as well (SNI). By default the host of
    their address, and `localhost` for a `command`."""

    cert: File | None = None
    """PEM file with the certificate that is shown to instances that ask for one (mutual TLS)."""

    key: File | None = None
    """PEM file with its private key, without a password."""

    verify: Switch = True
    """Whether instances have to prove who they are. `off` encrypts and no more: whoever gets in between reads and
    changes everything, passwords and answers alike, and nobody notices. For a certificate that no authority
    vouches for, name it as `ca` instead."""
