"""Everything is killed at a random moment, and the ledger has what users got; `python -m benchmarks ledger --killed 100` does it longer."""

import pytest
from benchmarks.ledger.killed import BOUND, Yard

from ports import free_port

pytestmark = pytest.mark.e2e


@pytest.fixture
def yard(tmp_path):
    made = Yard(tmp_path, free_port(), last=2.0)
    yield made
    made.close()


@pytest.mark.timeout(180)
def test_a_ledger_whose_writers_are_killed_lacks_some_seconds_and_counts_nothing_twice(yard):
    yard.up()
    first = yard.kill_all()
    yard.up()
    alone = yard.kill_supervisor()
    second = yard.kill_all()

    assert [found.wrong for found in (first, alone, second)] == [[], [], []]
    assert max(first.lost, second.lost) <= BOUND
