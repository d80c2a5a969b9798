"""What availability is to be expected of a system: its file says what there is, the ledger how often it fails, drills what is survived.

::

    system file ── instances, needs ──┐
    ledger ─────── MTBF, MTTR ────────┼─▶ components ─▶ prediction
    drills ─────── coverage, failover ┤
    --set ──────── anything ──────────┘

What nothing tells is assumed, and told to be: but for coverage, which is unproved without drills, and for zones and the host, which
are left out unless somebody tells how often they fail.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mainstay.base.errors import SpecError
from mainstay.base.units import parse_duration, parse_share
from mainstay.drill.shown import Shown, of_instances, of_zones
from mainstay.ledger.watched import Watched
from mainstay.reliability.model import parameter
from mainstay.reliability.model.parameter import Parameter, assumed, declared
from mainstay.reliability.model.played import Beyond
from mainstay.reliability.model.prediction import Component
from mainstay.reliability.summary import REPAIR
from mainstay.system.schema import System

ZONE, HOST = "zone", "host"
"""What is told about the loss of a zone, and of the machine that the gateway is on, as if they were services."""
ASSUMED = {"mtbf": 30 * 86400.0, "mttr": REPAIR, "failover": 1.0, "recovery": REPAIR}
"""Seconds that are taken where nothing is known: a failure a month, five minutes until somebody has looked."""
_MOST = 100
"""Replicas that anybody is told about."""


_SHAPE = re.compile(r"[0-9]{1,2}(\.[0-9]{1,6})?")
_LEAST_SHAPE, _MOST_SHAPE = 0.2, 20


class Evidence(NamedTuple):
    """What is known of a system."""

    watched: Mapping[str, Watched]
    """By service."""
    trials: Sequence[Mapping[str, Any]]
    """Lines of drills, see `drill.shown.trials`."""


def _count(written: str) -> int:
    if not (written.isascii() and written.isdigit() and 1 <= int(written) <= _MOST):
        raise SpecError(f"'{written}' is not a whole number from 1 to {_MOST}")
    return int(written)


def _time(written: str) -> float:
    seconds = parse_duration(written)
    if not seconds:
        raise SpecError("it must be above 0")
    return seconds


def _shape(written: str) -> float:
    if not _SHAPE.fullmatch(written) or not _LEAST_SHAPE <= float(written) <= _MOST_SHAPE:
        raise SpecError(f"'{written}' is not a number from {_LEAST_SHAPE} to {_MOST_SHAPE}")
    return float(written)


_KEYS: Mapping[str, Callable[[str], float]] = {
    "instances": _count,
    "needed": _count,
    "mtbf": _time,
    "mttr": parse_duration,
    "coverage": parse_share,
    "failover": parse_duration,
    "recovery": parse_duration,
    "shape": _shape,
    "window": _time,
    "every": _time,
}
SIMULATED = ("shape", "window", "every")
"""Keys that only the simulator knows of."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What somebody told in place of what is known: by name of the service, and by key."""

    told: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def of(self, name: str) -> Mapping[str, float]:
        """Give what was told of a service."""
        return self.told.get(name, {})


def settings(written: Iterable[str], system: System) -> Settings:
    """Read what is written as `web.instances=5` or `web.mtbf=30d`.

    Raises:
        SpecError: it cannot be read, or is of nothing that the system has.
    """
    told: dict[str, dict[str, float]] = {}
    known = [*system.services, ZONE, HOST]
    for one in written:
        place, equals, value = one.partition("=")
        name, dot, key = place.rpartition(".")
        if not equals or not dot:
            raise SpecError(f"--set: '{one}' is not NAME.KEY=VALUE, as in web.instances=5 or web.mtbf=30d")
        if name not in known:
            raise SpecError(f"--set {place}: there is no '{name}'; there are: {', '.join(known)}")
        if key not in _KEYS:
            raise SpecError(f"--set {place}: there is no '{key}'; there are: {', '.join(_KEYS)}")
        try:
            told.setdefault(name, {})[key] = _KEYS[key](value)
        except SpecError as problem:
            raise SpecError(f"--set {place}: {problem}") from None
    for name in (ZONE, HOST):
        if name in told and name not in system.services and "mtbf" not in told[name]:
            raise SpecError(
                f"--set {name}.mtbf is missing: without it, {name}s are left out of the prediction"
            )
    if ZONE in told and ZONE not in system.services and not system.zones:
        raise SpecError("--set zone.mtbf: the system file has no zones")
    return Settings(told)


