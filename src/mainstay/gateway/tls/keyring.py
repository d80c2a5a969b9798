"""The certificates of a system: read from their files, watched, and told when they expire.

Files are changed one after the other, by hand or by a program. What does not fit together is not taken: the
former goes on until it does. Only the supervisor reads them; workers get them with the routing table, so that
one which is started while a file is broken has what the others have.
"""

from math import floor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mainstay.base.clock import Clock
from mainstay.base.errors import SpecError
from mainstay.base.facts import CertificateNearedExpiry, CertificatesChanged, CertificatesRejected, Emit
from mainstay.gateway.table import Terms, Trust
from mainstay.system.certificate import WARNED, Pair, PairError, read_authorities, read_pair
from mainstay.system.place import written
from mainstay.system.schema import System
from mainstay.system.tls import Tls, UpstreamTls

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_DAY = 86400
S = TypeVar("S")
V = TypeVar("V")


class _Source(Generic[S, V]):
    """What is made of some files, as a section of the system file says; equal to one that says the same."""

    def __init__(self, section: S, folder: Path) -> None:
        self._section = section
        self._folder = folder
        self._made: list[tuple[str, Pair]] = []
        self.files = [folder / file for file in self._named() if file is not None]

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and (self._section, self._folder) == (other._section, other._folder)

    __hash__ = None  # type: ignore[assignment] # nobody asks for it

    def _named(self) -> "Iterator[Path | None]":
        """Give the files that the section names."""
        raise NotImplementedError

    def make(self) -> V:
        """Make it.

        Raises:
            SpecError: it cannot be; the message begins with the key inside of the section.
        """
        raise NotImplementedError

    def pairs(self) -> list[tuple[str, Pair]]:
        """Give the certificates in what was made last, each with what its key is longer by."""
        return self._made


class Keyring:
    """What all listeners and all services show and believe."""

    def __init__(
        self,
        system: System,
        emit: Emit,
        clock: Clock,
        *,
        known: "Collection[_Held[Any]]" = (),
        told: "dict[str, tuple[float, int]] | None" = None,
    ) -> None:
        """Hold nothing, until `open`.

        Args:
            system: Whose certificates.
            emit: Takes the facts.
            clock: Tells the time.
            known: What was held before; what says the same under the same key goes on as it is.
            told: What was warned of before.
        """
        folder = system.folder
        self._emit = emit
        self._clock = clock
        # Its end, and the days until then that were told last, by the certificate's key.
        self._told: dict[str, tuple[float, int]] = {} if told is None else told
        self._terms = {
            name: _Held(f"{opening.key.rpartition('.')[0]}.tls", _TermsOf(opening.entrance.tls, folder))
            for name, opening in system.openings().items()
            if opening.entrance.tls is not None
        }
        # Services that say the same mean the same.
        self._trusts = {
            service.upstream_tls: _Held(
                f"services.{name}.upstream_tls", _TrustOf(service.upstream_tls, folder)
            )
            for name, service in reversed(system.services.items())
            if service.upstream_tls is not None
        }
        if known:
            self._terms = {name: _kept(held, known) for name, held in self._terms.items()}
            self._trusts = {section: _kept(held, known) for section, held in self._trusts.items()}

    def successor(self, system: System) -> "Keyring":
        """Give the keyring of another system, of the same folder; it need not be opened for what both say.

        What they have in common goes on as it is, also while its files do not fit together.
        """
        return Keyring(system, self._emit, self._clock, known=list(self._all()), told=self._told)

    def open(self) -> list[str]:
        """Read all files that were not read before, and give what is wrong with them, each with the system file's key."""
        return [problem for held in self._all() if held.value is None if (problem := held.read()) is not None]

    def look(self) -> bool:
        """Look whether files have changed; say whether anything is to be shown or believed that was not before."""
        news = False
        for held in self._all():
            before, trouble = held.value, held.trouble
            held.look()
            if held.value != before:
                news = True
                names = [pair.title for _, pair in held.pairs()]
                self._emit(CertificatesChanged(at=self._clock.wall(), key=held.key, names=names))
            if held.trouble not in (None, trouble):
                self._emit(
                    CertificatesRejected(at=self._clock.wall(), key=held.key, reason=held.trouble or "")
                )
        self._warn()
        return news

    def terms(self, name: str) -> Terms | None:
        """Give how TLS is spoken at a listening socket; None: not at all, or its files could not be read."""
        held = self._terms.get(name)
        return held.value if held is not None else None

    def knows(self, section: UpstreamTls | None) -> bool:
        """Tell whether a service of its system says this."""
        return section in self._trusts

    def trust(self, section: UpstreamTls | None) -> Trust:
        """Give how instances of a service that says this are believed."""
        held = self._trusts.get(section) if section is not None else None
        return (held.value if held is not None else None) or Trust()

    def status(self) -> list[dict[str, Any]]:
        """Give a line for each certificate, as plain values."""
        return [
            {
                "key": key,
                "name": pair.title,
                "names": list(pair.names),
                "since": pair.since,
                "until": pair.until,
                "trouble": held.trouble,
            }
            for held in self._all()
            for key, pair in held.pairs()
        ]

    def _all(self) -> "Iterator[_Held[Any]]":
        yield from self._terms.values()
        yield from self._trusts.values()

    def _warn(self) -> None:
        now = self._clock.wall()
        for held in self._all():
            for key, pair in held.pairs():
                told = (pair.until, floor((pair.until - now) / _DAY))
                if told[1] < WARNED and self._told.get(key) != told:
                    self._told[key] = told
                    self._emit(
                        CertificateNearedExpiry(
                            at=now, key=key, name=pair.title, until=pair.until, days=told[1]
                        )
                    )


