"""Toxics, as Toxiproxy's clients speak of them, and the fault on a leg that each becomes: a table, and pure."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from mainstay.base.errors import MainstayError

UPSTREAM, DOWNSTREAM = "upstream", "downstream"
_WAYS = {UPSTREAM: "to", DOWNSTREAM: "from"}
"""Each stream, and the direction of it as the gateway sees it: to the instance, or from it."""
Attributes = Mapping[str, float]
Fault = dict[str, Any]
_MILLISECONDS = 1000
_MICROSECONDS = 1_000_000
_KILOBYTE = 1000
_LEAST = 0.001
"""Seconds: the shortest delay that a fault may have."""


class Wrong(MainstayError):
    """What a client asked for cannot be, or is not there."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
        """The status of HTTP that says so."""


class Type(NamedTuple):
    """One type of toxic."""

    attributes: dict[str, float]
    """What may be told of it, and what is meant where nothing is. Those with a default of 0.0 need not be whole."""
    fault: Callable[[Attributes], Fault | None]
    """Gives the fault on the leg; None: with these attributes it does nothing, there as here."""


def _latency(told: Attributes) -> Fault | None:
    latency, jitter = told["latency"] / _MILLISECONDS, told["jitter"] / _MILLISECONDS
    if not latency and not jitter:
        return None
    return {"fault": "latency", "delay": max(_LEAST, latency), "jitter": jitter}


def _bandwidth(told: Attributes) -> Fault:
    # At a rate of nothing, nothing comes through.
    if not told["rate"]:
        return {"fault": "silent"}
    return {"fault": "bandwidth", "rate": told["rate"] * _KILOBYTE}


def _timeout(told: Attributes) -> Fault:
    return {"fault": "silent", "after": told["timeout"] / _MILLISECONDS}


def _reset_peer(told: Attributes) -> Fault:
    return {"fault": "cut", "after": told["timeout"] / _MILLISECONDS}


def _slow_close(told: Attributes) -> Fault | None:
    return {"fault": "slow-close", "delay": told["delay"] / _MILLISECONDS} if told["delay"] else None


def _slicer(told: Attributes) -> Fault:
    if not told["average_size"]:
        raise Wrong("bad request body: average_size must be above 0, not 0")
    if told["size_variation"] >= told["average_size"]:
        raise Wrong("bad request body: size_variation must be less than average_size")
    return {
        "fault": "slices",
        "size": told["average_size"],
        "variation": told["size_variation"],
        "delay": told["delay"] / _MICROSECONDS,
    }


def _limit_data(told: Attributes) -> Fault:
    return {"fault": "limit", "bytes": told["bytes"]}


def _packet_loss(told: Attributes) -> Fault | None:
    if told["correlation"]:
        raise Wrong("bad request body: correlation must be 0: each piece is lost by a chance of its own")
    return {"fault": "loss", "share": told["loss_rate"]} if told["loss_rate"] else None


TYPES: dict[str, Type] = {
    "latency": Type({"latency": 0, "jitter": 0}, _latency),
    "bandwidth": Type({"rate": 0}, _bandwidth),
    "slow_close": Type({"delay": 0}, _slow_close),
    "timeout": Type({"timeout": 0}, _timeout),
    "reset_peer": Type({"timeout": 0}, _reset_peer),
    "slicer": Type({"average_size": 0, "size_variation": 0, "delay": 0}, _slicer),
    "limit_data": Type({"bytes": 0}, _limit_data),
    "packet_loss": Type({"loss_rate": 0.0, "correlation": 0.0}, _packet_loss),
}
"""By name."""


@dataclass(frozen=True, slots=True)
class Toxic:
    """One toxic of a proxy."""

    name: str
    type: str
    """A key of `TYPES`."""
    stream: str
    """`UPSTREAM` or `DOWNSTREAM`."""
    toxicity: float
    """The share of connections that it acts on."""
    attributes: Attributes
    """All that may be told of its type."""

    def told(self) -> dict[str, Any]:
        """Give it as clients read it."""
        return {
            "attributes": dict(self.attributes),
            "name": self.name,
            "type": self.type,
            "stream": self.stream,
            "toxicity": self.toxicity,
        }

    def fault(self) -> Fault | None:
        """Give the fault that it becomes, without where; None: it does nothing.

        Raises:
            Wrong: it cannot be.
        """
        fault = TYPES[self.type].fault(self.attributes)
        if fault is None:
            return None
        return fault | {"direction": _WAYS[self.stream], "toxicity": self.toxicity}


def read(body: bytes) -> Toxic:
    """Read a toxic that somebody wants.

    Raises:
        Wrong: it cannot be.
    """
    told = json_object(body)
    type_ = told.get("type")
    if not isinstance(type_, str) or type_ not in TYPES:
        raise Wrong(f"invalid toxic type: {type_!r}; there are: {', '.join(TYPES)}")
    stream = _text(told, "stream") or DOWNSTREAM
    if stream not in _WAYS:
        raise Wrong(f"stream was invalid, can be either upstream or downstream, not {stream!r}")
    name = _text(told, "name") or f"{type_}_{stream}"
    attributes = _attributes(type_, told, TYPES[type_].attributes)
    return Toxic(name, type_, stream, _toxicity(told, 1.0), attributes)


def changed(toxic: Toxic, body: bytes) -> Toxic:
    """Read what shall be different of a toxic: attributes, and its toxicity.

    Raises:
        Wrong: it cannot be.
    """
    told = json_object(body)
    return replace(
        toxic,
        attributes=_attributes(toxic.type, told, toxic.attributes),
        toxicity=_toxicity(told, toxic.toxicity),
    )


def json_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        Wrong: it is none.
    """
    told = json_value(body)
    if not isinstance(told, dict):
        raise Wrong("bad request body: it must be an object")
    return told


def json_value(body: bytes) -> Any:  # noqa: ANN401 - whatever it is
    """Read JSON.

    Raises:
        Wrong: it is none.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Wrong("bad request body: it must be JSON") from None


def _attributes(type_: str, told: dict[str, Any], before: Attributes) -> Attributes:
    given = told.get("attributes")
    if given is None:
        return before
    if not isinstance(given, dict):
        raise Wrong("bad request body: attributes must be an object")
    known = TYPES[type_].attributes
    for key in given:
        if key not in known:
            raise Wrong(f"bad request body: {type_} has no {key[:60]!r}; there are: {', '.join(known)}")
    return {**before, **{key: _number(key, value, known[key]) for key, value in given.items()}}


def _number(key: str, value: Any, default: float) -> float:  # noqa: ANN401 - JSON
    share = isinstance(default, float)
    if type(value) not in (int, float) or not 0 <= value <= (1 if share else 2**53):
        allowed = "a number from 0 to 1" if share else "a whole number from 0"
        raise Wrong(f"bad request body: {key} must be {allowed}, not {value!r}")
    if share:
        return float(value)
    if value != int(value):
        raise Wrong(f"bad request body: {key} must be a whole number, not {value!r}")
    return int(value)


def _toxicity(told: dict[str, Any], before: float) -> float:
    if told.get("toxicity") is None:
        return before
    return _number("toxicity", told["toxicity"], 0.0)


def _text(told: dict[str, Any], key: str) -> str:
    value = told.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Wrong(f"bad request body: {key} must be a string")
    return value
