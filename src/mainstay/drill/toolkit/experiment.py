"""An experiment of Chaos Toolkit, read and checked: all that is wrong with it is told at once."""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from mainstay.base.errors import SpecError
from mainstay.drill.toolkit import tolerance
from mainstay.system.node import UNREADABLE

LARGEST = 2**20
"""Bytes that an experiment may have."""
PROVIDERS = ("http", "process", "python")
ROLLBACKS = ("default", "always", "never", "deviated")
"""When rollbacks are played: unless it was stopped or could not begin, always, never, when it deviated."""
HYPOTHESIS = (
    "default",
    "before-method-only",
    "after-method-only",
    "during-method-only",
    "continuously",
    "skip",
)
"""When the hypothesis is checked: before and after the method, one of both, while it goes on, all the time, not at all."""
_REQUIRED = {"http": ("url",), "process": ("path",), "python": ("module", "func")}
Activity = Mapping[str, Any]
Problem = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment."""

    told: Mapping[str, Any]
    """As it was written."""

    @property
    def title(self) -> str:
        """What it is about."""
        return str(self.told["title"])

    @property
    def probes(self) -> list[Activity]:
        """The probes of its hypothesis; none if it has no hypothesis."""
        return list((self.told.get("steady-state-hypothesis") or {}).get("probes", []))

    @property
    def method(self) -> list[Activity]:
        """What is done, in order; what refers to another is that one."""
        return [self._meant(one) for one in self.told["method"] or []]

    @property
    def rollbacks(self) -> list[Activity]:
        """What is done at the end."""
        return [self._meant(one) for one in self.told.get("rollbacks") or []]

    def strategy(self, of: str) -> str:
        """Give what `runtime` says of `rollbacks` or of the `hypothesis`."""
        return str(((self.told.get("runtime") or {}).get(of) or {}).get("strategy") or "default")

    def ignored(self) -> list[str]:
        """Give what it has that is not played here."""
        found = ["controls"] if self.told.get("controls") else []
        everything = [*self.probes, *self.method, *self.rollbacks]
        return found + [f"controls of '{one['name']}'" for one in everything if one.get("controls")]

    def _meant(self, one: Activity) -> Activity:
        return _named(self.told)[one["ref"]] if "ref" in one else one


def read(path: Path) -> Experiment:
    """Read an experiment, in JSON or YAML.

    Raises:
        SpecError: it cannot be used; it has all the problems.
    """
    try:
        written = path.read_bytes()
    except OSError as problem:
        raise SpecError(f"{path}: {(problem.strerror or str(problem)).lower()}") from problem
    if len(written) > LARGEST:
        raise SpecError(f"{path} is larger than {LARGEST} bytes")
    told = _parsed(path, written)
    problems = list(check(told))
    if problems:
        raise SpecError("\n".join(f"{path}: {where}: {what}" for where, what in problems))
    return Experiment(told)


def check(told: object) -> Iterator[Problem]:
    """Check an experiment; give where something is wrong with it, and what."""
    if not isinstance(told, Mapping):
        yield "the experiment", "must be an object"
        return
    for key in ("title", "description"):
        if not isinstance(told.get(key), str) or not told[key]:
            yield key, "is required, and is text"
    yield from _check_hypothesis(told.get("steady-state-hypothesis"))
    if "method" not in told:
        yield "method", "is required; it may be empty"
    for key in ("method", "rollbacks"):
        activities = told.get(key) or []
        if not isinstance(activities, list):
            yield key, "must be a list of activities"
            continue
        for number, one in enumerate(activities):
            yield from _check_activity(f"{key}[{number}]", one, told)
    for key in ("configuration", "secrets"):
        if not isinstance(told.get(key) or {}, Mapping):
            yield key, "must be an object"
    yield from _check_runtime(told.get("runtime") or {})


def _check_runtime(told: Any) -> Iterator[Problem]:  # noqa: ANN401 - whatever JSON has
    for of, allowed in (("rollbacks", ROLLBACKS), ("hypothesis", HYPOTHESIS)):
        part = told.get(of) or {} if isinstance(told, Mapping) else None
        if not isinstance(part, Mapping):
            yield f"runtime.{of}", "must be an object"
        elif part.get("strategy", "default") not in allowed:
            yield f"runtime.{of}.strategy", f"found '{part['strategy']}', allowed: {', '.join(allowed)}"


def _check_hypothesis(told: object) -> Iterator[Problem]:
    where = "steady-state-hypothesis"
    if not told:
        return
    if not isinstance(told, Mapping) or not isinstance(told.get("probes", []), list):
        yield where, "must be an object with a list of probes"
        return
    for number, probe in enumerate(told.get("probes", [])):
        place = f"{where}.probes[{number}]"
        yield from _check_activity(place, probe, {})
        if isinstance(probe, Mapping):
            if "tolerance" not in probe:
                yield f"{place}.tolerance", "is required"
            else:
                yield from _check_tolerance(f"{place}.tolerance", probe["tolerance"])


def _check_tolerance(place: str, told: Any) -> Iterator[Problem]:  # noqa: ANN401 - whatever JSON has
    yield from ((place + part, what) for part, what in tolerance.check(told))
    if isinstance(told, Mapping) and told.get("type") == "probe":
        yield from _check_activity(place, {"name": "tolerance", **told}, {})


def _check_activity(place: str, one: object, told: Mapping[str, Any]) -> Iterator[Problem]:
    if not isinstance(one, Mapping):
        yield place, "must be an object"
        return
    if "ref" in one:
        if not isinstance(one["ref"], str) or one["ref"] not in _named(told):
            yield f"{place}.ref", f"there is no activity '{one['ref']}'"
        return
    if one.get("type") not in ("probe", "action"):
        yield f"{place}.type", f"found '{one.get('type')}', allowed: probe, action"
    if not isinstance(one.get("name"), str) or not one["name"]:
        yield f"{place}.name", "is required, and is text"
    yield from _check_provider(f"{place}.provider", one.get("provider"))
    pauses = one.get("pauses") or {}
    if not isinstance(pauses, Mapping) or not all(
        isinstance(pause, int | float | str) for pause in pauses.values()
    ):
        yield f"{place}.pauses", "must be an object with seconds `before` and `after`"


def _check_provider(place: str, told: object) -> Iterator[Problem]:
    if not isinstance(told, Mapping):
        yield place, "is required, and is an object"
        return
    kind = told.get("type")
    if kind not in PROVIDERS:
        yield f"{place}.type", f"found '{kind}', allowed: {', '.join(PROVIDERS)}"
        return
    for key in _REQUIRED[kind]:
        if not isinstance(told.get(key), str) or not told[key]:
            yield f"{place}.{key}", "is required, and is text"
    path = told.get("path")
    if kind == "process" and isinstance(path, str) and path and "$" not in path and not program(path):
        yield f"{place}.path", f"there is no program '{path}'"
    if kind != "process" and not isinstance(told.get("arguments") or {}, Mapping):
        yield f"{place}.arguments", "must be an object"


def program(path: str) -> str | None:
    """Give where a program is; None when it is nowhere."""
    return shutil.which(Path(path).expanduser())


def _named(told: Mapping[str, Any]) -> dict[str, Activity]:
    """Give all activities that can be referred to, by name."""
    hypothesis = told.get("steady-state-hypothesis")
    lists: list[Any] = [
        hypothesis.get("probes") if isinstance(hypothesis, Mapping) else [],
        told.get("method"),
        told.get("rollbacks"),
    ]
    return {
        one["name"]: one
        for activities in lists
        if isinstance(activities, list)
        for one in reversed(activities)
        if isinstance(one, Mapping) and isinstance(one.get("name"), str)
    }


def _parsed(path: Path, written: bytes) -> Any:  # noqa: ANN401 - whatever JSON has
    try:
        if path.suffix.lower() == ".json":
            return json.loads(written)
        # Safe: no objects are ever made from tags. JSON on the way: what a date of YAML becomes is text.
        return json.loads(json.dumps(YAML(typ="safe", pure=True).load(written), default=str))
    except (*UNREADABLE, RecursionError) as problem:
        said = str(problem).splitlines()
        raise SpecError(f"{path} cannot be read: {said[0] if said else type(problem).__name__}") from problem