def beyond(system: System, evidence: Evidence, told: Settings, crew: int | None) -> Beyond:
    """Give what only the simulator knows of.

    Raises:
        SpecError: a window that cannot be.
    """
    windows = {}
    for name, keys in told.told.items():
        if ("window" in keys) != ("every" in keys):
            raise SpecError(f"--set {name}.window and {name}.every belong together")
        if "window" in keys:
            if keys["window"] >= keys["every"]:
                raise SpecError(f"--set {name}.window: it must be shorter than {name}.every")
            windows[name] = (keys["window"], keys["every"])
    shapes = {name: keys["shape"] for name, keys in told.told.items() if "shape" in keys}
    zones = _zones(system, evidence, told.of(ZONE)) if tells(system, told, ZONE) else None
    return Beyond(shapes=shapes, windows=windows, crew=crew, zones=zones)


def tells(system: System, told: Settings, name: str) -> bool:
    """Tell whether something was told of zones, or of the host; a service of that name is meant first."""
    return name in told.told and name not in system.services


def entries(system: System) -> list[str]:
    """Give the services that clients reach; all of them, where none is reached through the gateway."""
    reached = [name for name in system.services if system.listener_of(name) is not None]
    return reached or list(system.services)


def components(system: System, entry: str, evidence: Evidence, told: Settings) -> list[Component]:
    """Give all that has to work for a service: itself, what it needs, directly or not, and what they stand on. Each counts once."""
    found = [_service(system, name, evidence, told.of(name)) for name in _needed(system, entry)]
    if tells(system, told, ZONE):
        found.append(_zones(system, evidence, told.of(ZONE)))
    if tells(system, told, HOST):
        found.append(_component(HOST, 1, told.of(HOST), {}))
    return found


def _needed(system: System, entry: str) -> list[str]:
    found, left = [], [entry]
    while left:
        name = left.pop(0)
        if name in system.services and name not in found:
            found.append(name)
            left += system.services[name].needs
    return found


def _service(system: System, name: str, evidence: Evidence, told: Mapping[str, float]) -> Component:
    service = system.services[name]
    count = len(service.addresses) or service.instances
    known = {**_of_ledger(evidence.watched.get(name)), **_of_drills(of_instances(name, evidence.trials))}
    return _component(name, count, told, known)


def _zones(system: System, evidence: Evidence, told: Mapping[str, float]) -> Component:
    return _component(ZONE, len(system.zones), told, _of_drills(of_zones(evidence.trials)))


def _of_ledger(seen: Watched | None) -> dict[str, Parameter]:
    known = {}
    if seen is not None and seen.served > 0:
        known["mtbf"] = parameter.mtbf(seen.served, seen.failures)
    if seen is not None and seen.repairs:
        known["mttr"] = parameter.mttr(seen.repairs)
    return known


def _of_drills(shown: Shown) -> dict[str, Parameter]:
    known = {"coverage": parameter.coverage(shown.survived, shown.trials)}
    if shown.failovers:
        known["failover"] = parameter.mean(shown.failovers)
    return known


def _component(name: str, count: int, told: Mapping[str, float], known: Mapping[str, Parameter]) -> Component:
    def given(key: str) -> Parameter:
        if key in told:
            return declared(told[key])
        return known[key] if key in known else assumed(ASSUMED[key])

    unknown = known.get("coverage", parameter.unproved())
    return Component(
        name=name,
        units=int(told.get("instances", count)),
        needed=int(told.get("needed", 1)),
        mtbf=given("mtbf"),
        mttr=given("mttr"),
        coverage=declared(told["coverage"]) if "coverage" in told else unknown,
        failover=given("failover"),
        recovery=given("recovery"),
    )
