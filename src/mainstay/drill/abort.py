"""When a drill is called off: too many of its own requests fail, or somebody's own probe says so."""

import asyncio
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

from mainstay.base.errors import SpecError
from mainstay.base.units import parse_duration, parse_share
from mainstay.drill import child
from mainstay.drill.load.users import Users

PROBE_EVERY = 1.0
"""Seconds between two runs of a probe."""
PROBE_LIMIT = 5.0
"""Seconds that a probe may take; one that takes longer has said no."""
_RULE = re.compile(r"([0-9.]+%)(?:/([0-9.]+[a-z]+))?")


class Rule(NamedTuple):
    """So much fails for so long."""

    share: float
    seconds: int


class Abort(NamedTuple):
    """When to call a drill off; any of it suffices."""

    rules: Sequence[Rule] = ()
    probes: Sequence[str] = ()
    """Commands for `/bin/sh` that end with 0 while all is well."""


def read(told: Iterable[str], usual: int) -> Abort:
    """Read what a command line tells: `20%`, `20%/3s`, or a command.

    Args:
        told: In words.
        usual: Seconds, where none are told.

    Raises:
        SpecError: it can be neither.
    """
    rules, probes = [], []
    for word in told:
        found = _RULE.fullmatch(word.strip())
        if found is not None:
            seconds = round(parse_duration(found[2])) if found[2] else usual
            share = parse_share(found[1])
            if not 0 < share <= 1 or seconds < 1:
                raise SpecError(f"--abort-on must be like 20%/3s, from 1s on, or a command, not {word!r}")
            rules.append(Rule(share, seconds))
        elif not word.strip() or "%" in word.split()[0]:
            raise SpecError(f"--abort-on must be like 20%/3s, or a command, not {word!r}")
        else:
            probes.append(word)
    return Abort(rules, probes)


class Guard:
    """Looks on while something is broken."""

    def __init__(self, abort: Abort, users: Sequence[Users]) -> None:
        self._abort = abort
        self._users = users
        self._said = ""
        self._probing: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Begin to ask the probes."""
        loop = asyncio.get_running_loop()
        self._probing = [loop.create_task(self._probe(command)) for command in self._abort.probes]
        return self

    async def __aexit__(self, *problem: object) -> None:
        """Ask no more."""
        for task in self._probing:
            task.cancel()
        await asyncio.gather(*self._probing, return_exceptions=True)

    def reason(self) -> str:
        """Give why the drill is to be called off; empty when it may go on."""
        for rule in self._abort.rules:
            for one in self._users:
                last = list(one.seconds)[-rule.seconds :]
                if len(last) == rule.seconds and all(
                    ended and failed >= rule.share * ended for ended, failed in last
                ):
                    return f"called off: {rule.share:.0%} of the requests to {one.name} failed for {rule.seconds} s"
        return self._said

    async def _probe(self, command: str) -> None:
        while not self._said:
            if (said := await _asked(command)) is not None:
                self._said = f"called off: the probe `{command}` {said}"
            await asyncio.sleep(PROBE_EVERY)


async def _asked(command: str) -> str | None:
    """Run a probe; give how it said no, or None."""
    started = await child.start(["/bin/sh", "-c", command], heard=False)
    try:
        async with asyncio.timeout(PROBE_LIMIT):
            code = await started.wait()
    except TimeoutError:
        return f"did not end within {PROBE_LIMIT:.0f} s"
    finally:
        await child.end(started)
    return None if code == 0 else f"ended with {code}"
