import asyncio
import heapq

from hypothesis import given
from hypothesis import strategies as st

from mainstay.gateway.wheel import TICK, Wheel


class Loop:
    """A loop whose time is moved by hand."""

    def __init__(self):
        self.now = 1000.0
        self.queue = []
        self.faults = []
        self.count = 0

    def time(self):
        return self.now

    def call_at(self, when, what):
        self.count += 1
        handle = Handle()
        heapq.heappush(self.queue, (when, self.count, handle, what))
        return handle

    def call_exception_handler(self, context):
        self.faults.append(context)

    def advance(self, to):
        while self.queue and self.queue[0][0] <= to:
            when, _, handle, what = heapq.heappop(self.queue)
            self.now = max(self.now, when)
            if not handle.cancelled:
                what()
        self.now = to


class Handle:
    cancelled = False

    def cancel(self):
        self.cancelled = True


class Item:
    def __init__(self, act=lambda item, now: None):
        self.due = 0.0
        self.slot = 0
        self.told = []
        self.act = act

    def expired(self, now):
        self.told.append(now)
        self.act(self, now)


def test_it_tells_once_and_not_before_it_is_due():
    loop = Loop()
    wheel = Wheel(loop)
    item = Item()

    wheel.watch(item, 1001.0)
    loop.advance(1000.99)
    assert item.told == []
    loop.advance(1010.0)

    assert len(item.told) == 1
    assert 1001.0 <= item.told[0] <= 1001.0 + 2 * TICK
    assert len(wheel) == 0


def test_a_deadline_may_move_away_and_nearer():
    loop = Loop()
    wheel = Wheel(loop)
    away, nearer = Item(), Item()
    wheel.watch(away, 1001.0)
    wheel.watch(nearer, 1005.0)

    wheel.watch(away, 1004.0)
    wheel.watch(nearer, 1000.5)
    loop.advance(1003.0)
    assert away.told == []
    assert len(nearer.told) == 1
    loop.advance(1005.0)

    assert 1004.0 <= away.told[0] <= 1004.1


def test_one_that_is_put_off_while_it_turns_does_not_put_off_the_others():
    loop = Loop()
    wheel = Wheel(loop)
    far = Item(lambda item, now: wheel.watch(item, now + 75) if len(item.told) == 1 else None)
    near = Item()
    wheel.watch(far, 1001.0)
    wheel.watch(near, 1002.0)

    loop.advance(1003.0)

    assert 1002.0 <= near.told[0] <= 1002.1


def test_one_that_is_forgotten_by_another_of_its_bucket_is_not_told():
    loop = Loop()
    wheel = Wheel(loop)
    items = []
    for _ in range(2):
        items.append(Item(lambda item, now: [wheel.forget(other) for other in items if other is not item]))
    for item in items:
        wheel.watch(item, 1001.0)

    loop.advance(1002.0)

    assert sum(len(item.told) for item in items) == 1


def test_one_that_breaks_does_not_keep_the_others_waiting():
    loop = Loop()
    wheel = Wheel(loop)
    broken, same, later = Item(lambda item, now: 1 / 0), Item(), Item()
    for item, due in ((broken, 1001.0), (same, 1001.0), (later, 1002.0)):
        wheel.watch(item, due)

    loop.advance(1003.0)

    assert [len(item.told) for item in (broken, same, later)] == [1, 1, 1]
    assert isinstance(loop.faults[0]["exception"], ZeroDivisionError)


def test_a_closed_wheel_tells_nothing():
    loop = Loop()
    wheel = Wheel(loop)
    item = Item()
    wheel.watch(item, 1001.0)

    wheel.close()
    loop.advance(1002.0)

    assert item.told == []


moves = st.lists(
    st.tuples(st.integers(0, 4), st.one_of(st.none(), st.floats(0.0, 3.0)), st.floats(0.0, 1.0)), max_size=60
)


@given(moves)
def test_whatever_is_moved_everyone_is_told_in_time_and_never_early(script):
    loop = Loop()
    wheel = Wheel(loop)
    items = [Item() for _ in range(5)]
    due = {}
    for number, wait, gap in script:
        item = items[number]
        if wait is None:
            wheel.forget(item)
            due.pop(number, None)
        else:
            wheel.watch(item, loop.now + wait)
            due[number] = loop.now + wait
        for one in items:
            one.told.clear()
        loop.advance(loop.now + gap)
        for at, one in enumerate(items):
            expected = due.get(at)
            if one.told:
                assert expected is not None
                assert len(one.told) == 1
                assert expected <= one.told[0] <= expected + gap + 3 * TICK
                del due[at]
            else:
                assert expected is None or loop.now < expected + 3 * TICK

    loop.advance(loop.now + 10)
    assert len(wheel) == 0
    assert loop.faults == []


async def test_it_turns_on_a_real_loop():
    loop = asyncio.get_running_loop()
    wheel = Wheel(loop)
    done = loop.create_future()
    item = Item(lambda item, now: done.set_result(now))
    begun = loop.time()

    wheel.watch(item, begun + 0.05)
    told = await asyncio.wait_for(done, 2)

    assert told >= begun + 0.05
