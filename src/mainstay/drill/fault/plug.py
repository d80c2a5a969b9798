"""Faults that others bring: what entry points of the group `mainstay.faults` give.

An entry point gives an object with a `kind` (its name is the entry point's) and a method `injection`, see `Plug`. What
it gives is run by the process that holds the fault, so that it ends with the drill, however that ends.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mainstay.base.errors import SpecError
from mainstay.drill.fault.kind import AIMS, CLASSES, KINDS, PLUGGED, Kind
from mainstay.supervisor.orphan import of_instance
from mainstay.system.drills import FAULT_GROUP
from mainstay.system.value import SLUG

if TYPE_CHECKING:
    from mainstay.drill.injection import Injection


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a fault is to act, and how."""

    fault: str
    """The fault's name."""
    target: str
    """What it is aimed at: a service, a zone, or `gateway`."""
    service: str
    """The service; empty for a zone and for Mainstay itself."""
    instances: tuple[str, ...]
    """The instances that it is to hit, by name."""
    run_dir: Path
    """The run directory of the system that is drilled."""
    lease: float
    """Seconds after which it ends by itself unless it is renewed."""
    seed: int
    """Of whatever it does by chance."""
    parameters: Mapping[str, Any]
    """Those of the kind."""

    def pids(self) -> list[int]:
        """Give the processes of the instances, as they are now."""
        return [pid for name in self.instances for pid, _ in of_instance(self.run_dir, name)]


class Plug(Protocol):
    """What an entry point gives."""

    kind: Kind
    """What the fault is called, what it does and what it is aimed at."""

    def injection(self, site: Site) -> "Injection":
        """Give one fault, which has not begun.

        Called again in another process when the first was killed: then only `end` is asked for.
        """
        ...


def kinds(tell: Callable[[str], None] = lambda _: None) -> Mapping[str, Kind]:
    """Give all kinds of fault by name: ours, and then those that others bring.

    Args:
        tell: Told of each that cannot be used, in a sentence.
    """
    found = dict(KINDS)
    for entry in entry_points(group=FAULT_GROUP):
        try:
            kind = _kind(entry, _load(entry), found)
        except SpecError as problem:
            where = f" of {entry.dist.name}" if entry.dist is not None else ""
            tell(f"the fault '{entry.name}'{where} cannot be used: {problem}")
        else:
            found[kind.name] = kind
    return found


def plug(name: str) -> Plug:
    """Give what brings a fault.

    Raises:
        SpecError: nothing of that name can be used.
    """
    for entry in entry_points(group=FAULT_GROUP, name=name):
        return _load(entry)
    raise SpecError(f"no entry point of {FAULT_GROUP} brings it")


def why(problem: BaseException) -> str:
    """Tell in one line what other people's code has raised."""
    return " ".join(f"{type(problem).__name__}: {problem}".split()).removesuffix(":")


def _load(entry: EntryPoint) -> Plug:
    try:
        found: Plug = entry.load()
    except (Exception, SystemExit) as problem:  # other people's code: whatever it raises
        raise SpecError(why(problem)) from problem
    return found


def _kind(entry: EntryPoint, found: Plug, taken: Mapping[str, Kind]) -> Kind:
    kind = getattr(found, "kind", None)
    if not isinstance(kind, Kind) or not callable(getattr(found, "injection", None)):
        raise SpecError(f"{entry.value} must have a `kind`, which is a Kind, and a method `injection`")
    if kind.name != entry.name or not SLUG.fullmatch(kind.name):
        raise SpecError(
            f"its kind is called '{kind.name}'; allowed: the entry point's own name, of small letters, digits and hyphens"
        )
    if kind.name in taken:
        raise SpecError("there is a fault of that name already")
    for told, allowed in ((kind.family, CLASSES), (kind.aim, AIMS)):
        if told not in allowed:
            raise SpecError(f"found '{told}', allowed: {', '.join(allowed)}")
    try:
        json.dumps(dict(kind.parameters))
    except (TypeError, ValueError) as problem:
        raise SpecError(f"parameters must be what JSON has: {problem}") from problem
    return replace(kind, means=PLUGGED, acts_as=PLUGGED)
