import asyncio
import json

import pytest

from mainstay.gateway import slices


@pytest.mark.parametrize("count", [0, 1, 100, 101, 250])
def test_a_list_and_a_mapping_are_written_as_json_piece_by_piece(count):
    entries = [{"name": f'"{n}"', "value": n} for n in range(count)]

    as_list = list(slices.as_json(entries))
    as_mapping = list(slices.mapping_as_json((str(n), entry) for n, entry in enumerate(entries)))

    assert json.loads("".join(as_list)) == entries
    assert json.loads("".join(as_mapping)) == {str(n): entry for n, entry in enumerate(entries)}
    assert len(as_list) == len(as_mapping) >= count / 100


async def test_others_have_their_turn_between_slices(monkeypatch):
    monkeypatch.setattr(slices, "SLICE", 0.0)
    order = []

    async def other():
        for n in range(3):
            order.append(f"other {n}")
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(slices.sliced(order.append(f"step {n}") for n in range(3)))
        group.create_task(other())

    assert order == ["step 0", "other 0", "step 1", "other 1", "step 2", "other 2"]


async def test_what_is_done_in_one_slice_is_not_interrupted(monkeypatch):
    monkeypatch.setattr(slices, "SLICE", 60.0)
    steps = []
    asyncio.get_running_loop().call_soon(steps.append, "other")

    took = await slices.sliced(steps.append(n) for n in range(3))

    assert steps == [0, 1, 2]
    assert 0 < took < 60
