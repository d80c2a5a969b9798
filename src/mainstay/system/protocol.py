"""What must hold between a service and what is spoken at its listener: HTTP, or anything over TCP."""

from collections.abc import Iterator, Mapping

from mainstay.system.listener import TCP, Listener
from mainstay.system.place import Finding, Path
from mainstay.system.schema import Service

_OF_HTTP: Mapping[Path, str] = {
    ("routes",): "it has neither hosts nor paths to tell services apart by",
    ("host",): "no Host is sent there",
    ("idempotency",): "no headers are read there",
    ("upgrade",): "whatever is spoken there is passed on",
    ("users",): "whether a connection went well is not known there",
    ("hold",): "what comes is passed on at once",
    ("concurrency",): "write max_connections",
    ("hedge",): "nobody knows what may be asked twice",
    ("suspicion",): "nobody knows when an answer is due",
    ("health", "path"): "write health.send and health.expect",
    ("outlier", "failed"): "no status is read there",
    ("timeouts", "idle"): "write timeouts.tunnel",
}
"""Keys that mean nothing where no HTTP is spoken, and why."""

_OF_TCP: Mapping[Path, str] = {
    ("max_connections",): "only a service with a tcp:// listener has it",
    ("health", "send"): "only what does not speak HTTP is asked this way: write health.path",
    ("health", "expect"): "only what does not speak HTTP is asked this way: write health.path",
}
"""Keys that mean nothing where HTTP is spoken, and why."""


def check_protocol(service: Service, listener: Listener | None) -> Iterator[Finding]:
    """Check a service against what is spoken at its listener; paths are within the service.

    Args:
        service: The service.
        listener: Where it takes its traffic; None when it takes none, or the file does not say where.
    """
    health = service.health
    if health is not None and health.send and not health.expect:
        yield ("health", "send"), "needs health.expect as well: what is said proves nothing without an answer"
    if listener is None:
        if service.listen is None and service.max_connections is not None:
            yield ("max_connections",), _OF_TCP["max_connections",]
        if health is not None and health.path and health.expect:
            yield ("health", "expect"), "there is health.path as well: one question is asked, not two"
        return
    tcp = listener.scheme == TCP
    for path, why in (_OF_HTTP if tcp else _OF_TCP).items():
        if _is_told(service, path):
            yield path, f"means nothing at {listener}: {why}" if tcp else why
    if tcp and service.sticky is not None and service.sticky.by.kind != "client":
        yield ("sticky", "by"), f"must be client at {listener}: nothing but the address is known there"
    for place, address in enumerate(service.addresses):
        if (address.scheme == TCP) is not tcp:
            meant = f"{listener.scheme}://HOST:PORT"
            yield ("addresses", place), f"{address} does not speak what {listener} does: write {meant}"


def _is_told(service: Service, path: Path) -> bool:
    section: object = service
    for key in path[:-1]:
        section = getattr(section, str(key))
    return section is not None and path[-1] in section.model_fields_set  # type: ignore[attr-defined] # sections are models
