"""What a worker asks of the keys of one service: a thread that goes to the file, so that nothing else waits for a disk.

All that has gathered while the disk was busy is written together. Who asks is told, in the loop, when it is durable; or
that it is not.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Protocol

from mainstay.base.clock import Clock
from mainstay.base.facts import Emit, KeyStoreBroke, KeyStoreMended
from mainstay.gateway.keys import owner
from mainstay.gateway.keys.store import Answer, Store, Trouble
from mainstay.tolerance.key import ANSWER, OUTGROW, RELEASE, Event, KeySpec, Verdict

MOST = 1000
"""Requests that may wait for the disk; more are refused."""
_TOGETHER = 100
"""What is written together at most."""
_SWEEP = 30.0
"""Seconds from one search for what has expired to the next."""
_SOON = 1.0
"""Seconds after which to try again what could not be written."""
CALM = 30.0
"""Seconds without trouble after which it is over: a file that is nearly full takes one thing and not the next."""
_PATIENCE = 2.0
"""Seconds that the disk has at the end."""


class Holder(Protocol):
    """A request that has a key."""

    def taken(self, verdict: Verdict | None, answer: Answer) -> None:
        """Hear what is to become of it; None: the file cannot be written, so that nobody knows."""
        ...

    def settled(self) -> None:
        """Hear that what came of it is known from now on, as far as it can be."""
        ...

    def forsake(self, now: float) -> None:
        """End: the worker ends."""
        ...


class Order:
    """Something to be done with a key."""

    __slots__ = ("answer", "done", "event", "fingerprint", "holder", "key", "verdict")

    def __init__(self, key: bytes, holder: str, done: Callable[["Order"], None] | None) -> None:
        self.key = key
        self.holder = holder
        self.done = done
        self.fingerprint = b""
        self.event: Event | None = None
        """What came of a request; None: one is to be judged."""
        self.answer = Answer()
        self.verdict: Verdict | None = None


class Keeper:
    """The keys of one service, as one worker has them."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it is told once
        self,
        service: str,
        path: Path,
        spec: KeySpec,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        emit: Emit,
    ) -> None:
        self.spec = spec
        self.holding: set[Holder] = set()
        """Requests that ask, are being carried out, or whose end is not written down yet."""
        self.weight = 0
        """Bytes of requests that wait to be sent, which those who have them count."""
        self._service = service
        self._path = path
        self._loop = loop
        self._clock = clock
        self._emit = emit
        # By the number of the process it is seen whether that is still there; the rest makes it this keeper's.
        self._name = f"{owner.ourselves()}/{os.urandom(8).hex()}"
        self._numbers = count(1)
        self._waiting = 0
        self._queue: SimpleQueue[Order | None] = SimpleQueue()
        self._said: str | None = None
        # The thread's.
        self._store = Store(path, spec)
        self._owed: list[Order] = []
        self._problem: str | None = None
        self._trouble_at = 0.0
        self._told: str | None = None
        self._thread = Thread(target=self._run, name="keys", daemon=True)
        self._thread.start()

    # --- the loop's side ---

    def take(self, key: bytes, fingerprint: bytes, holder: Holder) -> str:
        """Ask what is to become of a request; `holder.taken` is told. Give the name under which it holds the key."""
        name = f"{self._name}-{next(self._numbers)}"
        if self._waiting >= MOST:
            holder.taken(None, Answer())
            return name
        order = Order(key, name, lambda done: holder.taken(done.verdict, done.answer))
        order.fingerprint = fingerprint
        self._put(order)
        return name

    def settle(
        self, key: bytes, name: str, event: Event, answer: Answer, holder: Holder | None = None
    ) -> None:
        """Tell what came of a request; `holder.settled` is told when it is written down, or cannot be for now."""
        order = Order(key, name, (lambda _: holder.settled()) if holder is not None else None)
        order.event, order.answer = event, answer
        self._put(order)

    def _put(self, order: Order) -> None:
        self._waiting += 1
        self._queue.put(order)

    def _deliver(self, order: Order) -> None:
        self._waiting -= 1
        if order.done is not None:
            order.done(order)

    def _tell(self, problem: str | None) -> None:
        if problem is not None and self._said is None:
            at, path = self._clock.now(), str(self._path)
            self._emit(KeyStoreBroke(at=at, service=self._service, path=path, because=problem))
        elif problem is None and self._said is not None:
            self._emit(KeyStoreMended(at=self._clock.now(), service=self._service, path=str(self._path)))
        self._said = problem

    def end(self) -> None:
        """Write down what waits, and end."""
        now = self._clock.now()
        for holder in list(self.holding):
            holder.forsake(now)
        self.holding.clear()
        self._queue.put(None)

    async def ended(self) -> None:
        """Wait for the disk, though not for ever."""
        until = self._clock.now() + _PATIENCE
        while self._thread.is_alive() and self._clock.now() < until:  # noqa: ASYNC110 - a thread tells no event
            await asyncio.sleep(0.002)

    # --- the thread's side ---

    def _run(self) -> None:
        sweep_at, last, wait = 0.0, False, _SWEEP
        while not last:
            orders, last = self._next(_SOON if self._owed else wait)
            self._repay()
            self._do(orders)
            for order in orders:
                self._call(self._deliver, order)
            now = self._clock.now()
            if now >= sweep_at and not last:
                wait = _SOON if self._sweep() else _SWEEP
                sweep_at = now + wait
            if self._told != self._problem:
                self._told = self._problem
                self._call(self._tell, self._told)
        self._store.close()

    def _next(self, wait: float) -> tuple[list[Order], bool]:
        """Wait for orders, and give all that are there; and whether they are the last."""
        orders: list[Order] = []
        try:
            order = self._queue.get(timeout=wait)
            while order is not None:
                orders.append(order)
                if len(orders) >= _TOGETHER:
                    return orders, False
                order = self._queue.get_nowait()
        except Empty:
            return orders, False
        return orders, True

    def _call(self, told: Callable[..., None], what: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to hear it
            self._loop.call_soon_threadsafe(told, what)

    def _do(self, orders: list[Order]) -> None:
        """Do all of them together; or, if there is no room for all, each by itself."""
        if not orders:
            return
        trouble = self._try(orders)
        if trouble is None:
            return
        for order in orders:
            if trouble.full:
                problem = self._try([order]) if len(orders) > 1 else trouble
                if problem is None:
                    continue
                if order.event is ANSWER and self._try([_other(order, OUTGROW)]) is None:
                    continue  # there was room for that it was answered
            order.verdict = None
            if order.event is not None:
                # As long as it is not written down, the key is held: nothing is carried out twice.
                self._owed.append(_other(order, OUTGROW if order.event is ANSWER else order.event))
            elif trouble.uncertain and len(self._owed) < MOST:
                # Should it have come to the disk after all, it is not to stay.
                self._owed.append(_other(order, RELEASE))

    def _repay(self) -> None:
        """Write down what could not be."""
        while self._owed:
            part = self._owed[:_TOGETHER]
            if self._try(part) is not None:
                return
            del self._owed[: len(part)]

    def _try(self, orders: list[Order]) -> Trouble | None:
        """Do them together, durably; or tell why not."""
        store = self._store
        store.spec = self.spec
        now = self._clock.wall()

        def work() -> None:
            for order in orders:
                if order.event is None:
                    taken = store.take(now, order.key, order.fingerprint, order.holder)
                    order.verdict, order.answer = taken
                else:
                    store.settle(now, order.key, order.holder, order.event, order.answer)

        try:
            store.together(work)
        except Trouble as problem:
            self._note(problem)
            return problem
        # That there is room is only proved by something new.
        if self._clock.now() >= self._trouble_at + CALM and any(one.verdict is Verdict.RUN for one in orders):
            self._problem = None
        return None

    def _note(self, problem: Trouble) -> None:
        self._problem = str(problem)
        self._trouble_at = self._clock.now()

    def _sweep(self) -> bool:
        """Forget what has expired; tell whether there may be more of it."""
        forgotten = 0

        def work() -> None:
            nonlocal forgotten
            forgotten = self._store.sweep(self._clock.wall())

        try:
            self._store.together(work)
        except Trouble as problem:
            self._note(problem)
        return forgotten > 0


def _other(order: Order, event: Event) -> Order:
    """Give an order of which nobody is told, for the same request."""
    other = Order(order.key, order.holder, None)
    other.event = event
    return other
