"""A service in simulated time: so many at once, each for so long, and everybody else waits inside it."""

from collections import deque
from heapq import heappop, heappush
from math import inf

from mainstay.base.dice import Dice
from mainstay.tolerance.limiter import Limiter, LimiterSpec
from mainstay.tolerance.line import Line, LineSpec

TICK = 0.1


class Service:
    """What is simulated: clients that come at random, the limiter with its line, and the service behind both."""

    def __init__(self, places, takes, *, limiter=True, patience=inf, retries=0):
        self.places = places
        self.takes = takes
        self.width = 3
        self.limiter = Limiter(LimiterSpec())
        self.limited = limiter
        self.line = Line(LineSpec())
        self.patience = patience
        self.retries = retries
        self.dice = Dice(1)
        self.now = 0.0
        self.rate = 0.0
        self.served = []
        """When each answer came, how long it took from when the client had asked, and whether it still waited."""
        self.refused = []
        self._events = []
        self._count = 0
        self._inside = deque()
        self._working = 0
        self._under_way = 0
        self._waits = []
        self._done = set()

    def run(self, seconds, rate):
        """Let clients come at a rate, in requests a second."""
        self.rate = rate
        end = self.now + seconds
        if not any(kind == "tick" for _, _, kind, _ in self._events):
            self._later(self.now + TICK, "tick")
        self._later(self.now, "come")
        while self._events and self._events[0][0] < end:
            self.now, _, kind, what = heappop(self._events)
            getattr(self, f"_{kind}")(what)
        self.now = end
        self._events = [event for event in self._events if event[2] != "come"]
        self._events.sort()
        return self

    def good(self, since):
        """Count the answers a second that somebody still waited for."""
        return sum(at >= since and wanted for at, _, wanted in self.served) / (self.now - since)

    def p99(self, since):
        took = sorted(long for at, long, _ in self.served if at >= since)
        return took[int(len(took) * 0.99)]

    def _later(self, at, kind, what=None):
        self._count += 1
        heappush(self._events, (at, self._count, kind, what))

    def _come(self, _):
        self._ask((self.now, self.retries))
        self._later(self.now + self.dice.between(0.0, 2.0 / self.rate), "come")

    def _ask(self, who):
        if not self.limited or self._under_way < self.limiter.most:
            self._send(who)
            return
        self._count += 1
        waiting = (*who, self._count)
        self._later(self.now + self.line.patience(self.now), "tire", waiting)
        gone = self.line.add(self.now, waiting, 0)
        if gone is not None:
            self._refuse(gone)

    def _tire(self, waiting):
        before = self.line.length
        self.line.remove(waiting)
        if self.line.length < before:
            self._refuse(waiting)

    def _refuse(self, who):
        self.refused.append(self.now)
        if who[1] > 0:
            self._later(self.now + 0.05, "again", who[1] - 1)

    def _again(self, retries):
        self._ask((self.now, retries))

    def _send(self, who):
        self._under_way += 1
        self._inside.append((self.now, who))
        if self.patience < inf:
            self._later(self.now + self.patience, "give_up", who)
        self._work()

    def _give_up(self, who):
        """A client whose patience is over asks again, though its first request is still worked on."""
        if who[1] > 0 and who not in self._done:
            self._ask((self.now, who[1] - 1))

    def _work(self):
        while self._inside and self._working < self.places:
            self._working += 1
            self._later(self.now + self.takes * self.dice.between(0.8, 1.2), "end", self._inside.popleft())

    def _end(self, one):
        sent, who = one
        self._working -= 1
        self._under_way -= 1
        self._waits.append(self.now - sent)
        long = self.now - who[0]
        self._done.add(who)
        self.served.append((self.now, long, long <= self.patience))
        self._work()
        if self.limited and self._under_way < self.limiter.most:
            following = self.line.next(self.now)
            if following is not None:
                self._send(following[:2])

    def _tick(self, _):
        self.limiter.judge(self.now, self._waits, self.width, self._under_way, self.line.length)
        self._waits = []
        self._later(self.now + TICK, "tick")
