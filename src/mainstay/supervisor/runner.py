"""One instance as it really runs: carries out the orders of its `Unit`, and tells it what happens.

Everything that happens comes in as a plain call within one turn of the event loop (an exit, a timer, the end
of a check), moves the unit, and has its orders carried out before anything else can happen.
"""

import asyncio
import signal
from collections import deque
from collections.abc import Coroutine, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from mainstay.base.errors import MainstayError
from mainstay.base.facts import (
    InstanceAdopted,
    InstanceBecameReady,
    InstanceExited,
    InstanceFact,
    InstanceStarted,
    InstanceStopped,
)
from mainstay.supervisor.context import Context
from mainstay.supervisor.launch import Post, definition, environment_digest, launch, unit_spec
from mainstay.supervisor.life import HOST, Life
from mainstay.supervisor.log import last_lines
from mainstay.supervisor.process import Process
from mainstay.supervisor.state import Exit, LifeRecord
from mainstay.supervisor.unit import (
    DRAINING,
    READY,
    STOPPED,
    STOPPING,
    Drain,
    Kill,
    Order,
    Publish,
    Retire,
    Start,
    Terminate,
    Unit,
)
from mainstay.supervisor.watch import Watch

if TYPE_CHECKING:
    from mainstay.supervisor.port import Port

SHOWN_LINES = 20
"""How many of its last lines of output are kept as the reason of an exit: a traceback fits."""


