"""Whatever instances have been through: once they are well, all of them have their part of the traffic again."""

import heapq
import random
from collections import Counter
from itertools import count

import pytest

from mainstay.base.dice import Dice
from mainstay.base.outcome import FAILED, OK, REFUSED, RESET, TIMEOUT
from mainstay.redundancy.health import Health, HealthSpec
from mainstay.redundancy.outlier import OutlierSpec
from mainstay.redundancy.pool import Pool, PoolSpec
from mainstay.tolerance.breaker import Breaker, BreakerSpec
from mainstay.tolerance.call import CallSpec, Policy
from mainstay.tolerance.order import PAUSE, TRY, TRYING, WAIT
from mainstay.tolerance.target import Target

TROUBLE, PEACE = 60.0, 70.0
"""Seconds in which instances fail in all ways, and in which nothing fails any more."""
FORGOTTEN = 40.0
"""Seconds after which the longest ejection, doubt or rest, a tenth of jitter and a trial are over."""
WAYS = ("well", "well", "dead", "silent", "reset", "500", "503", "slow", "stream")
ENDS = {"reset": (RESET, 0), "500": (FAILED, 500), "503": (FAILED, 503)}


class World:
    """Instances, users that keep coming, and the time between them."""

    def __init__(self, seed, size, how):
        self.chance = random.Random(seed)
        dice = Dice(seed)
        self.pool = Pool(PoolSpec(balance="round_robin", outlier=how["outlier"]), "web", dice)
        self.targets = [
            Target(
                "web",
                f"web-{number}",
                1,
                "127.0.0.1",
                1,
                health=Health(HealthSpec() if how["checks"] else None, known_up=True),
                zone="ab"[number % 2],
                breaker=Breaker(BreakerSpec(), dice) if how["breaker"] else None,
            )
            for number in range(size)
        ]
        self.pool.replace(0.0, self.targets)
        self.policy = Policy(CallSpec(), self.pool, dice)
        self.ways = dict.fromkeys(self.targets, "well")
        self.writes, self.checks, self.breaker = how["writes"], how["checks"], how["breaker"]
        self.asked = dict.fromkeys(self.targets, 0.0)
        self.longest = 0.0
        self.late = Counter()
        self._events = []
        self._number = count()

    def at(self, when, then, *told):
        heapq.heappush(self._events, (when, next(self._number), then, told))

    def run(self):
        self.at(0.0, self.arrive)
        self.at(0.5, self.look)
        self.at(1.0, self.break_something)
        now = 0.0
        while now < TROUBLE + PEACE:
            now, _, then, told = heapq.heappop(self._events)
            then(now, *told)

    # --- what happens ---

    def arrive(self, now):
        self.at(now + self.chance.expovariate(30.0), self.arrive)
        call = self.policy.call(now, idempotent=self.chance.random() >= self.writes)
        order = call.start(now)
        assert order is TRY or self.breaker or not self.pool.usable(now)
        self.obey(now, call, order)

    def break_something(self, now):
        if now < TROUBLE:
            self.ways[self.chance.choice(self.targets)] = self.chance.choice(WAYS)
            self.at(now + self.chance.choice((0.5, 2.0, 5.0)), self.break_something)
        else:
            self.ways = dict.fromkeys(self.targets, "well")
            self.asked = dict.fromkeys(self.targets, now)
            self.longest = 0.0

    def look(self, now):
        self.at(now + 1.0, self.look)
        for target in self.targets:
            assert target.in_flight >= 0
            if self.checks:
                ill = self.ways[target] in {"dead", "silent"}
                (self.pool.failed if ill else self.pool.passed)(now, target)
            self.longest = max(self.longest, now - self.asked[target])

    def obey(self, now, call, order):
        if order is TRY:
            self.attempt(now, call)
        elif order is PAUSE or order is WAIT:
            self.at(call.until, self.resume, call)

    def resume(self, now, call):
        self.obey(now, call, call.resume(now))

    def attempt(self, now, call):
        target, number = call.instance, call.attempt
        way, self.asked[target] = self.ways[target], now
        if now > TROUBLE + FORGOTTEN:
            self.late[target] += 1
        if way == "dead":
            self.at(now + 0.001, self.end, call, number, REFUSED, 0)
            return
        call.sent(now)
        if way in ENDS and self.chance.random() < 0.7:
            self.at(now + 0.01, self.end, call, number, *ENDS[way])
        elif way == "stream":
            call.committed(now)
            self.at(now + 50.0, self.end, call, number, OK, 200)
        elif way in {"silent", "slow"}:
            self.at(now + 0.1, self.doubt, call, number)
            ended = (now + 1.0, OK) if way == "slow" else (call.until, TIMEOUT)
            self.at(ended[0], self.end, call, number, ended[1], 0)
        else:
            self.at(now + self.chance.choice((0.005, 0.02)), self.end, call, number, OK, 200)

    def doubt(self, now, call, number):
        if (call.state, call.attempt) == (TRYING, number):
            self.pool.doubt(now, call.instance, 0.1, firm=call.instance.in_flight > 2)

    def end(self, now, call, number, outcome, status):
        if (call.state, call.attempt) == (TRYING, number):
            if outcome is OK and call.instance.doubt is not None:
                self.pool.heard(now, call.instance, in_time=now - call.asked_at < 0.1)
            self.obey(now, call, call.settle(now, outcome, status))


@pytest.mark.parametrize("size", [1, 2, 3, 6])
@pytest.mark.parametrize(
    "how",
    [
        {"writes": 0.5, "checks": True, "breaker": True, "outlier": OutlierSpec()},
        {"writes": 0.0, "checks": False, "breaker": False, "outlier": OutlierSpec()},
        {"writes": 1.0, "checks": False, "breaker": False, "outlier": OutlierSpec()},
        {"writes": 1.0, "checks": True, "breaker": True, "outlier": None},
    ],
    ids=["mixed", "reads", "writes", "no outliers"],
)
def test_who_is_well_again_has_its_part_again(size, how):
    world = World(size, size, how)

    world.run()

    part = sum(world.late.values()) / size
    assert world.longest < FORGOTTEN
    assert all(world.late[target] > part / 3 for target in world.targets), world.late
