"""OpenSLO v1 read as `objective` of a system file; what cannot be carried over is said."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError
from ruamel.yaml import YAML

from mainstay.base.errors import SpecError
from mainstay.base.units import format_duration, format_share, parse_duration
from mainstay.system.node import UNREADABLE
from mainstay.system.objective import AVAILABILITY, SLICES, Objective
from mainstay.system.value import SLUG
from mainstay.web.export.openslo import CALENDAR, LATENCY, METHODS, NAME, VERSION

LARGEST = 2**20
"""Characters of a file that is read."""

_DURATION = re.compile(r"([0-9]{1,6})([mhdwMQY])")
_SECONDS = {
    "m": 60,
    "h": 3600,
    "d": 86400,
    "w": 7 * 86400,
    "M": 30 * 86400,
    "Q": 90 * 86400,
    "Y": 365 * 86400,
}
_ALMOST = ("M", "Q", "Y")
_PERIODS = {written: word for word, written in CALENDAR.items()}
_WORDS = {theirs: ours for ours, theirs in METHODS.items()}
_OWN_KINDS = ("SLO",)

Keys = dict[str, Any]


class Found(NamedTuple):
    """What an OpenSLO file says, in our words."""

    services: dict[str, Keys]
    """By service, the keys of its `objective`."""
    remarks: list[str]
    """What was not carried over."""


def found(text: str) -> Found:
    """Read a file of OpenSLO.

    Raises:
        SpecError: it is not that.
    """
    services: dict[str, Keys] = {}
    remarks: list[str] = []
    for document in _documents(text):
        kind, name = document.get("kind"), _name(document)
        if kind not in _OWN_KINDS:
            remarks.append(f"{kind} {name}: not carried over, as nothing here needs it")
            continue
        spec = _mapping(document.get("spec"))
        service, keys = _service(spec, name, remarks), _keys(document, name, remarks)
        if keys is not None:
            _add(services, service, keys, name, remarks)
    return Found(services, remarks)


def _documents(text: str) -> Iterator[Mapping[str, Any]]:
    if len(text) > LARGEST:
        raise SpecError(f"is larger than {LARGEST} characters")
    try:
        read = [one for one in YAML(typ="safe", pure=True).load_all(text) if one is not None]
    except (*UNREADABLE, RecursionError) as problem:
        said = str(problem).splitlines()
        raise SpecError(f"is not YAML: {said[0] if said else type(problem).__name__}") from problem
    for document in read:
        if not isinstance(document, dict) or document.get("apiVersion") != VERSION:
            raise SpecError(f"is not OpenSLO: each document has `apiVersion: {VERSION}`")
        yield document


def _keys(document: Mapping[str, Any], name: str, remarks: list[str]) -> Keys | None:
    spec = _mapping(document.get("spec"))
    objectives = [_mapping(one) for one in _list(spec.get("objectives"))]
    if not objectives:
        remarks.append(f"{name}: not carried over, as it has no objectives")
        return None
    if len(objectives) > 1:
        remarks.append(f"{name}: only the first of its {len(objectives)} objectives is carried over")
    target = _target(objectives[0])
    if target is None:
        remarks.append(f"{name}: not carried over, as its target is not above 0 and below 1")
        return None
    keys = _promise(document, objectives[0], target, name, remarks)
    if keys is None:
        return None
    keys |= _window(spec, name, remarks)
    keys |= _method(spec, objectives[0], keys, name, remarks)
    if spec.get("alertPolicies"):
        remarks.append(
            f"{name}: its alert policies are not carried over; `alerts` tells whom to tell, and when is fixed"
        )
    return keys


def _promise(
    document: Mapping[str, Any], objective: Mapping[str, Any], target: float, name: str, remarks: list[str]
) -> Keys | None:
    annotations = _mapping(_mapping(document.get("metadata")).get("annotations"))
    ours, limit = annotations.get(NAME), annotations.get(LATENCY)
    if isinstance(ours, str) and (ours == AVAILABILITY or isinstance(limit, str)):
        return {AVAILABILITY: format_share(target)} if ours == AVAILABILITY else {"latency": {ours: limit}}
    indicator = _mapping(_mapping(_mapping(document.get("spec")).get("indicator")).get("spec"))
    if "thresholdMetric" in indicator or objective.get("op") is not None:
        remarks.append(
            f"{name}: not carried over, as only you know what it measures; if it is the latency in seconds, write"
            f" latency: {{ p{round(target * 100, 6):g}: {_limit(objective.get('value'))} }}"
        )
        return None
    remarks.append(
        f"{name}: its queries are not carried over: the gateway counts the requests itself, and 1xx to 4xx are good unless `good` says otherwise"
    )
    return {AVAILABILITY: format_share(target)}


def _limit(value: object) -> str:
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else 0
    return format_duration(float(number)) if 0 < number < _SECONDS["d"] else "300ms"


def _target(objective: Mapping[str, Any]) -> float | None:
    value, percent = objective.get("target"), objective.get("targetPercent")
    share = value if value is not None else percent / 100 if isinstance(percent, (int, float)) else None
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < 1:
        return None
    return round(float(share), 9)


def _window(spec: Mapping[str, Any], name: str, remarks: list[str]) -> Keys:
    windows = _list(spec.get("timeWindow"))
    window = _mapping(windows[0]) if windows else {}
    written = window.get("duration")
    match = _DURATION.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        remarks.append(f"{name}: it has no time window that can be read, so that it is 30 days")
        return {}
    rolling = window.get("isRolling") is True
    if not rolling and written in _PERIODS:
        zone = _mapping(window.get("calendar")).get("timeZone")
        return {
            "over": _PERIODS[written],
            **({"time_zone": zone} if isinstance(zone, str) and zone != "UTC" else {}),
        }
    seconds = int(match[1]) * _SECONDS[match[2]]
    if not rolling:
        remarks.append(f"{name}: its window of {written} of the calendar is a rolling one here")
    elif match[2] in _ALMOST:
        remarks.append(f"{name}: its window of {written} is {format_duration(seconds)} here")
    return {"over": format_duration(seconds)}


def _method(
    spec: Mapping[str, Any], objective: Mapping[str, Any], keys: Keys, name: str, remarks: list[str]
) -> Keys:
    told = spec.get("budgetingMethod")
    method = _WORDS.get(told) if isinstance(told, str) else None
    if method is None:
        remarks.append(f"{name}: its budgeting method is not known, so that it is Occurrences")
    if method is None or method == _WORDS["Occurrences"]:
        return {}
    more: Keys = {"budgeting": method, "slice": _slice(objective.get("timeSliceWindow"), keys, name, remarks)}
    least = objective.get("timeSliceTarget")
    if isinstance(least, (int, float)) and not isinstance(least, bool) and 0 < least <= 1:
        more["slice_target"] = format_share(round(float(least), 9))
    return more


def _slice(written: object, keys: Keys, name: str, remarks: list[str]) -> str:
    """Give the finest slice that is as long, and that the ledger keeps for long enough."""
    match = _DURATION.fullmatch(written) if isinstance(written, str) else None
    wanted = int(match[1]) * _SECONDS[match[2]] if match else 60
    try:
        over = parse_duration(keys.get("over", "30d"))
    except SpecError:
        over = 366 * 86400.0 if keys["over"] == "year" else 92 * 86400.0
        over = 7 * 86400.0 if keys["over"] == "week" else over
    word = next(
        (word for word, (seconds, days) in SLICES.items() if seconds >= wanted and days * 86400 >= over), "1d"
    )
    if SLICES[word][0] != wanted:
        remarks.append(
            f"{name}: its slices of {format_duration(wanted)} are {word} here, as the ledger keeps finer ones for less time"
        )
    return word


def _service(spec: Mapping[str, Any], name: str, remarks: list[str]) -> str:
    told = spec.get("service")
    if isinstance(told, str) and SLUG.fullmatch(told):
        return told
    slug = re.sub(r"[^a-z0-9]+", "-", str(told or name).lower()).strip("-0123456789")[:63] or "service"
    remarks.append(f"{name}: its service is called {slug} here")
    return slug


def _add(services: dict[str, Keys], service: str, keys: Keys, name: str, remarks: list[str]) -> None:
    before = services.get(service)
    merged = keys if before is None else {**keys, **before}
    if before is not None:
        if AVAILABILITY in before and AVAILABILITY in keys:
            remarks.append(f"{name}: not carried over, as {service} has an availability already")
            return
        if "latency" in before or "latency" in keys:
            merged["latency"] = {**keys.get("latency", {}), **before.get("latency", {})}
        both = {**keys, AVAILABILITY: 0, "latency": 0}
        if both != {**before, AVAILABILITY: 0, "latency": 0}:
            remarks.append(
                f"{name}: counted as the objective of {service} before it, which has one period and one way to count"
            )
            merged = {**before, **{key: merged[key] for key in (AVAILABILITY, "latency") if key in merged}}
    try:
        Objective.model_validate(merged)
    except ValidationError as problem:
        said = problem.errors()[0]
        remarks.append(f"{name}: not carried over: {'.'.join(map(str, said['loc']))}: {said['msg']}")
        return
    services[service] = merged


def _name(document: Mapping[str, Any]) -> str:
    name = _mapping(document.get("metadata")).get("name")
    return re.sub(r"[^ -~]", "?", name)[:80] if isinstance(name, str) and name else "(without a name)"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
