"""What must hold of TLS: where it is spoken, what is needed for it, and that the files can be used."""

from collections.abc import Container, Iterator, Mapping
from pathlib import Path

from mainstay.base.errors import SpecError
from mainstay.system.certificate import PairError, read_authorities, read_pair
from mainstay.system.entrance import Entrance
from mainstay.system.listener import TCP, Listener
from mainstay.system.place import Finding, written
from mainstay.system.place import Path as KeyPath
from mainstay.system.schema import Service
from mainstay.system.tls import Tls, UpstreamTls

_SECURE = "https"


def check_tls(
    services: Mapping[str, Service],
    shared: Mapping[str, Entrance],
    folder: Path,
    told: Container[KeyPath] = (),
) -> Iterator[Finding]:
    """Check all that has to do with TLS.

    Args:
        services: Those that could be read.
        shared: The system's `listeners`.
        folder: The system file's.
        told: What is known to have something wrong in it.
    """
    for name, entrance in shared.items():
        yield from _listener(("listeners", name), "at", entrance.at, entrance.tls, folder, told)
    for name, service in services.items():
        if isinstance(service.listen, Listener):
            yield from _listener(("services", name), "listen", service.listen, service.tls, folder, told)
        yield from _placed(("services", name), _service(service, shared, folder))


def _placed(path: KeyPath, findings: Iterator[Finding]) -> Iterator[Finding]:
    for inner, message in findings:
        yield (*path, *inner), message


def _service(service: Service, shared: Mapping[str, Entrance], folder: Path) -> Iterator[Finding]:
    if service.tls is not None and not isinstance(service.listen, Listener):
        where = f"put it under listeners.{service.listen}" if service.listen else "it has no listener"
        yield ("tls",), f"only a listener of its own has certificates: {where}"
    upstream = service.upstream_tls
    if upstream is None:
        return
    if _scheme(service, shared) == TCP:
        yield ("upstream_tls",), "means nothing with a tcp:// listener, whose bytes are passed on as they are"
    elif service.addresses and not any(address.scheme == _SECURE for address in service.addresses):
        yield ("upstream_tls",), "means nothing without an address of https://"
    yield from _placed(("upstream_tls",), _upstream(upstream, folder))


def _scheme(service: Service, shared: Mapping[str, Entrance]) -> str:
    """Give what is spoken at the listener of a service; empty when it has none."""
    listen = service.listen
    if isinstance(listen, Listener):
        return listen.scheme
    return shared[listen].at.scheme if listen is not None and listen in shared else ""


def _listener(  # noqa: PLR0913, PLR0917 - where it is, and what is known of it
    path: KeyPath, key: str, at: Listener, tls: Tls | None, folder: Path, told: Container[KeyPath]
) -> Iterator[Finding]:
    place = (*path, "tls")
    if tls is None:
        if at.scheme == _SECURE and place not in told:
            lacks = f"{at} needs a certificate: name its files with `tls`, as `cert` and `key`"
            yield (*path, key), lacks
        return
    if at.scheme != _SECURE:
        yield place, f"means nothing at {at}: write https://"
    if not tls.certificates and tls.cert is None and tls.key is None and place not in told:
        yield place, "needs cert and key, or certificates"
    yield from _placed(place, _both(tls))
    yield from _placed(place, _certificates(tls, folder))
    yield from _placed(place, _clients(tls, folder))


def _certificates(tls: Tls, folder: Path) -> Iterator[Finding]:
    if tls.certificates and (tls.cert is not None or tls.key is not None):
        yield ("certificates",), "stand in place of cert and key: there is one or the other"
    covered: dict[str, KeyPath] = {}
    for path, each in tls.pairs():
        try:
            pair = read_pair(folder / each.cert, folder / each.key)  # type: ignore[operator] # of those it has both
        except PairError as error:
            yield (*path, error.part), str(error)
            continue
        if pair.names and all(name in covered for name in pair.names):
            other = written(covered[pair.names[0]])
            yield path, f"would never be shown: {other} is for all names that it is for, and comes first"
        for name in pair.names:
            covered.setdefault(name, path)


def _clients(tls: Tls, folder: Path) -> Iterator[Finding]:
    if tls.client_ca is not None:
        yield from _authorities("client_ca", folder / tls.client_ca)
    elif "client_auth" in tls.model_fields_set:
        yield ("client_auth",), "needs client_ca: the authorities whose certificates clients have to show"


def _upstream(tls: UpstreamTls, folder: Path) -> Iterator[Finding]:
    yield from _both(tls)
    if not tls.verify and tls.ca is not None:
        yield ("ca",), "means nothing with verify off"
    if tls.ca is not None:
        yield from _authorities("ca", folder / tls.ca)
    if tls.cert is not None and tls.key is not None:
        try:
            read_pair(folder / tls.cert, folder / tls.key, client=True)
        except PairError as error:
            yield (error.part,), str(error)


def _both(section: Tls | UpstreamTls) -> Iterator[Finding]:
    if (section.cert is None) is not (section.key is None):
        missing, there = ("cert", "key") if section.cert is None else ("key", "cert")
        yield (there,), f"is of no use without {missing}"


def _authorities(key: str, file: Path) -> Iterator[Finding]:
    try:
        read_authorities(file)
    except SpecError as error:
        yield (key,), str(error)