class Runner:
    """One instance, run."""

    def __init__(self, context: Context, post: Post) -> None:
        self.post = post
        self.unit = Unit(
            unit_spec(post.service),
            context.dice.fork(f"unit/{post.instance}"),
            partial(context.state.next_generation, post.instance),
        )
        self.on_trial = False
        """Whether its first life is a canary's; see `LifeRecord`."""
        self.record: LifeRecord | None = None
        """Its present life; None when no process runs."""
        self.port: Port | None = None
        self.watch: Watch | None = None
        """The eyes on its present life, or on the last one."""
        self.trouble: MainstayError | OSError | None = None
        """Why it could not even be started last time; None when it could."""
        self._context = context
        self._process: Process | None = None
        self._ghost: Life | None = None
        self._work: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._begun = False

    def begin(self) -> None:
        """Start its first life."""
        self._obey(self.unit.begin(self._now()))

    def resume(self, record: LifeRecord, process: Process) -> None:
        """Take over a life that is already running."""
        self._begun = True
        self.port = self._context.ports.retake(record.port)
        self.record = record
        self._take(process, record)
        self._obey(self.unit.resume(self._now(), record.generation, ready=record.ready))
        self._emit(InstanceAdopted, record.generation)

    def configure(self, post: Post) -> None:
        """Go by another definition of its post from now on, with the process that it has."""
        before, self.post = self.post.service, post
        self.unit.configure(unit_spec(post.service))
        if self.watch is None:
            return
        self.watch.configure(post.service)
        if before.health != post.service.health and self.is_ready and self.record is not None:
            # Not after a pause that the former definition asked for.
            self._cancel_work()
            self._do(self._tend(self.watch, self.record))

    def fits(self, post: Post) -> bool:
        """Tell whether what runs here was started as another definition of its post says."""
        if self.is_over:
            return post.service.restart is None
        record, folder = self.record, self._context.system.folder
        if record is None:
            return definition(self.post.service) == definition(post.service) and self.post.zone == post.zone
        return (
            record.definition == definition(post.service)
            and record.environment in ("", environment_digest(post.service, folder))
            and record.zone == post.zone
        )

    def stop(self) -> None:
        """End it gracefully, for good; a second time does nothing."""
        self._obey(self.unit.stop(self._now()))
        self._lay_ghost()

    def hurry(self) -> None:
        """End it at once, for good."""
        self._obey(self.unit.hurry(self._now()))
        self._lay_ghost()

    def let_go(self) -> None:
        """Leave its process running and know it no more."""
        self._cancel_work()
        self._disarm()
        if self._process is not None:
            self._process.let_go()
            self._process = None
        self._release()

    @property
    def is_ready(self) -> bool:
        """Whether it can take requests, or could until its health failed."""
        return self.unit.state is READY

    @property
    def is_over(self) -> bool:
        """Whether it has ended for good."""
        return self.unit.state is STOPPED

    def life(self) -> Life | None:
        """Give what the gateway is to know of it; None when it is not in rotation."""
        if self.unit.state in (READY, DRAINING) and self.record is not None and not self._hidden():
            return self._as_life(self.record)
        return self._ghost

    def look(self) -> None:
        """See whether its process was stopped by a signal (frozen), or goes on."""
        if self._process is not None and self.watch is not None:
            self.watch.look()

    # What happens to it

    def _exited(self, record: LifeRecord, reason: str) -> None:
        asked = self.unit.state in (DRAINING, STOPPING)
        reason = reason if asked else self.unit.late or reason
        if self.unit.state is READY and not self.post.service.failover:
            self._ghost = self._as_life(record)
        self.record = self._process = None
        self._cancel_work()
        # The gateway first: all else can wait until no request goes there any more.
        self._obey(self.unit.exited(self._now(), record.generation))
        self._context.state.lives.remove(record)
        if asked:
            self._context.emit(
                InstanceStopped(
                    at=self._context.clock.wall(),
                    service=self.post.name,
                    instance=self.post.instance,
                    generation=record.generation,
                    reason=reason,
                )
            )
        else:
            log = self._context.rundir.log(self.post.instance)
            self._remember(record.generation, reason, last_lines(log, SHOWN_LINES, record.log_from))
        self._context.save()

    def _became_ready(self, record: LifeRecord) -> None:
        orders = self.unit.ready(self._now(), record.generation)
        if not orders:
            return
        record.ready = True
        self._ghost = None
        self._obey(orders)
        self._context.save()
        self._emit(InstanceBecameReady, record.generation)

    def _came_due(self) -> None:
        self._timer = None
        self._obey(self.unit.tick(self._now()))

    # What it is ordered

    def _obey(self, orders: Iterable[Order]) -> None:
        left = deque(orders)
        try:
            while left:
                left.extend(self._carry_out(left.popleft()))
        finally:
            self._arm()
            self._context.wake()

    def _carry_out(self, order: Order) -> list[Order]:
        if isinstance(order, Start):
            return self._start(order.generation)
        if isinstance(order, Publish):
            self._context.publish()
        elif isinstance(order, Drain) and self.record is not None:
            self._cancel_work()
            self._do(self._drain(self.record, order.limit))
        elif isinstance(order, Terminate):
            self._cancel_work()
            self._signal(signal.SIGTERM)
            # A frozen one would hear of it only when somebody thaws it.
            self._signal(signal.SIGCONT)
        elif isinstance(order, Kill):
            self._cancel_work()
            self._signal(signal.SIGKILL)
        elif isinstance(order, Retire):
            self._release()
        return []

    def _start(self, generation: int) -> list[Order]:
        if self._begun:
            self._context.state.instance(self.post.instance).restarts += 1
        self._begun = True
        self.trouble = None
        try:
            if self.port is None or not self.port.free:
                self._release()
                self.port = self._context.ports.reserve()
            record, process = launch(self._context, self.post, generation, self.port, on_trial=self.on_trial)
        except (MainstayError, OSError) as trouble:
            self.trouble = trouble
            self._remember(generation, str(trouble), [])
            self._context.save()
            return self.unit.exited(self._now(), generation)
        self.record = record
        self._take(process, record)
        self._emit(InstanceStarted, generation)
        return []

    def _take(self, process: Process, record: LifeRecord) -> None:
        self._process = process
        process.on_exit = partial(self._exited, record)
        self.watch = Watch(self._context, self.post.service, process, record)
        self._do(self._tend(self.watch, record))

    async def _tend(self, watch: Watch, record: LifeRecord) -> None:
        if not record.ready:
            await watch.until_ready()
            self._became_ready(record)
        await watch.for_ever()

    async def _drain(self, record: LifeRecord, limit: float) -> None:
        if self.post.service.listen is not None:
            try:
                await self._context.gate.drained(self._as_life(record), limit)
            except Exception as problem:  # noqa: BLE001 - a gateway that cannot tell must not keep it from ending
                self._context.complain("the gateway could not tell whether requests are in progress", problem)
        # This is done: the orders to come cancel what is still being done.
        self._work.clear()
        self._obey(self.unit.drained(self._now(), record.generation))

    # By small steps

    def _hidden(self) -> bool:
        # What is stopped by a signal answers nobody, and unlike a failed check that leaves no doubt.
        return self.post.service.failover and self.watch is not None and self.watch.frozen

    def _lay_ghost(self) -> None:
        if self._ghost is not None:
            self._ghost = None
            self._context.publish()

    def _as_life(self, record: LifeRecord) -> Life:
        return Life(
            service=record.service,
            instance=record.name,
            generation=record.generation,
            host=HOST,
            port=record.port,
            zone=record.zone,
            state="draining" if self.unit.state is DRAINING else "up",
            path=self.post.service.health_path(),
            preamble=self.post.service.preamble(),
            talk=self.post.service.health_talk(),
            server_name=self.post.service.server_name(),
        )

    def _remember(self, generation: int, reason: str, log: list[str]) -> None:
        end = Exit(at=self._context.clock.wall(), generation=generation, reason=reason, log=log)
        self._context.state.remember_exit(self.post.instance, end)
        self._emit(InstanceExited, generation, reason=reason)

    def _emit(self, fact: type[InstanceFact], generation: int, **more: str) -> None:
        at, post = self._context.clock.wall(), self.post
        self._context.emit(
            fact(at=at, service=post.name, instance=post.instance, generation=generation, **more)
        )

    def _signal(self, number: int) -> None:
        if self._process is not None:
            self._process.signal(number)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        self._work.add(self._context.start(work))

    def _cancel_work(self) -> None:
        for task in self._work:
            task.cancel()
        self._work.clear()

    def _arm(self) -> None:
        self._disarm()
        if self.unit.due is not None:
            wait = max(0.0, self.unit.due - self._now())
            self._timer = asyncio.get_running_loop().call_later(wait, self._came_due)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _release(self) -> None:
        if self.port is not None:
            self.port.release()
            self.port = None

    def _now(self) -> float:
        return self._context.clock.now()