def _kept(held: "_Held[V]", others: "Collection[_Held[Any]]") -> "_Held[V]":
    """Give the one that says the same under the same key, if there is one."""
    return next((one for one in others if one.key == held.key and one.source == held.source), held)


class _Held(Generic[V]):
    """What was made of some files when they last fitted together."""

    def __init__(self, key: str, source: _Source[Any, V]) -> None:
        self.key = key
        self.value: V | None = None
        self.trouble: str | None = None
        """Why the files that are there now are not used."""
        self.source = source
        self._seen: list[tuple[int, ...] | None] = []
        self._doubt: str | None = None

    def read(self) -> str | None:
        """Read the files, and give what is wrong with them."""
        self._seen = [_stamp(file) for file in self.source.files]
        try:
            self.value = self.source.make()
        except SpecError as error:
            self._doubt = self.trouble = f"{self.key}.{error}"
        return self.trouble

    def look(self) -> None:
        """Read the files again if they are not what they were."""
        # First this, then the files: what changes in between is seen the next time.
        seen = [_stamp(file) for file in self.source.files]
        if seen == self._seen and self._doubt is None:
            return
        self._seen = seen
        try:
            self.value = self.source.make()
        except SpecError as error:
            # They are changed one after the other; what is wrong is so when it stays.
            doubt, self._doubt = self._doubt, f"{self.key}.{error}"
            if doubt == self._doubt:
                self.trouble = doubt
        else:
            self._doubt = self.trouble = None

    def pairs(self) -> list[tuple[str, Pair]]:
        """Give the certificates that are used, each with its key."""
        return [(self.key + place, pair) for place, pair in self.source.pairs()]


def _stamp(file: Path) -> tuple[int, ...] | None:
    try:
        seen = file.stat()
    except (OSError, ValueError):
        return None
    return (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


class _TermsOf(_Source[Tls, Terms]):
    """How TLS is spoken at a listener."""

    def _named(self) -> "Iterator[Path | None]":
        for _, each in self._section.pairs():
            yield from (each.cert, each.key)
        yield self._section.client_ca

    def make(self) -> Terms:
        """Read it."""
        section, folder = self._section, self._folder
        made = [
            (f".{written(path)}" if path else "", _pair(written(path), folder, each.cert, each.key))
            for path, each in section.pairs()
        ]
        ca = _authorities("client_ca", folder, section.client_ca)
        self._made = made
        return Terms(
            certificates=[pair for _, pair in made],
            min_version=section.min_version,
            client_ca=ca,
            required=section.client_auth == "required",
            patience=section.handshake_timeout,
        )


class _TrustOf(_Source[UpstreamTls, Trust]):
    """How instances are believed."""

    def _named(self) -> "Iterator[Path | None]":
        yield from (self._section.ca, self._section.cert, self._section.key)

    def make(self) -> Trust:
        """Read it."""
        section, folder = self._section, self._folder
        ca = _authorities("ca", folder, section.ca)
        pair = _pair("", folder, section.cert, section.key, client=True) if section.cert else None
        self._made = [("", pair)] if pair is not None else []
        return Trust(ca=ca, verify=section.verify, pair=pair)


def _pair(place: str, folder: Path, cert: Path | None, key: Path | None, *, client: bool = False) -> Pair:
    assert cert is not None
    assert key is not None
    try:
        return read_pair(folder / cert, folder / key, client=client)
    except PairError as error:
        raise SpecError(f"{place}{'.' if place else ''}{error.part}: {error}") from None


def _authorities(key: str, folder: Path, file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return read_authorities(folder / file)
    except SpecError as error:
        raise SpecError(f"{key}: {error}") from None
