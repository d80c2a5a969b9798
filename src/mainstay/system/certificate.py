"""Certificates and keys as they are in files: read, proved to belong together, and told what they are for.

A pair is proved as a stranger would: by a handshake, in memory, which shows what is in the certificate as well.
"""

import os
import re
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from mainstay.base.errors import SpecError

WARNED = 14
"""Days before its end from which on a certificate is warned of: renewing programs begin at thirty, so that by
then they have failed for two weeks."""

LARGEST = 2**20
"""Bytes that a file may have; a chain of certificates has a few thousand, all authorities of a system some 200,000."""
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)
_NAME = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_WHERE = re.compile(r"^\[[^\]]*\] *| *\(_ssl\.c:[0-9]+\)$")
_CERTIFICATES = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
_KEY = "PRIVATE KEY"
_ENCRYPTED = "is encrypted, and nobody is there to tell its password: take it off with `openssl pkey`"
# X509_V_FLAG_NO_CHECK_TIME, which `ssl` has no name for: one that has expired is told, not refused.
_WHENEVER = 0x200000
# Each side speaks twice, and once more for good measure.
_TURNS = 3
_WEAK = {"EE_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "CA_KEY_TOO_SMALL", "MD_TOO_WEAK"}


class PairError(SpecError):
    """A certificate and a key that cannot be used; `part` tells which of them is to blame: `cert` or `key`."""

    def __init__(self, part: str, message: str) -> None:
        super().__init__(message)
        self.part = part


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate with the chain that vouches for it, and its key."""

    chain: str
    """PEM: the certificate first."""
    key: str = field(repr=False)
    """PEM."""
    names: tuple[str, ...]
    """Names and addresses that it is for, in small letters; `*.shop.example` for every name just below."""
    subject: str
    """Whose it is, as in `CN=shop.example`."""
    since: float
    """When it begins to count, in seconds since 1970."""
    until: float
    """When it expires, in seconds since 1970."""

    @property
    def title(self) -> str:
        """What people know it by."""
        return self.names[0] if self.names else self.subject or "nobody"


def read_pair(cert: Path, key: Path, *, client: bool = False) -> Pair:
    """Read a certificate and its key.

    Args:
        cert: PEM file: the certificate, followed by the chain.
        key: PEM file with the key alone, or the same file.
        client: Whether it is shown by who connects; otherwise by who listens.

    Raises:
        PairError: one of them cannot be used.
    """
    try:
        chain, secret = _blocks(cert, _CERTIFICATES, "cert"), _blocks(key, (_KEY,), "key")
    except _UnreadableError as error:
        raise PairError(error.part, str(error)) from None
    return _pair("\n".join(chain) + "\n", secret[0] + "\n", client=client)


def read_authorities(file: Path) -> str:
    """Read the certificates of authorities, as one PEM text.

    Raises:
        SpecError: it has none, or what is no certificate.
    """
    try:
        text = "\n".join(_blocks(file, _CERTIFICATES, "cert")) + "\n"
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except _UnreadableError as error:
        raise SpecError(str(error)) from None
    except ssl.SSLError as error:
        raise SpecError(f"has a certificate that cannot be read: {said(error)}") from None
    return text


def install(context: ssl.SSLContext, chain: str, key: str) -> None:
    """Give a context the certificate that it is to show.

    Raises:
        ssl.SSLError: they cannot be used.
    """
    # It reads files only; one in memory leaves no key behind.
    file = os.memfd_create("pair", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(file), "wb") as writer:
            writer.write((chain + key).encode())
        context.load_cert_chain(f"/proc/self/fd/{file}", password=_no_password)
    finally:
        os.close(file)


def said(error: ssl.SSLError) -> str:
    """Give what OpenSSL says in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.lower()
    return (error.reason or _WHERE.sub("", str(error))).lower().replace("_", " ")


class _UnreadableError(Exception):
    def __init__(self, part: str, message: str) -> None:
        super().__init__(message)
        self.part = part


class _PasswordAskedError(Exception):
    pass


def _no_password() -> str:
    raise _PasswordAskedError


def _blocks(file: Path, kinds: tuple[str, ...], part: str) -> list[str]:
    """Give the PEM blocks of these kinds."""
    found = [(match[1], match[0]) for match in _BLOCK.finditer(_text(file, part))]
    blocks = [block for kind, block in found if kind.endswith(kinds)]
    if blocks:
        return blocks
    what = "certificate" if part == "cert" else "private key"
    others = ", ".join(dict.fromkeys(kind.lower() for kind, _ in found))
    raise _UnreadableError(part, f"has no {what} in PEM form{f', but {others}' if others else ''}: {file}")


def _text(file: Path, part: str) -> str:
    try:
        if file.exists() and not file.is_file():
            raise _UnreadableError(part, f"is not a file: {file}")
        with file.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except FileNotFoundError:
        raise _UnreadableError(part, f"no such file: {file}") from None
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise _UnreadableError(part, f"cannot be read: {reason}: {file}") from None
    if len(content) > LARGEST:
        raise _UnreadableError(part, f"is larger than {LARGEST} bytes: {file}")
    return content.decode("latin-1")


def _pair(chain: str, key: str, *, client: bool) -> Pair:
    if "ENCRYPTED" in key:
        raise PairError("key", _ENCRYPTED)
    purpose = ssl.PROTOCOL_TLS_CLIENT if client else ssl.PROTOCOL_TLS_SERVER
    shows = ssl.SSLContext(purpose)
    trusts = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if client else ssl.PROTOCOL_TLS_CLIENT)
    try:
        trusts.load_verify_locations(cadata=chain)
    except ssl.SSLError as error:
        raise PairError("cert", f"has a certificate that cannot be read: {said(error)}") from None
    try:
        install(shows, chain, key)
    except _PasswordAskedError:
        raise PairError("key", _ENCRYPTED) from None
    except ssl.SSLError as error:
        raise _blamed(error) from None
    except OSError as error:  # no descriptors left, or no /proc
        raise PairError("key", f"cannot be handed to OpenSSL: {(error.strerror or '').lower()}") from None
    return _shown(shows, trusts, chain, key, client=client)


