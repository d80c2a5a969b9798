import asyncio
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest

from mainstay.base.errors import SpecError
from mainstay.drill.abort import Abort, Guard, Rule, read


def users(*seconds: tuple[int, int]) -> Any:
    return SimpleNamespace(name="web", seconds=deque(seconds))


def test_a_rule_is_a_share_and_a_time_and_all_else_is_a_command() -> None:
    assert read(["20%/3s", "5%", "curl -fs http://127.0.0.1/"], usual=5) == Abort(
        [Rule(0.2, 3), Rule(0.05, 5)], ["curl -fs http://127.0.0.1/"]
    )


@pytest.mark.parametrize("wrong", ["", "0%", "120%", "20%/0s", "20%/x", "20%/3s%"])
def test_what_is_neither_is_told(wrong: str) -> None:
    with pytest.raises(SpecError):
        read([wrong], usual=5)


async def test_a_drill_is_called_off_when_so_much_fails_for_so_long() -> None:
    abort = Abort([Rule(0.2, 2)])

    async with Guard(abort, [users((100, 0), (100, 20), (100, 99))]) as guard:
        assert guard.reason() == "called off: 20% of the requests to web failed for 2 s"
    async with Guard(abort, [users((100, 99))]) as guard:
        assert not guard.reason()
    async with Guard(abort, [users((100, 99), (100, 19))]) as guard:
        assert not guard.reason()
    async with Guard(abort, [users((0, 0), (0, 0))]) as guard:
        assert not guard.reason()


@pytest.mark.parametrize(("command", "said"), [("exit 3", "ended with 3"), ("kill -9 $$", "ended with -9")])
async def test_a_probe_that_says_no_calls_it_off(command: str, said: str) -> None:
    async with Guard(Abort(probes=[command]), []) as guard, asyncio.timeout(10):
        while not guard.reason():  # noqa: ASYNC110 - a reason is asked for, not told
            await asyncio.sleep(0.01)

        assert guard.reason() == f"called off: the probe `{command}` {said}"
