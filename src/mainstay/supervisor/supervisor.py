"""The supervisor: every instance of a system, started in order, watched, replaced, and found again.

It knows nothing of the gateway but the `Gate` that it is handed, and nothing of how health is asked but the
`Probe`. Instances do not depend on it: killed at any moment, it leaves them running, and the next one adopts
them from what was written down.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from functools import partial
from typing import Any

from mainstay.base.clock import Clock
from mainstay.base.dice import Dice
from mainstay.base.errors import EnvironmentProblem, MainstayError, SpecError
from mainstay.base.facts import Emit
from mainstay.redundancy.canary import CanarySpec
from mainstay.supervisor import orphan
from mainstay.supervisor.adopt import adopt, former
from mainstay.supervisor.change import Changes
from mainstay.supervisor.context import Context
from mainstay.supervisor.life import Gate, Life, Probe, Turn
from mainstay.supervisor.log import is_full, rotate
from mainstay.supervisor.plan import MOST, scaled, waves
from mainstay.supervisor.port import Ports
from mainstay.supervisor.replicas import Replicas
from mainstay.supervisor.report import Report
from mainstay.supervisor.row import row, why_not_ready
from mainstay.supervisor.rundir import RunDir
from mainstay.supervisor.runner import Runner
from mainstay.supervisor.state import State
from mainstay.supervisor.transition import Transition, needs, run
from mainstay.supervisor.unit import WAITING
from mainstay.system.difference import Difference
from mainstay.system.schema import System

TRIES = 3
"""How many lives an instance may spend, on the system's first start, until that has failed. More than one,
because a port or a file may be in the way for a moment; few, because somebody is waiting."""

_LOOK_AT_LOGS = 1.0


class Supervisor:
    """All instances of one system."""

    def __init__(  # noqa: PLR0913 - all that it reaches the world through is handed in
        self,
        system: System,
        rundir: RunDir,
        state: State,
        *,
        probe: Probe,
        gate: Gate,
        clock: Clock,
        dice: Dice,
        emit: Emit,
    ) -> None:
        self._context = Context(
            system=system,
            rundir=rundir,
            state=state,
            probe=probe,
            gate=gate,
            clock=clock,
            dice=dice,
            emit=emit,
            ports=Ports(dice.fork("ports")),
        )
        self._waves = waves(needs(system))
        self._services = {
            name: Replicas(
                self._context,
                name,
                system.services[name],
                scaled(system.services[name].instances, state.scale.get(name)),
            )
            for name in run(system)
        }
        self._unwanted = Replicas(self._context, "", former(), 0)
        self._changes = Changes(self._context)
        self._adopted: list[str] | None = None
        self._hears_stops = False

    # From start to end

    def adopt(self) -> list[str]:
        """Take over what a former supervisor left running, and give the instances' names.

        Those that were ready are in rotation when this returns: do it before anything is published, or the
        gateway would be told of a system without instances. `start` does it if it was not done.
        """
        if self._adopted is None:
            self._context.quiet = True
            self._adopted = adopt(self._context, self._services, self._unwanted)
            for replicas in self._services.values():
                replicas.fill()
            self._context.quiet = False
            self._context.save()
        return self._adopted

    async def start(self, *, strict: bool = True) -> None:
        """Start all that does not run yet, in the order of needs, and wait until all of it is ready.

        When nothing was adopted, this is the system's first start: should an instance end three times, or
        not become ready in time, all is stopped again. When something was, or with `strict` off: then
        what does not start is left to be tried again and again. Cancelled, it leaves all as it is, for
        `stop` or `abandon`.

        Raises:
            EnvironmentProblem: a command, folder or user cannot be used.
            MainstayError: an instance did not become ready; tells which, why, and its last words.
            Refused: `stop` or `abandon` was called.
        """
        context = self._context
        context.refuse_when_ending()
        first = not self.adopt() and strict
        self._hear_stops()
        context.start(self._rotate_logs())
        context.publish()
        for replicas in self._all():
            replicas.see_off()
        for wave in self._waves:
            runners = [runner for name in wave for runner in self._services[name].slots.values()]
            for runner in runners:
                if runner.unit.state is WAITING:
                    runner.begin()
            await context.until(partial(_is_through, runners, first=first))
            failed = next(filter(_is_hopeless, runners), None)
            if first and failed is not None:
                # Told before all is stopped, which would be the last thing known of it then.
                machine = isinstance(failed.trouble, EnvironmentProblem | OSError)
                kind = EnvironmentProblem if machine else MainstayError
                problem = kind(why_not_ready(context, failed))
                await self.stop()
                raise problem
        self._changes.open = True

    async def stop(self) -> None:
        """Stop everything gracefully, whoever needs others before these; cancelled, call it or `kill` again."""
        self._begin_to_end()
        for runner in self._unwanted:
            runner.stop()
        for wave in reversed(self._waves):
            # In the middle of a change some are not there yet, or not any more.
            runners = [runner for name in wave for runner in self._services.get(name, ())]
            for runner in runners:
                runner.stop()
            await self._until_over(runners)
        await self._until_over(list(self._unwanted))
        await self._close()

    async def kill(self) -> None:
        """Stop everything at once; also while `stop` is at it."""
        self._begin_to_end()
        runners = list(self._runners())
        for runner in runners:
            runner.hurry()
        await self._until_over(runners)
        await self._close()

    async def abandon(self) -> None:
        """Let everything go on running without this supervisor, for the next one to adopt."""
        self._begin_to_end()
        for runner in self._runners():
            runner.let_go()
        await self._context.cancel_all()
        for replicas in self._all():
            replicas.forget()
        self._context.save()

    # What can be asked for

    async def restart(self, service: str, canary: CanarySpec | None = None) -> Report | None:
        """Replace all instances of a service, one after the other, without taking away any capacity.

        It goes on when the one who waits for it is cancelled.

        Args:
            service: Its name.
            canary: How long to watch the first one that is new before the first old one goes; None: not at all.

        Returns:
            By which figures that one was found well.

        Raises:
            CanaryRejected: it was not; all is as it was.
            MainstayError: there is no such service, or a replacement did not become ready.
            Refused: the service is being changed already, or the system is being started or stopped.
        """
        replicas, reports = self._find(service), list[Report]()
        if canary is not None and replicas.service.listen is None:
            raise MainstayError(f"{service} takes no traffic that could tell whether a new instance is well")
        await self._changes.make(service, "restarted", partial(replicas.roll, canary, reports.append))
        return reports[0] if reports else None

    async def scale(self, service: str, count: int) -> None:
        """Have another number of instances of a service.

        It goes on when the one who waits for it is cancelled.

        Raises:
            MainstayError: there is no such service, or a new instance did not become ready.
            SpecError: the number cannot be.
            Refused: the service is being changed already, or the system is being started or stopped.
        """
        replicas = self._find(service)
        if not 1 <= count <= MOST:
            raise SpecError(f"instances of {service} must be 1 to {MOST}, not {count}")
        await self._changes.make(service, "scaled", partial(self._scale, replicas, count))

    def stale(self, system: System) -> list[str]:
        """Give the services of which an instance was not started as a system has it."""
        return [
            name
            for name in run(system)
            if name in self._services and self._services[name].misfits(system.services[name], system.zones)
        ]

    async def change(self, change: Difference, turn: Turn) -> None:
        """Become another system, without taking anything away that both have.

        It goes on when the one who waits for it is cancelled.

        Args:
            change: From what to what.
            turn: The traffic's part in it.

        Raises:
            MainstayError: something did not become ready; all is again as it was, or it is told what is not.
            Refused: something is being changed already, or the system is being started or stopped.
        """
        await self._changes.make_alone("reloaded", partial(self._change, change, turn))

    def refuse_unless_idle(self) -> None:
        """Refuse while anything is being changed.

        Raises:
            Refused: something is, or the system is being started or stopped.
        """
        self._changes.refuse_unless_idle()

    @property
    def problem(self) -> str | None:
        """Why the state could not be written last time; None when it could."""
        return self._context.problem

    def rotation(self) -> list[Life]:
        """Give the lives that the gateway is to know, by service and slot; those without a listener are not."""
        return [
            life
            for replicas in self._services.values()
            for runner in replicas
            if runner.post.service.listen is not None
            if (life := runner.life()) is not None
        ]

    def status(self) -> list[dict[str, Any]]:
        """Give a line for each instance, by service and slot; while one replaces another, for each of the two."""
        return [row(self._context, runner) for runner in self._runners()]

    # By small steps

    async def _scale(self, replicas: Replicas, count: int) -> None:
        scale = self._context.state.scale
        before = scale.get(replicas.name)
        # Written down first: whoever takes over in the middle of it goes on towards the new number.
        scale[replicas.name] = (count, replicas.service.instances)
        self._context.save()
        try:
            await replicas.resize(count)
        except MainstayError:
            scale.pop(replicas.name, None)
            if before is not None:
                scale[replicas.name] = before
            self._context.save()
            raise

    async def _change(self, change: Difference, turn: Turn) -> None:
        turn.begin()
        transition = Transition(self._context, self._services, change, turn)
        # Should all be stopped in the middle of it.
        self._waves.append(transition.added)
        try:
            await transition.forth()
        except Exception as problem:
            self._context.refuse_when_ending()
            try:
                await self._go_back(transition, problem)
            finally:
                turn.end()
            raise
        finally:
            self._waves.remove(transition.added)
        transition.commit()
        self._waves = [*waves(needs(change.after)), transition.removed]
        await turn.switch()
        await transition.settle()
        self._waves.pop()
        turn.end()

    @staticmethod
    async def _go_back(transition: Transition, problem: Exception) -> None:
        try:
            await transition.back()
        except MainstayError as other:
            raise MainstayError(f"{problem}\nit could not be taken back entirely: {other}") from problem

    def _begin_to_end(self) -> None:
        self._context.ending = True
        self._context.wake()
        if self._hears_stops:
            asyncio.get_running_loop().remove_signal_handler(signal.SIGCHLD)
            self._hears_stops = False

    async def _until_over(self, runners: list[Runner]) -> None:
        await self._context.until(lambda: all(runner.is_over for runner in runners), to_the_end=True)

    async def _close(self) -> None:
        context = self._context
        await context.cancel_all()
        # What an instance has started in a session of its own outlives its group, but not the system.
        orphan.end_marked(context.rundir.path)
        context.state.instances.clear()
        context.state.scale.clear()
        context.save()

    async def _rotate_logs(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_AT_LOGS)
            for runner in list(self._runners()):
                log, logs = self._context.rundir.log(runner.post.instance), runner.post.service.logs
                if is_full(log, logs.size):
                    # No room for the copy: the log grows on, and nothing is lost.
                    with contextlib.suppress(OSError):
                        await asyncio.to_thread(rotate, log, logs.size, logs.keep)
                        self._begin_logs_anew(runner.post.instance)

    def _begin_logs_anew(self, instance: str) -> None:
        for record in self._context.state.lives:
            if record.name == instance:
                record.log_from = 0

    def _hear_stops(self) -> None:
        # SIGCHLD tells at once when a child of ours is stopped or goes on; of an adopted one, which is
        # somebody else's child, its next check tells.
        try:
            asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._look)
        except (RuntimeError, ValueError):
            return  # not in the main thread
        self._hears_stops = True

    def _look(self) -> None:
        changed = set(_stopped_or_going_on())
        for runner in self._runners():
            if runner.record is not None and runner.record.pid in changed:
                runner.look()

    def _runners(self) -> Iterator[Runner]:
        for replicas in self._all():
            yield from replicas

    def _all(self) -> list[Replicas]:
        return [*self._services.values(), self._unwanted]

    def _find(self, service: str) -> Replicas:
        if service in self._context.system.services and service not in self._services:
            raise MainstayError(f"{service} has addresses: Mainstay does not run what is there")
        if service not in self._services:
            raise MainstayError(f"no service '{service}': there are {', '.join(self._services)}")
        return self._services[service]


def _is_through(runners: list[Runner], *, first: bool) -> bool:
    if first and any(map(_is_hopeless, runners)):
        return True
    return all(runner.is_ready or _is_hopeless(runner) for runner in runners)


def _is_hopeless(runner: Runner) -> bool:
    unit = runner.unit
    return unit.failures >= TRIES or unit.late is not None or runner.trouble is not None or runner.is_over


def _stopped_or_going_on() -> Iterator[int]:
    # Only these changes: exits are left to the pidfds.
    with contextlib.suppress(ChildProcessError):
        while change := os.waitid(os.P_ALL, 0, os.WSTOPPED | os.WCONTINUED | os.WNOHANG):
            yield change.si_pid
