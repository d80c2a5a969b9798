"""Taking over what a supervisor that was killed has left running."""

from collections.abc import Mapping

from mainstay.base.facts import InstanceExited
from mainstay.supervisor import orphan
from mainstay.supervisor.context import Context
from mainstay.supervisor.launch import Post
from mainstay.supervisor.log import last_lines
from mainstay.supervisor.plan import Found, adoption
from mainstay.supervisor.process import Process
from mainstay.supervisor.replicas import Replicas
from mainstay.supervisor.runner import SHOWN_LINES, Runner
from mainstay.supervisor.state import Exit, LifeRecord
from mainstay.system.schema import Service


def adopt(context: Context, services: Mapping[str, Replicas], unwanted: Replicas) -> list[str]:
    """Put each life that still runs into its slot, the superfluous ones beside them, and kill what is lost.

    Args:
        context: The supervisor's means.
        services: The services that there are to be, their slots empty.
        unwanted: Takes the lives of services that are not to be any more.

    Returns:
        The names of the instances that go on.
    """
    state = context.state
    records, state.lives = state.lives, []
    running: list[tuple[LifeRecord, Process]] = []
    gone: list[LifeRecord] = []
    for record in records:
        process = Process.adopt(record.pid, record.started) if record.pid else None
        if process is None:
            gone.append(record)
        else:
            running.append((record, process))
    _sweep(context, gone)
    found = [Found(one.service, one.slot, one.generation, one.ready, one.on_trial) for one, _ in running]
    plan = adoption(found, {name: replicas.want for name, replicas in services.items()})
    for record, process in (running[at] for at in plan.keep):
        replicas, record.on_trial = services[record.service], False
        replicas.slots[record.slot] = _resume(context, replicas.post(record.slot), record, process)
    for record, process in (running[at] for at in plan.stop):
        replicas = services.get(record.service, unwanted)
        replicas.beside.append(_resume(context, _former_post(record, replicas), record, process))
    return [running[at][0].name for at in plan.keep]


def former() -> Service:
    """Give what is assumed of a service that the system file does not know any more: its instances only end."""
    return Service(command="true")


def _resume(context: Context, post: Post, record: LifeRecord, process: Process) -> Runner:
    context.state.lives.append(record)
    runner = Runner(context, post)
    runner.resume(record, process)
    return runner


def _former_post(record: LifeRecord, replicas: Replicas) -> Post:
    return Post(record.service, replicas.service, record.slot, record.zone)


def _sweep(context: Context, gone: list[LifeRecord]) -> None:
    if context.state.doubtful:
        orphan.end_marked(context.rundir.path)
    orphan.end_unrecorded(context.rundir.path, [record for record in gone if not record.pid])
    ended = [record for record in gone if record.pid]
    orphan.end_rest(ended)
    for record in ended:
        _tell_end(context, record)


def _tell_end(context: Context, record: LifeRecord) -> None:
    log = last_lines(context.rundir.log(record.name), SHOWN_LINES, record.log_from)
    end = Exit(
        at=context.clock.wall(),
        generation=record.generation,
        reason="ended while no supervisor was running",
        log=log,
    )
    context.state.remember_exit(record.name, end)
    context.emit(
        InstanceExited(
            at=end.at,
            service=record.service,
            instance=record.name,
            generation=record.generation,
            reason=end.reason,
        )
    )
