"""Instances that somebody else runs: as rows of the routing table, and as lines of the status."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from mainstay.base.probe import ProbeResult
from mainstay.gateway.table import DRAINING, Row
from mainstay.gateway.tally import Seen, Tally
from mainstay.system.address import Address
from mainstay.system.schema import Service, System

Probe = Callable[[Service, str, int], Awaitable[ProbeResult]]
"""Asks whether what is at a host and port is well."""
Heard = Mapping[tuple[str, str], ProbeResult]
"""What was heard, by service and instance."""

GENERATION = 1
"""Of an address nobody here knows when it was started again, so it has one life."""
_BEST = ("up", "suspect", "down")
_AT_ONCE = 100
_MOMENT = 2.0


def rows(system: System) -> list[Row]:
    """Give the rows of the routing table for all services with addresses."""
    return [
        Row(
            service=name,
            instance=address.authority,
            generation=GENERATION,
            host=address.host,
            port=address.port,
            zone=address.zone,
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


async def ask(system: System, probe: Probe) -> Heard:
    """Ask each address that is checked once whether it is well, and give what was heard within a moment.

    It is for people, who are told when a system is up: what the workers route by, they find out themselves.
    """
    heard: dict[tuple[str, str], ProbeResult] = {}
    few = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str, service: Service, address: Address) -> None:
        async with few:
            heard[name, address.authority] = await probe(service, address.host, address.port)

    with suppress(TimeoutError):
        async with asyncio.timeout(_MOMENT), asyncio.TaskGroup() as tasks:
            for name, service in _services(system):
                for address in service.addresses if service.health is not None else ():
                    tasks.create_task(one(name, service, address))
    return heard


def status(system: System, tally: Tally, heard: Heard) -> list[dict[str, Any]]:
    """Give a line for each address, with the keys that an instance of ours has; what only we could know is None.

    What was `heard` counts until a worker has asked itself.
    """
    return [
        {
            "service": name,
            "instance": address.authority,
            "zone": address.zone,
            "generation": GENERATION,
            "pid": None,
            "port": address.port,
            "state": _state(seen, last),
            "uptime": None,
            "restarts": 0,
            "outdated": False,
            "last_exit": None,
            "last_probe": last._asdict() if last is not None else None,
            "next_try": None,
        }
        for name, service in _services(system)
        for address in service.addresses
        for seen in (tally.seen(name, address.authority, GENERATION),)
        for last in (_last(seen) or heard.get((name, address.authority)),)
    ]


def _services(system: System) -> list[tuple[str, Service]]:
    return [(name, service) for name, service in system.services.items() if service.addresses]


def _state(seen: list[Seen], last: ProbeResult | None) -> str:
    """Give the best that a worker has seen: one that still reaches it serves users with it."""
    states = {one.health for one in seen}
    best = next((state for state in _BEST if state in states), _BEST[0])
    # A worker takes for granted that it is up, until it has asked.
    return "suspect" if best == "up" and last is not None and not last.ok else best


def _last(seen: list[Seen]) -> ProbeResult | None:
    """Give what was heard last, likewise by who fared best."""
    heard = [one.probe for one in seen if one.probe is not None]
    return max(heard, key=lambda probe: probe.ok, default=None)
