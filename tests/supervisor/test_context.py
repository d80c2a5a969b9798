import asyncio

import pytest

from mainstay.base.errors import Refused


@pytest.fixture
async def context(world, server):
    return world.make({"web": server()})._context


async def test_waiting_ends_when_something_holds(context):
    holds = False
    waiting = asyncio.ensure_future(context.until(lambda: holds))
    await asyncio.sleep(0)
    context.wake()
    await asyncio.sleep(0)
    assert not waiting.done()

    holds = True
    context.wake()

    await waiting
    assert context._waiters == set()


async def test_what_holds_already_is_not_waited_for(context):
    await context.until(lambda: True)


async def test_waiting_is_refused_when_the_system_is_being_stopped(context):
    waiting = asyncio.ensure_future(context.until(lambda: False))
    await asyncio.sleep(0)

    context.ending = True
    context.wake()

    with pytest.raises(Refused, match="shop is being stopped"):
        await waiting


async def test_whoever_gives_up_waiting_leaves_nothing_behind(context):
    waiting = asyncio.ensure_future(context.until(lambda: False))
    await asyncio.sleep(0)

    waiting.cancel()
    await asyncio.wait([waiting])

    assert context._waiters == set()


async def test_a_bug_on_the_side_is_told(context, world):
    async def fail():
        raise LookupError("bug")

    task = context.start(fail())
    await asyncio.wait([task])
    await asyncio.sleep(0)

    assert str(world.wrong.pop()["exception"]) == "bug"
    assert context._tasks == set()


async def test_what_is_done_on_the_side_can_be_ended(context):
    task = context.start(asyncio.Event().wait())

    await context.cancel_all()

    assert task.cancelled()


async def test_a_gateway_that_cannot_be_told_stops_nobody(context, world):
    def fail():
        raise BrokenPipeError("gone")

    world.gate.on_publish = fail

    context.publish()

    assert str(world.wrong.pop()["exception"]) == "gone"


async def test_half_of_a_system_is_not_told(context, world):
    context.quiet = True

    context.publish()

    assert world.gate.published == []
