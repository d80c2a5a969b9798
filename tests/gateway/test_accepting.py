import asyncio
from time import monotonic

import pytest

from mainstay.gateway.crew import accepting
from mainstay.gateway.crew.board import SLACK, Board
from mainstay.gateway.worker import Worker


@pytest.fixture
async def other(rig, tmp_path):
    """Give the board of another worker that is there and has no clients; the rig's worker sees it."""
    await rig.up()
    rig.worker.accepting.board = Board(tmp_path / "board", 1)
    rig.worker.accepting.beat(monotonic())
    board = Board(tmp_path / "board", 2)
    board.beat(monotonic())
    yield board
    board.close()


async def test_a_worker_that_is_ahead_leaves_the_next_clients_to_others(rig, other, monkeypatch):
    monkeypatch.setattr(accepting, "PATIENCE", 60.0)
    for _ in range(SLACK + 1):
        await rig.client()
    await rig.until(lambda: len(rig.worker.clients) == SLACK + 1)

    await rig.client()
    await asyncio.sleep(0)

    assert rig.worker.accepting._rest is not None
    assert len(rig.worker.clients) == SLACK + 1


async def test_it_goes_on_when_others_have_caught_up(rig, other):
    for _ in range(SLACK + 1):
        await rig.client()
    await rig.until(lambda: rig.worker.accepting._rest is not None)

    other.tell(50)

    answers = [await rig.ask(rig.get()) for _ in range(5)]
    assert {answer.status for answer in answers} == {200}


async def test_it_takes_what_waits_when_the_others_do_not(rig, other):
    answers = [await (await rig.client()).ask(rig.get()) for _ in range(SLACK + 10)]

    assert {answer.status for answer in answers} == {200}


async def test_it_can_stop_at_rest(rig, other, monkeypatch):
    monkeypatch.setattr(accepting, "PATIENCE", 60.0)
    for _ in range(SLACK + 1):
        await rig.client()
    await rig.until(lambda: rig.worker.accepting._rest is not None)

    rig.worker.stop()
    await rig.worker.accepting.stopped()

    assert not rig.worker.accepting._servers
    with pytest.raises(OSError):  # noqa: PT011 - refused, or reset, as the kernel has it
        await rig.ask(rig.get())


@pytest.fixture
async def second(rig, other, tmp_path):
    """Give a second worker at the same socket, which does not accept yet."""
    made = Worker(2, {"web": rig.listener.dup()}, rig.worker.loop)
    made.accepting.board = Board(tmp_path / "board", 2)
    made.apply(rig.table())
    yield made
    made.stop()
    for client in list(made.clients):
        client.abort()
    await made.close()


async def test_two_workers_board_a_burst_of_clients(rig, second):
    for _ in range(20):
        await rig.client()
    await second.serve()
    for _ in range(20):
        await rig.client()
    await rig.until(lambda: len(rig.worker.clients) + len(second.clients) == 40)

    assert min(len(rig.worker.clients), len(second.clients)) >= 10
