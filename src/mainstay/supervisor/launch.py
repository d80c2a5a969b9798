"""Starting one life of an instance, so that it can be found whatever happens to the supervisor meanwhile."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from mainstay.base.errors import EnvironmentProblem, MainstayError
from mainstay.supervisor.context import Context
from mainstay.supervisor.environment import Identity, environment
from mainstay.supervisor.port import Port
from mainstay.supervisor.process import Process
from mainstay.supervisor.state import LifeRecord
from mainstay.supervisor.unit import UnitSpec
from mainstay.system.schema import Service


class Post(NamedTuple):
    """The place that an instance fills."""

    name: str
    """Of the service."""
    service: Service
    slot: int
    """From 1."""
    zone: str

    @property
    def instance(self) -> str:
        """Its name: `web-1`."""
        return f"{self.name}-{self.slot}"


def definition(service: Service) -> str:
    """Give a digest of what the system file says on how an instance is started.

    That is `difference.PROCESS_KEYS`, and where it reaches what it needs.
    """
    told: tuple[object, ...] = (
        service.command,
        str(service.cwd),
        service.user,
        sorted(service.env.items()),
        list(map(str, service.env_file)),
    )
    return _digest((*told, sorted(service.urls.items())) if service.urls else told)


def environment_digest(service: Service, folder: Path) -> str:
    """Give a digest of what its environment files hold now; empty when it has none, or one cannot be read."""
    if not service.env_file:
        return ""
    try:
        return _digest(sorted(service.environment(folder).items()))
    except MainstayError:
        return ""


def _digest(told: object) -> str:
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def launch(
    context: Context, post: Post, generation: int, port: Port, *, on_trial: bool = False
) -> tuple[LifeRecord, Process]:
    """Start a process and write it down, before and after.

    Raises:
        MainstayError: it could not be started; nothing of it is left.
    """
    record = LifeRecord(
        service=post.name,
        slot=post.slot,
        name=post.instance,
        generation=generation,
        pid=0,
        started=0,
        since=context.clock.wall(),
        port=port.number,
        zone=post.zone,
        log_from=_size(context, post),
        definition=definition(post.service),
        environment=environment_digest(post.service, context.system.folder),
        on_trial=on_trial,
    )
    # Before it is started: a supervisor that is killed right after has left word of whom to look for.
    context.state.lives.append(record)
    context.save()
    try:
        process = _spawn(context, post, record)
    except MainstayError:
        context.state.lives.remove(record)
        raise
    record.pid, record.started = process.pid, process.started
    context.save()
    return record, process


def _spawn(context: Context, post: Post, record: LifeRecord) -> Process:
    service, folder = post.service, context.system.folder
    who = Identity(post.name, post.instance, record.generation, post.zone, record.port)
    env = environment(service, service.environment(folder), who, context.rundir)
    return Process.spawn(
        service.argv(env),
        cwd=service.working_folder(folder),
        env=env,
        user=service.user,
        log=context.rundir.log(post.instance),
    )


def _size(context: Context, post: Post) -> int:
    log = context.rundir.log(post.instance)
    try:
        return log.stat().st_size
    except FileNotFoundError:
        return 0
    except OSError as problem:
        raise EnvironmentProblem(f"cannot write log '{log}': {problem.strerror}") from problem


def unit_spec(service: Service) -> UnitSpec:
    """Give how instances of a service are started, stopped and started again."""
    restart = service.restart
    default = UnitSpec()
    return UnitSpec(
        restart=restart is not None,
        delay=default.delay if restart is None else restart.delay,
        cap=default.cap if restart is None else max(restart.cap, restart.delay),
        ready_within=service.ready_within,
        drain=service.drain,
        stop_timeout=service.stop_timeout,
    )
