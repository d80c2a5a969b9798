"""A prediction as plain values, beside what was observed: docs/reference/json.md tells their shape."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mainstay.control.forecast import HOST, ZONE, Evidence, Settings, components, entries, tells
from mainstay.reliability.interval import CONFIDENCE
from mainstay.reliability.model.downtime import YEAR, downtime
from mainstay.reliability.model.parameter import Parameter
from mainstay.reliability.model.played import Beyond, played
from mainstay.reliability.model.prediction import (
    Change,
    Component,
    Prediction,
    by_units,
    changes,
    matter,
    predict,
    worse_from,
)
from mainstay.reliability.model.replicas import MOST, Choice
from mainstay.system.schema import System

VERSION = 1
"""The version of the shape."""
_PARAMETERS = ("mtbf", "mttr", "coverage", "failover", "recovery")
_OF_SPARES = frozenset({"coverage", "failover", "recovery"})


def foretold(  # noqa: PLR0913, PLR0917 - what it is made from
    system: System,
    evidence: Evidence,
    told: Settings,
    observed: Mapping[str, Mapping[str, Any]],
    seed: int,
    services: Sequence[str] = (),
    simulated: Beyond | None = None,
) -> dict[str, Any]:
    """Give what is to be expected of each entry point of a system.

    Args:
        system: What is there.
        evidence: What is known of it.
        told: What somebody told in place of that.
        observed: Of each service, the `time` of a report.
        seed: Of the draws.
        services: Their names; all that clients reach, when none are told.
        simulated: What the simulator is to know beside all that; None: nothing is simulated.
    """
    return {
        "version": VERSION,
        "system": system.name,
        "seed": seed,
        "confidence": CONFIDENCE,
        "left_out": [
            name for name in (ZONE, HOST) if not tells(system, told, name) and (name == HOST or system.zones)
        ],
        "services": [
            _entry(name, components(system, name, evidence, told), observed.get(name), seed, simulated)
            for name in services or entries(system)
        ],
    }


def _entry(
    name: str,
    parts: Sequence[Component],
    observed: Mapping[str, Any] | None,
    seed: int,
    simulated: Beyond | None,
) -> dict[str, Any]:
    return {
        "service": name,
        **_prediction(predict(parts, seed)),
        "observed": _observed(observed),
        "simulated": None if simulated is None else _simulated(parts, simulated, seed),
        "components": [_component(one) for one in parts],
        "costs": [{"component": who, "downtime": _plain(share * YEAR)} for who, share in matter(parts, seed)],
        "changes": [_change(one) for one in changes(parts, seed)],
        "replicas": _replicas(name, parts, seed),
    }


def _prediction(found: Prediction) -> dict[str, Any]:
    low, high = found.interval
    return {
        "proved": found.is_proved,
        "availability": found.available,
        "low": low,
        "high": high,
        "downtime": None if found.available is None else _plain(downtime(found.available)),
        "downtime_low": _plain(downtime(high)),
        "downtime_high": _plain(downtime(low)),
    }


def _observed(time: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if time is None or time["availability"] is None:
        return None
    return {name: time[name] for name in ("availability", "low", "high", "outages", "served", "down")}


def _simulated(parts: Sequence[Component], beyond: Beyond, seed: int) -> dict[str, Any] | None:
    if not all(one.is_proved for one in parts):
        return None
    found = played([one for one in parts if beyond.zones is None or one.name != ZONE], beyond, seed)
    low, high = found.interval
    return {
        "availability": found.available,
        "low": low,
        "high": high,
        "downtime": _plain(downtime(found.available)),
        "events": found.events,
    }


def _component(one: Component) -> dict[str, Any]:
    used = [name for name in _PARAMETERS if one.covers or name not in _OF_SPARES]
    return {
        "component": one.name,
        "instances": one.units,
        "needed": one.needed,
        **{name: _parameter(getattr(one, name)) for name in used},
    }


def _parameter(one: Parameter) -> dict[str, Any]:
    low, high = one.interval
    return {
        "origin": one.origin,
        "value": one.value,
        "low": low,
        "high": high if math.isfinite(high) else None,
        "events": one.events,
    }


def _change(one: Change) -> dict[str, Any]:
    low, high = one.interval
    return {
        "component": one.component,
        "change": one.what,
        "saves": _plain(one.gain * YEAR),
        "saves_low": _plain(low * YEAR),
        "saves_high": _plain(high * YEAR),
    }


def _replicas(name: str, parts: Sequence[Component], seed: int) -> dict[str, Any]:
    (own,) = [one for one in parts if one.name == name]
    most = max(MOST, own.units + 1)
    rows = by_units(parts, name, most, seed)
    known = [found.available for _, found in rows if found.available is not None]
    return {
        "best": Choice(own.needed, known).best if len(known) == len(rows) else None,
        "worse_from": worse_from(parts, name, most, seed),
        "curve": [{"instances": count, **_prediction(found)} for count, found in rows],
    }


def _plain(seconds: float) -> float:
    """Give seconds without the noise of arithmetic."""
    return round(seconds, 3) + 0.0
