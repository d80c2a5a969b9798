"""A service in simulated time: so many at once, each for so long, and everybody else waits inside it."""

from collections import deque
from heapq import heappop, heappush
from math import inf

from mainstay.base.dice import Dice
from mainstay.tolerance.limiter import Limiter, LimiterSpec
from mainstay.tolerance.line import Line, LineSpec

TICK = 0.1
WIDTH = 3


class Gate:
    """One worker of the gateway: its limiter, its line, and what it has under way."""

    def __init__(self):
        self.limiter = Limiter(LimiterSpec())
        self.line = Line(LineSpec())
        self.under_way = 0
        self.waits = []


class Request:
    """One of somebody's requests."""

    def __init__(self, gate, at, retries):
        self.gate = gate
        self.at = at
        self.retries = retries
        self.sent = 0.0
        self.done = False


class Service:
    """What is simulated: clients that come at random, the gateway's workers, and the service behind them."""

    def __init__(  # noqa: PLR0913 - all by name
        self, places, takes, *, limiter=True, patience=inf, retries=0, workers=1
    ):
        self.places = places
        self.takes = takes
        self.gates = [Gate() for _ in range(workers)]
        self.limited = limiter
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

    @property
    def limiter(self):
        return self.gates[0].limiter

    def run(self, seconds, rate):
        """Let clients come at a rate, in requests a second."""
        self.rate = rate
        end = self.now + seconds
        if not any(kind == "tick" for _, _, kind, _ in self._events):
            for at, gate in enumerate(self.gates):
                self._later(self.now + TICK * (1 + at / len(self.gates)), "tick", gate)
        self._later(self.now, "come")
        while self._events and self._events[0][0] < end:
            self.now, _, kind, what = heappop(self._events)
            getattr(self, f"_{kind}")(what)
        self.now = end
        self._events = sorted(event for event in self._events if event[2] != "come")
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
        self._again(self.retries)
        self._later(self.now + self.dice.between(0.0, 2.0 / self.rate), "come")

    def _again(self, retries):
        gate = self.gates[int(self.dice.random() * len(self.gates))]
        request = Request(gate, self.now, retries)
        if not self.limited or gate.under_way < gate.limiter.most:
            self._send(request)
            return
        self._later(self.now + gate.line.patience(self.now), "tire", request)
        gone = gate.line.add(self.now, request, 0)
        if gone is not None:
            self._refuse(gone)

    def _tire(self, request):
        before = request.gate.line.length
        request.gate.line.remove(request)
        if request.gate.line.length < before:
            self._refuse(request)

    def _refuse(self, request):
        self.refused.append(self.now)
        if request.retries > 0:
            self._later(self.now + 0.05, "again", request.retries - 1)

    def _send(self, request):
        request.gate.under_way += 1
        request.sent = self.now
        self._inside.append(request)
        if self.patience < inf:
            self._later(self.now + self.patience, "give_up", request)
        self._work()

    def _give_up(self, request):
        """Ask again, as clients do whose patience is over, though the first request is still worked on."""
        if request.retries > 0 and not request.done:
            self._again(request.retries - 1)

    def _work(self):
        while self._inside and self._working < self.places:
            self._working += 1
            self._later(self.now + self.takes * self.dice.between(0.8, 1.2), "end", self._inside.popleft())

    def _end(self, request):
        gate, long = request.gate, self.now - request.at
        self._working -= 1
        gate.under_way -= 1
        gate.waits.append(self.now - request.sent)
        request.done = True
        self.served.append((self.now, long, long <= self.patience))
        self._work()
        while self.limited and gate.under_way < gate.limiter.most:
            following = gate.line.next(self.now)
            if following is None:
                return
            self._send(following)

    def _tick(self, gate):
        gate.limiter.judge(self.now, gate.waits, WIDTH, gate.under_way, gate.line.length)
        gate.waits = []
        self._later(self.now + TICK, "tick", gate)
