"""Active checks of all instances of a worker: who is asked when, and what their answers mean for the pool.

Each instance has a place on a wheel and no task of its own; one exists only while an answer is awaited.
A worker begins so many checks a second and no more: those of some thousand instances would leave no time for
traffic. What is due beyond that waits for its turn, the longest waiting first.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mainstay.base.dice import Dice
from mainstay.base.errors import EnvironmentProblem
from mainstay.gateway.check import check
from mainstay.gateway.wheel import TICK, Wheel
from mainstay.redundancy.health import HealthSpec

if TYPE_CHECKING:
    from mainstay.base.probe import ProbeResult
    from mainstay.gateway.route import Route
    from mainstay.gateway.upstream import Upstream

MOST = 1000
"""Checks that a worker begins in a second: a tenth of a processor, and every second for a thousand instances."""
_STEP = 50


class Watch:
    """One instance's place in the order of checks."""

    __slots__ = ("due", "last", "member", "path", "slot", "spec", "talk", "task", "watches")

    def __init__(self, watches: "Watches", member: "Upstream", spec: HealthSpec) -> None:
        self.watches = watches
        self.member = member
        self.spec = spec
        self.path = member.path
        self.talk = member.talk
        self.due = 0.0
        self.slot = 0
        self.last: ProbeResult | None = None
        """What the last check found; None before the first."""
        self.task: asyncio.Task[None] | None = None
        """While an answer is awaited."""

    def expired(self, now: float) -> None:  # noqa: ARG002 - the wheel tells it
        """Check, when it is its turn."""
        self.watches.want(self)

    def hurry(self) -> None:
        """Check as soon as may be, and then in the usual rhythm."""
        self.watches.want(self)

    def begin(self, now: float) -> None:
        """Check now, and again after `every`."""
        watches = self.watches
        if self.member.watch is not self:
            return  # it was ended while it waited
        watches.wheel.watch(self, now + self.spec.every)
        if self.task is None:
            self.task = watches.loop.create_task(self._check())
            watches.tasks.add(self.task)
            self.task.add_done_callback(watches.tasks.discard)

    async def _check(self) -> None:
        member = self.member
        try:
            result = await check(
                member.host,
                member.port,
                self.path,
                self.spec.timeout,
                self.talk,
                tls=member.context(),
                name=member.server_name,
                preamble=member.preamble,
                lead=member.legs.lead if member.legs is not None else None,
            )
        except EnvironmentProblem:
            return  # we could not even ask, which proves nothing
        finally:
            self.task = None
        self.last = result
        self._judge(self.watches.loop.time(), ok=result.ok)

    def _judge(self, now: float, *, ok: bool) -> None:
        member = self.member
        pool = member.route.pool
        doubt = member.doubt
        if ok:
            if member.doubted_until is not None and doubt is not None and not doubt.lasts:
                member.route.load.waits.excuse()
            lost = not member.health.usable
            pool.passed(now, member)
            if lost and member.health.usable and member.breaker is not None:
                # It is there again, which need not be waited for.
                member.breaker.relent(now)
            return
        pool.failed(now, member)
        if member.doubted_until is not None and member.health.usable:
            self.hurry()
        # Who waits there is better off elsewhere; in panic there is no elsewhere.
        if not member.health.usable and not pool.panicking and pool.usable(now):
            for exchange in list(member.busy):
                exchange.leave()

    def end(self) -> None:
        """Check no more; what is under way proves nothing."""
        self.member.watch = None
        self.watches.wheel.forget(self)
        if self.task is not None:
            self.task.cancel()
            self.task = None


class Watches:
    """The checks of one worker."""

    def __init__(self, loop: asyncio.AbstractEventLoop, dice: Dice) -> None:
        self.loop = loop
        # Its own: what waits on the worker's is a request or a client.
        self.wheel = Wheel(loop)
        self.tasks: set[asyncio.Task[None]] = set()
        """Those that await an answer."""
        self._dice = dice
        self._waiting: deque[Watch] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def want(self, watch: Watch) -> None:
        """Begin a check when those that have waited for longer have begun."""
        self._waiting.append(watch)
        if self._timer is None:
            self._timer = self.loop.call_later(TICK, self._begin)

    def _begin(self) -> None:
        """Begin as many as one tick may; a loop that is late has fewer ticks, and so fewer checks."""
        self._timer = None
        now = self.loop.time()
        for _ in range(min(len(self._waiting), int(MOST * TICK))):
            self._waiting.popleft().begin(now)
        if self._waiting:
            self._timer = self.loop.call_later(TICK, self._begin)

    async def close(self) -> None:
        """End all checks."""
        if self._timer is not None:
            self._timer.cancel()
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.wheel.close()

    def follow(self, route: "Route") -> Iterator[None]:
        """Check what is in the pool by its settings, and nothing else; in steps."""
        spec = route.settings.health
        for count, member in enumerate(list(route.pool.members)):
            watch = member.watch
            if spec is None or member.leaving:
                if watch is not None:
                    watch.end()
            elif (
                watch is None or watch.path != member.path or watch.talk != member.talk or watch.spec != spec
            ):
                # By another spec, or asked for something else, the same life is checked anew.
                if watch is not None:
                    watch.end()
                watch = member.watch = Watch(self, member, spec)
                # Workers and instances out of step: no burst of checks each second.
                self.wheel.watch(watch, self.loop.time() + self._dice.between(0, spec.every))
            if count % _STEP == 0:
                yield
