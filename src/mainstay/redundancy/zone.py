"""Spreading instances over zones, so that losing one zone is not losing the service."""

from collections.abc import Sequence


def spread(count: int, zones: Sequence[str]) -> list[str]:
    """Give the zone of each slot from 1 to `count`, as evenly as can be; "" where there are no zones.

    A slot's zone does not depend on `count`, so that scaling moves no instance from one zone to another.
    """
    return [zones[slot % len(zones)] if zones else "" for slot in range(count)]
