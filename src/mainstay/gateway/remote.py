"""Instances that somebody else runs: as rows of the routing table, and as lines of the status."""

from dataclasses import replace
from typing import Any

from mainstay.gateway.table import DRAINING, Row
from mainstay.gateway.tally import Tally
from mainstay.system.schema import Service, System

GENERATION = 1
"""Of an address nobody here knows when it was started again, so it has one life."""
_BEST = ("up", "suspect", "down")


def rows(system: System) -> list[Row]:
    """Give the rows of the routing table for all services with addresses."""
    return [
        Row(
            service=name,
            instance=address.authority,
            generation=GENERATION,
            host=address.host,
            port=address.port,
            authority=address.authority if service.told_own_host else "",
            path=service.health_path(),
            talk=service.health_talk(),
            server_name=service.server_name(address),
            preamble=service.preamble(),
        )
        for name, service in _services(system)
        for address in service.addresses
    ]


def parting(before: System, after: System) -> list[Row]:
    """Give the rows of addresses that there are no more, for what is in progress there to end."""
    staying = {(row.service, row.instance, row.generation) for row in rows(after)}
    return [
        replace(row, state=DRAINING)
        for row in rows(before)
        if row.service in after.services
        and after.services[row.service].listen is not None
        and (row.service, row.instance, row.generation) not in staying
    ]


def status(system: System, tally: Tally) -> list[dict[str, Any]]:
    """Give a line for each address, with the keys that an instance of ours has; what only we could know is None."""
    return [
        {
            "service": name,
            "instance": address.authority,
            "zone": "",
            "generation": GENERATION,
            "pid": None,
            "port": address.port,
            "state": _state(tally.instance(name, address.authority, GENERATION)["health"]),
            "uptime": None,
            "restarts": 0,
            "outdated": False,
            "last_exit": None,
            "last_probe": None,
            "next_try": None,
        }
        for name, service in _services(system)
        for address in service.addresses
    ]


def _services(system: System) -> list[tuple[str, Service]]:
    return [(name, service) for name, service in system.services.items() if service.addresses]


def _state(seen: list[str]) -> str:
    """Give the best that a worker has seen: one that still reaches it serves users with it."""
    return next((state for state in _BEST if state in seen), _BEST[0])
