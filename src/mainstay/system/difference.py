"""What is different between two system files, and what each difference takes to be applied. Pure: no I/O.

=========== ============================================================================================
added       it starts, and is ready before anybody is sent there
removed     nobody is sent there any more; what is in progress ends, then it is stopped
replaced    new processes take the place of the old ones, one after another, each ready first
adjusted    it goes on as it is: only how it is treated changes
=========== ============================================================================================
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mainstay.redundancy.zone import spread
from mainstay.system.mechanism import Section
from mainstay.system.schema import Service, System

PROCESS_KEYS = frozenset({"command", "cwd", "env", "env_file", "user"})
"""Keys of a service by which its processes are started: with others, other processes are needed."""

FIXED = {"gateway.admin": "only a new supervisor can listen elsewhere"}
"""Keys that cannot be changed while the system runs, and why."""

ADDED = "added"
REMOVED = "removed"
REPLACED = "replaced"
ADJUSTED = "adjusted"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is different, as people are told of it. Values are not: they may be secrets."""

    what: str
    """`services.web`, `listeners.main`, `gateway`, `drills`, `zones`, `alerts` or `name`."""
    how: str
    """`added`, `removed`, `replaced` or `adjusted`."""
    keys: tuple[str, ...] = ()
    """The keys in there that changed: `timeouts.attempt`, `env.TOKEN`."""

    def record(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {"what": self.what, "how": self.how, "keys": list(self.keys)}


@dataclass(frozen=True, slots=True)
class Difference:
    """From one system to another."""

    before: System
    after: System
    changes: tuple[Change, ...]

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self.changes)

    def words(self) -> list[str]:
        """Say each change in short: `services.web replaced`."""
        return [f"{change.what} {change.how}" for change in self.changes]

    def services(self, how: str) -> list[str]:
        """Give the services to which this happens, in the order of the files."""
        return [
            change.what.partition(".")[2]
            for change in self.changes
            if change.how == how and change.what.startswith("services.")
        ]

    def refusals(self) -> list[str]:
        """Tell of what cannot be changed while the system runs."""
        found = {f"{change.what}.{key}" for change in self.changes for key in change.keys}
        return [
            f"{fixed}: {why}; the rest of the file was not applied either"
            for fixed, why in FIXED.items()
            if any(key == fixed or key.startswith(f"{fixed}.") for key in found)
        ]

    def underway(self, ready: Collection[str]) -> System:
        """Give the system as it is while it is being changed: the former one, with those added that are ready.

        Args:
            ready: Services that there were not, and that may have traffic now.
        """
        before, after = self.before, self.after
        services, listeners = dict(before.services), dict(before.listeners)
        for name in ready:
            service = after.services[name]
            if isinstance(service.listen, str):
                listeners.setdefault(service.listen, after.listeners[service.listen])
            elif name in listeners:
                continue  # a listener still has its name, and so its place; it has to wait until the end
            services[name] = service
        return before.model_copy(update={"services": services, "listeners": listeners})


def difference(before: System, after: System, stale: Collection[str] = ()) -> Difference:
    """Compare two systems.

    Args:
        before: What is so now.
        after: What is to be.
        stale: Services some of whose processes were not started as `after` has it, whatever the files say: what
            an environment file holds has changed, or a former change was not finished.
    """
    changes = [
        *_whole(before, after),
        *_entries("listeners", before.listeners, after.listeners, _adjusted),
        *_entries("services", before.services, after.services, _how(before, after, stale)),
    ]
    return Difference(before, after, tuple(changes))


def _whole(before: System, after: System) -> Iterator[Change]:
    for key in ("name", "zones", "alerts"):
        if getattr(before, key) != getattr(after, key):
            yield Change(key, ADJUSTED)
    # Nothing that runs knows of `drills`: the next drill reads them.
    for key in ("gateway", "drills"):
        if keys := tuple(_keys(getattr(before, key), getattr(after, key))):
            yield Change(key, ADJUSTED, keys)


How = Callable[[str, tuple[str, ...]], str | None]
"""Says what the change of an entry takes, by its name and the keys that are different; None: nothing."""


def _adjusted(name: str, keys: tuple[str, ...]) -> str | None:
    del name
    return ADJUSTED if keys else None


def _how(before: System, after: System, stale: Collection[str]) -> How:
    def how(name: str, keys: tuple[str, ...]) -> str | None:
        was, now = before.services[name], after.services[name]
        if (was.command is None) is not (now.command is None):
            return REPLACED  # what others run takes the place of what we run, or the other way round
        if now.command is None:
            return ADJUSTED if keys else None
        started_otherwise = any(key.partition(".")[0] in PROCESS_KEYS for key in keys)
        # Each instance is told where it reaches what it needs when it starts.
        if started_otherwise or name in stale or _moves(before, after, now) or was.urls != now.urls:
            return REPLACED
        return ADJUSTED if keys else None

    return how


def _moves(before: System, after: System, service: Service) -> bool:
    """Tell whether instances are to be in other zones; each is told its own when it starts."""
    return spread(service.instances, before.zones) != spread(service.instances, after.zones)


def _entries(
    what: str, before: Mapping[str, Section], after: Mapping[str, Section], how: How
) -> Iterator[Change]:
    for name in before:
        if name not in after:
            yield Change(f"{what}.{name}", REMOVED)
    for name, entry in after.items():
        if name not in before:
            yield Change(f"{what}.{name}", ADDED)
        else:
            keys = tuple(_keys(before[name], entry))
            if (taken := how(name, keys)) is not None:
                yield Change(f"{what}.{name}", taken, keys)


def _keys(before: Section, after: Section) -> Iterator[str]:
    """Give the keys that are different, as deep as both have them."""
    for field, info in type(after).model_fields.items():
        name, was, now = info.alias or field, getattr(before, field), getattr(after, field)
        if was == now:
            continue
        if isinstance(was, Section) and isinstance(now, Section) and type(was) is type(now):
            yield from (f"{name}.{key}" for key in _keys(was, now))
        elif isinstance(was, dict) and isinstance(now, dict):
            names = [*now, *(key for key in was if key not in now)]
            yield from (f"{name}.{key}" for key in names if was.get(key) != now.get(key))
        else:
            yield name