def _blamed(error: ssl.SSLError) -> PairError:
    if error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"):
        return PairError("key", "does not belong to the certificate, which is the first one in cert")
    if error.reason in _WEAK:
        return PairError("cert", f"is too weak to be trusted by anybody: {said(error)}")
    return PairError("key", f"cannot be read: {said(error)}")


def _shown(shows: ssl.SSLContext, trusts: ssl.SSLContext, chain: str, key: str, *, client: bool) -> Pair:
    """Tell what is in a certificate, as the other end of a handshake sees it."""
    for context in (shows, trusts):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    trusts.verify_mode = ssl.CERT_REQUIRED
    trusts.verify_flags = ssl.VerifyFlags(ssl.VERIFY_X509_PARTIAL_CHAIN | _WHENEVER)
    if client:
        # Somebody has to listen, with whatever it has: this one's own.
        install(trusts, chain, key)
    try:
        seen = _handshake(shows, trusts, client=client)
    except ssl.SSLError as error:
        raise PairError("cert", f"is refused by who is to trust it: {said(error)}") from None
    return Pair(
        chain=chain,
        key=key,
        names=tuple(_names(seen)),
        subject=subject_of(seen),
        since=ssl.cert_time_to_seconds(seen["notBefore"]),
        until=ssl.cert_time_to_seconds(seen["notAfter"]),
    )


def _handshake(shows: ssl.SSLContext, trusts: ssl.SSLContext, *, client: bool) -> dict[str, Any]:
    """Let both talk to each other, and give what the one that trusts has seen of the other's certificate."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    listens, connects = (trusts, shows) if client else (shows, trusts)
    server = listens.wrap_bio(there, back, server_side=True)
    caller = connects.wrap_bio(back, there)
    for _ in range(_TURNS):
        for side in (caller, server):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return (server if client else caller).getpeercert() or {}


def subject_of(seen: dict[str, Any]) -> str:
    """Write whose a certificate is, of what `getpeercert` gives; what cannot be printed is left out of it."""
    parts = (f"{_SHORT.get(name, name)}={value}" for part in seen.get("subject", ()) for name, value in part)
    return "".join(letter if letter.isprintable() else "?" for letter in ", ".join(parts))


def _names(seen: dict[str, Any]) -> Iterator[str]:
    for kind, name in seen.get("subjectAltName", ()):
        if kind == "DNS" and _NAME.fullmatch(name.lower()):
            yield name.lower()
        elif kind == "IP Address":
            yield str(ip_address(name.strip()))


_SHORT = {"commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU", "countryName": "C"}
