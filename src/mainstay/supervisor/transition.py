"""From one system to another while it runs: all the way, or back to where it began.

::

    forth ── commit ── settle
      │
      └─ back

*Forth*: what is new is started and becomes ready, and what is started otherwise is replaced, wave by wave in the order
of needs. Users lose nothing by it, and all of it can be taken back. *Commit*: from here on the new definition holds.
*Settle*: what is no longer wanted ends. Nothing can fail from the commit on.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

from mainstay.base.errors import MainstayError
from mainstay.supervisor.context import Context
from mainstay.supervisor.life import HOST, Turn
from mainstay.supervisor.plan import scaled, waves
from mainstay.supervisor.replicas import Replicas
from mainstay.system.difference import Difference
from mainstay.system.schema import System


class Transition:
    """One change of the whole system."""

    def __init__(
        self, context: Context, services: dict[str, Replicas], change: Difference, turn: Turn
    ) -> None:
        """Be ready to go.

        Args:
            context: The supervisor's means.
            services: Its services; new ones are put in, and removed ones taken out.
            change: From what to what.
            turn: The traffic's part in it.
        """
        was, now = run(change.before), run(change.after)
        self.added = [name for name in now if name not in was]
        self.removed = [name for name in was if name not in now]
        self._context = context
        self._services = services
        self._change = change
        self._turn = turn
        self._kept = [name for name in now if name in was]
        self._had = {name: services[name].want for name in self._kept}

    async def forth(self) -> None:
        """Start what is new, and replace what is started otherwise.

        Raises:
            MainstayError: something did not become ready, or a health check is not passed; see `back`.
        """
        after, ready = self._change.after, set[str]()
        for name in self.added:
            replicas = self._services[name] = Replicas(self._context, name, after.services[name], 0)
            replicas.zones = after.zones
        for wave in waves(needs(after)):
            fresh = [name for name in wave if name in self.added]
            await _all(self._services[name].resize(self._want(name)) for name in fresh)
            if fresh:
                ready.update(fresh)
                self._turn.show(frozenset(ready))
            for name in wave:
                if name not in self.added:
                    await self._renew(name)
        self._turn.prepare()

    async def _renew(self, name: str) -> None:
        replicas, want, after = self._services[name], self._want(name), self._change.after
        replicas.define(after.services[name], after.zones)
        await replicas.resize(max(want, replicas.want))
        await replicas.renew(want)
        await self._try_checks(replicas)

    async def back(self) -> None:
        """Be as it was before; what was replaced is replaced again, by what it had been.

        Raises:
            MainstayError: what had worked before does not become ready any more; the rest is as it was.
        """
        before, problems = self._change.before, []
        await self._turn.undo()
        for name in self.added:
            if name in self._services:
                await self._services[name].clear()
                del self._services[name]
        for name in self._kept:
            replicas = self._services[name]
            replicas.define(before.services[name], before.zones)
            try:
                await replicas.resize(self._had[name])
                await replicas.renew(self._had[name])
            except MainstayError as problem:
                problems.append(str(problem))
            replicas.configure()
        if problems:
            raise MainstayError("\n".join(problems))

    def commit(self) -> None:
        """Have the new definition hold for all that runs."""
        context, after = self._context, self._change.after
        context.system = after
        for name in self._kept:
            self._services[name].configure()
        # Whoever changes the file means the file: what was asked for by hand against another one is over.
        context.state.scale = {
            name: saved
            for name, saved in context.state.scale.items()
            if name in after.services and saved[1] == after.services[name].instances
        }
        context.save()

    async def settle(self) -> None:
        """End what is not wanted any more, against the order of needs."""
        for wave in reversed(waves(needs(self._change.before))):
            for name in wave:
                if name in self.removed:
                    await self._services[name].clear()
                    del self._services[name]
                elif self._services[name].want > self._want(name):
                    await self._services[name].resize(self._want(name))
        for name in run(self._change.after):
            self._services[name] = self._services.pop(name)  # in the order of the file
        self._context.publish()

    def _want(self, name: str) -> int:
        return scaled(self._change.after.services[name].instances, self._context.state.scale.get(name))

    async def _try_checks(self, replicas: Replicas) -> None:
        """See whether instances that go on and are well pass their new health check, before it decides on them."""
        before, now = self._change.before.services[replicas.name], replicas.service
        if before.health == now.health or now.health is None:
            return
        for runner in list(replicas.slots.values()):
            if runner.port is None or not runner.is_ready or runner.watch is None:
                continue
            if runner.post.service is now or not runner.watch.health.usable:
                continue
            found = await self._context.probe(now, HOST, runner.port.number)
            if not found.ok:
                raise MainstayError(
                    f"{runner.post.instance} does not pass its new health check: {found.said}"
                )


async def _all(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all of it at once, and fail when all of it has ended."""
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


def run(system: System) -> list[str]:
    """Give the services of a system that Mainstay runs."""
    return [name for name, service in system.services.items() if service.command is not None]


def needs(system: System) -> dict[str, list[str]]:
    """Give what each of them needs of the others: what others run is there or not; nobody here can start it."""
    ours = run(system)
    return {name: [need for need in system.services[name].needs if need in ours] for name in ours}
