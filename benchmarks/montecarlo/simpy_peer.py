"""The same systems in SimPy, as its documentation writes machines that fail and a crew that repairs them."""

import random
from collections.abc import Iterator
from typing import Any

import simpy

from benchmarks.montecarlo.exact import CREW, GROUPS, LIFE, NEEDED, OF_ALL, REPAIR, UNITS


class Plant:
    """Twenty machines."""

    def __init__(self, seed: int, *, crew: bool) -> None:
        self.env = simpy.Environment()
        self._dice = random.Random(seed)
        self._crew = simpy.Resource(self.env, CREW) if crew else None
        self._up = [UNITS // GROUPS] * GROUPS
        self._all = UNITS
        self._since, self.lost, self.events = 0.0, 0.0, 0
        for number in range(UNITS):
            self.env.process(self._machine(number % GROUPS))

    def run(self, horizon: float) -> float:
        """Give the availability over so long."""
        self.env.run(until=horizon)
        self._count()
        return 1 - self.lost / horizon

    def _machine(self, group: int) -> Iterator[Any]:
        chance = self._dice.expovariate
        while True:
            yield self.env.timeout(chance(1 / LIFE))
            self._change(group, -1)
            if self._crew is None:
                yield self.env.timeout(chance(1 / REPAIR))
            else:
                with self._crew.request() as turn:
                    yield turn
                    yield self.env.timeout(chance(1 / REPAIR))
            self._change(group, 1)

    def _change(self, group: int, by: int) -> None:
        self._count()
        self._up[group] += by
        self._all += by
        self.events += 1

    def _count(self) -> None:
        serves = min(self._up) >= NEEDED if self._crew is None else self._all >= OF_ALL
        if not serves:
            self.lost += self.env.now - self._since
        self._since = self.env.now
