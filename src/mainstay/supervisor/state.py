"""What survives the supervisor: a JSON file that is always either the old one or the new one, never half of one."""

import contextlib
import json
import os
import secrets
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from mainstay.base.errors import EnvironmentProblem
from mainstay.supervisor import procfs

VERSION = 1
"""The version of the file's shape."""

KEPT_EXITS = 5
"""How many of an instance's last exits are remembered: enough to see a pattern, few enough to print."""


@dataclass(slots=True, kw_only=True)
class LifeRecord:
    """One life of an instance: a process that was running, or about to be started, when this was written."""

    service: str
    slot: int
    name: str
    generation: int
    pid: int
    """Its process; 0 while it is only meant to be started, which whoever finds this must look for."""
    started: int
    """Start time in clock ticks since boot, which with the pid names this life."""
    since: float
    """Start time in seconds since 1970 (UTC)."""
    port: int
    zone: str
    log_from: int = 0
    """Where in the log this life's output begins, in bytes."""
    definition: str = ""
    """A digest of how it was started, so that a change of the system file is seen."""
    environment: str = ""
    """A digest of what its environment files held; empty when there were none, or nobody knows."""
    ready: bool = False
    """Whether it had become ready."""
    on_trial: bool = False
    """Whether it is a canary of which nobody knows yet what it is worth: the one beside it is the safer one."""


@dataclass(slots=True, kw_only=True)
class Exit:
    """How one life of an instance ended."""

    at: float
    """When, in seconds since 1970 (UTC)."""
    generation: int
    reason: str
    log: list[str] = field(default_factory=list)
    """Its last lines of output."""


@dataclass(slots=True, kw_only=True)
class InstanceRecord:
    """What is remembered of an instance beyond one life."""

    generation: int = 0
    """The last generation that was given out."""
    restarts: int = 0
    exits: list[Exit] = field(default_factory=list)
    """The last ones, the newest at the end."""


@dataclass(slots=True, kw_only=True)
class WorkerRecord:
    """A gateway worker that was running when this was written."""

    id: int
    pid: int
    started: int
    leaving: bool = False
    """Whether another one has its place: it only finishes what it has."""


class State:
    """What is remembered, and where it is written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lives: list[LifeRecord] = []
        self.instances: dict[str, InstanceRecord] = {}
        self.workers: list[WorkerRecord] = []
        self.doubtful = False
        """Whether what was left behind could not be understood: anything may be running."""
        self.secret = secrets.token_hex(16)
        """What makes digests that nobody outside can make, the same for all who run this system, now and later."""
        self.scale: dict[str, tuple[int, int]] = {}
        """How many instances were asked for by hand, and what the system file said then, by service."""

    @classmethod
    def load(cls, path: Path) -> tuple[Self, str | None]:
        """Read what was left behind, and tell what was wrong with it.

        A file that cannot be understood is moved aside, and one begins anew: it is no reason not to start.

        Raises:
            EnvironmentProblem: the file is there and cannot be read.
        """
        state = cls(path)
        try:
            written = path.read_bytes()
        except FileNotFoundError:
            # A system's first start, or somebody has deleted it: then what it told of may still be running.
            state.doubtful = True
            return state, None
        except OSError as problem:
            raise EnvironmentProblem(f"cannot read '{path}': {problem.strerror}") from problem
        try:
            state._fill(json.loads(written))
        except (ValueError, TypeError, KeyError, AttributeError) as problem:
            aside = path.with_name(f"{path.name}.bad")
            path.replace(aside)
            why = problem.args[0] if isinstance(problem, _OtherVersionError) else "it is damaged"
            state = cls(path)
            state.doubtful = True
            return state, f"'{path}' was not used and is now '{aside.name}': {why}"
        return state, None

    def save(self) -> None:
        """Write it down, so that a supervisor killed at the next moment has forgotten nothing.

        Raises:
            EnvironmentProblem: it cannot be written; the former file is still whole.
        """
        partial = self._path.with_name(f"{self._path.name}.tmp")
        try:
            file = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(file, "wb") as writer:
                writer.write(json.dumps(self._record()).encode())
                writer.flush()
                os.fsync(file)
            partial.replace(self._path)
        except OSError as problem:
            raise EnvironmentProblem(f"cannot write '{self._path}': {problem.strerror}") from problem

    def forget(self) -> None:
        """Remove the file: the system was stopped, and the next start is a fresh one."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def instance(self, name: str) -> InstanceRecord:
        """Give what is remembered of an instance, beginning with nothing."""
        return self.instances.setdefault(name, InstanceRecord())

    def next_generation(self, name: str) -> int:
        """Give out a generation that this instance never had."""
        record = self.instance(name)
        record.generation += 1
        return record.generation

    def remember_exit(self, name: str, end: Exit) -> None:
        """Keep how a life ended."""
        exits = self.instance(name).exits
        exits.append(end)
        del exits[:-KEPT_EXITS]

    def _record(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "space": procfs.life_space(),
            "lives": [asdict(life) for life in self.lives],
            "instances": {name: asdict(record) for name, record in self.instances.items()},
            "workers": [asdict(worker) for worker in self.workers],
            "scale": self.scale,
            "secret": self.secret,
        }

    def _fill(self, record: dict[str, Any]) -> None:
        if record["version"] != VERSION:
            raise _OtherVersionError(
                f"it has version {record['version']}, and this Mainstay writes {VERSION}"
            )
        self.instances = {
            name: InstanceRecord(
                generation=int(kept["generation"]),
                restarts=int(kept["restarts"]),
                exits=[Exit(**end) for end in kept["exits"]],
            )
            for name, kept in record["instances"].items()
        }
        self.scale = {name: (int(asked), int(file)) for name, (asked, file) in record["scale"].items()}
        # Those who wrote before there was one had none.
        self.secret = str(record.get("secret", self.secret))
        bytes.fromhex(self.secret)
        if record["space"] == procfs.life_space():
            # After a reboot the same numbers mean other processes.
            self.lives = [LifeRecord(**_known(LifeRecord, life)) for life in record["lives"]]
            self.workers = [WorkerRecord(**_known(WorkerRecord, one)) for one in record["workers"]]


def _known(kind: type[LifeRecord | WorkerRecord], written: dict[str, Any]) -> dict[str, Any]:
    """Leave out what only a later version knows: whoever goes back to this one loses nothing that it needs."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in written.items() if name in names}


class _OtherVersionError(ValueError):
    pass
